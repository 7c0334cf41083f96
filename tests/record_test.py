#!/usr/bin/env python3
# beside: others
"""culprit record and culprit info as an operator meets them: signals, rotated files, a full disk, a second recorder,
directories of hour files, kill -9. The last line is `N passed, N failed, N skipped`."""
# timeout: 240
import glob
import json
import os
import pty
import random
import select
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CULPRIT = os.path.join(ROOT, os.environ.get('CULPRIT', 'build/culprit'))
KILLS = int(os.environ.get('KILLS') or 25)
FAST = ['--interval', '20ms', '--collect', 'cpu,memory,task']
counts = {'passed': 0, 'failed': 0, 'skipped': 0}


def check(name, ok, what=''):
    counts['passed' if ok else 'failed'] += 1
    if not ok:
        print('FAIL %s%s' % (name, ': %s' % (what,) if what != '' else ''), flush=True)


def skip(name, why):
    counts['skipped'] += 1
    print('skip %s: %s' % (name, why), flush=True)


def run(*args, **more):
    return subprocess.run([CULPRIT] + list(args), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors='replace',
                          timeout=120, **more)


def start(*args, **more):
    return subprocess.Popen([CULPRIT, 'record'] + list(args), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                            stderr=subprocess.PIPE, **more)


def until(condition, limit=60.0):
    end = time.monotonic() + limit
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False


def size(path):
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def info(path):
    r = run('info', path, '--json')
    return json.loads(r.stdout) if r.stdout else {'state': 'nothing', 'error': r.stderr, 'frames': 0}


def finish(p, sig=signal.SIGTERM):
    p.send_signal(sig)
    return p.communicate(timeout=60)[1].decode(errors='replace')


def plain(d):
    path = d + '/a.rec'
    p = start('-o', path, *FAST)
    check('a file is begun', until(lambda: size(path) > 20000))
    r = run('record', '-o', path)
    check('a second recorder on it is refused', r.returncode == 1 and 'being written by another recorder' in r.stderr, r.stderr)
    check('its mode is 0600', stat.S_IMODE(os.stat(path).st_mode) == 0o600)
    growing = info(path)
    check('while it is written it can be read', growing['state'] == 'growing' and growing['frames'] > 0, growing['state'])
    check('SIGTERM ends it', finish(p) == '' and p.returncode == 0, p.returncode)
    whole = info(path)
    check('it is whole then', whole['state'] == 'whole' and whole['indexed'] and whole['frames'] >= growing['frames'], whole['state'])
    check('all bytes are accounted for', whole['raw_bytes'] == sum(t['bytes'] for t in whole['tables']) +
          whole['dictionary_bytes'] + whole['summary_bytes'] + whole['other_bytes'])
    check('of each table asked for', {'cpu', 'memory', 'process'} <= {t['name'] for t in whole['tables'] if t['samples']})
    os.symlink(path, d + '/link')
    r = run('record', '-o', d + '/link', '--for', '1')
    check('a symbolic link is refused', r.returncode == 1, r.stderr)
    data = open(path, 'rb').read()
    with open(d + '/flipped.rec', 'wb') as f:
        f.write(data[:len(data) // 2] + bytes([data[len(data) // 2] ^ 64]) + data[len(data) // 2 + 1:])
    r = run('info', d + '/flipped.rec')
    # By its place in the file where the compression noticed it, else by the block whose checksum did.
    check('damage is named', r.returncode == 1 and ('damaged at byte' in r.stdout or 'is damaged in its segment' in r.stdout),
          r.stdout[:300])
    for verb in (['dump', 'cpu', path], ['info', path]):
        r = run(*verb, stdin=open('/dev/null'))
        piped = run(*(verb[:-1] + ['-']), stdin=open(path))
        check('%s of standard input' % verb[0], r.stdout.replace(path, 'standard input') == piped.stdout and not piped.returncode)


def reopened(d):
    path = d + '/log.rec'
    p = start('-o', path, *FAST)
    until(lambda: size(path) > 10000)
    p.send_signal(signal.SIGHUP)  # nothing was moved: it goes on
    before = size(path)
    check('SIGHUP without a move goes on', until(lambda: size(path) > before + 5000))
    os.rename(path, path + '.1')
    p.send_signal(signal.SIGHUP)
    check('after a move there is a new file', until(lambda: size(path) > 5000))
    check('the old one is whole', info(path + '.1')['state'] == 'whole')
    finish(p)
    a, b = info(path + '.1'), info(path)
    check('the new one is whole', b['state'] == 'whole' and b['recorders'] == 1, b['state'])
    check('no frame is in both, none between them is missing', 0 < b['from_ns'] - a['to_ns'] < 2000000000,
          b['from_ns'] - a['to_ns'])
    os.mkdir(d + '/both')
    os.rename(path + '.1', d + '/both/1.rec')
    os.rename(path, d + '/both/2.rec')
    both = info(d + '/both')
    check('their directory is one recording', both['frames'] == a['frames'] + b['frames'] and both['recorders'] == 1 and
          both['state'] == 'whole', both)
    r = run('dump', 'cpu', d + '/both', '--json')
    rows = json.loads(r.stdout)
    check('a window reaches over files', rows['from_ns'] <= a['from_ns'] + 10**9 and rows['to_ns'] >= b['to_ns'] - 10**9, r.stderr)


def hours(d):
    path = d + '/hours'
    p = start('-o', path, '--keep', '1h', *FAST)
    until(lambda: glob.glob(path + '/*.culprit') and size(glob.glob(path + '/*.culprit')[0]) > 5000)
    r = run('record', '-o', path, '--keep', '1h', '--for', '1')
    check('two recorders in a directory are refused', r.returncode == 1 and 'another recorder' in r.stderr, r.stderr)
    p.send_signal(signal.SIGHUP)
    check('SIGHUP begins a file', until(lambda: len(glob.glob(path + '/*.culprit')) == 2))
    finish(p)
    check('the directory is 0700', stat.S_IMODE(os.stat(path).st_mode) == 0o700)
    old, mine = path + '/20200101T000000Z.culprit', path + '/20200101T000000Z.culprit.txt'
    shutil.copy(sorted(glob.glob(path + '/*.culprit'))[0], old)
    os.utime(old, (1577836800, 1577836800))
    open(mine, 'w').write('mine')
    r = run('record', '-o', path, '--keep', '1h', '--for', '1', '--collect', 'cpu')
    check('what is too old goes', r.returncode == 0 and not os.path.exists(old), r.stderr)
    check('what is not of a recorder stays', os.path.exists(mine))
    both = info(path)
    check('the rest is one recording', both['state'] == 'whole' and both['files'] == 3 and both['recorders'] == 2, both)
    # Its reader goes: what was asked for is not recorded.
    read, write = os.pipe()
    os.close(read)
    p = subprocess.run([CULPRIT, 'record', '-o', '-', '--interval', '50ms'], stdout=write, stderr=subprocess.PIPE, text=True, timeout=60)
    os.close(write)
    check('a reader that goes is told, and no success', p.returncode == 1 and 'its reader is gone' in p.stderr, '%d %s' % (p.returncode, p.stderr))
    for args, why in ((['-o', '-', '--keep', '1h'], 'pipe'), (['-o', path], 'is a directory'), (['-o', path, '--max-size', '1k'], 'at least')):
        r = run('record', *args)
        check('refused: %s' % why, r.returncode in (1, 2) and why in r.stderr, r.stderr)
    r = run('record', '-o', d + '/a.rec', '--keep', '1h')
    check('refused: a file with --keep', r.returncode == 1 and 'no directory' in r.stderr, r.stderr)
    r = run('info', d + '/both/..')
    check('a directory of other things is read, too', '"' not in r.stdout and 'file' in r.stdout, r.stderr)
    os.mkdir(d + '/nothing')
    r = run('info', d + '/nothing')
    check('an empty directory', r.returncode == 1 and 'no recordings' in r.stderr, r.stderr)


def full(d):
    folder = d + '/small'
    os.mkdir(folder)
    if os.geteuid() or subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=2m', 'culprit-test', folder],
                                      stderr=subprocess.DEVNULL).returncode:
        skip('a full disk', 'needs root, to mount a small tmpfs')
        return
    try:
        for args in ([folder + '/a.rec'], [folder + '/dir', '--keep', '1h']):
            ballast = folder + '/ballast'
            with open(ballast, 'wb') as f:
                f.write(bytes((2 << 20) - (300 << 10)))
            p = start('-o', *args, *FAST)
            os.set_blocking(p.stderr.fileno(), False)
            said = []
            ok = until(lambda: said.append((p.stderr.read() or b'').decode()) or 'disk is full' in ''.join(said))
            check('a full disk is told', ok and p.poll() is None, ''.join(said))
            stopped = info(args[0])
            check('what is there is readable', stopped['frames'] > 0 and stopped['state'] in ('growing', 'whole'), stopped)
            os.unlink(ballast)
            ok = until(lambda: said.append((p.stderr.read() or b'').decode()) or 'goes on; ' in ''.join(said))
            check('it goes on when there is room', ok, ''.join(said))
            check('it says that once', ''.join(said).count('disk is full') == 1, ''.join(said))
            until(lambda: info(args[0])['frames'] > stopped['frames'] + 10)
            p.send_signal(signal.SIGTERM)
            p.wait(60)
            after = info(args[0])
            check('it is whole then', after['state'] == 'whole' and after['frames'] > stopped['frames'], after)
            check('the gap is told', after['gaps'] >= 1, after)
            if os.path.isdir(args[0]):
                shutil.rmtree(args[0])
            else:
                os.unlink(args[0])
        # Until the end: it is told, and no success.
        with open(folder + '/ballast', 'wb') as f:
            f.write(bytes((2 << 20) - (24 << 10)))
        p = start('-o', folder + '/b.rec', *FAST, '--for', '4')
        said = p.communicate(timeout=60)[1].decode(errors='replace')
        check('full until the end is no success', p.returncode == 1 and 'no room for the last frames' in said, (p.returncode, said))
    finally:
        subprocess.run(['umount', folder])


def removed(d):
    """While it is recorded: what it held is lost, what follows is not, and both are said."""
    path = d + '/removed.rec'
    p = start('-o', path, *FAST)
    os.set_blocking(p.stderr.fileno(), False)
    until(lambda: size(path) > 20000)
    os.unlink(path)
    said = []
    ok = until(lambda: said.append((p.stderr.read() or b'').decode()) or 'a new one is begun' in ''.join(said))
    check('a removed file is told', ok, ''.join(said))
    check('a new one is begun', until(lambda: size(path) > 20000))
    p.send_signal(signal.SIGTERM)
    check('and ends well', p.wait(60) == 0 and info(path)['state'] == 'whole', p.returncode)


def killed(d):
    """At random moments: each file opens, nothing but the frame being written is lost, info says what."""
    path = d + '/killed.rec'
    rng = random.Random(1)
    lost = 0
    for i in range(KILLS):
        if os.path.exists(path):
            os.unlink(path)
        p = start('-o', path, '--interval', '10ms', '--collect', 'cpu,memory')
        until(lambda: size(path) > 100 + rng.random() * 4000)
        time.sleep(rng.random() * 0.03)
        p.kill()
        p.wait()
        p.stderr.close()
        r = run('info', path, '--json')
        what = json.loads(r.stdout)
        ok = what['state'] in ('cut', 'whole', 'unindexed', 'empty') and not what['damage']
        lost += what['half_bytes'] > 0
        check('killed at a random moment (%d)' % i, ok, (what['state'], what['damage'], r.stderr))
        if what['frames']:
            r = run('dump', 'cpu', path, '--raw')
            check('and is dumped (%d)' % i, r.returncode == 0, r.stderr)
    print('# %d of %d files end with half a frame' % (lost, KILLS))


def cut(d):
    """A small file cut at every byte: the frames never grow fewer, and only those that were whole are missing."""
    path = d + '/small.rec'
    run('record', '-o', path, '--interval', '50ms', '--for', '300ms', '--collect', 'cpu')
    data = open(path, 'rb').read()
    step = int(os.environ.get('CUT_STEP') or max(1, len(data) // 60))
    frames = 0
    for n in list(range(0, len(data), step)) + [len(data)]:
        with open(d + '/cut.rec', 'wb') as f:
            f.write(data[:n])
        r = run('info', d + '/cut.rec', '--json')
        what = json.loads(r.stdout)
        ok = what['frames'] >= frames and not what['damage'] and what['state'] in ('empty', 'cut', 'unindexed', 'whole')
        if not ok or r.returncode not in (0, 1):
            check('cut at byte %d' % n, False, (what['state'], what['frames'], frames, r.stderr))
            return
        frames = what['frames']
    check('cut at %d places' % (len(data) // step), frames == info(path)['frames'])


def progress(d):
    pid, fd = pty.fork()
    if not pid:
        os.execv(CULPRIT, [CULPRIT, 'record', '-o', d + '/shown.rec', '--interval', '50ms', '--for', '1', '--collect', 'cpu'])
    said = b''
    while select.select([fd], [], [], 60)[0]:
        try:
            more = os.read(fd, 65536)
        except OSError:
            break
        if not more:
            break
        said += more
    os.waitpid(pid, 0)
    os.close(fd)
    check('on a terminal it tells how it goes', all(w in said for w in (b'frames', b'/s', b'lost 0 frames')), said[-200:])


def main():
    d = tempfile.mkdtemp(prefix='culprit-record-')
    try:
        for part in (plain, reopened, hours, full, removed, killed, cut, progress):
            part(d)
    finally:
        shutil.rmtree(d, ignore_errors=True)
    print('%(passed)d passed, %(failed)d failed, %(skipped)d skipped' % counts)
    return 1 if counts['failed'] else 0


if __name__ == '__main__':
    sys.exit(main())
