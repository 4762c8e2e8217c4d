/* An agent's part is played by hand: records go into real rings, and what the stream is told is
 * compared with what was played. */

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "collector/heap/heap.h"
#include "collector/heap/state.h"
#include "collector/ring/writer.h"
#include "collector/stream/stream.h"
#include "common/base/clock.h"

enum {
    ROWS = 4096,
    VALUES = 7,
    ALLOCATED = 0,
    ALLOCATIONS,
    FREED,
    FREES,
    TEMPORARY,
    TEMPORARIES,
    BORN
};

static struct stream *stream;
static struct heap *heap;
static struct error err;
static struct ring_writer writers[4];
static uint32_t process_slot;

static struct row {
    uint64_t time_ns;
    uint32_t thread, state;
    int64_t value[VALUES];
} rows[ROWS];
static size_t rows_len;
static double last_total; /* of the line of all processes */
static char notices[1024];

static enum status collect(void *ctx, uint64_t seq, const uint8_t *message, size_t len)
{
    struct wire_to_server m;
    struct arena *arena = arena_new();
    (void)ctx;
    (void)seq;
    cr_assert_eq(wire_decode_to_server(&m, message, len, arena, &err), STATUS_OK, "%s", err.text);
    for (size_t i = 0; i < m.batch.samples_len; i++) {
        const struct wire_samples *s = &m.batch.samples[i];
        for (size_t k = 0; k < s->len; k++) {
            cr_assert_lt(rows_len, ROWS);
            struct row *row = &rows[rows_len++];
            row->time_ns = s->time_ns[k];
            row->thread = s->thread ? s->thread[k] : 0;
            row->state = s->state ? s->state[k] : 0;
            for (size_t v = 0; v < VALUES; v++)
                row->value[v] = s->values[v].value ? s->values[v].value[k] : s->values[v].constant;
        }
    }
    for (size_t i = 0; i < m.batch.points_len; i++) {
        const struct wire_points *p = &m.batch.points[i];
        if (p->metric == heap->metric_total && p->len > 0)
            last_total = p->value[p->len - 1];
    }
    for (size_t i = 0; i < m.batch.notices_len; i++) {
        size_t at = strlen(notices);
        snprintf(notices + at, sizeof(notices) - at, "%.*s\n", (int)m.batch.notices[i].text.len,
                 m.batch.notices[i].text.data);
    }
    arena_free(arena);
    return STATUS_OK;
}

static void take_rows(void)
{
    size_t messages;
    heap_flush(heap);
    cr_assert_eq(stream_take(stream, collect, NULL, &messages), STATUS_OK);
}

static int64_t total(int value)
{
    int64_t sum = 0;
    for (size_t i = 0; i < rows_len; i++)
        sum += rows[i].value[value];
    return sum;
}

/* Takes a process's and `threads` threads' slots as an agent does. */
static void play_process(uint32_t slot, uint32_t pid, uint32_t threads)
{
    struct ring_control *c = ring_region_control(heap->region);
    struct ring_process *p = ring_region_process(heap->region, slot);
    FILE *file = fopen(ring_region_path(heap->region), "r+");
    cr_assert_not_null(file);
    process_slot = slot;
    p->pid = pid;
    atomic_store(&p->state, RING_SLOT_READY);
    for (uint32_t i = 0; i < threads; i++) {
        struct ring_thread *t = ring_region_thread(heap->region, slot * 4 + i);
        void *data = mmap(NULL, ring_data_bytes(c), PROT_READ | PROT_WRITE, MAP_SHARED,
                          fileno(file), (off_t)ring_data_offset(c, slot * 4 + i));
        cr_assert_neq(data, MAP_FAILED);
        t->process = slot;
        ring_writer_init(&writers[i], t, data, c->records);
        ring_writer_put(&writers[i], ring_word(RING_OWNER, 0, pid + i), 0, 0);
        ring_writer_publish(&writers[i]);
        atomic_store(&t->state, RING_SLOT_READY);
    }
    fclose(file);
    atomic_fetch_add(&c->arrivals, 1);
}

static void play(uint32_t thread, enum ring_kind kind, enum ring_domain domain, uint64_t address,
                 uint32_t size)
{
    if (kind == RING_TURN)
        atomic_store(&ring_region_process(heap->region, process_slot)->turns, address);
    ring_writer_put(&writers[thread], ring_word(kind, domain, address), size, 0);
    ring_writer_publish(&writers[thread]);
}

static void open_heap(enum heap_mode mode)
{
    struct heap_options options = {
        .mode = mode, .every_bytes = 1000, .agent_path = "/proc/self/exe", .is_passive = true};
    cr_assert_eq(stream_new(&stream, clock_monotonic_ns(), NULL), STATUS_OK);
    cr_assert_eq(heap_open(&heap, stream, &options, &err), STATUS_OK, "%s", err.text);
    rows_len = 0;
    notices[0] = '\0';
}

static void setup(void)
{
    open_heap(HEAP_EXACT);
    play_process(1, (uint32_t)getpid(), 2);
}

static void teardown(void)
{
    heap_close(heap);
    stream_free(stream);
}

TestSuite(heap, .init = setup, .fini = teardown);

static struct heap_totals totals(void)
{
    struct heap_totals t;
    heap_totals(heap, &t);
    return t;
}

Test(heap, counts_what_was_allocated_and_freed_to_the_byte)
{
    play(0, RING_ALLOC, RING_DOMAIN_OBJECT, 0x1000, 100);
    play(0, RING_ALLOC, RING_DOMAIN_MALLOC, 0x2000, 5000);
    play(0, RING_FREE, RING_DOMAIN_OBJECT, 0x1000, 0);
    take_rows();
    cr_assert_eq(total(ALLOCATED), 5100);
    cr_assert_eq(total(ALLOCATIONS), 2);
    cr_assert_eq(total(FREED), 100);
    cr_assert_eq(total(FREES), 1);
    cr_assert_eq(totals().in_use_bytes, 5000);
    cr_assert_eq(totals().peak_bytes, 5100);
}

Test(heap, a_size_beyond_32_bits_comes_in_a_record_of_its_own)
{
    uint64_t huge = UINT64_C(9) << 30;
    play(0, RING_SIZE, RING_DOMAIN_MALLOC, huge, 0);
    play(0, RING_ALLOC, RING_DOMAIN_MALLOC, 0x1000, RING_SIZE_EXTENDED);
    take_rows();
    cr_assert_eq(totals().in_use_bytes, huge);
    play(0, RING_FREE, RING_DOMAIN_MALLOC, 0x1000, 0);
    take_rows();
    cr_assert_eq(totals().in_use_bytes, 0);
    cr_assert_eq(total(FREED), (int64_t)huge);
}

Test(heap, a_free_of_an_unknown_block_is_counted_apart)
{
    play(0, RING_FREE, RING_DOMAIN_OBJECT, 0x9990, 0);
    for (int i = 0; i < 8; i++)
        take_rows();
    cr_assert_eq(totals().unknown_frees, 1);
    cr_assert_eq(totals().freed_bytes, 0);
}

Test(heap, the_line_ends_at_what_the_last_process_had)
{
    play(0, RING_ALLOC, RING_DOMAIN_MALLOC, 0x2000, 5000);
    take_rows();
    cr_assert_eq(last_total, 5000);
    heap->processes[0]->is_ending = true;
    heap->last_look_ns = 0;
    take_rows();
    take_rows();
    cr_assert_eq(heap->active_len, 0);
    cr_expect_eq(totals().in_use_bytes, 0);
    cr_expect_eq(last_total, 5000);
}

Test(heap, says_why_a_process_has_no_stacks)
{
    take_rows();
    cr_expect(strstr(notices, "another build"), "%s", notices);
    notices[0] = '\0';
    ring_region_process(heap->region, 2)->layout_result = PYTHON_LAYOUT_TOO_NEW;
    play_process(2, (uint32_t)getppid(), 0);
    take_rows();
    cr_expect(strstr(notices, "newer than"), "%s", notices);
}

Test(heap, rows_tell_what_was_alive_at_the_highest_moment)
{
    play(0, RING_ALLOC, RING_DOMAIN_OBJECT, 0x1000, 1000);
    play(0, RING_ALLOC, RING_DOMAIN_MALLOC, 0x2000, 3000);
    heap_flush(heap); /* the peak has a moment of its own, earlier than the end of the rows */
    play(0, RING_FREE, RING_DOMAIN_OBJECT, 0x1000, 0);
    play(0, RING_ALLOC, RING_DOMAIN_OBJECT, 0x3000, 10);
    take_rows();
    int64_t alive = 0;
    int64_t highest = 0;
    for (size_t i = 0; i < rows_len; i++) {
        cr_assert(i == 0 || rows[i].time_ns >= rows[i - 1].time_ns);
        alive += rows[i].value[ALLOCATED] - rows[i].value[FREED];
        if ((i + 1 == rows_len || rows[i + 1].time_ns > rows[i].time_ns) && alive > highest)
            highest = alive;
    }
    cr_assert_eq(highest, 4000);
    cr_assert_eq(alive, 3010);
}

Test(heap, a_block_freed_before_the_next_but_one_allocation_is_temporary)
{
    play(0, RING_ALLOC, RING_DOMAIN_OBJECT, 0x1000, 11);
    play(0, RING_FREE, RING_DOMAIN_OBJECT, 0x1000, 0);
    play(0, RING_ALLOC, RING_DOMAIN_OBJECT, 0x2000, 22);
    play(0, RING_ALLOC, RING_DOMAIN_OBJECT, 0x3000, 33);
    play(0, RING_FREE, RING_DOMAIN_OBJECT, 0x2000, 0);
    play(0, RING_ALLOC, RING_DOMAIN_OBJECT, 0x4000, 44);
    play(0, RING_FREE, RING_DOMAIN_OBJECT, 0x3000, 0);
    play(0, RING_ALLOC, RING_DOMAIN_OBJECT, 0x5000, 55);
    play(0, RING_ALLOC, RING_DOMAIN_OBJECT, 0x6000, 66);
    play(0, RING_FREE, RING_DOMAIN_OBJECT, 0x4000, 0);
    take_rows();
    cr_assert_eq(total(TEMPORARY), 11 + 22 + 33);
    cr_assert_eq(total(TEMPORARIES), 3);
}

Test(heap, frees_carry_the_tick_their_blocks_were_born_in)
{
    play(0, RING_ALLOC, RING_DOMAIN_OBJECT, 0x1000, 100);
    take_rows();
    int64_t born = rows[0].value[BORN];
    clock_sleep_until(clock_monotonic_ns() + 250000000);
    play(0, RING_ALLOC, RING_DOMAIN_OBJECT, 0x2000, 7);
    play(0, RING_FREE, RING_DOMAIN_OBJECT, 0x1000, 0);
    rows_len = 0;
    take_rows();
    bool is_told = false;
    for (size_t i = 0; i < rows_len; i++) {
        if (rows[i].value[FREED] == 100) {
            cr_assert_eq(rows[i].value[BORN], born);
            cr_assert_geq(rows[i].time_ns, (uint64_t)born);
            is_told = true;
        }
    }
    cr_assert(is_told);
}

Test(heap, turns_set_the_order_of_two_threads_right)
{
    play(1, RING_TURN, 0, 1, 0); /* the second ring's thread came first */
    play(1, RING_ALLOC, RING_DOMAIN_OBJECT, 0x1000, 10);
    play(0, RING_TURN, 0, 2, 0);
    play(0, RING_FREE, RING_DOMAIN_OBJECT, 0x1000, 0);
    play(0, RING_ALLOC, RING_DOMAIN_OBJECT, 0x1000, 500);
    play(1, RING_TURN, 0, 3, 0);
    play(1, RING_FREE, RING_DOMAIN_OBJECT, 0x1000, 0);
    for (int i = 0; i < 8; i++)
        take_rows();
    cr_assert_eq(totals().in_use_bytes, 0);
    cr_assert_eq(totals().unknown_frees, 0);
    cr_assert_eq(total(FREED), 510);
}

Test(heap, a_free_that_comes_late_from_a_thread_without_the_gil_takes_the_older_block)
{
    play(0, RING_TURN, 0, 1, 0);
    play(0, RING_ALLOC, RING_DOMAIN_MALLOC, 0x1000, 10);
    play(0, RING_ALLOC, RING_DOMAIN_MALLOC, 0x1000, 20); /* freed meanwhile by thread 1 */
    play(1, RING_AFTER, 0, 1, 0);
    play(1, RING_FREE, RING_DOMAIN_MALLOC, 0x1000, 0);
    take_rows();
    cr_assert_eq(totals().in_use_bytes, 20);
    play(0, RING_FREE, RING_DOMAIN_MALLOC, 0x1000, 0);
    take_rows();
    cr_assert_eq(totals().in_use_bytes, 0);
    cr_assert_eq(totals().unknown_frees, 0);
}

Test(heap, a_free_that_comes_early_from_a_thread_without_the_gil_waits_for_its_block)
{
    play(1, RING_FREE, RING_DOMAIN_MALLOC, 0x1000, 0);
    take_rows();
    play(0, RING_ALLOC, RING_DOMAIN_MALLOC, 0x1000, 10);
    take_rows();
    cr_assert_eq(totals().in_use_bytes, 0);
    cr_assert_eq(totals().unknown_frees, 0);
    cr_assert_eq(total(ALLOCATED), 10);
    cr_assert_eq(total(FREED), 10);
}

Test(heap, mappings_are_counted_in_whole_pages_and_may_go_in_parts)
{
    play(0, RING_MAP, RING_DOMAIN_MMAP, 0x100000, 10000);
    play(0, RING_UNMAP, RING_DOMAIN_MMAP, 0x101000, 4096);
    take_rows();
    cr_assert_eq(total(ALLOCATED), 12288);
    cr_assert_eq(total(FREED), 4096);
    cr_assert_eq(total(FREES), 0);
    play(0, RING_UNMAP, RING_DOMAIN_MMAP, 0x100000, 12288);
    take_rows();
    cr_assert_eq(totals().in_use_bytes, 0);
    cr_assert_eq(total(FREES), 1);
}

Test(heap, moving_a_mapping_that_was_never_seen_adds_nothing)
{
    play(0, RING_UNMAP, RING_DOMAIN_MMAP, 0x500000, 4096);
    play(0, RING_REMAP, RING_DOMAIN_MMAP, 0x600000, 8192);
    take_rows();
    cr_assert_eq(totals().in_use_bytes, 0);
    play(0, RING_MAP, RING_DOMAIN_MMAP, 0x500000, 4096);
    play(0, RING_UNMAP, RING_DOMAIN_MMAP, 0x500000, 4096);
    play(0, RING_REMAP, RING_DOMAIN_MMAP, 0x600000, 8192);
    take_rows();
    cr_assert_eq(totals().in_use_bytes, 8192);
}

Test(heap, garbage_in_a_ring_harms_nobody)
{
    srand(3);
    for (int i = 0; i < 60000; i++) {
        struct ring_writer *w = &writers[rand() % 2];
        if (!ring_writer_has_room(w)) {
            heap_flush(heap);
            ring_writer_refresh(w);
        }
        uint64_t word = (uint64_t)rand() << 40 ^ (uint64_t)rand() << 16 ^ (uint64_t)rand();
        if ((word & 15) == RING_TURN || (word & 15) == RING_AFTER)
            word = ring_word(RING_AFTER, 0, 0);
        ring_writer_put(w, word, (uint32_t)rand() << 1, (uint32_t)rand());
        ring_writer_publish(w);
    }
    heap_flush(heap);
    atomic_store(&ring_region_thread(heap->region, 4)->head, 12345678901);
    heap_flush(heap);
    cr_assert_gt(totals().events, 50000);
}

Test(heap_sampled, a_sample_stands_for_all_the_bytes_it_was_drawn_from)
{
    open_heap(HEAP_SAMPLED);
    play_process(1, (uint32_t)getpid(), 1);
    play(0, RING_EVERY, 0, 1000, 0);
    play(0, RING_ALLOC, RING_DOMAIN_OBJECT, 0x1000, 10);    /* 1 / (1 - e^-0.01) = 100.5 blocks */
    play(0, RING_ALLOC, RING_DOMAIN_OBJECT, 0x2000, 50000); /* surely drawn: 1 block */
    take_rows();
    cr_assert_eq(total(ALLOCATIONS), 101); /* 100.5 + 1, the half carried */
    cr_assert_eq(total(ALLOCATED), 1005 + 50000);
    play(0, RING_EVERY, 0, 4000, 0); /* blocks keep the weight they came with */
    play(0, RING_FREE, RING_DOMAIN_OBJECT, 0x1000, 0);
    take_rows();
    cr_assert_eq(total(FREED), 1005);
    cr_assert_eq(totals().in_use_bytes, 50000);
    heap_close(heap);
    stream_free(stream);
}

Test(heap_open, says_when_there_is_no_agent)
{
    struct heap_options options = {.mode = HEAP_EXACT, .agent_path = "/nowhere/agent.so"};
    cr_assert_eq(stream_new(&stream, clock_monotonic_ns(), NULL), STATUS_OK);
    cr_assert_eq(heap_open(&heap, stream, &options, &err), STATUS_NOT_FOUND);
    cr_assert_not_null(strstr(err.text, "/nowhere/agent.so"));
    stream_free(stream);
}

Test(heap_open, keeps_what_else_is_preloaded)
{
    setenv("LD_PRELOAD", "/other.so", 1);
    open_heap(HEAP_EXACT);
    unsetenv("LD_PRELOAD");
    cr_assert_str_eq(heap_environment(heap)[0], "LD_PRELOAD=/proc/self/exe:/other.so");
    cr_assert_eq(strncmp(heap_environment(heap)[1], "HELIOGRAPH_AGENT=/proc/", 23), 0);
    cr_assert_null(heap_environment(heap)[2]);
    heap_close(heap);
    stream_free(stream);
}
