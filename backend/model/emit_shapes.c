#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backend/model/emit_parts.h"

/* Makes `*out` a column of `len` items in the batch's arena; evaluates to false without memory. */
#define NEW_COLUMN(e, out, len) ((*(out) = arena_take((e)->arena, (len) * sizeof(**(out)))) != NULL)

/* The blocks of a batch are counted too. */
static enum status room_in_list(struct emitter *e, size_t list_len)
{
    return list_len < EMIT_LIST ? STATUS_OK : emit_flush(e);
}

static enum status declare_set(struct emitter *e, uint32_t number)
{
    const struct sample_set *set = &e->p->sets[number];
    enum status st = room_in_list(e, e->batch.sets_len);
    if (st == STATUS_OK)
        st = emit_room(e, 1, strtab_len(&e->p->tables.strings, set->name));
    if (st != STATUS_OK)
        return st;
    struct wire_sample_set *row = &e->sets[e->batch.sets_len++];
    *row = (struct wire_sample_set){
        .set = number,
        .name = emit_text(e, set->name),
        .values_len = set->values_len,
        .period = set->period,
    };
    for (size_t i = 0; i < set->values_len; i++)
        row->values[i] = (struct wire_value_type){emit_text(e, set->types[i].name),
                                                  emit_text(e, set->types[i].unit)};
    return STATUS_OK;
}

static enum status put_samples(struct emitter *e, uint32_t number, size_t at, size_t len)
{
    const struct sample_set *set = &e->p->sets[number];
    uint32_t *stack = NULL;
    uint32_t *state = NULL;
    if (!set->stack && !NEW_COLUMN(e, &stack, len))
        return STATUS_NO_MEMORY;
    for (size_t i = 0; stack && i < len; i++)
        stack[i] = 0; /* the empty one */
    if (set->state && !NEW_COLUMN(e, &state, len))
        return STATUS_NO_MEMORY;
    for (size_t i = 0; state && i < len; i++)
        state[i] = set->state[at + i];
    struct wire_samples *row = &e->samples[e->batch.samples_len++];
    *row = (struct wire_samples){
        .set = number,
        .len = len,
        .time_ns = set->has_time ? set->time_ns + at : NULL,
        .thread = set->thread ? set->thread + at : NULL,
        .stack = set->stack ? set->stack + at : stack,
        .state = state,
        .label_set = set->label_set ? set->label_set + at : NULL,
        .values_len = set->values_len,
    };
    for (size_t i = 0; i < set->values_len; i++) {
        const int64_t *value = set->values[i].value;
        row->values[i].constant = value ? 0 : set->values[i].constant;
        row->values[i].value = value ? value + at : NULL;
    }
    return STATUS_OK;
}

static enum status emit_sets(struct emitter *e)
{
    enum status st = STATUS_OK;
    for (uint32_t i = 0; st == STATUS_OK && i < e->p->sets_len; i++) {
        st = declare_set(e, i);
        size_t len = e->p->sets[i].len;
        for (size_t at = 0, got; st == STATUS_OK && at < len; at += got) {
            st = room_in_list(e, e->batch.samples_len);
            if (st == STATUS_OK)
                st = emit_rows(e, len - at, &got);
            if (st == STATUS_OK)
                st = put_samples(e, i, at, got);
            if (st != STATUS_OK)
                return st;
        }
    }
    return st;
}

static enum status declare_metric(struct emitter *e, uint32_t number)
{
    const struct series *series = &e->p->series[number];
    enum status st = room_in_list(e, e->batch.metrics_len);
    if (st == STATUS_OK)
        st = emit_room(e, 1, strtab_len(&e->p->tables.strings, series->name));
    if (st != STATUS_OK)
        return st;
    e->metrics[e->batch.metrics_len++] = (struct wire_metric){
        .metric = number,
        .name = emit_text(e, series->name),
        .unit = emit_text(e, series->unit),
        .has_process = series->has_process,
        .process = series->process,
    };
    return STATUS_OK;
}

static enum status emit_series(struct emitter *e)
{
    enum status st = STATUS_OK;
    for (uint32_t i = 0; st == STATUS_OK && i < e->p->series_len; i++) {
        const struct series *series = &e->p->series[i];
        st = declare_metric(e, i);
        for (size_t at = 0, got; st == STATUS_OK && at < series->len; at += got) {
            st = room_in_list(e, e->batch.points_len);
            if (st == STATUS_OK)
                st = emit_rows(e, series->len - at, &got);
            if (st != STATUS_OK)
                return st;
            e->points[e->batch.points_len++] = (struct wire_points){
                .metric = i,
                .len = got,
                .time_ns = series->time_ns + at,
                .value = series->value + at,
            };
        }
    }
    return st;
}

static enum status emit_spans(struct emitter *e)
{
    const struct profile *p = e->p;
    for (size_t at = 0, got; at < p->spans_len; at += got) {
        struct wire_span *rows;
        enum status st = emit_rows(e, p->spans_len - at, &got);
        if (st != STATUS_OK)
            return st;
        if (!NEW_COLUMN(e, &rows, got))
            return STATUS_NO_MEMORY;
        for (size_t i = 0; i < got; i++) {
            const struct model_span *from = &p->spans[at + i];
            rows[i] = (struct wire_span){
                .name = e->wire_string[from->name],
                .begin_ns = from->begin_ns,
                .end_ns = from->end_ns,
                .process = from->process,
                .thread = from->thread,
                .begin_value = from->begin_value,
                .end_value = from->end_value,
                .level = from->level,
            };
        }
        e->batch.spans = rows;
        e->batch.spans_len = got;
    }
    return STATUS_OK;
}

static enum status emit_notices(struct emitter *e)
{
    const struct profile *p = e->p;
    struct wire_notice *rows = NULL;
    for (size_t i = 0; i < p->notices_len; i++) {
        const struct model_notice *from = &p->notices[i];
        struct wire_bytes code = emit_text(e, from->code);
        struct wire_bytes text = emit_text(e, from->text);
        enum status st = emit_room(e, 1, code.len + text.len);
        if (st != STATUS_OK)
            return st;
        if (!rows || e->batch.notices_len == 0) {
            if (!NEW_COLUMN(e, &rows, p->notices_len - i))
                return STATUS_NO_MEMORY;
            e->batch.notices = rows;
        }
        rows[e->batch.notices_len++] = (struct wire_notice){
            .severity = from->severity, .code = code, .text = text, .time_ns = from->time_ns};
    }
    return STATUS_OK;
}

static enum status emit_counters(struct emitter *e)
{
    const struct profile *p = e->p;
    struct wire_counter *rows = NULL;
    for (size_t i = 0; i < p->counters_len; i++) {
        struct wire_bytes name = emit_text(e, p->counters[i].name);
        enum status st = emit_room(e, 1, name.len);
        if (st != STATUS_OK)
            return st;
        if (!rows || e->batch.counters_len == 0) {
            if (!NEW_COLUMN(e, &rows, p->counters_len - i))
                return STATUS_NO_MEMORY;
            e->batch.counters = rows;
        }
        rows[e->batch.counters_len++] =
            (struct wire_counter){.name = name, .value = p->counters[i].value};
    }
    return STATUS_OK;
}

/* ---- the call graph: rows first, then edges, in as many batches as it takes ---- */

static enum status call_graph_of(struct emitter *e, struct wire_call_graph **out)
{
    struct wire_call_graph *graph = arena_alloc(e->arena, sizeof(*graph));
    if (!graph)
        return STATUS_NO_MEMORY;
    graph->unit = emit_text(e, e->p->call_graph.unit);
    e->batch.call_graph = graph;
    *out = graph;
    return STATUS_OK;
}

static enum status emit_call_rows(struct emitter *e, struct wire_call_graph **graph)
{
    const struct call_graph *from = &e->p->call_graph;
    for (size_t at = 0, got; at < from->rows_len; at += got) {
        uint32_t *function;
        uint64_t *calls;
        uint64_t *primitive;
        double *self;
        double *total;
        enum status st = emit_rows(e, from->rows_len - at, &got);
        if (st == STATUS_OK)
            st = call_graph_of(e, graph);
        if (st != STATUS_OK)
            return st;
        if (!NEW_COLUMN(e, &function, got) || !NEW_COLUMN(e, &calls, got) ||
            !NEW_COLUMN(e, &primitive, got) || !NEW_COLUMN(e, &self, got) ||
            !NEW_COLUMN(e, &total, got))
            return STATUS_NO_MEMORY;
        for (size_t i = 0; i < got; i++) {
            const struct call_row *row = &from->rows[at + i];
            function[i] = row->function;
            calls[i] = row->calls;
            primitive[i] = row->primitive_calls;
            self[i] = row->self;
            total[i] = row->total;
        }
        (*graph)->rows_len = got;
        (*graph)->function = function;
        (*graph)->calls = calls;
        (*graph)->primitive_calls = primitive;
        (*graph)->self = self;
        (*graph)->total = total;
    }
    return STATUS_OK;
}

static enum status emit_call_edges(struct emitter *e, struct wire_call_graph *graph)
{
    const struct call_graph *from = &e->p->call_graph;
    for (size_t at = 0, got; at < from->edges_len; at += got) {
        uint32_t *caller;
        uint32_t *callee;
        uint64_t *calls;
        uint64_t *primitive;
        double *self;
        double *total;
        enum status st = emit_rows(e, from->edges_len - at, &got);
        if (st == STATUS_OK && (!graph || e->batch.call_graph != graph))
            st = call_graph_of(e, &graph);
        if (st != STATUS_OK)
            return st;
        if (!NEW_COLUMN(e, &caller, got) || !NEW_COLUMN(e, &callee, got) ||
            !NEW_COLUMN(e, &calls, got) || !NEW_COLUMN(e, &primitive, got) ||
            !NEW_COLUMN(e, &self, got) || !NEW_COLUMN(e, &total, got))
            return STATUS_NO_MEMORY;
        for (size_t i = 0; i < got; i++) {
            const struct call_edge *edge = &from->edges[at + i];
            caller[i] = edge->caller;
            callee[i] = edge->callee;
            calls[i] = edge->calls;
            primitive[i] = edge->primitive_calls;
            self[i] = edge->self;
            total[i] = edge->total;
        }
        graph->edges_len = got;
        graph->edge_caller = caller;
        graph->edge_callee = callee;
        graph->edge_calls = calls;
        graph->edge_primitive_calls = primitive;
        graph->edge_self = self;
        graph->edge_total = total;
    }
    return STATUS_OK;
}

static enum status emit_call_graph(struct emitter *e)
{
    struct wire_call_graph *graph = NULL;
    enum status st = emit_call_rows(e, &graph);
    return st == STATUS_OK ? emit_call_edges(e, graph) : st;
}

/* ---- lines, sources, benchmarks ---- */

/* NaN in every row is said by no column at all. */
static const double *known_column(double *column, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (!isnan(column[i]))
            return column;
    }
    return NULL;
}

static enum status put_lines(struct emitter *e, const struct line_row *from, size_t len)
{
    uint32_t *line;
    uint64_t *hits;
    double *time_s;
    double *memory;
    double *increment;
    if (!NEW_COLUMN(e, &line, len) || !NEW_COLUMN(e, &hits, len) || !NEW_COLUMN(e, &time_s, len) ||
        !NEW_COLUMN(e, &memory, len) || !NEW_COLUMN(e, &increment, len))
        return STATUS_NO_MEMORY;
    for (size_t i = 0; i < len; i++) {
        line[i] = from[i].line;
        hits[i] = from[i].hits;
        time_s[i] = from[i].time_s;
        memory[i] = from[i].memory_bytes;
        increment[i] = from[i].increment_bytes;
    }
    e->lines[e->batch.lines_len++] = (struct wire_lines){
        .function = from->function,
        .len = len,
        .line = line,
        .hits = hits,
        .time_s = known_column(time_s, len),
        .memory_bytes = known_column(memory, len),
        .increment_bytes = known_column(increment, len),
    };
    return STATUS_OK;
}

static enum status emit_lines(struct emitter *e)
{
    const struct profile *p = e->p;
    for (size_t at = 0, got; at < p->lines_len; at += got) {
        size_t run = 1; /* of one function */
        while (at + run < p->lines_len && p->lines[at + run].function == p->lines[at].function)
            run++;
        enum status st = room_in_list(e, e->batch.lines_len);
        if (st == STATUS_OK)
            st = emit_rows(e, run, &got);
        if (st == STATUS_OK)
            st = put_lines(e, &p->lines[at], got);
        if (st != STATUS_OK)
            return st;
    }
    return STATUS_OK;
}

static enum status emit_sources(struct emitter *e)
{
    const struct profile *p = e->p;
    struct wire_source *rows = NULL;
    for (size_t i = 0; i < p->sources_len; i++) {
        struct wire_bytes text = emit_text(e, p->sources[i].text);
        enum status st = emit_room(e, 1, text.len);
        if (st != STATUS_OK)
            return st;
        if (!rows || e->batch.sources_len == 0) {
            if (!NEW_COLUMN(e, &rows, EMIT_ROWS))
                return STATUS_NO_MEMORY;
            e->batch.sources = rows;
        }
        rows[e->batch.sources_len++] =
            (struct wire_source){.file = e->wire_string[p->sources[i].file], .text = text};
    }
    return STATUS_OK;
}

static enum status emit_benchmarks(struct emitter *e)
{
    const struct profile *p = e->p;
    struct wire_benchmark *rows = NULL;
    for (size_t i = 0; i < p->benchmarks_len; i++) {
        const struct model_benchmark *from = &p->benchmarks[i];
        struct wire_bytes name = emit_text(e, from->name);
        struct wire_bytes group = emit_text(e, from->group);
        enum status st = emit_room(e, 1 + from->data_len, name.len + group.len);
        if (st != STATUS_OK)
            return st;
        if (!rows || e->batch.benchmarks_len == 0) {
            if (!NEW_COLUMN(e, &rows, EMIT_ROWS))
                return STATUS_NO_MEMORY;
            e->batch.benchmarks = rows;
        }
        rows[e->batch.benchmarks_len++] = (struct wire_benchmark){
            .name = name,
            .group = group,
            .mean_s = from->mean_s,
            .median_s = from->median_s,
            .stddev_s = from->stddev_s,
            .min_s = from->min_s,
            .max_s = from->max_s,
            .rounds = from->rounds,
            .iterations = from->iterations,
            .data_len = from->data_len,
            .data_s = from->data_s,
        };
    }
    return STATUS_OK;
}

enum status emit_shapes(struct emitter *e)
{
    enum status (*const parts[])(struct emitter *) = {
        emit_sets,       emit_series, emit_spans,   emit_notices,    emit_counters,
        emit_call_graph, emit_lines,  emit_sources, emit_benchmarks,
    };
    enum status st = STATUS_OK;
    for (size_t i = 0; st == STATUS_OK && i < sizeof(parts) / sizeof(parts[0]); i++)
        st = parts[i](e);
    return st;
}
