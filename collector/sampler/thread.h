#pragma once
/* One thread of a sampled process: its reading, its last stack, and the CPU time it uses. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "collector/sampler/codes.h"
#include "collector/sampler/reading.h"
#include "collector/sampler/rows.h"
#include "collector/sampler/spans.h"
#include "collector/sampler/tasks.h"

enum { THREAD_NAME_MAX = 64 };

struct sampled_thread {
    struct reading reading;
    bool has_python; /* the interpreter knows it; else only native frames are read of it */
    pid_t tid;       /* 0 = not known */
    uint64_t interp;
    uint64_t ident;    /* its pthread_t */
    bool has_own_name; /* given by the program, not by the system */
    char name[THREAD_NAME_MAX];
    uint32_t stream_thread;
    bool has_stream_thread;

    int schedstat;            /* kept open; -1 = none */
    int syscall;              /* the same, opened when first needed */
    uint64_t futex, futex_ns; /* as thread_futex found last, and when */
    /* As schedstat last said: time on a CPU, time waiting for one, times put on one. */
    uint64_t run_ns, ready_ns, runs;
    uint64_t read_ns;            /* when */
    uint64_t unsettled_ns;       /* CPU time not shared out yet */
    uint64_t unsettled_ready_ns; /* and time it was ready but had no CPU */
    uint64_t changed_ns;         /* when run_ns or runs last changed */
    bool is_asleep;

    /* How often a first reading was in vain lately, in 2^-20. A thread that changes faster than it
     * can be read is only ever read while it stands still, where that is allowed: who is accepted
     * at a first try, or read again until it is, is not a fair sample of what it does. */
    int32_t torn_share, notes;
    bool is_unsteady;
    bool cannot_stop;
    bool is_direct; /* in this round: read while it stands still, or not at all */

    struct capture *capture; /* of its native stack; NULL = not asked for */
    int64_t stop_budget_ns;  /* for that: time it may be held; below 0 after a long stop */
    uint64_t budget_at_ns;

    uint32_t last_row; /* of the rows not settled yet */
    uint64_t row_ns;   /* time of the row before; 0 = none */

    struct task_view task; /* that it ran last */

    /* The last stack, outermost frame first, with the node up to each frame. */
    struct {
        uint64_t code, ip;
        uint32_t node;
    } * path;
    size_t path_len, path_cap;
    uint32_t node; /* of the last good sample; 0 = no Python frames */
    struct span_thread spans;
};

bool thread_init(struct sampled_thread *t, const struct python_layout *layout,
                 struct target_memory *memory, uint64_t tstate, pid_t pid, pid_t tid);
/* One of which no interpreter knows. */
void thread_init_plain(struct sampled_thread *t, pid_t pid, pid_t tid);
void thread_deinit(struct sampled_thread *t);

/* Asks the kernel for its name; true when it changed. */
bool thread_read_name(struct sampled_thread *t, pid_t pid);

/* Takes the name that the program gave it; true when it changed. */
bool thread_take_name(struct sampled_thread *t, const struct buf *name);

/* Reads schedstat: adds to unsettled_ns and knows then whether it sleeps. */
void thread_read_cpu(struct sampled_thread *t, uint64_t now);

/* How often it was put on a CPU so far; false when the kernel does not tell. */
bool thread_runs(const struct sampled_thread *t, uint64_t *runs);

/* The address of the futex it blocks in; 0 = none. Asks the kernel at most once in `every_ns`. */
uint64_t thread_futex(struct sampled_thread *t, pid_t pid, uint64_t now, uint64_t every_ns);

/* Notes how a first reading went: makes it unsteady or no longer so. */
void thread_note_first(struct sampled_thread *t, bool was_good);

/* The node of these frames (innermost first); false when one of them cannot be right. */
bool thread_intern(struct sampled_thread *t, struct code_table *codes,
                   const struct memory_reader *reader, const struct python_frame *frames,
                   size_t len, uint32_t *node);

/* Forgets the last path, after codes were forgotten. */
void thread_forget_path(struct sampled_thread *t);
