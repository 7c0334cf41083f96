#include "bpf_btf.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

/* The names of types in culprit's programs, sorted: `type_names`. */
#include "type_names.h"

enum { NAMES = sizeof(type_names) / sizeof(type_names[0]), NAME_MAX_ = 128, DEPTH_MAX = 32 };

#define TRACEPOINT "tp_btf/"
#define ITERATOR "iter/"

/* What a program can attach to. */
struct hook {
	uint64_t name; /* hash of its section */
	uint32_t id;   /* of its type in the kernel */
	struct bpf_tracepoint declared;
};

static struct kernel {
	pthread_mutex_t lock;
	bool read;
	int error;
	struct hook *hooks; /* sorted by name */
	size_t nhooks, room;
	int fd;
	char path[32]; /* "": none */
} kernel = {.lock = PTHREAD_MUTEX_INITIALIZER, .fd = -1};

/* --- hooks ------------------------------------------------------------------------------------------------------- */

static uint64_t hash(const char *kind, const char *name)
{
	uint64_t h = 0xcbf29ce484222325ull;

	for (; *kind; kind++)
		h = (h ^ (unsigned char)*kind) * 0x100000001b3ull;
	for (; *name; name++)
		h = (h ^ (unsigned char)*name) * 0x100000001b3ull;
	return h;
}

static int by_name(const void *a, const void *b)
{
	const struct hook *x = a, *y = b;

	return x->name < y->name ? -1 : x->name > y->name;
}

static const struct hook *find(const char *kind, const char *name)
{
	struct hook key = {.name = hash(kind, name)};

	return kernel.nhooks ? bsearch(&key, kernel.hooks, kernel.nhooks, sizeof(key), by_name) : NULL;
}

/* Of the pointer to a function that a typedef btf_trace_X stands for. */
static struct bpf_tracepoint declared(const struct btf *btf, const struct btf_type *type)
{
	struct bpf_tracepoint t = {.arguments = -1};

	type = btf__type_by_id(btf, type->type);
	type = type && btf_is_ptr(type) ? btf__type_by_id(btf, type->type) : NULL;
	if (!type || !btf_is_func_proto(type) || btf_vlen(type) < 1)
		return t;
	t.arguments = btf_vlen(type) - 1;
	for (int i = 0; i < t.arguments && i < 32; i++) {
		int target = btf__resolve_type(btf, btf_params(type)[i + 1].type);
		const struct btf_type *argument = target < 0 ? NULL : btf__type_by_id(btf, (unsigned)target);

		if (argument && btf_is_ptr(argument))
			t.pointers |= 1u << i;
	}
	return t;
}

static int add_hook(const char *kind, const char *name, uint32_t id, struct bpf_tracepoint tracepoint)
{
	if (kernel.nhooks == kernel.room) {
		size_t room = kernel.room ? kernel.room * 2 : 512;
		struct hook *more = realloc(kernel.hooks, room * sizeof(*more));

		if (!more)
			return -ENOMEM;
		kernel.hooks = more;
		kernel.room = room;
	}
	kernel.hooks[kernel.nhooks++] = (struct hook){hash(kind, name), id, tracepoint};
	return 0;
}

static int look_for_hook(const struct btf *btf, const struct btf_type *type, const char *name, uint32_t id)
{
	static const char trace[] = "btf_trace_", iterator[] = "bpf_iter_";
	static const struct bpf_tracepoint none = {.arguments = -1};

	if (btf_is_typedef(type) && !strncmp(name, trace, sizeof(trace) - 1))
		return add_hook(TRACEPOINT, name + sizeof(trace) - 1, id, declared(btf, type));
	if (btf_is_func(type) && !strncmp(name, iterator, sizeof(iterator) - 1))
		return add_hook(ITERATOR, name + sizeof(iterator) - 1, id, none);
	return 0;
}

/* --- types ------------------------------------------------------------------------------------------------------- */

/* Copies types. What a pointer points to is left out: no access goes through one, each begins with a type that has a name.
 * Typedefs and qualifiers on the way are left out, too: nobody compares them. */
struct copier {
	const struct btf *from;
	struct btf *to;
	uint32_t *ids; /* of the copies, by the originals' */
	int pointer;
};

static int copy(struct copier *c, uint32_t id, unsigned depth);

static int copy_members(struct copier *c, const struct btf_type *type, unsigned depth)
{
	const struct btf_member *m = btf_members(type);
	const char *name = btf__name_by_offset(c->from, type->name_off);
	int id, r = 0;

	/* A type must be whole before the next is begun. */
	for (unsigned i = 0; i < btf_vlen(type); i++) {
		r = copy(c, m[i].type, depth + 1);
		if (r < 0)
			return r;
	}
	id = btf_is_struct(type) ? btf__add_struct(c->to, name, type->size) : btf__add_union(c->to, name, type->size);
	for (unsigned i = 0; id > 0 && r >= 0 && i < btf_vlen(type); i++)
		r = btf__add_field(c->to, btf__name_by_offset(c->from, m[i].name_off), copy(c, m[i].type, depth + 1),
				   btf_member_bit_offset(type, i), btf_member_bitfield_size(type, i));
	return r < 0 ? r : id;
}

static int copy_values(struct copier *c, const struct btf_type *type)
{
	const char *name = btf__name_by_offset(c->from, type->name_off);
	bool wide = btf_is_enum64(type);
	int id = wide ? btf__add_enum64(c->to, name, type->size, btf_kflag(type)) : btf__add_enum(c->to, name, type->size), r = 0;

	for (unsigned i = 0; id > 0 && r >= 0 && i < btf_vlen(type); i++)
		r = wide ? btf__add_enum64_value(c->to, btf__name_by_offset(c->from, btf_enum64(type)[i].name_off),
						 btf_enum64_value(&btf_enum64(type)[i]))
			 : btf__add_enum_value(c->to, btf__name_by_offset(c->from, btf_enum(type)[i].name_off),
					       btf_enum(type)[i].val);
	return r < 0 ? r : id;
}

static int copy_new(struct copier *c, const struct btf_type *type, unsigned depth)
{
	const char *name = btf__name_by_offset(c->from, type->name_off);
	int element, index;

	switch (btf_kind(type)) {
	case BTF_KIND_INT:
		return btf__add_int(c->to, name, type->size, btf_int_encoding(type));
	case BTF_KIND_FLOAT:
		return btf__add_float(c->to, name, type->size);
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
		return copy_members(c, type, depth);
	case BTF_KIND_ENUM:
	case BTF_KIND_ENUM64:
		return copy_values(c, type);
	case BTF_KIND_ARRAY:
		element = copy(c, btf_array(type)->type, depth + 1);
		index = copy(c, btf_array(type)->index_type, depth + 1);
		return element < 0 ? element : index < 0 ? index
			: btf__add_array(c->to, index, element, btf_array(type)->nelems);
	case BTF_KIND_CONST:
	case BTF_KIND_VOLATILE:
	case BTF_KIND_RESTRICT:
	case BTF_KIND_TYPEDEF:
	case BTF_KIND_TYPE_TAG:
		return copy(c, type->type, depth + 1);
	default:
		return c->pointer;
	}
}

/* The copy's id, made at the first call; -errno. */
static int copy(struct copier *c, uint32_t id, unsigned depth)
{
	const struct btf_type *type = btf__type_by_id(c->from, id);
	int r;

	if (!id)
		return 0;
	if (!type || depth > DEPTH_MAX)
		return -EINVAL;
	if (c->ids[id])
		return (int)c->ids[id];
	r = copy_new(c, type, depth);
	if (r > 0)
		c->ids[id] = (uint32_t)r;
	return r;
}

static int compare_names(const void *key, const void *element)
{
	return strcmp(key, *(const char *const *)element);
}

/* libbpf compares names up to "___". */
static bool is_wanted(const char *name, const uint64_t lengths[128])
{
	char essential[NAME_MAX_];
	const char *end = strstr(name, "___");
	size_t length = end ? (size_t)(end - name) : strlen(name);

	if (length >= 64 || !(lengths[name[0] & 0x7f] >> length & 1))
		return false;
	memcpy(essential, name, length);
	essential[length] = '\0';
	return bsearch(essential, type_names, NAMES, sizeof(type_names[0]), compare_names) != NULL;
}

static int copy_named(struct copier *c, const struct btf_type *type, const char *name, uint32_t id)
{
	int r = copy(c, id, 0);

	return r >= 0 && btf_is_typedef(type) ? btf__add_typedef(c->to, name, r) : r;
}

/* --- reading ----------------------------------------------------------------------------------------------------- */

static int walk(struct copier *c)
{
	uint32_t n = btf__type_cnt(c->from);
	uint64_t lengths[128] = {0}; /* of wanted names, by their first character */
	int r = 0;

	for (size_t i = 0; i < NAMES; i++)
		if (strlen(type_names[i]) < 64)
			lengths[type_names[i][0] & 0x7f] |= 1ull << strlen(type_names[i]);
	for (uint32_t id = 1; id < n && r >= 0; id++) {
		const struct btf_type *type = btf__type_by_id(c->from, id);
		const char *name = btf__name_by_offset(c->from, type->name_off);

		if (!name || !name[0])
			continue;
		r = look_for_hook(c->from, type, name, id);
		if (r >= 0 && c->to && (btf_is_composite(type) || btf_is_any_enum(type) || btf_is_typedef(type)) &&
		    is_wanted(name, lengths))
			r = copy_named(c, type, name, id);
	}
	return r < 0 ? r : 0;
}

/* The program's type and what it attaches to, at the moment at which libbpf loads it. Before that it goes for a type for which
 * libbpf does not read the kernel's BTF. */
static int prepare(struct bpf_program *program, struct bpf_prog_load_opts *opts, long kind)
{
	const char *section = bpf_program__section_name(program), *name = strchr(section, '/');
	const struct hook *hook = name ? find(kind == BPF_TRACE_ITER ? ITERATOR : TRACEPOINT, name + 1) : NULL;

	if (!hook)
		return -ESRCH;
	opts->attach_btf_id = hook->id;
	opts->expected_attach_type = (enum bpf_attach_type)kind;
	return bpf_program__set_type(program, BPF_PROG_TYPE_TRACING);
}

static int take_over(const char *section, enum bpf_attach_type kind)
{
	LIBBPF_OPTS(libbpf_prog_handler_opts, opts, .prog_prepare_load_fn = prepare, .cookie = kind);
	int r = libbpf_register_prog_handler(section, BPF_PROG_TYPE_RAW_TRACEPOINT, kind, &opts);

	return r < 0 ? r : 0;
}

static int write_file(struct btf *btf)
{
	uint32_t size = 0;
	const char *data = btf__raw_data(btf, &size);

	kernel.fd = data ? memfd_create("culprit-kernel-types", MFD_CLOEXEC) : -1;
	if (kernel.fd < 0)
		return -errno;
	while (size) {
		ssize_t n = write(kernel.fd, data, size);

		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		data += n;
		size -= (uint32_t)n;
	}
	return 0;
}

static void make_file(struct copier *c)
{
	char path[sizeof(kernel.path)];

	if (write_file(c->to))
		return;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", kernel.fd);
	if (access(path, R_OK) == 0 && take_over("tp_btf+", BPF_TRACE_RAW_TP) == 0 && take_over("iter+", BPF_TRACE_ITER) == 0)
		memcpy(kernel.path, path, sizeof(path));
}

static int read_all(void)
{
	struct btf *btf = btf__load_vmlinux_btf();
	struct copier c = {.from = btf};
	int r;

	if (!btf)
		return errno ? -errno : -ENOENT;
	c.ids = calloc(btf__type_cnt(btf), sizeof(*c.ids));
	c.to = c.ids ? btf__new_empty() : NULL;
	c.pointer = c.to ? btf__add_ptr(c.to, 0) : 0;
	r = walk(&c);
	qsort(kernel.hooks, kernel.nhooks, sizeof(*kernel.hooks), by_name);
	if (!r && c.to)
		make_file(&c);
	btf__free(c.to);
	free(c.ids);
	btf__free(btf);
	return kernel.nhooks ? 0 : r ? r : -ENOENT;
}

static int read_once(void)
{
	int r;

	pthread_mutex_lock(&kernel.lock);
	if (!kernel.read) {
		kernel.error = read_all();
		kernel.read = true;
		if (!kernel.path[0] && kernel.fd >= 0) {
			close(kernel.fd);
			kernel.fd = -1;
		}
	}
	r = kernel.error;
	pthread_mutex_unlock(&kernel.lock);
	return r;
}

int bpf_tracepoints(const char *const *names, unsigned n, struct bpf_tracepoint *ret)
{
	int r = read_once();

	for (unsigned i = 0; !r && i < n; i++) {
		const struct hook *hook = find(TRACEPOINT, names[i]);

		ret[i] = hook ? hook->declared : (struct bpf_tracepoint){.arguments = -1};
	}
	return r;
}

const char *bpf_btf_path(void)
{
	return !read_once() && kernel.path[0] ? kernel.path : NULL;
}

bool bpf_btf_has(const char *section)
{
	const char *kind = !strncmp(section, TRACEPOINT, strlen(TRACEPOINT)) ? TRACEPOINT
			 : !strncmp(section, ITERATOR, strlen(ITERATOR)) ? ITERATOR : NULL;

	return !kind || read_once() || find(kind, section + strlen(kind));
}
