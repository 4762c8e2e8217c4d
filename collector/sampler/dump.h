#pragma once
/* One look at a process: what dump.c reads and dump_write.c puts into words. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/python/unwind.h"
#include "collector/sampler/process.h"
#include "collector/sampler/sampler.h"
#include "common/base/buf.h"

enum dump_locals_state {
    DUMP_LOCALS_NONE, /* not asked for */
    DUMP_LOCALS_READ,
    DUMP_LOCALS_CHANGED, /* the thread ran while they were read: nothing is shown */
};

struct dump_local {
    uint32_t frame;                            /* which Python frame, the innermost is 0 */
    uint32_t name, name_len, value, value_len; /* of the texts; a name of 0 characters: left out */
};

/* A thread, or a task that waits. */
struct dump_stack {
    const struct sampled_thread *thread; /* NULL: a task */
    uint32_t node, state;
    bool is_known;
    uint32_t task, task_len;       /* of the texts: its name */
    uint32_t awaited, awaited_len; /* of the texts: what it waits for; 0 = nothing */
    enum dump_locals_state locals_state;
    size_t locals, locals_len; /* rows of struct dump */
    size_t frames_without;     /* of the outer frames the variables are left out */
};

enum dump_tasks_state {
    DUMP_TASKS_NONE,
    DUMP_TASKS_READ,
    DUMP_TASKS_NO_ASYNCIO,
    DUMP_TASKS_UNREAD, /* not all of them are known: they could not be listed, or are too many */
};

struct dump {
    pid_t pid;
    const char *runtime;
    const struct sampler_dump_options *asked;
    struct sampled_process *process;
    struct stack_table stacks;
    struct task_names tasks;
    struct native_stacks native;
    struct rows rows;
    struct sampler_options options;
    struct sampler_stats stats;
    struct sampling sampling;

    struct dump_stack *found;
    size_t found_len, found_cap;
    struct dump_local *locals;
    size_t locals_len, locals_cap;
    struct buf texts;
    enum dump_tasks_state tasks_state;
    size_t tasks_unread; /* known, but what they wait in could not be read */
};

bool dump_same_frames(const struct python_frame *a, const struct python_frame *b, size_t len);

/* Fills in the variables of all stacks' frames. */
void dump_locals_read(struct dump *d, struct dump_stack *stack, const struct python_frame *frames,
                      size_t len);

/* Adds the tasks that wait; false without memory. */
bool dump_tasks_read(struct dump *d);

void dump_write(const struct dump *d, struct buf *out);
