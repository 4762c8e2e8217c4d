#pragma once
/* Lets one thread stand still for a moment, for the rare stack that changes faster than it can be
 * read. ptrace: seize, interrupt, ... , detach; a signal that arrives meanwhile is passed on. */

#include <stdbool.h>
#include <sys/types.h>

/* False when it may not be done (another tracer, no permission) or the thread is gone. */
bool stop_thread(pid_t tid);
void stop_release(pid_t tid);
