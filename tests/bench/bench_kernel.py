#!/usr/bin/env python3
"""usage: bench_kernel.py [PART...]     PART: disk forks rate; all of them by default     (make bench BENCH=kernel)

What the programs in the kernel cost that look at disks and at processes that begin and end: beside the tools of
libbpf-tools, in alternating rounds on the same load, and in ns an event as culprit itself reckons it. The last part
starts 5,000 processes a second for FORKS_SECONDS (20) and compares what was counted with what was started.
Needs root, fio and libbpf-tools; says so where they are missing."""
import csv
import io
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from built import built

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CULPRIT = os.environ.get('CULPRIT') or os.path.join(ROOT, 'build/culprit')
FORKS = built('build/bench/forks')
ROUNDS = int(os.environ.get('ROUNDS') or 4)
FORKS_SECONDS = int(os.environ.get('FORKS_SECONDS') or 20)
missed = 0


def tell(what, value, budget, ok):
    global missed
    missed += not ok
    print('  %-58s %-22s %-20s %s' % (what, value, budget, 'ok' if ok else 'MISS'), flush=True)


def rows(table, recording):
    out = subprocess.run([CULPRIT, 'dump', table, recording, '--csv'], capture_output=True, text=True).stdout
    return list(csv.DictReader(io.StringIO(out)))


class Recorder:
    """culprit, recording with the collectors named; ready when the programs are attached."""

    def __init__(self, collectors, path):
        self.path = path
        self.proc = subprocess.Popen([CULPRIT, 'record', '-o', path, '--budget', 'off', '--collect', collectors],
                                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.time() + 60
        while time.time() < deadline:
            if os.path.exists(path) and any(r['state'] == 'on' for r in rows('bpf', path)):
                return
            time.sleep(0.2)
        raise SystemExit('culprit loads no programs here; `culprit collectors` says why')

    def stop(self):
        self.proc.send_signal(signal.SIGINT)
        self.proc.wait()


class Tools:
    def __init__(self, *commands):
        self.procs = [subprocess.Popen(c, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for c in commands]
        time.sleep(1.5)

    def stop(self):
        for p in self.procs:
            p.send_signal(signal.SIGINT)
        for p in self.procs:
            p.wait()


def alternate(measure, watchers):
    """The median cost a unit with nobody watching, and with each watcher; all of them in every round."""
    got = {name: [] for name in ['bare'] + list(watchers)}
    for _ in range(ROUNDS):
        for name in got:
            watcher = watchers[name]() if name != 'bare' else None
            try:
                got[name].append(measure())
            finally:
                if watcher:
                    watcher.stop()
    return {name: sorted(v)[len(v) // 2] for name, v in got.items()}


def per_event(path):
    for r in rows('bpf', path):
        if r['state'] == 'on' and r['events'] not in ('', '0'):
            print('    %-16s %-38s %8.0f ns an event, of %s' % (r['program'], r['hook'], float(r['per_event'] or 0),
                                                               r['events']))


def fresh(folder):
    return tempfile.mktemp(dir=folder, suffix='.culprit')


def disk(folder):
    data = os.path.join(folder, 'data')
    last = []

    def measure():
        out = subprocess.run(
            ['fio', '--name=b', '--filename=' + data, '--size=64m', '--rw=randread', '--bs=4k', '--direct=1',
             '--ioengine=libaio', '--iodepth=16', '--runtime=2', '--time_based', '--output-format=terse'],
            capture_output=True, text=True, check=True).stdout
        return 1e6 / float(out.split(';')[7])  # us a read

    def ours():
        last[:] = [fresh(folder)]
        return Recorder('disk_latency', last[0])

    measure()
    cost = alternate(measure, {'culprit': ours, 'biolatency': lambda: Tools(['biolatency', '-D'])})
    print('disk: us a 4 KiB read, 16 at once')
    for name, v in cost.items():
        print('    %-12s %.2f' % (name, v))
    added, theirs = cost['culprit'] - cost['bare'], cost['biolatency'] - cost['bare']
    tell('disk_latency adds, of the time of a read', '%.1f %%' % (100 * added / cost['bare']), 'at most 8 %',
         added <= 0.08 * cost['bare'])
    print('    biolatency adds %.1f %%; it keeps no queue time, no process, no single request'
          % (100 * theirs / cost['bare']))
    per_event(last[0])


def forks(folder):
    last = []

    def measure():
        n, seconds = subprocess.run([FORKS, '0', '2'], capture_output=True, text=True, check=True).stdout.split()
        return 1e6 * float(seconds) / float(n)

    def ours():
        last[:] = [fresh(folder)]
        return Recorder('lifecycle', last[0])

    cost = alternate(measure, {'culprit': ours, 'exitsnoop': lambda: Tools(['exitsnoop'])})
    print('forks: us a process that begins and ends, one after the other')
    for name, v in cost.items():
        print('    %-12s %.2f' % (name, v))
    added = cost['culprit'] - cost['bare']
    tell('lifecycle adds, of the time of a process', '%.1f %%' % (100 * added / cost['bare']), 'at most 8 %',
         added <= 0.08 * cost['bare'])
    print('    exitsnoop adds %.1f %%; it tells of exits only' % (100 * (cost['exitsnoop'] / cost['bare'] - 1)))
    per_event(last[0])


def rate(folder):
    path = fresh(folder)
    recorder = Recorder('lifecycle', path)
    proc = subprocess.Popen([FORKS, '5000', str(FORKS_SECONDS)], stdout=subprocess.PIPE, text=True)
    started, seconds = proc.communicate()[0].split()
    time.sleep(2.5)
    recorder.stop()
    mine = [r for r in rows('children', path) if r['pid'] == str(proc.pid)]
    counted = int(mine[0]['ended']) if mine else 0
    lost = sum(int(r['lost']) for r in rows('bpf', path) if r['collector'] == 'lifecycle')
    print('rate: %s processes in %s s' % (started, seconds))
    tell('counted, and lost', '%d, %d' % (counted, lost), 'together all', counted + lost >= int(started) >= counted)
    tell('lost', '%d' % lost, 'none', lost == 0)
    print('    recording: %.0f bytes a process' % (os.path.getsize(path) / max(1, int(started))))


def main():
    parts = sys.argv[1:] or ['disk', 'forks', 'rate']
    missing = [t for t in ('fio', 'biolatency', 'exitsnoop') if not shutil.which(t, path=os.environ['PATH'] + ':/usr/sbin')]
    os.environ['PATH'] += ':/usr/sbin'
    if os.geteuid() != 0 or missing:
        print('kernel: not measured: needs root%s' % (' and ' + ', '.join(missing) if missing else ''))
        return 0
    folder = tempfile.mkdtemp(dir=os.path.join(ROOT, 'build'), prefix='bench-kernel-')
    try:
        for part in parts:
            {'disk': disk, 'forks': forks, 'rate': rate}[part](folder)
    finally:
        shutil.rmtree(folder)
    return 1 if missed else 0


if __name__ == '__main__':
    sys.exit(main())
