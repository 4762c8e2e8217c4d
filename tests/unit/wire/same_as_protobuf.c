#include "tests/unit/wire/same_as_protobuf.h"

#include <stdbool.h>
#include <string.h>

#define SAME(condition)                                                                            \
    do {                                                                                           \
        if (!(condition))                                                                          \
            return #condition;                                                                     \
    } while (0)

static bool is_text(const struct wire_bytes *ours, const char *theirs)
{
    return strlen(theirs) == ours->len &&
           (ours->len == 0 || !memcmp(ours->data, theirs, ours->len));
}

static bool is_bytes(const struct wire_bytes *ours, const ProtobufCBinaryData *theirs)
{
    return theirs->len == ours->len &&
           (ours->len == 0 || !memcmp(ours->data, theirs->data, ours->len));
}

/* NaN equals itself here, and 0 differs from -0. */
static bool is_double(double ours, double theirs)
{
    return memcmp(&ours, &theirs, sizeof(ours)) == 0;
}

/* protobuf-c 1.4 leaves out a scalar that compares equal to 0, and so drops a zero's sign. */
static bool is_scalar(double ours, double theirs)
{
    return (ours == 0 && theirs == 0) || is_double(ours, theirs);
}

static bool is_u32_column(const uint32_t *ours, size_t len, const uint32_t *theirs, size_t n)
{
    if (!ours)
        return n == 0;
    return n == len && (len == 0 || !memcmp(ours, theirs, len * sizeof(*ours)));
}

static bool is_u64_column(const uint64_t *ours, size_t len, const uint64_t *theirs, size_t n)
{
    if (!ours)
        return n == 0;
    return n == len && (len == 0 || !memcmp(ours, theirs, len * sizeof(*ours)));
}

static bool is_double_column(const double *ours, size_t len, const double *theirs, size_t n)
{
    if (!ours)
        return n == 0;
    return n == len && (len == 0 || !memcmp(ours, theirs, len * sizeof(*ours)));
}

/* One member of our rows against a column of theirs, which may be absent when all is 0. */
static bool is_row_column(const void *rows, size_t stride, size_t offset, size_t len,
                          const uint32_t *theirs, size_t n)
{
    if (n != 0 && n != len)
        return false;
    for (size_t i = 0; i < len; i++) {
        uint32_t item;
        memcpy(&item, (const char *)rows + i * stride + offset, sizeof(item));
        if (item != (n ? theirs[i] : 0))
            return false;
    }
    return true;
}

#define ROW_COLUMN(ours, rows, member, theirs, column)                                             \
    is_row_column((ours)->rows, sizeof(*(ours)->rows),                                             \
                  (size_t)((const char *)&(ours)->rows->member - (const char *)(ours)->rows),      \
                  (ours)->rows##_len, (theirs)->column, (theirs)->n_##column)

static bool is_times(const uint64_t *ours, size_t len, uint64_t first, const int64_t *deltas,
                     size_t n)
{
    if (!ours)
        return n == 0;
    if (n != len)
        return false;
    uint64_t now = first;
    for (size_t i = 0; i < len; i++) {
        now += (uint64_t)deltas[i];
        if (now != ours[i])
            return false;
    }
    return true;
}

static const char *tables_differ(const struct wire_batch *a, const Heliograph__V1__Batch *b)
{
    SAME(a->strings_len == 0 || a->first_string == b->first_string);
    SAME(a->strings_len == b->n_strings);
    for (size_t i = 0; i < a->strings_len; i++)
        SAME(is_bytes(&a->strings[i], &b->strings[i]));
    SAME(a->first_function == b->first_function);
    SAME(a->functions_len == b->n_function_name);
    SAME(ROW_COLUMN(a, functions, name, b, function_name));
    SAME(ROW_COLUMN(a, functions, file, b, function_file));
    SAME(ROW_COLUMN(a, functions, line, b, function_line));
    SAME(ROW_COLUMN(a, functions, module, b, function_module));
    SAME(ROW_COLUMN(a, functions, kind, b, function_kind));
    SAME(a->first_frame == b->first_frame && a->frames_len == b->n_frame_function);
    SAME(ROW_COLUMN(a, frames, function, b, frame_function));
    SAME(ROW_COLUMN(a, frames, line, b, frame_line));
    SAME(ROW_COLUMN(a, frames, column, b, frame_column));
    SAME(ROW_COLUMN(a, frames, end_line, b, frame_end_line));
    SAME(ROW_COLUMN(a, frames, end_column, b, frame_end_column));
    SAME(a->first_stack == b->first_stack && a->stacks_len == b->n_stack_parent);
    SAME(ROW_COLUMN(a, stacks, parent, b, stack_parent));
    SAME(ROW_COLUMN(a, stacks, frame, b, stack_frame));
    return NULL;
}

static const char *who_differs(const struct wire_batch *a, const Heliograph__V1__Batch *b)
{
    SAME(a->first_process == b->first_process && a->processes_len == b->n_processes);
    for (size_t i = 0; i < a->processes_len; i++) {
        const struct wire_process *x = &a->processes[i];
        const Heliograph__V1__Process *y = b->processes[i];
        SAME(x->index == y->index && x->pid == y->pid && x->parent_pid == y->parent_pid);
        SAME(is_bytes(&x->command, &y->command) && is_text(&x->runtime, y->runtime));
        SAME(x->start_ns == y->start_ns && x->end_ns == y->end_ns);
    }
    SAME(a->first_thread == b->first_thread && a->threads_len == b->n_threads);
    for (size_t i = 0; i < a->threads_len; i++) {
        const struct wire_thread *x = &a->threads[i];
        const Heliograph__V1__Thread *y = b->threads[i];
        SAME(x->index == y->index && x->process == y->process && x->tid == y->tid);
        SAME(is_bytes(&x->name, &y->name));
    }
    SAME(a->first_label_set == b->first_label_set && a->label_sets_len == b->n_label_sets);
    for (size_t i = 0; i < a->label_sets_len; i++) {
        const struct wire_label_set *x = &a->label_sets[i];
        const Heliograph__V1__LabelSet *y = b->label_sets[i];
        SAME(x->len == y->n_key && is_u32_column(x->key, x->len, y->key, y->n_key));
        SAME(is_u32_column(x->value, x->len, y->value, y->n_value));
        SAME(is_u32_column(x->unit, x->len, y->unit, y->n_unit));
    }
    return NULL;
}

static const char *samples_differ(const struct wire_samples *x, const Heliograph__V1__Samples *y)
{
    SAME(x->set == y->set && x->len == y->n_stack);
    SAME(is_times(x->time_ns, x->len, y->first_time_ns, y->time_delta_ns, y->n_time_delta_ns));
    SAME(is_u32_column(x->thread, x->len, y->thread, y->n_thread));
    SAME(is_u32_column(x->stack, x->len, y->stack, y->n_stack));
    SAME(is_u32_column(x->state, x->len, y->state, y->n_state));
    SAME(is_u32_column(x->label_set, x->len, y->label_set, y->n_label_set));
    SAME(x->values_len == y->n_values);
    for (size_t i = 0; i < x->values_len; i++) {
        const Heliograph__V1__Column *column = y->values[i];
        SAME(column->n_value == (x->values[i].value ? x->len : 0));
        SAME(column->n_value || x->values[i].constant == column->constant);
        SAME(!column->n_value ||
             !memcmp(x->values[i].value, column->value, x->len * sizeof(*column->value)));
    }
    return NULL;
}

static const char *sets_differ(const struct wire_batch *a, const Heliograph__V1__Batch *b)
{
    SAME(a->sets_len == b->n_declare_sets);
    for (size_t i = 0; i < a->sets_len; i++) {
        const struct wire_sample_set *x = &a->sets[i];
        const Heliograph__V1__SampleSetDeclaration *y = b->declare_sets[i];
        SAME(x->set == y->set && is_text(&x->name, y->name) && x->period == y->period);
        SAME(x->values_len == y->n_values);
        for (size_t k = 0; k < x->values_len; k++) {
            SAME(is_text(&x->values[k].name, y->values[k]->name));
            SAME(is_text(&x->values[k].unit, y->values[k]->unit));
        }
    }
    SAME(a->samples_len == b->n_samples);
    const char *what = NULL;
    for (size_t i = 0; !what && i < a->samples_len; i++)
        what = samples_differ(&a->samples[i], b->samples[i]);
    return what;
}

static const char *points_differ(const struct wire_points *x, const Heliograph__V1__Points *y)
{
    SAME(x->metric == y->metric);
    SAME(x->len == y->n_time_delta_ns && x->len == y->n_value + y->n_value_delta);
    SAME(is_times(x->time_ns, x->len, y->first_time_ns, y->time_delta_ns, y->n_time_delta_ns));
    int64_t sum = 0;
    for (size_t i = 0; i < x->len; i++) {
        sum += y->n_value ? 0 : y->value_delta[i];
        SAME(is_double(x->value[i], y->n_value ? y->value[i] : (double)sum));
    }
    return NULL;
}

static const char *series_differ(const struct wire_batch *a, const Heliograph__V1__Batch *b)
{
    SAME(a->metrics_len == b->n_declare_metrics);
    for (size_t i = 0; i < a->metrics_len; i++) {
        const struct wire_metric *x = &a->metrics[i];
        const Heliograph__V1__MetricDeclaration *y = b->declare_metrics[i];
        SAME(x->metric == y->metric && is_text(&x->name, y->name) && is_text(&x->unit, y->unit));
        SAME(x->has_process == (y->has_process != 0) && x->process == y->process);
    }
    SAME(a->points_len == b->n_points);
    const char *what = NULL;
    for (size_t i = 0; !what && i < a->points_len; i++)
        what = points_differ(&a->points[i], b->points[i]);
    return what;
}

static const char *messages_differ(const struct wire_batch *a, const Heliograph__V1__Batch *b)
{
    SAME(a->spans_len == b->n_spans);
    for (size_t i = 0; i < a->spans_len; i++) {
        const struct wire_span *x = &a->spans[i];
        const Heliograph__V1__Span *y = b->spans[i];
        SAME(x->name == y->name && x->begin_ns == y->begin_ns && x->end_ns == y->end_ns);
        SAME(x->process == y->process && x->thread == y->thread && x->level == y->level);
        SAME(is_scalar(x->begin_value, y->begin_value) && is_scalar(x->end_value, y->end_value));
    }
    SAME(a->notices_len == b->n_notices);
    for (size_t i = 0; i < a->notices_len; i++) {
        const struct wire_notice *x = &a->notices[i];
        const Heliograph__V1__Notice *y = b->notices[i];
        SAME(x->severity == y->severity && x->time_ns == y->time_ns);
        SAME(is_text(&x->code, y->code) && is_text(&x->text, y->text));
    }
    SAME(a->counters_len == b->n_counters);
    for (size_t i = 0; i < a->counters_len; i++) {
        SAME(is_text(&a->counters[i].name, b->counters[i]->name));
        SAME(a->counters[i].value == b->counters[i]->value);
    }
    return NULL;
}

static const char *call_graphs_differ(const struct wire_call_graph *x,
                                      const Heliograph__V1__CallGraph *y)
{
    SAME(!x == !y);
    if (!x)
        return NULL;
    size_t rows = x->rows_len;
    size_t edges = x->edges_len;
    SAME(is_text(&x->unit, y->unit) && rows == y->n_function && edges == y->n_edge_caller);
    SAME(is_u32_column(x->function, rows, y->function, y->n_function));
    SAME(is_u64_column(x->calls, rows, y->calls, y->n_calls));
    SAME(is_u64_column(x->primitive_calls, rows, y->primitive_calls, y->n_primitive_calls));
    SAME(is_double_column(x->self, rows, y->self, y->n_self));
    SAME(is_double_column(x->total, rows, y->total, y->n_total));
    SAME(is_u32_column(x->edge_caller, edges, y->edge_caller, y->n_edge_caller));
    SAME(is_u32_column(x->edge_callee, edges, y->edge_callee, y->n_edge_callee));
    SAME(is_u64_column(x->edge_calls, edges, y->edge_calls, y->n_edge_calls));
    SAME(is_u64_column(x->edge_primitive_calls, edges, y->edge_primitive_calls,
                       y->n_edge_primitive_calls));
    SAME(is_double_column(x->edge_self, edges, y->edge_self, y->n_edge_self));
    SAME(is_double_column(x->edge_total, edges, y->edge_total, y->n_edge_total));
    return NULL;
}

static const char *texts_differ(const struct wire_batch *a, const Heliograph__V1__Batch *b)
{
    SAME(a->lines_len == b->n_lines);
    for (size_t i = 0; i < a->lines_len; i++) {
        const struct wire_lines *x = &a->lines[i];
        const Heliograph__V1__LineHits *y = b->lines[i];
        SAME(x->function == y->function && x->len == y->n_line);
        SAME(is_u32_column(x->line, x->len, y->line, y->n_line));
        SAME(is_u64_column(x->hits, x->len, y->hits, y->n_hits));
        SAME(is_double_column(x->time_s, x->len, y->time_s, y->n_time_s));
        SAME(is_double_column(x->memory_bytes, x->len, y->memory_bytes, y->n_memory_bytes));
        SAME(
            is_double_column(x->increment_bytes, x->len, y->increment_bytes, y->n_increment_bytes));
    }
    SAME(a->sources_len == b->n_sources);
    for (size_t i = 0; i < a->sources_len; i++) {
        SAME(a->sources[i].file == b->sources[i]->file);
        SAME(is_bytes(&a->sources[i].text, &b->sources[i]->text));
    }
    SAME(a->benchmarks_len == b->n_benchmarks);
    for (size_t i = 0; i < a->benchmarks_len; i++) {
        const struct wire_benchmark *x = &a->benchmarks[i];
        const Heliograph__V1__Benchmark *y = b->benchmarks[i];
        SAME(is_text(&x->name, y->name) && is_text(&x->group, y->group));
        SAME(is_scalar(x->mean_s, y->mean_s) && is_scalar(x->median_s, y->median_s));
        SAME(is_scalar(x->stddev_s, y->stddev_s) && is_scalar(x->min_s, y->min_s));
        SAME(is_scalar(x->max_s, y->max_s));
        SAME(x->rounds == y->rounds && x->iterations == y->iterations);
        SAME(is_double_column(x->data_s, x->data_len, y->data_s, y->n_data_s));
    }
    return NULL;
}

const char *differs_from_protobuf(const struct wire_batch *ours,
                                  const Heliograph__V1__Batch *theirs)
{
    SAME(ours->seq == theirs->seq);
    SAME(ours->begin_ns == theirs->begin_ns && ours->end_ns == theirs->end_ns);
    const char *what = tables_differ(ours, theirs);
    what = what ? what : who_differs(ours, theirs);
    what = what ? what : sets_differ(ours, theirs);
    what = what ? what : series_differ(ours, theirs);
    what = what ? what : messages_differ(ours, theirs);
    what = what ? what : call_graphs_differ(ours->call_graph, theirs->call_graph);
    return what ? what : texts_differ(ours, theirs);
}

const char *hello_differs_from_protobuf(const struct wire_hello *ours,
                                        const Heliograph__V1__Hello *theirs)
{
    SAME(ours->protocol == theirs->protocol && ours->pid == theirs->pid);
    SAME(is_text(&ours->session, theirs->session) && is_text(&ours->token, theirs->token));
    SAME(is_text(&ours->name, theirs->name) && is_text(&ours->host, theirs->host));
    SAME(is_text(&ours->runtime, theirs->runtime) && is_text(&ours->producer, theirs->producer));
    SAME(is_text(&ours->mode, theirs->mode) && is_text(&ours->format, theirs->format));
    SAME(ours->start_unix_ns == theirs->start_unix_ns);
    SAME(is_scalar(ours->rate_hz, theirs->rate_hz));
    SAME(ours->argv_len == theirs->n_argv && ours->tags_len == theirs->n_tags);
    for (size_t i = 0; i < ours->argv_len; i++)
        SAME(is_bytes(&ours->argv[i], &theirs->argv[i]));
    for (size_t i = 0; i < ours->tags_len; i++) {
        SAME(is_text(&ours->tags[i].key, theirs->tags[i]->key));
        SAME(is_text(&ours->tags[i].value, theirs->tags[i]->value));
    }
    return NULL;
}
