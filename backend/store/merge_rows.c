#include "backend/store/merge_rows.h"

#include <string.h>

/* ---- samples: all groups of one set become one ---- */

/* The groups of one set in all parts, in order. */
struct set_groups {
    const struct wire_samples **group;
    size_t len, rows;
};

struct columns {
    uint64_t *time_ns;
    uint32_t *thread, *stack, *state, *label_set;
    int64_t *value[WIRE_MAX_VALUES];
};

/* Which columns any group has. */
struct presence {
    bool time_ns, thread, stack, state, label_set, value[WIRE_MAX_VALUES];
};

static bool groups_fit(const struct set_groups *g)
{
    for (size_t i = 1; i < g->len; i++) {
        if (g->group[i]->values_len != g->group[0]->values_len ||
            (g->group[i]->time_ns == NULL) != (g->group[0]->time_ns == NULL))
            return false;
    }
    return true;
}

static struct presence find_columns(const struct set_groups *g)
{
    struct presence has = {0};
    const struct wire_samples *first = g->group[0];
    for (size_t i = 0; i < g->len; i++) {
        const struct wire_samples *s = g->group[i];
        has.time_ns |= s->time_ns != NULL;
        has.thread |= s->thread != NULL;
        has.stack |= s->stack != NULL;
        has.state |= s->state != NULL;
        has.label_set |= s->label_set != NULL;
        for (size_t v = 0; v < s->values_len; v++)
            has.value[v] |=
                s->values[v].value || s->values[v].constant != first->values[v].constant;
    }
    return has;
}

/* Arenas give zeroed memory: rows of absent columns are 0, as they mean. */
static bool make_columns(struct columns *to, const struct presence *has, size_t rows,
                         size_t values_len, struct arena *arena)
{
    *to = (struct columns){
        .time_ns = has->time_ns ? arena_alloc(arena, rows * sizeof(uint64_t)) : NULL,
        .thread = has->thread ? arena_alloc(arena, rows * sizeof(uint32_t)) : NULL,
        .stack = has->stack ? arena_alloc(arena, rows * sizeof(uint32_t)) : NULL,
        .state = has->state ? arena_alloc(arena, rows * sizeof(uint32_t)) : NULL,
        .label_set = has->label_set ? arena_alloc(arena, rows * sizeof(uint32_t)) : NULL,
    };
    bool is_made = (!has->time_ns || to->time_ns) && (!has->thread || to->thread) &&
                   (!has->stack || to->stack) && (!has->state || to->state) &&
                   (!has->label_set || to->label_set);
    for (size_t v = 0; is_made && v < values_len; v++) {
        if (has->value[v])
            is_made = (to->value[v] = arena_alloc(arena, rows * sizeof(int64_t))) != NULL;
    }
    return is_made;
}

static void copy_u32(uint32_t *to, size_t at, const uint32_t *from, size_t len)
{
    if (from)
        memcpy(to + at, from, len * sizeof(*to));
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

static void copy_group(struct columns *to, size_t at, const struct wire_samples *s)
{
    if (s->time_ns)
        memcpy(to->time_ns + at, s->time_ns, s->len * sizeof(*to->time_ns));
    copy_u32(to->thread, at, s->thread, s->len);
    copy_u32(to->stack, at, s->stack, s->len);
    copy_u32(to->state, at, s->state, s->len);
    copy_u32(to->label_set, at, s->label_set, s->len);
    for (size_t v = 0; v < s->values_len; v++) {
        if (to->value[v])
            copy_value(to->value[v] + at, &s->values[v], s->len);
    }
}

static enum status merge_set(const struct set_groups *g, struct wire_samples *out,
                             struct arena *arena)
{
    const struct wire_samples *first = g->group[0];
    struct columns to;
    if (!groups_fit(g))
        return STATUS_UNSUPPORTED;
    struct presence has = find_columns(g);
    if (!make_columns(&to, &has, g->rows, first->values_len, arena))
        return STATUS_NO_MEMORY;
    size_t at = 0;
    for (size_t i = 0; i < g->len; i++) {
        copy_group(&to, at, g->group[i]);
        at += g->group[i]->len;
    }
    *out = (struct wire_samples){.set = first->set,
                                 .len = g->rows,
                                 .time_ns = to.time_ns,
                                 .thread = to.thread,
                                 .stack = to.stack,
                                 .state = to.state,
                                 .label_set = to.label_set,
                                 .values_len = first->values_len};
    for (size_t v = 0; v < first->values_len; v++)
        out->values[v] =
            (struct wire_column){.constant = first->values[v].constant, .value = to.value[v]};
    return STATUS_OK;
}

static void gather_set(struct set_groups *g, uint32_t set, const struct wire_batch *parts,
                       size_t len)
{
    g->len = g->rows = 0;
    for (size_t p = 0; p < len; p++) {
        for (size_t i = 0; i < parts[p].samples_len; i++) {
            const struct wire_samples *s = &parts[p].samples[i];
            if (s->set != set || s->len == 0)
                continue;
            g->group[g->len++] = s;
            g->rows += s->len;
        }
    }
}

static bool has_set(const struct wire_batch *out, uint32_t set)
{
    for (size_t i = 0; i < out->samples_len; i++) {
        if (out->samples[i].set == set)
            return true;
    }
    return false;
}

enum status merge_samples(const struct wire_batch *parts, size_t len, struct wire_batch *out,
                          struct arena *arena)
{
    size_t most = 0;
    for (size_t p = 0; p < len; p++)
        most += parts[p].samples_len;
    struct wire_samples *merged = arena_alloc(arena, (most + 1) * sizeof(*merged));
    struct set_groups g = {
        .group = arena_alloc(arena, (most + 1) * sizeof(const struct wire_samples *))};
    if (!merged || !g.group)
        return STATUS_NO_MEMORY;
    out->samples = merged;
    for (size_t p = 0; p < len; p++) {
        for (size_t i = 0; i < parts[p].samples_len; i++) {
            const struct wire_samples *s = &parts[p].samples[i];
            if (s->len == 0 || has_set(out, s->set))
                continue;
            gather_set(&g, s->set, parts, len);
            enum status st = merge_set(&g, &merged[out->samples_len], arena);
            if (st != STATUS_OK)
                return st;
            out->samples_len++;
        }
    }
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

static enum status copy_points(const struct point_group *group, struct wire_points *out,
                               struct arena *arena)
{
    uint64_t *time_ns = arena_alloc(arena, group->len * sizeof(*time_ns));
    double *value = arena_alloc(arena, group->len * sizeof(*value));
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

enum status merge_points(const struct wire_batch *batches, size_t batches_len,
                         struct wire_batch *out, struct arena *arena)
{
    size_t most = 0;
    for (size_t p = 0; p < batches_len; p++)
        most += batches[p].points_len;
    struct point_group *groups = arena_alloc(arena, (most + 1) * sizeof(*groups));
    struct point_part *parts = arena_alloc(arena, (most + 1) * sizeof(*parts));
    struct wire_points *merged = arena_alloc(arena, (most + 1) * sizeof(*merged));
    if (!groups || !parts || !merged)
        return STATUS_NO_MEMORY;
    size_t len = 0;
    for (size_t p = 0; p < batches_len; p++) {
        for (size_t i = 0; i < batches[p].points_len; i++) {
            const struct wire_points *points = &batches[p].points[i];
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
        enum status st = copy_points(&groups[i], &merged[i], arena);
        if (st != STATUS_OK)
            return st;
    }
    out->points = merged;
    out->points_len = len;
    return STATUS_OK;
}
