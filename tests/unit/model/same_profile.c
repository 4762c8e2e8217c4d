#include "tests/unit/model/same_profile.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#define SAME(condition)                                                                            \
    do {                                                                                           \
        if (!(condition))                                                                          \
            return #condition;                                                                     \
    } while (0)

static bool same_text(const struct profile *a, uint32_t x, const struct profile *b, uint32_t y)
{
    const struct strtab *s = &a->tables.strings;
    const struct strtab *t = &b->tables.strings;
    size_t len = strtab_len(s, x);
    return len == strtab_len(t, y) && memcmp(strtab_text(s, x), strtab_text(t, y), len) == 0;
}

/* NaN equals NaN. */
static bool same_number(double x, double y)
{
    return (isnan(x) && isnan(y)) || memcmp(&x, &y, sizeof(x)) == 0;
}

static const char *heads_differ(const struct profile *a, const struct profile *b)
{
    SAME(same_text(a, a->name, b, b->name) && same_text(a, a->format, b, b->format));
    SAME(same_text(a, a->producer, b, b->producer) && same_text(a, a->host, b, b->host));
    SAME(same_text(a, a->runtime, b, b->runtime) && same_text(a, a->mode, b, b->mode));
    SAME(a->pid == b->pid && a->start_unix_ns == b->start_unix_ns);
    SAME(a->duration_ns == b->duration_ns && same_number(a->rate_hz, b->rate_hz));
    SAME(a->argv_len == b->argv_len && a->tags_len == b->tags_len);
    for (size_t i = 0; i < a->argv_len; i++)
        SAME(same_text(a, a->argv[i], b, b->argv[i]));
    for (size_t i = 0; i < a->tags_len; i++) {
        SAME(same_text(a, a->tags[i].key, b, b->tags[i].key));
        SAME(same_text(a, a->tags[i].value, b, b->tags[i].value));
    }
    return NULL;
}

static const char *stacks_differ(const struct profile *a, const struct profile *b)
{
    const struct tables *s = &a->tables;
    const struct tables *t = &b->tables;
    SAME(s->functions_len == t->functions_len && s->frames_len == t->frames_len);
    SAME(s->stacks_len == t->stacks_len);
    for (size_t i = 0; i < s->functions_len; i++) {
        const struct wire_function *x = &s->functions[i];
        const struct wire_function *y = &t->functions[i];
        SAME(same_text(a, x->name, b, y->name) && same_text(a, x->file, b, y->file));
        SAME(same_text(a, x->module, b, y->module) && x->line == y->line && x->kind == y->kind);
    }
    for (size_t i = 0; i < s->frames_len; i++) {
        const struct wire_frame *x = &s->frames[i];
        const struct wire_frame *y = &t->frames[i];
        SAME(x->function == y->function && x->line == y->line && x->column == y->column);
    }
    for (size_t i = 0; i < s->stacks_len; i++) {
        SAME(s->stacks[i].parent == t->stacks[i].parent &&
             s->stacks[i].frame == t->stacks[i].frame);
        SAME(s->stack_depth[i] == t->stack_depth[i]);
    }
    return NULL;
}

static const char *who_differs(const struct profile *a, const struct profile *b)
{
    const struct tables *s = &a->tables;
    const struct tables *t = &b->tables;
    SAME(s->processes_len == t->processes_len && s->threads_len == t->threads_len);
    SAME(s->label_sets_len == t->label_sets_len);
    for (size_t i = 0; i < s->processes_len; i++) {
        const struct model_process *x = &s->processes[i];
        const struct model_process *y = &t->processes[i];
        SAME(x->pid == y->pid && x->parent_pid == y->parent_pid);
        SAME(x->start_ns == y->start_ns && x->end_ns == y->end_ns);
        SAME(same_text(a, x->command, b, y->command) && same_text(a, x->runtime, b, y->runtime));
    }
    for (size_t i = 0; i < s->threads_len; i++) {
        const struct model_thread *x = &s->threads[i];
        const struct model_thread *y = &t->threads[i];
        SAME(x->process == y->process && x->tid == y->tid && same_text(a, x->name, b, y->name));
    }
    for (size_t i = 0; i < s->label_sets_len; i++) {
        SAME(s->label_sets[i].len == t->label_sets[i].len);
        for (size_t k = 0; k < s->label_sets[i].len; k++) {
            const struct model_label *x = &s->labels[s->label_sets[i].first + k];
            const struct model_label *y = &t->labels[t->label_sets[i].first + k];
            SAME(same_text(a, x->key, b, y->key) && same_text(a, x->value, b, y->value));
            SAME(same_text(a, x->unit, b, y->unit));
        }
    }
    return NULL;
}

static uint32_t at(const uint32_t *column, size_t row)
{
    return column ? column[row] : 0;
}

static int64_t value_at(const struct sample_set *set, size_t value, size_t row)
{
    return set->values[value].value ? set->values[value].value[row] : set->values[value].constant;
}

static const char *sets_differ(const struct profile *a, const struct profile *b)
{
    SAME(a->sets_len == b->sets_len);
    for (size_t i = 0; i < a->sets_len; i++) {
        const struct sample_set *x = &a->sets[i];
        const struct sample_set *y = &b->sets[i];
        SAME(same_text(a, x->name, b, y->name) && x->period == y->period && x->len == y->len);
        SAME(x->values_len == y->values_len && (x->len == 0 || x->has_time == y->has_time));
        for (size_t k = 0; k < x->values_len; k++) {
            SAME(same_text(a, x->types[k].name, b, y->types[k].name));
            SAME(same_text(a, x->types[k].unit, b, y->types[k].unit));
        }
        for (size_t row = 0; row < x->len; row++) {
            SAME(!x->has_time || x->time_ns[row] == y->time_ns[row]);
            SAME(at(x->thread, row) == at(y->thread, row));
            SAME(at(x->stack, row) == at(y->stack, row));
            SAME(at(x->label_set, row) == at(y->label_set, row));
            SAME((x->state ? x->state[row] : 0) == (y->state ? y->state[row] : 0));
            for (size_t k = 0; k < x->values_len; k++)
                SAME(value_at(x, k, row) == value_at(y, k, row));
        }
    }
    return NULL;
}

static const char *series_differ(const struct profile *a, const struct profile *b)
{
    SAME(a->series_len == b->series_len);
    for (size_t i = 0; i < a->series_len; i++) {
        const struct series *x = &a->series[i];
        const struct series *y = &b->series[i];
        SAME(same_text(a, x->name, b, y->name) && same_text(a, x->unit, b, y->unit));
        SAME(x->has_process == y->has_process && x->process == y->process && x->len == y->len);
        for (size_t row = 0; row < x->len; row++)
            SAME(x->time_ns[row] == y->time_ns[row] && same_number(x->value[row], y->value[row]));
    }
    return NULL;
}

static const char *messages_differ(const struct profile *a, const struct profile *b)
{
    SAME(a->spans_len == b->spans_len && a->notices_len == b->notices_len);
    SAME(a->counters_len == b->counters_len);
    for (size_t i = 0; i < a->spans_len; i++) {
        const struct model_span *x = &a->spans[i];
        const struct model_span *y = &b->spans[i];
        SAME(same_text(a, x->name, b, y->name));
        SAME(x->begin_ns == y->begin_ns && x->end_ns == y->end_ns && x->level == y->level);
        SAME(x->process == y->process && x->thread == y->thread);
        SAME(same_number(x->begin_value, y->begin_value) &&
             same_number(x->end_value, y->end_value));
    }
    for (size_t i = 0; i < a->notices_len; i++) {
        const struct model_notice *x = &a->notices[i];
        const struct model_notice *y = &b->notices[i];
        SAME(x->severity == y->severity && x->time_ns == y->time_ns);
        SAME(same_text(a, x->code, b, y->code) && same_text(a, x->text, b, y->text));
    }
    for (size_t i = 0; i < a->counters_len; i++) {
        SAME(same_text(a, a->counters[i].name, b, b->counters[i].name));
        SAME(a->counters[i].value == b->counters[i].value);
    }
    return NULL;
}

static const char *call_graphs_differ(const struct profile *a, const struct profile *b)
{
    const struct call_graph *g = &a->call_graph;
    const struct call_graph *h = &b->call_graph;
    SAME(g->rows_len == h->rows_len && g->edges_len == h->edges_len);
    SAME(g->rows_len == 0 || same_text(a, g->unit, b, h->unit));
    for (size_t i = 0; i < g->rows_len; i++) {
        const struct call_row *x = &g->rows[i];
        const struct call_row *y = &h->rows[i];
        SAME(x->function == y->function && x->calls == y->calls);
        SAME(x->primitive_calls == y->primitive_calls);
        SAME(same_number(x->self, y->self) && same_number(x->total, y->total));
    }
    for (size_t i = 0; i < g->edges_len; i++) {
        const struct call_edge *x = &g->edges[i];
        const struct call_edge *y = &h->edges[i];
        SAME(x->caller == y->caller && x->callee == y->callee && x->calls == y->calls);
        SAME(x->primitive_calls == y->primitive_calls);
        SAME(same_number(x->self, y->self) && same_number(x->total, y->total));
    }
    return NULL;
}

static const char *texts_differ(const struct profile *a, const struct profile *b)
{
    SAME(a->lines_len == b->lines_len && a->sources_len == b->sources_len);
    SAME(a->benchmarks_len == b->benchmarks_len);
    for (size_t i = 0; i < a->lines_len; i++) {
        const struct line_row *x = &a->lines[i];
        const struct line_row *y = &b->lines[i];
        SAME(x->function == y->function && x->line == y->line && x->hits == y->hits);
        SAME(same_number(x->time_s, y->time_s) && same_number(x->memory_bytes, y->memory_bytes));
        SAME(same_number(x->increment_bytes, y->increment_bytes));
    }
    for (size_t i = 0; i < a->sources_len; i++) {
        SAME(same_text(a, a->sources[i].file, b, b->sources[i].file));
        SAME(same_text(a, a->sources[i].text, b, b->sources[i].text));
    }
    for (size_t i = 0; i < a->benchmarks_len; i++) {
        const struct model_benchmark *x = &a->benchmarks[i];
        const struct model_benchmark *y = &b->benchmarks[i];
        SAME(same_text(a, x->name, b, y->name) && same_text(a, x->group, b, y->group));
        SAME(same_number(x->mean_s, y->mean_s) && same_number(x->median_s, y->median_s));
        SAME(same_number(x->stddev_s, y->stddev_s) && same_number(x->min_s, y->min_s));
        SAME(same_number(x->max_s, y->max_s) && x->data_len == y->data_len);
        SAME(x->rounds == y->rounds && x->iterations == y->iterations);
        for (size_t k = 0; k < x->data_len; k++)
            SAME(same_number(x->data_s[k], y->data_s[k]));
    }
    return NULL;
}

const char *profiles_differ(const struct profile *a, const struct profile *b)
{
    const char *(*const parts[])(const struct profile *, const struct profile *) = {
        heads_differ,  stacks_differ,   who_differs,        sets_differ,
        series_differ, messages_differ, call_graphs_differ, texts_differ,
    };
    const char *what = NULL;
    for (size_t i = 0; !what && i < sizeof(parts) / sizeof(parts[0]); i++)
        what = parts[i](a, b);
    return what;
}
