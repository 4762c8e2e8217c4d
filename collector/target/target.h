#pragma once
/* The program that is watched: a process that was spawned or attached to and, when asked, all
 * that descend from it, each with what is known of its Python.
 *
 * One thread (the run loop) calls target_update over and over; any thread may take a list. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "collector/python/layout.h"
#include "common/base/status.h"

enum {
    TARGET_COMMAND_MAX = 256,
    TARGET_REASON_MAX = 256,
    TARGET_MAX_PROCESSES = 4096, /* alive at once; more are counted and not followed */
};

enum target_python_state {
    TARGET_PYTHON_LOOKING, /* just started: Python may still come (also after an exec) */
    TARGET_PYTHON_READY,   /* `python` is filled */
    TARGET_PYTHON_NONE,    /* no Python in it; `reason` says so */
    TARGET_PYTHON_REFUSED, /* a Python whose stacks cannot be read; `reason` says why */
    TARGET_PYTHON_DENIED,  /* the system forbids reading; `reason` says what to do */
};

struct target_python {
    struct python_layout layout;
    uint64_t runtime;     /* address of _PyRuntime */
    uint16_t pthread_tid; /* up to 3.10: offset of the tid in the struct behind a pthread_t; 0 =
                             unknown */
    char version[32];     /* "3.12.1", "3.14.0t" */
};

struct target_process {
    uint32_t serial; /* never used again, unlike a pid */
    uint32_t epoch;  /* counts this process's execs: another program since it changed */
    pid_t pid, parent;
    bool is_root; /* the one that was spawned or attached to */
    enum target_python_state state;
    struct target_python python;
    char command[TARGET_COMMAND_MAX]; /* argv joined by spaces, cut */
    char runtime[64];                 /* "CPython 3.12.1", or what else it is */
    char reason[TARGET_REASON_MAX];   /* why there are no stacks; "" when there are */
};

struct target;

struct target_options {
    bool follow_children;
    const char *const *env; /* "NAME=value" to set in a spawned command, NULL-terminated, or NULL */
    const int *keep_fds;    /* descriptors a spawned command inherits besides 0, 1, 2 */
    size_t keep_fds_len;
};

/* Starts `argv` (found on PATH as a shell would) with the caller's standard streams, no other
 * descriptors, no signal blocked and SIGPIPE at its default. STATUS_NOT_FOUND or STATUS_DENIED,
 * with the system's words, when it cannot be executed: then no process is left behind. */
enum status target_spawn(struct target **out, char *const argv[],
                         const struct target_options *options, struct error *err);

/* STATUS_GONE when there is no such process, STATUS_DENIED (with what to do) when its memory may
 * not be read. */
enum status target_attach(struct target **out, pid_t pid, const struct target_options *options,
                          struct error *err);

/* Lets go of everything. The processes live on. Takes NULL. */
void target_close(struct target *t);

/* Looks for children, execs, exits and Pythons that became ready; first waits up to `timeout_ms`
 * for an exit. False once the root process is gone (its descendants may still live). */
bool target_update(struct target *t, int timeout_ms);

/* How long to wait before the next look, in ms: a few while a program is starting, so that little
 * of its start goes by unseen; more with more processes, so that looking costs about the same. */
int target_pace_ms(const struct target *t);

/* Changes whenever the list below would; any thread. */
uint64_t target_generation(const struct target *t);

/* Copies up to `max` of the processes that live, oldest first; returns how many there are. */
size_t target_list(struct target *t, struct target_process *out, size_t max);

pid_t target_root(const struct target *t);

/* How the root process ended: its exit code, or -signal. False while it lives and for
 * attached processes, whose status belongs to their parent. */
bool target_exit_status(struct target *t, int *status);

/* Sends `signal` to the root process (Ctrl-C at the terminal reaches it by itself). */
void target_signal(struct target *t, int signal);

/* Processes ever seen, and those not followed for TARGET_MAX_PROCESSES. */
void target_counts(struct target *t, uint64_t *seen, uint64_t *not_followed);
