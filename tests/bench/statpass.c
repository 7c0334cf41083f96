/* The oracle for what a tick may cost: opens, reads and closes /proc/PID/stat of every process, as the plainest console
 * would, and prints the CPU time of a pass in ms (the median of five). Parses nothing. */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static double cpu_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double pass(void)
{
	double begin = cpu_ms();
	DIR *dir = opendir("/proc");
	struct dirent *entry;
	char path[300], text[2048];

	while (dir && (entry = readdir(dir))) {
		int fd;

		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		snprintf(path, sizeof(path), "/proc/%s/stat", entry->d_name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (read(fd, text, sizeof(text)) < 0)
			text[0] = '\0';
		close(fd);
	}
	if (dir)
		closedir(dir);
	return cpu_ms() - begin;
}

int main(void)
{
	double ms[5];

	for (int i = 0; i < 5; i++)
		ms[i] = pass();
	qsort(ms, 5, sizeof(ms[0]), by_size);
	printf("%.2f\n", ms[2]);
	return 0;
}
