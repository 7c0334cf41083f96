/* Pods and containers by name: what a path says, what answers say, and that a group gets its name when somebody has it. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ask.h"
#include "cgroup_names.h"
#include "collector_test.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define UID "12ab34cd-0000-1111-2222-333344445555"
#define UNDERSCORED "12ab34cd_0000_1111_2222_333344445555"
#define POD "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" UNDERSCORED ".slice"

static void paths_are_understood(void **state)
{
	static const struct {
		const char *path, *container, *pod;
	} cases[] = {
		{POD, "", UID},
		{POD "/cri-containerd-" ID ".scope", ID, UID},
		{"/kubepods/besteffort/pod" UID "/" ID, ID, UID},
		{"/kubepods/besteffort/pod" UID, "", UID},
		{"/kubepods.slice/kubepods-pod0123456789abcdef0123456789abcdef.slice/crio-" ID ".scope", ID, "0123456789abcdef0123456789abcdef"},
		{"/docker/" ID, ID, ""},
		{"/system.slice/docker-" ID ".scope", ID, ""},
		{"/machine.slice/libpod-" ID ".scope", ID, ""},
		/* A container's own groups, and what is neither. */
		{"/docker/" ID "/system.slice", NULL, NULL},
		{POD "/something", NULL, NULL},
		{"/kubepods.slice/kubepods-burstable.slice", NULL, NULL},
		{"/system.slice/podman.service", NULL, NULL},
		{"/system.slice/pod-of-mine.service", NULL, NULL},
		{"", NULL, NULL},
		{"/", NULL, NULL},
		{"//docker//", NULL, NULL},
		{"/docker/0123456789abcdef", NULL, NULL},
		{"/docker/" ID "0", NULL, NULL},
		{"/pod" UID "0", NULL, NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct cgroup_who who;
		bool is = cgroup_who_parse(cases[i].path, &who);

		if (is != (cases[i].pod != NULL))
			fail_msg("%s: %s", cases[i].path, is ? "is one" : "is none");
		if (!is)
			continue;
		assert_string_equal(who.container, cases[i].container);
		assert_string_equal(who.pod, cases[i].pod);
	}
}

/* Any bytes. */
static void hostile_paths_and_answers(void **state)
{
	static const char letters[] = "/-_.podcriscpeslib0123456789abcdefk\"\n";
	uint32_t seed = 3;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		char path[160];
		struct cgroup_who who;
		size_t n = 0;

		while (n < sizeof(path) - 1) {
			seed = seed * 1664525 + 1013904223;
			path[n++] = letters[(seed >> 16) % (sizeof(letters) - 1)];
		}
		path[(seed >> 8) % sizeof(path)] = '\0';
		path[n] = '\0';
		cgroup_who_parse(path, &who);
	}
}

static void groups_get_their_names(void **state)
{
	static const char pods[] = "shop_checkout-7d9f_" UID "\n", logs[] = "checkout-7d9f_shop_app-" ID ".log\n",
			  json[] = "{\"State\":{},\"Image\":\"x\",\"Name\":\"/web-1\",\"Driver\":\"overlay2\"}", hostname[] = "db.example\n";
	static const struct {
		const char *path, *ask, *bytes, *name;
		uint32_t what;
		int err;
	} cases[] = {
		{POD, "1/root/var/log/pods/*_" UID, pods, "shop/checkout-7d9f", CULPRIT_ASK_NAMES, 0},
		{POD "/cri-containerd-" ID ".scope", "1/root/var/log/containers/*-" ID ".log", logs, "shop/checkout-7d9f/app",
		 CULPRIT_ASK_NAMES, 0},
		{"/docker/" ID, "1/root/var/lib/docker/containers/" ID "/config.v2.json", json, "web-1", CULPRIT_ASK_FILE, 0},
		{"/machine.slice/libpod-" ID ".scope", "77/root/etc/hostname", hostname, "db.example", CULPRIT_ASK_FILE, 0},
		/* What a runtime makes up says nothing. */
		{"/machine.slice/libpod-" ID ".scope", "77/root/etc/hostname", "0123456789ab\n", "", CULPRIT_ASK_FILE, 0},
		{POD, "1/root/var/log/pods/*_" UID, "nonsense\n", "", CULPRIT_ASK_NAMES, 0},
		{POD, "1/root/var/log/pods/*_" UID, "", "", CULPRIT_ASK_NAMES, -EACCES},
		{"/docker/" ID, "1/root/var/lib/docker/containers/" ID "/config.v2.json", "{\"Name\":\"/a\\u001b\"}", "",
		 CULPRIT_ASK_FILE, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fixture_answer answer = {cases[i].what, cases[i].ask, cases[i].err, cases[i].bytes, (uint32_t)strlen(cases[i].bytes)};
		struct fixture_run *run = run_on(&cgroup_collector, "modern");
		struct fixture_host *host = fixture_run_host(run);
		struct cgroup_naming naming = {0};
		struct cgroup_who who;
		char name[CGROUP_NAME_MAX + 1];
		size_t n = 0;
		int r = 0, rounds = 0;
		uint64_t now = 1;

		host->answers = &answer;
		host->nanswers = 1;
		assert_true(cgroup_who_parse(cases[i].path, &who));
		for (; !naming.done && !r && rounds < 100; rounds++, now += 5000000000ull)
			r = cgroup_name_ask(&host->host, &who, &naming, 77, now, name, &n);
		assert_true(naming.done);
		name[n] = '\0';
		if (cases[i].err) {
			assert_int_equal(r, cases[i].err);
		} else {
			assert_int_equal(r, *cases[i].name ? 1 : 0);
			if (r)
				assert_string_equal(name, cases[i].name);
		}
		/* It does not ask for ever. */
		assert_int_equal(cgroup_name_ask(&host->host, &who, &naming, 77, now, name, &n), 0);
		fixture_run_destroy(run);
	}
}

static void the_table_has_it(void **state)
{
	static const char pods[] = "shop_checkout-7d9f_" UID "\n";
	static const struct fixture_answer answers[] = {{CULPRIT_ASK_NAMES, "1/root/var/log/pods/*_" UID, 0, pods, sizeof(pods) - 1}};
	char *root = scratch("modern"), path[512];
	struct fixture_run *run;
	struct recorder *r = NULL;

	(void)state;
	snprintf(path, sizeof(path), "%s/sys/fs/cgroup/kubepods.slice", root);
	assert_int_equal(mkdir(path, 0755), 0);
	snprintf(path, sizeof(path), "%s/sys/fs/cgroup/kubepods.slice/kubepods-pod" UNDERSCORED ".slice", root);
	assert_int_equal(mkdir(path, 0755), 0);
	run = fixture_run_create(&cgroup_collector, root);
	fixture_run_host(run)->answers = answers;
	fixture_run_host(run)->nanswers = 1;
	for (int i = 0; i < 3; i++)
		r = fixture_run_sample(run);
	ASSERT_TEXT(r, "cgroup", "/kubepods.slice/kubepods-pod" UNDERSCORED ".slice", "name", "shop/checkout-7d9f");
	assert_false(HAS(r, "cgroup", "/system.slice", "name"));
	fixture_run_destroy(run);
	scratch_free(root);
}

static void names_in_a_folder(void **state)
{
	char folder[] = "/tmp/names.XXXXXX", buf[64], command[64];
	uint32_t len = 0;
	int dir;

	(void)state;
	assert_non_null(mkdtemp(folder));
	dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(mkdirat(dir, "d", 0700), 0);
	close(openat(dir, "d/a-1.log", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	close(openat(dir, "d/b-2.log", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	close(openat(dir, "d/.c-1.log", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	close(openat(dir, "d/new\nline-1.log", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	assert_int_equal(ask_read(dir, CULPRIT_ASK_NAMES, "d/*-1.log", buf, sizeof(buf), &len), 0);
	assert_int_equal(len, 8);
	assert_memory_equal(buf, "a-1.log\n", 8);
	assert_int_equal(ask_read(dir, CULPRIT_ASK_NAMES, "d/*-9.log", buf, sizeof(buf), &len), 0);
	assert_int_equal(len, 0);
	/* Whole or not at all. */
	assert_int_equal(ask_read(dir, CULPRIT_ASK_NAMES, "d/*-1.log", buf, 7, &len), 0);
	assert_int_equal(len, 0);
	assert_int_equal(ask_read(dir, CULPRIT_ASK_NAMES, "no/*", buf, sizeof(buf), &len), -ENOENT);
	assert_int_equal(ask_read(dir, CULPRIT_ASK_NAMES, "d/../*", buf, sizeof(buf), &len), -EINVAL);
	assert_int_equal(ask_read(dir, CULPRIT_ASK_NAMES, "/d/*", buf, sizeof(buf), &len), -EINVAL);
	assert_int_equal(ask_read(dir, CULPRIT_ASK_NAMES, "x", buf, sizeof(buf), &len), -EINVAL);
	close(dir);
	snprintf(command, sizeof(command), "rm -r %s", folder);
	assert_int_equal(system(command), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_are_understood), cmocka_unit_test(hostile_paths_and_answers),
		cmocka_unit_test(groups_get_their_names), cmocka_unit_test(the_table_has_it),
		cmocka_unit_test(names_in_a_folder),
	};

	return cmocka_run_group_tests_name("cgroup_names", tests, NULL, NULL);
}
