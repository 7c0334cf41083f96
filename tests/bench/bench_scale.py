#!/usr/bin/env python3
"""Does the console stay live on boxes that are too large? Keys are pressed one at a time, and each is timed from when it was sent
to the painting that shows what it did (the mark that CULPRIT_TEST_MARK=1 makes the console send counts the input it has taken). Where
that is a panel that says that it is being read, the time until all of it is there is told as well, of rounds in which one waits for it.

  made up: 400,000 threads in 10,000 processes, 512 CPUs, 2,000 control groups, 300 disks, by the plug-in tests/plugins/scale.c
  real:    10,000 processes with 40,000 threads (root: pid_max is raised for it, and set back)

Budgets: a key is answered within 100 ms (the 95th percentile; the worst is told, too); memory beside the ring stays within 8 MB + 1 KB
a task that has a row, + what the plug-in's sample takes (16 MB and as much for reading it); it doesn't grow; what has no row of its own
is in folded rows, counted. A MISS is a figure, not an error.

usage: tests/bench/bench_scale.py [--quick] [--seconds N] [made|real ...]"""
import argparse
import os
import json
import signal
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(ROOT, 'tests/support'), os.path.join(ROOT, 'tests/bench')]
from bench import cpu_seconds, memory, tasks  # noqa: E402
from terminal import Terminal  # noqa: E402

B = os.path.join(ROOT, os.environ.get('B') or 'build')
CULPRIT = os.path.abspath(os.environ.get('CULPRIT') or B + '/culprit')
ENV = {'PATH': os.environ['PATH'], 'HOME': '/nonexistent', 'TERM': 'xterm-256color', 'LC_ALL': 'C.UTF-8',
       'CULPRIT_NO_SETTINGS': '1', 'CULPRIT_RUNTIME_DIR': '/nonexistent/culprit'}
# Moves, panels, sorting, a filter, going deeper and back, time, and a question of what is not there.
KEYS = ([b'j'] * 5 + [b'\x1b[6~'] * 3 + [b'G', b'g', b's', b's', b'\r', b'j', b'u'] +
        [b'3', b'j', b'\x1b[6~', b'8', b'j', b'G', b'6', b'j', b's', b'9', b'1', b'2', b'[', b'[', b' ', b' ', b'L', b'?', b'\x1b'] +
        [b'\\cpu>1\r', b'j', b'\\\x15\r', b'/service-3\r', b'n', b't', b'j', b'\r', b'u', b'u'])


def tell(what, value, budget=None, good=None):
    print('  %-58s %-22s %s' % (what, value, '' if good is None else '%s (budget %s)' % ('pass' if good else 'MISS', budget)), flush=True)


def percentile(values, p):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * p))]


def answers(t, keys, patient=False):
    """Of each key: milliseconds to the painting that has taken it, the key, CPU time meanwhile, milliseconds until all it asked for was
    there. `patient`: the next one comes after that, not as soon as the key was answered."""
    times = []
    clock = ~t.pid << 3 | 2  # CPU time of the whole program: what it costs where nobody else takes the CPU
    for key in keys:
        sent, cpu = time.monotonic(), time.clock_gettime(clock)
        t.send(key)
        before = t.sent
        if not t.until(lambda: t.taken >= before, 30):
            print('  no answer to %r in 30 s: %r' % (key, t.tail[-200:]))
            times.append((30000.0, key, 30000.0, 30000.0))
            continue
        answered, cpu = t.painted_at, time.clock_gettime(clock) - cpu
        whole = t.whole_at if t.whole >= before else None
        if patient and not whole:
            t.until(lambda: t.whole >= before, 30)
            whole = t.whole_at
        # A person is slower than this; ticks come in between.
        end = time.monotonic() + 0.13
        while time.monotonic() < end:
            t.read(0.02)
        times.append(((answered - sent) * 1000, key, cpu * 1000, (whole - sent) * 1000 if whole else None))
    return times


def watch(name, argv, rows, seconds, sample_kb=0):
    t = Terminal([CULPRIT] + argv, ENV, 120, 40)
    try:
        if not t.until(lambda: t.paintings > 0, 60):
            print('  no screen in 60 s')
            return
        tell('first screen', '%.0f ms' % ((t.painted_at - t.begin) * 1000))
        end = time.monotonic() + 12
        while time.monotonic() < end:
            t.read(0.05)
        early, ring, _ = memory(t.pid)
        cpu, at, rounds = cpu_seconds(t.pid), time.monotonic(), []
        waited = []
        while time.monotonic() < at + seconds:
            rounds += answers(t, KEYS)
            waited += answers(t, KEYS, True)
        spent = (cpu_seconds(t.pid) - cpu) / (time.monotonic() - at)
        late, ring, _ = memory(t.pid)
        rounds += waited
        times = [r[0] for r in rounds]
        p95 = percentile(times, 0.95)
        tell('%d keys: median, 95th, 99th percentile' % len(times), '%.0f, %.0f, %.0f ms' % (
            percentile(times, 0.5), p95, percentile(times, 0.99)), '100 ms', p95 <= 100)
        own = [r[2] for r in rounds]
        tell('  CPU of its own in that time: the same', '%.0f, %.0f, %.0f ms' % (percentile(own, 0.5), percentile(own, 0.95), percentile(own, 0.99)),
             '100 ms', percentile(own, 0.95) <= 100)
        whole = [r[3] for r in waited]
        tell('  until all of it is there, where one waits: the same', '%.0f, %.0f, %.0f ms' % (
            percentile(whole, 0.5), percentile(whole, 0.95), percentile(whole, 0.99)))
        slow = sorted(rounds, key=lambda r: -r[0])[:5]
        tell('  the slowest', ', '.join('%.0f %r' % s[:2] for s in slow) + ' ms', '100 ms', slow[0][0] <= 100)
        bound = 8192 + rows + 2 * sample_kb
        tell('memory beside the ring', '%.1f MB' % (late / 1024), '%.1f MB' % (bound / 1024), late <= bound)
        tell('  grown meanwhile', '%.1f MB' % ((late - early) / 1024), '2 MB and a tenth', late <= early * 1.1 + 2048)
        tell('ring', '%.1f MB' % (ring / 1024), '64 MB', ring <= 65 << 10)
        tell('CPU, with helpers', '%.0f %% of one' % (spent * 100))
        t.send(b'qq')
        if not t.wait_end(10):
            t.send(b'q')
            t.wait_end(5)
    finally:
        t.finish()


def folded(argv, expected):
    """Counted in the last frame of a recording: each once."""
    with tempfile.TemporaryDirectory(prefix='culprit-scale.') as folder:
        file = folder + '/made.culprit'
        subprocess.run([CULPRIT, 'record', '-o', file, '--for', '6'] + argv, env=ENV, stderr=subprocess.DEVNULL)
        for table, n in expected:
            r = subprocess.run([CULPRIT, 'dump', table, file, '--from', 'end', '--to', 'end', '--json', '--columns', 'folded'],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENV)
            try:
                rows = [row for row in json.loads(r.stdout)['rows'] if '_ended' not in row]
            except ValueError:
                print('  %s: %s' % (table, r.stderr[:300]))
                continue
            own = sum(1 for row in rows if row['folded'] is None)
            within = sum(row['folded'] or 0 for row in rows)
            tell('%s: rows of their own + in folded rows' % table, '%d + %d' % (own, within), '%d in all' % n, own + within == n)


def made(options):
    n = dict(threads=400000, processes=10000, cpus=512, cgroups=2000, disks=300)
    if options.quick:
        n = dict(threads=40000, processes=2000, cpus=64, cgroups=200, disks=30)
    print('\nmade up: %(threads)d threads, %(processes)d processes, %(cpus)d CPUs, %(cgroups)d control groups, %(disks)d disks' % n)
    ENV.update({'SCALE_' + k.upper(): str(v) for k, v in n.items()})
    argv = ['--plugin', B + '/plugins/scale.so', '--without', 'task,cpu,cgroup,disk', '--safe', '--budget', 'off']
    folded(argv, [('process', n['processes']), ('thread', n['threads'])])
    watch('made', argv, 32768 + 2 * n['cgroups'], options.seconds, 16384)


PID_MAX = '/proc/sys/kernel/pid_max'


def real(options):
    processes, threads = (1000, 4) if options.quick else (10000, 4)
    before = open(PID_MAX).read()
    try:
        if int(before) < processes * threads + 10000:
            with open(PID_MAX, 'w') as f:
                f.write('%d\n' % (processes * threads + 20000))
    except OSError:
        print('\nreal: pid_max is %s, and may not be raised here: as many as there is room for' % before.strip())
        processes = (int(before) - 5000) // threads
    spawner = subprocess.Popen([B + '/bench/spawn', str(processes), str(threads)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        if not spawner.stdout.readline():
            print('\nreal: the processes could not be made; left out')
            return
        time.sleep(2)
        print('\nreal: %d processes with %d threads; %d tasks on this box' % (processes, processes * threads, tasks()))
        watch('real', ['--budget', 'off'], tasks(), options.seconds)
    finally:
        spawner.stdin.close()
        spawner.wait()
        try:
            with open(PID_MAX, 'w') as f:
                f.write(before)
        except OSError:
            pass


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    parser = argparse.ArgumentParser()
    parser.add_argument('--quick', action='store_true')
    parser.add_argument('--seconds', type=float, default=20)
    parser.add_argument('parts', nargs='*', default=['made', 'real'])
    options = parser.parse_args()
    print('scale: key to painting, %d cores, load %.1f' % (os.cpu_count(), os.getloadavg()[0]))
    for part in options.parts:
        {'made': made, 'real': real}[part](options)


if __name__ == '__main__':
    main()
