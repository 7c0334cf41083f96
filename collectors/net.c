/* Table `net`: what network devices of culprit's own network namespace did, from /proc/net/dev and /sys/class/net. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "builtin.h"
#include "columns.h"
#include "devices.h"
#include "procfs.h"

enum {
	NAME, GENERATION, RX_BYTES, RX_PACKETS, RX_ERRORS, RX_DROPS, RX_FIFO, RX_FRAME, RX_COMPRESSED, RX_MULTICAST,
	TX_BYTES, TX_PACKETS, TX_ERRORS, TX_DROPS, TX_FIFO, TX_COLLISIONS, TX_CARRIER, LINE_BYTES, STATE, SPEED, MTU,
	DUPLEX, VIRTUAL, CARRIER_CHANGES, NCOLUMNS,
	SLOW = 1, /* group of what is read rarely */
};

#define DEV(what) "/proc/net/dev " what
#define SYS(file) "/sys/class/net/NAME/" file
#define COUNT(name, field, help) COUNTER(name, CULPRIT_COUNT, help, DEV(field))

static const struct culprit_column columns[] = {
	[NAME] = KEY_TEXT("name", "Name of the device", DEV("before the colon")),
	[GENERATION] = KEY_GENERATION("device"),
	[RX_BYTES] = COUNTER("rx_bytes", CULPRIT_BYTES, "Received", DEV("receive bytes")),
	[RX_PACKETS] = COUNT("rx_packets", "receive packets", "Packets received"),
	[RX_ERRORS] = COUNT("rx_errors", "receive errs", "Packets received damaged"),
	[RX_DROPS] = COUNT("rx_drops", "receive drop", "Packets received and dropped for want of room, or unwanted"),
	[RX_FIFO] = COUNT("rx_fifo", "receive fifo", "Packets lost because the card's buffer was full"),
	[RX_FRAME] = COUNT("rx_frame", "receive frame", "Packets received with a wrong frame"),
	[RX_COMPRESSED] = COUNT("rx_compressed", "receive compressed", "Compressed packets received"),
	[RX_MULTICAST] = COUNT("rx_multicast", "receive multicast", "Multicast packets received"),
	[TX_BYTES] = COUNTER("tx_bytes", CULPRIT_BYTES, "Sent", DEV("transmit bytes")),
	[TX_PACKETS] = COUNT("tx_packets", "transmit packets", "Packets sent"),
	[TX_ERRORS] = COUNT("tx_errors", "transmit errs", "Packets that could not be sent"),
	[TX_DROPS] = COUNT("tx_drops", "transmit drop", "Packets dropped before they were sent"),
	[TX_FIFO] = COUNT("tx_fifo", "transmit fifo", "Packets lost because the card's buffer ran empty"),
	[TX_COLLISIONS] = COUNT("tx_collisions", "transmit colls", "Collisions on the line"),
	[TX_CARRIER] = COUNT("tx_carrier", "transmit carrier", "Packets lost because the line was down"),
	[LINE_BYTES] = COUNTER("line_bytes", CULPRIT_BYTES,
			       "What the line could have carried in one direction since culprit knows its speed",
			       "speed * time, made by culprit"),
	[STATE] = TEXT_IN(SLOW, "state", "up, down, unknown (most virtual devices), dormant ...", SYS("operstate")),
	[SPEED] = ATTRIBUTE_IN(SLOW, "speed", CULPRIT_BYTES_PER_S, "Speed of the line in one direction",
			       SYS("speed (Mbit/s)")),
	[MTU] = ATTRIBUTE_IN(SLOW, "mtu", CULPRIT_BYTES, "Largest packet", SYS("mtu")),
	[DUPLEX] = TEXT_IN(SLOW, "duplex", "full or half", SYS("duplex")),
	[VIRTUAL] = FLAG_IN(SLOW, "virtual",
			    "Is it made by software (bridge, veth, bond, lo)? Its traffic may be counted again elsewhere",
			    SYS("device: not there")),
	[CARRIER_CHANGES] = COUNTER_IN(SLOW, "carrier_changes", CULPRIT_COUNT, "How often the link went up or down",
				       SYS("carrier_changes")),
};

#define PER_S(name, a, help) RATE(name, a, CULPRIT_COUNT_PER_S, help)

static const struct culprit_derived derived[] = {
	RATE("rx_rate", "rx_bytes", CULPRIT_BYTES_PER_S, "Bytes received a second"),
	RATE("tx_rate", "tx_bytes", CULPRIT_BYTES_PER_S, "Bytes sent a second"),
	PER_S("rx_packet_rate", "rx_packets", "Packets received a second"),
	PER_S("tx_packet_rate", "tx_packets", "Packets sent a second"),
	PER_S("error_rate", "rx_errors+tx_errors", "Damaged packets and failures to send, a second"),
	PER_S("drop_rate", "rx_drops+tx_drops", "Packets dropped a second"),
	RATIO("rx_use_pct", "rx_bytes", "line_bytes", CULPRIT_PERCENT, 100, "Receiving, percent of the line's speed"),
	RATIO("tx_use_pct", "tx_bytes", "line_bytes", CULPRIT_PERCENT, 100, "Sending, percent of the line's speed"),
	RATIO("use_pct", "rx_bytes+tx_bytes", "line_bytes", CULPRIT_PERCENT, 50,
	      "Both directions, percent of what the line carries in both"),
	RATIO("rx_drop_pct", "rx_drops", "rx_packets", CULPRIT_PERCENT, 100, "Packets dropped, percent of those received"),
};

static const struct culprit_table net_table = {
	.size = sizeof(net_table),
	.name = "net",
	.kind = CULPRIT_STATE,
	.help = "What network devices do; those of culprit's own network namespace",
	.key = "netdev",
	CULPRIT_COLUMNS(columns),
	CULPRIT_DERIVED(derived),
	.sort = "rx_rate",
	.show = "name state rx_rate tx_rate use_pct rx_packet_rate tx_packet_rate error_rate drop_rate speed",
};

/* What is kept with a device: its line's speed in bytes a second (0: not known), what the line could have carried, and
 * until when that was counted. */
enum { OWN_SPEED, OWN_CARRIED, OWN_SINCE };

struct net {
	const struct culprit_host *host;
	struct procfs_file file;
	struct procfs_buffer text;
	struct devices devices;
};

static int net_probe(const struct culprit_host *host, struct culprit_error *error)
{
	return procfs_probe(host->proc_fd, "net/dev", "/proc/net/dev", error);
}

static int net_open(const struct culprit_host *host, void **ret_self, struct culprit_error *error)
{
	struct net *n = calloc(1, sizeof(*n));

	(void)error;
	if (!n)
		return -ENOMEM;
	n->host = host;
	procfs_file_init(&n->file, host->proc_fd, "net/dev");
	devices_init(&n->devices);
	*ret_self = n;
	return 0;
}

static void put_attributes(const struct net *n, struct device *device, struct culprit_frame *f)
{
	char folder[DEVICE_NAME_MAX + 1], path[DEVICE_NAME_MAX + 48], text[64];
	int sys = n->host->sys_fd;
	uint64_t v;
	size_t len;

	if (!device_folder(device, folder))
		return;
#define AT(file) (snprintf(path, sizeof(path), "class/net/%s/" file, folder), path)
	device->own[OWN_SPEED] = 0;
	len = procfs_read_line(sys, AT("operstate"), text, sizeof(text));
	if (!len)
		return;
	culprit_put_text(f, STATE, text, len);
	culprit_put_bool(f, VIRTUAL, !procfs_has_entries(sys, AT("device")));
	if (procfs_read_u64(sys, AT("mtu"), &v))
		culprit_put_u64(f, MTU, v);
	if (procfs_read_u64(sys, AT("carrier_changes"), &v))
		culprit_put_u64(f, CARRIER_CHANGES, v);
	/* -1, or EINVAL, where there is no speed or the line is down. */
	if (len == 2 && memcmp(text, "up", 2) == 0 && procfs_read_u64(sys, AT("speed"), &v) && v && v < 100000000) {
		culprit_put_u64(f, SPEED, v * 125000);
		device->own[OWN_SPEED] = v * 125000;
		len = procfs_read_line(sys, AT("duplex"), text, sizeof(text));
		if (len)
			culprit_put_text(f, DUPLEX, text, len);
	}
#undef AT
}

/* "  eth0: 51251073 1121 0 ..."; the colon may touch the first number, and a name may hold one (eth0:1). */
static void put_device(struct net *n, struct culprit_frame *f, struct procfs_text line, uint64_t now_ns)
{
	const char *colon = memrchr(line.p, ':', procfs_left(&line));
	struct procfs_text name, word;
	struct device *device;
	uint64_t v, *own;

	if (!colon)
		return;
	name = (struct procfs_text){line.p, colon};
	while (name.p < name.end && *name.p == ' ')
		name.p++;
	line.p = colon + 1;
	device = devices_see(&n->devices, name.p, procfs_left(&name), 0);
	if (!device) {
		devices_unclean(&n->devices);
		return;
	}
	culprit_row(f);
	if (device_born(&n->devices, device))
		culprit_born(f);
	culprit_put_string(f, NAME, device->name);
	culprit_put_u64(f, GENERATION, device->generation);
	for (uint32_t column = RX_BYTES; column <= TX_CARRIER && procfs_word(&line, &word); column++)
		if (procfs_u64(&word, &v))
			culprit_put_u64(f, column, v);
	own = device->own;
	if (own[OWN_SPEED] && now_ns > own[OWN_SINCE])
		own[OWN_CARRIED] += (uint64_t)((double)own[OWN_SPEED] * (double)(now_ns - own[OWN_SINCE]) * 1e-9);
	own[OWN_SINCE] = now_ns;
	if (device_slow(&n->devices, device, n->host->flags & CULPRIT_HOST_WHOLE))
		put_attributes(n, device, f);
	if (own[OWN_SPEED] || own[OWN_CARRIED])
		culprit_put_u64(f, LINE_BYTES, own[OWN_CARRIED]);
	culprit_end(f);
}

static int net_sample(void *self, struct culprit_frame *f)
{
	struct net *n = self;
	struct procfs_text text, line;
	int err = procfs_buffer_read(&n->text, &n->file);
	uint64_t now_ns = n->host->now_ns(n->host, CULPRIT_MONOTONIC);

	culprit_table_at(f, 0, now_ns);
	if (err) {
		procfs_failed(f, 0, "/proc/net/dev", err);
		return 0;
	}
	devices_begin(&n->devices);
	text = procfs_buffer_text(&n->text);
	while (procfs_line(&text, &line))
		put_device(n, f, line, now_ns);
	return 0;
}

static void net_close(void *self)
{
	struct net *n = self;

	procfs_file_finish(&n->file);
	procfs_buffer_finish(&n->text);
	devices_finish(&n->devices);
	free(n);
}

static const struct culprit_table *const tables[] = {&net_table};

const struct culprit_collector net_collector = {
	.size = sizeof(net_collector),
	.abi = CULPRIT_ABI_VERSION,
	.name = "net",
	.help = "What network devices do",
	.tables = tables,
	.ntables = 1,
	.probe = net_probe,
	.open = net_open,
	.sample = net_sample,
	.close = net_close,
};
