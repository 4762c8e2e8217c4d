/* Peers that are too slow. civetweb 1.15 waits for each piece of a body, and for room for each
 * piece of an answer, as long as any byte goes in time, and gives nothing back before the piece is
 * whole; so a client that sends or takes a byte now and then would keep a thread for ever. These
 * definitions of recv and send come before libc's for the whole program: on a thread that is
 * watched they count what went and fail with ETIMEDOUT when that is too little for the time, or
 * when an answer waits and there is no place to wait in; for everybody else they are libc's. */

#include <dlfcn.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "backend/http/inside.h"
#include "common/base/clock.h"

/* An answer that is not taken whole by then needs a place. */
static const uint64_t prompt_ns = 1000000000;

static _Thread_local struct {
    bool is_on;
    enum http_pace result;
    uint64_t begin_ns, grace_ns, bytes;
    struct http_places *places; /* of an answer */
    const char *address;
    int place; /* -1 = none */
} watched;

void http_pace_begin(uint64_t grace_ns)
{
    watched.is_on = true;
    watched.result = HTTP_PACE_KEPT;
    watched.begin_ns = clock_monotonic_ns();
    watched.grace_ns = grace_ns;
    watched.bytes = 0;
    watched.places = NULL;
    watched.place = -1;
}

void http_pace_begin_answer(uint64_t grace_ns, struct http_places *places, const char *address)
{
    http_pace_begin(grace_ns);
    watched.places = places;
    watched.address = *address ? address : "?";
}

enum http_pace http_pace_end(void)
{
    watched.is_on = false;
    if (watched.place >= 0)
        http_places_leave(watched.places, watched.place);
    watched.place = -1;
    return watched.result;
}

static bool may_go_on(void)
{
    uint64_t spent_ns = clock_monotonic_ns() - watched.begin_ns;
    uint64_t due_ns = watched.grace_ns + watched.bytes * 1000000000 / HTTP_LEAST_BYTES_A_SECOND;
    if (spent_ns > due_ns) {
        watched.result = HTTP_PACE_TOO_SLOW;
    } else if (watched.places && watched.place < 0 && spent_ns > prompt_ns) {
        watched.place = http_places_enter(watched.places, watched.address);
        if (watched.place < 0)
            watched.result = HTTP_PACE_NO_PLACE;
    }
    return watched.result == HTTP_PACE_KEPT;
}

/* libc's; ISO C has no cast from object to function. */
static void find(const char *name, void *function)
{
    void *symbol = dlsym(RTLD_NEXT, name);
    memcpy(function, &symbol, sizeof(symbol));
}

static ssize_t count(ssize_t bytes)
{
    if (bytes > 0)
        watched.bytes += (uint64_t)bytes;
    return bytes;
}

ssize_t recv(int fd, void *buf, size_t n, int flags)
{
    static ssize_t (*real)(int, void *, size_t, int);
    if (!real)
        find("recv", &real);
    if (!watched.is_on)
        return real(fd, buf, n, flags);
    if (may_go_on())
        return count(real(fd, buf, n, flags));
    errno = ETIMEDOUT;
    return -1;
}

ssize_t send(int fd, const void *buf, size_t n, int flags)
{
    static ssize_t (*real)(int, const void *, size_t, int);
    if (!real)
        find("send", &real);
    if (!watched.is_on)
        return real(fd, buf, n, flags);
    if (may_go_on())
        return count(real(fd, buf, n, flags));
    errno = ETIMEDOUT;
    return -1;
}
