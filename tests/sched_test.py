#!/usr/bin/env python3
"""Run-queue latency against libbpf-tools' runqlat, and what --safe and kill -9 leave in the kernel.

The same load (more spinning and napping threads than CPUs) is seen by both at the same time: medians, 90th and 99th
percentiles lie in the same power of two, or in the next one; means, taken from the same buckets, differ by 15 % at most.
"""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

CULPRIT = os.environ.get('CULPRIT', 'build/culprit')
passed = failed = skipped = 0


def ok(what, good, more=''):
    global passed, failed
    if good:
        passed += 1
        print('ok   %s %s' % (what, more))
    else:
        failed += 1
        print('FAIL %s %s' % (what, more))


def skip(why, n=1):
    global skipped
    for _ in range(n):
        skipped += 1
        print('skip %s' % why)


def rows(*argv):
    out = subprocess.run([CULPRIT] + list(argv) + ['--json'], capture_output=True, text=True, timeout=120).stdout
    return json.loads(out)['rows'] if out.strip() else []


LOAD = r'''
import time, sys
until = time.monotonic() + float(sys.argv[1])
while time.monotonic() < until:
    spin = time.monotonic() + 0.004
    while time.monotonic() < spin:
        pass
    time.sleep(0.001)
'''


def percentile(buckets, p):
    """Which power of two, of {log2 of us: count}."""
    total, seen = sum(buckets.values()), 0
    for b in sorted(buckets):
        seen += buckets[b]
        if seen >= total * p / 100:
            return b
    return max(buckets)


def mean(buckets):
    return sum((2 ** b) * 1.5 * n for b, n in buckets.items()) / sum(buckets.values())


def log2us(ns):
    us = int(ns // 1000)
    return max(us.bit_length() - 1, 0)


def runqlat_histogram(text):
    buckets = {}
    for m in re.finditer(r'^\s*(\d+) -> (\d+)\s*: (\d+)', text, re.M):
        if int(m.group(3)):
            b = log2us(int(m.group(2)) * 1000)
            buckets[b] = buckets.get(b, 0) + int(m.group(3))
    return buckets


def our_histogram(rows_):
    buckets = {}
    for row in rows_:
        if row['cpu'] == -1 and row.get('wait'):
            for edge, n in zip(row['wait']['edges'], row['wait']['counts']):
                if n:
                    buckets[log2us(edge)] = buckets.get(log2us(edge), 0) + n
    return buckets


def against_runqlat():
    tool = shutil.which('runqlat') or shutil.which('runqlat', path='/usr/sbin')
    if not tool:
        skip('runqlat (package libbpf-tools) is not here', 4)
        return
    load = [subprocess.Popen([sys.executable, '-c', LOAD, '9']) for _ in range(3 * (os.cpu_count() or 1))]
    try:
        time.sleep(1)
        theirs = subprocess.Popen([tool, '5', '1'], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        time.sleep(0.5)
        ours = our_histogram(rows('dump', 'runq', '--for', '4s', '--columns', 'cpu,wait'))
        out, err = theirs.communicate(timeout=60)
        theirs = runqlat_histogram(out)
    finally:
        for p in load:
            p.kill()
            p.wait()
    if not theirs:
        skip('runqlat counted nothing here: %s' % (err.strip()[:100] or 'no reason given'), 4)
        return
    for p in (50, 90, 99):
        a, b = percentile(ours, p), percentile(theirs, p)
        ok('p%d lies in the same power of two as in runqlat, or the next' % p, abs(a - b) <= 1,
           '(ours %d us, runqlat %d us)' % (2 ** a, 2 ** b))
    ratio = mean(ours) / mean(theirs)
    ok('the mean is that of runqlat within 15 %%', 0.85 <= ratio <= 1.15, '(ratio %.3f, n %d and %d)'
       % (ratio, sum(ours.values()), sum(theirs.values())))


def loaded():
    """How many programs named sched_switch the kernel holds; None: it cannot be asked."""
    tool = shutil.which('bpftool') or shutil.which('bpftool', path='/usr/sbin')
    if not tool:
        return None
    r = subprocess.run([tool, '--json', 'prog', 'list'], capture_output=True, text=True)
    try:
        return [p['id'] for p in json.loads(r.stdout) if p.get('name') == 'sched_switch']
    except (ValueError, TypeError):
        return None


def leaves_nothing():
    before = loaded()
    if before is None:
        skip('bpftool cannot list programs here', 3)
        return
    p = subprocess.Popen([CULPRIT, 'record', '-o', '-', '--collect', 'sched', '--interval', '100ms'],
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    mine = []
    for _ in range(600):
        mine = [i for i in loaded() if i not in before]
        if mine:
            break
        time.sleep(0.05)
    ok('its program is in the kernel', bool(mine))
    p.send_signal(signal.SIGKILL)
    p.wait()
    gone = False
    for _ in range(200):
        gone = not set(mine) & set(loaded())
        if gone:
            break
        time.sleep(0.05)
    ok('kill -9 leaves nothing in it', gone)
    r = subprocess.run([CULPRIT, 'dump', 'runq', '--safe'], capture_output=True, text=True, timeout=60)
    ok('--safe loads nothing, and says so', r.returncode == 1 and '--safe' in r.stderr, r.stderr.strip()[:80])


def rights():
    if os.geteuid() or not shutil.which('setpriv'):
        skip('needs root and setpriv, to give rights away')
        return
    r = subprocess.run(['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', CULPRIT, 'dump', 'runq'],
                       capture_output=True, text=True, timeout=60)
    if 'cannot' in r.stderr and 'exec' in r.stderr:
        skip('nobody may not run %s' % CULPRIT)
        return
    ok('without rights it names the line that gives them', r.returncode == 1 and 'setcap cap_bpf,cap_perfmon' in r.stderr,
       r.stderr.strip()[:100])


def main():
    probe = subprocess.run([CULPRIT, 'dump', 'runq', '--raw'], capture_output=True, text=True, timeout=120)
    if probe.returncode:
        skip(probe.stderr.strip()[:160] or 'runq cannot be measured here', 8)
    else:
        against_runqlat()
        leaves_nothing()
        rights()
    print('%d passed, %d failed, %d skipped' % (passed, failed, skipped))
    return 1 if failed else 0


sys.exit(main())
