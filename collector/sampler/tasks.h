#pragma once
/* Puts asyncio's tasks into stacks: between the event loop's frames and the outermost coroutine of
 * the task that runs goes a mark with the task's name, so that a stack reads event loop, task,
 * coroutine, coroutine.
 *
 * Which task runs is asked right after the stack was read, and believed only when its coroutine's
 * own frame is in that stack. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/python/tasks.h"
#include "collector/python/unwind.h"
#include "collector/sampler/stacks.h"
#include "collector/target/memory.h"
#include "common/base/map.h"

enum {
    TASKS_NUMBERED_MAX = 64, /* tasks without a name of their own shown one by one */
    TASKS_NAMED_MAX = 1024,
    TASK_NAME_BYTES = 96, /* of the name's object; a longer one is read each time */
};

/* The names seen by one sampler, of all processes. A server starts a task a request: past the
 * limits they are shown together. */
struct task_names {
    struct stack_table *stacks;
    struct map frames; /* hash of the name -> frame */
    size_t numbered, named;
    bool is_folded; /* some are shown together */
};
void task_names_init(struct task_names *n, struct stack_table *stacks);
void task_names_deinit(struct task_names *n);

/* Where one process keeps its tasks; looked for when a stack shows a generator or coroutine. */
struct task_finder {
    struct python_tasks tasks;
    bool is_found;
    uint64_t first_look_ns, look_ns; /* when it was looked for first, when to look next */
};

/* The task that a thread ran last, as it was read: the same bytes again mean the same name. */
struct task_view {
    uint64_t task, coroutine, name;
    uint8_t name_bytes[TASK_NAME_BYTES];
    bool is_whole; /* name_bytes hold all of it */
    uint32_t frame;
};

struct task_place {
    pid_t pid;
    const struct python_layout *layout;
    struct target_memory *memory;
    uint64_t interp, tstate;
};

/* Whether the program has asyncio's C module loaded; looks at once. */
bool tasks_find(struct task_finder *f, const struct task_place *place);

/* Inserts the mark into `frames` (innermost first, room for one more): a frame whose code is 0 and
 * whose ip is the mark's frame in the stack table. */
void tasks_mark(struct task_finder *f, struct task_names *names, struct task_view *last,
                const struct task_place *place, uint64_t now, struct python_frame *frames,
                size_t *len);
