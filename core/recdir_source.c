/* Reading a directory of recordings. What is known of a file (its segments, its damage) stays; the file itself is opened
 * again when it is read. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "recdir.h"
#include "recfile.h"
#include "segment.h"

enum { OPEN_MAX_FILES = 4 };

struct recdir_file {
	char name[256];
	ino_t ino;
	bool seen;      /* in the scan at work */
	struct source *source; /* NULL: not open */
	uint64_t stamp;
	struct segment_info *infos; /* as in the file */
	size_t n;
	bool placed;    /* `base` stands */
	uint64_t base;  /* added to the numbers of its segments */
	uint64_t writer;
	char boot_id[40];
	struct source_state state;
	char **damages; /* of a file that is not open any more */
	size_t ndamages;
};

struct recdir {
	struct source source;
	int fd;
	struct timespec changed; /* of the directory, when it was last looked through */
	struct recdir_file **files; /* in order of time */
	size_t nfiles;
	struct segment_info *infos; /* of all files, numbered through */
	struct recdir_file **file_of;
	size_t n, cap;
	uint64_t next_seq, stamp;
	size_t earlier, unreadable; /* files that are not shown */
	struct culprit_error notice, said;
};

static struct recdir *recdir_of(struct source *source)
{
	return (struct recdir *)source;
}

static void damages_free(struct recdir_file *f)
{
	for (size_t i = 0; i < f->ndamages; i++)
		free(f->damages[i]);
	free(f->damages);
	f->damages = NULL;
	f->ndamages = 0;
}

static void file_close(struct recdir_file *f)
{
	const char *sentence;

	if (!f->source)
		return;
	damages_free(f);
	while ((sentence = f->source->ops->damage_at(f->source, f->ndamages))) {
		char **grown = realloc(f->damages, (f->ndamages + 1) * sizeof(*grown)), *copy = grown ? strdup(sentence) : NULL;

		f->damages = grown ? grown : f->damages;
		if (!copy)
			break;
		f->damages[f->ndamages++] = copy;
	}
	source_destroy(f->source);
	f->source = NULL;
}

static void file_destroy(struct recdir_file *f)
{
	file_close(f);
	damages_free(f);
	free(f->infos);
	free(f);
}

/* Takes what the open file has now. 1: something new. */
static int file_look(struct recdir_file *f, struct culprit_error *error)
{
	int n = f->source->ops->refresh(f->source, error);
	bool changed = n != (int)f->n;

	if (n < 0)
		return n;
	if (changed) {
		struct segment_info *grown = realloc(f->infos, ((size_t)n + 1) * sizeof(*grown));

		if (!grown)
			return error_set(error, -ENOMEM, "out of memory");
		f->infos = grown;
		f->n = (size_t)n;
	}
	for (size_t i = 0; i < f->n; i++) {
		const struct segment_info *info = f->source->ops->segment(f->source, i);

		changed |= memcmp(&f->infos[i], info, sizeof(*info)) != 0;
		f->infos[i] = *info;
	}
	f->source->ops->state(f->source, &f->state);
	f->writer = recfile_source_writer(f->source);
	return changed;
}

/* Which boot it is of, by its first segment. */
static void file_boot(struct recdir_file *f)
{
	struct segment *segment = segment_create();

	if (segment && f->n && f->source) {
		segment_update(segment, f->source, f->infos[0].seq, NULL);
		snprintf(f->boot_id, sizeof(f->boot_id), "%s", segment->host.boot_id);
	}
	segment_unlock(segment);
}

static int file_open(struct recdir *self, struct recdir_file *f, struct culprit_error *error)
{
	struct recdir_file *oldest = NULL;
	size_t open_files = 0;
	char name[256 + 256];
	uint8_t magic[16];
	struct stat st;
	int fd;

	f->stamp = ++self->stamp;
	if (f->source)
		return 0;
	for (size_t i = 0; i < self->nfiles; i++) {
		struct recdir_file *other = self->files[i];

		open_files += !!other->source;
		if (other->source && (!oldest || other->stamp < oldest->stamp))
			oldest = other;
	}
	if (open_files >= OPEN_MAX_FILES)
		file_close(oldest);
	snprintf(name, sizeof(name), "%s/%s", self->source.name, f->name);
	fd = openat(self->fd, f->name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW);
	if (fd < 0)
		return error_set(error, -errno, "cannot open %.300s: %s", name, strerror(errno));
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    (st.st_size && (pread(fd, magic, sizeof(magic), 0) != sizeof(magic) || memcmp(magic + 8, "CULPREC1", 8)))) {
		close(fd);
		return error_set(error, -EINVAL, "%.300s is no recording", name);
	}
	f->ino = st.st_ino;
	f->source = recfile_source_fd(fd, name, error);
	return f->source ? 0 : -EBADMSG;
}

static bool has_suffix(const char *name)
{
	size_t n = strlen(name);

	return n > strlen(RECDIR_SUFFIX) && !strcmp(name + n - strlen(RECDIR_SUFFIX), RECDIR_SUFFIX);
}

static struct recdir_file *find_name(struct recdir *self, const char *name)
{
	for (size_t i = 0; i < self->nfiles; i++)
		if (!strcmp(self->files[i]->name, name))
			return self->files[i];
	return NULL;
}

/* Those with frames by the time of the first one, then those without as yet; by name where that is the same. */
static int by_time(const void *a, const void *b)
{
	const struct recdir_file *x = *(struct recdir_file *const *)a, *y = *(struct recdir_file *const *)b;

	if (!x->n != !y->n)
		return x->n ? -1 : 1;
	if (x->n && x->infos[0].wall_ns != y->infos[0].wall_ns)
		return x->infos[0].wall_ns < y->infos[0].wall_ns ? -1 : 1;
	return strcmp(x->name, y->name);
}

static int add_file(struct recdir *self, const char *name, struct culprit_error *error)
{
	struct recdir_file **grown = realloc(self->files, (self->nfiles + 1) * sizeof(*grown)), *f;
	int err;

	if (!grown)
		return error_set(error, -ENOMEM, "out of memory");
	self->files = grown;
	f = calloc(1, sizeof(*f));
	if (!f)
		return error_set(error, -ENOMEM, "out of memory");
	snprintf(f->name, sizeof(f->name), "%s", name);
	f->seen = true;
	err = file_open(self, f, &self->said);
	if (!err)
		err = file_look(f, &self->said);
	if (err < 0) {
		self->unreadable += has_suffix(name);
		file_destroy(f);
		return err == -ENOMEM ? error_set(error, err, "out of memory") : 0;
	}
	self->files[self->nfiles++] = f;
	return 0;
}

static int scan(struct recdir *self, struct culprit_error *error)
{
	int fd = openat(self->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), err = 0;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	size_t kept = 0;

	if (!dir) {
		err = error_set(error, -errno, "cannot read %s: %s", self->source.name, strerror(errno));
		if (fd >= 0)
			close(fd);
		return err;
	}
	self->unreadable = 0;
	for (size_t i = 0; i < self->nfiles; i++)
		self->files[i]->seen = false;
	while (!err && (entry = readdir(dir))) {
		struct recdir_file *known;

		if (entry->d_name[0] == '.' || (entry->d_type != DT_REG && entry->d_type != DT_UNKNOWN))
			continue;
		known = find_name(self, entry->d_name);
		if (known)
			known->seen = true;
		else if (self->nfiles < RECDIR_FILES_MAX)
			err = add_file(self, entry->d_name, error);
	}
	closedir(dir);
	for (size_t i = 0; i < self->nfiles; i++) {
		if (self->files[i]->seen || err)
			self->files[kept++] = self->files[i];
		else
			file_destroy(self->files[i]);
	}
	self->nfiles = kept;
	qsort(self->files, self->nfiles, sizeof(*self->files), by_time);
	return err;
}

/* Does this file go on where that one ends? */
static bool follows(struct recdir *self, struct recdir_file *before, struct recdir_file *f)
{
	if (f->infos[0].from_ns < before->infos[before->n - 1].to_ns)
		return false;
	if (f->writer == before->writer) {
		memcpy(f->boot_id, before->boot_id, sizeof(f->boot_id));
		return true;
	}
	if (!before->boot_id[0] && !file_open(self, before, NULL))
		file_boot(before);
	if (!f->boot_id[0] && !file_open(self, f, NULL))
		file_boot(f);
	return !strcmp(before->boot_id, f->boot_id);
}

/* Numbers all segments through. */
static int put_together(struct recdir *self, struct culprit_error *error)
{
	size_t first = 0, want = 0, last = SIZE_MAX;

	for (size_t i = 0; i < self->nfiles; i++) {
		if (!self->files[i]->n)
			continue;
		if (last != SIZE_MAX && !follows(self, self->files[last], self->files[i])) {
			first = i;
			want = 0;
		}
		last = i;
		want += self->files[i]->n;
	}
	self->earlier = 0;
	for (size_t i = 0; i < first; i++)
		self->earlier += self->files[i]->n > 0;
	if (want > self->cap) {
		struct segment_info *infos = realloc(self->infos, want * 2 * sizeof(*infos));
		struct recdir_file **file_of;

		self->infos = infos ? infos : self->infos;
		file_of = realloc(self->file_of, want * 2 * sizeof(*file_of));
		self->file_of = file_of ? file_of : self->file_of;
		if (!infos || !file_of)
			return error_set(error, -ENOMEM, "out of memory");
		self->cap = want * 2;
	}
	self->n = 0;
	for (size_t i = first; i < self->nfiles; i++) {
		struct recdir_file *f = self->files[i];

		if (f->n && !f->placed) {
			f->base = self->next_seq - f->infos[0].seq;
			f->placed = true;
		}
		for (size_t k = 0; k < f->n; k++) {
			struct segment_info info = f->infos[k];

			info.seq += f->base;
			/* A file that came too late for its time, or went back: only what is in order can be shown. */
			if (self->n && info.seq <= self->infos[self->n - 1].seq)
				break;
			self->infos[self->n] = info;
			self->file_of[self->n++] = f;
			self->next_seq = info.seq >= self->next_seq ? info.seq + 1 : self->next_seq;
		}
	}
	return 0;
}

static int recdir_refresh(struct source *source, struct culprit_error *error)
{
	struct recdir *self = recdir_of(source);
	bool changed = false;
	struct stat st;
	int err = 0;

	if (fstat(self->fd, &st) < 0)
		return error_set(error, -errno, "cannot read %s: %s", source->name, strerror(errno));
	if (memcmp(&st.st_mtim, &self->changed, sizeof(self->changed))) {
		self->changed = st.st_mtim;
		err = scan(self, error);
		changed = true;
	}
	/* Files end one after the other: what grows is among the last. */
	for (size_t i = self->nfiles; !err && i-- > 0;) {
		struct recdir_file *f = self->files[i];

		if (f->n && f->state.finished && f->state.indexed && i + 1 < self->nfiles)
			break;
		err = file_open(self, f, error);
		err = err ? err : file_look(f, error);
		changed |= err > 0;
		err = err == -ENOENT || err > 0 ? 0 : err; /* dropped meanwhile: the next scan sees it */
		if (f->n && i + 2 < self->nfiles)
			break;
	}
	if (!err && changed)
		err = put_together(self, error);
	return err ? err : (int)self->n;
}

static const struct segment_info *recdir_segment(struct source *source, size_t i)
{
	struct recdir *self = recdir_of(source);

	return i < self->n ? &self->infos[i] : NULL;
}

/* The file that has this segment, open; its number there. */
static int find(struct source *source, uint64_t seq, struct recdir_file **ret, uint64_t *ret_own, struct culprit_error *error)
{
	struct recdir *self = recdir_of(source);
	size_t low = 0, high = self->n;
	int err;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (self->infos[middle].seq < seq)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == self->n || self->infos[low].seq != seq)
		return error_set(error, -ESTALE, "%.150s: segment %llu is not there any more", source->name,
				 (unsigned long long)seq);
	*ret = self->file_of[low];
	*ret_own = seq - (*ret)->base;
	err = file_open(self, *ret, error);
	return err == -ENOENT ? -ESTALE : err;
}

static int recdir_read(struct source *source, uint64_t seq, uint64_t offset, struct wbuf *out, struct culprit_error *error)
{
	struct recdir_file *f;
	uint64_t own;
	int err = find(source, seq, &f, &own, error);

	return err ? err : f->source->ops->read(f->source, own, offset, out, error);
}

static int recdir_summary(struct source *source, uint64_t seq, struct wbuf *out, struct culprit_error *error)
{
	struct recdir_file *f;
	uint64_t own;
	int err = find(source, seq, &f, &own, error);

	return err ? err : f->source->ops->summary(f->source, own, out, error);
}

static int recdir_head(struct source *source, uint64_t seq, struct wbuf *out, struct culprit_error *error)
{
	struct recdir_file *f;
	uint64_t own;
	int err = find(source, seq, &f, &own, error);

	return err ? err : f->source->ops->head(f->source, own, out, error);
}

static const char *recdir_damage_at(struct source *source, size_t i)
{
	struct recdir *self = recdir_of(source);

	for (size_t k = 0; k < self->nfiles; k++) {
		struct recdir_file *f = self->files[k];
		size_t n = 0;

		if (!f->source) {
			if (i < f->ndamages)
				return f->damages[i];
			i -= f->ndamages;
			continue;
		}
		for (; f->source->ops->damage_at(f->source, n); n++)
			if (n == i)
				return f->source->ops->damage_at(f->source, n);
		i -= n;
	}
	return NULL;
}

static const char *recdir_damage(struct source *source)
{
	const char *first = recdir_damage_at(source, 0);

	return first ? first : "";
}

static const char *recdir_notice(struct source *source)
{
	struct recdir *self = recdir_of(source);

	self->notice.sentence[0] = '\0';
	if (!self->n && self->unreadable)
		error_set(&self->notice, 0, "%s", self->said.sentence);
	else if (!self->n)
		error_set(&self->notice, 0, "%.200s has no recordings with frames in it", source->name);
	else if (self->unreadable)
		error_set(&self->notice, 0, "%zu file%s in %.120s cannot be read: %.200s", self->unreadable,
			  self->unreadable == 1 ? "" : "s", source->name, self->said.sentence);
	else if (self->earlier)
		error_set(&self->notice, 0,
			  "%zu file%s in %.120s %s of an earlier boot, or of another recorder, and not shown; name one of them to see it",
			  self->earlier, self->earlier == 1 ? "" : "s", source->name, self->earlier == 1 ? "is" : "are");
	return self->notice.sentence;
}

static void recdir_state(struct source *source, struct source_state *state)
{
	struct recdir *self = recdir_of(source);

	*state = (struct source_state){.indexed = true, .finished = true};
	for (size_t i = 0; i < self->nfiles; i++) {
		const struct source_state *own = &self->files[i]->state;

		state->bytes += own->bytes;
		state->files++;
		if (!own->bytes)
			continue;
		state->indexed &= own->indexed;
		state->finished &= own->finished;
		state->being_written |= own->being_written;
		state->half_bytes += own->half_bytes;
		state->zero_bytes += own->zero_bytes;
		state->unread_bytes += own->unread_bytes;
	}
}

static void recdir_destroy(struct source *source)
{
	struct recdir *self = recdir_of(source);

	for (size_t i = 0; i < self->nfiles; i++)
		file_destroy(self->files[i]);
	free(self->files);
	free(self->infos);
	free(self->file_of);
	if (self->fd >= 0)
		close(self->fd);
	free(self);
}

static const struct source_ops recdir_ops = {
	.refresh = recdir_refresh,
	.segment = recdir_segment,
	.read = recdir_read,
	.destroy = recdir_destroy,
	.damage = recdir_damage,
	.notice = recdir_notice,
	.damage_at = recdir_damage_at,
	.state = recdir_state,
	.summary = recdir_summary,
	.head = recdir_head,
};

struct source *recdir_source(const char *path, struct culprit_error *error)
{
	struct recdir *self = calloc(1, sizeof(*self));

	if (!self) {
		error_set(error, -ENOMEM, "out of memory");
		return NULL;
	}
	self->source.ops = &recdir_ops;
	snprintf(self->source.name, sizeof(self->source.name), "%s", path);
	self->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (self->fd < 0) {
		error_set(error, -errno, "cannot open %s: %s", path, strerror(errno));
		recdir_destroy(&self->source);
		return NULL;
	}
	if (recdir_refresh(&self->source, error) < 0) {
		recdir_destroy(&self->source);
		return NULL;
	}
	return &self->source;
}
