#include <inttypes.h>
#include <string.h>

#include "backend/model/apply_parts.h"

/* Whether what a batch measures refers to what exists. */

static bool is_text(const struct profile *p, uint32_t id, const struct wire_bytes *bytes)
{
    return strtab_len(&p->tables.strings, id) == bytes->len &&
           (bytes->len == 0 ||
            memcmp(strtab_text(&p->tables.strings, id), bytes->data, bytes->len) == 0);
}

static bool is_same_set(const struct profile *p, const struct sample_set *known,
                        const struct wire_sample_set *declared)
{
    bool is_same = known->values_len == declared->values_len && known->period == declared->period &&
                   is_text(p, known->name, &declared->name);
    for (size_t i = 0; is_same && i < known->values_len; i++)
        is_same = is_text(p, known->types[i].name, &declared->values[i].name) &&
                  is_text(p, known->types[i].unit, &declared->values[i].unit);
    return is_same;
}

static enum status check_sets(const struct profile *p, const struct wire_batch *b,
                              struct apply_counts *after, struct error *err)
{
    for (size_t i = 0; i < b->sets_len; i++) {
        const struct wire_sample_set *set = &b->sets[i];
        if (set->set > after->sets)
            return apply_no_row(err, b, "declare_sets.set", i, set->set, after->sets);
        if (set->set < p->sets_len ? !is_same_set(p, &p->sets[set->set], set)
                                   : set->set < after->sets)
            return error_set(err, STATUS_INVALID,
                             "batch %" PRIu64 ": sample set %u is declared again, differently",
                             b->seq, (unsigned)set->set);
        after->sets += set->set == after->sets;
    }
    if (after->sets > PROFILE_MAX_SETS)
        return error_set(err, STATUS_TOO_LARGE, "batch %" PRIu64 ": over %d sample sets", b->seq,
                         PROFILE_MAX_SETS);
    return STATUS_OK;
}

static enum status check_metrics(const struct profile *p, const struct wire_batch *b,
                                 struct apply_counts *after, struct error *err)
{
    for (size_t i = 0; i < b->metrics_len; i++) {
        const struct wire_metric *metric = &b->metrics[i];
        if (metric->metric > after->series)
            return apply_no_row(err, b, "declare_metrics.metric", i, metric->metric, after->series);
        if (metric->process && metric->process >= after->processes)
            return apply_no_row(err, b, "declare_metrics.process", i, metric->process,
                                after->processes);
        const struct series *known =
            metric->metric < p->series_len ? &p->series[metric->metric] : NULL;
        bool is_same = known && is_text(p, known->name, &metric->name) &&
                       is_text(p, known->unit, &metric->unit) &&
                       known->has_process == metric->has_process &&
                       known->process == metric->process;
        if (metric->metric < after->series && !is_same)
            return error_set(err, STATUS_INVALID,
                             "batch %" PRIu64 ": metric %u is declared again, differently", b->seq,
                             (unsigned)metric->metric);
        after->series += metric->metric == after->series;
    }
    if (after->series > PROFILE_MAX_SERIES)
        return error_set(err, STATUS_TOO_LARGE, "batch %" PRIu64 ": over %d series", b->seq,
                         PROFILE_MAX_SERIES);
    return STATUS_OK;
}

/* How many values each sample of the set has. */
static size_t values_of(const struct profile *p, const struct wire_batch *b, uint32_t set)
{
    if (set < p->sets_len)
        return p->sets[set].values_len;
    size_t i = 0;
    while (b->sets[i].set != set)
        i++;
    return b->sets[i].values_len;
}

static enum status check_samples(const struct profile *p, const struct wire_batch *b,
                                 const struct wire_samples *s, const struct apply_counts *after,
                                 struct error *err)
{
    if (s->set >= after->sets)
        return apply_no_row(err, b, "samples.set", 0, s->set, after->sets);
    size_t values = values_of(p, b, s->set);
    if (s->values_len != values)
        return error_set(err, STATUS_INVALID,
                         "batch %" PRIu64 ": samples with %zu values in a set of %zu", b->seq,
                         s->values_len, values);
    for (size_t i = 0; i < s->len; i++) {
        if (s->stack[i] >= after->stacks)
            return apply_no_row(err, b, "samples.stack", i, s->stack[i], after->stacks);
        if (s->thread && s->thread[i] && s->thread[i] >= after->threads)
            return apply_no_row(err, b, "samples.thread", i, s->thread[i], after->threads);
        if (s->label_set && s->label_set[i] >= after->label_sets)
            return apply_no_row(err, b, "samples.label_set", i, s->label_set[i], after->label_sets);
        if (s->state && s->state[i] > UINT8_MAX)
            return apply_no_row(err, b, "samples.state", i, s->state[i], UINT8_MAX + 1);
    }
    return STATUS_OK;
}

static enum status check_spans(const struct profile *p, const struct wire_batch *b,
                               const struct apply_counts *after, struct error *err)
{
    if (b->spans_len > TABLES_MAX_ROWS - p->spans_len)
        return error_set(err, STATUS_TOO_LARGE, "batch %" PRIu64 ": too many spans", b->seq);
    for (size_t i = 0; i < b->spans_len; i++) {
        const struct wire_span *span = &b->spans[i];
        if (span->name >= after->strings)
            return apply_no_row(err, b, "span.name", i, span->name, after->strings);
        if (span->process && span->process >= after->processes)
            return apply_no_row(err, b, "span.process", i, span->process, after->processes);
        if (span->thread && span->thread >= after->threads)
            return apply_no_row(err, b, "span.thread", i, span->thread, after->threads);
        if (span->begin_ns > INT64_MAX || span->end_ns > INT64_MAX)
            return error_set(err, STATUS_INVALID, "batch %" PRIu64 ": span, row %zu: not a time",
                             b->seq, i);
    }
    return STATUS_OK;
}

static enum status check_call_graph(const struct wire_batch *b, struct apply_counts *after,
                                    struct error *err)
{
    const struct wire_call_graph *graph = b->call_graph;
    if (!graph)
        return STATUS_OK;
    if (graph->rows_len > TABLES_MAX_ROWS - after->call_rows ||
        graph->edges_len > TABLES_MAX_ROWS - after->call_edges)
        return error_set(err, STATUS_TOO_LARGE, "batch %" PRIu64 ": too large a call graph",
                         b->seq);
    after->call_rows += graph->rows_len;
    after->call_edges += graph->edges_len;
    for (size_t i = 0; i < graph->rows_len; i++) {
        if (graph->function[i] >= after->functions)
            return apply_no_row(err, b, "call_graph.function", i, graph->function[i],
                                after->functions);
    }
    for (size_t i = 0; i < graph->edges_len; i++) {
        if (graph->edge_caller[i] >= after->call_rows)
            return apply_no_row(err, b, "call_graph.edge_caller", i, graph->edge_caller[i],
                                after->call_rows);
        if (graph->edge_callee[i] >= after->call_rows)
            return apply_no_row(err, b, "call_graph.edge_callee", i, graph->edge_callee[i],
                                after->call_rows);
    }
    return STATUS_OK;
}

static enum status check_texts(const struct wire_batch *b, const struct apply_counts *after,
                               struct error *err)
{
    for (size_t i = 0; i < b->lines_len; i++) {
        if (b->lines[i].function >= after->functions)
            return apply_no_row(err, b, "lines.function", i, b->lines[i].function,
                                after->functions);
    }
    for (size_t i = 0; i < b->sources_len; i++) {
        if (b->sources[i].file >= after->strings)
            return apply_no_row(err, b, "sources.file", i, b->sources[i].file, after->strings);
        if (b->sources[i].text.len > TABLES_MAX_STRING)
            return error_set(err, STATUS_TOO_LARGE,
                             "batch %" PRIu64 ": source, row %zu: over %d bytes", b->seq, i,
                             TABLES_MAX_STRING);
    }
    for (size_t i = 0; i < b->benchmarks_len; i++) {
        if (b->benchmarks[i].data_len > PROFILE_MAX_ROUNDS)
            return error_set(err, STATUS_TOO_LARGE,
                             "batch %" PRIu64 ": benchmark, row %zu: over %d rounds", b->seq, i,
                             PROFILE_MAX_ROUNDS);
    }
    return STATUS_OK;
}

enum status apply_check_shapes(const struct profile *p, const struct wire_batch *b,
                               struct apply_counts *after, struct error *err)
{
    enum status st = check_sets(p, b, after, err);
    if (st == STATUS_OK)
        st = check_metrics(p, b, after, err);
    for (size_t i = 0; st == STATUS_OK && i < b->samples_len; i++)
        st = check_samples(p, b, &b->samples[i], after, err);
    for (size_t i = 0; st == STATUS_OK && i < b->points_len; i++) {
        if (b->points[i].metric >= after->series)
            st = apply_no_row(err, b, "points.metric", i, b->points[i].metric, after->series);
    }
    if (st == STATUS_OK)
        st = check_spans(p, b, after, err);
    if (st == STATUS_OK)
        st = check_call_graph(b, after, err);
    if (st == STATUS_OK)
        st = check_texts(b, after, err);
    if (st == STATUS_OK && b->end_ns > INT64_MAX)
        st = error_set(err, STATUS_INVALID, "batch %" PRIu64 ": end_ns is not a time", b->seq);
    return st;
}
