#!/usr/bin/env python3
"""A recording as a newer minor version may write it: longer headers and marks, unknown frames, blocks and sections, fields
appended to host, tables and columns, a unit nobody knows. It must read as if all that were not there."""
import os
import shutil
import struct
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, 'tests', 'support'))
from format_reader import Bytes, crc32c  # noqa: E402

CULPRIT = os.path.join(ROOT, os.environ.get('CULPRIT', 'build/culprit'))
OLD = os.path.join(ROOT, 'tests/fixtures/recordings/v1.0.culprit')
MINOR = 9
counts = [0, 0]


def check(name, ok, what=''):
    counts[not ok] += 1
    if not ok:
        print('FAIL %s: %s' % (name, what), flush=True)


def zstd(data, *args):
    return subprocess.run(['zstd', '-cq', *args], input=data, stdout=subprocess.PIPE, check=True).stdout


def varint(v):
    out = b''
    while v > 127:
        out, v = out + bytes([v & 127 | 128]), v >> 7
    return out + bytes([v])


def string(data):
    return varint(len(data)) + data


def ours(content):
    return struct.pack('<II', 0x184d2a5c, len(content) + 4) + content + struct.pack('<I', crc32c(content))


def block(kind, payload, at):
    head = kind + struct.pack('<I', len(payload))
    out = head + struct.pack('<II', crc32c(head + payload), 0) + payload
    return out + bytes(-(at + len(out)) % 8)


def newer_schema(payload):
    b, tables = Bytes(payload), []
    for _ in range(b.varint()):
        t = Bytes(b.string())
        begin = t.at
        t.u8(), t.varint()
        texts = [t.string() for _ in range(9)]
        out = t.data[begin:t.at]
        columns = [t.string() for _ in range(t.varint())]
        if texts[0] == b'memory':  # the unit of a column is one of the future
            c = Bytes(columns[-1])
            [c.string() for _ in range(3)]
            columns[-1] = columns[-1][:c.at + 2] + b'\x63' + columns[-1][c.at + 3:]
        out += varint(len(columns)) + b''.join(string(c + b'\x05later') for c in columns)
        for _ in range(2):  # derived columns, roll-ups
            items = [t.string() for _ in range(t.varint())]
            out += varint(len(items)) + b''.join(string(i + b'later') for i in items)
        tables.append(string(out + t.data[t.at:] + b'\x07fields.'))
    return varint(len(tables)) + b''.join(tables) + b'more'


def newer_frame(payload):
    b = Bytes(payload)
    b.take(16)
    b.varint()
    out, n = b.data[:b.at], 0
    while b.at < len(b.data):
        what, section = b.varint(), b.string()
        out += b'\x63' + string(b'a section of the future') + varint(what) + string(section + b'later' * (what == 2))
        n += 1
    return out + b'\x64\x00'


def newer(data):
    out, at = [], 0
    while at < len(data):
        magic, length, content = *struct.unpack_from('<II', data, at), data[at + 16 - 8:]
        if magic == 0x184d2a5c:
            content = data[at + 8:at + 8 + length]
            kind, body = content[:8], content[:-4]
            at += 8 + length
            if kind == b'CULPREC1':
                body = body[:16] + struct.pack('<II', MINOR, length + 8) + body[24:] + b'addition'
                out.append(ours(body))
                out.append(struct.pack('<II', 0x184d2a53, 6) + b'foreig')
            elif kind == b'CULPSEGM':
                mark = ours(body + b'addition')
                out.append(ours(b'CULPXYZW' + bytes(40)))
                begin = sum(map(len, out))
                out.append(mark)
            elif kind == b'CULPENDS':
                body = body[:40] + struct.pack('<QQQ', size[0], size[1], sum(map(len, out)) - begin) + body[64:]
                out.append(ours(body + b'addition'))
            continue
        # Two zstd frames: the segment, its summary.
        end = data.index(struct.pack('<I', 0x184d2a5c), at)
        while data[end + 8:end + 16] not in (b'CULPENDS',):
            end = data.index(struct.pack('<I', 0x184d2a5c), end + 1)
        raw = zstd(data[at:end], '-d')
        at = end
        header = bytearray(raw[:64]) + b'addition'
        struct.pack_into('<II', header, 8, 72, 1 << 16 | MINOR)
        struct.pack_into('<I', header, 60, crc32c(bytes(header[:60])))
        b, segment, summary = Bytes(raw), bytes(header), b''
        b.at = 64
        while b.at < len(raw):
            kind, length = struct.unpack('<4sI', b.take(8))
            b.take(8)
            payload = b.take(length)
            b.at += -b.at % 8
            payload = {b'HOST': lambda p: p + b'\x01\x02later', b'SCHM': newer_schema, b'FRAM': newer_frame}.get(kind, bytes)(payload)
            if kind == b'SUMM':
                summary = block(kind, payload + b'later', len(segment))
            else:
                segment += block(kind, payload, len(segment))
                segment += block(b'XTRA', b'a block of the future', len(segment))
        size = (len(segment), len(summary))
        # Neither checksum nor content size, as the page says; both would be read.
        out.append(zstd(segment) + (zstd(summary) if summary else b''))
    return b''.join(out)


def dump(table, path, *more):
    r = subprocess.run([CULPRIT, 'dump', table, path, '--json', *more], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    return r.returncode, r.stdout, r.stderr


def main():
    d = tempfile.mkdtemp(prefix='culprit-newer-')
    try:
        path = d + '/newer.culprit'
        with open(path, 'wb') as f:
            f.write(newer(open(OLD, 'rb').read()))
        r = subprocess.run([CULPRIT, 'info', path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        check('info', r.returncode == 0 and ' 42, one every 200ms' in r.stdout, r.stdout[:300] + r.stderr)
        for table in ('cpu', 'host', 'process', 'thread', 'psi', 'disk', 'vmstat', 'collector', 'mark'):
            for more in ((), ('--raw',), ('--from', 'start', '--to', '+3s')):
                a, b = dump(table, OLD, *more), dump(table, path, *more)
                check('%s %s' % (table, ' '.join(more)), a[0] == 0 and a == b, b[2] or b[1][:200])
        a, b = dump('memory', OLD, '--raw'), dump('memory', path, '--raw')
        check('a unit of the future', b[0] == 0 and a[1].count('"name"') == b[1].count('"name"'), b[2])
        data = bytearray(open(path, 'rb').read())
        struct.pack_into('<I', data, 20, 2)  # another major version
        with open(path, 'wb') as f:
            f.write(data)
        r = dump('cpu', path)
        check('another major version is refused', r[0] == 1 and 'another format version' in r[2], r[2])
    finally:
        shutil.rmtree(d, ignore_errors=True)
    print('%d passed, %d failed' % tuple(counts))
    return counts[1] > 0


if __name__ == '__main__':
    sys.exit(main())
