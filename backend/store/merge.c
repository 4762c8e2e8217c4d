#include "backend/store/merge.h"

#include <string.h>

/* Concatenates one plain array of all parts: its pointer, its length. */
#define CONCAT(rows)                                                                               \
    do {                                                                                           \
        size_t total_ = 0;                                                                         \
        for (size_t i_ = 0; i_ < m->len; i_++)                                                     \
            total_ += m->parts[i_].rows##_len;                                                     \
        out->rows = NULL;                                                                          \
        out->rows##_len = total_;                                                                  \
        if (total_ == 0)                                                                           \
            break;                                                                                 \
        char *all_ = arena_alloc(m->arena, total_ * sizeof(*out->rows));                           \
        if (!all_)                                                                                 \
            return STATUS_NO_MEMORY;                                                               \
        size_t at_ = 0;                                                                            \
        for (size_t i_ = 0; i_ < m->len; i_++) {                                                   \
            size_t bytes_ = m->parts[i_].rows##_len * sizeof(*out->rows);                          \
            if (bytes_)                                                                            \
                memcpy(all_ + at_, m->parts[i_].rows, bytes_);                                     \
            at_ += bytes_;                                                                         \
        }                                                                                          \
        out->rows = (const void *)all_;                                                            \
    } while (0)

/* A table: its first row's number is that of the first part which has rows at all. */
#define CONCAT_TABLE(rows, first)                                                                  \
    do {                                                                                           \
        out->first = m->parts[0].first;                                                            \
        for (size_t k_ = 0; k_ < m->len; k_++) {                                                   \
            if (m->parts[k_].rows##_len) {                                                         \
                out->first = m->parts[k_].first;                                                   \
                break;                                                                             \
            }                                                                                      \
        }                                                                                          \
        CONCAT(rows);                                                                              \
    } while (0)

struct merge {
    const struct wire_batch *parts;
    size_t len;
    struct arena *arena;
};

/* ---- processes and threads: new rows first, then those that come again ---- */

static enum status merge_processes(const struct merge *m, struct wire_batch *out)
{
    CONCAT_TABLE(processes, first_process);
    if (out->processes_len == 0)
        return STATUS_OK;
    struct wire_process *sorted = arena_alloc(m->arena, out->processes_len * sizeof(*sorted));
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

static enum status merge_threads(const struct merge *m, struct wire_batch *out)
{
    CONCAT_TABLE(threads, first_thread);
    if (out->threads_len == 0)
        return STATUS_OK;
    struct wire_thread *sorted = arena_alloc(m->arena, out->threads_len * sizeof(*sorted));
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

static enum status merge_tables(const struct merge *m, struct wire_batch *out)
{
    CONCAT_TABLE(strings, first_string);
    CONCAT_TABLE(functions, first_function);
    CONCAT_TABLE(frames, first_frame);
    CONCAT_TABLE(stacks, first_stack);
    CONCAT_TABLE(label_sets, first_label_set);
    CONCAT(sets);
    CONCAT(metrics);
    enum status st = merge_processes(m, out);
    return st == STATUS_OK ? merge_threads(m, out) : st;
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

/* ---- samples: all groups of one set become one ---- */

/* Room for one column of the merged group when any part has it. */
#define OPEN_COLUMN(column)                                                                        \
    do {                                                                                           \
        if (g->column && !to->column &&                                                            \
            !(to->column = arena_alloc(m->arena, total * sizeof(*to->column))))                    \
            return STATUS_NO_MEMORY;                                                               \
    } while (0)

#define COPY_COLUMN(column)                                                                        \
    do {                                                                                           \
        if (g->column)                                                                             \
            memcpy(to->column + at, g->column, g->len * sizeof(*to->column));                      \
    } while (0)

struct columns {
    uint64_t *time_ns;
    uint32_t *thread, *stack, *state, *label_set;
    int64_t *value[WIRE_MAX_VALUES];
};

/* Which columns the merged group needs, and whether the parts fit together at all. */
static enum status open_columns(const struct merge *m, uint32_t set, size_t total,
                                struct wire_samples *group, struct columns *to)
{
    bool is_first = true;
    for (size_t p = 0; p < m->len; p++) {
        for (size_t i = 0; i < m->parts[p].samples_len; i++) {
            const struct wire_samples *g = &m->parts[p].samples[i];
            if (g->set != set || g->len == 0)
                continue;
            if (is_first) {
                *group = (struct wire_samples){.set = set, .len = total};
                group->values_len = g->values_len;
                for (size_t v = 0; v < g->values_len; v++)
                    group->values[v].constant = g->values[v].constant;
            }
            if (g->values_len != group->values_len ||
                (!is_first && (g->time_ns == NULL) != (to->time_ns == NULL)))
                return STATUS_UNSUPPORTED;
            is_first = false;
            OPEN_COLUMN(time_ns);
            OPEN_COLUMN(thread);
            OPEN_COLUMN(stack);
            OPEN_COLUMN(state);
            OPEN_COLUMN(label_set);
            for (size_t v = 0; v < g->values_len; v++) {
                bool differs =
                    g->values[v].value || g->values[v].constant != group->values[v].constant;
                if (differs && !to->value[v] &&
                    !(to->value[v] = arena_alloc(m->arena, total * sizeof(*to->value[v]))))
                    return STATUS_NO_MEMORY;
            }
        }
    }
    return STATUS_OK;
}

static void copy_value(int64_t *to, const struct wire_column *from, size_t len)
{
    if (from->value) {
        memcpy(to, from->value, len * sizeof(*to));
        return;
    }
    for (size_t i = 0; i < len; i++)
        to[i] = from->constant;
}

static enum status merge_set(const struct merge *m, uint32_t set, size_t total,
                             struct wire_samples *group)
{
    struct columns columns = {0};
    struct columns *to = &columns;
    enum status st = open_columns(m, set, total, group, to);
    size_t at = 0;
    for (size_t p = 0; st == STATUS_OK && p < m->len; p++) {
        for (size_t i = 0; i < m->parts[p].samples_len; i++) {
            const struct wire_samples *g = &m->parts[p].samples[i];
            if (g->set != set || g->len == 0)
                continue;
            COPY_COLUMN(time_ns); /* rows of absent columns stay 0: arenas give zeroed memory */
            COPY_COLUMN(thread);
            COPY_COLUMN(stack);
            COPY_COLUMN(state);
            COPY_COLUMN(label_set);
            for (size_t v = 0; v < g->values_len; v++) {
                if (to->value[v])
                    copy_value(to->value[v] + at, &g->values[v], g->len);
            }
            at += g->len;
        }
    }
    group->time_ns = to->time_ns;
    group->thread = to->thread;
    group->stack = to->stack;
    group->state = to->state;
    group->label_set = to->label_set;
    for (size_t v = 0; v < group->values_len; v++)
        group->values[v].value = to->value[v];
    return st;
}

static size_t count_rows(const struct merge *m, uint32_t set)
{
    size_t total = 0;
    for (size_t p = 0; p < m->len; p++) {
        for (size_t i = 0; i < m->parts[p].samples_len; i++) {
            if (m->parts[p].samples[i].set == set)
                total += m->parts[p].samples[i].len;
        }
    }
    return total;
}

static bool has_group(const struct wire_samples *groups, size_t len, uint32_t set)
{
    for (size_t i = 0; i < len; i++) {
        if (groups[i].set == set)
            return true;
    }
    return false;
}

static enum status merge_samples(const struct merge *m, struct wire_batch *out)
{
    size_t most = 0;
    for (size_t p = 0; p < m->len; p++)
        most += m->parts[p].samples_len;
    struct wire_samples *groups = arena_alloc(m->arena, (most + 1) * sizeof(*groups));
    if (!groups)
        return STATUS_NO_MEMORY;
    for (size_t p = 0; p < m->len; p++) {
        for (size_t i = 0; i < m->parts[p].samples_len; i++) {
            uint32_t set = m->parts[p].samples[i].set;
            size_t total = count_rows(m, set);
            if (total == 0 || has_group(groups, out->samples_len, set))
                continue;
            enum status st = merge_set(m, set, total, &groups[out->samples_len]);
            if (st != STATUS_OK)
                return st;
            out->samples_len++;
        }
    }
    out->samples = groups;
    return STATUS_OK;
}

/* ---- points: all groups of one metric become one ---- */

struct point_part {
    const struct wire_points *points;
    struct point_part *next;
};

struct point_group {
    uint32_t metric;
    size_t len;
    struct point_part *first, *last;
};

static size_t find_metric(const struct point_group *groups, size_t len, uint32_t metric,
                          size_t guess)
{
    /* Parts list their metrics in the same order, so the guess is nearly always right. */
    if (guess < len && groups[guess].metric == metric)
        return guess;
    for (size_t i = 0; i < len; i++) {
        if (groups[i].metric == metric)
            return i;
    }
    return len;
}

static enum status copy_points(const struct merge *m, const struct point_group *group,
                               struct wire_points *out)
{
    uint64_t *time_ns = arena_alloc(m->arena, group->len * sizeof(*time_ns));
    double *value = arena_alloc(m->arena, group->len * sizeof(*value));
    if (!time_ns || !value)
        return STATUS_NO_MEMORY;
    size_t at = 0;
    for (const struct point_part *p = group->first; p; p = p->next) {
        const struct wire_points *part = p->points;
        memcpy(time_ns + at, part->time_ns, part->len * sizeof(*time_ns));
        memcpy(value + at, part->value, part->len * sizeof(*value));
        at += part->len;
    }
    *out = (struct wire_points){
        .metric = group->metric, .len = group->len, .time_ns = time_ns, .value = value};
    return STATUS_OK;
}

static enum status merge_points(const struct merge *m, struct wire_batch *out)
{
    size_t most = 0;
    for (size_t p = 0; p < m->len; p++)
        most += m->parts[p].points_len;
    struct point_group *groups = arena_alloc(m->arena, (most + 1) * sizeof(*groups));
    struct point_part *parts = arena_alloc(m->arena, (most + 1) * sizeof(*parts));
    struct wire_points *merged = arena_alloc(m->arena, (most + 1) * sizeof(*merged));
    if (!groups || !parts || !merged)
        return STATUS_NO_MEMORY;
    size_t len = 0;
    for (size_t p = 0; p < m->len; p++) {
        for (size_t i = 0; i < m->parts[p].points_len; i++) {
            const struct wire_points *points = &m->parts[p].points[i];
            if (points->len == 0)
                continue;
            size_t at = find_metric(groups, len, points->metric, i);
            struct point_part *part = parts++;
            struct point_group *group = &groups[at];
            part->points = points;
            *(group->last ? &group->last->next : &group->first) = part;
            group->last = part;
            group->metric = points->metric;
            group->len += points->len;
            len += at == len;
        }
    }
    for (size_t i = 0; i < len; i++) {
        enum status st = copy_points(m, &groups[i], &merged[i]);
        if (st != STATUS_OK)
            return st;
    }
    out->points = merged;
    out->points_len = len;
    return STATUS_OK;
}

/* ---- the rest ---- */

/* Running totals: the last one of each name counts. */
static enum status merge_counters(const struct merge *m, struct wire_batch *out)
{
    CONCAT(counters);
    if (out->counters_len == 0)
        return STATUS_OK;
    struct wire_counter *last = arena_alloc(m->arena, out->counters_len * sizeof(*last));
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

static enum status merge_rest(const struct merge *m, struct wire_batch *out)
{
    CONCAT(spans);
    CONCAT(notices);
    CONCAT(lines);
    CONCAT(sources);
    CONCAT(benchmarks);
    for (size_t i = 0; i < m->len; i++) {
        if (m->parts[i].call_graph && out->call_graph)
            return STATUS_UNSUPPORTED;
        if (m->parts[i].call_graph)
            out->call_graph = m->parts[i].call_graph;
    }
    return merge_counters(m, out);
}

enum status merge_batches(struct wire_batch *out, const struct wire_batch *parts, size_t len,
                          struct arena *arena)
{
    struct merge m = {.parts = parts, .len = len, .arena = arena};
    *out = (struct wire_batch){
        .seq = parts[len - 1].seq, .begin_ns = parts[0].begin_ns, .end_ns = parts[len - 1].end_ns};
    enum status st = merge_tables(&m, out);
    if (st == STATUS_OK && has_double_declaration(out))
        st = STATUS_UNSUPPORTED;
    if (st == STATUS_OK)
        st = merge_samples(&m, out);
    if (st == STATUS_OK)
        st = merge_points(&m, out);
    if (st == STATUS_OK)
        st = merge_rest(&m, out);
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
