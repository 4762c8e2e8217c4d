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
    float *cells; /* thread, column, bucket: samples, and parts of them */
    bool *is_met; /* thread */
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

/* Which of a set's values are time that passed and CPU time; SIZE_MAX = not in it. */
struct times {
    size_t wall, cpu;
};

static struct times find_times(const struct profile *p, const struct sample_set *set)
{
    struct times found = {SIZE_MAX, SIZE_MAX};
    for (size_t i = 0; i < set->values_len; i++) {
        const char *name = strtab_text(&p->tables.strings, set->types[i].name);
        if (strcmp(name, "wall") == 0)
            found.wall = i;
        if (strcmp(name, "cpu") == 0)
            found.cpu = i;
    }
    return found;
}

static double value_at(const struct sample_set *set, size_t which, size_t row)
{
    return (double)(set->values[which].value ? set->values[which].value[row]
                                             : set->values[which].constant);
}

/* A sample stands for a stretch of time, and one that is not said to be on a CPU may have been so
 * for a part of it: a thread that computes for 2 ms and then sleeps for 10, over and over. */
static double cpu_part(const struct sample_set *set, const struct times *times, size_t row)
{
    if (times->wall == SIZE_MAX || times->cpu == SIZE_MAX)
        return 0;
    double wall = value_at(set, times->wall, row);
    double cpu = value_at(set, times->cpu, row);
    return wall <= 0 || cpu <= 0 ? 0 : cpu >= wall ? 1 : cpu / wall;
}

/* What it did matters most; holding the GIL counts as running too. `part`: cpu_part. */
static void count_sample(struct grid *g, uint32_t thread, uint64_t t, uint32_t state, double part)
{
    if (thread >= g->threads || t < g->t0 || t >= g->t1)
        return;
    double share = (double)(t - g->t0) / (double)(g->t1 - g->t0);
    size_t bucket = (size_t)(share * (double)g->buckets);
    if (bucket >= g->buckets)
        bucket = g->buckets - 1;
    float *cells = g->cells + thread * COLUMNS * g->buckets + bucket;
    size_t column = state & WIRE_HAS_GIL     ? 1
                    : state & WIRE_ON_CPU    ? 0
                    : state & WIRE_WANTS_GIL ? 2
                                             : 3;
    if (column == 3)
        cells[0] += (float)part;
    cells[column * g->buckets] += column == 3 ? (float)(1 - part) : 1.0F;
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

static void put_count(struct json_out *j, float samples)
{
    json_out_f64(j, round((double)samples * 100) / 100);
}

static void write_grid(struct json_out *j, const struct grid *g)
{
    json_put_f64(j, "t0", (double)g->t0 / 1e9);
    json_put_f64(j, "t1", (double)g->t1 / 1e9);
    json_put_u64(j, "buckets", g->buckets);
    json_out_key(j, "threads");
    json_out_array(j);
    for (size_t t = 0; t < g->threads; t++) {
        if (!g->is_met[t])
            continue;
        json_out_object(j);
        json_put_u64(j, "thread", t);
        for (size_t c = 0; c < COLUMNS; c++) {
            json_out_key(j, column_names[c]);
            json_out_array(j);
            for (size_t b = 0; b < g->buckets; b++)
                put_count(j, g->cells[(t * COLUMNS + c) * g->buckets + b]);
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
        struct times times = find_times(p, set);
        /* Time is looked at for each sample anyway. */
        st = filter_rows_init(&rows, p, set, false, filter);
        for (size_t i = 0; st == STATUS_OK && i < set->len; i++) {
            if (filter_rows_pass(&rows, i))
                count_sample(&g, set->thread ? set->thread[i] : 0, set->time_ns[i],
                             set->state ? set->state[i] : 0, cpu_part(set, &times, i));
        }
        filter_rows_deinit(&rows);
    }
    if (st == STATUS_OK) {
        struct json_out j;
        json_out_init(&j, out);
        json_out_object(&j);
        json_put_u64(&j, "rev", revision);
        write_grid(&j, &g);
        json_out_end(&j);
        st = buf_status(out);
    }
    free(g.cells);
    free(g.is_met);
    return st == STATUS_OK ? st : error_set(err, st, "no memory for the threads' activity");
}
