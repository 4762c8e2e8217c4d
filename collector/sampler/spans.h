#pragma once
/* When functions ran (--span), and when garbage was collected: stretches of time for the stream.
 *
 * They are seen through samples, so nothing is changed in the program and every version of Python
 * will do. A call begins half-way between the last sample without it and the first with it, and
 * ends likewise: each end is off by at most one interval between samples. A call shorter than that
 * may be missed, and calls from the same line with no sample between them are one span. Of a
 * recursion the outermost call counts. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "collector/sampler/sampler.h"
#include "collector/sampler/stacks.h"
#include "collector/stream/stream.h"

enum {
    SPAN_DEPTH = 16, /* functions of one stack that are told apart */
};
#define SPAN_LONG_NS UINT64_C(1000000000)

struct span_watch {
    const char *const *patterns; /* ends with NULL; "jobs.load", "*.Loader.run" */
    struct stack_table *stacks;
    uint64_t met; /* bit i: pattern i named a function that ran */

    /* By function: 0 = not asked yet, 1 = not wanted, else its name's text + 2. */
    uint32_t *wanted;
    size_t wanted_len, wanted_cap;
    uint32_t *nearest; /* by node: the nearest node, itself or above it, that is wanted */
    size_t nearest_len, nearest_cap;

    struct span_row {
        uint32_t name; /* text of the stack table */
        uint32_t process, thread, level;
        uint64_t begin_ns, end_ns;
        double begin_bytes, end_bytes;
    } * rows; /* not given to the stream yet */
    size_t rows_len, rows_cap;
    struct map kept; /* name -> how many spans */
    pid_t sized_pid;
    double sized_bytes; /* what it had when it was last read */
    uint64_t dropped;   /* over SAMPLER_SPANS_EACH, or memory was short */
};

/* What a thread is in now, outermost first. */
struct span_thread {
    struct span_open {
        uint32_t site; /* the node that called it */
        uint32_t name;
        uint64_t begin_ns;
        double begin_bytes;
        bool is_told;
    } open[SPAN_DEPTH];
    uint32_t len;
    uint32_t node;    /* of the last sample */
    uint64_t seen_ns; /* its time; 0 = none */
};

/* Garbage collection of one process. */
struct span_gc {
    uint64_t collections[3]; /* as last read */
    bool has_collections, is_running;
    uint64_t begin_ns, seen_ns;
};

/* Whose samples these are; as numbers of the stream. */
struct span_place {
    uint32_t process, thread;
    pid_t pid;
    bool has_qualname; /* up to 3.10 a method's code does not know its class */
};

bool spans_init(struct span_watch *w, const char *const *patterns, struct stack_table *stacks);
void spans_deinit(struct span_watch *w);

/* The thread stood at `node` at `now`. */
void spans_see(struct span_watch *w, struct span_thread *t, const struct span_place *place,
               uint32_t node, uint64_t now);

/* The thread has ended, or is not followed any more: since its last sample. */
void spans_end(struct span_watch *w, struct span_thread *t, const struct span_place *place);

/* Tells those that still go on, as spans without an end; once each. */
void spans_tell_open(struct span_watch *w, struct span_thread *t, const struct span_place *place);

/* The collector of garbage at `now`: whether it runs, and how many collections of each generation
 * there were (NULL = not known). Adds those that are new to `total`. */
void spans_see_gc(struct span_watch *w, struct span_gc *gc, const struct span_place *place,
                  bool is_running, const uint64_t *collections, uint64_t now, uint64_t total[3]);

/* Names since `since_ns` may have been wrong: forgets the spans of this process that began then. */
void spans_doubt_rows(struct span_watch *w, uint32_t process, uint64_t since_ns);
void spans_doubt_open(struct span_thread *t, uint64_t since_ns);

/* Gives the stream what is new; the caller holds its lock. */
void spans_give(struct span_watch *w, struct stream *stream);

/* Whether `pattern` names the function `name` of `file`: the pattern is compared with the dotted
 * path "package.module.Class.function", and with what remains of it without its first parts, down
 * to the function's own name. */
bool spans_match(const char *pattern, const char *file, const char *name, bool has_qualname);
