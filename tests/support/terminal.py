"""A console in a pseudo terminal, for scripts: started, given keys, read up to the marks that it sends after each painting
(CULPRIT_TEST_MARK=1: ESC ] 7777 ; paintings ; input bytes taken ; WxH BEL). What it draws is kept only as far as asked for."""
import errno
import fcntl
import os
import pty
import re
import select
import struct
import termios
import time

MARK = re.compile(rb'\x1b\]7777;(\d+);(\d+);(\d+)x(\d+)(;r)?\x07')


class Terminal:
    def __init__(self, argv, env, cols=80, rows=24, folder=None, keep=4096):
        self.keep = keep
        self.tail = b''  # the newest bytes that came
        self.bytes = self.paintings = self.taken = self.sent = 0
        self.whole = 0  # of `taken`: as of the newest painting that is all there; one that says that it is reading is an answer, too
        self.painted_at = None  # when the newest mark came, time.monotonic()
        self.alive = True  # the terminal has a program on its other side
        self.whole_at = None
        self.status = None  # as of waitpid(), once it has ended
        self.rest = b''
        self.begin = time.monotonic()
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            try:
                if folder:
                    os.chdir(folder)
                fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack('HHHH', rows, cols, 0, 0))
                os.execvpe(argv[0], argv, dict(env, CULPRIT_TEST_MARK='1'))
            finally:
                os._exit(127)
        os.set_blocking(self.fd, False)

    def read(self, seconds=0.0):
        """What has come, at most after `seconds`. True: something came."""
        if not self.alive or self.fd < 0:
            time.sleep(seconds)
            return False
        if not select.select([self.fd], [], [], seconds)[0]:
            return False
        try:
            data = os.read(self.fd, 65536)
        except OSError as e:
            if e.errno == errno.EAGAIN:
                return False
            data = b''
        if not data:
            self.alive = False
            return False
        self.bytes += len(data)
        self.tail = (self.tail + data)[-self.keep:]
        data = self.rest + data
        end = 0
        for m in MARK.finditer(data):
            self.paintings, self.taken = int(m.group(1)), int(m.group(2))
            self.painted_at = time.monotonic()
            if not m.group(5):
                self.whole, self.whole_at = self.taken, self.painted_at
            end = m.end()
        self.rest = data[max(end, len(data) - 64):]
        return True

    def until(self, what, seconds):
        """Reads until what() is true; False: it never was, or the program has ended."""
        end = time.monotonic() + seconds
        while not what():
            left = end - time.monotonic()
            if left <= 0 or not self.alive or self.ended():
                return bool(what())
            self.read(min(left, 0.05))
        return True

    def send(self, data):
        """Keys. A program that does not read gets what fits: then False."""
        end = time.monotonic() + 1
        while data and self.alive and self.fd >= 0:
            try:
                n = os.write(self.fd, data)
                self.sent += n
                data = data[n:]
            except OSError as e:
                if e.errno != errno.EAGAIN or time.monotonic() > end:
                    return False
                self.read(0.01)
        return not data

    def resize(self, cols, rows):
        if self.fd >= 0:
            fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack('HHHH', rows, cols, 0, 0))

    def signal(self, number):
        if self.status is None:
            os.kill(self.pid, number)

    def ended(self):
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = status
        return self.status is not None

    def hang_up(self):
        """The terminal goes away, as when the line breaks."""
        if self.fd >= 0:
            os.close(self.fd)
        self.fd, self.alive = -1, False

    def wait_end(self, seconds):
        end = time.monotonic() + seconds
        while not self.ended() and time.monotonic() < end:
            self.read(0.02)
        return self.ended()

    def finish(self):
        if not self.ended():
            os.kill(self.pid, 9)
            self.status = os.waitpid(self.pid, 0)[1]
        self.hang_up()
