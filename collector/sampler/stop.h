#pragma once
/* Lets one thread stand still for a moment, for the rare stack that changes faster than it can be
 * read. ptrace: seize, interrupt, ... , detach; a signal that arrives meanwhile is passed on. */

#include <sys/types.h>

enum stop_result {
    STOP_DONE,    /* it stands still until stop_release */
    STOP_ASLEEP,  /* it sleeps in a system call, which a stop could cut short: left alone, and its
                     stack does not change */
    STOP_GONE,    /* it has ended; its exit status is still there for whoever waits for it */
    STOP_REFUSED, /* another tracer holds it, or we may not */
};

enum stop_result stop_thread(pid_t pid, pid_t tid);
void stop_release(pid_t tid);
