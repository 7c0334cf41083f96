// Burns in Rust: iterators, hashing, a trait object, a second thread.
use std::collections::HashMap;
use std::hint::black_box;

trait Work {
    fn work(&self, depth: u32) -> u64;
}

struct Hashes(Vec<String>);
struct Sums(Vec<f64>);

impl Work for Hashes {
    #[inline(never)]
    fn work(&self, depth: u32) -> u64 {
        if depth > 0 {
            return self.work(depth - 1) + black_box(u64::from(depth));
        }
        let mut map: HashMap<&str, usize> = HashMap::new();
        for word in &self.0 {
            *map.entry(word.as_str()).or_insert(0) += word.len();
        }
        map.values().map(|v| *v as u64).sum()
    }
}

impl Work for Sums {
    #[inline(never)]
    fn work(&self, depth: u32) -> u64 {
        if depth > 0 {
            return self.work(depth - 1) + black_box(u64::from(depth));
        }
        self.0.iter().map(|x| x.sqrt().sin()).fold(0.0, |a, b| a + b) as u64
    }
}

#[inline(never)]
fn sorts(seed: &mut u64) -> u64 {
    let mut v: Vec<u64> = (0..20000)
        .map(|_| {
            *seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            *seed >> 33
        })
        .collect();
    v.sort_unstable_by(|a, b| (a ^ 5).cmp(&(b ^ 5)));
    v[v.len() / 2]
}

fn burn(mut seed: u64) {
    let works: Vec<Box<dyn Work>> = vec![
        Box::new(Hashes((0..2000).map(|i| format!("word {}", i % 300)).collect())),
        Box::new(Sums((0..20000).map(f64::from).collect())),
    ];
    loop {
        let n: u64 = works.iter().map(|w| w.work(20)).sum();
        black_box(n + sorts(&mut seed));
    }
}

fn main() {
    std::thread::spawn(|| burn(7));
    burn(3);
}
