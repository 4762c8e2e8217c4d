#pragma once
/* What the files of the heap share. Everything here belongs to the draining thread, except what
 * heap.c guards. */

#include <pthread.h>
#include <stdatomic.h>

#include "collector/heap/heap.h"
#include "collector/heap/live.h"
#include "collector/heap/mappings.h"
#include "collector/python/code.h"
#include "collector/ring/reader.h"
#include "common/base/map.h"

/* Counts of blocks carry 16 fractional bits, so that estimates add up. */
enum { HEAP_COUNT_SHIFT = 16 };
#define HEAP_ONE (UINT64_C(1) << HEAP_COUNT_SHIFT)

/* What happened to the blocks of a site since the last rows were written. */
struct heap_change {
    uint64_t allocated, allocations;
    uint64_t freed, frees, temporary, temporaries; /* of blocks born in the current tick */
};

/* Where blocks come from: stack, thread and domain. Changes before and after the interval's
 * highest moment are kept apart, so that what was alive at that moment can be told exactly. */
struct heap_site {
    uint32_t stack, thread;
    enum ring_domain domain;
    uint32_t process;
    bool is_touched;
    uint64_t peak_serial;
    struct heap_change before, after;
    uint64_t allocations_carry, frees_carry, temporaries_carry;
};

/* Frees of blocks that were born in an earlier tick, by site and time of birth. */
struct heap_aged {
    uint32_t site;
    uint32_t born_tick;
    uint64_t peak_serial;
    struct {
        uint64_t freed, frees, temporary, temporaries;
    } before, after;
};

/* A span of heliograph.span() that has begun. */
struct heap_span {
    uint32_t name; /* string of the stream */
    uint64_t begin_ns, begin_bytes;
};

struct heap_ring {
    struct ring_reader reader;
    uint32_t slot;
    uint64_t turn;       /* what its next record belongs to: see turn_key in drain.c */
    uint64_t long_size;  /* of the next record; 0 = none */
    bool unmapped_known; /* the last RING_UNMAP met a known mapping */
    uint32_t thread;     /* row of the stream */
    bool has_thread;
    uint64_t every;
    uint32_t *stack_of_node; /* stream's stack + 1; 0 = not asked yet */
    uint32_t *site_of_node;  /* [node * 2 + domain]: site + 1 */
    size_t nodes_cap;
    struct heap_span *spans; /* open ones, outermost first */
    size_t spans_len, spans_cap;
    uint64_t lost_seen, waits_seen;
};

struct heap_code {
    uint32_t definition;
    bool is_known;
    uint32_t function; /* row of the stream */
    struct python_code code;
};

struct heap_process {
    uint32_t slot;
    uint32_t pid;
    int pidfd;      /* -1 = it had already gone */
    uint32_t index; /* in heap.processes */
    bool is_child;  /* of a followed process: may free blocks it inherited */
    bool is_ending, has_ended;
    uint32_t row; /* of the stream */
    uint32_t metric, metric_arenas;
    uint64_t last_arenas;
    struct python_layout layout;
    bool has_layout;
    const uint8_t *definitions;
    struct heap_code *codes;
    size_t codes_len, codes_cap;
    struct map code_of_definition;

    struct heap_ring **rings;
    size_t rings_len, rings_cap;

    struct live live;
    struct map big; /* address -> row of big_sizes */
    uint64_t *big_sizes;
    size_t big_len, big_cap;
    struct mappings mappings;
    struct map owed; /* address -> frees still to come from slower rings */
    size_t owed_len;
    uint64_t owed_pass;
    struct map early; /* address -> ring + 1: frees of blocks whose allocation is still to come */
    size_t early_len;
    uint64_t early_pass;
    uint32_t ordinal;

    uint64_t in_use;
    uint64_t peak, peak_ns, peak_serial; /* of this interval */
    uint64_t last_point;
    bool has_point;
};

struct heap {
    struct stream *stream;
    struct heap_options options;
    struct ring_region *region;
    char *environment[3];
    char *agent; /* path of the library */
    struct heap_attachment *attachment;

    pthread_t thread;
    pthread_mutex_t lock; /* held through a pass; heap_totals and heap_flush take it */
    pthread_cond_t wake;
    bool is_stopping;
    bool has_lock, has_thread;

    uint64_t start_ns, now_ns, interval_ns;
    uint32_t now_ms, tick; /* tick = now_ms / interval */
    uint64_t arrivals, passes;

    struct heap_process **processes; /* all ever seen, in order of coming */
    size_t processes_len, processes_cap;
    uint32_t *active; /* those that live */
    size_t active_len, active_cap;
    uint64_t last_look_ns;

    struct heap_site *sites;
    size_t sites_len, sites_cap;
    struct map site_index;
    uint32_t *touched;
    size_t touched_len, touched_cap;
    struct heap_aged *aged;
    size_t aged_len, aged_cap;
    struct map aged_index;

    uint32_t set, metric_total;
    uint64_t last_total, total_peak, total_peak_ns; /* of this interval */
    struct heap_row *rows;
    size_t rows_cap;
    uint64_t *column_time;
    uint32_t *column_thread, *column_stack, *column_state;
    int64_t *column_values;
    size_t time_cap, thread_cap, stack_cap, state_cap, values_cap;

    struct heap_totals totals;
    uint64_t allocations_fixed, frees_fixed; /* with HEAP_COUNT_SHIFT */
    uint64_t size_classes[24], lifetimes[24];
    uint64_t dropped; /* memory was short here */
    uint64_t last_rate_ns, last_rate_events;
    uint64_t every_most; /* sampled: the longest distance of samples so far */
};

/* ---- stacks.c ---- */
/* The stream's stack for a node of a ring; takes the stream's lock when it is new. */
uint32_t heap_stack_of(struct heap *h, struct heap_process *p, struct heap_ring *r, uint32_t node);
void heap_codes_deinit(struct heap_process *p);

/* ---- account.c ---- */
/* The row of (stack, thread, domain), made when new; UINT32_MAX when memory is short. */
uint32_t heap_site(struct heap *h, uint32_t process, uint32_t stack, uint32_t thread,
                   enum ring_domain domain);
void heap_account_alloc(struct heap *h, struct heap_process *p, uint32_t site, uint64_t bytes,
                        uint64_t count);
void heap_account_free(struct heap *h, struct heap_process *p, uint32_t site, uint64_t bytes,
                       uint64_t count, uint32_t born_ms, bool is_temporary);
void heap_site_settle(const struct heap_process *p, struct heap_site *s);
void heap_aged_settle(const struct heap_process *p, struct heap_aged *a);

/* ---- records.c ---- */
void heap_apply(struct heap *h, struct heap_process *p, struct heap_ring *r,
                const struct ring_record *record);

/* Frees whose allocation did not come after all; `now` = do not wait longer. */
void heap_forget_early(struct heap *h, struct heap_process *p, bool now);

/* ---- marks.c ---- */
void heap_mark(struct heap *h, struct heap_process *p, struct heap_ring *r,
               const struct ring_record *record);

/* ---- drain.c ---- */
/* Takes what the rings hold; returns the number of records. */
size_t heap_drain(struct heap *h);
void heap_process_free(struct heap *h, struct heap_process *p);
void heap_end_process(struct heap *h, struct heap_process *p);

/* ---- attach.c ---- */
void heap_attachment_free(struct heap *h);

/* ---- rows.c ---- */
void heap_declare(struct heap *h);
/* What changed in the tick that ends at `end_ns`. */
void heap_write_rows(struct heap *h, uint64_t end_ns);
