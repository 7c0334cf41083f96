#include "sampler_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "error.h"

void sampler_say(struct sampler *s, uint32_t level, const char *who, const char *sentence)
{
	if (s->options.log)
		log_say(s->options.log, s->clock->now_ns(s->clock, CULPRIT_MONOTONIC), level, who, sentence);
}

static const char not_chosen[] = "not collected: switched off by --collect or --without";

static uint64_t host_now(const struct culprit_host *host, uint32_t which)
{
	const struct clock *clock = ((const struct entry *)host->core)->sampler->clock;

	return clock->now_ns(clock, which);
}

static void host_log(const struct culprit_host *host, uint32_t level, const char *sentence)
{
	const struct entry *e = host->core;

	sampler_say(e->sampler, level, e->name, sentence);
}

static void plugin_log(void *context, uint32_t level, const char *plugin, const char *sentence)
{
	sampler_say(context, level, plugin, sentence);
}

/* Is the word in "a,b,c"? */
static bool list_has(const char *list, const char *word)
{
	size_t n = strlen(word);

	while (list && *list) {
		size_t len = strcspn(list, ",");

		if (len == n && !memcmp(list, word, n))
			return true;
		list += len;
		list += *list == ',';
	}
	return false;
}

static bool is_chosen(const struct sampler *s, const char *name)
{
	if (s->choice.ever)
		return list_has(s->choice.whole, name) || list_has(s->choice.narrow, name);
	return (!s->collect || list_has(s->collect, name)) && !list_has(s->without, name);
}

/* Every word of --collect and --without must be a collector's name. Plug-ins may still come, so with them an unknown word
 * is let pass. */
static int check_list(struct sampler *s, const char *list, struct culprit_error *error)
{
	char word[64], known[160] = "";

	for (size_t i = 0; i < s->nentries; i++) {
		size_t n = strlen(known);

		if (n + strlen(s->entries[i]->name) + 2 < sizeof(known))
			snprintf(known + n, sizeof(known) - n, "%s%s", n ? " " : "", s->entries[i]->name);
	}
	while (list && *list) {
		size_t len = strcspn(list, ",");
		bool found = !len || s->nplugins;

		snprintf(word, sizeof(word), "%.*s", (int)(len < 60 ? len : 60), list);
		for (size_t i = 0; i < s->nentries; i++)
			found = found || !strcmp(s->entries[i]->name, word);
		if (!found)
			return error_set(error, -EINVAL, "there is no collector %s; there are %s", word, known);
		list += len;
		list += *list == ',';
	}
	return 0;
}

static struct entry *entry_add(struct sampler *s, const char *name, const char *help)
{
	struct entry *e;

	if (s->nentries == SAMPLER_ENTRIES_MAX)
		return NULL;
	e = calloc(1, sizeof(*e));
	if (!e)
		return NULL;
	e->sampler = s;
	e->name = name;
	e->help = help ? help : "";
	e->thinning = 1;
	e->state = CULPRIT_RESTING;
	s->entries[s->nentries++] = e;
	return e;
}

/* Adds the tables to the schema under construction. */
static int entry_tables(struct entry *e, struct schema *schema, const struct culprit_table *const *tables, uint32_t n,
			struct culprit_error *error)
{
	e->first_table = schema->ntables;
	e->ntables = n;
	for (uint32_t i = 0; i < n; i++) {
		size_t used = strlen(e->tables);
		int r = schema_add(schema, tables[i], error);

		if (r < 0)
			return r;
		snprintf(e->tables + used, sizeof(e->tables) - used, "%s%s", used ? " " : "", tables[i]->name);
	}
	return 0;
}

static void entry_missing(struct entry *e, const struct culprit_error *why)
{
	e->state = CULPRIT_MISSING;
	e->reason = *why;
	if (!e->reason.sentence[0])
		error_set(&e->reason, 0, "it cannot work here and does not say why");
}

static void builtin_open(struct sampler *s, struct entry *e)
{
	const struct culprit_collector *c = e->collector;
	struct culprit_error error = {""};

	e->host = (struct culprit_host){
		.size = sizeof(e->host),
		.abi = CULPRIT_ABI_VERSION,
		.flags = s->options.flags,
		.proc_fd = s->options.proc_fd,
		.sys_fd = s->options.sys_fd,
		.user_hz = (uint64_t)sysconf(_SC_CLK_TCK),
		.page_size = (uint64_t)sysconf(_SC_PAGESIZE),
		.interval_ns = s->options.interval_ns,
		.stack_hz = s->options.stack_hz,
		.task_budget = s->options.row_budget,
		.core = e,
		.now_ns = host_now,
		.ask = ask_host_ask,
		.ask_wait = ask_host_wait,
		.log = host_log,
	};
	sampler_code_host(&e->host);
	e->narrow = s->choice.ever && !list_has(s->choice.whole, c->name);
	if (e->narrow)
		e->host.flags |= CULPRIT_HOST_ONLY_INTERESTS;
	e->period_ns = c->period_ns;
	e->off = false;
	if (e->replaced || !is_chosen(s, c->name)) {
		e->off = true;
		error_set(&error, 0, "%s", not_chosen);
		entry_missing(e, &error);
		return;
	}
	e->core.client = ask_client_create(s->asks);
	if (!e->core.client) {
		error_set(&error, 0, "out of memory");
		entry_missing(e, &error);
		return;
	}
	if (c->probe && c->probe(&e->host, &error)) {
		entry_missing(e, &error);
		return;
	}
	if (c->flags & CULPRIT_OPEN_LATER && c->open) {
		if (sampler_later_add(s, e)) {
			error_set(&error, 0, "too many collectors that open late");
			entry_missing(e, &error);
		}
		return;
	}
	if (c->open && c->open(&e->host, &e->self, &error)) {
		entry_missing(e, &error);
		return;
	}
	e->open = true;
	e->state = CULPRIT_RESTING;
	e->next_ns = 0;
	if (c->later && !(e->host.flags & (CULPRIT_HOST_WHOLE | CULPRIT_HOST_SAFE | CULPRIT_HOST_ONLY_INTERESTS)))
		sampler_later_add(s, e);
	error_set(&e->reason, 0, "%s", "");
	/* It is told of the interests with the next ones. */
	pthread_mutex_lock(&s->mutex);
	s->interests_changed = true;
	pthread_mutex_unlock(&s->mutex);
}

static void builtin_close(struct entry *e)
{
	if (e->open && e->collector->close)
		e->collector->close(e->self);
	ask_client_destroy(e->core.client);
	e->core.client = NULL;
	e->self = NULL;
	e->open = false;
}

static void entry_choose(struct sampler *s, struct entry *e)
{
	bool chosen = is_chosen(s, e->name);
	bool narrow = s->choice.ever && !list_has(s->choice.whole, e->name);

	if (e->replaced)
		return;
	if (e->plugin) {
		/* One that is missing for another reason stays so. */
		if (e->open == chosen || (!e->off && !e->open))
			return;
		e->open = chosen;
		e->off = !chosen;
		error_set(&e->reason, 0, "%s", chosen ? "" : not_chosen);
		e->state = chosen ? CULPRIT_RESTING : CULPRIT_MISSING;
		return;
	}
	if (chosen ? !e->off && e->narrow == narrow : e->off)
		return;
	/* What is being loaded is waited for, tick by tick. */
	if (e->waits || (chosen && (e->collector->flags & CULPRIT_OPEN_LATER || e->collector->later) && !sampler_later_ready(s))) {
		pthread_mutex_lock(&s->mutex);
		if (!s->chosen)
			s->asked_choice = s->choice;
		s->chosen = true;
		pthread_mutex_unlock(&s->mutex);
		return;
	}
	builtin_close(e);
	builtin_open(s, e);
}

void sampler_entries_choose(struct sampler *s)
{
	bool chosen;

	/* Without the lock: what is opened may take its time, and who draws must not wait for it. */
	pthread_mutex_lock(&s->mutex);
	chosen = s->chosen;
	s->chosen = false;
	if (chosen)
		s->choice = s->asked_choice;
	pthread_mutex_unlock(&s->mutex);
	for (size_t i = 0; chosen && i < s->nentries; i++)
		entry_choose(s, s->entries[i]);
}

int sampler_entries_open(struct sampler *s, struct culprit_error *error)
{
	struct plugin_host host = {
		.proc_fd = s->options.proc_fd,
		.sys_fd = s->options.sys_fd,
		.flags = s->options.flags,
		.user_hz = (uint64_t)sysconf(_SC_CLK_TCK),
		.page_size = (uint64_t)sysconf(_SC_PAGESIZE),
		.interval_ns = s->options.interval_ns,
		.task_budget = s->options.row_budget,
		.log = plugin_log,
		.context = s,
	};
	size_t n = 0;
	int r;

	for (const struct culprit_collector *const *c = s->options.builtins; c && *c; c++) {
		struct entry *e = entry_add(s, (*c)->name, (*c)->help);

		if (!e)
			return error_set(error, -ENOMEM, "out of memory");
		e->collector = *c;
		/* Who leaves one out and brings plug-ins may bring its tables: another way to measure, or made-up ones. */
		e->replaced = s->options.plugins && s->options.plugins[0] && list_has(s->without, (*c)->name);
		r = entry_tables(e, s->schema, (*c)->tables, e->replaced ? 0 : (*c)->ntables, error);
		if (r)
			return r;
	}
	while (s->options.plugins && s->options.plugins[n])
		n++;
	s->plugins = calloc(n + 1, sizeof(*s->plugins));
	if (!s->plugins)
		return error_set(error, -ENOMEM, "out of memory");
	for (size_t i = 0; i < n && s->options.zygote; i++) {
		s->plugins[s->nplugins].plugin =
			plugin_create(s->options.zygote, s->options.plugins[i], &host, &s->options.plugin_limits);
		if (!s->plugins[s->nplugins].plugin)
			return error_set(error, -ENOMEM, "out of memory");
		s->nplugins++;
	}
	r = check_list(s, s->collect, error);
	if (!r)
		r = check_list(s, s->without, error);
	for (size_t i = 0; i < s->nentries && !r; i++)
		builtin_open(s, s->entries[i]);
	return r;
}

void sampler_entries_close(struct sampler *s)
{
	for (size_t i = 0; i < s->nentries; i++) {
		struct entry *e = s->entries[i];

		if (e->collector)
			builtin_close(e);
		free(e);
	}
	for (size_t i = 0; i < s->nplugins; i++)
		plugin_destroy(s->plugins[i].plugin);
	free(s->plugins);
	s->nentries = s->nplugins = 0;
	s->plugins = NULL;
}

/* The same tables as before and those of one more plug-in collector. */
static int plugin_collector_adopt(struct sampler *s, struct plugin *p, uint32_t index)
{
	const struct plugin_collector *c = plugin_collector(p, index);
	struct entry *e = entry_add(s, c->name, c->help);
	struct culprit_error error = {""};
	struct wbuf bytes;
	struct schema *grown;
	int r;

	if (!e)
		return -ENOMEM;
	e->plugin = p;
	e->plugin_index = index;
	e->period_ns = c->period_ns;
	wbuf_init(&bytes);
	schema_encode(s->schema, &bytes);
	grown = bytes.err ? NULL : schema_decode(bytes.data, bytes.len, &error);
	wbuf_finish(&bytes);
	if (!grown)
		return -ENOMEM;
	r = entry_tables(e, grown, c->tables, c->ntables, &error);
	if (r) {
		/* A name that is taken: this collector stays out, the others come. */
		sampler_say(s, CULPRIT_LOG_ERROR, e->name, error.sentence);
		e->ntables = 0;
		e->off = true;
		entry_missing(e, &error);
		schema_unlock(grown);
		return 0;
	}
	if (!is_chosen(s, c->name)) {
		e->off = true;
		error_set(&error, 0, "%s", not_chosen);
		entry_missing(e, &error);
	} else if (c->probe) {
		error_set(&error, 0, "%s", c->sentence);
		entry_missing(e, &error);
	} else {
		e->open = true;
	}
	r = writer_grow(s->writer, grown);
	if (r) {
		schema_unlock(grown);
		return r;
	}
	schema_unlock(s->schema);
	s->schema = grown;
	return (int)c->ntables;
}

int sampler_plugins_adopt(struct sampler *s)
{
	int tables = 0;

	for (size_t i = 0; i < s->nplugins; i++) {
		struct plugin_slot *slot = &s->plugins[i];

		plugin_poll(slot->plugin);
		if (plugin_state(slot->plugin) == PLUGIN_READY && !slot->adopted) {
			slot->adopted = true;
			for (uint32_t k = 0; k < plugin_ncollectors(slot->plugin); k++) {
				int r = plugin_collector_adopt(s, slot->plugin, k);

				if (r < 0)
					return r;
				tables += r;
			}
			/* What is looked at was said before it could hear. */
			pthread_mutex_lock(&s->mutex);
			s->interests_changed = true;
			pthread_mutex_unlock(&s->mutex);
		} else if (!slot->told && (plugin_state(slot->plugin) == PLUGIN_REFUSED ||
					   plugin_state(slot->plugin) == PLUGIN_FAILED)) {
			slot->told = true;
			sampler_say(s, CULPRIT_LOG_ERROR, plugin_name(slot->plugin), plugin_reason(slot->plugin));
		}
	}
	return tables;
}

static uint64_t thread_cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void entry_skip(struct sampler *s, struct entry *e, uint32_t state, const char *reason)
{
	e->state = state;
	for (uint32_t i = 0; i < e->ntables; i++)
		builder_skip(writer_builder(s->writer), e->first_table + i, state, reason);
}

/* Whatever the budget says: what somebody looks at is sampled. */
static uint32_t thinning_of(const struct entry *e)
{
	return e->looked_at ? 1 : e->thinning;
}

/* Books a sample that was taken. */
static void entry_done(struct sampler *s, struct entry *e, int result, const char *reason, uint64_t cost_ns)
{
	struct culprit_error error = {""};
	int r = builder_frame_end(writer_builder(s->writer), result, reason, cost_ns, thinning_of(e), &error);

	e->cpu_ns += cost_ns;
	e->last_ns = cost_ns;
	e->samples++;
	if (!r) {
		e->state = builder_all_failed(writer_builder(s->writer)) ? CULPRIT_FAILED : CULPRIT_FRESH;
		e->failures += e->state == CULPRIT_FAILED;
		/* It works, but something of it is not there: what that is stands beside "on". */
		error_set(&e->reason, 0, "%s", builder_remark(writer_builder(s->writer)));
		return;
	}
	e->failures++;
	e->state = CULPRIT_FAILED;
	error_set(&e->reason, 0, "%s", error.sentence[0] ? error.sentence : reason ? reason : strerror(-r));
	sampler_say(s, CULPRIT_LOG_ERROR, e->name, e->reason.sentence);
}

static void plugin_entry_sample(struct sampler *s, struct entry *e)
{
	uint32_t i = e->plugin_index;
	struct culprit_error error = {""};
	uint64_t cost_ns = 0;
	int r;

	plugin_poll(e->plugin);
	if (plugin_sample_state(e->plugin, i) == PLUGIN_ANSWERED) {
		struct culprit_frame *f = builder_frame(writer_builder(s->writer), e->first_table, e->ntables);

		r = plugin_replay(e->plugin, i, f, &cost_ns, &error);
		entry_done(s, e, r, error.sentence[0] ? error.sentence : "its sample() failed", cost_ns);
	} else if (plugin_sample_state(e->plugin, i) == PLUGIN_ASKED) {
		e->late_ticks++;
		error_set(&e->reason, 0, "%s", plugin_sample_reason(e->plugin, i));
		entry_skip(s, e, CULPRIT_LATE, e->reason.sentence);
	} else if (plugin_sample_state(e->plugin, i) == PLUGIN_BROKEN) {
		e->failures += e->state != CULPRIT_FAILED;
		error_set(&e->reason, 0, "%s", plugin_sample_reason(e->plugin, i));
		entry_skip(s, e, CULPRIT_FAILED, e->reason.sentence);
	} else if (plugin_sample_state(e->plugin, i) == PLUGIN_ABSENT) {
		error_set(&e->reason, 0, "%s", plugin_sample_reason(e->plugin, i));
		entry_skip(s, e, CULPRIT_MISSING, e->reason.sentence);
		return;
	} else {
		entry_skip(s, e, CULPRIT_RESTING, NULL);
	}
}

static bool entry_is_due(struct sampler *s, struct entry *e, uint64_t now_ns)
{
	/* Half a tick of tolerance, so that a period of whole ticks isn't missed by a hair. */
	bool due = (e->period_ns <= s->options.interval_ns && thinning_of(e) == 1) ||
		   now_ns + s->options.interval_ns / 2 >= e->next_ns;

	if (due)
		e->next_ns = now_ns + (e->period_ns ? e->period_ns : s->options.interval_ns) * thinning_of(e);
	return due;
}

void entry_ask(struct sampler *s, struct entry *e, uint64_t now_ns)
{
	if (e->open && e->plugin && entry_is_due(s, e, now_ns))
		plugin_request_sample(e->plugin, e->plugin_index);
}

void entry_sample(struct sampler *s, struct entry *e, uint64_t now_ns)
{
	struct culprit_frame *f;
	uint64_t cpu;
	int r;

	if (!e->open) {
		entry_skip(s, e, e->waits ? CULPRIT_LATE : CULPRIT_MISSING, e->reason.sentence);
		return;
	}
	if (e->plugin) {
		plugin_entry_sample(s, e);
		return;
	}
	if (!entry_is_due(s, e, now_ns)) {
		/* What failed stays failed until it is tried again. */
		if (e->state != CULPRIT_FAILED)
			entry_skip(s, e, CULPRIT_RESTING, NULL);
		return;
	}
	f = builder_frame(writer_builder(s->writer), e->first_table, e->ntables);
	cpu = thread_cpu_ns();
	r = e->collector->sample(e->self, f);
	cpu = thread_cpu_ns() - cpu;
	entry_done(s, e, r, r ? strerror(-r) : NULL, cpu);
}
