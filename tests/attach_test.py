#!/usr/bin/env python3
# beside: others
"""A recorder publishes its ring; consoles, dump and collectors attach to it. What is refused, what is said, what happens when
the recorder dies, comes back, or its file is cut short. Ends with "N passed, N failed[, N skipped]"."""
# timeout: 300
import ctypes
import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CULPRIT = os.path.abspath(os.environ.get('CULPRIT') or os.path.join(ROOT, 'build/culprit'))
# Where memory is a file system, as /run is, if that can be had: its files differ in what they can.
DIR = tempfile.mkdtemp(prefix='culprit-attach.', dir='/dev/shm' if os.access('/dev/shm', os.W_OK) else None)
RUN = os.path.join(DIR, 'run')
ENV = dict(os.environ, CULPRIT_RUNTIME_DIR=RUN, LC_ALL='C', TERM='xterm-256color', XDG_CONFIG_HOME=DIR, CULPRIT_NO_SETTINGS='1')
DEADLINE = 60
CHILDREN = []
passed, failed, skipped = 0, 0, 0


def ok(what, good, why=''):
    global passed, failed
    if good:
        passed += 1
    else:
        failed += 1
        print('FAIL %s%s' % (what, ': ' + str(why)[-1500:] if why else ''), flush=True)
    return good


def skip(what, why):
    global skipped
    skipped += 1
    print('skip %s: %s' % (what, why))


def run(*args, timeout=DEADLINE, **more):
    env = dict(ENV, **more.pop('env', {}))
    return subprocess.run([CULPRIT, *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          errors='replace', timeout=timeout, env=env, **more)


def wait_for(what, seconds=DEADLINE):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        got = what()
        if got:
            return got
        time.sleep(0.05)
    return None


class Recorder:
    def __init__(self, *args, name='culprit', **more):
        self.path = os.path.join(RUN, name)
        before = inode(self.path)
        self.err = open(os.path.join(DIR, 'recorder.err'), 'w+')
        self.p = subprocess.Popen([CULPRIT, 'record', '--ring', name, '--interval', '200ms', *args], stdin=subprocess.DEVNULL,
                                  stdout=subprocess.DEVNULL, stderr=self.err, env=dict(ENV, **more))
        CHILDREN.append(self.p)
        ok('the recorder publishes', wait_for(lambda: self.p.poll() is not None or
                                              (inode(self.path) not in (None, before) and self.frames() > 2)) and
           self.p.poll() is None, self.said())

    def said(self):
        self.err.seek(0)
        return self.err.read()

    def frames(self):
        r = run('dump', 'collector', self.path, '--raw', '--json')
        try:
            return next(x['samples'] or 0 for x in json.loads(r.stdout)['rows'] if x['name'] == '(culprit)')
        except (ValueError, KeyError, StopIteration):
            return 0

    def kill(self, sig=signal.SIGKILL):
        self.p.send_signal(sig)
        return self.p.wait(DEADLINE)


def inode(path):
    try:
        st = os.stat(path, follow_symlinks=False)
        with open(path, 'rb') as f:
            return st.st_ino, f.read(96)  # made when, by whom
    except OSError:
        return None


class Console:
    """In a pty. screen() asks for all of it anew and returns its text."""

    def __init__(self, *args, env=None):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            try:
                import fcntl
                import struct
                import termios
                fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack('HHHH', 40, 160, 0, 0))
                os.execve(CULPRIT, ['culprit', *args], dict(ENV, **(env or {})))
            finally:
                os._exit(127)
        self.ended = False
        self.quiet(0.5, 5)

    def quiet(self, pause, limit):
        """What comes until nothing has come for `pause`."""
        out, end = b'', time.monotonic() + limit
        while time.monotonic() < end and select.select([self.fd], [], [], pause)[0]:
            try:
                data = os.read(self.fd, 65536)
            except OSError:
                data = b''
            if not data:
                self.ended = True
                break
            out += data
        return out

    def keys(self, text):
        try:
            os.write(self.fd, text.encode())
        except OSError:
            self.ended = True

    def screen(self):
        self.quiet(0.02, 1)
        self.keys('\x0c')
        out = self.quiet(0.25, 3).decode('utf-8', 'replace')
        out = re.sub(r'\x1b\[[0-9;]*[Hd]', '\n', out)
        return re.sub(r'\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07|\x1b.', '', out)

    def shows(self, pattern, seconds=DEADLINE):
        last = ['']

        def look():
            last[0] = self.screen()
            return re.search(pattern, last[0])
        return wait_for(look, seconds), last[0]

    def close(self):
        end = time.monotonic() + DEADLINE / 2
        while time.monotonic() < end:
            self.keys('q')
            self.quiet(0.2, 0.5)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                os.close(self.fd)
                return os.waitstatus_to_exitcode(status)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.fd)
        return 'it does not end'


def left(console):
    status = console.close()
    ok('it quits', status == 0, status)


def shown(console, what, pattern, seconds=DEADLINE):
    got, text = console.shows(pattern, seconds)
    return ok(what, got, text)


def publishing():
    r = Recorder()
    st = os.stat(r.path)
    said = r.said()
    ok('it says where, for whom, and that it shows command lines', r.path in said and 'command lines' in said, said)
    ok('mode 0640 for a group, or 0600', (st.st_mode & 0o7777 == 0o640) if 'group' in said else st.st_mode & 0o7777 == 0o600,
       oct(st.st_mode))
    again = run('record', '--ring', 'culprit')
    ok('a second recorder of that name is refused', again.returncode == 1 and 'another process' in again.stderr, again.stderr)
    other = run('record', '--ring', '../x')
    ok('a name with a slash is wrong usage', other.returncode == 2 and 'named' in other.stderr, other.stderr)
    other = run('record', '--ring', 'a' * 65)
    ok('a name that is too long is wrong usage', other.returncode == 2, other.stderr)
    other = run('record', '--ring', 'x', '--group', 'no-such-group')
    ok('a group that is not there is wrong usage', other.returncode == 2 and 'no-such-group' in other.stderr, other.stderr)
    return r


def as_other(groups, *args):
    """Another user, in these groups."""
    # The test's folder may lie where that user does not come: then the binary's copy and the ring do.
    return subprocess.run(['setpriv', '--reuid', '65534', '--regid', '65534', *groups, '--', CULPRIT, *args], env=ENV, text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=DEADLINE,
                          errors='replace')


def permissions(r):
    if os.geteuid() != 0 or not shutil.which('setpriv'):
        return skip('who is in the group and who is not', 'needs root and setpriv')
    os.chmod(DIR, 0o755)
    gid = os.stat(r.path).st_gid
    if as_other(['--clear-groups'], '--version').returncode:
        return skip('who is in the group and who is not', 'another user cannot run %s' % CULPRIT)
    if os.stat(r.path).st_mode & 0o040:
        text = as_other(['--groups', str(gid)], '--attach', 'culprit')
        ok('a user of the group attaches', text.returncode == 0 and 'attached to recorder culprit' in text.stdout,
           text.stdout + text.stderr)
        text = as_other(['--groups', str(gid)], 'dump', '--attach', 'culprit', 'host')
        ok('and dumps', text.returncode == 0 and 'hostname' in text.stdout, text.stderr)
        who = ['setpriv', '--reuid', '65534', '--regid', '65534', '--groups', str(gid)]
        ok('but may not write it', subprocess.run([*who, 'sh', '-c', 'test ! -w "$1"', 'sh', r.path]).returncode == 0)
    text = as_other(['--clear-groups'], '--attach', 'culprit')
    ok('one who is not is told', text.returncode != 0 and 'may not be read' in text.stderr, text.stderr)
    text = as_other(['--clear-groups'])
    ok('without being asked, his console samples by itself', text.returncode == 0 and 'attached' not in text.stdout,
       text.stdout + text.stderr)
    # His own ring, which root's console must not believe.
    own = os.path.join(DIR, 'own')
    os.mkdir(own)
    os.chown(own, 65534, 65534)
    env = dict(ENV, CULPRIT_RUNTIME_DIR=own)
    p = subprocess.Popen(['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups', '--', CULPRIT, 'record', '--ring',
                          'mine'], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    CHILDREN.append(p)
    ring = os.path.join(own, 'mine')
    if ok('a user publishes for himself', wait_for(lambda: inode(ring)) and os.stat(ring).st_mode & 0o7777 == 0o600):
        text = run('--attach', ring)
        ok('root does not believe a ring of his', text.returncode != 0 and 'another user' in text.stderr, text.stderr)
        text = run(env={'CULPRIT_RUNTIME_DIR': own})
        ok('nor finds it', text.returncode == 0 and 'attached' not in text.stdout, text.stdout)
        text = run('dump', 'host', ring)
        ok('reading it as a file is another thing', text.returncode == 0, text.stderr)
    p.kill()
    p.wait()


def hostile(r):
    """Copies of the ring, spoilt: never a crash, never a hang, always a sentence."""
    with open(r.path, 'rb') as f:
        whole = f.read(4096 + 65536 + (1 << 20))
    place = os.path.join(DIR, 'hostile')
    os.mkdir(place, 0o755)
    path = os.path.join(place, 'x')
    size = os.stat(r.path).st_size
    spoilt = {
        'wrong magic': (b'CULPRINX' + whole[8:], size),
        'another version': (whole[:16] + b'\x09' + whole[17:], size),
        'lying sizes': (whole[:56] + b'\xff' * 16 + whole[72:], size),
        'a lying directory': (whole[:4096] + b'\xff' * 4096 + whole[8192:], size),
        'more segments than fit': (whole[:1032] + b'\xff' * 16 + whole[1048:], size),
        'no data': (whole, 8192),
        'nothing': (b'', 0),
        'zeros': (b'', size),
        'garbage in its frames': (whole[:4096 + 65536 + 4096] + os.urandom(1 << 19), size),
    }
    for name, (data, length) in spoilt.items():
        with open(path, 'wb') as f:
            f.write(data)
            f.truncate(length)
        os.chmod(path, 0o640)
        # The console samples by itself then, which takes its time.
        for args in (('dump', 'process', path), ('dump', '--attach', path, 'process'), ('info', path),
                     *([('--attach', path)] if 'directory' in name or 'garbage' in name or name == 'zeros' else [])):
            try:
                text = run(*args)
            except subprocess.TimeoutExpired:
                ok('%s: %s does not hang' % (name, ' '.join(args[:1])), False)
                continue
            # What is damaged is what info tells.
            said = text.stderr.startswith('culprit: ') or (args[0] == 'info' and text.stdout)
            good = text.returncode in (0, 1, 2) and (text.returncode == 0 or said)
            ok('%s: %s survives, and says so' % (name, args[0]), good, '%s %s' % (text.returncode, text.stderr))
    with open(path, 'wb') as f:
        f.write(whole)
        f.truncate(size)
    for mode, what in ((0o666, 'everybody may write'), (0o660, 'group may write')):
        os.chmod(path, mode)
        text = run('--attach', path)
        ok('mode %o is refused' % mode, text.returncode != 0 and what in text.stderr, text.stderr)
    os.chmod(path, 0o640)
    link = os.path.join(place, 'link')
    os.symlink(path, link)
    text = run('--attach', link)
    ok('a symbolic link is refused', text.returncode != 0 and 'symbolic link' in text.stderr, text.stderr)


def missing():
    """What the recorder does not collect is sampled here, while it is looked at."""
    r = Recorder('--collect', 'cpu,host,psi', name='some')
    c = Console('--attach', 'some')
    shown(c, 'what the recorder has not is marked as local', r'local since \d\d:\d\d:\d\dZ')
    c.keys('2')
    shown(c, 'the list of processes says since when it is local', r'of [\d,]+ by cpu, local since \d\d:\d\d:\d\dZ')
    text = run('collectors', '--attach', 'some')
    ok('collectors --attach lists what the recorder collects', re.search(r'^process.*switched off|^task +off', text.stdout, re.M) and
       re.search(r'^cpu +on', text.stdout, re.M), text.stdout + text.stderr)
    left(c)
    r.kill(signal.SIGTERM)


def killed():
    """SIGKILL at any moment: what is there opens, and is whole up to a frame before."""
    bad = []
    for i in range(15):
        path = os.path.join(RUN, 'victim')
        p = subprocess.Popen([CULPRIT, 'record', '--ring', 'victim', '--interval', '10ms', '--history', '1M', '--collect',
                              'cpu,host,psi'], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=ENV)
        CHILDREN.append(p)
        wait_for(lambda: inode(path) or p.poll() is not None, 30)
        time.sleep(0.05 + 0.0217 * i)
        p.kill()
        p.wait()
        text = run('dump', 'cpu', path, '--json')
        nothing = 'nothing has been sampled' in text.stderr
        if text.returncode and not nothing or (not nothing and 'rows' not in text.stdout):
            bad.append('%d: %s' % (i, text.stderr))
        again = run('--attach', 'victim')
        if again.returncode:
            bad.append('%d, attach: %s' % (i, again.stderr))
    ok('killed at 15 moments, each ring opens', not bad, bad)
    os.unlink(os.path.join(RUN, 'victim'))


def reading(r):
    text = run(env={'COLUMNS': '100'})
    ok('culprit | cat attaches and is there at once', text.returncode == 0 and 'attached to recorder culprit' in text.stdout,
       text.stdout + text.stderr)
    text = run('--no-attach')
    ok('--no-attach samples here', text.returncode == 0 and 'attached' not in text.stdout, text.stdout + text.stderr)
    text = run('--interval', '1s')
    ok('told how to sample, it does not attach', text.returncode == 0 and 'attached' not in text.stdout, text.stdout)
    text = run('--attach', 'culprit')
    ok('--attach NAME', text.returncode == 0 and 'attached to recorder culprit' in text.stdout, text.stdout + text.stderr)
    text = run('--attach', r.path)
    ok('--attach FILE', text.returncode == 0 and 'attached to recorder culprit' in text.stdout, text.stdout + text.stderr)
    text = run('--attach', 'nobody')
    ok('--attach of no ring says how to get one', text.returncode != 0 and 'record --ring nobody' in text.stderr, text.stderr)
    with open(os.path.join(DIR, 'settings'), 'w') as f:
        f.write('culprit-settings 1\ninterval = 2s\n')
    os.makedirs(os.path.join(DIR, 'culprit'), exist_ok=True)
    os.rename(os.path.join(DIR, 'settings'), os.path.join(DIR, 'culprit', 'settings'))
    c = Console(env={'CULPRIT_NO_SETTINGS': ''})
    shown(c, 'an interval that is remembered is no reason not to attach', 'attached to recorder culprit')
    left(c)
    c = Console()
    shown(c, 'the console says that it is attached, since when', r'attached to recorder culprit, since \d\d:\d\d:\d\dZ')
    said = b''
    c.keys(':interval 2s\r')
    # Only what differs is painted: single cells of the sentence may be missing.
    def heard():
        nonlocal said
        said += c.quiet(0.25, 3)
        return b'own to say' in said or b'--interval 2s' in said
    ok('the interval is said to be the recorder\'s', wait_for(heard), said)
    c.keys('mset in a console\r')
    ok('a mark set in a console is the recorder\'s, for all who attach', wait_for(
        lambda: 'set in a console' in run('dump', 'mark', '--attach', 'culprit').stdout))
    shown(c, 'the cost is told apart', r'self \d+\.\d%  recorder \d+\.\d%')
    text = run('dump', 'psi', '--attach', 'culprit')
    ok('dump --attach of one that runs does not call it gone', text.returncode == 0 and 'is gone' not in text.stderr, text.stderr)
    r.p.send_signal(signal.SIGSTOP)
    shown(c, 'a recorder that was stopped is said to be silent', r'recorder culprit \(pid \d+\) is silent since \d\d:\d\d:\d\dZ')
    ok('dump --attach says so, too', wait_for(lambda: 'is silent (stopped' in run('dump', 'psi', '--attach', 'culprit').stderr))
    r.p.send_signal(signal.SIGCONT)
    shown(c, 'and is back when it goes on', r'attached to recorder culprit')
    return c


def death(r, c):
    r.kill()
    ok('its ring stays', inode(r.path) is not None)
    shown(c, 'the console says that the recorder ended, and samples', r'recorder culprit ended at \d\d:\d\d:\d\dZ; sampled here')
    text = run('dump', 'process', r.path, '--json')
    ok('what it left can be dumped', text.returncode == 0 and len(json.loads(text.stdout)['rows']) > 3, text.stderr)
    text = run('dump', 'process', '--attach', 'culprit', '--json')
    ok('dump --attach says that its recorder is gone, and since when', text.returncode == 0 and re.match(
        r'culprit: recorder culprit \(pid %d\) is gone; its data ends at 20[-0-9]+T[:0-9]+Z, \d\S* ago' % r.p.pid, text.stderr),
       text.stderr)
    late = Console()
    shown(late, 'who comes after its death sees its past, and that it ended', r'recorder culprit ended at \d\d:\d\d:\d\dZ')
    left(late)
    begun = time.monotonic()
    again = Recorder()
    shown(c, 'the console attaches to the one that came back', r'attached to recorder culprit', 90)
    # At once, as who types it would: what was killed need not be gone yet.
    again.p.send_signal(signal.SIGKILL)
    soon = time.monotonic() - begun < 9
    third = Recorder()
    if soon:
        shown(c, 'one that died soon: the next has to prove itself, which is said', r'recorder culprit is back, attached to when', 90)
    else:
        skip('one that died soon', 'it lived too long on this box')
    shown(c, 'and is attached to then', r'attached to recorder culprit', 90)
    return third


def cut_short(r, c):
    before = inode(r.path)
    os.truncate(r.path, 8192)
    ok('cut short, the ring is made anew, its writer lives', wait_for(lambda: inode(r.path) not in (None, before)) and
       r.p.poll() is None, r.said())
    ok('and says so', wait_for(lambda: 'cut short' in r.said()), r.said())
    before = inode(r.path)
    os.unlink(r.path)
    ok('removed, it is made anew', wait_for(lambda: inode(r.path)) and r.p.poll() is None, r.said())
    shown(c, 'the console of the lost ring lives', r'recorder culprit')
    left(c)
    r.kill(signal.SIGTERM)
    ok('a recorder that ends takes its ring along', inode(r.path) is None)


def live_and_file():
    """What is told live, while it is recorded, and what the file says of the same window afterwards: the same bytes, of every table."""
    path = os.path.join(DIR, 'same.rec')
    r = Recorder('-o', path, name='same')
    load = subprocess.Popen(['sh', '-c', 'i=0; while [ $i -lt 40 ]; do ls -lR /usr/include >/dev/null; sleep 0.05; i=$((i+1)); done'],
                            stdout=subprocess.DEVNULL)
    CHILDREN.append(load)
    tables = [t['name'] for t in json.loads(run('info', r.path, '--json').stdout)['tables']]
    # BPF comes a little later than the rest.
    wait_for(lambda: json.loads(run('dump', '--attach', 'same', 'runq', '--json').stdout or '{"rows": []}')['rows'], 10)
    time.sleep(3)
    now = json.loads(run('dump', '--attach', 'same', 'host', '--json').stdout)
    start, end = [re.sub(r'\..*Z', 'Z', now[k]) for k in ('from', 'to')]
    windows = [('--from', start, '--to', end), ('--to', end), ('--to', end, '--raw')]
    live = {(t, w): run('dump', '--attach', 'same', t, '--json', '--columns', 'all', *w).stdout for t in tables for w in windows}
    r.kill(signal.SIGTERM)
    load.kill()
    load.wait()
    differ, rows = [], 0
    for (table, window), was in live.items():
        now = run('dump', table, path, '--json', '--columns', 'all', *window).stdout
        rows += len(json.loads(was)['rows']) if was else 0
        if now != was:
            differ.append((table, window, was[-300:], now[-300:]))
    ok('live and from the file: %d rows of %d tables' % (rows, len(tables)), not differ and rows > 200 and len(tables) > 15,
       'rows %d, tables %d: %s' % (rows, len(tables), differ[:2]))


def main():
    try:
        live_and_file()
        r = publishing()
        permissions(r)
        hostile(r)
        c = reading(r)
        r = death(r, c)
        cut_short(r, c)
        missing()
        killed()
    finally:
        for p in CHILDREN:
            p.kill()
        shutil.rmtree(DIR, ignore_errors=True)
    print('%d passed, %d failed, %d skipped' % (passed, failed, skipped))
    return failed != 0


if __name__ == '__main__':
    sys.exit(main())
