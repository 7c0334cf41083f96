"""A reader of recordings in 150 lines, written from docs/FORMAT.md alone. It is here to prove that the page is enough;
tests/format_test.py compares what it reads with what culprit says. zstd skips the marks and the index by itself."""
import struct, subprocess

def crc32c(data, table=[]):
    for c in range(0 if table else 256):
        for _ in range(8):
            c = c >> 1 ^ (0x82f63b78 if c & 1 else 0)
        table.append(c)
    c = 0xffffffff
    for byte in data:
        c = table[(c ^ byte) & 255] ^ c >> 8
    return c ^ 0xffffffff

class Bytes:
    def __init__(self, data):
        self.data, self.at = data, 0
    def take(self, n):
        self.at += n
        return self.data[self.at - n:self.at]
    u8 = lambda self: self.take(1)[0]
    def varint(self):
        value = shift = 0
        while True:
            byte = self.u8()
            value, shift = value | (byte & 127) << shift, shift + 7
            if byte < 128:
                return value & (1 << 64) - 1
    zigzag = lambda self: (v := self.varint()) >> 1 ^ -(v & 1)
    string = lambda self: self.take(self.varint())
    def skip(self, n):
        return [self.varint() for _ in range(n)]
    def slots(self, n):
        at = -1
        return [at := at + 1 + self.varint() for _ in range(n)]
    def value(self, kind, before):
        if kind == 'f64':
            return before ^ int.from_bytes(struct.pack('<Q', self.varint()), 'big')
        word = self.varint()
        word, step = (word >> 1, 1 if word & 1 else 1000) if kind == 'thousands' else (word, 1)
        return before + (word >> 1 ^ -(word & 1)) * step & (1 << 64) - 1
    def counts(self, before):
        now, at = list(before), 0
        for _ in range(self.varint()):
            at += self.varint()
            now[at], at = now[at] + self.zigzag(), at + 1
        return now

KINDS = dict(enumerate('? i64 u64 f64 bool text stack task histogram thousands'.split()))
COUNTER, HISTOGRAM, TIME = 4, 6, 7

class Table:
    def __init__(self, b):
        self.event, _, self.name = b.u8() == 2, b.varint(), b.string().decode()
        [b.string() for _ in range(8)]  # what the console shows of it
        self.columns, self.rows, self.events, self.sample = [], {}, [], None
        for c in (Bytes(b.string()) for _ in range(b.varint())):
            name, role, kind, group = c.string(), [c.string(), c.string(), c.u8()][2], c.u8(), [c.u8(), c.u8()][1]
            slots = [c.varint(), c.u8(), c.varint()][2] if role == HISTOGRAM else 0
            self.columns.append((name.decode(), role, KINDS.get(kind, 'u64'), group, slots))
    def patterns(self, b, count):
        return [b.take(len(self.columns)) for _ in range(b.varint())] if count else []
    def row(self, states):
        return {'states': bytearray(states), 'cells': [0] * len(self.columns), 'counts': [[0] * c[4] for c in self.columns]}
    def values(self, b, rows, time=0):
        for i, (_, role, kind, _, _) in enumerate(self.columns):
            before = time if role == TIME else 0
            for row in rows:
                if row['states'][i] and (role != HISTOGRAM or row['states'][i] != 1):
                    row['cells'][i] = before = b.value(kind, before)
    def whole(self, b):
        count, slot, heads, rows = b.varint(), -1, [], []
        patterns = self.patterns(b, count)
        for _ in range(count):
            slot, flags, _ = slot + 1 + b.varint(), b.varint(), b.varint()
            b.skip((flags >> 1 & 1) + (flags & 1))  # when it began
            if any(c[3] for c in self.columns):
                b.skip(bin(b.u8() & 0xfe).count('1'))
            heads.append((slot, flags))
            rows.append(self.row(patterns[b.varint()]))
        self.values(b, rows)
        for (slot, flags), row in zip(heads, rows):
            for i in (i for i, c in enumerate(self.columns) if c[1] == HISTOGRAM and row['states'][i] == 1):
                row['counts'][i] = b.counts(row['counts'][i])
            b.skip(sum(c[1] == COUNTER for c in self.columns) if flags & 8 else 0)  # drops
            groups = b.u8() if flags & 16 else 0  # bases
            b.skip(bin(groups).count('1'))
            for c in (c for c in self.columns if groups >> c[3] & 1):
                b.skip(c[1] == COUNTER)
                b.counts([0] * c[4]) if c[1] == HISTOGRAM else None
            self.rows.update({} if flags & 4 else {slot: row})
    def changes(self, b):
        [(b.varint(), b.u8()) for _ in range(b.varint())]  # staled
        rows = [self.rows[s] for s in b.slots(b.varint())]
        masks = [sum(b.varint() << 64 * w for w in range((len(self.columns) + 63) // 64)) for _ in rows]
        for _ in range(b.varint() if rows else 0):
            row, column = rows[b.varint()], b.varint()
            row['states'][column] = b.u8()
        for i, (_, role, kind, _, _) in enumerate(self.columns):
            for row in (row for row, mask in zip(rows, masks) if mask >> i & 1):
                row['cells'][i] = b.value(kind, row['cells'][i])
                row['counts'][i] = b.counts(row['counts'][i]) if role == HISTOGRAM else []
        [(b.varint(), b.u8()) for _ in range(b.varint())]  # based
        at = -1
        for _ in range(b.varint()):  # ended
            at += 1 + (b.varint() >> 1)
            del self.rows[at]
    def section(self, b, key, mono):
        _, sampled = b.varint(), b.varint() & 1
        self.sample = mono + b.zigzag() if sampled else self.sample
        b.skip(4)  # reason, lost, cost, thinning
        if sampled and self.event:
            count = b.varint()
            patterns = self.patterns(b, count)
            self.events = [self.row(patterns[b.varint()]) for _ in range(count)]
            self.values(b, self.events, mono)
        elif sampled:
            self.rows = {} if key else self.rows
            self.whole(b)
            if not key:
                self.changes(b)

def frames(path):
    """Yields (mono, wall, tables by name, dictionary id -> (kind, bytes)) for every frame of a recording."""
    b, tables, dictionary = Bytes(subprocess.run(['zstd', '-dcq', path], check=True, stdout=subprocess.PIPE).stdout), [], {}
    while b.at < len(b.data):
        if b.data[b.at:b.at + 8] == b'CULPSEG1':
            start, tables, dictionary = b.at, [], {}
            b.at += struct.unpack_from('<I', b.data, b.at + 8)[0]
            continue
        kind, size, crc, _ = struct.unpack('<4sIII', b.take(16))
        payload = Bytes(b.take(size))
        if crc32c(kind + struct.pack('<I', size) + payload.data) != crc:
            raise ValueError('a block is damaged')
        b.at += -(b.at - start) % 8
        if kind == b'SCHM':
            tables = [Table(Bytes(payload.string())) for _ in range(payload.varint())]
        if kind != b'FRAM':
            continue
        (mono, wall), key = struct.unpack('<QQ', payload.take(16)), payload.varint() & 1
        for table in tables:
            table.events = []
        while payload.at < size:
            what, section = payload.varint(), Bytes(payload.string())
            if what == 1:
                for text, kind in ((section.varint(), section.u8()) for _ in range(section.varint())):
                    dictionary[text if kind < 4 else (text, kind)] = kind, section.string()  # 4, 5 say more of a text
            if what == 2:
                tables[section.varint()].section(section, key, mono)
        yield mono, wall, {t.name: t for t in tables}, dictionary
