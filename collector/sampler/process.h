#pragma once
/* One process being sampled: its interpreters and threads, and a round over them. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/sampler/codes.h"
#include "collector/sampler/native_stacks.h"
#include "collector/sampler/rows.h"
#include "collector/sampler/sampler.h"
#include "collector/sampler/spans.h"
#include "collector/sampler/thread.h"
#include "collector/target/memory.h"
#include "collector/target/target.h"

/* What one round needs to know and counts. */
struct sampling {
    const struct sampler_options *options;
    struct stack_table *stacks;
    struct rows *rows;
    struct sampler_stats *stats;
    struct native_stacks *native; /* NULL = Python frames only */
    struct task_names *tasks;
    struct python_frame *frames; /* PYTHON_MAX_DEPTH of them, and room for a mark */
    uint64_t now_ns;
    uint64_t cpu_every_ns;  /* schedstat is not read more often than this */
    int64_t stop_budget_ns; /* left for stops; spent as they happen, below 0 by the last */
    bool is_too_deep;       /* some stack has more frames than are followed */
    bool is_unhurried;      /* so few rounds a second that the budget lasts for most of them */
};

enum { SAMPLED_GILS_MAX = 16, PROCESS_PACES = 32 };

struct sampled_process {
    uint32_t serial, epoch;
    pid_t pid;
    struct target_python python;
    struct target_memory memory;
    struct code_table codes;
    struct task_finder tasks;
    uint32_t stream_process;
    bool is_gone;  /* its memory cannot be read any more */
    bool is_plain; /* no Python that we read: native stacks only */
    struct native_process native;

    uint64_t *interps; /* addresses of the interpreter states */
    size_t interps_len, interps_cap;
    struct sampled_thread **threads; /* interpreter by interpreter, in the target's list order */
    size_t threads_len, threads_cap;
    uint64_t active_threads; /* the dict threading._active; 0 = not found */
    /* From 3.12 on an interpreter may have a GIL of its own; those past the limit are not known. */
    struct sampled_gil {
        uint64_t begin;  /* the struct, where those who want it wait */
        uint64_t at;     /* address of its holder, see process_round.c */
        uint64_t holder; /* a thread state, as read in this round; 0 = nobody */
    } gils[SAMPLED_GILS_MAX];
    size_t gils_len;
    uint64_t none;  /* address of None; 0 = not met yet */
    bool has_clock; /* a single OS thread: the process's own CPU clock is exact */
    uint64_t clock_ns, clock_read_ns;
    uint64_t listed_ns, checked_ns, named_ns, round_ns;
    bool must_list, must_name, has_news; /* has_news: threads without a number in the stream */
    size_t rows_checked; /* rows before this one name codes that were checked since */

    /* What the interpreters said in this round. */
    bool is_collecting;
    struct span_gc gc;
    struct span_watch *spans; /* NULL = nobody asks */

    /* The fastest read of each size of late, as a multiple of the usual; 0 = none yet. */
    double paces[PROCESS_PACES];
    bool was_slow; /* the last read was no proof: see process_read.c */
    bool is_held;  /* the thread stands still: any read is proof */
    struct iovec *iov;
    size_t iov_cap;
    uint8_t *slice;
    size_t slice_cap;
};

/* Without native stacks there must be a Python. */
bool process_open(struct sampled_process **out, const struct target_process *info,
                  const struct sampling *s);
void process_close(struct sampled_process *p);

/* ---- process_spans.c ---- */

/* Whose spans a thread's are (NULL = the process's own). */
struct span_place process_place(const struct sampled_process *p, const struct sampled_thread *t);

void process_see_span(struct sampled_process *p, const struct sampling *s, struct sampled_thread *t,
                      uint32_t node);
void process_tell_open_spans(struct sampled_process *p);

/* Ends the spans of all threads. Before process_close. */
void process_end_spans(struct sampled_process *p);

/* Takes what stands before and at the flag `collecting`; returns its length. */
size_t process_take_gc(struct sampled_process *p, struct sampling *s, const uint8_t *bytes);

/* Looks for new and ended threads when it is time or there is reason to; false when the process
 * cannot be read. */
bool process_list(struct sampled_process *p, uint64_t now);

/* Reads every thread once and adds a row each. */
void process_sample(struct sampled_process *p, struct sampling *s);

/* Shares out the CPU time that is known by now over all rows. Before rows are given away. */
void process_settle(struct sampled_process *p, struct rows *rows, uint64_t now);

/* ---- parts of a round, for native_read.c ---- */

/* Reads a thread's Python stack, again up to `tries` times. */
enum reading_result process_read_thread(struct sampled_process *p, struct sampling *s,
                                        struct sampled_thread *t, int tries, size_t *len);
/* Makes a row of what was read, if there are frames. */
void process_take_result(struct sampled_process *p, struct sampling *s, struct sampled_thread *t,
                         enum reading_result result, size_t len, bool is_stopped);
void process_add_row(struct sampling *s, const struct sampled_process *p, struct sampled_thread *t,
                     uint32_t node, uint32_t state);
uint32_t process_state_of(struct sampled_process *p, const struct sampling *s,
                          struct sampled_thread *t);
/* Shares what the thread used, and waited to use, out over its rows. */
void process_settle_thread(struct rows *rows, struct sampled_thread *t);

/* Compares the codes used since the last check; false when some of them may have been named
 * wrongly: then the rows since then are to be dropped. */
bool process_check_codes(struct sampled_process *p);
