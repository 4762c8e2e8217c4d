#include "collector/sampler/stop.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "collector/target/process.h"
#include "common/base/clock.h"

enum {
    WATCH_NS = 40000,
    NAP_NS = 100000,
    END_NAPS = 1000,
    EVENT_SHIFT = 8,
    SIGNAL_MASK = 0x7f,
    EVENT_STOP = 128, /* PTRACE_EVENT_STOP */
};

/* The signal to pass on when the stop was a signal's and not ours. */
static _Thread_local int pending_signal;

/* proc(5): /proc/PID/task/TID/syscall says "running", or the number of the call it blocks in. Some
 * calls (epoll_wait among them) end with EINTR when their thread is stopped: signal(7). */
static bool is_running(pid_t pid, pid_t tid)
{
    char path[64];
    char text[8] = "";
    snprintf(path, sizeof(path), "/proc/%d/task/%d/syscall", (int)pid, (int)tid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd >= 0 ? read(fd, text, sizeof(text) - 1) : 0;
    if (fd >= 0)
        close(fd);
    return got > 0 && strncmp(text, "running", sizeof(text) - 1) == 0;
}

/* How long this thread was ready but had no CPU, so far: schedstat's second number. */
static uint64_t own_delay_ns(void)
{
    char text[96] = "";
    int fd = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
    ssize_t got = fd >= 0 ? read(fd, text, sizeof(text) - 1) : 0;
    if (fd >= 0)
        close(fd);
    const char *second = got > 0 ? strchr(text, ' ') : NULL;
    return second ? strtoull(second, NULL, 10) : 0;
}

/* A thread that is on a CPU stops within microseconds: sleeping and being woken would take longer
 * than that, and hold it meanwhile. One that waits for a CPU stops when it gets one; that may take
 * any time, and it cannot be let go before. */
static int watch_for_stop(pid_t tid, siginfo_t *info, uint64_t *since_ns)
{
    const int options = WSTOPPED | WEXITED | WNOWAIT | __WALL;
    uint64_t begin = clock_monotonic_ns();
    int failed;
    do {
        failed = waitid(P_PID, (id_t)tid, info, options | WNOHANG);
        *since_ns = clock_monotonic_ns();
        if (failed || info->si_pid != 0)
            return failed;
    } while (*since_ns - begin < WATCH_NS);

    uint64_t delay = own_delay_ns();
    do
        failed = waitid(P_PID, (id_t)tid, info, options);
    while (failed && errno == EINTR);
    /* It stood still when we were woken, and while we waited for a CPU ourselves. */
    *since_ns = clock_monotonic_ns() - (own_delay_ns() - delay);
    return failed;
}

static bool is_own_child(pid_t pid)
{
    struct process_stat stat;
    return process_stat(pid, &stat) && stat.parent == getpid();
}

/* A thread that ended while it was traced waits for its tracer to hear of it, and its process
 * with it. Whoever is parent too hears of it in another way, and only once. */
static enum stop_result let_go(pid_t pid, pid_t tid)
{
    siginfo_t info = {0};
    if (tid != pid || !is_own_child(pid))
        (void)waitid(P_PID, (id_t)tid, &info, WEXITED | WNOHANG | __WALL);
    return STOP_GONE;
}

/* Waits for the stop without ever taking the exit status of a child of ours. */
static enum stop_result wait_for_stop(pid_t pid, pid_t tid, uint64_t *since_ns)
{
    siginfo_t info = {0};
    int failed = watch_for_stop(tid, &info, since_ns);
    if (failed || (info.si_code != CLD_TRAPPED && info.si_code != CLD_STOPPED))
        return let_go(pid, tid);
    info = (siginfo_t){0};
    if (waitid(P_PID, (id_t)tid, &info, WSTOPPED | WNOHANG | __WALL) != 0 || info.si_pid == 0)
        return let_go(pid, tid);
    int event = info.si_status >> EVENT_SHIFT;
    if (event == PTRACE_EVENT_EXIT) {
        (void)ptrace(PTRACE_DETACH, tid, NULL, NULL);
        return STOP_GONE;
    }
    pending_signal = event == EVENT_STOP ? 0 : info.si_status & SIGNAL_MASK;
    return STOP_DONE;
}

enum stop_result stop_thread(pid_t pid, pid_t tid, uint64_t *since_ns)
{
    pending_signal = 0;
    if (!is_running(pid, tid))
        return STOP_ASLEEP;
    /* With a stop before its end, a thread that ends now does so untraced: a main thread that
     * leaves before the others (pthread_exit) would else keep us waiting for all of them. */
    if (ptrace(PTRACE_SEIZE, tid, NULL, (void *)(uintptr_t)PTRACE_O_TRACEEXIT) != 0)
        return errno == ESRCH ? STOP_GONE : STOP_REFUSED;
    if (ptrace(PTRACE_INTERRUPT, tid, NULL, NULL) != 0) {
        (void)ptrace(PTRACE_DETACH, tid, NULL, NULL);
        return let_go(pid, tid);
    }
    return wait_for_stop(pid, tid, since_ns);
}

void stop_release(pid_t pid, pid_t tid)
{
    siginfo_t info = {0};
    if (ptrace(PTRACE_DETACH, tid, NULL, (void *)(intptr_t)pending_signal) != 0) {
        /* Killed while it stood still: its end comes in a moment. */
        for (int i = 0; i < END_NAPS && info.si_pid == 0 &&
                        waitid(P_PID, (id_t)tid, &info, WEXITED | WNOWAIT | WNOHANG | __WALL) == 0;
             i++)
            (void)clock_sleep_until(clock_monotonic_ns() + NAP_NS);
        (void)let_go(pid, tid);
    }
    pending_signal = 0;
}

void stop_forget(pid_t pid)
{
    (void)let_go(pid, pid);
}
