#!/usr/bin/env python3
"""The SVG of culprit flame in a real browser: Chromium without a screen, driven over a pipe as its developer tools are. Frames are
clicked with the mouse, names searched with the keyboard; widths and shares are what the stacks say. Skips where no Chromium is."""
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CULPRIT = os.path.abspath(os.environ.get('CULPRIT') or os.path.join(ROOT, 'build/culprit'))
BROWSERS = ('chromium', 'chromium-headless-shell', 'chromium-browser', 'google-chrome', 'headless_shell')
STACKS = 'main;idle_[k] 15\nmain;work;burn 50\nmain;work;burn;x<int>::f&c 5\nmain;work;spin 30\n'
WIDTH = 1200
passed = failed = 0


def check(what, ok, *seen):
    global passed, failed
    if ok:
        passed += 1
    else:
        failed += 1
        print('failed: %s%s' % (what, ': ' + ', '.join(map(str, seen)) if seen else ''))


class Browser:
    """Commands and events are JSON ended by a NUL, on descriptors 3 (to it) and 4 (from it)."""

    def __init__(self, program, folder):
        to, self.out = os.pipe()
        self.into, back = os.pipe()
        # Through copies far above 4: 3 and 4 are in use here.
        self.log = open(os.path.join(folder, 'log'), 'wb')
        high = [os.dup2(fd, 30 + i, inheritable=True) for i, fd in enumerate((to, back))]
        self.process = subprocess.Popen(
            ['bash', '-c', 'exec "$@" 3<&%d 4>&%d' % tuple(high), 'bash', program, '--headless', '--no-sandbox', '--disable-gpu', '--no-first-run',
             '--remote-debugging-pipe', '--user-data-dir=' + os.path.join(folder, 'profile'), 'about:blank'],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, close_fds=True, pass_fds=high)
        for fd in (to, back, *high):
            os.close(fd)
        self.bytes, self.number, self.session, self.answer, self.events = b'', 0, None, None, []

    def message(self, deadline):
        while b'\0' not in self.bytes:
            if time.time() > deadline or not select.select([self.into], [], [], deadline - time.time())[0]:
                raise TimeoutError('the browser does not answer')
            some = os.read(self.into, 1 << 16)
            if not some:
                raise TimeoutError('the browser is gone')
            self.bytes += some
        one, self.bytes = self.bytes.split(b'\0', 1)
        return json.loads(one)

    def call(self, method, wait=True, **params):
        """What it returns. A question that the page asks meanwhile is answered with self.answer."""
        self.number += 1
        number, deadline = self.number, time.time() + 100
        command = {'id': number, 'method': method, 'params': params}
        if self.session:
            command['sessionId'] = self.session
        os.write(self.out, json.dumps(command).encode() + b'\0')
        while wait:
            m = self.message(deadline)
            if m.get('id') == number:
                if 'error' in m:
                    raise RuntimeError('%s: %s' % (method, m['error']))
                return m['result']
            if m.get('method') == 'Page.javascriptDialogOpening':
                self.events.append(m['params'])
                self.call('Page.handleJavaScriptDialog', wait=False, accept=self.answer is not None, promptText=self.answer or '')
            elif 'method' in m:
                self.events.append(m)
        return None

    def open(self, url):
        target = self.call('Target.createTarget', url='about:blank')['targetId']
        self.session = self.call('Target.attachToTarget', targetId=target, flatten=True)['sessionId']
        self.call('Page.enable')
        self.call('Emulation.setDeviceMetricsOverride', width=WIDTH + 100, height=600, deviceScaleFactor=1, mobile=False)
        self.call('Page.navigate', url=url)
        deadline = time.time() + 60
        while self.run('document.readyState') != 'complete' or not self.run('!!window.culprit'):
            if time.time() > deadline:
                raise TimeoutError('the page does not load')
            time.sleep(0.05)

    def run(self, script):
        r = self.call('Runtime.evaluate', expression=script, returnByValue=True)
        return r['result'].get('value')

    def click(self, x, y):
        for kind in ('mousePressed', 'mouseReleased'):
            self.call('Input.dispatchMouseEvent', type=kind, x=x, y=y, button='left', clickCount=1)

    def key(self, key):
        for kind in ('keyDown', 'keyUp'):
            self.call('Input.dispatchKeyEvent', type=kind, key=key, text=key if kind == 'keyDown' and len(key) == 1 else '')

    def frames(self):
        """name: (x, width) on the screen of what is drawn."""
        return self.run('''Object.fromEntries([...document.querySelectorAll('g.n')].filter(g => getComputedStyle(g).display !== 'none')
            .map(g => { const r = g.querySelector('rect').getBoundingClientRect(); return [g.dataset.n, [r.x, r.width, r.y + r.height / 2]]; }))''')

    def click_frame(self, name):
        x, width, y = self.frames()[name]
        self.click(x + width / 2, y)

    def text(self, identity):
        return self.run("document.getElementById('%s').textContent" % identity)

    def close(self):
        try:
            self.session = None
            self.call('Browser.close', wait=False)
            self.process.wait(20)
        except (OSError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()
        os.close(self.out)
        os.close(self.into)
        self.log.close()


def near(a, b):
    return abs(a - b) <= 1.5  # pixels: neighbours stand half a pixel apart


def look(browser, svg):
    browser.open('file://' + svg)
    whole = browser.frames()
    check('every frame is drawn', set(whole) == {'all', 'main', 'idle', 'work', 'burn', 'spin', 'x<int>::f&c'}, sorted(whole))
    for name, share in (('all', 1), ('main', 1), ('work', .85), ('burn', .55), ('spin', .30), ('idle', .15), ('x<int>::f&c', .05)):
        check('%s is as wide as its share' % name, name in whole and near(whole[name][1], share * WIDTH), whole.get(name))

    browser.click_frame('work')
    zoomed = browser.frames()
    check('a click zooms: it fills the width', near(zoomed['work'][1], WIDTH), zoomed['work'])
    check('what it calls grows with it', near(zoomed['burn'][1], .55 / .85 * WIDTH) and near(zoomed['spin'][1], .30 / .85 * WIDTH), zoomed)
    check('who calls it stays, whole', near(zoomed['main'][1], WIDTH) and near(zoomed['all'][1], WIDTH), zoomed)
    check('what is beside it goes', 'idle' not in zoomed, sorted(zoomed))
    browser.click_frame('spin')
    check('deeper', near(browser.frames()['spin'][1], WIDTH) and 'burn' not in browser.frames(), browser.frames())
    browser.click_frame('main')
    check('a click on a caller goes back', near(browser.frames()['burn'][1], .55 * WIDTH), browser.frames())
    browser.click_frame('burn')
    browser.key('Escape')
    check('Escape shows the whole', browser.frames() == whole, browser.frames())

    browser.answer = 'burn'
    browser.key('/')
    check('/ asks', any(e.get('type') == 'prompt' for e in browser.events), browser.events)
    check('the share matched is told', browser.text('match') == 'matched: 55.0%', browser.text('match'))
    marked = browser.run("[...document.querySelectorAll('g.n')].filter(g => g.querySelector('rect.m')).map(g => g.dataset.n)")
    check('what matches is marked', marked == ['burn'], marked)
    browser.answer = 'i'
    browser.key('/')
    check('nested matches count once', browser.text('match') == 'matched: 100.0%', browser.text('match'))
    browser.answer = 'no such function'
    browser.key('/')
    check('nothing matches', browser.text('match') == 'matched: 0.0%', browser.text('match'))
    browser.answer = None
    browser.key('/')
    check('asked and not answered, all stays', browser.text('match') == 'matched: 0.0%', browser.text('match'))
    browser.answer = ''
    browser.key('/')
    check('nothing searched', browser.text('match') == '', browser.text('match'))
    x, width, y = whole['burn']
    browser.call('Input.dispatchMouseEvent', type='mouseMoved', x=x + width / 2, y=y)
    check('the frame under the mouse says its share', 'burn' in browser.text('info') and '55.00%' in browser.text('info'), browser.text('info'))


def main():
    program = next((shutil.which(b) for b in BROWSERS if shutil.which(b)), None)
    if not program:
        print('skip the SVG in a browser: no Chromium is here')
        print('0 passed, 0 failed, 1 skipped')
        return 0
    folder = tempfile.mkdtemp()
    browser = None
    try:
        svg = os.path.join(folder, 'a.svg')
        subprocess.run([CULPRIT, 'flame', '--import', '-', '--format', 'svg', '-o', svg], input=STACKS, text=True, check=True)
        browser = Browser(program, folder)
        look(browser, svg)
    except TimeoutError as e:
        check('the browser works', False, e)
    finally:
        if browser:
            browser.close()
        shutil.rmtree(folder, ignore_errors=True)
    print('%d passed, %d failed, 0 skipped' % (passed, failed))
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
