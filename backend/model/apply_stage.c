#include <stdlib.h>
#include <string.h>

#include "backend/model/apply_parts.h"
#include "backend/model/rows.h"
#include "backend/model/samples.h"
#include "backend/model/time_order.h"

/* Everything a batch needs memory for. Strings that are interned and rows that are reserved stay
 * when a later step fails: nothing refers to them. */

static enum status intern(struct profile *p, const struct wire_bytes *bytes)
{
    uint32_t id;
    return tables_string(&p->tables, bytes->data, bytes->len, &id);
}

static enum status stage_strings(struct profile *p, const struct wire_batch *b, size_t after)
{
    enum status st = rows_room(&p->wire_strings, &p->wire_strings_cap, after);
    if (st != STATUS_OK)
        return st;
    if (p->wire_strings_len == 0) {
        p->wire_strings[0] = 0;
        p->wire_strings_len = 1;
    }
    uint32_t *ids = p->wire_strings + p->wire_strings_len;
    for (size_t i = 0; st == STATUS_OK && i < b->strings_len; i++)
        st = tables_string(&p->tables, b->strings[i].data, b->strings[i].len, &ids[i]);
    return st;
}

static enum status stage_stacks(struct tables *t, const struct wire_batch *b, size_t after)
{
    enum status st = rows_room(&t->stacks, &t->stacks_cap, after);
    if (st == STATUS_OK)
        st = rows_room(&t->stack_depth, &t->depth_cap, after);
    for (size_t i = 0; st == STATUS_OK && i < b->stacks_len; i++) {
        uint32_t depth = t->stack_depth[b->stacks[i].parent] + 1;
        t->stack_depth[t->stacks_len + i] = depth;
        if (depth > TABLES_MAX_DEPTH)
            st = STATUS_TOO_LARGE;
    }
    return st;
}

static enum status stage_label_sets(struct tables *t, const struct wire_batch *b, size_t after)
{
    size_t labels = t->labels_len;
    for (size_t i = 0; i < b->label_sets_len; i++)
        labels += b->label_sets[i].len;
    enum status st = rows_room(&t->label_sets, &t->label_sets_cap, after);
    return st == STATUS_OK ? rows_room(&t->labels, &t->labels_cap, labels) : st;
}

static enum status stage_who(struct profile *p, const struct wire_batch *b,
                             const struct apply_counts *after)
{
    struct tables *t = &p->tables;
    enum status st = rows_room(&t->processes, &t->processes_cap, after->processes);
    if (st == STATUS_OK)
        st = rows_room(&t->threads, &t->threads_cap, after->threads);
    for (size_t i = 0; st == STATUS_OK && i < b->processes_len; i++) {
        st = intern(p, &b->processes[i].command);
        if (st == STATUS_OK)
            st = intern(p, &b->processes[i].runtime);
    }
    for (size_t i = 0; st == STATUS_OK && i < b->threads_len; i++)
        st = intern(p, &b->threads[i].name);
    return st;
}

enum status apply_stage_tables(struct profile *p, const struct wire_batch *b,
                               const struct apply_counts *after)
{
    struct tables *t = &p->tables;
    enum status st = stage_strings(p, b, after->strings);
    if (st == STATUS_OK)
        st = rows_room(&t->functions, &t->functions_cap, after->functions);
    if (st == STATUS_OK)
        st = rows_room(&t->frames, &t->frames_cap, after->frames);
    if (st == STATUS_OK)
        st = stage_stacks(t, b, after->stacks);
    if (st == STATUS_OK)
        st = stage_who(p, b, after);
    if (st == STATUS_OK)
        st = stage_label_sets(t, b, after->label_sets);
    return st;
}

/* ---- samples ---- */

static enum status stage_sets(struct profile *p, const struct wire_batch *b,
                              struct apply_stage *stage)
{
    size_t after = stage->after->sets;
    enum status st = rows_room(&p->sets, &p->sets_cap, after);
    if (st != STATUS_OK)
        return st;
    for (size_t i = p->sets_len; i < after; i++)
        p->sets[i] = (struct sample_set){0};
    stage->has_sets = true;
    for (size_t i = 0; st == STATUS_OK && i < b->sets_len; i++) {
        const struct wire_sample_set *from = &b->sets[i];
        if (from->set < p->sets_len)
            continue;
        struct sample_set *to = &p->sets[from->set];
        to->period = from->period;
        to->values_len = from->values_len;
        st = tables_string(&p->tables, from->name.data, from->name.len, &to->name);
        for (size_t k = 0; st == STATUS_OK && k < from->values_len; k++) {
            const struct wire_value_type *type = &from->values[k];
            st = tables_string(&p->tables, type->name.data, type->name.len, &to->types[k].name);
            if (st == STATUS_OK)
                st = tables_string(&p->tables, type->unit.data, type->unit.len, &to->types[k].unit);
        }
    }
    return st;
}

/* Makes the columns that this block's rows need; `before` rows come first. */
static enum status stage_block(struct sample_set *s, const struct wire_samples *block,
                               size_t before)
{
    enum status st = samples_reserve(s, before + block->len);
    if (st == STATUS_OK && block->time_ns)
        st = samples_widen_time(s);
    if (st == STATUS_OK)
        st = samples_widen_u32(s, &s->stack);
    if (st == STATUS_OK && block->thread)
        st = samples_widen_u32(s, &s->thread);
    if (st == STATUS_OK && block->label_set)
        st = samples_widen_u32(s, &s->label_set);
    if (st == STATUS_OK && block->state)
        st = samples_widen_state(s);
    for (size_t i = 0; st == STATUS_OK && i < s->values_len; i++) {
        const struct wire_column *from = &block->values[i];
        if (s->values[i].value)
            continue;
        if (before == 0 && !from->value)
            s->values[i].constant = from->constant;
        else if (from->value || from->constant != s->values[i].constant)
            st = samples_widen_value(s, i);
    }
    return st;
}

static enum status stage_samples(struct profile *p, const struct wire_batch *b,
                                 struct apply_stage *stage)
{
    if (b->samples_len == 0)
        return STATUS_OK;
    size_t *rows = calloc(stage->after->sets, sizeof(*rows));
    stage->sample_order = calloc(b->samples_len, sizeof(*stage->sample_order));
    enum status st = rows && stage->sample_order ? STATUS_OK : STATUS_NO_MEMORY;
    for (size_t i = 0; st == STATUS_OK && i < b->samples_len; i++) {
        const struct wire_samples *block = &b->samples[i];
        struct sample_set *set = &p->sets[block->set];
        if (block->len == 0)
            continue;
        st = stage_block(set, block, set->len + rows[block->set]);
        rows[block->set] += block->len;
        if (st == STATUS_OK && block->time_ns)
            st = time_order(block->time_ns, block->len, &stage->sample_order[i]);
    }
    free(rows);
    return st;
}

/* ---- series ---- */

static enum status stage_metrics(struct profile *p, const struct wire_batch *b,
                                 struct apply_stage *stage)
{
    size_t after = stage->after->series;
    enum status st = rows_room(&p->series, &p->series_cap, after);
    if (st != STATUS_OK)
        return st;
    for (size_t i = p->series_len; i < after; i++)
        p->series[i] = (struct series){0};
    stage->has_series = true;
    for (size_t i = 0; st == STATUS_OK && i < b->metrics_len; i++) {
        const struct wire_metric *from = &b->metrics[i];
        if (from->metric < p->series_len)
            continue;
        struct series *to = &p->series[from->metric];
        to->has_process = from->has_process;
        to->process = from->process;
        st = tables_string(&p->tables, from->name.data, from->name.len, &to->name);
        if (st == STATUS_OK)
            st = tables_string(&p->tables, from->unit.data, from->unit.len, &to->unit);
    }
    return st;
}

static enum status reserve_points(struct series *s, size_t need)
{
    size_t time_cap = s->cap;
    size_t value_cap = s->cap;
    enum status st = rows_room(&s->time_ns, &time_cap, need);
    if (st == STATUS_OK)
        st = rows_room(&s->value, &value_cap, need);
    if (st == STATUS_OK)
        s->cap = value_cap;
    return st;
}

static enum status stage_points(struct profile *p, const struct wire_batch *b,
                                struct apply_stage *stage)
{
    if (b->points_len == 0)
        return STATUS_OK;
    size_t *rows = calloc(stage->after->series, sizeof(*rows));
    stage->point_order = calloc(b->points_len, sizeof(*stage->point_order));
    enum status st = rows && stage->point_order ? STATUS_OK : STATUS_NO_MEMORY;
    for (size_t i = 0; st == STATUS_OK && i < b->points_len; i++) {
        const struct wire_points *block = &b->points[i];
        struct series *series = &p->series[block->metric];
        rows[block->metric] += block->len;
        st = reserve_points(series, series->len + rows[block->metric]);
        if (st == STATUS_OK)
            st = time_order(block->time_ns, block->len, &stage->point_order[i]);
    }
    free(rows);
    return st;
}

/* ---- the rest ---- */

static enum status stage_notices(struct profile *p, const struct wire_batch *b)
{
    size_t notices = p->notices_len + b->notices_len;
    if (notices > PROFILE_MAX_NOTICES)
        notices = PROFILE_MAX_NOTICES;
    enum status st = rows_room(&p->notices, &p->notices_cap, notices);
    for (size_t i = 0; st == STATUS_OK && i < b->notices_len; i++) {
        st = intern(p, &b->notices[i].code);
        if (st == STATUS_OK)
            st = intern(p, &b->notices[i].text);
    }
    return st;
}

static enum status stage_messages(struct profile *p, const struct wire_batch *b,
                                  struct apply_stage *stage)
{
    (void)stage;
    enum status st = stage_notices(p, b);
    size_t counters = p->counters_len;
    for (size_t i = 0; st == STATUS_OK && i < b->counters_len; i++) {
        const struct wire_bytes *name = &b->counters[i].name;
        st = intern(p, name);
        counters += !profile_find_counter(p, name->data, name->len);
        if (st == STATUS_OK && counters > PROFILE_MAX_COUNTERS)
            st = STATUS_TOO_LARGE;
    }
    /* One more for the count of notices that no longer fit. */
    if (st == STATUS_OK)
        st = rows_room(&p->counters, &p->counters_cap, counters + 1);
    if (st == STATUS_OK)
        st = intern(
            p, &(struct wire_bytes){PROFILE_NOTICES_DROPPED, sizeof(PROFILE_NOTICES_DROPPED) - 1});
    return st;
}

static enum status stage_benchmarks(struct profile *p, const struct wire_batch *b,
                                    struct apply_stage *stage)
{
    size_t after = p->benchmarks_len + b->benchmarks_len;
    if (b->benchmarks_len == 0)
        return STATUS_OK;
    enum status st = rows_room(&p->benchmarks, &p->benchmarks_cap, after);
    if (st != STATUS_OK)
        return st;
    struct model_benchmark *rows = p->benchmarks + p->benchmarks_len;
    for (size_t i = 0; i < b->benchmarks_len; i++)
        rows[i] = (struct model_benchmark){0};
    stage->has_benchmarks = true;
    for (size_t i = 0; st == STATUS_OK && i < b->benchmarks_len; i++) {
        const struct wire_benchmark *from = &b->benchmarks[i];
        st = intern(p, &from->name);
        if (st == STATUS_OK)
            st = intern(p, &from->group);
        if (st != STATUS_OK || from->data_len == 0)
            continue;
        rows[i].data_s = malloc(from->data_len * sizeof(*from->data_s));
        if (!rows[i].data_s)
            return STATUS_NO_MEMORY;
        memcpy(rows[i].data_s, from->data_s, from->data_len * sizeof(*from->data_s));
        rows[i].data_len = from->data_len;
    }
    return st;
}

static enum status stage_spans(struct profile *p, const struct wire_batch *b,
                               struct apply_stage *stage)
{
    (void)stage;
    enum status st = rows_room(&p->spans, &p->spans_cap, p->spans_len + b->spans_len);
    if (st == STATUS_OK && !map_reserve(&p->open_spans, b->spans_len))
        st = STATUS_NO_MEMORY;
    return st;
}

static enum status stage_call_graph(struct profile *p, const struct wire_batch *b,
                                    struct apply_stage *stage)
{
    struct call_graph *graph = &p->call_graph;
    enum status st = rows_room(&graph->rows, &graph->rows_cap, stage->after->call_rows);
    if (st == STATUS_OK)
        st = rows_room(&graph->edges, &graph->edges_cap, stage->after->call_edges);
    return st == STATUS_OK && b->call_graph ? intern(p, &b->call_graph->unit) : st;
}

static enum status stage_texts(struct profile *p, const struct wire_batch *b,
                               struct apply_stage *stage)
{
    (void)stage;
    size_t lines = p->lines_len;
    for (size_t i = 0; i < b->lines_len; i++)
        lines += b->lines[i].len;
    enum status st = rows_room(&p->lines, &p->lines_cap, lines);
    if (st == STATUS_OK)
        st = rows_room(&p->sources, &p->sources_cap, p->sources_len + b->sources_len);
    for (size_t i = 0; st == STATUS_OK && i < b->sources_len; i++)
        st = intern(p, &b->sources[i].text);
    return st;
}

enum status apply_stage_shapes(struct profile *p, const struct wire_batch *b,
                               struct apply_stage *stage)
{
    enum status (*const parts[])(struct profile *, const struct wire_batch *,
                                 struct apply_stage *) = {
        stage_sets,     stage_metrics,    stage_samples, stage_points,     stage_spans,
        stage_messages, stage_call_graph, stage_texts,   stage_benchmarks,
    };
    enum status st = STATUS_OK;
    for (size_t i = 0; st == STATUS_OK && i < sizeof(parts) / sizeof(parts[0]); i++)
        st = parts[i](p, b, stage);
    return st;
}

void apply_stage_drop(struct profile *p, const struct wire_batch *b, struct apply_stage *stage)
{
    for (size_t i = 0; i < p->sets_len; i++) {
        if (!p->sets[i].has_time) {
            free(p->sets[i].time_ns);
            p->sets[i].time_ns = NULL;
        }
    }
    for (size_t i = p->sets_len; stage->has_sets && i < stage->after->sets; i++)
        samples_deinit(&p->sets[i]);
    for (size_t i = p->series_len; stage->has_series && i < stage->after->series; i++) {
        free(p->series[i].time_ns);
        free(p->series[i].value);
    }
    for (size_t i = 0; stage->has_benchmarks && i < b->benchmarks_len; i++)
        free(p->benchmarks[p->benchmarks_len + i].data_s);
}

void apply_stage_free(const struct wire_batch *b, struct apply_stage *stage)
{
    for (size_t i = 0; stage->sample_order && i < b->samples_len; i++)
        free(stage->sample_order[i]);
    for (size_t i = 0; stage->point_order && i < b->points_len; i++)
        free(stage->point_order[i]);
    free(stage->sample_order);
    free(stage->point_order);
}
