#!/usr/bin/env python3
"""The systemd unit: installed where prefix and DESTDIR say and taken away again; systemd finds nothing wrong with it and its
sandbox is tight; and the recorder does its work under the same restrictions: without capabilities but those, without new
privileges, no writable and executable memory, only the system calls of the filter (a call outside kills it, here), everything
but its two folders read-only. Ends with "N passed, N failed[, N skipped]"."""
# timeout: 240
import ctypes
import os
import re
import shlex
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CULPRIT = os.path.abspath(os.environ.get('CULPRIT') or os.path.join(ROOT, 'build/culprit'))
DIR = tempfile.mkdtemp(prefix='culprit-service.') if __name__ == '__main__' else ''
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


def run(*args, **more):
    return subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors='replace', timeout=120, **more)


def install():
    make = os.environ.get('MAKE') or 'make'
    unit = os.path.join(DIR, 'd/usr/local/lib/systemd/system/culprit.service')
    r = run(make, '-s', 'DEPS=0', 'install', 'DESTDIR=' + os.path.join(DIR, 'd'), cwd=ROOT)
    ok('make install puts the unit in place', os.path.isfile(unit), r.stdout)
    text = open(unit).read()
    ok('it starts the program that was installed', '\nExecStart=/usr/local/bin/culprit record ' in text and '@' not in
       re.sub(r'@(system-service|setuid|keyring|ipc)', '', text), text)
    run(make, '-s', 'DEPS=0', 'uninstall', 'DESTDIR=' + os.path.join(DIR, 'd'), cwd=ROOT)
    ok('make uninstall takes it away', not os.path.exists(unit))
    return text


def systemd(text):
    """The same unit, of the program under test, which is there."""
    if not shutil.which('systemd-analyze'):
        skip('systemd-analyze verify and security', 'no systemd-analyze here')
        return
    unit = os.path.join(DIR, 'culprit.service')
    with open(unit, 'w') as f:
        f.write(text.replace('/usr/local/bin/culprit', CULPRIT))
    r = run('systemd-analyze', 'verify', '--man=no', unit)
    said = [line for line in r.stdout.splitlines() if 'culprit' in line]
    ok('systemd-analyze verify finds nothing', not said and (r.returncode == 0 or not said), r.stdout)
    r = run('systemd-analyze', 'security', '--offline=true', '--no-pager', '--threshold=30', unit)
    if 'Unknown' in r.stdout or 'unrecognized' in r.stdout:
        skip('systemd-analyze security', 'this version knows no --offline')
        return
    exposure = re.search(r'exposure level.*?: *([\d.]+)', r.stdout)
    ok('systemd-analyze security: exposure at most 3.0 of 10 (OK)', r.returncode == 0 and exposure, r.stdout[-600:])
    if exposure:
        print('exposure %s of 10' % exposure.group(1))


def syscalls_of(text):
    """Names that SystemCallFilter= lets through, by what systemd-analyze says of its groups."""
    def expand(word):
        if not word.startswith('@'):
            return {word}
        out = set()
        for line in run('systemd-analyze', 'syscall-filter', word).stdout.splitlines()[1:]:
            name = line.strip()
            if name and not name.startswith('#'):
                out |= expand(name)
        return out

    allowed = set()
    for value in re.findall(r'^SystemCallFilter=(.*)$', text, re.M):
        words = value.lstrip('~').split()
        for word in words:
            allowed = allowed - expand(word) if value.startswith('~') else allowed | expand(word)
    return allowed | {'execve', 'exit', 'exit_group', 'rt_sigreturn', 'restart_syscall', 'brk', 'mmap', 'rseq'}


def numbers():
    for path in ('/usr/include/x86_64-linux-gnu/asm/unistd_64.h', '/usr/include/asm/unistd_64.h'):
        if os.path.exists(path):
            return {m[0]: int(m[1]) for m in re.findall(r'#define __NR_(\w+) (\d+)', open(path).read())}
    return None


def seccomp_program(allowed):
    """A classic BPF program: only these numbers pass, others end the process."""
    code = [struct.pack('HBBI', 0x20, 0, 0, 0)]  # the number
    for n in sorted(allowed):
        code.append(struct.pack('HBBI', 0x15, 0, 1, n))
        code.append(struct.pack('HBBI', 0x06, 0, 0, 0x7fff0000))
    code.append(struct.pack('HBBI', 0x06, 0, 0, 0x80000000))
    return b''.join(code), len(code)


def restrict(mdwe, program):
    """In the child, after setpriv's part: no W+X memory, the filter."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4
    bits, n = program
    buffer = ctypes.create_string_buffer(bits, len(bits))
    fprog = struct.pack('HxxxxxxQ', n, ctypes.addressof(buffer))
    holder = ctypes.create_string_buffer(fprog, len(fprog))
    libc.prctl(38, 1, 0, 0, 0)
    if mdwe:
        libc.prctl(65, 1, 0, 0, 0)
    if libc.prctl(22, 2, ctypes.addressof(holder), 0, 0):
        os._exit(126)


def under_restrictions(text):
    table = numbers() if os.uname().machine == 'x86_64' else None
    what = 'the recorder under the restrictions of its unit'
    if os.geteuid() != 0:
        return skip(what, 'needs root')
    if not table or not shutil.which('setpriv') or not shutil.which('unshare') or not shutil.which('systemd-analyze'):
        return skip(what, 'needs x86-64, its kernel headers, setpriv, unshare and systemd-analyze')
    if 'san-' in CULPRIT:
        return skip(what, 'sanitizers want memory and calls of their own')
    if run('unshare', '--mount', 'true').returncode:
        return skip(what, 'no mount namespace may be made here')
    caps = re.search(r'^CapabilityBoundingSet=(.*)$', text, re.M).group(1).split()
    allowed = {table[n] for n in syscalls_of(text) if n in table}
    program = seccomp_program(allowed)
    state, ring, spare = (os.path.join(DIR, n) for n in ('state', 'run', 'spare'))
    for d in (state, ring, spare):
        os.mkdir(d, 0o755)
    # All is read-only but the two folders; then capabilities, then the rest.
    bounding = '-all,' + ','.join('+' + c[4:].lower() for c in caps)
    argv = [CULPRIT] + shlex.split(re.search(r'^ExecStart=\S+ (.*)$', text, re.M).group(1)) + ['--interval', '200ms', '--for', '4']
    argv = [a.replace('/var/lib/culprit', state) for a in argv]
    inner = os.path.join(DIR, 'inner.py')
    with open(inner, 'w') as f:
        f.write('import os, sys\nsys.path.insert(0, %r)\nimport service_test as t\n'
                't.restrict(True, (%r, %d))\nos.execv(sys.argv[1], sys.argv[1:])\n' %
                (os.path.join(ROOT, 'tests'), program[0], program[1]))
    script = ('set -e; mount --make-rprivate /; for d in %s %s; do mount --bind $d $d; done; '
              'mount -o remount,bind,ro /; mount -o remount,bind,ro %s 2>/dev/null || :; '
              'for d in %s %s; do mount -o remount,bind,rw $d; done; '
              'exec setpriv --no-new-privs --bounding-set %s --inh-caps=-all python3 %s "$@"' %
              (state, ring, shlex.quote(os.path.dirname(DIR)), state, ring, bounding, inner))
    err = open(os.path.join(DIR, 'err'), 'w+')
    p = subprocess.Popen(['unshare', '--mount', 'sh', '-c', script, 'sh', *argv], stdout=err, stderr=err,
                         env=dict(os.environ, CULPRIT_RUNTIME_DIR=ring, PYTHONDONTWRITEBYTECODE='1'))
    path = os.path.join(ring, 'culprit')
    end, seen = time.monotonic() + 60, ''
    env = dict(os.environ, CULPRIT_RUNTIME_DIR=ring)
    while time.monotonic() < end and p.poll() is None and not seen:
        if os.path.exists(path):
            r = run(CULPRIT, 'dump', 'process', path, '--json', env=env)
            seen = r.stdout if r.returncode == 0 and '"pid":1,' in r.stdout else ''
        time.sleep(0.1)
    ok('restricted as by its unit it publishes', seen, open(err.name).read())
    ok('with command lines and io of processes of others', '"cmdline":"' in seen and '"read_bytes":' in seen)
    try:
        status = p.wait(60)
    except subprocess.TimeoutExpired:
        p.kill()
        status = 'does not end'
    why = 'by a call that the filter refuses' if status in (-signal.SIGSYS, 128 + signal.SIGSYS) else open(err.name).read()
    ok('it ends well', status == 0, '%s %s' % (status, why))
    made = [os.path.join(d, f) for d, _, files in os.walk(state) for f in files]
    r = run(CULPRIT, 'dump', 'process', state, '--json') if made else None
    ok('what it recorded is there', r and r.returncode == 0 and '"pid":1,' in r.stdout, r.stdout if r else made)


def main():
    try:
        text = install()
        systemd(text)
        under_restrictions(text)
    finally:
        shutil.rmtree(DIR, ignore_errors=True)
    print('%d passed, %d failed, %d skipped' % (passed, failed, skipped))
    return failed != 0


if __name__ == '__main__':
    sys.exit(main())
