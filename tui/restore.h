/* Giving the terminal back when the program dies of a signal (SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSYS, SIGQUIT):
 * bytes and modes are prepared in advance, the handler only calls what may be called there, then the signal goes its way.
 * The one place with state of the whole process: a signal handler can have it nowhere else. */
#ifndef TUI_RESTORE_H
#define TUI_RESTORE_H

#include <stddef.h>
#include <termios.h>

/* From now on `bytes` (copied) are written to fd and `modes` set on tty_fd when the program dies. -EBUSY: someone else's. */
int restore_arm(int fd, int tty_fd, const struct termios *modes, const char *bytes, size_t n);
/* No more. */
void restore_disarm(void);
/* A sequence of control bytes is half written: it must be cancelled first. */
void restore_set_cut(int cut);

#endif
