/* Finding processes and threads in the shared tables, and reading their rings in the right order.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "collector/heap/state.h"
#include "common/base/array.h"

enum {
    ADVANCE_EVERY = 8192, /* records after which the writer gets room back */
    AHEAD = 10,           /* records looked ahead for the live table's cache lines */
    LOOK_MS = 20,         /* between looks at who has ended */
};

/* ---- coming ---- */

static bool is_followed(const struct heap *h, uint32_t pid)
{
    for (size_t i = 0; i < h->active_len; i++) {
        if (h->processes[h->active[i]]->pid == pid)
            return true;
    }
    return false;
}

static struct heap_process *process_of_slot(const struct heap *h, uint32_t slot)
{
    for (size_t i = 0; i < h->active_len; i++) {
        struct heap_process *p = h->processes[h->active[i]];
        if (p->slot == slot)
            return p;
    }
    return NULL;
}

static void read_layout(struct heap_process *p, const struct ring_process *row)
{
    if (row->layout_result == PYTHON_LAYOUT_OK && row->python_len == sizeof(p->layout)) {
        memcpy(&p->layout, row->python, sizeof(p->layout));
        p->has_layout = true;
    }
}

static const char *why_no_stacks(const struct heap_process *p, const struct ring_process *row)
{
    if (row->layout_result != PYTHON_LAYOUT_OK)
        return python_layout_result_text((enum python_layout_result)row->layout_result);
    if (row->python_len != sizeof(p->layout))
        return "the agent in it is of another build than this collector";
    return "the collector has no memory for its functions' names";
}

static void announce(struct heap *h, struct heap_process *p, const struct ring_process *row)
{
    stream_lock(h->stream);
    p->row = stream_process(h->stream, p->pid, row->parent_pid, "", 0);
    p->metric = stream_metric(h->stream, "heap", "bytes", true, p->row);
    p->metric_arenas = stream_metric(h->stream, "pymalloc_arenas", "bytes", true, p->row);
    if (!p->has_layout) {
        char text[160];
        snprintf(text, sizeof(text), "allocations of process %u have no stacks: %s", p->pid,
                 why_no_stacks(p, row));
        stream_notice(h->stream, 1, "heap_no_stacks", text);
    }
    stream_unlock(h->stream);
}

static struct heap_process *add_process(struct heap *h, uint32_t slot)
{
    const struct ring_process *row = ring_region_process(h->region, slot);
    struct heap_process *p = calloc(1, sizeof(*p));
    // NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers
    if (!p || !array_reserve(&h->processes, &h->processes_cap, h->processes_len + 1) ||
        !array_reserve(&h->active, &h->active_cap, h->active_len + 1)) {
        free(p);
        h->dropped++;
        return NULL;
    }
    p->slot = slot;
    p->pid = row->pid;
    p->index = (uint32_t)h->processes_len;
    p->definitions = ring_map_definitions(h->region, slot);
    p->pidfd = (int)syscall(SYS_pidfd_open, (pid_t)p->pid, 0);
    live_init(&p->live);
    mappings_init(&p->mappings);
    map_init(&p->big);
    map_init(&p->owed);
    map_init(&p->early);
    map_init(&p->code_of_definition);
    read_layout(p, row);
    p->has_layout = p->has_layout && p->definitions;
    p->is_child = is_followed(h, row->parent_pid);
    /* The same number again is the same process with another program in it. */
    for (size_t i = 0; i < h->active_len; i++) {
        if (h->processes[h->active[i]]->pid == p->pid)
            h->processes[h->active[i]]->is_ending = true;
    }
    announce(h, p, row);
    h->processes[h->processes_len++] = p;
    h->active[h->active_len++] = p->index;
    h->totals.processes++;
    return p;
}

static void add_ring(struct heap *h, struct heap_process *p, uint32_t slot)
{
    struct heap_ring *r = calloc(1, sizeof(*r));
    // NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers
    if (!r || !array_reserve(&p->rings, &p->rings_cap, p->rings_len + 1) ||
        ring_reader_open(&r->reader, h->region, slot) != STATUS_OK) {
        free(r);
        h->dropped++;
        return;
    }
    r->slot = slot;
    r->every = atomic_load(&ring_region_control(h->region)->every_bytes);
    p->rings[p->rings_len++] = r;
}

static bool has_ring(const struct heap_process *p, uint32_t slot)
{
    for (size_t i = 0; i < p->rings_len; i++) {
        if (p->rings[i]->slot == slot)
            return true;
    }
    return false;
}

static void look_for_arrivals(struct heap *h)
{
    struct ring_control *c = ring_region_control(h->region);
    uint64_t arrivals = atomic_load(&c->arrivals);
    if (arrivals == h->arrivals)
        return;
    h->arrivals = arrivals;
    for (uint32_t i = 0; i < RING_PROCESSES; i++) {
        if (atomic_load_explicit(&ring_region_process(h->region, i)->state, memory_order_acquire) ==
                RING_SLOT_READY &&
            !process_of_slot(h, i))
            add_process(h, i);
    }
    for (uint32_t i = 0; i < RING_THREADS; i++) {
        const struct ring_thread *t = ring_region_thread(h->region, i);
        if (atomic_load_explicit(&t->state, memory_order_acquire) != RING_SLOT_READY)
            continue;
        struct heap_process *p = process_of_slot(h, t->process);
        if (p && !has_ring(p, i))
            add_ring(h, p, i);
    }
}

/* ---- going ---- */

void heap_process_free(struct heap *h, struct heap_process *p)
{
    heap_codes_deinit(p);
    live_deinit(&p->live);
    mappings_deinit(&p->mappings);
    map_deinit(&p->big);
    map_deinit(&p->owed);
    map_deinit(&p->early);
    free(p->big_sizes);
    p->big_sizes = NULL;
    for (size_t i = 0; i < p->rings_len; i++) {
        ring_reader_close(&p->rings[i]->reader, h->region);
        free(p->rings[i]->stack_of_node);
        free(p->rings[i]->site_of_node);
        free(p->rings[i]->spans);
        free(p->rings[i]);
    }
    free(p->rings);
    p->rings = NULL;
    p->rings_len = p->rings_cap = 0;
    ring_unmap_definitions(h->region, p->definitions);
    p->definitions = NULL;
    if (p->pidfd >= 0)
        close(p->pidfd);
    p->pidfd = -1;
}

void heap_end_process(struct heap *h, struct heap_process *p)
{
    for (size_t i = 0; i < p->rings_len; i++) {
        uint32_t slot = p->rings[i]->slot;
        ring_reader_close(&p->rings[i]->reader, h->region);
        ring_release_thread(h->region, slot);
    }
    heap_process_free(h, p);
    ring_release_process(h->region, p->slot);
    h->totals.in_use_bytes -= p->in_use;
    p->has_ended = true;
}

static bool has_exited(const struct heap_process *p)
{
    if (p->is_ending || p->pidfd < 0)
        return true;
    struct pollfd fd = {.fd = p->pidfd, .events = POLLIN};
    return poll(&fd, 1, 0) == 1;
}

/* ---- reading ---- */

static void note_losses(struct heap *h, const struct heap_process *p, struct heap_ring *r)
{
    uint64_t lost =
        atomic_load_explicit(&r->reader.shared->lost_allocations, memory_order_relaxed) +
        atomic_load_explicit(&r->reader.shared->lost_frees, memory_order_relaxed);
    uint64_t waits = atomic_load_explicit(&r->reader.shared->lost_waits, memory_order_relaxed);
    if (lost != r->lost_seen && r->lost_seen == 0) {
        char text[160];
        snprintf(text, sizeof(text),
                 "GAP: process %u made allocations faster than they could be read; "
                 "its figures are too low from here on",
                 p->pid);
        stream_lock(h->stream);
        stream_notice(h->stream, 2, "heap_gap", text);
        stream_unlock(h->stream);
    }
    h->totals.lost += lost - r->lost_seen;
    h->totals.waits += waits - r->waits_seen;
    r->lost_seen = lost;
    r->waits_seen = waits;
}

/* Where a mark puts the records behind it: in a turn, or after all of it that can be seen. */
static bool turn_key(const struct ring_record *record, uint64_t *key)
{
    enum ring_kind kind = ring_kind_of(record->word);
    if (kind != RING_TURN && kind != RING_AFTER)
        return false;
    *key = ring_address_of(record->word) * 2 + (kind == RING_AFTER);
    return true;
}

/* Reads up to `head`, or to the next mark when `one_turn`. */
static size_t read_ring(struct heap *h, struct heap_process *p, struct heap_ring *r, uint64_t head,
                        bool one_turn)
{
    uint64_t start = r->reader.tail;
    uint64_t at = start;
    uint64_t given = start;
    for (; at != head; at++) {
        /* A copy: the writer could still change it under us, out of malice or a crash. */
        struct ring_record record = *ring_reader_at(&r->reader, at);
        uint64_t key;
        if (head - at > AHEAD)
            live_prefetch(&p->live, ring_address_of(ring_reader_at(&r->reader, at + AHEAD)->word));
        if (turn_key(&record, &key)) {
            if (one_turn && at != start)
                break;
            r->turn = key;
        } else {
            heap_apply(h, p, r, &record);
        }
        if (at - given == ADVANCE_EVERY) {
            ring_reader_advance(&r->reader, at);
            given = at;
        }
    }
    ring_reader_advance(&r->reader, at);
    return (size_t)(at - start);
}

/* How far each ring may be read in this pass. Whatever happened before a record that is seen below
 * `first` is seen below `second`. */
struct heads {
    uint64_t first, second;
};

/* The key of a ring's next record; UINT64_MAX when there is none to be read now. */
static uint64_t next_key(const struct heap_ring *r, const struct heads *heads)
{
    uint64_t key = r->turn;
    if (r->reader.tail == heads->second)
        return UINT64_MAX;
    (void)turn_key(ring_reader_at(&r->reader, r->reader.tail), &key);
    bool is_after = key & 1;
    return is_after && heads->first - r->reader.tail - 1 >= UINT64_MAX / 2 ? UINT64_MAX : key;
}

/* All turns before `last` are complete in the rings, since the next turn began only after them;
 * `last` itself may still be going on. What is later waits for the next pass. */
static size_t read_in_turn(struct heap *h, struct heap_process *p, uint64_t last,
                           const struct heads *heads)
{
    size_t records = 0;
    for (;;) {
        size_t first = SIZE_MAX;
        uint64_t first_key = UINT64_MAX;
        for (size_t i = 0; i < p->rings_len; i++) {
            uint64_t key = next_key(p->rings[i], &heads[i]);
            if (key < first_key) {
                first = i;
                first_key = key;
            }
        }
        if (first == SIZE_MAX || first_key / 2 > last)
            return records;
        records += read_ring(h, p, p->rings[first],
                             first_key & 1 ? heads[first].first : heads[first].second, true);
    }
}

static size_t drain_process(struct heap *h, struct heap_process *p)
{
    static struct heads heads[RING_THREADS];
    const struct ring_process *row = ring_region_process(h->region, p->slot);
    uint64_t last = atomic_load_explicit(&row->turns, memory_order_acquire);
    size_t records = 0;
    for (size_t i = 0; i < p->rings_len; i++)
        heads[i].first = ring_reader_head(&p->rings[i]->reader);
    for (size_t i = 0; i < p->rings_len; i++)
        heads[i].second = ring_reader_head(&p->rings[i]->reader);
    if (p->rings_len == 1)
        records = read_ring(h, p, p->rings[0], heads[0].second, false);
    else
        records = read_in_turn(h, p, p->is_ending ? UINT64_MAX / 4 : last, heads);
    heap_forget_early(h, p, p->is_ending);
    for (size_t i = 0; i < p->rings_len; i++)
        note_losses(h, p, p->rings[i]);
    return records;
}

size_t heap_drain(struct heap *h)
{
    atomic_fetch_add(&ring_region_control(h->region)->heartbeat, 1);
    h->passes++;
    look_for_arrivals(h);
    bool looks = h->now_ns - h->last_look_ns > LOOK_MS * UINT64_C(1000000);
    if (looks)
        h->last_look_ns = h->now_ns;
    size_t records = 0;
    for (size_t i = 0; i < h->active_len; i++) {
        struct heap_process *p = h->processes[h->active[i]];
        /* First see that it has ended, then take its last records: none can come after. */
        bool is_last = looks && has_exited(p);
        if (is_last)
            p->is_ending = true;
        records += drain_process(h, p);
        if (is_last) {
            heap_write_rows(h, h->now_ns);
            heap_end_process(h, p);
            h->active[i--] = h->active[--h->active_len];
        }
    }
    h->totals.events += records;
    return records;
}
