#include "log.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct log {
	pthread_mutex_t mutex;
	uint64_t next; /* seq of the next line */
	struct log_line lines[LOG_LINES];
};

struct log *log_create(void)
{
	struct log *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	pthread_mutex_init(&l->mutex, NULL);
	l->next = 1;
	return l;
}

void log_destroy(struct log *l)
{
	if (!l)
		return;
	pthread_mutex_destroy(&l->mutex);
	free(l);
}

void log_say(struct log *l, uint64_t mono_ns, uint32_t level, const char *who, const char *sentence)
{
	char text[LOG_LINE_MAX];
	struct log_line *last;

	snprintf(text, sizeof(text), "%s%s%s", who ? who : "", who ? ": " : "", sentence);
	pthread_mutex_lock(&l->mutex);
	last = &l->lines[(l->next - 1) % LOG_LINES];
	if (l->next > 1 && last->level == level && !strcmp(last->text, text)) {
		last->repeats++;
	} else {
		struct log_line *line = &l->lines[l->next % LOG_LINES];

		line->seq = l->next++;
		line->mono_ns = mono_ns;
		line->level = level;
		line->repeats = 0;
		memcpy(line->text, text, sizeof(text));
	}
	pthread_mutex_unlock(&l->mutex);
}

size_t log_read(struct log *l, uint64_t seq, struct log_line *lines, size_t cap)
{
	size_t n = 0;
	uint64_t first;

	pthread_mutex_lock(&l->mutex);
	first = l->next > LOG_LINES ? l->next - LOG_LINES : 1;
	for (uint64_t i = seq + 1 > first ? seq + 1 : first; i < l->next && n < cap; i++)
		lines[n++] = l->lines[i % LOG_LINES];
	pthread_mutex_unlock(&l->mutex);
	return n;
}
