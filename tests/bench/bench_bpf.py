#!/usr/bin/env python3
"""What do culprit's programs in the kernel cost where it hurts most: at 1,000,000 task switches a second?

usage: tests/bench/bench_bpf.py [--loops 200000] [--rounds 5]

`perf bench sched pipe` on one CPU (pinned: unpinned it jumps twentyfold with placement; in the first real-time class where
that is allowed, so that others on the machine cannot push it aside), in turns: with nothing, with the scheduler's tables alone,
with everything that is on by default, with that but for stacks, and with libbpf-tools' runqlat. One line a figure: what, ratio,
budget, ok or MISS. The exit status is 0 unless nothing could be run: a MISS is a figure, not an error. Prints why where
something is missing here.
"""
import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CULPRIT = os.environ.get('CULPRIT') or os.path.join(ROOT, 'build/culprit')


def in_front():
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
    except (OSError, PermissionError):
        pass


def pipe_us(loops):
    """Microseconds an operation (two switches)."""
    out = subprocess.run(['taskset', '-c', '0', 'perf', 'bench', 'sched', 'pipe', '-l', str(loops)], capture_output=True,
                         text=True, preexec_fn=in_front, timeout=300).stdout
    m = re.search(r'([0-9.]+) usecs/op', out)
    return float(m.group(1)) if m else None


def attached(pid):
    """How many links of programs and events it holds."""
    n = 0
    try:
        for fd in os.listdir('/proc/%d/fd' % pid):
            try:
                n += any(w in os.readlink('/proc/%d/fd/%s' % (pid, fd)) for w in ('bpf_link', 'perf_event'))
            except OSError:
                pass
    except OSError:
        pass
    return n


def settle(p):
    """Waits until its programs are attached: it has some, and no more have come for two seconds."""
    end, last, since = time.time() + 60, 0, time.time()
    while time.time() < end and p.poll() is None:
        n = attached(p.pid)
        if n != last:
            last, since = n, time.time()
        if n and time.time() - since >= 2:
            return
        time.sleep(0.2)
    raise SystemExit('bench_bpf: %s attaches nothing' % ' '.join(p.args))


class Beside:
    """Something that runs beside, and is stopped."""

    def __init__(self, argv):
        self.p = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) if argv else None

    def __enter__(self):
        try:
            if self.p:
                settle(self.p)
                time.sleep(1)  # its first passes done
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *ignored):
        if not self.p:
            return
        self.p.terminate()
        try:
            self.p.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            self.p.kill()
            self.p.communicate()


def record(*more):
    return [CULPRIT, 'record', '-o', '-', '--budget', 'off'] + list(more)


def said_per_event():
    """What culprit itself says of its switch program, while the benchmark runs."""
    bench = subprocess.Popen(['taskset', '-c', '0', 'perf', 'bench', 'sched', 'pipe', '-l', '2000000'],
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=in_front)
    try:
        out = subprocess.run([CULPRIT, 'dump', 'bpf', '--json', '--for', '2s', '--budget', 'off', '--columns',
                              'program,per_event,event_rate'], capture_output=True, text=True, timeout=60).stdout
    finally:
        bench.kill()
        bench.wait()
    for row in json.loads(out).get('rows', []) if out else []:
        if row.get('program') == 'sched_switch':
            return row.get('per_event'), row.get('event_rate')
    return None, None


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument('--loops', type=int, default=200000)
    ap.add_argument('--rounds', type=int, default=5)
    a = ap.parse_args()
    missing = [t for t in ('perf', 'taskset') if not shutil.which(t)]
    probe = subprocess.run([CULPRIT, 'dump', 'runq', '--raw'], capture_output=True, text=True)
    if missing or probe.returncode:
        print('bench_bpf: skipped: %s' % (', '.join(missing) + ' is not here' if missing else probe.stderr.strip()))
        return 0
    runqlat = shutil.which('runqlat') or shutil.which('runqlat', path='/usr/sbin:/usr/share/bcc/tools')
    kinds = {'bare': None, 'sched': record('--collect', 'sched'), 'no stacks': record('--without', 'stacks'), 'default': record()}
    if runqlat:
        kinds['runqlat'] = [runqlat, '600']
    else:
        print('bench_bpf: runqlat (package libbpf-tools) is not here: nothing to compare with')
    times = {k: [] for k in kinds}
    pipe_us(a.loops // 4)
    for i in range(a.rounds):
        order = list(kinds) if i % 2 == 0 else list(reversed(kinds))
        for k in order:
            with Beside(kinds[k]):
                us = pipe_us(a.loops)
            if us:
                times[k].append(us)
    if not times['bare']:
        print('bench_bpf: skipped: perf bench sched pipe gave no figure')
        return 0
    # The smallest of the rounds: what others on the machine do only ever adds.
    us = {k: min(v) for k, v in times.items() if v}
    for k, v in us.items():
        print('pipe, us an operation, %-9s %6.3f   (of %s)' % (k, v, ' '.join('%.3f' % t for t in times[k])))

    def line(what, value, budget):
        print('%-58s %6.3f  at most %.3f  %s' % (what, value, budget, 'ok' if value <= budget else 'MISS'))

    bare = us['bare']
    if 'runqlat' in us and us['runqlat'] > bare:
        line('run queue and blocked time add, of what runqlat adds', (us['sched'] - bare) / (us['runqlat'] - bare), 1 / 3)
    line('everything on by default but stacks, of the bare benchmark', us['no stacks'] / bare, 1.08)
    line('with stacks of waits', us['default'] / bare, 1.12)
    said, rate = said_per_event()
    if said:
        added = (us['sched'] - bare) * 1000 / 2
        print('sched_switch says %.0f ns an event at %.0f events/s; the benchmark got slower by %.0f ns a switch'
              % (said, rate or 0, added))
    return 0


if __name__ == '__main__':
    sys.exit(main())
