#pragma once
/* Lets one thread stand still for a moment, for the rare stack that changes faster than it can be
 * read. ptrace: seize, interrupt, ... , detach; a signal that arrives meanwhile is passed on. */

#include <stdint.h>
#include <sys/types.h>

enum stop_result {
    STOP_DONE,    /* it stands still until stop_release */
    STOP_ASLEEP,  /* it sleeps in a system call, which a stop could cut short: left alone, and its
                     stack does not change */
    STOP_GONE,    /* it has ended; its exit status is still there for whoever waits for it */
    STOP_REFUSED, /* another tracer holds it, or we may not */
};

/* `*since_ns` is when it stood still. A thread that waits for a CPU stops when it gets one: that
 * time is not one in which it was held. */
enum stop_result stop_thread(pid_t pid, pid_t tid, uint64_t *since_ns);
void stop_release(pid_t pid, pid_t tid);

/* Of a process that has ended: lets its parent hear of it if it ended within a stop. */
void stop_forget(pid_t pid);
