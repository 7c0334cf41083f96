#!/usr/bin/env python3
"""usage: tests/check_proc.py [CULPRIT]

Compares `culprit dump process|thread|cpu --raw --json` with what this script reads in /proc by itself, for every process,
thread and CPU. /proc is read before and after the dump: what is the same in both must be in the dump exactly so; a
counter that moved must lie between. Nobody who was there before and after may be missing, and nobody may be invented.

Last line: N passed, N failed, N skipped.
"""
import ctypes
import json
import os
import re
import subprocess
import sys
import threading
import time

HZ = os.sysconf('SC_CLK_TCK')
PAGE = os.sysconf('SC_PAGESIZE')
TICK = 10 ** 9 // HZ
CMDLINE_MAX = 4096

passed = failed = skipped = 0


def ok(condition, what):
    global passed, failed
    if condition:
        passed += 1
    else:
        failed += 1
        print('FAIL %s' % what)


def read(path):
    with open(path, 'rb') as f:
        return f.read()


def text_of(value):
    """Undoes the dump's escapes: bytes as they were."""
    out = bytearray()
    i = 0
    while i < len(value):
        if value[i] == '\\' and i + 1 < len(value):
            if value[i + 1] == 'x':
                out.append(int(value[i + 2:i + 4], 16))
                i += 4
                continue
            out += b'\\'
            i += 2
            continue
        out += value[i].encode('utf-8', 'surrogatepass')
        i += 1
    return bytes(out)


def dump(binary, table):
    p = subprocess.run([binary, 'dump', table, '--raw', '--json'], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if p.returncode != 0:
        raise SystemExit('FAIL dump %s: status %d: %s\n0 passed, 1 failed, 0 skipped'
                         % (table, p.returncode, p.stderr.decode(errors='replace').strip()))
    doc = json.loads(p.stdout.decode('utf-8'))
    if doc.get('schema') != 'culprit.rows/1' or doc.get('table') != table:
        raise SystemExit('FAIL dump %s: not culprit.rows/1\n0 passed, 1 failed, 0 skipped' % table)
    return doc


def parse_stat(raw):
    """/proc/PID/stat by field number; 2 is bytes."""
    comm = raw[raw.index(b'(') + 1:raw.rindex(b')')]
    rest = raw[raw.rindex(b')') + 2:].split()
    fields = {1: int(raw.split(b' ', 1)[0]), 2: comm, 3: rest[0]}
    for i, v in enumerate(rest[1:]):
        fields[i + 4] = int(v)
    return fields


def colon_lines(raw):
    out = {}
    for line in raw.split(b'\n')[0:]:
        if b':' in line:
            k, v = line.split(b':', 1)
            out.setdefault(k.decode(errors='replace'), v.strip())
    return out


def cgroup_of(raw):
    paths = {}
    for line in raw.decode('utf-8', 'surrogateescape').splitlines():
        number, names, path = line.split(':', 2)
        for name in names.split(','):
            paths.setdefault('unified' if number == '0' and not name else name, path)
    for name in ('unified', 'cpu', 'memory', 'name=systemd', 'pids'):
        if paths.get(name, '/') != '/':
            return paths[name].encode('utf-8', 'surrogateescape')
    return b'/'


def tty_of(device):
    if device == 0:
        return None
    major, minor = os.major(device), os.minor(device)
    if 136 <= major <= 143:
        return b'pts/%d' % ((major - 136) * 256 + minor)
    if major == 4:
        return b'tty%d' % minor if minor < 64 else b'ttyS%d' % (minor - 64)
    if (major, minor) == (5, 1):
        return b'console'
    return b'%d:%d' % (major, minor)


def kb(status, name):
    return int(status[name].split()[0]) * 1024 if name in status else None


# How two readings and the dump go together.
EXACT, COUNTER, GAUGE = 'exact', 'counter', 'gauge'


def stat_cells(s, thread):
    cells = {
        'comm': (EXACT, s[2]), 'state': (GAUGE, s[3]), 'utime': (COUNTER, s[14] * TICK), 'stime': (COUNTER, s[15] * TICK),
        'min_faults': (COUNTER, s[10]), 'maj_faults': (COUNTER, s[12]), 'priority': (GAUGE, s[18]), 'nice': (GAUGE, s[19]),
    }
    if thread:
        cells['processor'] = (GAUGE, s[39])
        cells['rt_priority'] = (GAUGE, s[40])
        cells['policy'] = (GAUGE, (b'other', b'fifo', b'rr', b'batch', b'iso', b'idle', b'deadline', b'ext')[s[41]])
    else:
        cells.update({
            'ppid': (GAUGE, s[4]), 'tty': (GAUGE, tty_of(s[7])), 'kthread': (EXACT, bool(s[9] & 0x00200000)),
            'cutime': (COUNTER, s[16] * TICK), 'cstime': (COUNTER, s[17] * TICK), 'guest_time': (COUNTER, s[43] * TICK),
            'threads': (GAUGE, s[20]), 'vsize': (GAUGE, s[23]), 'rss': (GAUGE, max(s[24], 0) * PAGE),
        })
    return cells


def io_cells(raw, names):
    io = colon_lines(raw)
    return {n: (COUNTER, int(io[n])) for n in names if n in io}


IO = ('rchar', 'wchar', 'syscr', 'syscw', 'read_bytes', 'write_bytes', 'cancelled_write_bytes')
THREAD_IO = ('rchar', 'wchar', 'read_bytes', 'write_bytes')


def optional(cells, names, make):
    """Files that need rights, or that this kernel may not have: then the dump must say so."""
    try:
        cells.update(make())
    except (PermissionError, FileNotFoundError) as e:
        for n in names:
            cells[n] = (GAUGE, PermissionError if isinstance(e, PermissionError) else None)


def read_process(pid):
    p = '/proc/%d/' % pid
    s = parse_stat(read(p + 'stat'))
    status = colon_lines(read(p + 'status').split(b'\n', 1)[1])
    cells = stat_cells(s, False)
    cells['uid'] = (GAUGE, int(status['Uid'].split()[1]))
    cells['ns_pid'] = (EXACT, int(status['NSpid'].split()[-1]))
    cells['tracer'] = (GAUGE, int(status['TracerPid']))
    for column, name in (('swap', 'VmSwap'), ('rss_anon', 'RssAnon'), ('rss_file', 'RssFile'), ('rss_shmem', 'RssShmem'),
                         ('rss_peak', 'VmHWM')):
        cells[column] = (GAUGE, kb(status, name))
    if s[9] & 0x00200000:
        cells['cmdline'] = (EXACT, None)
    elif s[3] not in b'ZX':
        raw = read(p + 'cmdline')[:CMDLINE_MAX]
        cells['cmdline'] = (GAUGE, raw.rstrip(b'\0').replace(b'\0', b' '))
    cells['cgroup'] = (GAUGE, cgroup_of(read(p + 'cgroup')))
    optional(cells, IO, lambda: io_cells(read(p + 'io'), IO))
    optional(cells, ('fds',), lambda: {'fds': (GAUGE, len(os.listdir(p + 'fd')))})
    limit = re.search(rb'Max open files +(\S+)', read(p + 'limits'))
    if not limit:
        raise FileNotFoundError(p + 'limits')  # empty: it ended just now
    limit = limit.group(1)
    cells['fd_limit'] = (GAUGE, int(limit) if limit != b'unlimited' else 2 ** 64 - 1)
    cells['oom_score_adj'] = (GAUGE, int(read(p + 'oom_score_adj')))
    switches = (status.get('voluntary_ctxt_switches'), status.get('nonvoluntary_ctxt_switches'), s[20])
    return (pid, s[22]), cells, switches


def read_thread(pid, tid, process_start):
    p = '/proc/%d/task/%d/' % (pid, tid)
    s = parse_stat(read(p + 'stat'))
    status = colon_lines(read(p + 'status').split(b'\n', 1)[1])
    cells = stat_cells(s, True)
    cells['pid'] = (EXACT, pid)
    cells['process_start'] = (EXACT, process_start)
    cells['voluntary'] = (COUNTER, int(status['voluntary_ctxt_switches']))
    cells['involuntary'] = (COUNTER, int(status['nonvoluntary_ctxt_switches']))

    def schedstat():
        v = [int(x) for x in read(p + 'schedstat').split()]
        return {'run_time': (COUNTER, v[0]), 'run_delay': (COUNTER, v[1]), 'timeslices': (COUNTER, v[2])}

    optional(cells, ('run_time', 'run_delay', 'timeslices'), schedstat)
    optional(cells, THREAD_IO, lambda: io_cells(read(p + 'io'), THREAD_IO))
    return (tid, s[22]), cells, (cells['voluntary'], cells['involuntary'])


def read_all(threads):
    rows = {}
    for name in os.listdir('/proc'):
        if not name.isdigit():
            continue
        pid = int(name)
        try:
            if not threads:
                key, cells, switches = read_process(pid)
                rows[key] = (cells, switches)
                continue
            start = parse_stat(read('/proc/%d/stat' % pid))[22]
            for tid in os.listdir('/proc/%d/task' % pid):
                key, cells, switches = read_thread(pid, int(tid), start)
                rows[key] = (cells, switches)
        except (FileNotFoundError, ProcessLookupError):
            continue
        except KeyError:
            continue  # it ended between two files: status without its lines
    return rows


def value_of(column, row):
    v = row.get(column)
    if isinstance(v, str) and column in TEXTS:
        return text_of(v)
    return int(v) if isinstance(v, str) else v


WHOLE_US = ('run_time', 'run_delay', 'blkio_delay')  # of which whole microseconds are kept
TEXTS = ('comm', 'state', 'tty', 'cmdline', 'cgroup', 'policy', 'user', 'wchan')


def compare(table, key, before, after, row):
    """Differences in words."""
    out = []
    quiet = before[1] == after[1] and all(before[0][c] == after[0].get(c) for c in before[0] if c != 'state')
    for column, (kind, low) in before[0].items():
        if column not in row:
            out.append('%s is not there' % column)
            continue
        high = after[0].get(column, (kind, None))[1]
        got = value_of(column, row)
        reason = row.get('_unread', {}).get(column)
        if low is PermissionError or high is PermissionError:
            if not (reason and 'permission' in reason) and low is high:
                out.append('%s should say that permission is missing, says %r' % (column, reason))
            continue
        if low is None or high is None:
            if low is high and got is not None:
                out.append('%s should be empty, is %r' % (column, got))
            continue
        if got is None:
            out.append('%s is empty (%s), should be %r' % (column, reason, low))
        elif kind == COUNTER:
            if table == 'thread' and column in ('utime', 'stime'):
                continue
            if column in WHOLE_US:
                low -= low % 1000
            if not low <= got <= high:
                out.append('%s %r is not in %r..%r' % (column, got, low, high))
        elif low == high and (kind == EXACT or quiet) and got != low:
            out.append('%s is %r, should be %r' % (column, got, low))
    if table == 'thread':
        # The kernel splits CPU time into user and system for each file anew; the sum is what holds.
        low, got, high = ((c['utime'] + c['stime']) for c in
                          ({k: v[1] for k, v in before[0].items()}, row, {k: v[1] for k, v in after[0].items()}))
        if not low - 2 * TICK <= got <= high + 2 * TICK:
            out.append('utime + stime %d is not in %d..%d' % (got, low, high))
    return out


def check_tasks(binary, table):
    threads = table == 'thread'
    id_name = 'tid' if threads else 'pid'
    for attempt in range(3):
        begun = time.clock_gettime(time.CLOCK_BOOTTIME)
        before = read_all(threads)
        doc = dump(binary, table)
        after = read_all(threads)
        rows = {}
        for r in doc['rows']:
            rows[(int(r[id_name]), int(r['start']))] = r
        wrong = []
        both = [k for k in before if k in after]
        if len(rows) != len(doc['rows']):
            wrong.append('two rows with one key')
        for k in both:
            if k not in rows:
                wrong.append('%s %d (start %d) is missing' % ((id_name,) + k))
                continue
            wrong += ['%s %d: %s' % (id_name, k[0], w) for w in compare(table, k, before[k], after[k], rows[k])]
        for k in rows:
            if k not in before and k not in after and k[1] < int(begun * HZ) - 1:
                wrong.append('%s %d (start %d) is not in /proc' % ((id_name,) + k))
        # A value may move to and fro between two readings of ours: what is wrong is wrong again.
        if not wrong:
            break
    ok(not wrong, '%s: %s' % (table, '; '.join(ascii(w) for w in wrong[:8])))
    ok(len(both) > 3, '%s: only %d rows could be compared' % (table, len(both)))
    print('%s: %d rows compared, %d in the dump' % (table, len(both), len(rows)))
    return rows


CPU = ('user', 'nice', 'system', 'idle', 'iowait', 'irq', 'softirq', 'steal', 'guest', 'guest_nice')


def read_cpus():
    out = {}
    for line in read('/proc/stat').decode().splitlines():
        if line.startswith('cpu'):
            words = line.split()
            out[-1 if words[0] == 'cpu' else int(words[0][3:])] = [int(w) * TICK for w in words[1:]]
    return out


def check_cpus(binary):
    for attempt in range(3):
        before = read_cpus()
        rows = {int(r['cpu']): r for r in dump(binary, 'cpu')['rows']}
        after = read_cpus()
        wrong = []
        if set(rows) != set(before):
            wrong.append('CPUs %s, should be %s' % (sorted(rows), sorted(before)))
        for n in set(rows) & set(before) & set(after):
            for i, column in enumerate(CPU[:len(before[n])]):
                got = rows[n].get(column)
                # idle and iowait of a CPU that sleeps are estimates, and may step back by some ticks.
                slack = 3 * TICK if column in ('idle', 'iowait') else 0
                if got is None or not before[n][i] - slack <= int(got) <= after[n][i] + slack:
                    wrong.append('cpu %d: %s %r is not in %d..%d' % (n, column, got, before[n][i], after[n][i]))
        if not wrong:
            break
    ok(not wrong, 'cpu: %s' % '; '.join(wrong[:8]))
    ok(len(rows) > 1, 'cpu: only %d rows' % len(rows))
    print('cpu: %d rows compared' % len(rows))


# --- company: processes that make it hard --------------------------------------------------------------------------

HOSTILE = [b'a) R 1 2 3', b'\x1b[2J', b'two\nlines', b'\xff\xfe\x80', b'back\\slash', b'\xc2\x9b31m', b'(((', b')))']


def child(name, nthreads, burn, pipe):
    with open('/proc/self/comm', 'wb') as f:
        f.write(name)
    for i in range(nthreads):
        threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
    os.write(pipe, b'x')
    while burn:
        time.sleep(0.01)
        sum(range(20000))
    time.sleep(1000)


def start_company():
    pids = []
    ready, pipe = os.pipe()
    libc = ctypes.CDLL(None)
    for i, name in enumerate(HOSTILE):
        pid = os.fork()
        if pid == 0:
            try:
                libc.prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
                child(name, 3 if i % 2 else 0, i == 2, pipe)
            finally:
                os._exit(0)
        pids.append(pid)
    for _ in pids:
        os.read(ready, 1)
    # A zombie, and a command line longer than what is kept.
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    pids.append(pid)
    p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(1000)', 'x' * 10000, 'y\x1b[1m\n'])
    pids.append(p.pid)
    time.sleep(0.3)
    return pids, p


def main():
    binary = sys.argv[1] if len(sys.argv) > 1 else os.environ.get('CULPRIT', 'build/culprit')
    if not os.access(binary, os.X_OK):
        print('skipped: %s is not there: make' % binary)
        print('0 passed, 0 failed, 1 skipped')
        return 0
    pids, popen = start_company()
    try:
        rows = check_tasks(binary, 'process')
        names = [text_of(r['comm']) for r in rows.values()]
        for name in HOSTILE:
            ok(name[:15] in names, 'process: no row named %r' % name)
        check_tasks(binary, 'thread')
        check_cpus(binary)
    finally:
        for pid in pids:
            os.kill(pid, 9)
        popen.wait()
        for pid in pids[:-1]:
            os.waitpid(pid, 0)
    print('%d passed, %d failed, %d skipped' % (passed, failed, skipped))
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
