/* Network namespaces that sockets were found in: each once, as many as have room, and only what is sure to be the same is entered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tcp_nets.h"

static unsigned made;

static int iterate(void *arg)
{
	made++;
	return dup(*(int *)arg);
}

static struct tcp_nets nets_here(int *ret_proc_fd)
{
	struct tcp_nets nets;

	*ret_proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_true(*ret_proc_fd >= 0);
	tcp_nets_init(&nets, *ret_proc_fd);
	assert_true(nets.own != 0);
	made = 0;
	return nets;
}

static void ours_is_none_of_them(void **state)
{
	int proc_fd;
	struct tcp_nets nets = nets_here(&proc_fd);

	(void)state;
	tcp_nets_held(&nets, nets.own, (uint32_t)getpid());
	tcp_nets_held(&nets, 0, (uint32_t)getpid()); /* a kernel without namespaces */
	assert_int_equal(nets.n, 0);
	assert_true(tcp_nets_open(&nets, proc_fd, iterate, &proc_fd));
	assert_int_equal(made, 0);
	close(proc_fd);
}

static void each_is_there_once(void **state)
{
	int proc_fd;
	struct tcp_nets nets = nets_here(&proc_fd);

	(void)state;
	tcp_nets_held(&nets, 5, 100);
	tcp_nets_held(&nets, 6, 101);
	tcp_nets_held(&nets, 5, 102);
	assert_int_equal(nets.n, 2);
	assert_int_equal(nets.list[0].pid, 100);
	/* Found by one that is elsewhere; then by one that is there. */
	tcp_nets_held(&nets, 7, 0);
	assert_int_equal(nets.list[2].pid, 0);
	tcp_nets_held(&nets, 7, 103);
	tcp_nets_held(&nets, 7, 0);
	assert_int_equal(nets.list[2].pid, 103);
	tcp_nets_forget(&nets);
	assert_int_equal(nets.n, 0);
	assert_true(nets.own != 0);
	close(proc_fd);
}

/* What has no room is told by the look at files, each time. */
static void more_than_have_room(void **state)
{
	int proc_fd;
	struct tcp_nets nets = nets_here(&proc_fd);

	(void)state;
	for (uint32_t i = 0; i < TCP_NETS_MAX; i++)
		tcp_nets_held(&nets, 100 + i, 1);
	assert_false(nets.more);
	tcp_nets_held(&nets, 100, 1);
	assert_false(nets.more);
	tcp_nets_held(&nets, 99, 1);
	assert_true(nets.more);
	assert_int_equal(nets.n, TCP_NETS_MAX);
	assert_false(tcp_nets_open(&nets, proc_fd, iterate, &proc_fd));
	tcp_nets_close(&nets);
	tcp_nets_forget(&nets);
	assert_true(tcp_nets_open(&nets, proc_fd, iterate, &proc_fd));
	close(proc_fd);
}

/* Its process has ended, and this one has the number now, or went to another namespace. */
static void another_than_was_found_is_not_entered(void **state)
{
	int proc_fd;
	struct tcp_nets nets = nets_here(&proc_fd);

	(void)state;
	tcp_nets_held(&nets, nets.own + 1, (uint32_t)getpid());
	assert_false(tcp_nets_open(&nets, proc_fd, iterate, &proc_fd));
	assert_int_equal(made, 0);
	assert_int_equal(nets.list[0].fd, -1);
	tcp_nets_forget(&nets);
	tcp_nets_held(&nets, nets.own + 1, UINT32_MAX);
	assert_false(tcp_nets_open(&nets, proc_fd, iterate, &proc_fd));
	tcp_nets_forget(&nets);
	tcp_nets_held(&nets, nets.own + 1, 0);
	assert_false(tcp_nets_open(&nets, proc_fd, iterate, &proc_fd));
	tcp_nets_close(&nets);
	close(proc_fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ours_is_none_of_them),
		cmocka_unit_test(each_is_there_once),
		cmocka_unit_test(more_than_have_room),
		cmocka_unit_test(another_than_was_found_is_not_entered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
