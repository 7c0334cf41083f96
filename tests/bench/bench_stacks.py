#!/usr/bin/env python3
"""usage: bench_stacks.py [PART...]     PART: programs cost first; or programs by name: c cpp rust python node java java-fp
                                          (make bench BENCH=stacks)

Stacks that run, beside `perf record --call-graph dwarf` at the same rate on the same running programs: the share of whole
stacks (those whose outermost frame is where a thread begins), and the shares of the top functions, both of SAMPLES (10000)
samples. The C program knows what it burns: its shares are compared with that, too. What a program needs and is not here (a
compiler, node, java) leaves that program out, and it says so. Then `cost`: 99 Hz, all CPUs, beside `perf record -F 99 -g` and its
report. Then `first`: how long after the key of the Flame panel its first picture with a function that burns stands on the screen, and
whether it grows: in a console that has run for a while, in one that has just begun (it loads its programs then), and without rights.
Needs root and, but for `first`, perf."""
import csv
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(ROOT, 'tests/support')]
from picture import Picture  # noqa: E402
from terminal import Terminal  # noqa: E402

CULPRIT = os.environ.get('CULPRIT') or os.path.join(ROOT, 'build/culprit')
SOURCES = os.path.join(ROOT, 'tests/bench/stacks')
SAMPLES = int(os.environ.get('SAMPLES') or 10000)
RATE = 1997  # a second and CPU, of both; a prime, so that neither beats with anything
COST_SECONDS = int(os.environ.get('COST_SECONDS') or 20)
ROUNDS = int(os.environ.get('ROUNDS') or 2)
COLS, ROWS = 120, 40
USER = 64994  # without rights, and nobody else
missed = 0


def tell(what, value, budget, ok):
    global missed
    missed += not ok
    print('  %-50s %-32s %-26s %s' % (what, value, budget, 'ok' if ok else 'MISS'), flush=True)


def left_out(what, why):
    print('  %-50s left out: %s' % (what, why), flush=True)


def which(*names):
    """The first that is there, Debian's own before what stands elsewhere in PATH (shims are scripts)."""
    for name in names:
        for path in ('/usr/bin/' + name, shutil.which(name)):
            if path and os.access(path, os.X_OK):
                return path
    return None


# --- programs --------------------------------------------------------------------------------------------------------

def compiled(compiler, *words):
    """A program made from a source of tests/bench/stacks."""
    def make(folder):
        tool = which(*compiler)
        if not tool:
            return None, 'no %s here' % compiler[0]
        out = os.path.join(folder, 'burn')
        r = subprocess.run([tool, *words[:-1], '-o', out, os.path.join(SOURCES, words[-1])], capture_output=True, text=True)
        return ([out], '') if r.returncode == 0 else (None, '%s fails: %s' % (compiler[0], r.stderr.strip()[:200]))
    return make


def interpreted(interpreter, *words):
    def make(folder):
        tool = which(interpreter)
        return ([tool, *words[:-1], os.path.join(SOURCES, words[-1])], '') if tool else (None, 'no %s here' % interpreter)
    return make


def java(*words):
    def make(folder):
        tool, compiler = which('java'), which('javac')
        if not tool or not compiler:
            return None, 'no java and javac here'
        r = subprocess.run([compiler, '-d', folder, os.path.join(SOURCES, 'Burn.java')], capture_output=True, text=True)
        return ([tool, *words, '-cp', folder, 'Burn'], '') if r.returncode == 0 else (None, r.stderr.strip()[:200])
    return make


def java_map(pid):
    """Names for compiled Java, where this java can write them (17 and later)."""
    tool = which('jcmd')
    if tool:
        subprocess.run([tool, str(pid), 'Compiler.perfmap'], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60)


# name: what it is, how it is made, what is done once it is warm
PROGRAMS = {
    'c': ('C without frame pointers', compiled(('gcc', 'cc'), '-O2', '-fomit-frame-pointer', '-fno-optimize-sibling-calls', 'burn.c'), None),
    'cpp': ('C++ with inlining', compiled(('g++', 'c++'), '-O2', '-fomit-frame-pointer', 'inlined.cc'), None),
    'rust': ('Rust', compiled(('rustc',), '-O', 'burn.rs'), None),
    'python': ('CPython', interpreted('python3', 'burn.py'), None),
    'node': ('node', interpreted('node', '--perf-basic-prof', 'burn.js'), None),
    'java-fp': ('java with frame pointers', java('-XX:+PreserveFramePointer'), java_map),
    'java': ('java without frame pointers', java(), java_map),
}


def cpu_s(pid):
    try:
        with open('/proc/%d/stat' % pid) as f:
            fields = f.read().rsplit(')', 1)[1].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


class Stack:
    """Innermost first: (name or '', module's last part); kernel frames are not counted as user's."""

    def __init__(self, kernel, user):
        self.kernel, self.user = kernel, user


BEGINS = re.compile(r'^(_start|(__GI_)?_*clone3?|start_thread|thread_start)$')


def whole(stack, program):
    """Does it reach where a thread begins? What begins a program may have no name: it is called by nobody, and calls libc's start."""
    if not stack.user:
        return False
    name, module = stack.user[-1]
    if name:
        return bool(BEGINS.match(name.split('@')[0]))
    return module == program and len(stack.user) > 1 and stack.user[-2][0].startswith('__libc_start')


def plain(name):
    """A name as both write it: no hash of Rust's, no version, no number of a clone, no arguments, no type that is returned."""
    name = re.sub(r'::h[0-9a-f]{16}$', '', name.split('@@')[0])
    name = re.sub(r'\.(isra|part|constprop|cold|llvm|lto_priv)[.0-9A-Za-z_]*$', '', name)
    depth = begin = 0
    for i, c in enumerate(name):
        depth += (c in '<({') - (c in '>)}')
        if c == '(' and depth == 1 and i > begin and not name[:i].endswith('operator'):
            return name[begin:i].rstrip()
        if c == ' ' and depth == 0 and name[i + 1:i + 2] != '(' and not name[:i].endswith('operator') and not name[begin:].startswith(('JS:', '<')):
            begin = i + 1
    return name[begin:]


def is_kernel(module):
    return module.startswith('[') and not module.startswith(('[vdso', '[JIT', '[unknown', '[anon', '[generated'))


def last_part(module):
    module = module.replace(' (deleted)', '')
    return 'jit' if not module or re.search(r'\[JIT\]|/perf-\d+\.map|//anon|\[unknown\]|\[anon|generated', module) else os.path.basename(module)


def of_perf(path, pid):
    """Counter-like list of (Stack, 1) as perf unwinds them."""
    stacks = []
    script = subprocess.Popen(['perf', 'script', '--no-inline', '-i', path, '-F', 'pid,ip,sym,dso'], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True, errors='replace')
    frames, mine = [], False
    for line in script.stdout:
        m = re.match(r'^\s+[0-9a-f]+ (.*) \(([^()]*(?:\([^()]*\))?[^()]*)\)$', line)
        if m:
            frames.append(m.groups())
        elif line.strip():
            mine = int(line.split()[0].rstrip(':').split('/')[0]) == pid
            frames = []
        elif mine:
            kernel = [(plain(n), '[k]') for n, mod in frames if is_kernel(mod)]
            user = [('' if n == '[unknown]' else plain(n), last_part(mod)) for n, mod in frames if not is_kernel(mod)]
            if user:
                stacks.append((Stack(kernel, user), 1))
            mine = False
    script.wait()
    return stacks


def of_culprit(path, pid, begin, end):
    """The same as culprit has them, and why those that are cut are cut."""
    out = subprocess.run([CULPRIT, 'dump', 'oncpu', path, '--json', '--columns', 'all', '--pid', str(pid), '--from', begin, '--to', end],
                         capture_output=True, text=True)
    if out.returncode:
        raise SystemExit('culprit dump: ' + out.stderr)
    stacks, why = [], Counter()
    for row in json.loads(out.stdout)['rows']:
        n = row['samples'] or 0
        if not n or not row['user_stack']:
            continue
        user = [(plain(f['name'] or ''), last_part(f['module'] or '')) for f in row['user_stack']]
        kernel = [(plain(f['name'] or ''), '[k]') for f in row['kernel_stack'] or []]
        stacks.append((Stack(kernel, user), n))
        why[row['end']] += n
    return stacks, why


def shares(stacks):
    """Of innermost functions; frames without a name count as their file's."""
    c, n = Counter(), 0
    for s, k in stacks:
        name, module = (s.kernel or s.user)[0]
        c[name or '?' + module] += k
        n += k
    return {f: 100 * k / n for f, k in c.items()}


def rfc(t):
    return time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(t)) + '.%03dZ' % (t % 1 * 1000)


def programs(names):
    folder = tempfile.mkdtemp(dir=os.path.join(ROOT, 'build'), prefix='bench-stacks-')
    try:
        for name in names:
            one_program(name, os.path.join(folder, name))
    finally:
        shutil.rmtree(folder)


def wait_until(condition, seconds, step=0.3):
    deadline = time.time() + seconds
    while time.time() < deadline:
        if condition():
            return True
        time.sleep(step)
    return False


def one_program(name, folder):
    what, make, warm = PROGRAMS[name]
    os.mkdir(folder)
    argv, why = make(folder)
    if not argv:
        left_out(what, why)
        return
    ours, theirs = os.path.join(folder, 'x.culprit'), os.path.join(folder, 'perf.data')
    program = subprocess.Popen(argv, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    recorder = None
    try:
        # Compiled, its code laid out, before anybody looks.
        wait_until(lambda: cpu_s(program.pid) > 4, 60)
        if warm:
            warm(program.pid)
        recorder = subprocess.Popen([CULPRIT, 'record', '-o', ours, '--collect', 'stacks', '--stack-rate', str(RATE), '--interval', '500ms',
                                     '--budget', 'off'], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if not wait_until(lambda: os.path.exists(ours) and sees(ours, program.pid), 30):
            raise SystemExit('culprit samples no stacks here; `culprit collectors` says why')
        perf = subprocess.Popen(['perf', 'record', '-q', '-e', 'cpu-clock', '-F', str(RATE), '--call-graph', 'dwarf', '-p', str(program.pid),
                                 '-o', theirs], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: os.path.exists(theirs) and os.path.getsize(theirs) > 100000, 20)
        begin, had = time.time(), cpu_s(program.pid)
        wait_until(lambda: cpu_s(program.pid) - had > SAMPLES * 1.1 / RATE or program.poll() is not None, 120)
        end = time.time()
        perf.send_signal(signal.SIGINT)
        perf.wait()
        time.sleep(1)
        recorder.send_signal(signal.SIGINT)
        recorder.wait()
        recorder = None
    finally:
        if recorder:
            recorder.kill()
            recorder.wait()
        program.terminate()
        said = program.communicate()[0]
    compare(what, program.pid, os.path.basename(argv[0]), of_culprit(ours, program.pid, rfc(begin), rfc(end)), of_perf(theirs, program.pid))
    if name == 'c':
        seeded(said, of_culprit(ours, program.pid, rfc(begin), rfc(end))[0])
    if os.environ.get('KEEP'):
        shutil.copytree(folder, os.path.join(os.environ['KEEP'], name), dirs_exist_ok=True)


def sees(path, pid):
    """Stacks of this process, walked by its rows."""
    out = subprocess.run([CULPRIT, 'dump', 'oncpu', path, '--csv', '--columns', 'samples,end', '--pid', str(pid)], capture_output=True, text=True)
    return sum(line.split(',')[0] not in ('', '0') and 'rows not read' not in line for line in out.stdout.splitlines()[1:]) >= 3


def compare(what, pid, program, ours, perfs):
    ours, why = ours
    n, m = sum(k for _, k in ours), sum(k for _, k in perfs)
    if not n or not m:
        tell(what, '%d samples, perf %d' % (n, m), 'some', False)
        return
    mine = 100 * sum(k for s, k in ours if whole(s, program)) / n
    other = 100 * sum(k for s, k in perfs if whole(s, program)) / m
    tell('%s: whole stacks' % what, '%.2f %% of %d' % (mine, n), "perf's %.2f %% of %d" % (other, m), mine >= other - 0.05)
    cut = ', '.join('%s %.2f %%' % (w, 100 * k / n) for w, k in why.most_common(5) if w)
    if cut:
        print('      cut: ' + cut)
    a, b = shares(ours), shares(perfs)
    top = sorted(set(sorted(a, key=a.get)[-10:]) | set(sorted(b, key=b.get)[-10:]), key=lambda f: -max(a.get(f, 0), b.get(f, 0)))[:10]
    worst = max(top, key=lambda f: abs(a.get(f, 0) - b.get(f, 0)))
    off = abs(a.get(worst, 0) - b.get(worst, 0))
    enough = min(n, m) >= 0.9 * SAMPLES
    tell('%s: top ten functions' % what, '%.2f points apart at most' % off, '3 points', off <= 3 and enough)
    if off > 1.5 or os.environ.get('VERBOSE'):
        for f in top:
            print('      %6.2f %%  perf %6.2f %%  %s' % (a.get(f, 0), b.get(f, 0), f))


def seeded(said, ours):
    """What the C program has burnt, as it says itself."""
    real = {w.split()[0]: int(w.split()[1]) for w in said.splitlines()}
    found = Counter()
    for s, k in ours:
        for name, _ in s.user:
            if name in real:
                found[name] += k
                break
    n = sum(found.values())
    off = max(abs(100 * real[f] / sum(real.values()) - 100 * found[f] / n) for f in real)
    tell('a seeded load of 50, 30, 15, 5 %', '%s %%' % ', '.join('%.1f' % (100 * found[f] / n) for f in real), '%.2f points off, of 2' % off, off <= 2)


# --- cost ------------------------------------------------------------------------------------------------------------

def spent(pid):
    """CPU seconds that its threads have had."""
    total = 0
    for tid in os.listdir('/proc/%d/task' % pid):
        try:
            with open('/proc/%d/task/%s/schedstat' % (pid, tid)) as f:
                total += int(f.read().split()[0])
        except OSError:
            pass
    return total / 1e9


def in_kernel(path):
    """CPU seconds of culprit's programs so far, by program."""
    out = subprocess.run([CULPRIT, 'dump', 'bpf', path, '--csv', '--raw'], capture_output=True, text=True)
    return {r['program']: int(r['run_time']) / 1e9 for r in csv.DictReader(io.StringIO(out.stdout)) if r['run_time']}


def reaped(process):
    """Waits for it; CPU seconds of it and its children."""
    _, process.returncode, used = os.wait4(process.pid, 0)
    return used.ru_utime + used.ru_stime


def rusage(argv):
    """Runs it; CPU seconds of it and its children."""
    return reaped(subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))


def begun():
    """Processes and threads begun on this machine, ever."""
    with open('/proc/stat') as f:
        return next(int(line.split()[1]) for line in f if line.startswith('processes'))


def ours_cost(path):
    """Shares of one CPU: `own` process while it samples, `programs` then; `life`: all of it, its start and a flame as well; and how many
    processes a second `began` meanwhile."""
    recorder = subprocess.Popen([CULPRIT, 'record', '-o', path, '--collect', 'stacks'], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        if not wait_until(lambda: os.path.exists(path) and 'stacks_sample' in in_kernel(path), 30):
            raise SystemExit('culprit samples no stacks here; `culprit collectors` says why')
        time.sleep(5)  # what was running is read
        began, had, ran, t = begun(), spent(recorder.pid), in_kernel(path), time.time()
        time.sleep(COST_SECONDS)
        now, t = in_kernel(path), time.time() - t
        own, began = (spent(recorder.pid) - had) / t, (begun() - began) / t
    finally:
        recorder.send_signal(signal.SIGINT)
        used = reaped(recorder)
    used += sum(in_kernel(path).values()) + rusage([CULPRIT, 'flame', path])
    return {'own': own, 'programs': {p: (now[p] - ran.get(p, 0)) / t for p in now}, 'life': used / (t + 5), 'began': began}


def perf_cost(path):
    """CPU seconds a second of record and report, what its interrupts take not counted."""
    used = rusage(['perf', 'record', '-q', '-F', '99', '-a', '-g', '-o', path, '--', 'sleep', str(COST_SECONDS)])
    return (used + rusage(['perf', 'report', '--stdio', '-i', path])) / COST_SECONDS


def cost():
    folder = tempfile.mkdtemp(dir=os.path.join(ROOT, 'build'), prefix='bench-stacks-')
    load = []
    try:
        for name in ('c', 'python', 'cpp', 'node'):
            os.mkdir(os.path.join(folder, name))
            argv = PROGRAMS[name][1](os.path.join(folder, name))[0]
            if argv:
                load.append(subprocess.Popen(argv, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        ours, theirs = [], []
        for i in range(ROUNDS):
            ours.append(ours_cost(os.path.join(folder, '%d.culprit' % i)))
            theirs.append(perf_cost(os.path.join(folder, '%d.perf' % i)))
        best, perf = min(ours, key=lambda o: o['own'] + sum(o['programs'].values())), min(theirs)
        print('cost: %d CPUs, all busy, %d s, the best of %d rounds; shares of one CPU' % (os.cpu_count(), COST_SECONDS, ROUNDS))
        print('    own process %.3f %%, programs in the kernel: %s' %
              (100 * best['own'], ', '.join('%s %.3f %%' % (p, 100 * v) for p, v in best['programs'].items())))
        if best['began'] > 5:
            print('    the box was not quiet: %.0f processes a second began, whose mappings and files were read' % best['began'])
        sampling, everything = best['own'] + best['programs'].get('stacks_sample', 0), best['own'] + sum(best['programs'].values())
        tell('99 Hz on every CPU, tables walked', '%.3f %%' % (100 * sampling), '0.5 %', sampling < 0.005)
        tell('with waits and page faults', '%.3f %%' % (100 * everything), "perf -g's %.3f %%" % (100 * perf), everything < perf)
        tell('from its start to a flame, of these seconds', '%.3f %%' % (100 * best['life']), "perf -g's %.3f %%" % (100 * perf), best['life'] < perf)
    finally:
        for p in load:
            p.kill()
            p.wait()
        shutil.rmtree(folder)


def first_flame(argv, after):
    """Seconds from the key, `after` seconds after the first painting, to a flame with a function of the C program; and how many samples it
    told of then and 2 s later. None: it never came."""
    env = {'PATH': os.environ['PATH'], 'HOME': '/nonexistent', 'TERM': 'xterm-256color', 'LC_ALL': 'C', 'CULPRIT_NO_SETTINGS': '1',
           'CULPRIT_RUNTIME_DIR': '/nonexistent/culprit'}
    t, picture, fed = Terminal(argv, env, COLS, ROWS, keep=1 << 22), Picture(COLS, ROWS), 0

    def samples():
        """Of the flame on the screen; 0: there is none."""
        nonlocal fed
        picture.feed(t.tail[len(t.tail) - (t.bytes - fed):])
        fed = t.bytes
        n = re.search(r'\bn ([\d.]+)(k?)', picture.text())
        return float(n.group(1)) * (1000 if n.group(2) else 1) if n and 'seventy' in picture.text() else 0

    try:
        t.until(lambda: t.paintings, 20)
        t.until(lambda: False, after)
        sent = time.monotonic()
        t.send(b'4')
        if not t.until(lambda: t.taken >= t.sent and samples(), 15):
            return None, 0, 0
        took, had = t.painted_at - sent, samples()
        t.until(lambda: False, 2)
        return took, had, samples()
    finally:
        t.finish()


def first():
    folder = tempfile.mkdtemp(prefix='culprit-bench-flame-')
    plain = ['setpriv', '--reuid', str(USER), '--regid', str(USER), '--clear-groups']
    burn, ours = os.path.join(folder, 'burn'), os.path.join(folder, 'culprit')
    program = None
    try:
        os.chmod(folder, 0o755)
        with open(burn + '.c', 'w') as f:
            f.write('volatile unsigned long x;\n__attribute__((noinline)) void seventy(void) { for (int i = 0; i < 7000000; i++) x += i; }\n'
                    '__attribute__((noinline)) void thirty(void) { for (int i = 0; i < 3000000; i++) x += i; }\n'
                    'int main(void) { for (;;) { seventy(); thirty(); } }\n')
        if not which('cc') or subprocess.run(['cc', '-O2', '-o', burn, burn + '.c'], capture_output=True).returncode:
            left_out('the first flame', 'no C compiler here')
            return
        shutil.copy(CULPRIT, ours)
        program = subprocess.Popen(plain + [burn], stdin=subprocess.DEVNULL)
        for what, argv, after in (('a console that runs', [ours], 6), ('one that has just begun', [ours], 0),
                                  ('one without rights', plain + [ours], 6), ('without rights, just begun', plain + [ours], 0)):
            took, had, later = first_flame(argv, after)
            tell('first flame after its key: ' + what, 'never' if took is None else '%.2f s, then %.0f samples more' % (took, later - had),
                 '2 s, growing', took is not None and took <= 2 and later > had)
    finally:
        if program:
            program.kill()
            program.wait()
        shutil.rmtree(folder)


def main():
    # Who is asked to end ends the load as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    parts = sys.argv[1:] or ['programs', 'cost', 'first']
    perf = shutil.which('perf')
    if os.geteuid() != 0:
        print('stacks: not measured: needs root')
        return 0
    if 'first' in parts:
        first()
    if not perf:
        print('stacks: the rest is not measured: needs perf')
        return 1 if missed else 0
    os.environ['CULPRIT_NO_SETTINGS'] = '1'
    names = list(PROGRAMS) if 'programs' in parts else [p for p in parts if p in PROGRAMS]
    if names:
        programs(names)
    if 'cost' in parts:
        cost()
    return 1 if missed else 0


if __name__ == '__main__':
    sys.exit(main())
