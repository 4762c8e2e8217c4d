#include "backend/query/history.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backend/query/diff.h"
#include "backend/query/diff_stats.h"
#include "backend/query/history_parts.h"
#include "common/base/array.h"
#include "common/base/map.h"

static uint32_t add_text(struct history *h, const char *data, size_t len)
{
    uint32_t id = 0;
    if (!strtab_add(&h->texts, data, len, &id))
        h->failed = true;
    return id;
}

static uint32_t copy_text(struct history *h, const struct profile *p, uint32_t string)
{
    return add_text(h, strtab_text(&p->tables.strings, string),
                    strtab_len(&p->tables.strings, string));
}

static uint32_t tag_of(struct history *h, const struct profile *p, const char *key)
{
    for (size_t i = 0; i < p->tags_len; i++) {
        if (strcmp(strtab_text(&p->tables.strings, p->tags[i].key), key) == 0)
            return copy_text(h, p, p->tags[i].value);
    }
    return 0;
}

enum status history_new(struct history **out)
{
    struct history *h = calloc(1, sizeof(*h));
    if (!h || !strtab_init(&h->texts)) {
        free(h);
        return STATUS_NO_MEMORY;
    }
    map_init(&h->by_key);
    *out = h;
    return STATUS_OK;
}

void history_free(struct history *h)
{
    if (!h)
        return;
    for (size_t i = 0; i < h->lines_len; i++)
        free(h->lines[i].points);
    free(h->lines);
    free(h->runs);
    map_deinit(&h->by_key);
    strtab_deinit(&h->texts);
    free(h);
}

static enum status line_for(struct history *h, uint32_t machine, uint32_t name,
                            struct history_line **out)
{
    uint64_t key = map_pair(machine, name);
    const uint32_t *known = map_find(&h->by_key, key);
    if (!known) {
        if (!array_reserve(&h->lines, &h->lines_cap, h->lines_len + 1) ||
            !map_put(&h->by_key, key, (uint32_t)h->lines_len))
            return STATUS_NO_MEMORY;
        h->lines[h->lines_len] = (struct history_line){.machine = machine, .name = name};
        *out = &h->lines[h->lines_len++];
        return STATUS_OK;
    }
    *out = &h->lines[*known];
    return STATUS_OK;
}

/* Numbers of one computer only compare with its own, and of one Python. */
static uint32_t machine_of(struct history *h, const struct profile *p)
{
    struct buf name;
    buf_init(&name, 0);
    const char *host = strtab_text(&p->tables.strings, p->host);
    const char *runtime = strtab_text(&p->tables.strings, p->runtime);
    buf_put_text(&name, *host ? host : "unknown machine");
    if (*runtime)
        buf_put_text(&name, ", ");
    buf_put_text(&name, runtime);
    uint32_t id = add_text(h, name.data ? (const char *)name.data : "", name.len);
    h->failed = h->failed || buf_status(&name) != STATUS_OK;
    buf_deinit(&name);
    return id;
}

enum status history_add(struct history *h, const struct profile *p, const char *id,
                        const char *name)
{
    if (p->benchmarks_len == 0)
        return STATUS_OK;
    if (h->runs_len == HISTORY_MAX_RUNS || h->points + p->benchmarks_len > HISTORY_MAX_POINTS)
        return STATUS_TOO_LARGE;
    if (!array_reserve(&h->runs, &h->runs_cap, h->runs_len + 1))
        return STATUS_NO_MEMORY;
    uint32_t run = (uint32_t)h->runs_len++;
    h->runs[run] = (struct history_run){
        .id = add_text(h, id, strlen(id)),
        .name = add_text(h, name, strlen(name)),
        .machine = machine_of(h, p),
        .commit = tag_of(h, p, "commit"),
        .branch = tag_of(h, p, "branch"),
        .is_dirty = tag_of(h, p, "dirty") != 0,
        .unix_ms = p->start_unix_ns / 1000000,
        .order = run,
    };
    enum status st = h->failed ? STATUS_NO_MEMORY : STATUS_OK;
    for (size_t i = 0; i < p->benchmarks_len && st == STATUS_OK; i++) {
        const struct model_benchmark *b = &p->benchmarks[i];
        struct history_line *line;
        st = line_for(h, h->runs[run].machine, copy_text(h, p, b->name), &line);
        if (st == STATUS_OK && !array_reserve(&line->points, &line->cap, line->len + 1))
            st = STATUS_NO_MEMORY;
        if (st != STATUS_OK)
            break;
        line->points[line->len++] = (struct history_point){.run = run,
                                                           .mean = b->mean_s,
                                                           .median = b->median_s,
                                                           .stddev = b->stddev_s,
                                                           .min = b->min_s,
                                                           .rounds = b->rounds,
                                                           .change = (double)NAN,
                                                           .q = (double)NAN};
        h->points++;
    }
    return h->failed ? STATUS_NO_MEMORY : st;
}

/* ---- order ---- */

static int compare_runs(const void *a, const void *b)
{
    const struct history_run *x = a;
    const struct history_run *y = b;
    if (x->unix_ms != y->unix_ms)
        return x->unix_ms < y->unix_ms ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

static int compare_points(const void *a, const void *b)
{
    uint32_t x = ((const struct history_point *)a)->run;
    uint32_t y = ((const struct history_point *)b)->run;
    return x < y ? -1 : x > y;
}

static enum status order_runs(struct history *h)
{
    uint32_t *now = calloc(h->runs_len + 1, sizeof(*now));
    if (!now)
        return STATUS_NO_MEMORY;
    if (h->runs_len > 1)
        qsort(h->runs, h->runs_len, sizeof(*h->runs), compare_runs);
    for (size_t i = 0; i < h->runs_len; i++)
        now[h->runs[i].order] = (uint32_t)i;
    for (size_t i = 0; i < h->lines_len; i++) {
        struct history_line *line = &h->lines[i];
        for (size_t k = 0; k < line->len; k++)
            line->points[k].run = now[line->points[k].run];
        qsort(line->points, line->len, sizeof(*line->points), compare_points);
    }
    free(now);
    return STATUS_OK;
}

/* ---- marks ---- */

static struct history_point *point_at(const struct history_line *line, uint32_t run)
{
    for (size_t k = line->len; k-- > 0;) {
        if (line->points[k].run == run)
            return &line->points[k];
    }
    return NULL;
}

static void mark(struct history_point *now, const struct history_point *before, double q)
{
    double median = diff_relative(before->median, now->median);
    bool is_sure = isnan(q) || q <= DIFF_RATE;
    now->change = diff_relative(before->mean, now->mean);
    now->q = q;
    if (!is_sure)
        return;
    if (now->change >= DIFF_LEAST_RELATIVE && (isnan(median) || median >= DIFF_LEAST_RELATIVE))
        now->mark = HISTORY_SLOWER;
    if (now->change <= -DIFF_LEAST_RELATIVE && (isnan(median) || median <= -DIFF_LEAST_RELATIVE))
        now->mark = HISTORY_FASTER;
}

/* All benchmarks of one run against their last ones: one family of tests. */
static enum status mark_run(struct history *h, uint32_t run)
{
    size_t n = h->lines_len + 1;
    double *p = malloc(n * sizeof(*p));
    double *q = malloc(n * sizeof(*q));
    size_t *order = malloc(n * sizeof(*order));
    struct history_point **now = calloc(n, sizeof(struct history_point *));
    size_t len = 0;
    enum status st = p && q && order && now ? STATUS_OK : STATUS_NO_MEMORY;
    for (size_t i = 0; i < h->lines_len && st == STATUS_OK; i++) {
        struct history_point *point = point_at(&h->lines[i], run);
        if (!point || point == h->lines[i].points)
            continue;
        const struct history_point *before = point - 1;
        p[len] = diff_welch(before->mean, before->stddev, before->rounds, point->mean,
                            point->stddev, point->rounds);
        now[len++] = point;
    }
    if (st == STATUS_OK)
        diff_control(p, q, order, len);
    for (size_t i = 0; i < len && st == STATUS_OK; i++)
        mark(now[i], now[i] - 1, q[i]);
    free(p);
    free(q);
    free(order);
    free(now);
    return st;
}

/* In its machine's latest run, or the line is of a benchmark that is gone. */
static const struct history_point *latest(const struct history *h, const struct history_line *line)
{
    const struct history_point *last = &line->points[line->len - 1];
    for (size_t i = h->runs_len; i-- > 0;) {
        if (h->runs[i].machine == line->machine)
            return last->run == i ? last : NULL;
    }
    return NULL;
}

static int compare_lines(const void *a, const void *b, void *ctx)
{
    const struct history *h = ctx;
    const struct history_line *x = a;
    const struct history_line *y = b;
    const struct history_point *p = latest(h, x);
    const struct history_point *q = latest(h, y);
    bool x_slower = p && p->mark == HISTORY_SLOWER;
    bool y_slower = q && q->mark == HISTORY_SLOWER;
    if (x_slower != y_slower)
        return x_slower ? -1 : 1;
    if (x_slower && p->change != q->change)
        return p->change > q->change ? -1 : 1;
    int order = strcmp(strtab_text(&h->texts, x->name), strtab_text(&h->texts, y->name));
    return order ? order
                 : strcmp(strtab_text(&h->texts, x->machine), strtab_text(&h->texts, y->machine));
}

enum status history_finish(struct history *h)
{
    enum status st = order_runs(h);
    for (size_t i = 0; i < h->runs_len && st == STATUS_OK; i++)
        st = mark_run(h, (uint32_t)i);
    if (st == STATUS_OK && h->lines_len > 1)
        qsort_r(h->lines, h->lines_len, sizeof(*h->lines), compare_lines, h);
    return st;
}

size_t history_runs(const struct history *h)
{
    return h->runs_len;
}

size_t history_regressions(const struct history *h)
{
    size_t n = 0;
    for (size_t i = 0; i < h->lines_len; i++) {
        const struct history_point *p = latest(h, &h->lines[i]);
        n += p && p->mark == HISTORY_SLOWER;
    }
    return n;
}
