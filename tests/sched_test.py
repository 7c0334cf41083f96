#!/usr/bin/env python3
"""Run-queue latency against libbpf-tools' runqlat and perf sched latency, and what --safe and kill -9 leave in the kernel.

The same load (more spinning and napping threads than CPUs) is seen by both at the same time: medians, 90th and 99th
percentiles lie in the same power of two, or in the next one; means, taken from the same buckets, differ by 15 % at most. perf's mean over the threads of the load,
which it reckons from records of every wakeup and switch, does so too.
"""
import datetime
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
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


def perf_waits(lines, pids):
    """{pid: [waits in s]} out of perf's records, as perf sched latency reckons them: from being woken or pushed aside to being
    switched to. (Version 6.1 of it leaves out those that were pushed aside while they were in the kernel, R+.)"""
    since, waits = {}, {pid: [] for pid in pids}
    for line in lines:
        m = re.search(r' ([\d.]+):\s+sched:sched_(waking|wakeup_new|switch): (.*)', line)
        if not m:
            continue
        time_, event, text = float(m.group(1)), m.group(2), m.group(3)
        m = re.search(r'pid=(\d+)' if event != 'switch' else r'prev_pid=(\d+) .*prev_state=(\S*) ==> .*next_pid=(\d+)', text)
        if not m:  # a name with a line's end in it
            continue
        if event != 'switch':
            if int(m.group(1)) in pids:
                since.setdefault(int(m.group(1)), time_)
            continue
        before, state, after = int(m.group(1)), m.group(2), int(m.group(3))
        if after in pids and after in since:
            waits[after].append(time_ - since.pop(after))
        if before in pids:
            since.pop(before, None)
            if state.startswith('R'):
                since[before] = time_
    return waits


def against_perf():
    tool = shutil.which('perf')
    if not tool or os.geteuid():
        skip('needs perf (package linux-perf) and root', 2)
        return
    load = [subprocess.Popen([sys.executable, '-c', LOAD, '60']) for _ in range(3 * (os.cpu_count() or 1))]
    pids = {p.pid for p in load}
    with tempfile.TemporaryDirectory() as folder:
        data, recording = os.path.join(folder, 'data'), os.path.join(folder, 'ours')
        try:
            ours = subprocess.Popen([CULPRIT, 'record', '-o', recording, '--collect', 'sched', '--interval', '100ms', '--budget', 'off'],
                                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            # Which threads have a histogram is chosen as it goes.
            time.sleep(3)
            r = subprocess.run([tool, 'sched', 'record', '-o', data, '--', 'sh', '-c', 'date +%s.%N; sleep 5; date +%s.%N'],
                               capture_output=True, text=True, timeout=120)
        finally:
            for p in load:
                p.kill()
                p.wait()
            ours.send_signal(signal.SIGINT)
            ours.wait()
        begin_end = re.findall(r'^\d+\.\d+$', r.stdout, re.M)
        if r.returncode or len(begin_end) != 2:
            skip('perf sched record does not work here: %s' % (r.stderr.strip().split('\n') or [''])[-1][:100], 2)
            return
        script = subprocess.Popen([tool, 'script', '-i', data], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        theirs = {pid: w for pid, w in perf_waits(script.stdout, pids).items() if w}
        script.wait()
        begin, end = (datetime.datetime.fromtimestamp(float(t), datetime.timezone.utc).isoformat(timespec='milliseconds')
                      for t in begin_end)
        ours = {row['tid']: (row['wait_rate'], row['wait_mean'])
                for row in rows('dump', 'runq_task', recording, '--from', begin, '--to', end, '--columns', 'tid,wait_mean,wait_rate')
                if row['tid'] in theirs and row['wait_rate'] and row['wait_mean'] is not None}
    ok('most of the load is among the threads with a histogram', len(ours) * 2 > len(load), '(%d of %d)' % (len(ours), len(load)))
    if not ours:
        skip('nothing to compare')
        return
    mean_ours = sum(n * m for n, m in ours.values()) / sum(n for n, _ in ours.values()) / 1e6
    mean_theirs = sum(sum(theirs[tid]) for tid in ours) / sum(len(theirs[tid]) for tid in ours) * 1e3
    ok('their mean wait is that of perf sched within 15 %', 0.85 <= mean_ours / mean_theirs <= 1.15,
       '(ratio %.3f: %.3f and %.3f ms)' % (mean_ours / mean_theirs, mean_ours, mean_theirs))


def says_what_is_loaded():
    r = subprocess.run([CULPRIT, 'collectors', '--json'], capture_output=True, text=True, timeout=120)
    programs = {row['program']: row for row in json.loads(r.stdout)['bpf']['rows']}
    row = programs.get('sched_switch', {})
    ok('collectors --json has what is in the kernel: events, their cost, losses, how full maps are',
       row.get('state') == 'on' and row.get('events', 0) > 0 and row.get('per_event') is not None and row.get('lost') is not None
       and row.get('map_fill') is not None, str(row)[:200])
    ok('and the iterator of tasks, which is loaded last', 'task_records' in programs)


def switches_are_paid_once():
    """One program at switches whoever needs it, and who takes stacks of waits is called by it: either without the other, and both."""
    for collect in ('sched', 'stacks', 'sched,stacks'):
        r = subprocess.run([CULPRIT, 'collectors', '--json', '--collect', collect], capture_output=True, text=True, timeout=120)
        on = [row for row in json.loads(r.stdout)['bpf']['rows'] if row['state'] == 'on']
        hooked = [row['program'] for row in on if row['hook'] == 'tracepoint sched_switch']
        waits = [row for row in on if row['program'] == 'stacks_switch']
        ok('switches are paid once (%s)' % collect, hooked == ['sched_switch'] and len(waits) == ('stacks' in collect), str(hooked))


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
        skip(probe.stderr.strip()[:160] or 'runq cannot be measured here', 15)
    else:
        against_runqlat()
        against_perf()
        says_what_is_loaded()
        switches_are_paid_once()
        leaves_nothing()
        rights()
    print('%d passed, %d failed, %d skipped' % (passed, failed, skipped))
    return 1 if failed else 0


sys.exit(main())
