#!/usr/bin/env python3
"""Do the shells complete what culprit has? In a real bash, zsh and fish, on a terminal: each verb, each option, names of
panels, tables, columns and collectors. Compared with what --help says, so that a new option can't be forgotten. A shell that
is not here is skipped."""
import os
import pty
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CULPRIT = os.path.abspath(os.environ.get('CULPRIT') or os.path.join(ROOT, 'build/culprit'))
passed, failed, skipped = 0, 0, 0


def ok(what, good, why=''):
    global passed, failed
    if good:
        passed += 1
        return
    failed += 1
    print('FAIL %s: %s' % (what, str(why)[-1000:]))


def skip(what, why):
    global skipped
    skipped += 1
    print('skip %s: %s' % (what, why))


def culprit(*args):
    return subprocess.run([CULPRIT] + list(args), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout


VERBS = re.findall(r'^  (\w+)', culprit('--help').split('Verbs')[1].split('Options')[0], re.M)
OPTIONS = {v: set(re.findall(r'^  (?:-\w,|   ) (--[a-z-]+)', culprit(*([v] if v else []), '--help'), re.M)) for v in [''] + VERBS}

# A line as it is typed before Tab, and after it (a space that the shell adds doesn't count).
LINES = [
    ('culprit coll', 'culprit collectors'),
    ('culprit --pan', 'culprit --panel'),
    ('culprit --panel proc', 'culprit --panel processes'),
    ('culprit --panel=proc', 'culprit --panel=processes'),
    ('culprit dump filesy', 'culprit dump filesystem'),
    ('culprit dump process --sort child', 'culprit dump process --sort child_cpu'),
    ('culprit dump --json process --columns pid,child', 'culprit dump --json process --columns pid,child_cpu'),
    ('culprit record --collect cpu,files', 'culprit record --collect cpu,filesystem'),
    ('culprit flame --format spee', 'culprit flame --format speedscope'),
    ('culprit replay ./a-record', 'culprit replay ./a-recording.culprit'),
    ('culprit dump process ./a-record', 'culprit dump process ./a-recording.culprit'),
    ('culprit replay --theme dar', 'culprit replay --theme dark'),
    ('culprit completion fi', 'culprit completion fish'),
    ('culprit info --fil', 'culprit info --fil'),
]


def typed(argv, first, folder, rounds):
    """What stands on the line after Tab: it is made an argument of `put`, which writes it down."""
    pid, fd = pty.fork()
    if pid == 0:
        os.chdir(folder)
        os.execve(shutil.which(argv[0]), argv,
                  {'PATH': os.environ['PATH'], 'HOME': folder, 'TERM': 'dumb', 'LC_ALL': 'C', 'PS1': '> ', 'COLUMNS': '200'})
    out = b''

    def until(what, seconds=60):
        nonlocal out
        end = time.monotonic() + seconds
        while not what() and time.monotonic() < end:
            if select.select([fd], [], [], 0.05)[0]:
                try:
                    out += os.read(fd, 65536)
                except OSError:
                    return False
        return what()

    # Completed lines are put down in files: what a terminal shows is another matter.
    os.write(fd, first.encode() + b'\n')
    until(lambda: os.path.exists(folder + '/ready'))
    results = []
    for i, line in enumerate(rounds):
        os.write(fd, line.encode() + b'\t')
        # Ctrl-A, Ctrl-E: the start and the end of the line.
        os.write(fd, b"\x01put %d '\x05'\n" % i)
        name = '%s/line%d' % (folder, i)
        until(lambda: os.path.exists(name))
        results.append(open(name).read().strip() if os.path.exists(name) else out.decode(errors='replace'))
    os.write(fd, b'exit\n')
    end = time.monotonic() + 10
    while time.monotonic() < end and not os.waitpid(pid, os.WNOHANG)[0]:
        if select.select([fd], [], [], 0.05)[0]:
            try:
                os.read(fd, 65536)
            except OSError:
                pass
    else:
        if time.monotonic() >= end:
            os.kill(pid, 9)
            os.waitpid(pid, 0)
    os.close(fd)
    return results


def check_typed(shell, argv, first):
    folder = tempfile.mkdtemp(prefix='culprit-completion.')
    try:
        open(folder + '/a-recording.culprit', 'w').close()
        open(folder + '/culprit', 'w').write(culprit('completion', shell))
        put = "put() { printf '%s' \"$2\" > new; mv new line$1; }; "
        got = typed(argv, put + first + '; : > ready', folder, [l[0] for l in LINES])
        for (line, expected), result in zip(LINES, got):
            ok('%s: %s<Tab>' % (shell, line), result == expected, 'expected %r, not %r' % (expected, result))
    finally:
        shutil.rmtree(folder)


def bash():
    script = culprit('completion', 'bash')
    r = subprocess.run(['bash', '-n'], input=script, stderr=subprocess.PIPE, text=True)
    ok('bash: syntax', r.returncode == 0, r.stderr)
    ask = script + r'''
for verb in '' %s; do
    COMP_WORDS=(culprit $verb --); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _culprit; echo "$verb:${COMPREPLY[*]}"
done
COMP_WORDS=(culprit ''); COMP_CWORD=1; _culprit; echo "verbs:${COMPREPLY[*]}"
''' % ' '.join(VERBS)
    r = subprocess.run(['bash', '--norc'], input=ask, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    said = dict(l.split(':', 1) for l in r.stdout.splitlines() if ':' in l)
    for v in OPTIONS:
        ok('bash: options of %s' % (v or 'the console'), set(said.get(v, '').split()) == OPTIONS[v], r.stdout)
    ok('bash: verbs', said.get('verbs', '').split() == VERBS, r.stdout)
    check_typed('bash', ['bash', '--norc', '--noprofile', '-i'], 'bind "set bell-style none" 2>/dev/null; source ./culprit')


def zsh():
    if not shutil.which('zsh'):
        skip('zsh', 'not installed here')
        return
    script = culprit('completion', 'zsh')
    r = subprocess.run(['zsh', '-n'], input=script, stderr=subprocess.PIPE, text=True)
    ok('zsh: syntax', r.returncode == 0, r.stderr)
    for v in OPTIONS:
        name = '_culprit-%s()' % (v or 'console')
        part = script.split(name)[1].split('\n}')[0] if name in script else ''
        ok('zsh: options of %s' % (v or 'the console'), set(re.findall(r"'(?:\([^)]*\)|\*)?(--[a-z-]+)", part)) == OPTIONS[v], part)
    check_typed('zsh', ['zsh', '-f', '-i'],
                'autoload -U compinit; compinit -u -D; unsetopt beep prompt_sp; bindkey -e; setopt no_auto_menu; source ./culprit')


def fish():
    if not shutil.which('fish'):
        skip('fish', 'not installed here')
        return
    folder = tempfile.mkdtemp(prefix='culprit-completion.')
    try:
        script = folder + '/culprit.fish'
        open(script, 'w').write(culprit('completion', 'fish'))
        open(folder + '/a-recording.culprit', 'w').close()
        env = {'PATH': os.environ['PATH'], 'HOME': folder, 'LC_ALL': 'C.UTF-8', 'TERM': 'dumb'}
        r = subprocess.run(['fish', '-n', script], stderr=subprocess.PIPE, text=True, env=env)
        ok('fish: syntax', r.returncode == 0, r.stderr)

        lines = ['culprit %s --' % v for v in OPTIONS] + [l[0] for l in LINES]
        ask = 'source %s; cd %s; for l in %s; echo "== $l"; complete -C $l; end' % (script, folder, ' '.join("'%s'" % l for l in lines))
        r = subprocess.run(['fish', '--no-config', '-c', ask], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)
        ok('fish: no complaint', not r.stderr, r.stderr)
        said = {}
        for part in r.stdout.split('== ')[1:]:
            line, *answers = part.splitlines()
            said[line] = [a.split('\t')[0] for a in answers]
        for v in OPTIONS:
            ok('fish: options of %s' % (v or 'the console'), set(said.get('culprit %s --' % v, [])) == OPTIONS[v], said.get('culprit %s --' % v))
        for line, expected in LINES:
            last = expected.split(' ')[-1]
            want = [] if line == expected else [last]
            got = said.get(line, [])
            ok('fish: ' + line, got == want or (want and got and got[0] == last), got)
    finally:
        shutil.rmtree(folder)


def main():
    ok('--help lists verbs', len(VERBS) > 5 and all(OPTIONS.values()), VERBS)
    bash()
    zsh()
    fish()
    r = subprocess.run([CULPRIT, 'completion', 'tcsh'], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    ok('an unknown shell', r.returncode == 2 and 'bash, zsh and fish' in r.stderr, r)
    print('%d passed, %d failed, %d skipped' % (passed, failed, skipped))
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
