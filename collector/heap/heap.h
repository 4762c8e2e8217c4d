#pragma once
/* Follows the allocations of a program and of all that descend from it.
 *
 * Makes the shared memory, tells which environment a program must be started with so that the
 * agent in it finds that memory, drains the rings on a thread of its own and puts what it learns
 * into the stream: the sample set "heap", series and counters. docs/memory.md says what each
 * value means and how questions are answered from them. */

#include <stdbool.h>
#include <stdint.h>

#include "collector/stream/stream.h"
#include "common/base/status.h"

enum heap_mode { HEAP_OFF, HEAP_SAMPLED, HEAP_EXACT };

struct heap_options {
    enum heap_mode mode;
    uint64_t every_bytes;   /* sampled: mean distance of samples; 0 = 512 KiB */
    uint64_t interval_ns;   /* between rows of the same stack; 0 = 100 ms */
    uint32_t temporary_len; /* a block freed before so many later allocations is temporary; 0 = 1 */
    const char *agent_path; /* libheliograph-agent.so; NULL = beside the running program */
    bool is_passive;        /* no thread: rings are drained by heap_flush alone */
};

/* What was learned so far; counts of sampled mode are estimates. */
struct heap_totals {
    uint64_t allocated_bytes, allocations, freed_bytes, frees;
    uint64_t in_use_bytes, peak_bytes; /* of all processes, those that ended left out */
    uint64_t events;                   /* records drained */
    uint64_t lost;            /* events that found no room or came in a signal handler: gaps */
    uint64_t unknown_frees;   /* of blocks from before the agent came */
    uint64_t inherited_frees; /* in a forked child, of its parent's blocks */
    uint64_t waits;           /* times a thread waited for a full ring */
    uint64_t processes, threads, stacks;
    uint64_t table_bytes; /* the most held for live blocks and stacks */
    uint64_t peak_blocks; /* the most live blocks, as seen once a tick */
};

struct heap;
struct target_process;

enum heap_attach_state {
    HEAP_ATTACH_NONE,    /* nothing was asked for */
    HEAP_ATTACH_WAITING, /* until the program's main thread runs Python again */
    HEAP_ATTACH_DONE,
    HEAP_ATTACH_FAILED,
};

/* Starts draining. STATUS_NOT_FOUND when there is no agent library, STATUS_USAGE for HEAP_OFF. The
 * stream must outlive the heap. */
enum status heap_open(struct heap **out, struct stream *stream, const struct heap_options *options,
                      struct error *err);

/* "LD_PRELOAD=...", "HELIOGRAPH_AGENT=...", NULL: to be set in the program that is started
 * (target_options.env). Valid until heap_close. */
const char *const *heap_environment(const struct heap *h);

/* Brings the agent into a process that runs already: by Python's own way (3.14+), else, if
 * `may_inject`, through ptrace. Returns at once; STATUS_UNSUPPORTED or STATUS_DENIED with the
 * reason when it cannot be done. What was allocated before is not known. One process a heap. */
enum status heap_attach(struct heap *h, const struct target_process *process, bool may_inject,
                        struct error *err);

/* How that went; `reason` says why when it failed. */
enum heap_attach_state heap_attach_state(struct heap *h, char *reason, size_t size);

/* Takes the hooks out again, waiting up to `wait_ms`; false when the program did not come to it:
 * then they go with the next full ring. Nothing to do for a heap that was not attached. */
bool heap_detach(struct heap *h, uint32_t wait_ms);

/* Drains everything written so far and puts it into the stream; also done by heap_close. */
void heap_flush(struct heap *h);

void heap_totals(struct heap *h, struct heap_totals *out);

/* Lets the agents go (they stop recording, the programs run on), drains what is left, frees.
 * Takes NULL. */
void heap_close(struct heap *h);
