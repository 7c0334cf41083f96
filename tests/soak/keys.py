#!/usr/bin/env python3
"""usage: tests/soak/keys.py [--seconds 600] [--seed N] [--sessions N] [--events N]

Presses random keys in the console, in a terminal that changes its size (to 1x1, too), is stopped and continued, is slow, and
goes away; with mouse, pasted texts, broken escape sequences, filters and commands put together of their words, signals to
processes. It runs live, over recordings, and over imported profiles. A session ends when the console dies of a signal, by a
sanitizer's report, does not answer any more, or after --events; the next one has the next seed. What a session does
follows from its seed alone (the box beside it doesn't): --seed N --sessions 1 does it again. A failure keeps its seed, its
keys and the report in build/test-logs/keys-SEED/. Ends with "N passed, N failed[, N skipped]".

It is alone: in namespaces of its own it sees, and can signal, only processes that it made for that, and can write nowhere but
into its own folder. Where there are no such namespaces, it runs with --readonly.

The program is $CULPRIT, by default that with address and undefined sanitizers."""
import argparse
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, 'tests/support'))
from terminal import Terminal  # noqa: E402

CULPRIT = os.path.abspath(os.environ.get('CULPRIT') or os.path.join(ROOT, 'build/san-address-undefined/culprit'))
ANSWER = 120  # seconds without any answer are a hang, on a busy machine under sanitizers, too
TELL = os.environ.get('CULPRIT_KEYS_TELL')
INSIDE = 'CULPRIT_KEYS_INSIDE'

SPECIAL = [b'\r', b'\x1b', b'\x7f', b'\b', b'\t', b'\x1b[Z', b'\x1b[A', b'\x1b[B', b'\x1b[C', b'\x1b[D', b'\x1bOA', b'\x1bOB',
           b'\x1b[H', b'\x1b[F', b'\x1b[5~', b'\x1b[6~', b'\x1b[2~', b'\x1b[3~', b'\x1bOP', b'\x1b[15~', b'\x1b[20~', b'\x1b[24~']
WORDS = ['cpu', 'rss', 'user', 'comm', 'age', 'io', 'read_rate', 'pid', 'await', 'no_such', '>', '<=', '=', '!=', '~', '~^', '(',
         ')', 'and', 'or', 'not', '50', '2G', '5m', '50%', '-1', '1e999', '99999999999999999999', 'root', 'java', '"', '\'', '[',
         '.*', '(((((', '\\', '\xe9', '\u4e16\u754c', '\u202e', ' ', ',']
COMMANDS = ['goto', 'speed', 'filter', 'panel', 'mark', 'marks', 'sort', 'theme', 'window', 'signal', 'renice', 'ionice', 'save',
            'print', 'help', 'set', 'column', 'columns', 'host', 'tree', 'follow', 'tables', 'events', 'quit', 'find', 'baseline']
ARGUMENTS = ['14:03', '-5m', 'start', 'end', '+90s', '0.1', '1000', '-3', 'processes', 'latency', 'flame', 'net', 'cpu', 'TERM',
             'STOP', 'CONT', '10', 'idle', 'mono', 'dark', 'file', '/', '""', '999999999999999999999', '%s%n', '']


def symbolized(text):
    """Names for `#1 0x... (/path/culprit+0x123)`: by the sanitizer it would take as long as a session."""
    at = re.findall(r'\(%s\+(0x[0-9a-f]+)' % re.escape(CULPRIT), text)
    if not at or not shutil.which('addr2line'):
        return text
    unique = sorted(set(at))
    lines = subprocess.run(['addr2line', '-f', '-s', '-e', CULPRIT] + unique, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    names = {a: '%s %s' % (lines[2 * i], lines[2 * i + 1]) for i, a in enumerate(unique) if 2 * i + 1 < len(lines)}
    return re.sub(r'\(%s\+(0x[0-9a-f]+)\)' % re.escape(CULPRIT), lambda m: names.get(m.group(1), m.group(0)), text)


def said(output):
    """The undefined behaviour sanitizer writes to the terminal whatever one tells it."""
    text = re.sub(rb'\x1b\[[0-9;]*m', b'', output).decode(errors='replace').replace('\r', '')
    at = re.search(r'\S+: runtime error: ', text)
    return symbolized(''.join(c for c in text[at.start():] if c.isprintable() or c == '\n')) if at else ''


class Keys:
    """Events by their seed: (what, value)."""

    def __init__(self, seed, may_signal):
        self.random = random.Random(seed)
        self.may_signal = may_signal

    def mouse(self):
        r = self.random
        button = r.choice([0, 0, 1, 2, 32, 35, 64, 65, 128, r.randrange(1 << 20)])
        x, y = r.choice([(r.randint(1, 80), r.randint(1, 24)), (r.randint(-5, 1 << 31), r.randint(-5, 1 << 31)), (0, 0)])
        if r.random() < 0.1:
            return b'\x1b[M' + bytes(r.randrange(256) for _ in range(3))
        return ('\x1b[<%d;%d;%d%s' % (button, x, y, r.choice('Mm'))).encode()

    def typed(self):
        r = self.random
        kind = r.randrange(4)
        if kind == 0:
            text = '\\' + ''.join(r.choice(WORDS) + r.choice(['', ' ']) for _ in range(r.randint(1, 12)))
        elif kind == 1:
            text = '/' + ''.join(r.choice(WORDS) for _ in range(r.randint(0, 3)))
        else:
            text = ':' + r.choice(COMMANDS)[:r.randint(1, 9)] + r.choice(['', '\t', '\t\t', ' ']) + r.choice(ARGUMENTS) + \
                r.choice(['', '', '\t', ' ' + r.choice(ARGUMENTS)])
        return text.encode('utf-8', 'surrogatepass') + r.choice([b'\r', b'\r', b'\r', b'\x1b', b'', b'\x15', b'\x17', b'\x1b[A\r'])

    def size(self):
        r = self.random
        return r.choice([(1, 1), (2, 1), (1, 50), (500, 1), (80, 24), (132, 43), (40, 12), (20, 5), (0, 0), (79, 3), (300, 100),
                         (r.randint(1, 250), r.randint(1, 80))])

    def event(self):
        what, value = self.any_event()
        # Or it would soon be over.
        if what == 'keys' and self.random.random() < 0.95:
            value = re.sub(rb'[\x03\x1c]', b'', value if len(value) > 1 else value.replace(b'q', b'k'))
        return what, value

    def any_event(self):
        r = self.random
        p = r.random()
        if p < 0.36:
            return 'keys', bytes([r.randint(32, 126)])
        if p < 0.56:
            return 'keys', r.choice(SPECIAL)
        if p < 0.64:
            return 'keys', bytes([r.choice(b'0123456789te')])
        if p < 0.72:
            return 'keys', self.typed()
        if p < 0.78:
            return 'keys', self.mouse()
        if p < 0.80:
            return 'keys', bytes([r.randint(1, 31)])
        if p < 0.82:  # broken, or nothing at all
            return 'keys', b'\x1b[' + bytes(r.randrange(256) for _ in range(r.randint(0, 40)))
        if p < 0.83:
            return 'keys', b'\x1b[200~' + bytes(r.randrange(256) for _ in range(r.randint(0, 5000))) + b'\x1b[201~'
        if p < 0.85:
            return 'keys', bytes(r.randrange(256) for _ in range(r.randint(1, 200)))
        if p < 0.92:
            return 'size', self.size()
        if p < 0.93:
            return 'storm', [self.size() for _ in range(r.randint(5, 50))]
        if p < 0.94:
            return 'stop', r.random() * 0.05
        if p < 0.95:
            return 'deaf', r.random() * 0.2
        if p < 0.96 and self.may_signal:
            return 'kill', r.choice([b'\r', b'\x1b[B\r', b'\x1b[B\x1b[B\r'])
        if p < 0.98:
            return 'sync', None
        return 'wait', r.random() * 0.1


class Session:
    def __init__(self, seed, place, may_signal, log):
        self.seed, self.place, self.log = seed, place, log
        self.keys = Keys(seed, may_signal)
        r = self.keys.random
        # A signal while it looks for leaks, at its end, would hang the sanitizer.
        self.calm = r.random() < 0.3
        self.argv, self.size = r.choice(place.ways), self.keys.size() if r.random() < 0.3 else (80, 24)
        self.end = 'q' if self.calm else r.choice(['q', 'hang up', 'SIGTERM', 'SIGHUP', 'hang up', 'SIGINT'])
        env = {'TERM': r.choice(['xterm-256color', 'xterm-256color', 'linux', 'vt100', 'screen-256color']), 'PATH': os.environ['PATH'],
               'LC_ALL': r.choice(['C.UTF-8', 'C']), 'HOME': place.folder,
               # What one console remembers must not change what the next seed does.
               'XDG_CONFIG_HOME': '%s/settings-%d' % (place.folder, seed), 'CULPRIT_RUNTIME_DIR': '/nonexistent/culprit',
               'COLORTERM': r.choice(['', 'truecolor']),
               'ASAN_OPTIONS': 'detect_leaks=%d:exitcode=99:symbolize=0:' % self.calm +
               'log_path=' + place.reports,
               'UBSAN_OPTIONS': 'print_stacktrace=1:halt_on_error=1:exitcode=99:symbolize=0:log_path=' + place.reports}
        self.terminal = Terminal([CULPRIT] + self.argv, env, *self.size, folder=place.work)

    def sync(self):
        """It paints at least every second where it is live; a replay that stands still is asked by a redraw. Ctrl-Q undoes a Ctrl-S, by which the
        terminal stops its output."""
        t = self.terminal
        before = t.paintings
        t.send(b'\x11\x0c')
        return t.until(lambda: t.paintings > before, ANSWER)

    def do(self, what, value):
        t = self.terminal
        if what == 'keys':
            t.send(value)
        elif what == 'size':
            t.resize(*value)
        elif what == 'storm':
            for size in value:
                t.resize(*size)
        elif what == 'stop':
            t.signal(signal.SIGSTOP)
            time.sleep(value)
            t.signal(signal.SIGCONT)
        elif what == 'deaf':
            time.sleep(value)  # the terminal does not read: output stands still
        elif what == 'kill':
            # A signal to whatever is selected: the dialog asks for the number that it shows.
            t.send(b'2\x1b[20~' + value)
            t.read(0.05)
            t.send(str(self.keys.random.choice(self.place.pids())).encode() + b'\r')
        elif what == 'sync':
            return self.sync()
        elif what == 'wait':
            t.read(value)
        while t.read(0):
            pass
        return True

    def run(self, events, until):
        """'' or what went wrong."""
        t = self.terminal
        if not t.until(lambda: t.paintings > 0, ANSWER):
            return self.ended('it never showed a screen') if self.leaves() else 'it never showed a screen'
        for _ in range(events):
            if t.ended() or time.monotonic() > until:
                break
            what, value = self.keys.event()
            if self.calm and (what in ('size', 'storm', 'stop') or what == 'keys' and re.search(rb'[\x03\x1a\x1c]', value)):
                what, value = 'sync', None
            self.log.append('%s %r' % (what, value))
            if TELL:
                print('  ' + self.log[-1], flush=True)
            # ^Z stops it, as it should.
            if what == 'keys' and b'\x1a' in value:
                time.sleep(0.01)
                t.signal(signal.SIGCONT)
            if not self.do(what, value) and not self.leaves():
                if self.calm:
                    return 'it did not answer for %d s' % ANSWER
                # Perhaps it stopped itself after it was continued.
                t.signal(signal.SIGCONT)
                if not self.sync() and not self.leaves():
                    return 'it did not answer for %d s' % (2 * ANSWER)
        if not t.ended():
            self.log.append('end ' + self.end)
            self.finish()
            if not t.wait_end(ANSWER):
                return 'it did not end by %s' % self.end
        return self.ended('')

    def leaves(self):
        """It let go of the terminal, and now ends."""
        return self.terminal.ended() or (not self.terminal.alive and self.terminal.wait_end(ANSWER))

    def finish(self):
        t = self.terminal
        if not self.calm:
            t.signal(signal.SIGCONT)
        if self.end == 'q':
            # Out of every question and prompt, then twice, as it offers to save once.
            for _ in range(20):
                if t.ended():
                    return
                t.send(b'\x1b')
                t.read(0.1)
                t.send(b'q')
                t.read(0.1)
            self.end = 'q, nor by SIGTERM'
            t.signal(signal.SIGTERM)
        elif self.end == 'hang up':
            t.hang_up()
        else:
            t.signal(getattr(signal, self.end))

    def ended(self, words):
        t = self.terminal
        while t.read(0.01):
            pass
        if os.WIFSIGNALED(t.status):
            s = os.WTERMSIG(t.status)
            # SIGQUIT is what the terminal makes of Ctrl-\.
            if s in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
                return words
            return 'it died of %s' % signal.Signals(s).name
        status = os.WEXITSTATUS(t.status)
        # 1: it could not, with a sentence: a terminal of no size, a line that broke.
        return words if status in (0, 1) else 'exit status %d' % status


class Place:
    """Where it happens: a folder, recordings to look at, processes to look at and to signal."""

    def __init__(self, alone):
        self.folder = os.environ['CULPRIT_KEYS_FOLDER']
        self.work = self.folder + '/work'
        self.reports = self.folder + '/report'
        os.makedirs(self.work)
        self.children = []
        readonly = [] if alone else ['--readonly']
        self.recording = self.folder + '/box.culprit'
        fixture = os.path.join(ROOT, 'tests/fixtures/recordings/v1.0.culprit')
        shutil.copy(fixture, self.folder + '/old.culprit')
        with open(self.folder + '/stacks.txt', 'w') as f:
            for i in range(400):
                f.write(';'.join('f%d' % (i * 7 % (k + 2)) for k in range(i % 40 + 1)) + ' %d\n' % (i % 9 + 1))
        self.busy()
        subprocess.run([CULPRIT, 'record', '-o', self.recording, '--for', '3', '--interval', '250ms'], stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=300)
        live = readonly + ['--interval', '200ms']
        self.ways = [live, live + ['--safe'], live + ['--safe', '--history', '1M'],
                     ['replay', self.folder + '/old.culprit'] + readonly,
                     ['replay', '--import', self.folder + '/stacks.txt'] + readonly]
        if os.path.exists(self.recording) and os.path.getsize(self.recording) > 1000:
            replay = ['replay', self.recording] + readonly
            self.ways += [replay, replay, replay + ['--panel', 'latency'], replay + ['--panel', 'flame'],
                          replay + ['--baseline', self.folder + '/old.culprit']]

    def busy(self):
        """Some processes of odd names that come, burn and go."""
        program = '''i=0; while :; do i=$((i + 1)); (printf '\\033[31m%d\\n' $i > /proc/self/comm; n=0; while [ $n -lt 300 ]; do n=$((n + 1)); done;
sleep 0.2) & [ $((i % 4)) = 0 ] && wait; sleep 0.05; done'''
        for _ in range(2):
            self.children.append(subprocess.Popen(['sh', '-c', program], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                                  stderr=subprocess.DEVNULL, start_new_session=True))
        for i in range(5):
            self.children.append(subprocess.Popen(['sleep', '100000'], start_new_session=True))

    def pids(self):
        """The first process of a namespace of its own is this one, which is not to be signalled."""
        for c in self.children:
            c.poll()
        if all(c.returncode is not None for c in self.children):
            self.children = []
            self.busy()
        return [c.pid for c in self.children]

    def report(self):
        """What sanitizers wrote, of any process of the program; it is taken away."""
        text = ''
        for name in sorted(os.listdir(self.folder)):
            if name.startswith('report.'):
                with open(os.path.join(self.folder, name), errors='replace') as f:
                    text += f.read()
                os.unlink(os.path.join(self.folder, name))
        return symbolized(text)

    def close(self):
        for c in self.children:
            try:
                os.killpg(c.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            c.wait()


def keep(seed, session, why, report):
    folder = '%s/keys-%d' % (os.environ['CULPRIT_KEYS_LOGS'], seed)
    os.makedirs(folder, exist_ok=True)
    with open(folder + '/keys', 'w') as f:
        f.write('culprit %s\n%s\n' % (' '.join(session.argv), '\n'.join(session.log)))
    with open(folder + '/report', 'w') as f:
        f.write(why + '\n' + report)
    with open(folder + '/output', 'wb') as f:
        f.write(session.terminal.tail)
    return folder


def inside(options):
    alone = os.environ[INSIDE] == 'alone'
    place = Place(alone)
    passed = failed = events = 0
    seed, until = options.seed, time.monotonic() + options.seconds
    done = 0
    # What the recorder said while the place was made counts, too.
    early = place.report()
    if early:
        print('FAIL recording: %s' % early[:3000])
        failed += 1
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    while time.monotonic() < until and (not options.sessions or done < options.sessions):
        log = []
        if TELL:
            print('seed %d at %.1f s' % (seed, time.monotonic() - until + options.seconds), flush=True)
        session = Session(seed, place, alone, log)
        try:
            why = session.run(options.events, until)
        finally:
            session.terminal.finish()
        report = place.report() + said(session.terminal.tail)
        if report and not why:
            why = 'a sanitizer reports'
        events += len(log)
        done += 1
        if why:
            failed += 1
            folder = keep(seed, session, why, report)
            print('FAIL seed %d, culprit %s: %s, after %d events; kept in %s' % (seed, ' '.join(session.argv), why, len(log), folder))
            print('\n'.join('     ' + l for l in report.splitlines()[:12]), flush=True)
        else:
            passed += 1
        seed += 1
        for name in os.listdir(place.work):  # what it saved and printed
            path = os.path.join(place.work, name)
            shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)
    place.close()
    print('keys: seeds %d to %d, %d sessions, %d events%s' % (options.seed, seed - 1, done, events,
                                                              '' if alone else ', --readonly: no namespaces of its own here'))
    print('%d passed, %d failed' % (passed, failed), flush=True)
    return 1 if failed else 0


# In namespaces of its own: /proc is of its processes; nothing can be written but its folder; what is left dies with the first.
ALONE = '''
mount --make-rprivate / 2>/dev/null
mount -t tmpfs -o size=512m keys "$CULPRIT_KEYS_FOLDER" || exit 99
[ -z "$CULPRIT_KEYS_KEEP" ] || mount --bind "$CULPRIT_KEYS_KEEP" "$CULPRIT_KEYS_KEEP"
awk '{ print $2 }' /proc/self/mounts | while read -r at; do
	case $at in /proc* | /sys* | /dev* | "$CULPRIT_KEYS_FOLDER" | "$CULPRIT_KEYS_KEEP") ;; *) mount -o remount,bind,ro "$at" 2>/dev/null ;; esac
done
exec python3 "$0" "$@"
'''


def run(argv, env):
    p = subprocess.Popen(argv, env=env)
    try:
        return p.wait()
    finally:
        p.kill()


def outside(arguments):
    folder = tempfile.mkdtemp(prefix='culprit-keys.')
    logs = os.path.join(ROOT, 'build/test-logs')
    os.makedirs(logs, exist_ok=True)
    env = dict(os.environ, CULPRIT=CULPRIT, CULPRIT_KEYS_FOLDER=folder, CULPRIT_KEYS_LOGS=logs, CULPRIT_KEYS_KEEP=logs)
    me = os.path.abspath(__file__)
    spaces = ['unshare', '--mount', '--pid', '--ipc', '--fork', '--kill-child', '--mount-proc']
    if os.geteuid():
        spaces += ['--user', '--map-root-user']
    # What stops this one stops all of it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        can = shutil.which('unshare') and subprocess.run(spaces + ['true'], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0
        if can:
            status = run(spaces + ['sh', '-c', ALONE, me] + arguments, dict(env, **{INSIDE: 'alone'}))
            if status != 99:
                return status
        return run(['python3', me] + arguments, dict(env, **{INSIDE: 'here'}))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument('--seconds', type=float, default=600)
    parser.add_argument('--seed', type=int, default=None)
    parser.add_argument('--sessions', type=int, default=0)
    parser.add_argument('--events', type=int, default=400)
    options = parser.parse_args()
    if not os.path.exists(CULPRIT):
        print('skip random keys: there is no %s (make asan)\n0 passed, 0 failed, 1 skipped' % CULPRIT)
        return 0
    if options.seed is None:
        options.seed = random.SystemRandom().randrange(1, 1 << 31)
    if os.environ.get(INSIDE):
        return inside(options)
    return outside(['--seconds', str(options.seconds), '--seed', str(options.seed), '--sessions', str(options.sessions),
                    '--events', str(options.events)])


if __name__ == '__main__':
    sys.exit(main())
