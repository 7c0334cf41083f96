#!/usr/bin/env python3
"""What does a published ring cost its recorder, and what does a console that is attached to it cost?

usage: tests/bench/bench_attach.py [--processes 1000] [--seconds 8] [--rounds 3]

With N sleeping processes beside them, in alternating order, CPU time by the processes' own clocks (/proc/PID/schedstat of all
threads and helpers), the median of the rounds:

- a console attached to a recorder, as a ratio to the same console that samples by itself: it draws, and does nothing else;
- a recorder that also publishes a ring, to one that only writes its file: what the ring's writes (pwrite) cost;
- a recorder of whose ring 8 consoles read, and one reader that reads it all as fast as it can, to one that nobody reads: its CPU time
  a tick. Readers take no locks, but share its caches, its memory and the machine: so 10% is called noise.

Prints each ratio, its budget, and ok or MISS. The exit status is 0 unless nothing could be run.
"""
import argparse
import fcntl
import os
import pty
import select
import shutil
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time

from built import built

CULPRIT, SPAWN = built('build/culprit', 'build/bench/spawn')
DIR = tempfile.mkdtemp(prefix='culprit-bench.')
ENV = dict(os.environ, CULPRIT_RUNTIME_DIR=os.path.join(DIR, 'run'), TERM='xterm-256color', LC_ALL='C.UTF-8', XDG_CONFIG_HOME=DIR, CULPRIT_NO_SETTINGS='1')


def family(pid):
    """The process and all below it."""
    out = [pid]
    for p in out:
        try:
            for t in os.listdir('/proc/%d/task' % p):
                with open('/proc/%d/task/%s/children' % (p, t)) as f:
                    out += [int(c) for c in f.read().split()]
        except OSError:
            pass
    return out


def cpu_ns(pid):
    total = 0
    for p in family(pid):
        try:
            for t in os.listdir('/proc/%d/task' % p):
                with open('/proc/%d/task/%s/schedstat' % (p, t)) as f:
                    total += int(f.read().split()[0])
        except OSError:
            pass
    return total


class Console:
    def __init__(self, *args):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            try:
                fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack('HHHH', 40, 120, 0, 0))
                os.execve(CULPRIT, ['culprit', *args], ENV)
            finally:
                os._exit(127)

    def close(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.fd)


def drain(consoles, seconds):
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        for fd in select.select([c.fd for c in consoles], [], [], left)[0]:
            try:
                os.read(fd, 65536)
            except OSError:
                time.sleep(0.01)


class Recorder:
    def __init__(self, *args):
        shutil.rmtree(os.path.join(DIR, 'run'), ignore_errors=True)
        self.p = subprocess.Popen([CULPRIT, 'record', *args], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL, env=ENV)

    def end(self):
        self.p.terminate()
        self.p.wait()


def file():
    path = os.path.join(DIR, 'a.rec')
    if os.path.exists(path):
        os.unlink(path)
    return path


def console(attached, seconds):
    """CPU ns a second."""
    r = Recorder('--ring', 'bench') if attached else None
    time.sleep(3 if attached else 0)
    c = Console(*([] if attached else ['--no-attach']))
    drain([c], 4)
    before, begin = cpu_ns(c.pid), time.monotonic()
    drain([c], seconds)
    cost = (cpu_ns(c.pid) - before) / (time.monotonic() - begin)
    c.close()
    if r:
        r.end()
    return cost


def recorder(args, readers, seconds):
    r = Recorder(*args)
    time.sleep(3)
    consoles = [Console() for _ in range(readers)]
    path = os.path.join(DIR, 'run', 'bench')
    fast = subprocess.Popen(['sh', '-c', 'while cat "$1" >/dev/null; do sleep 0.05; done', 'sh', path]) if readers else None
    drain(consoles, 4)
    before, begin = cpu_ns(r.p.pid), time.monotonic()
    drain(consoles, seconds)
    cost = (cpu_ns(r.p.pid) - before) / (time.monotonic() - begin)
    for c in consoles:
        c.close()
    r.end()
    if fast:
        fast.kill()
        fast.wait()
    return cost


def compare(what, one, other, rounds, budget):
    a, b = [], []
    for i in range(rounds):
        for values, f in ((a, one), (b, other)) if i % 2 else ((b, other), (a, one)):
            values.append(f())
    x, y = statistics.median(a), statistics.median(b)
    ratio = x / y if y else float('nan')
    print('%-64s %6.2f ms/s %6.2f ms/s  ratio %.2f  budget %.2f  %s' %
          (what, x / 1e6, y / 1e6, ratio, budget, 'ok' if ratio <= budget else 'MISS'), flush=True)


def main():
    a = argparse.ArgumentParser()
    a.add_argument('--processes', type=int, default=1000)
    a.add_argument('--seconds', type=float, default=8)
    a.add_argument('--rounds', type=int, default=3)
    a = a.parse_args()
    spawned = None
    try:
        spawned = subprocess.Popen([SPAWN, str(a.processes)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        time.sleep(2)
        print('%d processes, %d rounds of %.0f s' % (a.processes, a.rounds, a.seconds))
        compare('console attached : sampling by itself', lambda: console(True, a.seconds), lambda: console(False, a.seconds),
                a.rounds, 0.5)
        compare('recorder with file and ring : with file',
                lambda: recorder(['-o', file(), '--ring', 'bench'], 0, a.seconds), lambda: recorder(['-o', file()], 0, a.seconds),
                a.rounds, 1.1)
        compare('recorder with 8 consoles and a fast reader : with none',
                lambda: recorder(['--ring', 'bench'], 8, a.seconds), lambda: recorder(['--ring', 'bench'], 0, a.seconds),
                a.rounds, 1.1)
    finally:
        if spawned:
            spawned.kill()
            spawned.wait()
        shutil.rmtree(DIR, ignore_errors=True)
    return 0


if __name__ == '__main__':
    sys.exit(main())
