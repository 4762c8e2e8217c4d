#include "collector/sampler/stop.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

enum { EVENT_SHIFT = 16, EVENT_STOP = 128 /* PTRACE_EVENT_STOP */ };

/* The signal to pass on when the stop was a signal's and not ours. */
static _Thread_local int pending_signal;

bool stop_thread(pid_t tid)
{
    int status;
    pid_t got;
    pending_signal = 0;
    if (ptrace(PTRACE_SEIZE, tid, NULL, NULL) != 0)
        return false;
    if (ptrace(PTRACE_INTERRUPT, tid, NULL, NULL) != 0) {
        (void)ptrace(PTRACE_DETACH, tid, NULL, NULL);
        return false;
    }
    do
        got = waitpid(tid, &status, __WALL);
    while (got < 0 && errno == EINTR);
    if (got != tid || !WIFSTOPPED(status))
        return false;
    if (status >> EVENT_SHIFT != EVENT_STOP)
        pending_signal = WSTOPSIG(status);
    return true;
}

void stop_release(pid_t tid)
{
    (void)ptrace(PTRACE_DETACH, tid, NULL, (void *)(intptr_t)pending_signal);
    pending_signal = 0;
}
