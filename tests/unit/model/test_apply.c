#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "backend/model/apply.h"
#include "tests/unit/model/same_profile.h"
#include "tests/unit/wire/random_batch.h"

static const struct wire_bytes strings[] = {{"main", 4}, {"app.py", 6}, {"main", 4}};
static const struct wire_function functions[] = {{1, 2, 10, 0, WIRE_PYTHON}, {3, 2, 20, 0, 0}};
static const struct wire_frame frames[] = {{.function = 1, .line = 11},
                                           {.function = 2, .line = 21}};
static const struct wire_stack stacks[] = {{0, 1}, {1, 2}};

/* A first batch with two stacks, one sample set of one value and one series. */
static struct wire_batch first_batch(void)
{
    static const struct wire_sample_set set = {
        .name = {"cpu", 3}, .values_len = 1, .values = {{{"wall", 4}, {"ns", 2}}}};
    static const struct wire_metric metric = {.name = {"rss", 3}, .unit = {"bytes", 5}};
    return (struct wire_batch){
        .seq = 1,
        .end_ns = 100,
        .first_string = 1,
        .strings = strings,
        .strings_len = 3,
        .first_function = 1,
        .functions = functions,
        .functions_len = 2,
        .first_frame = 1,
        .frames = frames,
        .frames_len = 2,
        .first_stack = 1,
        .stacks = stacks,
        .stacks_len = 2,
        .sets = &set,
        .sets_len = 1,
        .metrics = &metric,
        .metrics_len = 1,
    };
}

static struct profile *started(void)
{
    struct profile *p;
    struct error err = {0};
    struct wire_batch batch = first_batch();
    cr_assert_eq(profile_new(&p), STATUS_OK);
    cr_assert_eq(apply_batch(p, &batch, &err), STATUS_OK, "%s", err.text);
    return p;
}

static enum status add_samples(struct profile *p, size_t len, const uint64_t *times,
                               const uint32_t *stack_of, const int64_t *values, struct error *err)
{
    struct wire_samples samples = {.len = len,
                                   .time_ns = times,
                                   .stack = stack_of,
                                   .values_len = 1,
                                   .values = {{.constant = 7, .value = values}}};
    struct wire_batch batch = {.seq = 2, .samples = &samples, .samples_len = 1};
    return apply_batch(p, &batch, err);
}

Test(apply, a_batch_becomes_rows_and_strings_are_interned)
{
    struct profile *p = started();
    const struct tables *t = &p->tables;
    cr_assert_eq(t->functions_len, 3);
    cr_assert_eq(t->functions[1].name, t->functions[2].name, "one text, one string");
    cr_assert_str_eq(strtab_text(&t->strings, t->functions[2].name), "main");
    cr_assert_str_eq(strtab_text(&t->strings, t->functions[2].file), "app.py");
    cr_assert_eq(t->stack_depth[2], 2);
    cr_assert_eq(p->wire_strings_len, 4);
    cr_assert_eq(p->duration_ns, 100);
    profile_free(p);
}

Test(apply, hello_fills_the_head_and_fills_it_anew_on_resume)
{
    struct profile *p;
    cr_assert_eq(profile_new(&p), STATUS_OK);
    const struct wire_bytes argv[] = {{"python3", 7}, {"app.py", 6}};
    struct wire_hello hello = {.protocol = 1,
                               .name = {"login", 5},
                               .format = {"pstats", 6},
                               .pid = 42,
                               .rate_hz = (double)NAN,
                               .argv = argv,
                               .argv_len = 2};
    cr_assert_eq(apply_hello(p, &hello, NULL), STATUS_OK);
    cr_assert_eq(apply_hello(p, &hello, NULL), STATUS_OK);
    cr_assert_str_eq(strtab_text(&p->tables.strings, p->name), "login");
    cr_assert_str_eq(strtab_text(&p->tables.strings, p->format), "pstats");
    cr_assert_str_eq(strtab_text(&p->tables.strings, p->argv[1]), "app.py");
    cr_assert_eq(p->argv_len, 2);
    cr_assert_eq(p->pid, 42);
    cr_assert_eq(p->rate_hz, 0, "a rate that is not a number is none");
    /* What the head interned does not shift the numbers of the stream. */
    struct wire_batch batch = first_batch();
    struct error err = {0};
    cr_assert_eq(apply_batch(p, &batch, &err), STATUS_OK, "%s", err.text);
    cr_assert_str_eq(strtab_text(&p->tables.strings, p->tables.functions[1].name), "main");
    profile_free(p);
}

Test(apply, samples_that_come_late_go_to_their_place)
{
    struct profile *p = started();
    const uint32_t one[] = {1, 1, 1};
    const uint32_t two[] = {2, 2, 2, 2};
    const int64_t a[] = {1, 2, 3};
    const int64_t b[] = {10, 20, 30, 40};
    cr_assert_eq(add_samples(p, 3, (const uint64_t[]){10, 20, 30}, one, a, NULL), STATUS_OK);
    cr_assert_eq(add_samples(p, 4, (const uint64_t[]){25, 20, 40, 5}, two, b, NULL), STATUS_OK);
    const struct sample_set *s = &p->sets[0];
    const uint64_t times[] = {5, 10, 20, 20, 25, 30, 40};
    const int64_t values[] = {40, 1, 2, 20, 10, 3, 30};
    const uint32_t stack_of[] = {2, 1, 1, 2, 2, 1, 2};
    cr_assert_eq(s->len, 7);
    cr_assert_eq(memcmp(s->time_ns, times, sizeof(times)), 0);
    cr_assert_eq(memcmp(s->values[0].value, values, sizeof(values)), 0);
    cr_assert_eq(memcmp(s->stack, stack_of, sizeof(stack_of)), 0);
    profile_free(p);
}

Test(apply, constants_stay_constant_until_one_differs)
{
    struct profile *p = started();
    const uint32_t one[] = {1, 1};
    cr_assert_eq(add_samples(p, 2, (const uint64_t[]){1, 2}, one, NULL, NULL), STATUS_OK);
    cr_assert_eq(add_samples(p, 2, (const uint64_t[]){3, 4}, one, NULL, NULL), STATUS_OK);
    cr_assert_null(p->sets[0].values[0].value);
    cr_assert_eq(p->sets[0].values[0].constant, 7);
    const int64_t other[] = {8, 9};
    cr_assert_eq(add_samples(p, 2, (const uint64_t[]){5, 6}, one, other, NULL), STATUS_OK);
    const int64_t all[] = {7, 7, 7, 7, 8, 9};
    cr_assert_eq(memcmp(p->sets[0].values[0].value, all, sizeof(all)), 0);
    profile_free(p);
}

Test(apply, two_blocks_of_one_batch_with_different_constants_keep_theirs)
{
    struct profile *p = started();
    const uint64_t times[] = {1, 2};
    const uint32_t one[] = {1, 1};
    struct wire_samples samples[2];
    for (int i = 0; i < 2; i++)
        samples[i] = (struct wire_samples){.len = 2,
                                           .time_ns = times,
                                           .stack = one,
                                           .values_len = 1,
                                           .values = {{.constant = i + 1}}};
    struct wire_batch batch = {.seq = 2, .samples = samples, .samples_len = 2};
    cr_assert_eq(apply_batch(p, &batch, NULL), STATUS_OK);
    const int64_t values[] = {1, 2, 1, 2};
    cr_assert_eq(memcmp(p->sets[0].values[0].value, values, sizeof(values)), 0);
    profile_free(p);
}

Test(apply, a_process_is_changed_by_sending_its_row_again)
{
    struct profile *p = started();
    struct wire_process rows[] = {{.index = 0, .pid = 5}, {.index = 0, .pid = 5, .end_ns = 9}};
    struct wire_batch batch = {.seq = 2, .processes = rows, .processes_len = 2};
    cr_assert_eq(apply_batch(p, &batch, NULL), STATUS_OK);
    cr_assert_eq(p->tables.processes_len, 1);
    cr_assert_eq(p->tables.processes[0].end_ns, 9);
    profile_free(p);
}

/* ---- what is refused leaves no trace ---- */

static struct profile *control;

static void check_refused(struct wire_batch *batch, const char *words)
{
    struct profile *p = started();
    struct error err = {0};
    batch->seq = 2;
    enum status st = apply_batch(p, batch, &err);
    cr_assert(st == STATUS_INVALID || st == STATUS_TOO_LARGE, "%s", words);
    cr_assert(strstr(err.text, words), "expected \"%s\" in \"%s\"", words, err.text);
    const char *what = profiles_differ(p, control);
    cr_assert(!what, "%s: changed: %s", words, what);
    /* The stream goes on. */
    const uint32_t one[] = {1};
    cr_assert_eq(add_samples(p, 1, (const uint64_t[]){1}, one, NULL, &err), STATUS_OK, "%s",
                 err.text);
    profile_free(p);
}

Test(apply, batches_that_do_not_fit_are_refused_whole)
{
    control = started();
    const uint64_t times[] = {1, 2};
    const uint32_t good[] = {1, 2};
    const uint32_t bad[] = {1, 3};
    const struct wire_bytes text = {"new", 3};

    struct wire_batch b = {.first_string = 5, .strings = &text, .strings_len = 1};
    check_refused(&b, "first_string is 5 where 4 are known");
    b = (struct wire_batch){.first_stack = 2, .stacks = stacks, .stacks_len = 1};
    check_refused(&b, "first_stack");
    b = (struct wire_batch){
        .first_function = 3, .functions = &(struct wire_function){.name = 4}, .functions_len = 1};
    check_refused(&b, "function_name, row 0: no row 4 (4 known)");
    b = (struct wire_batch){.first_function = 3,
                            .functions = &(struct wire_function){.kind = WIRE_TASK + 1},
                            .functions_len = 1};
    check_refused(&b, "function_kind");
    b = (struct wire_batch){
        .first_frame = 3, .frames = &(struct wire_frame){.function = 3}, .frames_len = 1};
    check_refused(&b, "frame_function");
    b = (struct wire_batch){
        .first_stack = 3, .stacks = &(struct wire_stack){3, 1}, .stacks_len = 1};
    check_refused(&b, "stack_parent, row 0: no row 3");
    b = (struct wire_batch){
        .first_stack = 3, .stacks = &(struct wire_stack){2, 3}, .stacks_len = 1};
    check_refused(&b, "stack_frame");
    b = (struct wire_batch){.processes = &(struct wire_process){.index = 1}, .processes_len = 1};
    check_refused(&b, "process.index");
    b = (struct wire_batch){.threads = &(struct wire_thread){.process = 1}, .threads_len = 1};
    check_refused(&b, "thread.process");
    b = (struct wire_batch){.metrics = &(struct wire_metric){.name = {"pss", 3}}, .metrics_len = 1};
    check_refused(&b, "declared again");
    b = (struct wire_batch){.sets = &(struct wire_sample_set){.set = 2}, .sets_len = 1};
    check_refused(&b, "declare_sets.set");
    b = (struct wire_batch){.spans = &(struct wire_span){.name = 4}, .spans_len = 1};
    check_refused(&b, "span.name");
    b = (struct wire_batch){.sources = &(struct wire_source){.file = 4}, .sources_len = 1};
    check_refused(&b, "sources.file");
    b = (struct wire_batch){.lines = &(struct wire_lines){.function = 3}, .lines_len = 1};
    check_refused(&b, "lines.function");
    struct wire_call_graph graph = {
        .rows_len = 1, .function = good, .edges_len = 1, .edge_caller = good, .edge_callee = good};
    b = (struct wire_batch){.call_graph = &graph};
    check_refused(&b, "edge_caller, row 0: no row 1");

    struct wire_samples samples = {.len = 2, .time_ns = times, .stack = bad, .values_len = 1};
    b = (struct wire_batch){.first_string = 4,
                            .strings = &text,
                            .strings_len = 1,
                            .samples = &samples,
                            .samples_len = 1,
                            .end_ns = 1000};
    check_refused(&b, "samples.stack, row 1: no row 3 (3 known)");
    samples.stack = good;
    samples.thread = good;
    check_refused(&b, "samples.thread");
    samples.thread = NULL;
    samples.label_set = good;
    check_refused(&b, "samples.label_set");
    samples.label_set = NULL;
    samples.values_len = 2;
    check_refused(&b, "2 values in a set of 1");
    samples.values_len = 1;
    samples.set = 1;
    check_refused(&b, "samples.set");
    profile_free(control);
}

Test(apply, a_stack_that_grows_too_deep_within_a_batch_is_refused)
{
    control = started();
    struct arena *arena = arena_new();
    size_t len = TABLES_MAX_DEPTH;
    struct wire_stack *deep = arena_alloc(arena, len * sizeof(*deep));
    for (uint32_t i = 0; i < len; i++)
        deep[i] = (struct wire_stack){i + 2, 1};
    struct wire_batch b = {.first_stack = 3, .stacks = deep, .stacks_len = len};
    check_refused(&b, "depth");
    arena_free(arena);
    profile_free(control);
}

Test(apply, more_counters_than_there_may_be_are_refused)
{
    control = started();
    static char names[PROFILE_MAX_COUNTERS + 1][8];
    static struct wire_counter counters[PROFILE_MAX_COUNTERS + 1];
    for (int i = 0; i <= PROFILE_MAX_COUNTERS; i++) {
        snprintf(names[i], sizeof(names[i]), "c%d", i);
        counters[i].name = (struct wire_bytes){names[i], strlen(names[i])};
    }
    struct wire_batch b = {.counters = counters, .counters_len = PROFILE_MAX_COUNTERS + 1};
    check_refused(&b, "limit");
    profile_free(control);
}

Test(apply, every_single_bad_number_in_a_random_batch_is_refused_or_harmless)
{
    struct random_stream stream;
    random_stream_init(&stream, 77, 10);
    struct profile *p;
    struct profile *twin;
    cr_assert_eq(profile_new(&p), STATUS_OK);
    cr_assert_eq(profile_new(&twin), STATUS_OK);
    for (int round = 0; round < 40; round++) {
        struct wire_batch good = random_batch(&stream);
        struct wire_batch bad = good;
        bad.end_ns = UINT64_MAX; /* the last thing that is checked */
        cr_assert_eq(apply_batch(p, &bad, NULL), STATUS_INVALID);
        const char *what = profiles_differ(p, twin);
        cr_assert(!what, "round %d: %s", round, what);
        cr_assert_eq(apply_batch(p, &good, NULL), STATUS_OK);
        cr_assert_eq(apply_batch(twin, &good, NULL), STATUS_OK);
    }
    profile_free(p);
    profile_free(twin);
    random_stream_deinit(&stream);
}
