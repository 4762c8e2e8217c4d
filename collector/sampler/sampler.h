#pragma once
/* Samples the Python stacks of a target's threads from outside: nothing is written into it and, but
 * for the rare stop below, it is not paused.
 *
 * Runs on a thread of its own, by a clock of absolute deadlines; rows go into the stream a few
 * times a second, as the sample set "cpu" with values wall and cpu, both in ns. A sample is right
 * or it is not shown: what is read while the target changes it is noticed (two copies are
 * compared), read again at once, then, within a budget, read while that one thread stands still,
 * and otherwise counted as torn. Counters: samples, torn, retried, stopped, missed, errors. With
 * native frames each running thread is stopped for each sample, see native_read.c. */

#include <stdbool.h>
#include <stdint.h>

#include "collector/stream/stream.h"
#include "collector/target/target.h"
#include "common/base/buf.h"
#include "common/base/status.h"

struct sampler;

enum sampler_mode {
    SAMPLER_WALL, /* every thread at every tick */
    SAMPLER_CPU,  /* threads that used the CPU since the tick before */
    SAMPLER_GIL,  /* the thread that holds the GIL; without one (free-threaded), those attached */
    SAMPLER_EXCEPTION, /* threads that raise or handle an exception */
};

enum {
    SAMPLER_SPANS_MAX = 64,    /* patterns of functions to mark */
    SAMPLER_SPANS_EACH = 1000, /* spans of one name; then only those of a second or more */
};

struct sampler_options {
    double rate_hz; /* 0 = as fast as it goes */
    enum sampler_mode mode;
    bool never_stop;          /* never stop a thread to read it */
    bool exceptions;          /* look whether there is an exception in other modes too */
    double stop_share;        /* at most this part of time may go into stops; 0 = 0.005, and with
                                 native frames 0.01 of each thread's */
    bool native;              /* native frames too, and programs without Python */
    bool native_interpreter;  /* with those of the interpreter itself */
    bool columns;             /* which part of the line runs too, from 3.11 on */
    uint64_t flush_ns;        /* between bulks into the stream; 0 = 200 ms */
    const char *const *spans; /* patterns of functions to mark, ends with NULL; NULL = none */
};

/* Declares the sample set, which sampler_open does too: for a caller whose other producers come
 * first, since a profile's first set is what people see first. Returns its number. */
uint32_t sampler_declare(struct stream *stream, double rate_hz);

/* Both the target and the stream must outlive the sampler. Starts its thread. */
enum status sampler_open(struct sampler **out, struct target *target, struct stream *stream,
                         const struct sampler_options *options, struct error *err);

/* Ends the thread; the last rows are in the stream then, and the figures are final. */
void sampler_stop(struct sampler *s);

/* Stops and frees. Takes NULL. */
void sampler_close(struct sampler *s);

void sampler_set_paused(struct sampler *s, bool is_paused);
void sampler_set_rate(struct sampler *s, double rate_hz);

struct sampler_stats {
    uint64_t ticks;          /* rounds over all threads */
    uint64_t samples;        /* stacks delivered */
    uint64_t torn;           /* stacks given up because they changed while they were read */
    uint64_t retried;        /* stacks read again since they changed, or it took too long */
    uint64_t stopped;        /* stacks read while their thread stood still */
    uint64_t stopped_ns;     /* and for how long it did, in all */
    uint64_t skipped;        /* stacks not read: the time for stops was used up */
    uint64_t missed;         /* deadlines that passed unused */
    uint64_t errors;         /* reads that failed for other reasons */
    uint64_t reads;          /* system calls that read memory */
    uint64_t cpu_ns;         /* CPU time of the sampler's thread */
    uint64_t collections[3]; /* of garbage, by generation, where Python tells */
    uint64_t spans_met;      /* bit i: pattern i named a function that was seen */
    uint64_t spans_dropped;  /* spans over their limit */
};
void sampler_stats(struct sampler *s, struct sampler_stats *out);

/* All threads' stacks of one process, once, as text for people or as JSON. STATUS_UNSUPPORTED
 * with the reason when it has no stacks to show; STATUS_GONE, STATUS_DENIED. */
struct sampler_dump_options {
    bool json, native, native_interpreter, columns;
    bool tasks;            /* asyncio's tasks that wait, too */
    uint32_t locals_bytes; /* of each variable's value; 0 = no variables */
};
enum status sampler_dump(pid_t pid, const struct sampler_dump_options *options, struct buf *out,
                         struct error *err);
