#!/usr/bin/env python3
"""usage: tests/soak/storm.py [--seconds 60] [--forks 5000]

A million task switches a second (perf bench sched pipe, on one CPU) and 5,000 processes a second that end at once, for a minute,
with a console on the screen and a recorder beside it. The console takes every key that is pressed meanwhile; the recording has every
switch and every fork that the kernel counts and every process that ended, or says how many it lost; the memory of both is bounded.
How many switches and forks a second there were is printed: few CPUs, which the console and the recorder share, reach what they can.
Ends with "N passed, N failed[, N skipped]"."""
import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, 'tests/support'))
from terminal import Terminal  # noqa: E402

BUILD = os.path.join(ROOT, os.environ.get('B', 'build'))
CULPRIT = os.path.abspath(os.environ.get('CULPRIT') or os.path.join(BUILD, 'culprit'))
FORKS = os.path.join(BUILD, 'bench/forks')
ANSWER = 60  # seconds without an answer to a key: it is not alive
MOST_MB = 128  # of memory, the ring of 64 MB included
passed = failed = 0


def ok(what, good, more=''):
    global passed, failed
    passed += bool(good)
    failed += not good
    print('%s %s %s' % ('ok  ' if good else 'FAIL', what, more))


def end(skipped=0):
    print('%d passed, %d failed%s' % (passed, failed, ', %d skipped' % skipped if skipped else ''))
    sys.exit(1 if failed else 0)


def rows(*argv):
    out = subprocess.run([CULPRIT, 'dump'] + list(argv) + ['--json'], capture_output=True, text=True, timeout=600).stdout
    return json.loads(out)['rows'] if out.strip() else []


def counted(path, at, column, program):
    """Events by the kernel, those that were seen, and those lost (not seen, or seen and not to be told of anybody): as of the
    recording's sample before then."""
    to = time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(at))
    seen = next(row for row in rows('bpf', path, '--raw', '--to', to) if row['program'] == program)
    return rows('host', path, '--raw', '--to', to)[0][column], seen['events'], seen['lost']


def most_mb(pid):
    """The most memory that it ever had."""
    with open('/proc/%d/status' % pid) as f:
        return next(int(line.split()[1]) for line in f if line.startswith('VmHWM')) // 1024


def stop(process, group):
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL) if group else process.kill()
        process.wait()


def in_front():
    try:
        os.nice(-19)
    except OSError:
        pass


def ended(path):
    """Children of `forks` that the recording has, and how many ends it says it lost."""
    have = sum(row['ended'] or 0 for row in rows('children', path, '--raw', '--filter', 'comm="forks"'))
    lost = sum(row['lost'] or 0 for row in rows('bpf', path, '--raw', '--filter', 'program="life_exit"'))
    return have, lost


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument('--seconds', type=float, default=60)
    ap.add_argument('--forks', type=int, default=5000)
    a = ap.parse_args()
    probe = subprocess.run([CULPRIT, 'dump', 'bpf', '--raw'], capture_output=True, text=True)
    if probe.returncode or not shutil.which('perf') or not os.path.exists(FORKS):
        print('skip %s' % (probe.stderr.strip()[:160] or 'perf, or %s, is not here' % FORKS))
        end(skipped=7)
    with tempfile.TemporaryDirectory() as folder:
        storm(a, os.path.join(folder, 'recording'))
    end()


def storm(a, path):
    recorder = subprocess.Popen([CULPRIT, 'record', '-o', path, '--budget', 'off'], stdout=subprocess.DEVNULL,
                                stderr=subprocess.PIPE, text=True)
    console = Terminal([CULPRIT, '--no-attach', '--panel', 'latency'], dict(os.environ, TERM='xterm-256color', CULPRIT_NO_SETTINGS='1'), cols=120, rows=40)
    load = []
    try:
        # Both have loaded what they load.
        console.until(lambda: console.paintings >= 5, ANSWER)
        until = time.monotonic() + ANSWER
        while time.monotonic() < until and not any(row['program'] == 'life_exit' for row in rows('bpf', path, '--raw')):
            time.sleep(0.5)
        time.sleep(2)
        load = [subprocess.Popen(['taskset', '-c', '0', 'perf', 'bench', 'sched', 'pipe', '-l', '2000000000'],
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True, preexec_fn=in_front),
                subprocess.Popen([FORKS, str(a.forks), str(a.seconds)], stdout=subprocess.PIPE, text=True, preexec_fn=in_front)]
        began = time.time()
        worst = press_keys(console, a.seconds)
        over = time.time()
        ok('the console takes every key', worst is not None and not console.ended(),
           '(the longest in %.1f s)' % worst if worst is not None else '')
        forked = int(load[1].communicate(timeout=120)[0].split()[0])
        for p in load:
            stop(p, p is load[0])
        time.sleep(4)  # a sample or two
        quiet = time.time()
        most = most_mb(console.pid), most_mb(recorder.pid)
    finally:
        for p in load:
            stop(p, p is load[0])
        console.send(b'q')
        console.until(console.ended, 3)
        console.send(b'n')
        console.wait_end(30)
        recorder.send_signal(signal.SIGINT)
        said = recorder.communicate(timeout=120)[1]
    ok('it ends when it is told to', console.status == 0, '(status %s)' % console.status)
    console.finish()
    ok('the recorder has ended well', recorder.returncode == 0, said.strip()[-200:])
    ok('their memory is bounded', max(most) <= MOST_MB, '(console %d MB, recorder %d MB)' % most)
    for what, column, program in (('switch', 'context_switches', 'sched_switch'), ('fork', 'forks', 'life_fork')):
        theirs, ours, lost = (b - a for a, b in zip(counted(path, began, column, program), counted(path, quiet, column, program)))
        # Both are read in one sample, but not in one moment: hence before the storm and after it, and not while it rages.
        ok('every %s is counted, or counted as lost' % what, theirs and 0.99 * theirs <= ours + lost <= 1.01 * theirs,
           '(%d by the kernel, %d here, %d lost; %.0f a second)' % (theirs, ours, lost, theirs / (over - began)))
    have, lost = ended(path)
    ok('every process that ended is counted, or counted as lost', have <= forked <= have + lost,
       '(%d of %d, %d lost; %.0f a second)' % (have, forked, lost, forked / a.seconds))


def press_keys(console, seconds):
    """The longest that an answer took; None: one never came."""
    worst, until = 0.0, time.monotonic() + seconds
    keys = [b'2', b'j', b'3', b'5', b'v', b'\x1b', b'?', b'\x1b', b'1', b'e', b't', b'5']
    for i in range(1 << 20):
        if time.monotonic() >= until:
            return worst
        begin = time.monotonic()
        console.send(keys[i % len(keys)])
        if not console.until(lambda: console.taken >= console.sent, ANSWER):
            return None
        worst = max(worst, time.monotonic() - begin)
        console.until(lambda: False, 0.5)


main()
