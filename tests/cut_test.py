#!/usr/bin/env python3
# beside: others
"""culprit cut: whatever is asked of a window inside the piece has the answer that the whole recording gives; what is redacted
is in none of its bytes; what exists is not overwritten."""
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time

os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
CULPRIT = os.environ.get("CULPRIT", "build/culprit")
passed = failed = 0


def check(name, ok):
    global passed, failed
    if ok:
        passed += 1
    else:
        failed += 1
        print("failed:", name)


def run(*args):
    return subprocess.run([CULPRIT, *args], capture_output=True)


def dump(table, path, start, end, *more):
    return run("dump", table, path, "--json", "--from", start, "--to", end, *more).stdout


def same(x, y):
    """Byte for byte; but what was before the recording (the kernel log's last line of a class) is told by the clocks of its
    first frame, and a piece has another first frame: a millisecond apart at most."""
    if x == y:
        return True
    try:
        x, y = json.loads(x), json.loads(y)
    except ValueError:
        return False
    if x.get("table") != "kernel_log_class" or len(x["rows"]) != len(y["rows"]):
        return False
    for a, b in zip(x["rows"], y["rows"]):
        times = [row.pop("last_ns", None) for row in (a, b)]
        a.pop("last", None), b.pop("last", None)
        if (times[0] is None) != (times[1] is None) or (times[0] is not None and abs(int(times[0]) - int(times[1])) > 10**6):
            return False
    return x == y


def rfc3339(ns):
    import datetime
    t = datetime.datetime.fromtimestamp(ns // 10**9, datetime.timezone.utc)
    return t.strftime("%Y-%m-%dT%H:%M:%S") + ".%09dZ" % (ns % 10**9)


def record(path):
    """Six seconds in which processes come and go, work and fall silent."""
    recorder = subprocess.Popen([CULPRIT, "record", "-o", path, "--for", "6", "--interval", "50ms"], stderr=subprocess.DEVNULL)
    load = subprocess.Popen(["sh", "-c", "i=0; while [ $i -lt 40 ]; do sh -c 'k=0; while [ $k -lt 2000 ]; do k=$((k+1)); done; "
                             "sleep 0.02; :' sh --password=hunter2-$i & sleep 0.1; i=$((i+1)); done; wait"])
    for _ in range(2):  # opens the file again: another segment begins
        time.sleep(2)
        recorder.send_signal(signal.SIGHUP)
    recorder.wait()
    load.wait()


with tempfile.TemporaryDirectory() as d:
    whole, piece, redacted = (os.path.join(d, n) for n in ("whole.rec", "piece.rec", "redacted.rec"))
    record(whole)
    info = json.loads(run("dump", "host", whole, "--json").stdout)
    first, last = info["from_ns"], info["to_ns"]
    span = last - first
    tables = [t["name"] for t in json.loads(run("info", whole, "--json").stdout)["tables"]]
    check("there is something to compare", len(tables) > 8 and span > 3 * 10**9)
    seed = random.randrange(10**6)
    rng = random.Random(seed)
    # Where segments begin: a piece may begin between the last frame of one and the first of the next.
    plain = subprocess.run(["zstd", "-dc", whole], capture_output=True).stdout
    heads = [m.start() for m in re.finditer(b"CULPSEG1", plain)]
    begins = [int.from_bytes(plain[at + 40:at + 48], "little") for at in heads]
    begins = [t for t in begins if first + span // 20 < t < first + span * 9 // 10]
    check("it has several segments", begins)
    for number in range(2 + len(begins[:1])):
        start = first + int(span * rng.uniform(0.05, 0.5)) if number < 2 else begins[0] - 10**7
        end = start + int((last - start) * rng.uniform(0.3, 0.9))
        for path in (piece, redacted):
            if os.path.exists(path):
                os.unlink(path)
        made = run("cut", whole, "--from", rfc3339(start), "--to", rfc3339(end), "-o", piece, "--no-redact")
        check("a piece", made.returncode == 0)
        if made.returncode:
            print(seed, start - first, end - first, made.stderr)
        check("is whole", json.loads(run("info", piece, "--json").stdout)["state"] in ("whole", "unindexed"))
        check("has mode 0600", os.stat(piece).st_mode & 0o777 == 0o600)
        check("is smaller", os.stat(piece).st_size < os.stat(whole).st_size)
        windows = [(start, end)] + [sorted(rng.randrange(start, end) for _ in range(2))]
        for a, b in windows:
            for table in tables:
                for more in ([], ["--raw"]) if a == start else ([],):
                    x = dump(table, whole, rfc3339(a), rfc3339(b), *more)
                    y = dump(table, piece, rfc3339(a), rfc3339(b), *more)
                    if not same(x, y):
                        print("seed", seed, table, more, rfc3339(a), rfc3339(b))
                        print(" whole", x[:3000])
                        print(" piece", y[:3000])
                    check("%s %s is the same" % (table, more), same(x, y))
        made = run("cut", whole, "--from", rfc3339(start), "--to", rfc3339(end), "-o", redacted)
        check("redacted by default", made.returncode == 0 and b"cut off" in made.stderr)
        names = json.loads(dump("process", redacted, rfc3339(start), rfc3339(end)))["rows"]
        check("no argument is left", not any(" " in (r["cmdline"] or "").replace(" ...", "") for r in names))
        raw = subprocess.run(["zstd", "-dc", redacted], capture_output=True).stdout
        check("in none of its bytes", raw and b"hunter2" not in raw)
        rows = [r["rss"] for r in names]
        check("numbers stay", rows == [r["rss"] for r in json.loads(dump("process", whole, rfc3339(start), rfc3339(end)))["rows"]])
    check("they were there", b"hunter2" in subprocess.run(["zstd", "-dc", whole], capture_output=True).stdout)
    again = run("cut", redacted, "--from", rfc3339(start + 10**8), "--to", rfc3339(end), "-o", os.path.join(d, "again.rec"))
    check("a piece of a piece", again.returncode == 0)
    before = open(whole, "rb").read()
    check("the input is not overwritten", run("cut", whole, "-o", whole).returncode == 1 and open(whole, "rb").read() == before)
    check("nor is anything", run("cut", whole, "-o", piece).returncode == 1)
    os.symlink(os.path.join(d, "elsewhere"), os.path.join(d, "link"))
    check("nor written through a link", run("cut", whole, "-o", os.path.join(d, "link")).returncode == 1)
    check("nothing is there", not os.path.exists(os.path.join(d, "elsewhere")))
    check("to where is usage", run("cut", whole).returncode == 2)
    check("a wrong time is usage", run("cut", whole, "--from", "bogus", "-o", os.path.join(d, "x")).returncode == 2)
    check("leaves nothing", not os.path.exists(os.path.join(d, "x")))
    made = subprocess.run([CULPRIT, "cut", whole, "--from", "-2s", "-o", "-"], capture_output=True)
    shown = subprocess.run([CULPRIT, "dump", "cpu", "-", "--json"], input=made.stdout, capture_output=True)
    check("into a pipe", made.returncode == 0 and shown.returncode == 0 and json.loads(shown.stdout)["rows"])
    # Damage in the middle is cut around, and told.
    damaged = os.path.join(d, "damaged.rec")
    broken = bytearray(before)
    for i in range(len(broken) // 2, len(broken) // 2 + 64):
        broken[i] ^= 0x55
    open(damaged, "wb").write(broken)
    made = run("cut", damaged, "-o", os.path.join(d, "rest.rec"))
    check("damage is told", made.returncode == 1 and b"damaged" in made.stderr)
    check("the rest is there", json.loads(run("dump", "cpu", os.path.join(d, "rest.rec"), "--json").stdout)["rows"])
    check("and whole", json.loads(run("info", os.path.join(d, "rest.rec"), "--json").stdout)["state"] == "whole")

    # A recorder that was started anew: rows of different writers have nothing to do with each other, and it is said where to cut.
    twice = os.path.join(d, "twice")
    for _ in range(2):
        run("record", "-o", twice, "--keep", "1h", "--for", "2", "--collect", "host,cpu,memory")
    made = run("cut", twice, "-o", os.path.join(d, "both.rec"))
    when = re.search(rb"started anew.*--to (\S+Z) or --from (\S+Z)", made.stderr)
    check("two recorders are not mixed", made.returncode == 1 and when)
    for i, option in enumerate(("--to", "--from") if when else ()):
        part = os.path.join(d, "part%d.rec" % i)
        made = run("cut", twice, option, when.group(1 + i).decode(), "-o", part)
        rows = json.loads(run("dump", "cpu", part, "--json").stdout or b'{"rows": []}')["rows"]
        check("each can be cut out: %s %s" % (option, made.stderr.decode()), made.returncode == 0 and rows)

print("%d passed, %d failed" % (passed, failed))
sys.exit(failed > 0)
