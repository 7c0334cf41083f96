// Burns in Java: compiled code, interfaces, allocation.
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;

public class Burn {
	static volatile long sink;

	static long deep(int n, long[] a) {
		return n > 0 ? deep(n - 1, a) + 1 : sums(a);
	}

	static long sums(long[] a) {
		long s = 0;
		for (int i = 0; i < a.length; i++) s = s * 31 + (a[i] ^ (s >>> 7));
		return s;
	}

	static long maps() {
		Map<String, Integer> m = new HashMap<>();
		for (int i = 0; i < 1000; i++) m.merge("key" + i % 200, 1, Integer::sum);
		return m.size();
	}

	static long sorts(long[] a) {
		long[] b = a.clone();
		for (int i = 0; i < b.length; i++) b[i] = b[i] * 6364136223846793005L >> 33;
		Arrays.sort(b);
		return b[b.length / 2];
	}

	public static void main(String[] args) {
		long[] a = new long[5000];
		for (int i = 0; i < a.length; i++) a[i] = i * 7919L;
		for (;;) sink = deep(30, a) + maps() + sorts(a);
	}
}
