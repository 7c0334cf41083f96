#!/usr/bin/env python3
"""usage: tests/tcp_flow_test.py [CULPRIT]

Tables tcp_flow, tcp_peer and tcp_listen against a server and a client in this process, on loopback: what they did is known
exactly, how long it took they measure themselves, and `ss` says what the kernel thinks.

Last line: N passed, N failed, N skipped.
"""
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

CULPRIT = sys.argv[1] if len(sys.argv) > 1 else os.environ.get('CULPRIT', 'build/culprit')
ROUNDS, REQUESTS, REFUSED = 30, 10, 7
ASK, ANSWER = b'a' * 300, b'b' * 700
DELAY = 0.01

passed = failed = 0


def ok(condition, what):
    global passed, failed
    if condition:
        passed += 1
    else:
        failed += 1
        print('FAIL %s' % what)


def skip(reason):
    print('skip tcp_flow: %s' % reason)
    print('0 passed, 0 failed, 1 skipped')
    sys.exit(0)


def dump(table, file, *more):
    out = subprocess.run([CULPRIT, 'dump', table, file, '--json', '--from', 'start', '--to', 'end'] + list(more),
                         stdout=subprocess.PIPE, check=True).stdout
    return json.loads(out)['rows']


def whole(connection, n):
    data = b''
    while len(data) < n:
        more = connection.recv(n - len(data))
        if not more:
            return data
        data += more
    return data


def serve(connection, times):
    while whole(connection, len(ASK)) == ASK:
        begun = time.monotonic()
        time.sleep(DELAY)
        times.append(time.monotonic() - begun)
        connection.sendall(ANSWER)
    connection.close()


def accept(listener, times):
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=serve, args=(connection, times), daemon=True).start()


def ask(port, times, n):
    with socket.create_connection(('127.0.0.1', port)) as c:
        for _ in range(n):
            begun = time.monotonic()
            c.sendall(ASK)
            whole(c, len(ANSWER))
            times.append(time.monotonic() - begun)


def percentile(values, p):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * p))]


def main():
    if os.geteuid() != 0:
        skip('needs root')
    listener = socket.socket()
    listener.bind(('127.0.0.1', 0))
    listener.listen(64)
    port = listener.getsockname()[1]
    full = socket.socket()
    full.bind(('127.0.0.1', 0))
    full.listen(4)
    nobody = socket.socket()
    nobody.bind(('127.0.0.1', 0))
    refused = nobody.getsockname()[1]
    served, asked, before = [], [], []
    threading.Thread(target=accept, args=(listener, served), daemon=True).start()

    # Connected before culprit looks: what it did until then does not count.
    old = socket.create_connection(('127.0.0.1', port))
    old.sendall(ASK)
    whole(old, len(ANSWER))

    folder = tempfile.mkdtemp(prefix='culprit-tcp-')
    file = os.path.join(folder, 'flows.culprit')
    recorder = subprocess.Popen([CULPRIT, 'record', '-o', file, '--collect', 'tcp_flow,task', '--interval', '500ms'],
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        # Programs load after the first tick: wait until the table is there, and was sampled twice.
        end = time.monotonic() + 60
        while time.monotonic() < end:
            time.sleep(1)
            try:
                rows = [r for r in dump('collector', file) if r['name'] == 'tcp_flow']
                listening = [r for r in dump('tcp_listen', file) if r['port'] == port]
            except (subprocess.CalledProcessError, ValueError, KeyError):
                continue
            if listening:
                break
            if rows and rows[0].get('state') == 'missing':
                skip(rows[0].get('reason'))
        else:
            ok(False, 'tcp_listen has no row of our port after 60 s')
            return
        time.sleep(6)  # the tables rest for 5 s at most
        for _ in range(ROUNDS):
            ask(port, asked, REQUESTS)
        for _ in range(REFUSED):
            try:
                socket.create_connection(('127.0.0.1', refused)).close()
            except ConnectionRefusedError:
                pass
        old.sendall(ASK)
        whole(old, len(ANSWER))
        waiting = [socket.create_connection(('127.0.0.1', full.getsockname()[1])) for _ in range(3)]
        said = subprocess.run(['ss', '-tinH', 'dport = :%d' % port], stdout=subprocess.PIPE, text=True).stdout \
            if shutil.which('ss') else ''
        time.sleep(6)
    finally:
        recorder.terminate()
        recorder.wait()

    me = os.getpid()
    flows = [r for r in dump('tcp_flow', file, '--raw') if r['pid'] == me]
    out = [r for r in flows if r['peer'] == '127.0.0.1:%d' % port and r['side'] == 'out']
    into = [r for r in flows if r['listen'] == port and r['side'] == 'in']
    ok(len(out) == 1 and len(into) == 1, 'one flow each way, not %d and %d: %s' % (len(out), len(into), flows))
    if out and into:
        n = ROUNDS * REQUESTS + 1  # with the one on the old connection
        for name, row, sent, received in (('out', out[0], ASK, ANSWER), ('in', into[0], ANSWER, ASK)):
            ok(row['sent'] == n * len(sent), '%s: sent %d, not %d' % (name, row['sent'], n * len(sent)))
            ok(row['received'] in (n * len(received), n * len(received) + ROUNDS),
               '%s: received %d, not %d' % (name, row['received'], n * len(received)))
            ok(row['opened'] == ROUNDS and row['closed'] == ROUNDS,
               '%s: %d opened, %d closed, not %d' % (name, row['opened'], row['closed'], ROUNDS))
            ok(row['open'] == 1, '%s: %d connections, not the old one alone' % (name, row['open']))
        start = int(open('/proc/self/stat').read().rsplit(')', 1)[1].split()[19])
        ok(out[0]['process_start'] == start, 'start %s, not %d: does not join with process' % (out[0]['process_start'], start))
        m = re.search(r'minrtt:([0-9.]+)', said)
        if m:
            mine, theirs = out[0]['rtt_min'] / 1e6, float(m.group(1))
            ok(abs(mine - theirs) <= 0.15 * theirs + 0.002, 'shortest round trip %.3f ms, ss says %.3f' % (mine, theirs))
        m = re.search(r'\brtt:([0-9.]+)/', said)
        if m:
            mine, theirs = out[0]['rtt'] / 1e6, float(m.group(1))
            ok(abs(mine - theirs) <= 0.15 * theirs + 0.01, 'round trip %.3f ms, ss says %.3f' % (mine, theirs))
    failures = [r for r in flows if r['peer'] == '127.0.0.1:%d' % refused]
    ok(len(failures) == 1 and failures[0]['failed'] == REFUSED and 'refused' in failures[0]['failure'],
       'refused connections: %s' % failures)

    peers = dump('tcp_peer', file)
    for name, rows, own in (('the client', [r for r in peers if r['peer'] == '127.0.0.1:%d' % port], asked),
                            ('the server', [r for r in peers if r['listen'] == port], served)):
        ok(len(rows) == 1, '%s has %d rows in tcp_peer' % (name, len(rows)))
        if not rows:
            continue
        count = sum(rows[0]['answer']['counts'])
        ok(ROUNDS * REQUESTS <= count <= ROUNDS * REQUESTS + 2, '%s: %d answers, not %d' % (name, count, ROUNDS * REQUESTS))
        for p in (50, 90):
            mine, theirs = rows[0]['answer_p%d' % p] / 1e9, percentile(own, p / 100)
            # Slots are an eighth wide; what the test measures itself has its own way to the CPU in it.
            ok(0.8 * min(theirs, DELAY) <= mine <= 1.3 * theirs + 0.005, '%s: p%d %.4f s, measured %.4f s' % (name, p, mine, theirs))
        ok(rows[0]['left_out'] <= 2, '%s: %d exchanges left out' % (name, rows[0]['left_out']))
    listening = {r['port']: r for r in dump('tcp_listen', file)}
    row = listening.get(full.getsockname()[1])
    ok(row is not None and row['queue'] == 3 and row['queue_limit'] == 4, 'three wait to be accepted: %s' % row)
    row = listening.get(port)
    ok(row is not None and row['pid'] == me and row['accepted'] == ROUNDS,
       'accepted %s, not %d' % (row and row['accepted'], ROUNDS))
    for c in waiting:
        c.close()
    os.environ.get("KEEP") or shutil.rmtree(folder)


try:
    main()
except subprocess.CalledProcessError as e:
    ok(False, '%s' % e)
print('%d passed, %d failed, 0 skipped' % (passed, failed))
sys.exit(failed > 0)
