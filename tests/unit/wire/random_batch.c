#include "tests/unit/wire/random_batch.h"

#include <stdlib.h>
#include <string.h>

void random_stream_init(struct random_stream *r, uint64_t seed, unsigned max_rows)
{
    *r = (struct random_stream){
        .state = seed * 2 + 1,
        .arena = arena_new(),
        .strings = 1,
        .functions = 1,
        .frames = 1,
        .stacks = 1,
        .label_sets = 1,
        .max_rows = max_rows,
    };
    if (!r->arena)
        abort();
}

void random_stream_deinit(struct random_stream *r)
{
    arena_free(r->arena);
}

/* xorshift64* (Vigna 2016) */
uint64_t random_u64(struct random_stream *r)
{
    r->state ^= r->state >> 12;
    r->state ^= r->state << 25;
    r->state ^= r->state >> 27;
    return r->state * 0x2545f4914f6cdd1dULL;
}

uint32_t random_below(struct random_stream *r, uint32_t limit)
{
    return limit ? (uint32_t)((random_u64(r) >> 32) % limit) : 0;
}

static bool one_in(struct random_stream *r, uint32_t n)
{
    return random_below(r, n) == 0;
}

/* Numbers of every length a varint can have. */
static uint64_t any_size(struct random_stream *r)
{
    return random_u64(r) >> random_below(r, 64);
}

static int64_t any_signed(struct random_stream *r)
{
    uint64_t value = any_size(r);
    int64_t result;
    memcpy(&result, &value, sizeof(result));
    return one_in(r, 2) ? result : -(result / 2);
}

static double any_double(struct random_stream *r)
{
    static const double odd[] = {0.0, -0.0, 1.5, -1e300, 5e-324, 9007199254740993.0, 1e18};
    if (one_in(r, 8))
        return odd[random_below(r, sizeof(odd) / sizeof(odd[0]))];
    return (double)(any_signed(r) >> 12) / 64;
}

static void *get(struct random_stream *r, size_t count, size_t size)
{
    void *memory = arena_alloc(r->arena, count * size + 1);
    if (!memory)
        abort();
    return memory;
}

#define NEW(r, type, count) ((type *)get((r), (count), sizeof(type)))

static struct wire_bytes text(struct random_stream *r)
{
    size_t len = random_below(r, one_in(r, 10) ? 300 : 12);
    char *data = NEW(r, char, len);
    for (size_t i = 0; i < len; i++)
        data[i] = (char)('a' + random_below(r, 26));
    return (struct wire_bytes){data, len};
}

/* As text, but any bytes, NUL and half a character too: where the .proto says bytes. */
static struct wire_bytes bytes(struct random_stream *r)
{
    size_t len = random_below(r, 12);
    char *data = NEW(r, char, len);
    for (size_t i = 0; i < len; i++)
        data[i] = (char)(signed char)(random_below(r, 256) - 128);
    return (struct wire_bytes){data, len};
}

static size_t some(struct random_stream *r)
{
    return one_in(r, 3) ? 0 : random_below(r, r->max_rows + 1);
}

static uint32_t *below_column(struct random_stream *r, size_t len, uint32_t limit)
{
    uint32_t *column = NEW(r, uint32_t, len);
    for (size_t i = 0; i < len; i++)
        column[i] = random_below(r, limit);
    return column;
}

static uint64_t *count_column(struct random_stream *r, size_t len)
{
    uint64_t *column = NEW(r, uint64_t, len);
    for (size_t i = 0; i < len; i++)
        column[i] = any_size(r);
    return column;
}

static double *double_column(struct random_stream *r, size_t len)
{
    double *column = NEW(r, double, len);
    for (size_t i = 0; i < len; i++)
        column[i] = any_double(r);
    return column;
}

static uint64_t *time_column(struct random_stream *r, size_t len, bool is_rising)
{
    uint64_t *column = NEW(r, uint64_t, len);
    uint64_t now = r->now_ns;
    for (size_t i = 0; i < len; i++) {
        now += random_below(r, 20000000);
        column[i] = is_rising ? now : random_below(r, 1u << 30);
    }
    r->now_ns = now;
    return column;
}

static void make_tables(struct random_stream *r, struct wire_batch *b)
{
    b->first_string = r->strings;
    b->strings_len = some(r);
    struct wire_bytes *strings = NEW(r, struct wire_bytes, b->strings_len);
    for (size_t i = 0; i < b->strings_len; i++)
        strings[i] = bytes(r);
    b->strings = strings;
    r->strings += (uint32_t)b->strings_len;

    b->first_function = r->functions;
    b->functions_len = some(r);
    struct wire_function *functions = NEW(r, struct wire_function, b->functions_len);
    for (size_t i = 0; i < b->functions_len; i++)
        functions[i] = (struct wire_function){
            random_below(r, r->strings), random_below(r, r->strings), (uint32_t)any_size(r),
            one_in(r, 2) ? 0 : random_below(r, r->strings), random_below(r, WIRE_KINDS)};
    b->functions = functions;
    r->functions += (uint32_t)b->functions_len;

    b->first_frame = r->frames;
    b->frames_len = some(r);
    bool has_columns = one_in(r, 4);
    struct wire_frame *frames = NEW(r, struct wire_frame, b->frames_len);
    for (size_t i = 0; i < b->frames_len; i++)
        frames[i] = (struct wire_frame){.function = random_below(r, r->functions),
                                        .line = random_below(r, 3000),
                                        .column = has_columns ? random_below(r, 80) : 0,
                                        .end_line = has_columns ? random_below(r, 3000) : 0,
                                        .end_column = has_columns ? random_below(r, 80) : 0};
    b->frames = frames;
    r->frames += (uint32_t)b->frames_len;

    b->first_stack = r->stacks;
    b->stacks_len = some(r);
    struct wire_stack *stacks = NEW(r, struct wire_stack, b->stacks_len);
    for (size_t i = 0; i < b->stacks_len; i++)
        stacks[i] = (struct wire_stack){random_below(r, r->stacks++), random_below(r, r->frames)};
    b->stacks = stacks;
}

static void make_who(struct random_stream *r, struct wire_batch *b)
{
    b->first_process = r->processes;
    b->processes_len = random_below(r, 3);
    struct wire_process *processes = NEW(r, struct wire_process, b->processes_len);
    for (size_t i = 0; i < b->processes_len; i++) {
        processes[i] = (struct wire_process){.index = random_below(r, r->processes + 1),
                                             .pid = any_size(r),
                                             .parent_pid = any_size(r),
                                             .command = bytes(r),
                                             .runtime = text(r),
                                             .start_ns = any_size(r),
                                             .end_ns = any_size(r)};
        r->processes += processes[i].index == r->processes;
    }
    b->processes = processes;

    b->first_thread = r->threads;
    b->threads_len = random_below(r, 4);
    struct wire_thread *threads = NEW(r, struct wire_thread, b->threads_len);
    for (size_t i = 0; i < b->threads_len; i++) {
        threads[i] = (struct wire_thread){.index = random_below(r, r->threads + 1),
                                          .process = random_below(r, r->processes),
                                          .tid = any_size(r),
                                          .name = bytes(r)};
        r->threads += threads[i].index == r->threads;
    }
    b->threads = threads;

    b->first_label_set = r->label_sets;
    b->label_sets_len = random_below(r, 3);
    struct wire_label_set *sets = NEW(r, struct wire_label_set, b->label_sets_len);
    for (size_t i = 0; i < b->label_sets_len; i++) {
        size_t len = random_below(r, 4);
        sets[i] = (struct wire_label_set){.len = len};
        if (len == 0)
            continue;
        sets[i].key = below_column(r, len, r->strings);
        sets[i].value = below_column(r, len, r->strings);
        sets[i].unit = one_in(r, 2) ? NULL : below_column(r, len, r->strings);
    }
    b->label_sets = sets;
    r->label_sets += (uint32_t)b->label_sets_len;
}

static struct wire_samples make_samples(struct random_stream *r)
{
    size_t len = some(r);
    struct wire_samples s = {.set = random_below(r, r->sets), .len = len};
    s.values_len = r->values[s.set];
    for (size_t i = 0; i < s.values_len; i++) {
        s.values[i].constant = any_signed(r);
        if (len == 0 || one_in(r, 2))
            continue;
        int64_t *value = NEW(r, int64_t, len);
        for (size_t k = 0; k < len; k++)
            value[k] = any_signed(r);
        s.values[i].value = value;
        s.values[i].constant = 0;
    }
    if (len == 0)
        return s;
    s.stack = below_column(r, len, r->stacks);
    s.time_ns = one_in(r, 8) ? NULL : time_column(r, len, !one_in(r, 8));
    s.thread = one_in(r, 3) ? NULL : below_column(r, len, r->threads);
    s.state = one_in(r, 3) ? NULL : below_column(r, len, 64);
    s.label_set = one_in(r, 2) ? NULL : below_column(r, len, r->label_sets);
    return s;
}

static void make_sample_sets(struct random_stream *r, struct wire_batch *b)
{
    b->sets_len = r->sets == 0 || (one_in(r, 4) && r->sets < 60) ? 1 + random_below(r, 2) : 0;
    struct wire_sample_set *sets = NEW(r, struct wire_sample_set, b->sets_len);
    for (size_t i = 0; i < b->sets_len; i++) {
        sets[i] = (struct wire_sample_set){.set = r->sets++,
                                           .name = text(r),
                                           .values_len = random_below(r, WIRE_MAX_VALUES + 1),
                                           .period = any_size(r)};
        for (size_t k = 0; k < sets[i].values_len; k++)
            sets[i].values[k] = (struct wire_value_type){text(r), text(r)};
        r->values[sets[i].set] = sets[i].values_len;
    }
    b->sets = sets;

    b->samples_len = random_below(r, 4);
    struct wire_samples *samples = NEW(r, struct wire_samples, b->samples_len);
    for (size_t i = 0; i < b->samples_len; i++)
        samples[i] = make_samples(r);
    b->samples = samples;
}

static void make_series(struct random_stream *r, struct wire_batch *b)
{
    b->metrics_len = r->metrics == 0 ? 2 : one_in(r, 4);
    struct wire_metric *metrics = NEW(r, struct wire_metric, b->metrics_len);
    for (size_t i = 0; i < b->metrics_len; i++)
        metrics[i] = (struct wire_metric){.metric = r->metrics++,
                                          .name = text(r),
                                          .unit = text(r),
                                          .has_process = one_in(r, 2),
                                          .process = random_below(r, r->processes)};
    b->metrics = metrics;

    b->points_len = random_below(r, 3);
    struct wire_points *points = NEW(r, struct wire_points, b->points_len);
    for (size_t i = 0; i < b->points_len; i++) {
        size_t len = some(r);
        points[i] = (struct wire_points){.metric = random_below(r, r->metrics), .len = len};
        if (len == 0)
            continue;
        double *value = double_column(r, len);
        bool is_whole = one_in(r, 2);
        for (size_t k = 0; is_whole && k < len; k++)
            value[k] = (double)(any_signed(r) >> 12);
        points[i].time_ns = time_column(r, len, !one_in(r, 8));
        points[i].value = value;
    }
    b->points = points;
}

static void make_messages(struct random_stream *r, struct wire_batch *b)
{
    b->spans_len = random_below(r, 3);
    struct wire_span *spans = NEW(r, struct wire_span, b->spans_len);
    for (size_t i = 0; i < b->spans_len; i++)
        spans[i] = (struct wire_span){.name = random_below(r, r->strings),
                                      .begin_ns = any_size(r) >> 1,
                                      .end_ns = one_in(r, 4) ? 0 : any_size(r) >> 1,
                                      .process = random_below(r, r->processes),
                                      .thread = random_below(r, r->threads),
                                      .begin_value = any_double(r),
                                      .end_value = any_double(r),
                                      .level = random_below(r, 9)};
    b->spans = spans;

    b->notices_len = random_below(r, 2);
    struct wire_notice *notices = NEW(r, struct wire_notice, b->notices_len);
    for (size_t i = 0; i < b->notices_len; i++)
        notices[i] = (struct wire_notice){random_below(r, 3), text(r), text(r), any_size(r)};
    b->notices = notices;

    b->counters_len = random_below(r, 3);
    struct wire_counter *counters = NEW(r, struct wire_counter, b->counters_len);
    for (size_t i = 0; i < b->counters_len; i++)
        counters[i] = (struct wire_counter){text(r), any_size(r)};
    b->counters = counters;
}

static void make_call_graph(struct random_stream *r, struct wire_batch *b)
{
    struct wire_call_graph *graph = NEW(r, struct wire_call_graph, 1);
    *graph = (struct wire_call_graph){.unit = {"s", 1}, .rows_len = some(r)};
    b->call_graph = graph;
    if (graph->rows_len) {
        graph->function = below_column(r, graph->rows_len, r->functions);
        graph->calls = count_column(r, graph->rows_len);
        graph->primitive_calls = one_in(r, 4) ? NULL : count_column(r, graph->rows_len);
        graph->self = double_column(r, graph->rows_len);
        graph->total = double_column(r, graph->rows_len);
    }
    r->call_rows += (uint32_t)graph->rows_len;
    graph->edges_len = r->call_rows ? some(r) : 0;
    if (graph->edges_len) {
        graph->edge_caller = below_column(r, graph->edges_len, r->call_rows);
        graph->edge_callee = below_column(r, graph->edges_len, r->call_rows);
        graph->edge_calls = count_column(r, graph->edges_len);
        graph->edge_primitive_calls = count_column(r, graph->edges_len);
        graph->edge_self = one_in(r, 4) ? NULL : double_column(r, graph->edges_len);
        graph->edge_total = double_column(r, graph->edges_len);
    }
}

static void make_texts(struct random_stream *r, struct wire_batch *b)
{
    b->lines_len = random_below(r, 3);
    struct wire_lines *lines = NEW(r, struct wire_lines, b->lines_len);
    for (size_t i = 0; i < b->lines_len; i++) {
        size_t len = some(r);
        lines[i] = (struct wire_lines){.function = random_below(r, r->functions), .len = len};
        if (len == 0)
            continue;
        lines[i].line = below_column(r, len, 5000);
        lines[i].hits = count_column(r, len);
        lines[i].time_s = one_in(r, 2) ? NULL : double_column(r, len);
        lines[i].memory_bytes = one_in(r, 2) ? NULL : double_column(r, len);
        lines[i].increment_bytes = one_in(r, 2) ? NULL : double_column(r, len);
    }
    b->lines = lines;

    b->sources_len = random_below(r, 2);
    struct wire_source *sources = NEW(r, struct wire_source, b->sources_len);
    for (size_t i = 0; i < b->sources_len; i++)
        sources[i] = (struct wire_source){random_below(r, r->strings), bytes(r)};
    b->sources = sources;

    b->benchmarks_len = random_below(r, 2);
    struct wire_benchmark *benchmarks = NEW(r, struct wire_benchmark, b->benchmarks_len);
    for (size_t i = 0; i < b->benchmarks_len; i++) {
        size_t len = some(r);
        benchmarks[i] = (struct wire_benchmark){.name = text(r),
                                                .group = text(r),
                                                .mean_s = any_double(r),
                                                .median_s = any_double(r),
                                                .stddev_s = any_double(r),
                                                .min_s = any_double(r),
                                                .max_s = any_double(r),
                                                .rounds = any_size(r),
                                                .iterations = any_size(r),
                                                .data_len = len,
                                                .data_s = len ? double_column(r, len) : NULL};
    }
    b->benchmarks = benchmarks;
}

struct wire_hello random_hello(struct random_stream *r)
{
    struct wire_hello hello = {.protocol = WIRE_PROTOCOL,
                               .session = {"abcdefghijklmnop", 16},
                               .token = text(r),
                               .name = text(r),
                               .host = text(r),
                               .runtime = text(r),
                               .producer = text(r),
                               .mode = text(r),
                               .format = text(r),
                               .pid = any_size(r),
                               .start_unix_ns = any_size(r),
                               .rate_hz = 99.5,
                               .argv_len = random_below(r, 5),
                               .tags_len = random_below(r, 4)};
    struct wire_bytes *argv = NEW(r, struct wire_bytes, hello.argv_len);
    for (size_t i = 0; i < hello.argv_len; i++)
        argv[i] = bytes(r);
    hello.argv = argv;
    struct wire_tag *tags = NEW(r, struct wire_tag, hello.tags_len);
    for (size_t i = 0; i < hello.tags_len; i++)
        tags[i] = (struct wire_tag){text(r), text(r)};
    hello.tags = tags;
    return hello;
}

struct wire_batch random_batch(struct random_stream *r)
{
    struct wire_batch b = {.seq = ++r->seq, .begin_ns = r->now_ns};
    make_tables(r, &b);
    make_who(r, &b);
    make_sample_sets(r, &b);
    make_series(r, &b);
    make_messages(r, &b);
    if (one_in(r, 3))
        make_call_graph(r, &b);
    make_texts(r, &b);
    b.end_ns = r->now_ns;
    return b;
}
