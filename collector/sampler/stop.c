#include "collector/sampler/stop.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EVENT_SHIFT = 8, SIGNAL_MASK = 0x7f, EVENT_STOP = 128 /* PTRACE_EVENT_STOP */ };

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

/* Waits for the stop without ever taking an exit status: the thread may be our own child. */
static enum stop_result wait_for_stop(pid_t tid)
{
    siginfo_t info = {0};
    int failed;
    do
        failed = waitid(P_PID, (id_t)tid, &info, WSTOPPED | WEXITED | WNOWAIT | __WALL);
    while (failed && errno == EINTR);
    if (failed || (info.si_code != CLD_TRAPPED && info.si_code != CLD_STOPPED))
        return STOP_GONE;
    info = (siginfo_t){0};
    if (waitid(P_PID, (id_t)tid, &info, WSTOPPED | WNOHANG | __WALL) != 0 || info.si_pid == 0)
        return STOP_GONE;
    pending_signal = info.si_status >> EVENT_SHIFT == EVENT_STOP ? 0 : info.si_status & SIGNAL_MASK;
    return STOP_DONE;
}

enum stop_result stop_thread(pid_t pid, pid_t tid)
{
    pending_signal = 0;
    if (!is_running(pid, tid))
        return STOP_ASLEEP;
    if (ptrace(PTRACE_SEIZE, tid, NULL, NULL) != 0)
        return errno == ESRCH ? STOP_GONE : STOP_REFUSED;
    if (ptrace(PTRACE_INTERRUPT, tid, NULL, NULL) != 0) {
        (void)ptrace(PTRACE_DETACH, tid, NULL, NULL);
        return STOP_GONE;
    }
    return wait_for_stop(tid);
}

void stop_release(pid_t tid)
{
    (void)ptrace(PTRACE_DETACH, tid, NULL, (void *)(intptr_t)pending_signal);
    pending_signal = 0;
}
