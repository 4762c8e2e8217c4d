/* Bodies that come too slowly. civetweb 1.15 waits for each piece of a body as long as any byte
 * comes in time, and its read gives nothing back before the piece is whole; so a client that sends
 * a byte now and then would keep a thread for ever. This definition of recv comes before libc's for
 * the whole program: on a thread whose body is watched it counts what came and fails with ETIMEDOUT
 * when that is too little for the time; for everybody else it is libc's. */

#include <dlfcn.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "backend/http/inside.h"
#include "common/base/clock.h"

static _Thread_local struct {
    bool is_on, is_overdue;
    uint64_t begin_ns, grace_ns, bytes;
} watched;

void http_body_clock_begin(uint64_t grace_ns)
{
    watched.is_on = true;
    watched.is_overdue = false;
    watched.begin_ns = clock_monotonic_ns();
    watched.grace_ns = grace_ns;
    watched.bytes = 0;
}

bool http_body_clock_end(void)
{
    watched.is_on = false;
    return watched.is_overdue;
}

static bool is_late(void)
{
    uint64_t due_ns = watched.grace_ns + watched.bytes * 1000000000 / HTTP_LEAST_BYTES_A_SECOND;
    return clock_monotonic_ns() - watched.begin_ns > due_ns;
}

ssize_t recv(int fd, void *buf, size_t n, int flags)
{
    static ssize_t (*real)(int, void *, size_t, int);
    if (!real) {
        void *symbol = dlsym(RTLD_NEXT, "recv");
        memcpy(&real, &symbol, sizeof(real)); /* ISO C has no cast from object to function */
    }
    if (watched.is_on && is_late()) {
        watched.is_overdue = true;
        errno = ETIMEDOUT;
        return -1;
    }
    ssize_t got = real(fd, buf, n, flags);
    if (watched.is_on && got > 0)
        watched.bytes += (uint64_t)got;
    return got;
}
