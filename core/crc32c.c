/* CRC32C: with the CPU's instruction where it has one, else by a table of 16 entries (a nibble a step: recordings are
 * written at kilobytes a second, and a small table stays out of the way). */
#include "wire.h"

#include <string.h>

static uint32_t crc32c_table(uint32_t crc, const uint8_t *p, size_t n)
{
	/* Remainders of the 16 nibbles for the reflected polynomial 0x82f63b78. */
	static const uint32_t nibble[16] = {
		0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
		0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
	};

	while (n--) {
		crc ^= *p++;
		crc = nibble[crc & 15] ^ (crc >> 4);
		crc = nibble[crc & 15] ^ (crc >> 4);
	}
	return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t crc32c_cpu(uint32_t crc, const uint8_t *p, size_t n)
{
	uint64_t c = crc;

	for (; n >= 8; n -= 8, p += 8) {
		uint64_t v;

		memcpy(&v, p, 8);
		c = __builtin_ia32_crc32di(c, v);
	}
	while (n--)
		c = __builtin_ia32_crc32qi((uint32_t)c, *p++);
	return (uint32_t)c;
}

static bool crc32c_has_cpu(void)
{
	return __builtin_cpu_supports("sse4.2");
}
#else
static uint32_t crc32c_cpu(uint32_t crc, const uint8_t *p, size_t n)
{
	return crc32c_table(crc, p, n);
}

static bool crc32c_has_cpu(void)
{
	return false;
}
#endif

uint32_t crc32c(uint32_t crc, const void *bytes, size_t n)
{
	crc = ~crc;
	crc = crc32c_has_cpu() ? crc32c_cpu(crc, bytes, n) : crc32c_table(crc, bytes, n);
	return ~crc;
}
