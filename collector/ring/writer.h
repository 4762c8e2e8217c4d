#pragma once
/* The agent's end of a ring: plain stores, one release store to publish. Header-only and free of
 * libc, since it runs inside other people's malloc.
 *
 * One event asks for room once (ring_writer_has_room) and may then write up to RING_SPARE records.
 * A zeroed writer has no room, so a forked child (whose copy is wiped) cannot write into its
 * parent's ring. */

#include "collector/ring/layout.h"

struct ring_writer {
    struct ring_record *records;
    uint64_t head;
    uint64_t limit; /* heads below it have room for RING_SPARE records */
    uint64_t mask;
    struct ring_thread *shared;
};

static inline void ring_writer_init(struct ring_writer *w, struct ring_thread *shared,
                                    struct ring_record *records, uint32_t capacity)
{
    w->records = records;
    w->mask = capacity - 1;
    w->shared = shared;
    w->head = atomic_load_explicit(&shared->head, memory_order_relaxed);
    w->limit = atomic_load_explicit(&shared->tail, memory_order_acquire) + capacity - RING_SPARE;
}

static inline bool ring_writer_has_room(const struct ring_writer *w)
{
    return w->head < w->limit;
}

/* Looks how far the reader has come. */
static inline bool ring_writer_refresh(struct ring_writer *w)
{
    uint64_t tail = atomic_load_explicit(&w->shared->tail, memory_order_acquire);
    w->limit = tail + w->mask + 1 - RING_SPARE;
    return ring_writer_has_room(w);
}

/* Adds a record that the reader does not see yet. */
static inline void ring_writer_put(struct ring_writer *w, uint64_t word, uint32_t size,
                                   uint32_t stack)
{
    struct ring_record *r = &w->records[w->head & w->mask];
    r->word = word;
    r->size = size;
    r->stack = stack;
    w->head++;
}

static inline void ring_writer_publish(struct ring_writer *w)
{
    atomic_store_explicit(&w->shared->head, w->head, memory_order_release);
}

/* Before it sleeps on the tail, a writer says so and looks again: either it sees the reader's new
 * tail, or the reader sees that somebody waits. */
static inline bool ring_writer_before_wait(struct ring_writer *w)
{
    atomic_store_explicit(&w->shared->is_waiting, 1, memory_order_seq_cst);
    atomic_thread_fence(memory_order_seq_cst);
    return !ring_writer_refresh(w);
}

static inline void ring_writer_after_wait(struct ring_writer *w)
{
    atomic_store_explicit(&w->shared->is_waiting, 0, memory_order_relaxed);
}
