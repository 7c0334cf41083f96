#!/usr/bin/env python3
"""usage: tests/soak/storm.py [--seconds 60] [--forks 5000]

A million task switches a second (perf bench sched pipe, on one CPU) and 5,000 processes a second that end at once, for a minute,
with a console on the screen and a recorder beside it. The console takes every key that is pressed meanwhile; the recording has every
switch that the kernel counts and every process that ended, or says how many it lost. Ends with "N passed, N failed[, N skipped]"."""
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


def switches(path, at):
    """By the kernel, those that were seen, and those lost (not seen, or seen and not to be told of anybody): as of the recording's sample before then."""
    to = time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(at))
    program = next(row for row in rows('bpf', path, '--raw', '--to', to) if row['program'] == 'sched_switch')
    return rows('host', path, '--raw', '--to', to)[0]['context_switches'], program['events'], program['lost']


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
        end(skipped=5)
    with tempfile.TemporaryDirectory() as folder:
        storm(a, os.path.join(folder, 'recording'))
    end()


def storm(a, path):
    recorder = subprocess.Popen([CULPRIT, 'record', '-o', path, '--budget', 'off'], stdout=subprocess.DEVNULL,
                                stderr=subprocess.PIPE, text=True)
    console = Terminal([CULPRIT, '--no-attach', '--panel', 'latency'], dict(os.environ, TERM='xterm-256color'), cols=120, rows=40)
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
                subprocess.Popen([FORKS, str(a.forks), str(a.seconds)], stdout=subprocess.PIPE, text=True)]
        began = time.time()
        worst = press_keys(console, a.seconds)
        over = time.time()
        ok('the console takes every key', worst is not None and not console.ended(),
           '(the longest in %.1f s)' % worst if worst is not None else '')
        forked = int(load[1].communicate(timeout=120)[0].split()[0])
        time.sleep(3)  # a sample or two
    finally:
        for p in load:
            if p.poll() is None:
                os.killpg(p.pid, signal.SIGKILL) if p is load[0] else p.kill()
                p.wait()
        console.send(b'q')
        console.until(console.ended, 3)
        console.send(b'n')
        console.wait_end(30)
        recorder.send_signal(signal.SIGINT)
        said = recorder.communicate(timeout=120)[1]
    ok('it ends when it is told to', console.status == 0, '(status %s)' % console.status)
    console.finish()
    ok('the recorder has ended well', recorder.returncode == 0, said.strip()[-200:])
    theirs, ours, lost = (b - a for a, b in zip(switches(path, began + 1), switches(path, over)))
    # Both are read in one sample, some milliseconds apart.
    ok('every switch is counted, or counted as lost', theirs and ours + lost >= 0.98 * theirs and ours <= 1.05 * theirs,
       '(%d by the kernel, %d here, %d lost; %.0f a second)' % (theirs, ours, lost, theirs / (over - began - 1)))
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
