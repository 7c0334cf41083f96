"""What stands on the screen of a program that writes to an xterm: enough of one for what culprit sends. Fed with bytes, asked
for lines of text."""
import re

STEP = re.compile(rb'\x1b\[([?>]?)([0-9;]*)([@-~])|\x1b\][^\x07]*\x07|\x1b[()].|\x1b[=>78]|([\x00-\x1f\x7f])|'
                  rb'([^\x00-\x1f\x7f\x80-\xff]+|[\xc2-\xf4][\x80-\xbf]{1,3})')
INCOMPLETE = re.compile(rb'(\x1b(\[[?>]?[0-9;]*|\][^\x07]*|[()])?|[\xc2-\xf4][\x80-\xbf]{0,2})$')


class Picture:
    def __init__(self, cols, rows):
        self.cols, self.rows = cols, rows
        self.x = self.y = 0
        self.rest = b''
        self.cells = [[' '] * cols for _ in range(rows)]

    def feed(self, data):
        data = self.rest + data
        self.rest = b''
        m = INCOMPLETE.search(data)
        if m and len(data) - m.start() < 16384:
            # A whole character at the very end is shown with what comes next.
            self.rest, data = data[m.start():], data[:m.start()]
        for m in STEP.finditer(data):
            if m.group(5):
                for c in m.group(5).decode(errors='replace'):
                    self.put(c)
            elif m.group(4):
                self.control(m.group(4))
            elif m.group(3) and not m.group(1):
                numbers = [int(n or 0) for n in m.group(2).decode().split(';')]
                self.sequence(m.group(3).decode(), numbers)

    def put(self, c):
        if self.x >= self.cols:
            self.x, self.y = 0, min(self.y + 1, self.rows - 1)
        self.cells[self.y][self.x] = c
        self.x += 1

    def control(self, c):
        if c == b'\r':
            self.x = 0
        elif c == b'\n':
            self.y = min(self.y + 1, self.rows - 1)
        elif c == b'\b':
            self.x = max(0, self.x - 1)

    def blank(self, y, x, n):
        for i in range(x, min(self.cols, x + n)):
            self.cells[y][i] = ' '

    def sequence(self, what, n):
        one = max(1, n[0])
        if what in 'Hf':
            self.y, self.x = min(one, self.rows) - 1, min(max(1, n[1] if len(n) > 1 else 1), self.cols) - 1
        elif what == 'G':
            self.x = min(one, self.cols) - 1
        elif what == 'C':
            self.x = min(self.x + one, self.cols - 1)
        elif what == 'X':
            self.blank(self.y, self.x, one)
        elif what == 'K':
            self.blank(self.y, self.x, self.cols)
        elif what == 'J':
            first = 0 if n[0] == 2 else self.y
            for y in range(first, self.rows):
                self.blank(y, self.x if y == self.y and n[0] != 2 else 0, self.cols)

    def text(self):
        return '\n'.join(''.join(line).rstrip() for line in self.cells)
