#pragma once
/* Native frames for the sampler's stacks: how a thread's are captured while its Python stack is
 * read, and how both become one node of the stack table afterwards. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/native/capture.h"
#include "collector/native/space.h"
#include "collector/native/unwind.h"
#include "collector/python/unwind.h"
#include "collector/sampler/stacks.h"
#include "common/base/map.h"

struct sampled_process;
struct sampled_thread;
struct sampling;
struct native_scratch;
struct rows;

struct native_stacks_stats {
    uint64_t whole;            /* samples whose native stack was followed to its beginning */
    uint64_t cut[UNWIND_ENDS]; /* that ended before, and why; the stack says where */
    uint64_t unplaced;         /* where Python frames could not be put among the native ones */
    uint64_t unread;           /* without native frames: their thread may not be stopped */
    uint64_t skipped;          /* not taken: the time for stops was used up */
    uint64_t stops, stop_ns;   /* threads stopped, and for how long in all */
};

/* One for the sampler. */
struct native_stacks {
    struct image_store images;
    struct namer *namer;
    struct native_scratch *scratch;
    bool shows_interpreter; /* the interpreter's own frames too */
    struct native_stacks_stats stats;
    uint64_t unwind_ns; /* CPU time spent on it */
};

/* One for each process. */
struct native_process {
    struct space space;
    struct map by_pc; /* -> place + 1 */
    struct native_known {
        uint64_t pc;
        uint32_t first, len; /* of `frames`, innermost first */
        bool is_interpreter, is_eval, is_start;
    } * places;
    size_t places_len, places_cap;
    uint32_t *frames; /* of the stack table */
    size_t frames_len, frames_cap;
    struct sampled_thread **others; /* threads without Python, see native_read.c */
    size_t others_len, others_cap;
    uint64_t listed_ns, python_listed_ns;
};

/* Tells the stream its counters: native_whole, native_cut, ... */
void native_stacks_count(const struct native_stacks *n, struct stream *stream);

bool native_stacks_init(struct native_stacks *n, bool shows_interpreter);
void native_stacks_deinit(struct native_stacks *n); /* takes a zeroed one too */

void native_process_init(struct native_process *np, struct native_stacks *n, pid_t pid);
void native_process_deinit(struct native_process *np); /* takes a zeroed one too */

/* ---- reading, in native_read.c ---- */

/* Reads one thread's Python and native stacks at one moment, and adds a row: of one that sleeps in
 * a system call without stopping it, of any other while it stands still. */
void native_read_thread(struct sampled_process *p, struct sampling *s, struct sampled_thread *t);

/* The threads that no interpreter knows of: all of a program without Python, and of others those
 * that run (a library's worker threads). */
void native_list_others(struct sampled_process *p, uint64_t now);
void native_read_others(struct sampled_process *p, struct sampling *s);
void native_settle_others(struct sampled_process *p, struct rows *rows, uint64_t now);

/* ---- merging ---- */

/* Whether the thread has slept ever since its last sample, which then holds again. */
bool native_still_sleeps(const struct sampled_process *p, const struct sampled_thread *t);

/* Of the sample that was just read: with `frames` (innermost first, as thread_intern left them in
 * t->path) and what was captured, the node that holds both; `node` itself when there is nothing
 * to add. */
uint32_t native_stacks_merge(struct native_stacks *n, struct sampled_process *p,
                             struct sampled_thread *t, struct stack_table *stacks,
                             const struct python_frame *frames, size_t len, uint32_t node,
                             uint64_t now);
