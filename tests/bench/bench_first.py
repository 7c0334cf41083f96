#!/usr/bin/env python3
"""The first thirty seconds on an unfamiliar box: when does each thing that SCREENS.md lists stand on the screen? A console is
started beside some trouble (a busy loop on each CPU, a writer that syncs), and what it draws is read like a person would, as
lines of text. Times are from exec to the painting with it; the second half presses the keys a person would, and times those.
What never comes is said. The times are figures for this box and moment; a MISS is no error.

usage: tests/bench/bench_first.py [--seconds 15] [--show]"""
import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(ROOT, 'tests/support')]
from picture import Picture  # noqa: E402
from terminal import Terminal  # noqa: E402

CULPRIT = os.path.abspath(os.environ.get('CULPRIT') or os.path.join(ROOT, 'build/culprit'))
COLS, ROWS = 120, 40
SHARE = r'\d[\d.]*%'
# What, within how many seconds, and how it looks: a pattern of the whole picture.
ITEMS = [
    ('a picture, complete to its last line', 0.3, r'q quit'),
    ('which system, kernel', 0.3, r'kernel \d'),
    ('CPUs and memory', 0.3, r'\d+ cpus?, [\d.]+[MGT]'),
    ('virtual machine or container', 0.3, r'(?i)virtual|\bvm\b|kvm|container|bare metal|xen|docker'),
    ('uptime', 0.3, r'\bup \d'),
    ('load', 0.3, r'load \d'),
    ('time with its zone', 0.3, r'\d\d:\d\d:\d\d(Z|[+-]\d\d)'),
    ('whether there is a past', 0.3, r'win |attached|past'),
    ('who uses the CPU, at all', 0.3, r'\bcpu1'),
    ('the past: pressure averages', 0.5, r'stood still|stalled'),
    ('the past: kernel log', 0.5, r'(?i)kernel log|kmsg'),
    ('use of CPU, as a rate', 1.0, r'\ncpu +' + SHARE),
    ('saturation of CPU', 1.0, r'\ncpu +\S+ +stalled ' + SHARE),
    ('use of memory', 1.0, r'\nmemory +' + SHARE),
    ('a disk with its wait', 2.0, r'\ndisk .*await'),
    ('network', 1.0, r'\nnet '),
    ('who: the busy loop, by name', 1.5, r'\n.{1,3}(busyloop)\S* +\d+ +\d'),
    ('what its time goes into', 1.5, r'busyloop.*CCC'),
    ('the hottest CPU', 1.5, r'\n +cpu\d+ +\d'),
    ('what the hypervisor took: steal', 1.5, r'(?i)steal|\bst ?\d'),
    ('a verdict, called provisional', 5.0, r'(LIKELY|CERTAIN|CANNOT TELL) \(\d+ s of data\)|(found|nothing found) in \d+ s of data'),
    ('a verdict', 10.0, r'(LIKELY|CERTAIN|CANNOT TELL)  |(no bottleneck|nothing) found in \d+ s[;,]'),
    ('the verdict names who: the busy loop', 10.0, r'\n!! [^\n]*busyloop'),
    ('what its own watching costs', 1.5, r'self \d'),
]
# Keys of a person who knows nothing else: what, keys, within, pattern.
STEPS = [
    ('the list of processes: 2', b'2', 0.1, r'\n +pid user'),
    ('deeper, into the top one: Enter', b'\r', 0.1, r'(?i)thread|tid'),
    ('back: Backspace', b'\x7f', 0.1, r'\n +pid user'),
    ('what a key does here: ?', b'?', 0.1, r'(?i)in this panel|close'),
    ('out of it', b'\x1b', 0.2, r'\n +pid user'),
    ('find: /sync', b'/syncer\r', 0.2, r'syncer'),
    ('latencies: 5', b'5', 0.2, r'(?i)P99|p99|p50|runq|not measured'),
    ('what is measured: t', b't', 0.5, r'(?i)collector|table'),
]


def trouble(folder):
    """Processes of names that can be found on the screen."""
    run = []
    loop = folder + '/busyloop'
    sync = folder + '/syncer'
    with open(loop, 'w') as f:
        f.write('#!/bin/sh\nwhile :; do :; done\n')
    with open(sync, 'w') as f:
        f.write('#!/bin/sh\nwhile :; do dd if=/dev/zero of=%s/data bs=64k count=16 oflag=dsync 2>/dev/null; done\n' % folder)
    for path in [loop] * (os.cpu_count() or 1) + [sync]:
        os.chmod(path, 0o755)
        run.append(subprocess.Popen([path], start_new_session=True, stdin=subprocess.DEVNULL))
    return run


def tell(what, seconds, budget):
    if seconds is None:
        print('  %-44s %10s   MISS (%.1f s)' % (what, 'not there', budget))
    else:
        print('  %-44s %7.0f ms   %s (%.1f s)' % (what, seconds * 1000, 'pass' if seconds <= budget else 'MISS', budget))


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    parser = argparse.ArgumentParser()
    parser.add_argument('--seconds', type=float, default=15)
    parser.add_argument('--show', action='store_true', help='print the last picture, too')
    options = parser.parse_args()
    print('first thirty seconds: exec to painting, %d cores, load %.1f' % (os.cpu_count(), os.getloadavg()[0]))
    env = {'PATH': os.environ['PATH'], 'HOME': '/nonexistent', 'TERM': 'xterm-256color', 'LC_ALL': 'C', 'CULPRIT_RUNTIME_DIR': '/nonexistent/culprit'}
    seen, picture = {}, Picture(COLS, ROWS)
    with tempfile.TemporaryDirectory(prefix='culprit-first.') as folder:
        beside = trouble(folder)
        t = None
        try:
            time.sleep(1)
            t = Terminal([CULPRIT], env, COLS, ROWS, keep=1 << 22)
            fed = 0

            def look():
                """The picture after what has come; True: it is a new painting."""
                nonlocal fed
                before = t.paintings
                t.read(0.02)
                new = t.bytes - fed
                if new:
                    picture.feed(t.tail[-new:])
                    fed = t.bytes
                return t.paintings > before

            while time.monotonic() < t.begin + options.seconds and t.alive:
                if look():
                    text = picture.text()
                    for what, _, pattern in ITEMS:
                        if what not in seen and re.search(pattern, text):
                            seen[what] = t.painted_at - t.begin
            for what, budget, _ in ITEMS:
                tell(what, seen.get(what), budget)
            print('  then, keys:')
            for what, keys, budget, pattern in STEPS:
                sent = time.monotonic()
                t.send(keys)
                taken, found = t.sent, None
                while time.monotonic() < sent + 5 and found is None and t.alive:
                    if look() and t.taken >= taken and re.search(pattern, picture.text()):
                        found = t.painted_at - sent
                tell(what, found, budget)
                if options.show:
                    print(picture.text())
        finally:
            if t:
                t.finish()
            for p in beside:
                os.killpg(p.pid, signal.SIGKILL)
                p.wait()


if __name__ == '__main__':
    main()
