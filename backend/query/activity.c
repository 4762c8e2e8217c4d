#include "backend/query/activity.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/json_out.h"

enum { DEFAULT_BUCKETS = 600, COLUMNS = 4 };

static const char *const column_names[COLUMNS] = {"oncpu", "gil", "wants", "idle"};

struct grid {
    uint64_t t0, t1;
    size_t buckets, threads;
    uint32_t *cells; /* thread, column, bucket */
    bool *is_met;    /* thread */
};

static bool grid_init(struct grid *g, const struct profile *p, const struct query_filter *f,
                      size_t buckets)
{
    g->threads = p->tables.threads_len ? p->tables.threads_len : 1;
    g->buckets = buckets ? buckets : DEFAULT_BUCKETS;
    if (g->buckets > ACTIVITY_MAX_BUCKETS)
        g->buckets = ACTIVITY_MAX_BUCKETS;
    if (g->buckets * g->threads > ACTIVITY_MAX_CELLS)
        g->buckets = ACTIVITY_MAX_CELLS / g->threads + 1;
    g->t0 = f->has_from ? f->from_ns : 0;
    g->t1 = f->has_to && f->to_ns < p->duration_ns + 1 ? f->to_ns : p->duration_ns + 1;
    if (g->t1 <= g->t0)
        g->t1 = g->t0 + 1;
    g->cells = calloc(g->threads * g->buckets * COLUMNS, sizeof(*g->cells));
    g->is_met = calloc(g->threads, sizeof(*g->is_met));
    return g->cells && g->is_met;
}

/* A sample is in one column: what it did matters most, holding the GIL counts as running too. */
static void count_sample(struct grid *g, uint32_t thread, uint64_t t, uint32_t state)
{
    if (thread >= g->threads || t < g->t0 || t >= g->t1)
        return;
    double share = (double)(t - g->t0) / (double)(g->t1 - g->t0);
    size_t bucket = (size_t)(share * (double)g->buckets);
    if (bucket >= g->buckets)
        bucket = g->buckets - 1;
    uint32_t *cells = g->cells + thread * COLUMNS * g->buckets + bucket;
    size_t column = state & WIRE_HAS_GIL     ? 1
                    : state & WIRE_ON_CPU    ? 0
                    : state & WIRE_WANTS_GIL ? 2
                                             : 3;
    cells[column * g->buckets]++;
    g->is_met[thread] = true;
}

/* The set asked for, or the first one that tells times and states. */
static const struct sample_set *choose_set(const struct profile *p, const struct query_filter *f)
{
    struct query_value v;
    if (f->value && query_value_find(p, f->value, &v, NULL) == STATUS_OK &&
        v.source == QUERY_SAMPLES && p->sets[v.set].time_ns)
        return &p->sets[v.set];
    for (int wants_state = 1; wants_state >= 0; wants_state--) {
        for (size_t i = 0; i < p->sets_len; i++) {
            if (p->sets[i].time_ns && (!wants_state || p->sets[i].state))
                return &p->sets[i];
        }
    }
    return NULL;
}

static void write_grid(struct json_out *j, const struct grid *g)
{
    json_out_key(j, "t0");
    json_out_f64(j, (double)g->t0 / 1e9);
    json_out_key(j, "t1");
    json_out_f64(j, (double)g->t1 / 1e9);
    json_out_key(j, "buckets");
    json_out_u64(j, g->buckets);
    json_out_key(j, "threads");
    json_out_array(j);
    for (size_t t = 0; t < g->threads; t++) {
        if (!g->is_met[t])
            continue;
        json_out_object(j);
        json_out_key(j, "thread");
        json_out_u64(j, t);
        for (size_t c = 0; c < COLUMNS; c++) {
            json_out_key(j, column_names[c]);
            json_out_array(j);
            for (size_t b = 0; b < g->buckets; b++)
                json_out_u64(j, g->cells[(t * COLUMNS + c) * g->buckets + b]);
            json_out_end(j);
        }
        json_out_end(j);
    }
    json_out_end(j);
}

enum status activity_write_json(const struct profile *p, const struct query_filter *filter,
                                size_t buckets, uint64_t revision, struct buf *out,
                                struct error *err)
{
    struct grid g = {0};
    struct filter_rows rows = {0};
    enum status st = grid_init(&g, p, filter, buckets) ? STATUS_OK : STATUS_NO_MEMORY;
    const struct sample_set *set = choose_set(p, filter);
    if (st == STATUS_OK && set) {
        /* Time is looked at for each sample anyway. */
        st = filter_rows_init(&rows, p, set, false, filter);
        for (size_t i = 0; st == STATUS_OK && i < set->len; i++) {
            if (filter_rows_pass(&rows, i))
                count_sample(&g, set->thread ? set->thread[i] : 0, set->time_ns[i],
                             set->state ? set->state[i] : 0);
        }
        filter_rows_deinit(&rows);
    }
    if (st == STATUS_OK) {
        struct json_out j;
        json_out_init(&j, out);
        json_out_object(&j);
        json_out_key(&j, "rev");
        json_out_u64(&j, revision);
        write_grid(&j, &g);
        json_out_end(&j);
        st = buf_status(out);
    }
    free(g.cells);
    free(g.is_met);
    return st == STATUS_OK ? st : error_set(err, st, "no memory for the threads' activity");
}
