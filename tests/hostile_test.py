#!/usr/bin/env python3
"""Recordings made to harm who opens them: cut, flipped, with lengths that lie, bombs, dictionaries that name each other in
circles. Each is given to info, dump and replay with little memory and little time: an answer or a sentence, never a crash.
usage: hostile_test.py [--write DIR]   writes the files, as seeds for fuzzing (first byte 1: checksums are made right)."""
# timeout: 600
import os
import random
import resource
import shutil
import struct
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, 'tests', 'support'))
from format_reader import crc32c  # noqa: E402

CULPRIT = os.path.join(ROOT, os.environ.get('CULPRIT', 'build/culprit'))
MEMORY = 1 << 30 if 'san-' not in CULPRIT else resource.RLIM_INFINITY
ORIGINAL = os.path.join(ROOT, 'tests/fixtures/recordings/v1.0.culprit')
WRITER = 7


def varint(v):
    out = b''
    while v > 127:
        out, v = out + bytes([v & 127 | 128]), v >> 7
    return out + bytes([v])


def string(data):
    return varint(len(data)) + data


def ours(content):
    return struct.pack('<II', 0x184d2a5c, len(content) + 4) + content + struct.pack('<I', crc32c(content))


def zstd(data, level='-3'):
    return subprocess.run(['zstd', '-cq', level, '--no-check'], input=data, stdout=subprocess.PIPE, check=True).stdout


def block(kind, payload, size=None):
    head = kind + struct.pack('<I', len(payload) if size is None else size)
    # Of the bombs the checksum is wrong: it would take this script a minute, and they must not get so far.
    out = head + struct.pack('<II', crc32c(head + payload) if len(payload) < 1 << 20 else 0, 0) + payload
    return out + bytes(-len(out) % 8)


def recording(*segments, body=None, distance=None):
    """Segments given as their bytes after the header."""
    out = ours(b'CULPREC1' + struct.pack('<IIIIQQI', 0x01020304, 1, 0, 48, WRITER, 5, 0))
    for seq, blocks in enumerate(segments):
        header = b'CULPSEG1' + struct.pack('<IIQQQQ', 64, 1 << 16, WRITER, seq, 10**9 * (seq + 1), 10**18) + bytes(12)
        raw = header + struct.pack('<I', crc32c(header)) + blocks
        mark = ours(b'CULPSEGM' + struct.pack('<IIQQQQI', 56, 0, WRITER, seq, 10**9 * (seq + 1), 10**18, 0))
        packed = zstd(raw)
        end = (WRITER, seq, 10**9 * (seq + 1), len(raw) if body is None else body, 0,
               len(mark) + len(packed) if distance is None else distance)
        out += mark + packed + ours(b'CULPENDS' + struct.pack('<II6QI', 72, 0, *end, 0))
    return out


def host():
    return block(b'HOST', b''.join(string(t) for t in (b'evil', b'6.0', b'x86_64', b'', b'+00:00', b'Evil')) +
                 varint(100) + varint(4096) + varint(2) + varint(1 << 30) + b'\0' + varint(10**9))


def column(name, role, kind):
    return string(string(name) + b'\0\0' + bytes([role, kind, 1, 0]) + b'\0')


def schema(columns, n=None):
    table = b'\1\0' + b''.join(string(t) for t in (b'process', b'help', b'process', b'', b'', b'', b'', b'', b''))
    table += varint(len(columns) if n is None else n) + b''.join(columns) + b'\0\0'
    return block(b'SCHM', b'\1' + string(table))


COLUMNS = [column(b'pid', 1, 2), column(b'comm', 2, 5), column(b'where', 2, 6)]


def frame(dictionary, rows, key=1):
    table = b'\0' + b'\1\1\0\0\0\0\1' + rows
    return block(b'FRAM', struct.pack('<QQ', 10**9, 10**18) + bytes([key]) + b'\1' + string(dictionary) + b'\2' + string(table))


def row(slot=0, serial=0, values=(1, 2, 3)):
    return b'\1' + b'\1' + b'\1\1\1' + varint(slot) + b'\0' + varint(serial * 2) + b'\0' + b''.join(varint(v * 2) for v in values)


def files():
    good = open(ORIGINAL, 'rb').read()
    rng = random.Random(4711)
    plain = host() + schema(COLUMNS)
    circle = b'\3' + varint(1) + b'\1' + string(b'name') + varint(2) + b'\2' + string(b'\2' + varint(3) + b'\0' + varint(2) + b'\1') + \
        varint(3) + b'\2' + string(b'\1' + varint(2) + b'\0')
    yield 'plain', recording(plain + frame(circle, row(values=(1, 1, 2))))
    yield 'circle-of-stacks', recording(plain + frame(circle, row(values=(1, 3, 3))))
    yield 'stack-as-name', recording(plain + frame(circle, row(values=(1, 2, 1))))
    yield 'far-slot', recording(plain + frame(circle, row(slot=(1 << 22) - 1, values=(1, 1, 2))))
    yield 'beyond-slot', recording(plain + frame(circle, row(slot=1 << 60, values=(1, 1, 2))))
    yield 'many-rows', recording(plain + frame(circle, varint(1 << 40) + b'\1\1\1\1'))
    yield 'many-names', recording(plain + frame(varint(1 << 60), row()))
    yield 'many-columns', recording(host() + schema(COLUMNS, 1 << 50))
    yield 'many-tables', recording(host() + block(b'SCHM', varint(1 << 62)))
    yield 'long-block', recording(plain + block(b'FRAM', b'x' * 40, 0xffffffff))
    yield 'no-key-frame', recording(plain + frame(circle, row(), key=0))
    yield 'two-schemas', recording(plain + schema(COLUMNS) + frame(circle, row()))
    yield 'long-body', recording(plain + frame(circle, row()), body=1 << 63)
    yield 'far-back', recording(plain + frame(circle, row()), distance=1 << 63)
    yield 'bomb', recording(plain + frame(circle, row()) + block(b'BOMB', bytes(66 << 20)))
    yield 'bombs', recording(*[plain + block(b'BOMB', bytes(20 << 20))] * 3)
    yield 'many-segments', recording(*[plain + frame(circle, row(values=(1, 1, 2)))] * 60)
    yield 'blocks-of-nothing', recording(plain)[:-84] + b'\0\0\0' * 5000
    for i in range(3):
        yield 'cut-%d' % i, good[:rng.randrange(len(good))]
    for i in range(8):
        bad = bytearray(good)
        for _ in range(1 + i % 5):
            bad[rng.randrange(len(bad))] ^= 1 << rng.randrange(8)
        yield 'flipped-%d' % i, bytes(bad)
    marks = [i for i in range(len(good)) if good[i:i + 4] == b'\x5c\x2a\x4d\x18']
    for i, at in enumerate(marks):
        for length in (0xffffffff, 4097)[i % 2:][:1]:
            yield 'length-%d-%x' % (i, length), good[:at + 4] + struct.pack('<I', length) + good[at + 8:]


def limits():
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def main():
    if sys.argv[1:2] == ['--write']:
        os.makedirs(sys.argv[2], exist_ok=True)
        for name, data in files():
            if len(data) < 20000:
                with open(os.path.join(sys.argv[2], name), 'wb') as f:
                    f.write(b'\1' + data)
        return 0
    d, passed, failed, most = tempfile.mkdtemp(prefix='culprit-hostile-'), 0, 0, 0
    try:
        with open(d + '/keys', 'w') as f:
            f.write('shot a\nkey 2\nshot b\n')
        for name, data in files():
            path = d + '/' + name
            with open(path, 'wb') as f:
                f.write(data)
            for verb in (['info', path, '--json'], ['dump', 'process', path], ['replay', path, '--keys', d + '/keys', '--shots', d]):
                p = subprocess.Popen([CULPRIT, *verb], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, preexec_fn=limits)
                try:
                    out = p.communicate(timeout=100)[0]
                except subprocess.TimeoutExpired:
                    p.kill()
                    out = p.communicate()[0] + b'(killed after 100 s)'
                ok = p.returncode in (0, 1) and (p.returncode == 0 or out) and b'Sanitizer' not in out
                passed, failed = passed + ok, failed + (not ok)
                if not ok:
                    print('FAIL %s %s: status %s: %s' % (verb[0], name, p.returncode, out[-300:]), flush=True)
            os.unlink(path)
        most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
        print('# at most %d MB resident' % most)
        if most > 400 and 'san-' not in CULPRIT:
            failed += 1
            print('FAIL %d MB were resident' % most)
    finally:
        shutil.rmtree(d, ignore_errors=True)
    print('%d passed, %d failed' % (passed, failed))
    return failed > 0


if __name__ == '__main__':
    sys.exit(main())
