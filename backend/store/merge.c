#include "backend/store/merge.h"

#include <stddef.h>
#include <string.h>

#include "backend/store/merge_rows.h"

struct merge {
    const struct wire_batch *parts;
    size_t len;
    struct arena *arena;
};

/* A plain array of struct wire_batch: where its pointer and its length are, and for tables the
 * number of its first row. */
struct rows {
    size_t rows, len, first, row_size;
};
#define ROWS(name, type)                                                                           \
    {                                                                                              \
        .rows = offsetof(struct wire_batch, name), .len = offsetof(struct wire_batch, name##_len), \
        .row_size = sizeof(type)                                                                   \
    }
#define TABLE(name, first_row, type)                                                               \
    {                                                                                              \
        .rows = offsetof(struct wire_batch, name), .len = offsetof(struct wire_batch, name##_len), \
        .first = offsetof(struct wire_batch, first_row), .row_size = sizeof(type)                  \
    }

static const struct rows plain_rows[] = {
    TABLE(strings, first_string, struct wire_bytes),
    TABLE(functions, first_function, struct wire_function),
    TABLE(frames, first_frame, struct wire_frame),
    TABLE(stacks, first_stack, struct wire_stack),
    TABLE(processes, first_process, struct wire_process),
    TABLE(threads, first_thread, struct wire_thread),
    TABLE(label_sets, first_label_set, struct wire_label_set),
    ROWS(sets, struct wire_sample_set),
    ROWS(metrics, struct wire_metric),
    ROWS(spans, struct wire_span),
    ROWS(notices, struct wire_notice),
    ROWS(counters, struct wire_counter),
    ROWS(lines, struct wire_lines),
    ROWS(sources, struct wire_source),
    ROWS(benchmarks, struct wire_benchmark),
};

static size_t len_of(const struct wire_batch *batch, const struct rows *r)
{
    size_t len;
    memcpy(&len, (const char *)batch + r->len, sizeof(len));
    return len;
}

static const void *rows_of(const struct wire_batch *batch, const struct rows *r)
{
    const void *rows;
    memcpy(&rows, (const char *)batch + r->rows, sizeof(rows));
    return rows;
}

/* A table's first row has the number that the first part with rows says. */
static void merge_first(const struct merge *m, struct wire_batch *out, const struct rows *r)
{
    size_t from = 0;
    while (from + 1 < m->len && len_of(&m->parts[from], r) == 0)
        from++;
    if (len_of(&m->parts[from], r) == 0)
        from = 0;
    if (r->first)
        memcpy((char *)out + r->first, (const char *)&m->parts[from] + r->first, sizeof(uint64_t));
}

static enum status concatenate(const struct merge *m, struct wire_batch *out, const struct rows *r)
{
    size_t total = 0;
    for (size_t i = 0; i < m->len; i++)
        total += len_of(&m->parts[i], r);
    merge_first(m, out, r);
    if (total == 0)
        return STATUS_OK;
    char *all = arena_alloc(m->arena, total * r->row_size);
    if (!all)
        return STATUS_NO_MEMORY;
    size_t at = 0;
    for (size_t i = 0; i < m->len; i++) {
        size_t bytes = len_of(&m->parts[i], r) * r->row_size;
        if (bytes)
            memcpy(all + at, rows_of(&m->parts[i], r), bytes);
        at += bytes;
    }
    memcpy((char *)out + r->rows, &all, sizeof(all));
    memcpy((char *)out + r->len, &total, sizeof(total));
    return STATUS_OK;
}

/* ---- processes and threads: new rows first, then those that come again ---- */

static enum status sort_processes(const struct merge *m, struct wire_batch *out)
{
    struct wire_process *sorted = arena_alloc(m->arena, (out->processes_len + 1) * sizeof(*sorted));
    if (!sorted)
        return STATUS_NO_MEMORY;
    size_t n = 0;
    for (int is_again = 0; is_again < 2; is_again++) {
        uint64_t known = out->first_process;
        for (size_t i = 0; i < out->processes_len; i++) {
            bool is_new = out->processes[i].index == known;
            known += is_new;
            if (is_new != is_again)
                sorted[n++] = out->processes[i];
        }
    }
    out->processes = sorted;
    return STATUS_OK;
}

static enum status sort_threads(const struct merge *m, struct wire_batch *out)
{
    struct wire_thread *sorted = arena_alloc(m->arena, (out->threads_len + 1) * sizeof(*sorted));
    if (!sorted)
        return STATUS_NO_MEMORY;
    size_t n = 0;
    for (int is_again = 0; is_again < 2; is_again++) {
        uint64_t known = out->first_thread;
        for (size_t i = 0; i < out->threads_len; i++) {
            bool is_new = out->threads[i].index == known;
            known += is_new;
            if (is_new != is_again)
                sorted[n++] = out->threads[i];
        }
    }
    out->threads = sorted;
    return STATUS_OK;
}

/* Declaring something twice in one batch is not the same as in two, with rows in between. */
static bool has_double_declaration(const struct wire_batch *b)
{
    for (size_t i = 1; i < b->sets_len; i++) {
        for (size_t k = 0; k < i; k++) {
            if (b->sets[k].set == b->sets[i].set)
                return true;
        }
    }
    for (size_t i = 1; i < b->metrics_len; i++) {
        for (size_t k = 0; k < i; k++) {
            if (b->metrics[k].metric == b->metrics[i].metric)
                return true;
        }
    }
    return false;
}

/* Running totals: the last one of each name counts. */
static enum status thin_counters(const struct merge *m, struct wire_batch *out)
{
    struct wire_counter *last = arena_alloc(m->arena, (out->counters_len + 1) * sizeof(*last));
    if (!last)
        return STATUS_NO_MEMORY;
    size_t n = 0;
    for (size_t i = 0; i < out->counters_len; i++) {
        const struct wire_counter *c = &out->counters[i];
        size_t at = 0;
        while (at < n && (last[at].name.len != c->name.len ||
                          memcmp(last[at].name.data, c->name.data, c->name.len) != 0))
            at++;
        last[at] = *c;
        n += at == n;
    }
    out->counters = last;
    out->counters_len = n;
    return STATUS_OK;
}

static enum status merge_call_graph(const struct merge *m, struct wire_batch *out)
{
    for (size_t i = 0; i < m->len; i++) {
        if (m->parts[i].call_graph && out->call_graph)
            return STATUS_UNSUPPORTED;
        if (m->parts[i].call_graph)
            out->call_graph = m->parts[i].call_graph;
    }
    return STATUS_OK;
}

enum status merge_batches(struct wire_batch *out, const struct wire_batch *parts, size_t len,
                          struct arena *arena)
{
    struct merge m = {.parts = parts, .len = len, .arena = arena};
    *out = (struct wire_batch){
        .seq = parts[len - 1].seq, .begin_ns = parts[0].begin_ns, .end_ns = parts[len - 1].end_ns};
    enum status st = merge_call_graph(&m, out);
    for (size_t i = 0; st == STATUS_OK && i < sizeof(plain_rows) / sizeof(plain_rows[0]); i++)
        st = concatenate(&m, out, &plain_rows[i]);
    if (st == STATUS_OK && has_double_declaration(out))
        st = STATUS_UNSUPPORTED;
    if (st == STATUS_OK)
        st = sort_processes(&m, out);
    if (st == STATUS_OK)
        st = sort_threads(&m, out);
    if (st == STATUS_OK)
        st = thin_counters(&m, out);
    if (st == STATUS_OK)
        st = merge_samples(parts, len, out, arena);
    if (st == STATUS_OK)
        st = merge_points(parts, len, out, arena);
    return st;
}

static bool samples_match(const struct wire_batch *a, const struct wire_batch *b)
{
    if (a->samples_len != b->samples_len || a->points_len != b->points_len)
        return false;
    for (size_t i = 0; i < a->samples_len; i++) {
        if (a->samples[i].set != b->samples[i].set || a->samples[i].len != b->samples[i].len)
            return false;
    }
    for (size_t i = 0; i < a->points_len; i++) {
        if (a->points[i].metric != b->points[i].metric || a->points[i].len != b->points[i].len)
            return false;
    }
    return true;
}

bool merge_counts_match(const struct wire_batch *a, const struct wire_batch *b)
{
    return a->seq == b->seq && a->first_string == b->first_string &&
           a->first_function == b->first_function && a->first_frame == b->first_frame &&
           a->first_stack == b->first_stack && a->first_process == b->first_process &&
           a->first_thread == b->first_thread && a->first_label_set == b->first_label_set &&
           a->strings_len == b->strings_len && a->functions_len == b->functions_len &&
           a->frames_len == b->frames_len && a->stacks_len == b->stacks_len &&
           a->processes_len == b->processes_len && a->threads_len == b->threads_len &&
           a->label_sets_len == b->label_sets_len && a->sets_len == b->sets_len &&
           a->metrics_len == b->metrics_len && a->spans_len == b->spans_len &&
           a->notices_len == b->notices_len && a->counters_len == b->counters_len &&
           a->lines_len == b->lines_len && a->sources_len == b->sources_len &&
           a->benchmarks_len == b->benchmarks_len &&
           (a->call_graph == NULL) == (b->call_graph == NULL) && samples_match(a, b);
}
