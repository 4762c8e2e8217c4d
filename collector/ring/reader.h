#pragma once
/* The collector's end: the memfd, and reading rings out of it.
 *
 * Everything read here was written by another program, possibly a dying one: positions and
 * numbers are checked before use. */

#include <stddef.h>

#include "collector/ring/layout.h"
#include "common/base/status.h"

struct ring_region;

struct ring_options {
    enum ring_mode mode;
    uint64_t every_bytes;      /* sampled; 0 = 512 KiB */
    uint32_t records;          /* of a ring, a power of two; 0 = 131072 exact, 8192 sampled */
    uint32_t nodes;            /* 0 = all that RING_NODE_BITS allow */
    uint32_t wait_ms;          /* exact mode, 0 = 1000 */
    uint64_t definition_bytes; /* of a process; 0 = 64 MiB */
};

enum status ring_region_open(struct ring_region **out, const struct ring_options *options,
                             struct error *err);
void ring_region_close(struct ring_region *r); /* tells the agents to stop; takes NULL */

/* "/proc/PID/fd/N", the value of RING_VARIABLE. */
const char *ring_region_path(const struct ring_region *r);

/* The shared tables: `processes` and `threads` rows. */
struct ring_control *ring_region_control(const struct ring_region *r);
struct ring_process *ring_region_process(const struct ring_region *r, uint32_t slot);
struct ring_thread *ring_region_thread(const struct ring_region *r, uint32_t slot);

/* Maps a process's definitions (read-only); NULL when memory is short. */
const uint8_t *ring_map_definitions(const struct ring_region *r, uint32_t process);
void ring_unmap_definitions(const struct ring_region *r, const uint8_t *definitions);

/* Gives a slot and its memory back, once nobody writes there any more. */
void ring_release_process(const struct ring_region *r, uint32_t process);
void ring_release_thread(const struct ring_region *r, uint32_t thread);

struct ring_reader {
    struct ring_thread *shared;
    const struct ring_record *records;
    const struct ring_node *nodes;
    uint64_t tail, mask;
    uint32_t nodes_max;
};

enum status ring_reader_open(struct ring_reader *out, const struct ring_region *r, uint32_t thread);
void ring_reader_close(struct ring_reader *reader, const struct ring_region *r);

/* How far the writer has come: never less than `tail`, never more than a ring's length beyond. */
static inline uint64_t ring_reader_head(const struct ring_reader *r)
{
    uint64_t head = atomic_load_explicit(&r->shared->head, memory_order_acquire);
    return head - r->tail <= r->mask + 1 ? head : r->tail;
}

static inline const struct ring_record *ring_reader_at(const struct ring_reader *r, uint64_t at)
{
    return &r->records[at & r->mask];
}

/* Everything before `tail` is done with; wakes a writer that waits. */
void ring_reader_advance(struct ring_reader *r, uint64_t tail);

/* A node that exists, with a parent before it; false otherwise. */
bool ring_reader_node(const struct ring_reader *r, uint32_t node, struct ring_node *out);

/* A whole definition inside the process's area, its chunks within it; NULL otherwise. */
const struct ring_code *ring_definition(const struct ring_region *r, const uint8_t *definitions,
                                        uint32_t code);

/* The bytes of a mark's name within the process's area; NULL when they are not there. */
const char *ring_mark_name(const struct ring_region *r, const uint8_t *definitions, uint32_t unit,
                           uint32_t *len);
