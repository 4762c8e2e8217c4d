#include <inttypes.h>

#include "backend/model/apply_parts.h"

/* Whether a batch's tables fit the profile's. */

enum status apply_no_row(struct error *err, const struct wire_batch *b, const char *column,
                         size_t row, uint64_t index, size_t known)
{
    return error_set(err, STATUS_INVALID,
                     "batch %" PRIu64 ": %s, row %zu: no row %" PRIu64 " (%zu known)", b->seq,
                     column, row, index, known);
}

/* Adds `len` rows numbered from `first` to `*known`. */
static enum status extend(struct error *err, const struct wire_batch *b, const char *table,
                          uint64_t first, size_t len, size_t *known)
{
    if (len == 0)
        return STATUS_OK;
    if (first != *known)
        return error_set(err, STATUS_INVALID,
                         "batch %" PRIu64 ": first_%s is %" PRIu64 " where %zu are known", b->seq,
                         table, first, *known);
    if (len > TABLES_MAX_ROWS - *known)
        return error_set(err, STATUS_TOO_LARGE, "batch %" PRIu64 ": over %d rows of %s", b->seq,
                         TABLES_MAX_ROWS, table);
    *known += len;
    return STATUS_OK;
}

static enum status check_strings(const struct profile *p, const struct wire_batch *b,
                                 struct error *err)
{
    size_t bytes = p->tables.strings.bytes;
    for (size_t i = 0; i < b->strings_len; i++) {
        if (b->strings[i].len > TABLES_MAX_STRING)
            return error_set(err, STATUS_TOO_LARGE,
                             "batch %" PRIu64 ": string row %zu has %zu bytes; at most %d", b->seq,
                             i, b->strings[i].len, TABLES_MAX_STRING);
        bytes += b->strings[i].len;
    }
    if (bytes > TABLES_MAX_STRING_BYTES)
        return error_set(err, STATUS_TOO_LARGE, "batch %" PRIu64 ": over %d bytes of strings",
                         b->seq, TABLES_MAX_STRING_BYTES);
    return STATUS_OK;
}

static enum status check_functions(const struct wire_batch *b, const struct apply_counts *after,
                                   struct error *err)
{
    for (size_t i = 0; i < b->functions_len; i++) {
        const struct wire_function *f = &b->functions[i];
        if (f->name >= after->strings)
            return apply_no_row(err, b, "function_name", i, f->name, after->strings);
        if (f->file >= after->strings)
            return apply_no_row(err, b, "function_file", i, f->file, after->strings);
        if (f->module >= after->strings)
            return apply_no_row(err, b, "function_module", i, f->module, after->strings);
        if (f->kind >= WIRE_KINDS)
            return apply_no_row(err, b, "function_kind", i, f->kind, WIRE_KINDS);
    }
    for (size_t i = 0; i < b->frames_len; i++) {
        if (b->frames[i].function >= after->functions)
            return apply_no_row(err, b, "frame_function", i, b->frames[i].function,
                                after->functions);
    }
    return STATUS_OK;
}

static enum status check_stacks(const struct profile *p, const struct wire_batch *b,
                                const struct apply_counts *after, struct error *err)
{
    size_t first = p->tables.stacks_len;
    for (size_t i = 0; i < b->stacks_len; i++) {
        if (b->stacks[i].parent >= first + i)
            return apply_no_row(err, b, "stack_parent", i, b->stacks[i].parent, first + i);
        if (b->stacks[i].frame >= after->frames)
            return apply_no_row(err, b, "stack_frame", i, b->stacks[i].frame, after->frames);
    }
    return STATUS_OK;
}

static enum status check_processes(const struct profile *p, const struct wire_batch *b,
                                   struct apply_counts *after, struct error *err)
{
    after->processes = p->tables.processes_len;
    after->threads = p->tables.threads_len;
    if (b->processes_len && b->first_process != after->processes)
        return error_set(err, STATUS_INVALID,
                         "batch %" PRIu64 ": first_process is %" PRIu64 " where %zu are known",
                         b->seq, b->first_process, after->processes);
    if (b->threads_len && b->first_thread != after->threads)
        return error_set(err, STATUS_INVALID,
                         "batch %" PRIu64 ": first_thread is %" PRIu64 " where %zu are known",
                         b->seq, b->first_thread, after->threads);
    for (size_t i = 0; i < b->processes_len; i++) {
        const struct wire_process *row = &b->processes[i];
        if (row->index > after->processes || row->index >= TABLES_MAX_ROWS)
            return apply_no_row(err, b, "process.index", i, row->index, after->processes);
        after->processes += row->index == after->processes;
    }
    for (size_t i = 0; i < b->threads_len; i++) {
        const struct wire_thread *row = &b->threads[i];
        if (row->index > after->threads || row->index >= TABLES_MAX_ROWS)
            return apply_no_row(err, b, "thread.index", i, row->index, after->threads);
        after->threads += row->index == after->threads;
        if (row->process && row->process >= after->processes)
            return apply_no_row(err, b, "thread.process", i, row->process, after->processes);
    }
    return STATUS_OK;
}

static enum status check_label_sets(const struct profile *p, const struct wire_batch *b,
                                    const struct apply_counts *after, struct error *err)
{
    size_t labels = p->tables.labels_len;
    for (size_t i = 0; i < b->label_sets_len; i++) {
        const struct wire_label_set *set = &b->label_sets[i];
        labels += set->len;
        if (set->len > TABLES_MAX_LABELS || labels > TABLES_MAX_ROWS)
            return error_set(err, STATUS_TOO_LARGE,
                             "batch %" PRIu64 ": label set row %zu: too many labels", b->seq, i);
        for (size_t k = 0; k < set->len; k++) {
            if (set->key[k] >= after->strings)
                return apply_no_row(err, b, "label_set.key", i, set->key[k], after->strings);
            if (set->value[k] >= after->strings)
                return apply_no_row(err, b, "label_set.value", i, set->value[k], after->strings);
            if (set->unit && set->unit[k] >= after->strings)
                return apply_no_row(err, b, "label_set.unit", i, set->unit[k], after->strings);
        }
    }
    return STATUS_OK;
}

enum status apply_check(const struct profile *p, const struct wire_batch *b,
                        struct apply_counts *after, struct error *err)
{
    const struct tables *t = &p->tables;
    *after = (struct apply_counts){
        .strings = p->wire_strings_len ? p->wire_strings_len : 1,
        .functions = t->functions_len,
        .frames = t->frames_len,
        .stacks = t->stacks_len,
        .label_sets = t->label_sets_len,
        .sets = p->sets_len,
        .series = p->series_len,
        .call_rows = p->call_graph.rows_len,
        .call_edges = p->call_graph.edges_len,
    };
    enum status st = extend(err, b, "string", b->first_string, b->strings_len, &after->strings);
    if (st == STATUS_OK)
        st = extend(err, b, "function", b->first_function, b->functions_len, &after->functions);
    if (st == STATUS_OK)
        st = extend(err, b, "frame", b->first_frame, b->frames_len, &after->frames);
    if (st == STATUS_OK)
        st = extend(err, b, "stack", b->first_stack, b->stacks_len, &after->stacks);
    if (st == STATUS_OK)
        st = extend(err, b, "label_set", b->first_label_set, b->label_sets_len, &after->label_sets);
    if (st == STATUS_OK)
        st = check_strings(p, b, err);
    if (st == STATUS_OK)
        st = check_functions(b, after, err);
    if (st == STATUS_OK)
        st = check_stacks(p, b, after, err);
    if (st == STATUS_OK)
        st = check_processes(p, b, after, err);
    if (st == STATUS_OK)
        st = check_label_sets(p, b, after, err);
    return st;
}
