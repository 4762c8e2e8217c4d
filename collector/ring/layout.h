#pragma once
/* What the agents in the target's processes and the collector share: one sparse memfd.
 *
 *   control | process table | thread table | definitions of each process | ring and nodes of each
 * thread
 *
 * The collector makes it and keeps it, so what a killed process has written is still there. An
 * agent takes a slot of the process table when it starts and one of the thread table for each
 * thread that allocates; only its owner writes into a slot's areas, only the collector gives slots
 * back. Nothing in it is a pointer. The collector trusts nothing it reads here. */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define RING_MAGIC UINT64_C(0x3153474e49524748) /* "HGRINGS1" */

/* Agents find the memfd through this variable: /proc/COLLECTOR/fd/N. */
#define RING_VARIABLE "HELIOGRAPH_AGENT"

enum {
    RING_VERSION = 1,
    RING_PAGE = 4096,
    RING_PROCESSES = 1024,
    RING_THREADS = 4096,
    RING_SPARE = 8,      /* records that fit after a check for room: one event is never torn */
    RING_MAX_CHUNKS = 8, /* pieces of memory in one code definition */
    RING_NODE_BITS = 20, /* a thread's distinct stack nodes */
    RING_DEFINITION_UNIT = 16,
    RING_PYTHON_BYTES = 512,
};

enum ring_mode { RING_OFF, RING_EXACT, RING_SAMPLED };

enum ring_slot_state { RING_SLOT_FREE, RING_SLOT_TAKEN, RING_SLOT_READY };

// NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): what both sides write is kept apart
struct ring_control {
    uint64_t magic;
    uint32_t version;
    uint32_t mode; /* enum ring_mode */
    uint32_t collector_pid;
    uint32_t processes, threads; /* slots */
    uint32_t records;            /* of one ring; a power of two */
    uint32_t nodes;              /* of one thread */
    uint32_t wait_ms;            /* exact mode: for how long a full ring may hold its thread up
                                    while the collector stands still */
    uint64_t definition_bytes;   /* of one process */
    uint64_t process_offset, thread_offset, definition_offset, data_offset, total_bytes;

    /* Moved by the collector at every drain; an agent that waits takes its standing still, or
     * is_closed, for the collector's end. */
    _Alignas(64) _Atomic uint64_t heartbeat;
    _Atomic uint32_t is_closed;
    _Atomic uint64_t every_bytes; /* sampled mode: mean distance of samples; may change */

    _Alignas(64) _Atomic uint64_t refused; /* processes and threads that found no slot */
    _Atomic uint64_t arrivals;             /* changes when a slot becomes ready */
};

struct ring_process {
    _Alignas(64) _Atomic uint32_t state; /* enum ring_slot_state */
    uint32_t pid, parent_pid;
    uint32_t python_version; /* PY_VERSION_HEX; 0 = no Python */
    uint32_t layout_result;  /* enum python_layout_result: why there are no stacks */
    _Atomic uint64_t definitions_used;
    _Atomic uint64_t arena_bytes; /* pymalloc's arenas */
    _Atomic uint64_t turns;       /* taken so far: see RING_TURN */
    uint32_t python_len;
    uint8_t python[RING_PYTHON_BYTES]; /* the agent's struct python_layout, as it is */
};

/* A thread's slot; its lines are apart because both sides write. */
struct ring_thread {
    _Alignas(64) _Atomic uint32_t state;
    uint32_t process; /* slot */
    _Alignas(64) _Atomic uint64_t head;
    _Atomic uint32_t nodes_used;
    /* What did not fit: counted, never silent. */
    _Atomic uint64_t lost_allocations, lost_bytes, lost_frees, lost_waits;
    _Alignas(64) _Atomic uint64_t tail;
    _Atomic uint32_t is_waiting;
};

/* ---- records ---- */

enum ring_kind {
    RING_ALLOC = 1, /* address, size, stack; kind also carries the domain */
    RING_FREE,      /* address */
    RING_MAP,       /* address, size, stack: anonymous mapping */
    RING_UNMAP,     /* address, size: any part of any mappings */
    RING_REMAP,     /* as RING_MAP, if the RING_UNMAP just before it met a known mapping */
    RING_SIZE,      /* the 64-bit size of the next record; address = size */
    RING_TURN,      /* address = number of the turn. What follows in this ring came, in the order of
                       the process, after all turns with a smaller number (threads under the GIL) */
    RING_AFTER, /* address = a turn. What follows came, without the GIL, while or after that turn
                   went on */
    RING_OWNER, /* address = thread id: whose records follow */
    RING_MARK,  /* address = monotonic time in ns, size = enum ring_mark, stack = where in the
                   definitions its name is: a 32-bit length and the bytes */
    RING_GAP,   /* address = records lost here */
    RING_EVERY, /* address = bytes between samples from here on */
};

/* A point in time, or the begin and end of a span; spans of one thread lie within each other. */
enum ring_mark { RING_MARK_POINT, RING_MARK_BEGIN, RING_MARK_END };

enum ring_domain { RING_DOMAIN_OBJECT, RING_DOMAIN_MALLOC, RING_DOMAIN_MMAP };

struct ring_record {
    uint64_t word; /* address << 8 | domain << 4 | kind */
    uint32_t size;
    uint32_t stack; /* node; 0 = none */
};

#define RING_SIZE_EXTENDED UINT32_C(0xffffffff) /* a RING_SIZE came before */

static inline uint64_t ring_word(enum ring_kind kind, enum ring_domain domain, uint64_t address)
{
    return address << 8 | (uint64_t)domain << 4 | (uint64_t)kind;
}
static inline enum ring_kind ring_kind_of(uint64_t word)
{
    return (enum ring_kind)(word & 15);
}
static inline enum ring_domain ring_domain_of(uint64_t word)
{
    return (enum ring_domain)(word >> 4 & 15);
}
static inline uint64_t ring_address_of(uint64_t word)
{
    return word >> 8;
}

/* ---- stacks: a node is one frame above its parent; node 0 is the empty stack ---- */

struct ring_node {
    uint32_t parent;
    uint32_t
        code; /* definition: offset in the process's area / RING_DEFINITION_UNIT; 0 = unknown */
    uint32_t instruction; /* from the code object's address (3.11+), or f_lasti */
    uint32_t reserved;
};

/* A code object as it was when first met: the pieces of memory a reader of code objects asks
 * for. It is copied because the object may be gone before the collector looks. */
struct ring_code {
    uint64_t address;
    uint32_t bytes; /* of the whole definition */
    uint32_t chunks;
    struct ring_chunk {
        uint64_t address;
        uint32_t offset; /* from the definition's start */
        uint32_t len;
    } chunk[RING_MAX_CHUNKS];
};

/* ---- where things are ---- */

static inline uint64_t ring_ring_bytes(const struct ring_control *c)
{
    return (uint64_t)c->records * sizeof(struct ring_record);
}
static inline uint64_t ring_data_bytes(const struct ring_control *c)
{
    return ring_ring_bytes(c) + (uint64_t)c->nodes * sizeof(struct ring_node);
}
static inline uint64_t ring_data_offset(const struct ring_control *c, uint32_t thread)
{
    return c->data_offset + thread * ring_data_bytes(c);
}
static inline uint64_t ring_definition_offset(const struct ring_control *c, uint32_t process)
{
    return c->definition_offset + process * c->definition_bytes;
}

/* Fills the geometry from records, nodes, definition_bytes, processes and threads. */
static inline void ring_control_arrange(struct ring_control *c)
{
    const uint64_t mask = RING_PAGE - 1;
    c->process_offset = (sizeof(*c) + mask) & ~mask;
    c->thread_offset =
        (c->process_offset + c->processes * sizeof(struct ring_process) + mask) & ~mask;
    c->definition_offset =
        (c->thread_offset + c->threads * sizeof(struct ring_thread) + mask) & ~mask;
    c->data_offset = c->definition_offset + c->processes * c->definition_bytes;
    c->total_bytes = c->data_offset + c->threads * ring_data_bytes(c);
}

_Static_assert(sizeof(struct ring_record) == 16, "records are 16 bytes");
_Static_assert(sizeof(struct ring_node) == 16, "nodes are 16 bytes");
_Static_assert(sizeof(struct ring_control) <= RING_PAGE, "control is one page");
_Static_assert(sizeof(struct ring_thread) == 192, "a thread's slot is three cache lines");
