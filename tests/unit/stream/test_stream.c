/* The stream is checked by what a profile is after its messages: the same as the server's. */

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/model/apply.h"
#include "collector/stream/stream.h"
#include "common/base/clock.h"

static struct stream *s;
static struct profile *p;
static struct error err;
static uint64_t start_ns;
static size_t largest;
static int failures_to_come;

static void setup(void)
{
    start_ns = clock_monotonic_ns();
    cr_assert_eq(stream_new(&s, start_ns, NULL), STATUS_OK);
    cr_assert_eq(profile_new(&p), STATUS_OK);
}

static void teardown(void)
{
    stream_free(s);
    profile_free(p);
}

TestSuite(stream, .init = setup, .fini = teardown);

static enum status apply_message(void *ctx, uint64_t seq, const uint8_t *message, size_t len)
{
    uint64_t *expected = ctx;
    struct wire_to_server decoded;
    struct arena *arena = arena_new();
    if (failures_to_come > 0) {
        failures_to_come--;
        arena_free(arena);
        return STATUS_TOO_LARGE;
    }
    cr_assert_eq(wire_decode_to_server(&decoded, message, len, arena, &err), STATUS_OK, "%s",
                 err.text);
    cr_assert_eq(decoded.kind, WIRE_BATCH);
    cr_assert_eq(decoded.batch.seq, seq);
    cr_assert_eq(seq, ++*expected);
    cr_assert_eq(apply_batch(p, &decoded.batch, &err), STATUS_OK, "%s", err.text);
    arena_free(arena);
    largest = len > largest ? len : largest;
    return STATUS_OK;
}

static uint64_t taken;

static size_t take(void)
{
    size_t messages = 0;
    cr_assert_eq(stream_take(s, apply_message, &taken, &messages), STATUS_OK);
    cr_assert_eq(stream_last_seq(s), taken);
    return messages;
}

static uint32_t string(const char *text)
{
    return stream_string(s, text, strlen(text));
}

static const char *text(uint32_t id)
{
    return strtab_text(&p->tables.strings, id);
}

static uint32_t add_stack(const char *function_name, uint32_t parent)
{
    struct wire_function function = {.name = string(function_name), .file = string("a.py")};
    struct wire_frame frame = {.function = stream_function(s, &function), .line = 3};
    return stream_stack(s, parent, stream_frame(s, &frame));
}

static uint32_t cpu_set(void)
{
    static const char *const values[][2] = {{"wall", "ns"}, {"cpu", "ns"}};
    return stream_sample_set(s, "cpu", values, 2, 10000000);
}

static void add_samples(uint32_t set, size_t len, uint32_t stack)
{
    uint64_t *times = calloc(len, sizeof(*times));
    uint32_t *stacks = calloc(len, sizeof(*stacks));
    int64_t *values = calloc(2 * len, sizeof(*values));
    for (size_t i = 0; i < len; i++) {
        times[i] = start_ns + i;
        stacks[i] = stack;
        values[i] = (int64_t)i;
        values[len + i] = 7;
    }
    stream_samples(s, set, len, times, NULL, stacks, NULL, values);
    free(times);
    free(stacks);
    free(values);
}

Test(stream, gives_the_same_content_the_same_number)
{
    struct wire_function function = {.name = string("f"), .line = 4};
    struct wire_function other = {.name = string("f"), .line = 5};
    cr_assert_eq(string("f"), string("f"));
    cr_assert_neq(string("f"), string("g"));
    cr_assert_eq(string(""), 0);
    uint32_t f = stream_function(s, &function);
    cr_assert_eq(stream_function(s, &function), f);
    cr_assert_neq(stream_function(s, &other), f);
    struct wire_frame frame = {.function = f, .line = 9};
    uint32_t row = stream_frame(s, &frame);
    cr_assert_eq(stream_frame(s, &frame), row);
    cr_assert_eq(stream_stack(s, 0, row), stream_stack(s, 0, row));
    cr_assert_gt(row, 0, "0 means unknown");
}

Test(stream, becomes_the_profile_that_was_meant)
{
    uint32_t process = stream_process(s, 77, 1, "python3 a.py", 12);
    stream_process_runtime(s, process, "CPython 3.12.1");
    uint32_t thread = stream_thread(s, process, 78, "worker");
    uint32_t set = cpu_set();
    uint32_t outer = add_stack("outer", 0);
    uint32_t inner = add_stack("inner", outer);
    uint64_t times[] = {start_ns + 1000, start_ns + 2000};
    uint32_t threads[] = {thread, thread};
    uint32_t stacks[] = {inner, outer};
    uint32_t states[] = {WIRE_ON_CPU, 0};
    int64_t values[] = {10, 20, 1, 2};
    stream_samples(s, set, 2, times, threads, stacks, states, values);
    uint32_t rss = stream_metric(s, "rss", "bytes", true, process);
    stream_point(s, rss, start_ns + 5000, 4096);
    stream_span(s, &(struct wire_span){
                       .name = string("span"), .begin_ns = start_ns + 10, .end_ns = start_ns + 20});
    stream_notice(s, 1, "torn", "some");
    stream_counter_set(s, "samples", 2);
    cr_assert_eq(take(), 1);

    const struct tables *t = &p->tables;
    cr_assert_eq(t->processes_len, 1);
    cr_assert_eq(t->processes[0].pid, 77);
    cr_assert_str_eq(text(t->processes[0].runtime), "CPython 3.12.1");
    cr_assert_str_eq(text(t->threads[0].name), "worker");
    const struct sample_set *cpu = &p->sets[0];
    cr_assert_eq(cpu->len, 2);
    cr_assert_eq(cpu->time_ns[0], 1000);
    cr_assert_eq(t->stacks[cpu->stack[0]].parent, outer);
    cr_assert_str_eq(text(t->functions[t->frames[t->stacks[inner].frame].function].name), "inner");
    cr_assert_eq(cpu->state[0], WIRE_ON_CPU);
    cr_assert_eq(cpu->values[0].value[1], 20);
    cr_assert_eq(cpu->values[1].value[1], 2);
    cr_assert_eq(p->series[0].value[0], 4096);
    cr_assert_eq(p->series[0].time_ns[0], 5000);
    cr_assert_eq(p->spans[0].end_ns, 20);
    cr_assert_str_eq(text(p->notices[0].code), "torn");
    cr_assert_eq(p->counters[0].value, 2);
}

Test(stream, sends_each_row_once_and_only_changes_after)
{
    add_samples(cpu_set(), 3, add_stack("f", 0));
    cr_assert_eq(take(), 1);
    cr_assert_eq(take(), 0, "nothing new, nothing sent");
    add_samples(cpu_set(), 2, add_stack("f", 0));
    add_samples(cpu_set(), 1, add_stack("g", 0));
    cr_assert_eq(take(), 1);
    cr_assert_eq(p->sets_len, 1);
    cr_assert_eq(p->sets[0].len, 6);
    cr_assert_eq(p->tables.stacks_len, 3);
}

Test(stream, sends_a_process_again_when_it_changes)
{
    uint32_t a = stream_process(s, 5, 1, "sh", 2);
    uint32_t b = stream_process(s, 6, 5, "sh", 2);
    take();
    cr_assert_eq(stream_process(s, 5, 1, "python3", 7), a, "exec keeps the pid");
    stream_process_end(s, b, clock_monotonic_ns());
    uint32_t c = stream_process(s, 6, 5, "later", 5);
    cr_assert_neq(c, b, "a pid that comes again is another process");
    stream_thread(s, c, 9, NULL);
    stream_thread(s, c, 9, "named");
    take();
    cr_assert_eq(p->tables.processes_len, 3);
    cr_assert_str_eq(text(p->tables.processes[a].command), "python3");
    cr_assert_gt(p->tables.processes[b].end_ns, 0);
    cr_assert_str_eq(text(p->tables.processes[c].command), "later");
    cr_assert_str_eq(text(p->tables.threads[0].name), "named");
}

Test(stream, cuts_what_is_too_much_for_one_message)
{
    uint32_t set = cpu_set();
    uint32_t rss = stream_metric(s, "rss", "bytes", false, 0);
    char name[2000];
    memset(name, 'x', sizeof(name));
    for (unsigned i = 0; i < 5000; i++) {
        memcpy(name, &i, sizeof(i));
        struct wire_function f = {.name = stream_string(s, name, sizeof(name))};
        struct wire_frame frame = {.function = stream_function(s, &f)};
        add_samples(set, 100, stream_stack(s, 0, stream_frame(s, &frame)));
        stream_point(s, rss, start_ns + i, i);
    }
    cr_assert_gt(take(), 5);
    cr_assert_lt(largest, WIRE_MAX_MESSAGE);
    cr_assert_eq(p->sets[0].len, 500000);
    cr_assert_eq(p->series[0].len, 5000);
    cr_assert_eq(p->tables.stacks_len, 5001);
    for (size_t i = 0; i < 500000; i++)
        cr_assert_eq(p->sets[0].stack[i] > 0, true);
    cr_assert_eq(take(), 0);
}

Test(stream, keeps_what_could_not_be_put)
{
    add_samples(cpu_set(), 100, add_stack("f", 0));
    failures_to_come = 2;
    size_t messages = 9;
    cr_assert_eq(stream_take(s, apply_message, &taken, &messages), STATUS_TOO_LARGE);
    cr_assert_eq(messages, 0);
    add_samples(cpu_set(), 50, add_stack("g", 0));
    cr_assert_eq(stream_take(s, apply_message, &taken, &messages), STATUS_TOO_LARGE);
    cr_assert_eq(take(), 2);
    cr_assert_eq(p->sets[0].len, 150);
}

Test(stream, drops_and_counts_above_its_limits)
{
    struct stream *small = NULL;
    struct stream_limits limits = {.pending_samples = 1000, .table_bytes = 20000};
    cr_assert_eq(stream_new(&small, start_ns, &limits), STATUS_OK);
    stream_free(s);
    s = small;
    uint32_t set = cpu_set();
    stream_counter_set(s, "dropped", 5);
    uint32_t stack = add_stack("f", 0);
    add_samples(set, 990, stack);
    add_samples(set, 30, stack);
    take();
    cr_assert_eq(p->sets[0].len, 1000);
    cr_assert_str_eq(text(p->counters[0].name), "dropped");
    cr_assert_eq(p->counters[0].value, 25, "what producers dropped and what the stream did");
    add_samples(set, 10, stack);
    take();
    cr_assert_eq(p->sets[0].len, 1010);

    char name[100];
    memset(name, 'y', sizeof(name));
    uint32_t last = 1;
    for (int i = 0; i < 10000 && last != 0; i++) {
        memcpy(name, &i, sizeof(i));
        last = stream_string(s, name, sizeof(name));
    }
    cr_assert_eq(last, 0, "the table is full");
    cr_assert_neq(string("f"), 0, "what is known stays known");
    take();
    bool has_counter = false;
    for (size_t i = 0; i < p->counters_len; i++)
        has_counter |= strcmp(text(p->counters[i].name), "table_full") == 0;
    cr_assert(has_counter);
}

Test(stream, counts_time_from_its_start)
{
    uint32_t rss = stream_metric(s, "rss", "bytes", false, 0);
    stream_point(s, rss, start_ns - 5, 1);
    stream_point(s, rss, start_ns + 5, 2);
    take();
    cr_assert_eq(p->series[0].time_ns[0], 0);
    cr_assert_eq(p->series[0].time_ns[1], 5);
}

Test(stream, cuts_a_huge_name_between_characters)
{
    size_t len = (1 << 20) + 10;
    char *name = malloc(len);
    for (size_t i = 0; i + 1 < len; i += 2)
        memcpy(name + i, "\xc3\xa9", 2);
    memmove(name + 1, name, len - 1);
    name[0] = 'a';
    uint32_t id = stream_string(s, name, len);
    free(name);
    struct wire_function f = {.name = id};
    stream_function(s, &f);
    take();
    uint32_t got = p->tables.functions[1].name;
    cr_assert_eq(strtab_len(&p->tables.strings, got), (1 << 20) - 1);
}

enum { WORKERS = 4, ROUNDS = 200 };

static void *work(void *arg)
{
    uint32_t set = *(uint32_t *)arg;
    for (int i = 0; i < ROUNDS; i++) {
        char name[32];
        snprintf(name, sizeof(name), "f%d", i);
        stream_lock(s);
        add_samples(set, 10, add_stack(name, 0));
        stream_unlock(s);
    }
    return NULL;
}

Test(stream, loses_nothing_between_threads_and_takes)
{
    pthread_t threads[WORKERS];
    uint32_t set = cpu_set();
    for (int i = 0; i < WORKERS; i++)
        pthread_create(&threads[i], NULL, work, &set);
    for (int i = 0; i < 50; i++)
        take();
    for (int i = 0; i < WORKERS; i++)
        pthread_join(threads[i], NULL);
    take();
    cr_assert_eq(p->sets[0].len, WORKERS * ROUNDS * 10);
    cr_assert_eq(p->tables.stacks_len, ROUNDS + 1);
}
