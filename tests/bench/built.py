"""What a bench needs is made when it is not there: `make bench` did so before, who starts one part alone did not."""
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def built(*products):
    """The paths of these products of the Makefile (build/culprit, build/bench/spawn), which are there then; what cannot be made
    ends the program. One that is there is taken as it is: what it is measured against need not be the newest."""
    paths = [os.path.join(ROOT, p) for p in products]
    missing = [p for p, path in zip(products, paths) if not os.access(path, os.X_OK)]
    if missing:
        print('making %s' % ' '.join(missing), file=sys.stderr, flush=True)
        r = subprocess.run([os.environ.get('MAKE') or 'make', '-s', '--no-print-directory', '-j%d' % os.cpu_count()] + missing, cwd=ROOT,
                           stdout=sys.stderr)
        if r.returncode or not all(os.access(path, os.X_OK) for path in paths):
            sys.exit('%s: make could not make %s' % (os.path.basename(sys.argv[0]), ' '.join(missing)))
    return paths if len(paths) > 1 else paths[0]
