#!/usr/bin/env python3
"""usage: scripts/screens.py [--culprit FILE] [--out DIR]       (make screens-doc)

The pictures of the README: replays docs/screens/box.culprit with the keys in docs/screens/keys, and makes an SVG of each screen that
these keep, in the colours of themes/dark, with text that can be selected and found. Made of the program's own screens, they
show what it shows; a picture that is no longer made is removed."""
import argparse
import glob
import os
import re
import subprocess
import sys
import tempfile
import unicodedata
from xml.sax.saxutils import escape

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
WIDTH, HEIGHT, BASE, MARGIN = 8.43, 17, 13, 14  # of a cell, at 14 px; where letters stand in it
FONT = "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, 'Liberation Mono', monospace"


def letters():
    """Role letters of a shot -> role names, from the one table of them."""
    with open(os.path.join(ROOT, 'tui/role.h')) as f:
        rows = re.findall(r'X\(\w+, "([^"]+)", \'(\\?.)\',', f.read())
    return {letter[-1]: name for name, letter in rows}


def theme(path):
    """Role name -> (colour, background, bold, underline)."""
    styles = {}
    with open(path) as f:
        for line in f:
            m = re.match(r'([\w.-]+) *= *(#\w{6}) on (#\w{6})(.*)', line)
            if m:
                styles[m.group(1)] = (m.group(2), m.group(3), 'bold' in m.group(4), 'underline' in m.group(4))
    return styles


def cells(text):
    """Characters of a line, each with its column."""
    x, out = 0, []
    for c in text:
        if unicodedata.combining(c) and out:
            out[-1] = (out[-1][0], out[-1][1] + c)
            continue
        out.append((x, c))
        x += 2 if unicodedata.east_asian_width(c) in 'WF' else 1
    return out


def runs(text, roles, names, styles, rest):
    """(x, columns, text, style) of a line: as long as the style is the same."""
    found = []
    line = {x: c for x, c in cells(text)}
    for x, letter in enumerate(roles):
        style = styles.get(names.get(letter), rest)
        c = line.get(x, ' ')
        if found and found[-1][3] == style:
            at, n, said, _ = found[-1]
            found[-1] = (at, n + 1, said + c, style)
        else:
            found.append((x, 1, c, style))
    return found


def svg(title, text, roles, names, styles):
    rest = styles['text']
    lines, roles = text.split('\n'), roles.rstrip('\n').split('\n')
    lines += [''] * (len(roles) - len(lines))
    w = WIDTH * max(len(r) for r in roles) + 2 * MARGIN
    h = HEIGHT * len(roles) + 2 * MARGIN
    out = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" width="%.0f" height="%.0f" font-family="%s" font-size="14">' % (
        w, h, w, h, escape(FONT, {'"': "'"})),
        '<title>%s</title>' % escape(title), '<rect width="100%%" height="100%%" rx="8" fill="%s"/>' % rest[1]]
    for y, (line, row) in enumerate(zip(lines, roles)):
        for x, n, said, (colour, ground, bold, under) in runs(line, row, names, styles, rest):
            left, top = MARGIN + x * WIDTH, MARGIN + y * HEIGHT
            if ground != rest[1]:
                out.append('<rect x="%.1f" y="%.1f" width="%.1f" height="%d" fill="%s"/>' % (left, top, n * WIDTH, HEIGHT, ground))
            if under:
                out.append('<path d="M%.1f %.1fh%.1f" stroke="%s"/>' % (left, top + HEIGHT - 1.5, n * WIDTH, colour))
            blank = len(said) - len(said.lstrip(' '))
            said = said.strip(' ')
            if said:
                out.append('<text x="%.1f" y="%.1f" fill="%s"%s textLength="%.1f" lengthAdjust="spacingAndGlyphs" xml:space="preserve">%s</text>' % (
                    left + blank * WIDTH, top + BASE, colour, ' font-weight="bold"' if bold else '', len(said) * WIDTH, escape(said)))
    return '\n'.join(out) + '\n</svg>\n'


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--culprit', default=os.environ.get('CULPRIT') or os.path.join(ROOT, 'build/culprit'))
    parser.add_argument('--out', default=os.path.join(ROOT, 'docs/screens'))
    options = parser.parse_args()
    here = os.path.join(ROOT, 'docs/screens')
    names, styles = letters(), theme(os.path.join(ROOT, 'themes/dark'))
    with tempfile.TemporaryDirectory(prefix='culprit-screens.') as folder:
        env = dict(os.environ, LC_ALL='C.UTF-8', HOME='/nonexistent', TZ='UTC')
        env.pop('XDG_CONFIG_HOME', None)
        r = subprocess.run([os.path.abspath(options.culprit), 'replay', 'box.culprit', '--keys', 'keys', '--size', '100x30', '--shots', folder],
                           cwd=here, env=env, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if r.returncode:
            print(r.stderr, file=sys.stderr)
            return 1
        os.makedirs(options.out, exist_ok=True)
        made = set()
        for shot in sorted(glob.glob(folder + '/*.txt')):
            name = os.path.basename(shot)[:-4]
            with open(shot) as f, open(shot[:-4] + '.roles') as g:
                picture = svg('culprit: %s' % name, f.read(), g.read(), names, styles)
            with open('%s/%s.svg' % (options.out, name), 'w') as f:
                f.write(picture)
            made.add(name + '.svg')
        for old in set(os.path.basename(p) for p in glob.glob(options.out + '/*.svg')) - made:
            os.unlink(os.path.join(options.out, old))
        print('%d screens in %s' % (len(made), os.path.relpath(options.out)))
    return 0


if __name__ == '__main__':
    sys.exit(main())
