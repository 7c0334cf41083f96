#!/usr/bin/env python3
# beside: others
"""Is docs/FORMAT.md enough? tests/support/format_reader.py was written from it; what it reads of recordings must be what
`culprit dump --raw --json` says of the same instants, cell by cell. Also: a recording made live and its replay give the same
bytes of JSON, and a recording of an earlier version opens for ever."""
import json
import os
import shutil
import subprocess
import sys
import tempfile
from datetime import datetime, timezone

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, 'tests', 'support'))
import format_reader  # noqa: E402

CULPRIT = os.path.join(ROOT, os.environ.get('CULPRIT', 'build/culprit'))
FIXTURES = os.path.join(ROOT, 'tests/fixtures/recordings')
counts = {'passed': 0, 'failed': 0, 'skipped': 0}


def check(name, ok, what=''):
    counts['passed' if ok else 'failed'] += 1
    if not ok:
        print('FAIL %s%s' % (name, ': %s' % (what,) if what != '' else ''), flush=True)


def text(data):
    """As JSON has it: bytes that are not UTF-8 as \\xHH, the backslash doubled."""
    return data.replace(b'\\', b'\\\\').decode(errors='surrogateescape').translate(
        {0xdc00 + i: '\\x%02x' % i for i in range(128, 256)})


def cell(column, row, i, dictionary):
    state, value, kind = row['states'][i], row['cells'][i], column[2]
    if state != 1:
        return None
    if kind == 'histogram':
        return row['counts'][i]
    if kind in ('i64', 'u64', 'thousands'):
        return value - (1 << 64) if kind == 'i64' and value >> 63 else str(value) if value >> 63 else value
    if kind == 'f64':
        value = format_reader.struct.unpack('<d', format_reader.struct.pack('<Q', value))[0]
        return int(value) if value == int(value) else value
    if kind == 'bool':
        return bool(value)
    entry = dictionary[value][1]
    if kind == 'text':
        return text(entry)
    b = format_reader.Bytes(entry)
    if kind == 'task':
        return {'tid': b.varint(), 'start': b.varint()}
    return [(text(dictionary[m][1]) if m else None, str(o) if o >> 63 else o)
            for m, o in [(b.varint(), b.varint()) for _ in range(b.varint())]]


def said(value):
    """A value of the JSON in the form of cell()."""
    if isinstance(value, dict) and 'counts' in value:
        return value['counts']
    if isinstance(value, list):
        return [(f['module'], f['offset']) for f in value]
    return value


def rfc3339(ns):
    return datetime.fromtimestamp(ns // 10**9, timezone.utc).strftime('%Y-%m-%dT%H:%M:%S') + '.%09dZ' % (ns % 10**9)


def compare(path, name, table, dictionary, mono, wall, since):
    """Returns how many cells agree; a sentence where one does not."""
    event = table.event
    slew = 1000  # ns: the offset of the wall clock differs a little from frame to frame
    r = subprocess.run([CULPRIT, 'dump', name, path, '--raw', '--json', '--columns', 'all', '--from', rfc3339((since if event else wall) + slew),
                        '--to', rfc3339(wall + slew)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if not r.stdout:
        return 'nothing: %s' % r.stderr.strip() if table.rows or table.events else 0
    theirs = [row for row in json.loads(r.stdout)['rows'] if '_ended' not in row]
    ours = []
    for row in table.events if event else table.rows.values():
        ours.append({c[0]: cell(c, row, i, dictionary) for i, c in enumerate(table.columns)})
    if len(ours) != len(theirs):
        return '%d rows, not %d' % (len(theirs), len(ours))
    for row in theirs:  # times are told by the wall clock
        for key in [k for k in row if k + '_ns' in row]:
            row[key] = row.pop(key + '_ns')
    for column in (c[0] for c in table.columns):
        like = next((row[column] for row in theirs if isinstance(row.get(column), int) and row[column] > 10**18), None)
        for row in ours:
            if like and isinstance(row[column], int) and abs(row[column] - like) > 10**18:
                row[column] += wall - mono
    keys = [c[0] for c in table.columns]
    ours = sorted(([row[k] for k in keys] for row in ours), key=json.dumps)
    theirs = sorted(([said(row.get(k)) for k in keys] for row in theirs), key=json.dumps)

    def same(x, y):
        is_time = isinstance(x, int) and isinstance(y, int) and min(x, y) > 10**18
        # What was before the recording is told by the clocks of its first frame.
        near = 10**6 if name == 'kernel_log_class' else slew
        return abs(x - y) <= near if is_time else json.dumps(x) == json.dumps(y)

    for a, b in zip(ours, theirs):
        if not all(same(x, y) for x, y in zip(a, b)):
            return 'read %s, said %s' % (json.dumps(a)[:400], json.dumps(b)[:400])
    return len(ours) * len(keys)


def read_all(path, name, instants):
    frames = sum(1 for _ in format_reader.frames(path))
    cells, seen, since = 0, set(), 0
    for i, (mono, wall, tables, dictionary) in enumerate(format_reader.frames(path)):
        if i in {frames * k // instants for k in range(1, instants)} | {frames - 1}:
            for table in tables.values():
                got = compare(path, table.name, table, dictionary, mono, wall, since)
                if isinstance(got, str):
                    check('%s: %s in frame %d' % (name, table.name, i), False, got)
                    return
                cells += got
                seen |= {table.name} if got else set()
        since = wall
    check('%s: %d cells of %d tables at %d instants of %d frames' % (name, cells, len(seen), instants, frames), cells > 1000)
    print('# %s: %d cells of %d tables agree' % (name, cells, len(seen)))


def for_ever(d):
    """What is kept must open, and say what it said when it was recorded."""
    path = FIXTURES + '/v1.0.culprit'
    r = subprocess.run([CULPRIT, 'info', path, '--json'], stdout=subprocess.PIPE, text=True)
    what = json.loads(r.stdout)
    check('v1.0: info', (what['state'], what['frames'], what['host']['name'], what['segments']) == ('whole', 42, 'web-3', 2), r.stdout[:300])
    r = subprocess.run([CULPRIT, 'dump', 'cpu', path, '--json'], stdout=subprocess.PIPE, text=True)
    check('v1.0: dump', r.stdout == open(FIXTURES + '/v1.0.cpu.json').read(), r.stdout[:300])
    with open(d + '/keys', 'w') as f:
        f.write('shot over\nkey 2\nshot processes\n')
    r = subprocess.run([CULPRIT, 'replay', path, '--keys', d + '/keys', '--shots', d, '--size', '100x30'], stderr=subprocess.PIPE, text=True)
    shots = ''.join(open(os.path.join(d, f), errors='replace').read() for f in os.listdir(d) if f.startswith(('over', 'processes')))
    check('v1.0: replay', not r.returncode and 'web-3' in shots and 'gzip' in shots, r.stderr + shots[:400])


def main():
    lines = len(open(format_reader.__file__).readlines())
    check('the reader has at most 150 lines', lines <= 150, lines)
    d = tempfile.mkdtemp(prefix='culprit-format-')
    try:
        p = subprocess.Popen([CULPRIT, 'record', '-o', d + '/a.rec', '--interval', '50ms', '--for', '3'])
        while p.poll() is None:  # processes that come and go
            subprocess.run(['/bin/sh', '-c', 'cat /proc/self/stat >/dev/null; exec -a "odd \\\\ name" sleep 0.02'],
                           stderr=subprocess.DEVNULL)
        read_all(d + '/a.rec', 'live', 6)
        for path in sorted(os.listdir(FIXTURES)) if os.path.isdir(FIXTURES) else []:
            if path.endswith('.culprit'):
                read_all(os.path.join(FIXTURES, path), path, 4)
        for_ever(d)
    finally:
        shutil.rmtree(d, ignore_errors=True)
    print('%(passed)d passed, %(failed)d failed, %(skipped)d skipped' % counts)
    return 1 if counts['failed'] else 0


if __name__ == '__main__':
    sys.exit(main())
