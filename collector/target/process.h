#pragma once
/* What /proc says of a process. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/base/buf.h"
#include "common/base/status.h"

/* Reads a small file under /proc/PID whole, with a NUL behind it; false when it cannot be read. */
bool process_read_file(pid_t pid, const char *name, struct buf *out);

struct process_stat {
    char state; /* R, S, D, Z, ... */
    pid_t parent;
    uint64_t start_ticks;   /* since boot; with the pid it names a process for good */
    uint64_t stack_address; /* changes with every exec; 0 when it may not be read */
    uint64_t threads;
    uint64_t user_ticks, system_ticks;
};

bool process_stat(pid_t pid, struct process_stat *out);

/* argv joined by spaces, or "[comm]"; control characters replaced, cut to `size`. */
void process_command(pid_t pid, char *out, size_t size);

/* Calls `visit` for each thread's id. */
typedef void (*process_visit_fn)(void *ctx, pid_t id);
bool process_threads(pid_t pid, process_visit_fn visit, void *ctx);

/* A process in a pid namespace of its own (a container) knows itself and its threads by other
 * numbers than we do. The number that `pid` has for itself; `pid` when that is the same. */
pid_t process_inner_pid(pid_t pid);

/* Our number of the thread of `pid` that calls itself `tid`; 0 when there is none. */
pid_t process_outer_tid(pid_t pid, pid_t tid);

/* Calls `visit` for each child of each thread. */
bool process_children(pid_t pid, process_visit_fn visit, void *ctx);
