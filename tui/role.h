/* Roles: what a cell is there for. Panels name roles, themes give them colours, golden screens show their letters.
 * A role's number may change, its name may not. */
#ifndef TUI_ROLE_H
#define TUI_ROLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* X(id, name, letter in golden screens, built-in theme "default", built-in theme "dark") */
#define ROLES(X)                                                                                                       \
	X(TEXT, "text", '.', "default", "#d0d0d0 on #16181d")                                                          \
	X(TITLE, "title", 'T', "default bold", "#ffffff on #16181d bold")                                              \
	X(STRONG, "strong", 's', "default bold", "#ffffff on #16181d bold")                                            \
	X(MUTED, "muted", 'm', "default", "#8a909c on #16181d")                                                        \
	X(RULE, "rule", '-', "default", "#4c5260 on #16181d")                                                          \
	X(HEADER, "header", 'h', "default underline", "#9fb4d0 on #16181d underline")                                  \
	X(SORT, "sort", 'S', "default bold underline", "#ffffff on #16181d bold underline")                            \
	X(KEY, "key", 'k', "default bold", "#7fc8ff on #16181d bold")                                                  \
	X(HINT, "hint", 'i', "default", "#8a909c on #16181d")                                                          \
	X(TAB, "tab", 't', "default", "#b0b6c2 on #16181d")                                                            \
	X(TAB_HERE, "tab.here", 'H', "default reverse", "#16181d on #9fb4d0 bold")                                     \
	X(SELECT, "select", '>', "default reverse", "#ffffff on #2c4a72")                                              \
	X(ENDED, "ended", 'x', "default", "#6f7683 on #16181d")                                                        \
	X(UNREAD, "unread", '?', "default", "#a08cc0 on #16181d")                                                      \
	X(LIVE, "live", 'L', "green bold", "#7fdc8c on #16181d bold")                                                  \
	X(PAUSED, "paused", 'P', "default reverse", "#16181d on #e8c468 bold")                                         \
	X(ACCENT, "accent", 'a', "cyan bold", "#7fc8ff on #16181d bold")                                               \
	X(OK, "ok", 'o', "green", "#7fdc8c on #16181d")                                                                \
	X(WARN, "warn", 'w', "yellow bold", "#e8c468 on #16181d bold")                                                 \
	X(CRIT, "crit", '!', "red bold", "#ff7a70 on #16181d bold")                                                    \
	X(INPUT, "input", 'I', "default", "#ffffff on #16181d")                                                        \
	X(MATCH, "match", 'M', "default bold underline", "#16181d on #e8c468")                                         \
	X(DIALOG, "dialog", 'd', "default", "#d0d0d0 on #232834")                                                      \
	X(DIALOG_TITLE, "dialog.title", 'D', "default bold", "#ffffff on #232834 bold")                                \
	X(DIALOG_KEY, "dialog.key", 'K', "default bold", "#7fc8ff on #232834 bold")                                    \
	X(BAR_CPU, "bar.cpu", 'C', "green", "#7fdc8c on #16181d")                                                      \
	X(BAR_RUNQ, "bar.runq", 'R', "yellow", "#e8c468 on #16181d")                                                   \
	X(BAR_THROTTLE, "bar.throttle", '%', "yellow bold", "#ffa657 on #16181d bold")                                 \
	X(BAR_DISK, "bar.disk", 'B', "magenta", "#d08cff on #16181d")                                                  \
	X(BAR_LOCK, "bar.lock", 'l', "red", "#ff7a70 on #16181d")                                                      \
	X(BAR_NET, "bar.net", 'N', "cyan", "#6cd5e8 on #16181d")                                                       \
	X(BAR_MEM, "bar.mem", 'e', "red bold", "#ff9ecb on #16181d")                                                   \
	X(BAR_OTHER, "bar.other", 'O', "blue", "#8fa8ff on #16181d")                                                   \
	X(BAR_IDLE, "bar.idle", ',', "default", "#4c5260 on #16181d")                                                  \
	X(HEAT0, "heat0", '0', "default", "#3b4f6b on #16181d")                                                        \
	X(HEAT1, "heat1", '1', "blue", "#3f7fb5 on #16181d")                                                           \
	X(HEAT2, "heat2", '2', "cyan", "#3fa7b5 on #16181d")                                                           \
	X(HEAT3, "heat3", '3', "green", "#57b56b on #16181d")                                                          \
	X(HEAT4, "heat4", '4', "yellow", "#b5b03f on #16181d")                                                         \
	X(HEAT5, "heat5", '5', "yellow bold", "#e8c468 on #16181d")                                                    \
	X(HEAT6, "heat6", '6', "red", "#ff9b57 on #16181d")                                                            \
	X(HEAT7, "heat7", '7', "red bold", "#ff7a70 on #16181d bold")                                                  \
	X(CHART, "chart", 'c', "default", "#7fc8ff on #16181d")                                                        \
	X(CHART_WINDOW, "chart.window", 'W', "default bold", "#ffffff on #16181d bold")                                \
	X(AXIS, "axis", 'A', "default", "#8a909c on #16181d")                                                          \
	X(MARK, "mark", 'X', "default bold", "#e8c468 on #16181d bold")                                                \
	X(FRAME_KERNEL, "frame.kernel", 'q', "yellow", "#ffa657 on #16181d")                                           \
	X(FRAME_USER, "frame.user", 'u', "default", "#d0d0d0 on #16181d")                                              \
	X(FRAME_LIBRARY, "frame.library", 'y', "cyan", "#6cd5e8 on #16181d")                                           \
	X(FRAME_JIT, "frame.jit", 'j', "green", "#7fdc8c on #16181d")                                                  \
	X(FRAME_UNKNOWN, "frame.unknown", 'n', "default", "#8a909c on #16181d")                                        \
	X(BOX_KERNEL, "box.kernel", 'b', "yellow reverse", "#16181d on #d98c45")                                       \
	X(BOX_USER, "box.user", 'E', "blue reverse", "#16181d on #8fa8e0")                                             \
	X(BOX_LIBRARY, "box.library", 'F', "cyan reverse", "#16181d on #5fb8c8")                                       \
	X(BOX_JIT, "box.jit", 'J', "green reverse", "#16181d on #6fbf7c")                                              \
	X(BOX_UNKNOWN, "box.unknown", 'U', "default reverse", "#d0d0d0 on #4c5260")                                    \
	X(BOX_GROUP, "box.group", 'G', "default bold", "#ffffff on #2a303c bold")                                      \
	X(DIFF_MUCH_MORE, "diff.much-more", 'Y', "red reverse", "#16181d on #ff7a70")                                  \
	X(DIFF_MORE, "diff.more", 'Z', "yellow reverse", "#16181d on #e0b080")                                         \
	X(DIFF_SAME, "diff.same", 'V', "default reverse", "#d0d0d0 on #3a404c")                                        \
	X(DIFF_LESS, "diff.less", 'z', "cyan reverse", "#16181d on #80b0e0")                                           \
	X(DIFF_MUCH_LESS, "diff.much-less", 'v', "blue reverse", "#16181d on #6f8cff")

enum role {
#define ROLE_ENUM(id, name, letter, plain, dark) ROLE_##id,
	ROLES(ROLE_ENUM)
#undef ROLE_ENUM
	ROLE_COUNT,
};

const char *role_name(enum role);   /* "text" for one out of range */
char role_letter(enum role);
bool role_find(const char *name, size_t len, enum role *ret);

#endif
