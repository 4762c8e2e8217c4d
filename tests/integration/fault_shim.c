/* Preloaded into a program to make its machine a worse one:
 *   FAULT_SYNC_MS       every fsync and fdatasync takes this much longer
 *   FAULT_CLOCK_FILE    once this file exists, the time of day is what its text says in seconds
 *                       away from the true one (the monotonic clock goes on as it does on a machine
 *                       whose clock is set)
 *   FAULT_FULL_FILE     while this file exists, the disk is full for what is written at a place in
 *                       a file, as SQLite does */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int fsync(int fd);
int fdatasync(int fd);
int clock_gettime(clockid_t clock, struct timespec *out);
ssize_t pwrite(int fd, const void *data, size_t len, off_t at);
ssize_t pwrite64(int fd, const void *data, size_t len, off_t at);

static void be_slow(void)
{
    const char *text = getenv("FAULT_SYNC_MS");
    long ms = text ? strtol(text, NULL, 10) : 0;
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

int fsync(int fd)
{
    be_slow();
    return (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    be_slow();
    return (int)syscall(SYS_fdatasync, fd);
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t at)
{
    const char *path = getenv("FAULT_FULL_FILE");
    if (path && access(path, F_OK) == 0) {
        errno = ENOSPC;
        return -1;
    }
    return syscall(SYS_pwrite64, fd, data, len, at);
}

ssize_t pwrite64(int fd, const void *data, size_t len, off_t at)
{
    return pwrite(fd, data, len, at);
}

int clock_gettime(clockid_t clock, struct timespec *out)
{
    int result = (int)syscall(SYS_clock_gettime, clock, out);
    const char *path = clock == CLOCK_REALTIME ? getenv("FAULT_CLOCK_FILE") : NULL;
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0)
        return result;
    char text[32] = "";
    if (read(fd, text, sizeof(text) - 1) > 0)
        out->tv_sec += strtol(text, NULL, 10);
    close(fd);
    return result;
}
