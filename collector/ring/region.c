#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "collector/ring/reader.h"

struct ring_region {
    int fd;
    uint8_t *tables; /* control, processes, threads */
    uint64_t tables_bytes;
    struct ring_control *control;
    char path[64];
    struct ring_control geometry; /* as it was made: the shared copy is the agents' to read */
};

static void arrange(struct ring_control *c, const struct ring_options *o)
{
    bool is_exact = o->mode == RING_EXACT;
    c->magic = RING_MAGIC;
    c->version = RING_VERSION;
    c->mode = (uint32_t)o->mode;
    c->collector_pid = (uint32_t)getpid();
    c->processes = RING_PROCESSES;
    c->threads = RING_THREADS;
    c->records = o->records ? o->records : is_exact ? 1U << 17 : 1U << 13;
    c->nodes = o->nodes ? o->nodes : 1U << RING_NODE_BITS;
    c->wait_ms = o->wait_ms ? o->wait_ms : 1000;
    c->definition_bytes = o->definition_bytes ? o->definition_bytes : UINT64_C(64) << 20;
    atomic_store(&c->every_bytes, o->every_bytes ? o->every_bytes : UINT64_C(512) << 10);
    ring_control_arrange(c);
}

enum status ring_region_open(struct ring_region **out, const struct ring_options *options,
                             struct error *err)
{
    struct ring_control geometry = {0};
    arrange(&geometry, options);
    if ((geometry.records & (geometry.records - 1)) || geometry.records < 2 * RING_SPARE ||
        geometry.nodes > 1U << RING_NODE_BITS || geometry.definition_bytes % RING_PAGE ||
        ring_data_bytes(&geometry) % RING_PAGE)
        return error_set(err, STATUS_USAGE,
                         "ring sizes must be powers of two and fill whole pages");

    struct ring_region *r = calloc(1, sizeof(*r));
    if (!r)
        return error_set(err, STATUS_NO_MEMORY, "no memory for the rings");
    r->tables_bytes = geometry.definition_offset;
    r->fd = memfd_create("heliograph-memory", MFD_CLOEXEC);
    if (r->fd < 0 || ftruncate(r->fd, (off_t)geometry.total_bytes) != 0) {
        enum status st =
            error_set(err, STATUS_IO, "no shared memory for the agent: %s", strerror(errno));
        ring_region_close(r);
        return st;
    }
    void *tables = mmap(NULL, r->tables_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, 0);
    if (tables == MAP_FAILED) {
        ring_region_close(r);
        return error_set(err, STATUS_NO_MEMORY, "no memory for the rings");
    }
    r->tables = tables;
    r->control = tables;
    memcpy(r->control, &geometry, sizeof(geometry));
    memcpy(&r->geometry, &geometry, sizeof(geometry));
    snprintf(r->path, sizeof(r->path), "/proc/%d/fd/%d", (int)getpid(), r->fd);
    *out = r;
    return STATUS_OK;
}

void ring_region_close(struct ring_region *r)
{
    if (!r)
        return;
    if (r->tables) {
        atomic_store(&r->control->is_closed, 1);
        munmap(r->tables, r->tables_bytes);
    }
    if (r->fd >= 0)
        close(r->fd);
    free(r);
}

const char *ring_region_path(const struct ring_region *r)
{
    return r->path;
}

struct ring_control *ring_region_control(const struct ring_region *r)
{
    return r->control;
}

struct ring_process *ring_region_process(const struct ring_region *r, uint32_t slot)
{
    return (struct ring_process *)(void *)(r->tables + r->geometry.process_offset) + slot;
}

struct ring_thread *ring_region_thread(const struct ring_region *r, uint32_t slot)
{
    return (struct ring_thread *)(void *)(r->tables + r->geometry.thread_offset) + slot;
}

const uint8_t *ring_map_definitions(const struct ring_region *r, uint32_t process)
{
    void *map = mmap(NULL, r->geometry.definition_bytes, PROT_READ, MAP_SHARED, r->fd,
                     (off_t)ring_definition_offset(&r->geometry, process));
    return map == MAP_FAILED ? NULL : map;
}

void ring_unmap_definitions(const struct ring_region *r, const uint8_t *definitions)
{
    if (definitions)
        munmap((void *)(uintptr_t)definitions, r->geometry.definition_bytes);
}

static void forget(const struct ring_region *r, uint64_t offset, uint64_t len)
{
    /* Best effort: should it fail, the slot's next owner meets old bytes, which it overwrites. */
    (void)fallocate(r->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)len);
}

void ring_release_process(const struct ring_region *r, uint32_t process)
{
    struct ring_process *p = ring_region_process(r, process);
    forget(r, ring_definition_offset(&r->geometry, process), r->geometry.definition_bytes);
    p->pid = p->parent_pid = p->python_version = p->layout_result = p->python_len = 0;
    atomic_store(&p->definitions_used, 0);
    atomic_store(&p->arena_bytes, 0);
    atomic_store(&p->turns, 0);
    atomic_store_explicit(&p->state, RING_SLOT_FREE, memory_order_release);
}

void ring_release_thread(const struct ring_region *r, uint32_t thread)
{
    struct ring_thread *t = ring_region_thread(r, thread);
    forget(r, ring_data_offset(&r->geometry, thread), ring_data_bytes(&r->geometry));
    atomic_store(&t->head, 0);
    atomic_store(&t->nodes_used, 0);
    atomic_store(&t->lost_allocations, 0);
    atomic_store(&t->lost_bytes, 0);
    atomic_store(&t->lost_frees, 0);
    atomic_store(&t->lost_waits, 0);
    atomic_store(&t->tail, 0);
    atomic_store(&t->is_waiting, 0);
    atomic_store_explicit(&t->state, RING_SLOT_FREE, memory_order_release);
}

enum status ring_reader_open(struct ring_reader *out, const struct ring_region *r, uint32_t thread)
{
    uint8_t *map = mmap(NULL, ring_data_bytes(&r->geometry), PROT_READ, MAP_SHARED, r->fd,
                        (off_t)ring_data_offset(&r->geometry, thread));
    if (map == MAP_FAILED)
        return STATUS_NO_MEMORY;
    *out = (struct ring_reader){
        .shared = ring_region_thread(r, thread),
        .records = (const struct ring_record *)(void *)map,
        .nodes = (const struct ring_node *)(void *)(map + ring_ring_bytes(&r->geometry)),
        .tail = atomic_load(&ring_region_thread(r, thread)->tail),
        .mask = r->geometry.records - 1,
        .nodes_max = r->geometry.nodes,
    };
    return STATUS_OK;
}

void ring_reader_close(struct ring_reader *reader, const struct ring_region *r)
{
    if (reader->records)
        munmap((void *)(uintptr_t)reader->records, ring_data_bytes(&r->geometry));
    *reader = (struct ring_reader){0};
}

void ring_reader_advance(struct ring_reader *r, uint64_t tail)
{
    r->tail = tail;
    atomic_store_explicit(&r->shared->tail, tail, memory_order_release);
    atomic_thread_fence(memory_order_seq_cst);
    /* The writer alone takes the flag back: cleared here, it could vanish between the writer's
     * second look and its sleep (tests/unit/ring/test_ring_protocol.c). */
    if (atomic_load_explicit(&r->shared->is_waiting, memory_order_relaxed))
        syscall(SYS_futex, &r->shared->tail, FUTEX_WAKE, 1, NULL, NULL, 0);
}

bool ring_reader_node(const struct ring_reader *r, uint32_t node, struct ring_node *out)
{
    if (node == 0 || node >= r->nodes_max)
        return false;
    *out = r->nodes[node];
    return out->parent < node;
}

const struct ring_code *ring_definition(const struct ring_region *r, const uint8_t *definitions,
                                        uint32_t code)
{
    uint64_t at = (uint64_t)code * RING_DEFINITION_UNIT;
    uint64_t size = r->geometry.definition_bytes;
    if (code == 0 || at > size - sizeof(struct ring_code))
        return NULL;
    const struct ring_code *c = (const struct ring_code *)(const void *)(definitions + at);
    if (c->bytes < sizeof(*c) || c->bytes > size - at || c->chunks > RING_MAX_CHUNKS)
        return NULL;
    for (uint32_t i = 0; i < c->chunks; i++) {
        const struct ring_chunk *k = &c->chunk[i];
        if (k->offset > c->bytes || k->len > c->bytes - k->offset ||
            k->len > UINT64_MAX - k->address)
            return NULL;
    }
    return c;
}

const char *ring_mark_name(const struct ring_region *r, const uint8_t *definitions, uint32_t unit,
                           uint32_t *len)
{
    uint64_t at = (uint64_t)unit * RING_DEFINITION_UNIT;
    uint64_t size = r->geometry.definition_bytes;
    uint32_t named;
    if (unit == 0 || at > size - RING_DEFINITION_UNIT)
        return NULL;
    memcpy(&named, definitions + at, sizeof(named));
    if (named > size - at - sizeof(named))
        return NULL;
    *len = named;
    return (const char *)definitions + at + sizeof(named);
}
