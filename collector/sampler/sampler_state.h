#pragma once
/* The sampler itself: its clock and rows are in sampler.c, whom it watches in
 * sampler_processes.c. */

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/sampler/process.h"
#include "collector/sampler/sampler.h"

struct sampler {
    struct target *target;
    struct stream *stream;
    struct sampler_options options;
    pthread_t thread;
    atomic_bool must_end, is_paused;
    _Atomic double rate_hz;

    pthread_mutex_t stats_lock;
    struct sampler_stats published;

    /* The rest belongs to the thread. */
    struct sampler_stats stats;
    struct sampling sampling;
    struct stack_table stacks;
    struct task_names tasks;
    bool is_folding_said, is_depth_said, is_no_columns_said;
    struct native_stacks native;
    struct rows rows;
    struct span_watch spans;
    int64_t *values; /* the columns that the stream wants side by side */
    struct sampled_process **processes;
    size_t processes_len, processes_cap;
    struct known_process {
        uint32_t serial, epoch, stream;
        enum target_python_state state;
        bool is_seen;
    } * known; /* all that live, also those without a Python */
    size_t known_len, known_cap;
    struct target_process *list;
    size_t list_cap;
    uint64_t generation;
    uint32_t set;
    uint64_t flushed_ns, checked_ns, budget_ns;
    uint64_t busy_ns; /* when it last paused */
    uint64_t jitter;
};

/* Takes processes that came, left, or turned out to be Pythons. */
void sampler_sync_processes(struct sampler *s);

/* Gives new threads their number in the stream. */
void sampler_name_threads(struct sampler *s, struct sampled_process *p);
