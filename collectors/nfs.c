/* Table `nfs`: what mounted NFS servers take to answer, out of /proc/self/mountstats. The file is made of what the kernel
 * counted; reading it asks no server. Where the kernel has no NFS nothing is read. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "builtin.h"
#include "columns.h"
#include "procfs.h"

enum {
	MOUNT, SERVER, OPS, RETRANS, TIMEOUTS, READS, READ_TIME, WRITES, WRITE_TIME, READ_BYTES, WRITE_BYTES, QUEUE_TIME, RTT,
	TIME, NCOLUMNS,
	MOUNTS_MAX = 512,
};

#define FILE_ "/proc/self/mountstats "
#define MS 1000000u

static const struct culprit_column columns[] = {
	[MOUNT] = KEY_TEXT("mount", "Where it is mounted", FILE_ "mounted on"),
	[SERVER] = TEXT("server", "What is mounted there: server and folder", FILE_ "device"),
	[OPS] = COUNTER("ops", CULPRIT_COUNT, "Operations that were answered", FILE_ "per-op statistics, 1st"),
	[RETRANS] = COUNTER("retrans", CULPRIT_COUNT, "Requests that had to be sent again", FILE_ "2nd less 1st"),
	[TIMEOUTS] = COUNTER("timeouts", CULPRIT_COUNT, "Times no answer came in time (major timeouts)", FILE_ "3rd"),
	[READS] = COUNTER("reads", CULPRIT_COUNT, "READ operations", FILE_ "READ, 1st"),
	[READ_TIME] = COUNTER("read_time", CULPRIT_NS, "Time from asking to the answer, of READ, added up", FILE_ "READ, 8th"),
	[WRITES] = COUNTER("writes", CULPRIT_COUNT, "WRITE operations", FILE_ "WRITE, 1st"),
	[WRITE_TIME] = COUNTER("write_time", CULPRIT_NS, "The same of WRITE", FILE_ "WRITE, 8th"),
	[READ_BYTES] = COUNTER("read_bytes", CULPRIT_BYTES, "Bytes read from the server", FILE_ "bytes, 5th"),
	[WRITE_BYTES] = COUNTER("write_bytes", CULPRIT_BYTES, "Bytes written to the server", FILE_ "bytes, 6th"),
	[QUEUE_TIME] = COUNTER("queue_time", CULPRIT_NS, "Time requests waited here before they were sent, added up", FILE_ "6th"),
	[RTT] = COUNTER("rtt", CULPRIT_NS, "Time from sending to the answer, added up", FILE_ "7th"),
	[TIME] = COUNTER("time", CULPRIT_NS, "Time from asking to the answer, waiting here included, added up", FILE_ "8th"),
};

static const struct culprit_derived derived[] = {
	RATE("op_rate", "ops", CULPRIT_COUNT_PER_S, "Operations a second"),
	RATIO("await", "time", "ops", CULPRIT_NS, 1, "Mean time of an operation, from asking to the answer"),
	RATIO("server_time", "rtt", "ops", CULPRIT_NS, 1, "Mean time that network and server take"),
	RATIO("read_await", "read_time", "reads", CULPRIT_NS, 1, "Mean time of a READ"),
	RATIO("write_await", "write_time", "writes", CULPRIT_NS, 1, "Mean time of a WRITE"),
	RATIO("retrans_pct", "retrans", "ops", CULPRIT_PERCENT, 100, "Requests sent again, percent of operations"),
	RATE("timeout_rate", "timeouts", CULPRIT_COUNT_PER_S, "Major timeouts a second"),
	RATE("read_rate", "read_bytes", CULPRIT_BYTES_PER_S, "Bytes read from the server a second"),
	RATE("write_rate", "write_bytes", CULPRIT_BYTES_PER_S, "Bytes written to the server a second"),
};

static const struct culprit_table nfs_table = {
	.size = sizeof(nfs_table),
	.name = "nfs",
	.kind = CULPRIT_STATE,
	.help = "Mounted NFS servers: how much is asked of them and how long they take",
	.key = "mount",
	CULPRIT_COLUMNS(columns),
	CULPRIT_DERIVED(derived),
	.sort = "op_rate",
	.show = "mount server op_rate await server_time read_await write_await read_rate write_rate retrans_pct",
};

struct nfs {
	const struct culprit_host *host;
	struct procfs_file file;
	struct procfs_buffer text;
};

static int nfs_probe(const struct culprit_host *host, struct culprit_error *error)
{
	return procfs_probe(host->proc_fd, "self/mountstats", "/proc/self/mountstats", error);
}

static int nfs_open(const struct culprit_host *host, void **ret_self, struct culprit_error *error)
{
	struct nfs *s = calloc(1, sizeof(*s));

	(void)error;
	if (!s)
		return -ENOMEM;
	s->host = host;
	procfs_file_init(&s->file, host->proc_fd, "self/mountstats");
	procfs_buffer_init(&s->text);
	*ret_self = s;
	return 0;
}

struct mount {
	struct procfs_text server, point;
	struct procfs_values v;
	bool is_nfs, ops; /* ops: the lines of operations have begun */
};

/* "device filer:/home mounted on /home with fstype nfs4 statvers=1.1" */
static void begin(struct mount *m, struct procfs_text line)
{
	struct procfs_text word, type;

	memset(m, 0, sizeof(*m));
	procfs_values_clear(&m->v);
	if (!procfs_word(&line, &m->server) || !procfs_skip(&line, 2) || !procfs_word(&line, &m->point) || !procfs_skip(&line, 2) ||
	    !procfs_word(&line, &type))
		return;
	m->is_nfs = (procfs_is(&type, "nfs") || procfs_is(&type, "nfs4")) && procfs_word(&line, &word);
}

/* "READ: ops transmissions timeouts sent received queue rtt time [errors]", times in ms */
static void operation(struct mount *m, const struct procfs_text *name, struct procfs_text line)
{
	uint64_t n[8];

	for (int i = 0; i < 8; i++) {
		if (!procfs_u64(&line, &n[i]))
			return;
	}
	procfs_add(&m->v, OPS, n[0], 1);
	procfs_add(&m->v, RETRANS, n[1] > n[0] ? n[1] - n[0] : 0, 1);
	procfs_add(&m->v, TIMEOUTS, n[2], 1);
	procfs_add(&m->v, QUEUE_TIME, n[5], MS);
	procfs_add(&m->v, RTT, n[6], MS);
	procfs_add(&m->v, TIME, n[7], MS);
	if (procfs_is(name, "READ:")) {
		procfs_add(&m->v, READS, n[0], 1);
		procfs_add(&m->v, READ_TIME, n[7], MS);
	} else if (procfs_is(name, "WRITE:")) {
		procfs_add(&m->v, WRITES, n[0], 1);
		procfs_add(&m->v, WRITE_TIME, n[7], MS);
	}
}

static void detail(struct mount *m, struct procfs_text line)
{
	struct procfs_text name;
	uint64_t in, out;

	if (!m->is_nfs || !procfs_word(&line, &name))
		return;
	if (procfs_is(&name, "bytes:")) {
		if (procfs_skip(&line, 4) && procfs_u64(&line, &in) && procfs_u64(&line, &out)) {
			procfs_add(&m->v, READ_BYTES, in, 1);
			procfs_add(&m->v, WRITE_BYTES, out, 1);
		}
	} else if (procfs_is(&name, "per-op")) {
		m->ops = true;
	} else if (m->ops && procfs_left(&name) > 1 && name.end[-1] == ':') {
		operation(m, &name, line);
	}
}

static void put(const struct mount *m, struct culprit_frame *f)
{
	char text[4096];

	if (!m->is_nfs)
		return;
	culprit_row(f);
	culprit_put_text(f, MOUNT, text, procfs_unescape(&m->point, text, sizeof(text)));
	culprit_put_text(f, SERVER, text, procfs_unescape(&m->server, text, sizeof(text)));
	procfs_put(f, &m->v);
	culprit_end(f);
}

static int nfs_sample(void *self, struct culprit_frame *f)
{
	struct nfs *s = self;
	struct procfs_text text, line, word;
	struct mount m = {.is_nfs = false};
	unsigned mounts = 0;
	int err;

	culprit_table(f, 0);
	if (faccessat(s->host->proc_fd, "fs/nfsfs/volumes", F_OK, 0) < 0)
		return 0;
	err = procfs_buffer_read(&s->text, &s->file);
	if (err) {
		procfs_failed(f, 0, "/proc/self/mountstats", err);
		return 0;
	}
	text = procfs_buffer_text(&s->text);
	while (procfs_line(&text, &line)) {
		struct procfs_text rest = line;

		if (!procfs_starts(&line, "device ")) {
			detail(&m, line);
			continue;
		}
		put(&m, f);
		mounts += m.is_nfs;
		procfs_word(&rest, &word);
		begin(&m, rest);
		if (mounts >= MOUNTS_MAX)
			m.is_nfs = false;
	}
	put(&m, f);
	return 0;
}

static void nfs_close(void *self)
{
	struct nfs *s = self;

	procfs_file_finish(&s->file);
	procfs_buffer_finish(&s->text);
	free(s);
}

static const struct culprit_table *const tables[] = {&nfs_table};

const struct culprit_collector nfs_collector = {
	.size = sizeof(nfs_collector),
	.abi = CULPRIT_ABI_VERSION,
	.name = "nfs",
	.help = "How long mounted NFS servers take to answer",
	.tables = tables,
	.ntables = 1,
	.probe = nfs_probe,
	.open = nfs_open,
	.sample = nfs_sample,
	.close = nfs_close,
};
