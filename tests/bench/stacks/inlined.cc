/* Burns in C++: templates and lambdas that the compiler inlines into few functions, containers, an exception now and then. */
#include <algorithm>
#include <cstdint>
#include <map>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

static uint64_t state = 1;
static volatile uint64_t sink;

static uint64_t next()
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return state >> 33;
}

template <typename T> struct shape {
	virtual ~shape() = default;
	virtual T area(unsigned depth) const = 0;
};

template <typename T> struct nested final : shape<T> {
	std::vector<T> sides;
	explicit nested(size_t n) : sides(n) { std::iota(sides.begin(), sides.end(), T(1)); }
	__attribute__((noinline)) T area(unsigned depth) const override
	{
		T sum = std::accumulate(sides.begin(), sides.end(), T(0), [](T a, T b) { return a * T(3) + b / T(2); });
		return depth ? sum + area(depth - 1) : sum;
	}
};

__attribute__((noinline)) static void sorts(std::vector<uint64_t> &v)
{
	std::generate(v.begin(), v.end(), next);
	std::sort(v.begin(), v.end(), [](uint64_t a, uint64_t b) { return (a ^ 0x55) < (b ^ 0x55); });
	sink = v[v.size() / 2];
}

__attribute__((noinline)) static void maps(std::map<std::string, unsigned> &m)
{
	for (int i = 0; i < 2000; i++)
		m["key " + std::to_string(next() % 5000)]++;
	if (m.size() > 4000)
		m.clear();
}

__attribute__((noinline)) static void throws(unsigned depth)
{
	if (!depth)
		throw std::runtime_error("over");
	throws(depth - 1);
	sink = sink + depth;
}

int main()
{
	std::vector<uint64_t> v(20000);
	std::map<std::string, unsigned> m;
	nested<double> d(5000);
	nested<uint64_t> u(5000);
	const shape<double> *s = &d;

	for (;;) {
		sorts(v);
		maps(m);
		sink = sink + static_cast<uint64_t>(s->area(40)) + u.area(40);
		for (int i = 0; i < 20; i++) {
			try {
				throws(10);
			} catch (const std::exception &) {
				sink = sink + 1;
			}
		}
	}
}
