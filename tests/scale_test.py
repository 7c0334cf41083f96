#!/usr/bin/env python3
"""A box with more tasks than there are rows for (tests/plugins/scale.c): every process keeps a row of its own, threads fold per
control group, and each is counted once. Larger, and timed: make bench BENCH=scale."""
import json
import os
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CULPRIT = os.path.abspath(os.environ.get('CULPRIT') or os.path.join(ROOT, 'build/culprit'))
B = os.path.abspath(os.environ.get('B') or os.path.join(ROOT, 'build'))
PROCESSES, THREADS = 3000, 60000
ENV = dict(os.environ, SCALE_PROCESSES=str(PROCESSES), SCALE_THREADS=str(THREADS), SCALE_CGROUPS='300', SCALE_CPUS='64', SCALE_DISKS='30')
passed = failed = 0


def ok(what, good, why=''):
    global passed, failed
    if good:
        passed += 1
    else:
        failed += 1
        print('FAIL %s: %s' % (what, str(why)[-800:]))


def run(*args):
    return subprocess.run([CULPRIT] + list(args), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENV, timeout=250)


def main():
    with tempfile.TemporaryDirectory(prefix='culprit-scale.') as folder:
        file = folder + '/made.culprit'
        r = run('record', '-o', file, '--for', '4', '--interval', '500ms', '--safe', '--budget', 'off', '--plugin', B + '/plugins/scale.so',
                '--without', 'task,cpu,cgroup,disk')
        ok('recorded', r.returncode == 0, r.stderr)
        for table, expected in (('process', PROCESSES), ('thread', THREADS), ('cpu', 65), ('cgroup', 300), ('disk', 30)):
            columns = 'folded' if table in ('process', 'thread') else 'all'
            r = run('dump', table, file, '--from', 'end', '--to', 'end', '--json', '--columns', columns)
            try:
                rows = [row for row in json.loads(r.stdout)['rows'] if '_ended' not in row]
            except ValueError:
                ok(table, False, r.stderr)
                continue
            own = sum(1 for row in rows if row.get('folded') is None)
            within = sum(row.get('folded') or 0 for row in rows)
            ok('%s: each is counted once' % table, own + within == expected, '%d rows of their own, %d in folded ones' % (own, within))
            if table == 'process':
                ok('processes keep rows of their own', own == expected, own)
            if table == 'thread':
                ok('threads fold', within > 0 and len(rows) < 33000, '%d rows' % len(rows))
    print('%d passed, %d failed, 0 skipped' % (passed, failed))
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
