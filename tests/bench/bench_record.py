#!/usr/bin/env python3
"""What does a recording cost, beside `atop -w` in the same run, and how fast is a day of it read?

usage: tests/bench/bench_record.py [--quick] [--processes 100,1000,10000] [--seconds 60]

Beside N processes, 50 of which are busy, three recorders run at the same time, at 1 s: culprit with the tables that atop has
(host, CPUs, memory, disks, network, processes and threads), culprit with all its collectors, and `atop -w`. Bytes a sample: what
each file has grown to, divided by the samples in it; culprit's includes a key frame, which a longer recording pays for less often.
CPU: of each with its helpers, by the processes' CPU clocks, from 5 s after the start on.

Then a recording of 24 hours at 1 s, of a machine that does not exist (tests/support/made_recording.c: 300 processes and threads,
30 busy, all tables): first screen of `culprit replay` in a terminal, from its exec to the mark of its first painting, jumps of the same to 30 instants, and, by
build/bench/bench_day, seeks of the tables to random instants, a chart over the whole day out of summaries, and resident memory.

Each figure stands beside its budget, with ok or MISS; the exit status is 0 unless nothing could be run.
"""
import argparse
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

from bench import Console, cpu_seconds
from built import built

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CULPRIT = ROOT + '/build/culprit'
BUSY = 50
SAME = 'host,cpu,memory,vmstat,psi,disk,net,tcp,task'


def verdict(name, value, budget, unit=''):
    print('  %-58s %9.3f%s  budget %g%s  %s' % (name, value, unit, budget, unit, 'ok' if value <= budget else 'MISS'), flush=True)


def busy_processes():
    """Each does a little, often enough that every sample sees it. They end with this process."""
    pids = []
    for _ in range(BUSY):
        pid = os.fork()
        if not pid:
            parent = os.getppid()
            with open('/dev/null', 'wb', buffering=0) as null:
                while os.getppid() == parent:
                    end = time.process_time() + 0.0004
                    while time.process_time() < end:
                        null.write(b'x' * 4096)
                    time.sleep(0.15)
            os._exit(0)
        pids.append(pid)
    return pids


def samples_in(recorder, path):
    """What it really has: on a busy machine ticks are missed."""
    if recorder == 'atop':
        out = subprocess.run(['atop', '-r', path, '-P', 'CPU'], stdout=subprocess.PIPE, text=True, errors='replace').stdout
        return max(1, out.count('\nSEP') + out.startswith('SEP'))
    out = subprocess.run([CULPRIT, 'info', path, '--json'], stdout=subprocess.PIPE, text=True).stdout
    return max(1, json.loads(out)['frames'])


def against_atop(processes, seconds, folder):
    sleepers = max(1, processes - BUSY)
    spawner = subprocess.Popen([built('build/bench/spawn'), str(sleepers)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    busy = []
    try:
        if not spawner.stdout.readline():
            print('  %d processes could not be made; left out' % processes)
            return
        busy = busy_processes()
        time.sleep(2)
        files = {n: '%s/%s-%d' % (folder, n, processes) for n in ('same', 'all', 'atop')}
        commands = {
            'same': [CULPRIT, 'record', '-o', files['same'], '--collect', SAME],
            'all': [CULPRIT, 'record', '-o', files['all']],
            'atop': ['atop', '-w', files['atop'], '1'],
        }
        run = {n: subprocess.Popen(c, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) for n, c in commands.items()
               if shutil.which(c[0])}
        time.sleep(5)
        cpu = {n: cpu_seconds(p.pid) for n, p in run.items()}
        t = time.monotonic()
        time.sleep(max(1, seconds - 5))
        cpu = {n: (cpu_seconds(p.pid) - cpu[n]) / (time.monotonic() - t) for n, p in run.items()}
        for p in run.values():
            p.send_signal(signal.SIGTERM)
        for p in run.values():
            p.wait(30)
        size = {n: os.stat(files[n]).st_size / samples_in(n, files[n]) for n in run}
        print('%d processes, %d of them busy, %d s' % (processes, BUSY, seconds))
        for n, what in (('same', 'culprit, the tables of atop'), ('all', 'culprit, everything'), ('atop', 'atop -w')):
            if n in run:
                print('  %-40s %8.0f bytes a sample, %6.2f%% of a CPU' % (what, size[n], 100 * cpu[n]))
        if 'atop' in run:
            verdict('bytes a sample / atop, the same tables', size['same'] / size['atop'], 0.125)
            verdict('bytes a sample / atop, everything', size['all'] / size['atop'], 0.25)
            verdict('CPU / atop, the same tables', cpu['same'] / cpu['atop'], 0.5)
        else:
            print('  atop is not here: no ratios')
    finally:
        for pid in busy:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        spawner.stdin.close()
        spawner.wait()


def replay(path, keys, folder):
    """Seconds from exec to exit, and resident KB."""
    with open(folder + '/keys', 'w') as f:
        f.write(keys)
    begin = time.monotonic()
    p = subprocess.Popen([CULPRIT, 'replay', path, '--keys', folder + '/keys', '--shots', folder + '/shots', '--size', '120x40'])
    _, status, usage = os.wait4(p.pid, 0)
    p.returncode = status
    if status:
        raise RuntimeError('culprit replay: status %d' % status)
    return time.monotonic() - begin, usage.ru_maxrss


def first_screen(path):
    """Seconds from exec to the first painting in a terminal, its timeline perhaps not all there; and to the whole of it."""
    c = Console([CULPRIT, 'replay', path], dict(os.environ, TERM='xterm-256color', CULPRIT_TEST_MARK='1'))
    try:
        if not c.drain(c.begin + 15, lambda: c.mark_after(c.head.find(b'REPLAY')) is not None):
            raise RuntimeError('culprit replay: no first screen in 15 s')
        first = c.last - c.begin
        c.drain(c.begin + 15, lambda: time.monotonic() - c.last > 0.3)
        return first, c.last - c.begin, b'made-up' in c.head
    finally:
        c.end()


def a_day(ticks, folder):
    path = ROOT + '/build/bench/day-%d.culprit' % ticks
    maker, reader = built('build/bench/bench_made', 'build/bench/bench_day')
    if not os.path.exists(path) or os.stat(path).st_mtime < os.stat(maker).st_mtime:
        print('making %d hours of ticks ...' % (ticks // 3600), flush=True)
        subprocess.run([maker, path, str(ticks), '300', '30'], check=True)
    print('a recording of %.1f hours at 1 s: %.0f MB' % (ticks / 3600, os.stat(path).st_size / 1e6))
    firsts = [first_screen(path) for _ in range(9)]
    if not all(shown for _, _, shown in firsts):
        print('  MISS: the first screen does not show the machine')
    verdict('first screen, exec to painted, median of 9', statistics.median(t for t, _, _ in firsts) * 1000, 100, ' ms')
    print('    its timeline of the whole day is filled after %.0f ms' % (statistics.median(t for _, t, _ in firsts) * 1000))
    first = [replay(path, 'shot first\n', folder) for _ in range(7)]
    rng = random.Random(3)
    jumps = [rng.randrange(60, ticks) for _ in range(30)]
    keys = 'shot first\n' + ''.join('at %ds\nshot at%d\n' % (at, i) for i, at in enumerate(jumps))
    seconds, kb = replay(path, keys, folder)
    shown = open(folder + '/shots/first.txt', errors='replace').read()
    if 'made-up' not in shown:
        print('  MISS: the first screen does not show the machine')
    one = statistics.median(s for s, _ in first)
    print('    headless with its whole timeline, exec to exit: %.0f ms' % (one * 1000))
    verdict('jump of the console to an instant, with its charts', (seconds - one) / len(jumps) * 1000, 50, ' ms')
    verdict('resident, after %d jumps' % len(jumps), kb / 1024, 64, ' MiB')
    out = subprocess.run([reader, path, '200'], stdout=subprocess.PIPE, text=True, check=True).stdout
    figures = {k: float(v) for k, v in (line.split() for line in out.splitlines())}
    verdict('seek of the table of processes, median of 200', figures['seek_ms_median'], 50, ' ms')
    verdict('seek, the worst of 200', figures['seek_ms_worst'], 50, ' ms')
    verdict('whole-day chart of cpu busy', figures['chart_cpu.busy_ms'], 1000, ' ms')
    print('    of it CPU %38.0f ms, %d of 240 buckets have data' % (figures['chart_cpu.busy_cpu_ms'], figures['chart_cpu.busy_buckets']))
    verdict('whole-day chart of memory total', figures['chart_memory.total_ms'], 1000, ' ms')
    verdict('resident of that', figures['resident_kb'] / 1024, 64, ' MiB')


def main():
    a = argparse.ArgumentParser()
    a.add_argument('--quick', action='store_true', help='1,000 processes, 20 s, two hours instead of a day')
    a.add_argument('--processes', default='')
    a.add_argument('--seconds', type=int, default=0)
    a.add_argument('--only', default='', help='atop or day')
    args = a.parse_args()
    built('build/culprit')
    seconds = args.seconds or (20 if args.quick else 60)
    folder = tempfile.mkdtemp(prefix='bench-record-')
    print('\nRecording and reading recordings (load %.1f)' % os.getloadavg()[0], flush=True)
    try:
        if args.only in ('', 'atop'):
            for n in (args.processes or ('1000' if args.quick else '100,1000,10000')).split(','):
                against_atop(int(n), seconds, folder)
        if args.only in ('', 'day'):
            a_day(7200 if args.quick else 86400, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == '__main__':
    sys.exit(main())
