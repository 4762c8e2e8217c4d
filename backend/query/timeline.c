#include "backend/query/timeline.h"

#include <stdlib.h>
#include <string.h>

#include "backend/query/cache_state.h"
#include "backend/query/merge.h"
#include "backend/query/names.h"
#include "backend/query/reshape.h"
#include "backend/query/timeline_rows.h"
#include "common/base/array.h"

enum {
    USUAL_PIXELS = 2000,
    MAX_ROWS = 1 << 16,
    LEAST_SLACK_NS = 100000000 /* samples around the window that may reach into it */
};

/* One thread: the path it is on now, since when, and the rows so far. */
struct lane {
    uint32_t thread;
    uint32_t *path; /* nodes, by depth; path[0] is the root */
    uint64_t *since;
    size_t depth, cap_path, cap_since; /* depth of the path's last node */
    bool is_open;
    uint64_t end; /* up to where the open path is known */
    struct time_row *rows;
    size_t rows_len, cap_rows;
    uint64_t samples, covered_ns;
};

struct walk {
    const struct profile *p;
    const struct sample_set *set;
    const struct merge_tree *tree;
    const uint32_t *node_of_stack;
    const uint32_t *to; /* NULL = nodes stay where they are */
    uint32_t *depth;    /* by node */
    uint64_t from, end; /* the window */
    uint64_t cutoff, most_ns;
    const int64_t *weight; /* ns each sample lasted; NULL = all the same */
    uint64_t same_ns;      /* what they all lasted; 0 = not told */
    bool ends_at_time;     /* a sample's time is the end of what it stands for */
    uint32_t max_depth;
    bool is_cut;
    struct lane **lane_of; /* by thread */
    size_t threads;
    struct lane **lanes;
    size_t lanes_len, cap_lanes;
    size_t left; /* boxes there may still be */
};

/* ---- which samples, and how long they lasted ---- */

static const struct sample_set *choose_set(const struct profile *p, const struct query_filter *f)
{
    struct query_value v;
    if (query_value_find(p, f->value, &v, NULL) == STATUS_OK && v.source == QUERY_SAMPLES &&
        p->sets[v.set].time_ns && p->sets[v.set].stack)
        return &p->sets[v.set];
    for (size_t i = 0; i < p->sets_len; i++) {
        if (p->sets[i].time_ns && p->sets[i].stack)
            return &p->sets[i];
    }
    return NULL;
}

/* The clock's time if it is told, else the first value that is a time. Only nanoseconds are taken
 * as they are: what else is a time is rare, and then the distance of the samples tells as well. */
static void find_weight(struct walk *w)
{
    bool is_found = false;
    for (size_t c = 0; c < w->set->values_len; c++) {
        const char *unit = strtab_text(&w->p->tables.strings, w->set->types[c].unit);
        const char *name = strtab_text(&w->p->tables.strings, w->set->types[c].name);
        bool is_wall = strcmp(name, "wall") == 0;
        if (strcmp(unit, "ns") != 0 || strcmp(name, "cpu") == 0 || (is_found && !is_wall))
            continue;
        int64_t same = w->set->values[c].constant;
        w->weight = w->set->values[c].value;
        w->same_ns = !w->weight && same > 0 ? (uint64_t)same : 0;
        is_found = true;
    }
}

/* How long a sample is taken to last at most, when it does not say. */
static uint64_t guess_most(const struct profile *p, const struct sample_set *set)
{
    if (set->period)
        return set->period * 2;
    if (p->rate_hz > 0)
        return (uint64_t)(2e9 / p->rate_hz) + 1;
    uint64_t threads = p->tables.threads_len ? p->tables.threads_len : 1;
    uint64_t span = set->len ? set->time_ns[set->len - 1] - set->time_ns[0] : 0;
    return span * threads * 4 / (set->len + 1) + 1;
}

/* ---- lanes ---- */

static struct lane *lane_new(uint32_t thread)
{
    struct lane *l = calloc(1, sizeof(*l));
    if (l)
        l->thread = thread;
    return l;
}

static void lane_free(struct lane *l)
{
    for (size_t i = 0; i < l->rows_len; i++)
        time_row_free(&l->rows[i]);
    free(l->rows);
    free(l->path);
    free(l->since);
    free(l);
}

static enum status lane_find(struct walk *w, uint32_t thread, struct lane **out)
{
    if (thread >= w->threads)
        thread = 0;
    if (!w->lane_of[thread]) {
        if (!array_reserve(&w->lanes, &w->cap_lanes, w->lanes_len + 1))
            return STATUS_NO_MEMORY;
        w->lane_of[thread] = lane_new(thread);
        if (!w->lane_of[thread])
            return STATUS_NO_MEMORY;
        w->lanes[w->lanes_len++] = w->lane_of[thread];
    }
    *out = w->lane_of[thread];
    return STATUS_OK;
}

static bool lane_room(struct lane *l, size_t depth)
{
    size_t rows = l->rows_len;
    if (!array_reserve(&l->path, &l->cap_path, depth + 1) ||
        !array_reserve(&l->since, &l->cap_since, depth + 1) ||
        !array_reserve(&l->rows, &l->cap_rows, depth + 1))
        return false;
    if (depth + 1 > rows) {
        memset(l->rows + rows, 0, (depth + 1 - rows) * sizeof(*l->rows));
        l->rows_len = depth + 1;
    }
    return true;
}

/* Ends the boxes below `depth` at `end`. */
static enum status lane_close(struct walk *w, struct lane *l, size_t depth, uint64_t end)
{
    enum status st = STATUS_OK;
    for (size_t d = l->depth; d > depth && st == STATUS_OK; d--)
        st = time_row_add(&l->rows[d], w->cutoff, l->since[d], end, w->tree->function[l->path[d]],
                          &w->left);
    l->depth = depth;
    return st;
}

/* Nothing is known from `end` on. */
static enum status lane_interrupt(struct walk *w, struct lane *l)
{
    if (!l->is_open)
        return STATUS_OK;
    enum status st = lane_close(w, l, 0, l->end);
    if (st == STATUS_OK)
        st = time_row_add(&l->rows[0], w->cutoff, l->since[0], l->end, (uint32_t)NAMES_ROOT,
                          &w->left);
    l->is_open = false;
    return st;
}

static enum status lane_go(struct walk *w, struct lane *l, uint32_t node, uint64_t begin)
{
    size_t depth = w->depth[node];
    while (w->max_depth && depth > w->max_depth) {
        node = w->tree->parent[node];
        depth--;
        w->is_cut = true;
    }
    if (l->is_open && l->depth == depth && l->path[depth] == node)
        return STATUS_OK;
    if (!lane_room(l, depth))
        return STATUS_NO_MEMORY;
    if (!l->is_open) {
        l->is_open = true;
        l->depth = 0;
        l->path[0] = 0;
        l->since[0] = begin;
    }
    /* The part of the new path that is not the old one's, from its end. */
    size_t common = depth;
    uint32_t at = node;
    while (common > 0 && (common > l->depth || l->path[common] != at)) {
        at = w->tree->parent[at];
        common--;
    }
    enum status st = lane_close(w, l, common, begin);
    for (size_t d = depth; d > common; d--) {
        l->path[d] = node;
        l->since[d] = begin;
        node = w->tree->parent[node];
    }
    l->depth = depth;
    return st;
}

/* ---- the walk over the samples ---- */

/* How long a sample lasted. */
static uint64_t lasts_of(const struct walk *w, size_t row)
{
    int64_t told = w->weight ? w->weight[row] : (int64_t)w->same_ns;
    return w->most_ns ? w->most_ns : told > 0 ? (uint64_t)told : 0;
}

static void span_of(const struct walk *w, const struct lane *l, size_t row, uint64_t *begin,
                    uint64_t *end)
{
    uint64_t t = w->set->time_ns[row];
    uint64_t lasts = lasts_of(w, row);
    *begin = w->ends_at_time ? (t > lasts ? t - lasts : 0) : t;
    *end = w->ends_at_time ? t : t > UINT64_MAX - lasts ? UINT64_MAX : t + lasts;
    if (*begin < w->from)
        *begin = w->from;
    if (*end > w->end)
        *end = w->end;
    /* Clocks are read one after another: a little overlap belongs to the sample before. */
    if (!w->most_ns && l->is_open && *begin < l->end)
        *begin = l->end;
}

static enum status take_sample(struct walk *w, size_t row)
{
    uint32_t node = w->node_of_stack[w->set->stack[row]];
    if (w->to)
        node = w->to[node];
    if (node == (uint32_t)RESHAPE_OUTSIDE)
        return STATUS_OK;
    struct lane *l;
    enum status st = lane_find(w, w->set->thread ? w->set->thread[row] : 0, &l);
    if (st != STATUS_OK)
        return st;
    uint64_t begin;
    uint64_t end;
    span_of(w, l, row, &begin, &end);
    uint64_t t = w->set->time_ns[row];
    l->samples += end > begin || (t >= w->from && t < w->end);
    if (end <= begin)
        return STATUS_OK;
    if (l->is_open && begin < l->end) { /* guessed too long: the next one cuts it short */
        l->covered_ns -= l->end - begin;
        l->end = begin;
    }
    if (l->is_open && begin > l->end)
        st = lane_interrupt(w, l);
    if (st == STATUS_OK)
        st = lane_go(w, l, node, begin);
    l->end = end;
    l->covered_ns += end - begin;
    return st;
}

static enum status walk_rows(struct walk *w, struct query_cache *cache,
                             const struct query_filter *f)
{
    struct filter_rows rows;
    bool is_ordered;
    struct query_filter wide = *f;
    uint64_t slack = w->most_ns > LEAST_SLACK_NS ? w->most_ns : LEAST_SLACK_NS;
    wide.from_ns = f->from_ns > slack ? f->from_ns - slack : 0;
    wide.to_ns = f->to_ns < UINT64_MAX - slack ? f->to_ns + slack : UINT64_MAX;
    enum status st = query_cache_order(cache, w->p, (uint32_t)(w->set - w->p->sets), &is_ordered);
    if (st == STATUS_OK)
        st = filter_rows_init(&rows, w->p, w->set, is_ordered, &wide);
    if (st != STATUS_OK)
        return st;
    for (size_t i = rows.begin; i < rows.end && st == STATUS_OK; i++) {
        if (filter_rows_pass(&rows, i))
            st = take_sample(w, i);
    }
    filter_rows_deinit(&rows);
    for (size_t i = 0; i < w->lanes_len && st == STATUS_OK; i++) {
        st = lane_interrupt(w, w->lanes[i]);
        for (size_t r = 0; r < w->lanes[i]->rows_len && st == STATUS_OK; r++)
            st = time_row_finish(&w->lanes[i]->rows[r], &w->left);
    }
    return st;
}

/* ---- into columns ---- */

static int by_samples(const void *a, const void *b)
{
    const struct lane *x = *(struct lane *const *)a;
    const struct lane *y = *(struct lane *const *)b;
    if (x->samples != y->samples)
        return x->samples > y->samples ? -1 : 1;
    return x->thread < y->thread ? -1 : x->thread > y->thread;
}

static int by_thread(const void *a, const void *b)
{
    const struct lane *x = *(struct lane *const *)a;
    const struct lane *y = *(struct lane *const *)b;
    return x->thread < y->thread ? -1 : x->thread > y->thread;
}

static void put_row(struct flame *f, const struct time_row *r, const struct walk *w,
                    uint64_t unit_ns)
{
    uint32_t last = 0;
    for (size_t i = 0; i < r->len; i++) {
        const struct time_box *b = &r->items[i];
        uint32_t x0 = (uint32_t)((b->begin - w->from) / unit_ns);
        uint32_t x1 = (uint32_t)((b->end - w->from) / unit_ns);
        if (x0 < last)
            x0 = last;
        if (x1 <= x0)
            continue; /* less than the columns can tell */
        size_t at = f->nodes++;
        f->x0[at] = x0;
        f->x1[at] = x1;
        f->function[at] = b->function;
        f->flags[at] = b->flags;
        last = x1;
    }
    f->row_start[++f->rows_len] = f->nodes;
}

static enum status put_lanes(struct flame *f, struct walk *w, struct timeline_head *head)
{
    size_t rows = 0;
    size_t boxes = 0;
    if (w->lanes_len > 1)
        qsort(w->lanes, w->lanes_len, sizeof(w->lanes[0]), by_samples);
    size_t lanes = w->lanes_len < TIMELINE_MAX_LANES ? w->lanes_len : TIMELINE_MAX_LANES;
    head->lanes_left_out = w->lanes_len - lanes;
    if (lanes > 1)
        qsort(w->lanes, lanes, sizeof(w->lanes[0]), by_thread);
    for (size_t i = 0; i < lanes; i++) {
        rows += w->lanes[i]->rows_len;
        for (size_t r = 0; r < w->lanes[i]->rows_len; r++)
            boxes += w->lanes[i]->rows[r].len;
    }
    if (rows > MAX_ROWS)
        return STATUS_TOO_LARGE;
    f->row_start = calloc(rows + 1, sizeof(*f->row_start));
    size_t n = boxes ? boxes : 1;
    f->x0 = malloc(n * sizeof(*f->x0));
    f->x1 = malloc(n * sizeof(*f->x1));
    f->function = malloc(n * sizeof(*f->function));
    f->flags = malloc(n * sizeof(*f->flags));
    if (!f->row_start || !f->x0 || !f->x1 || !f->function || !f->flags)
        return STATUS_NO_MEMORY;
    uint64_t unit_ns = (w->end - w->from) / UINT32_MAX + 1;
    f->scale = (double)unit_ns;
    f->total = (double)(w->end - w->from);
    for (size_t i = 0; i < lanes; i++) {
        const struct lane *l = w->lanes[i];
        f->samples += l->samples;
        for (size_t r = 0; r < l->rows_len; r++)
            put_row(f, &l->rows[r], w, unit_ns);
        head->lanes[head->lanes_len++] = (struct timeline_lane){
            .thread = l->thread,
            .rows = l->rows_len,
            .samples = l->samples,
            .covered_ns = l->covered_ns,
        };
    }
    return STATUS_OK;
}

static enum status number_depths(struct walk *w)
{
    w->depth = malloc(w->tree->len * sizeof(*w->depth));
    if (!w->depth)
        return STATUS_NO_MEMORY;
    w->depth[0] = 0;
    for (size_t i = 1; i < w->tree->len; i++)
        w->depth[i] = w->depth[w->tree->parent[i]] + 1;
    return STATUS_OK;
}

static enum status build(struct flame *f, struct walk *w, struct query_cache *cache,
                         const struct query_filter *filter)
{
    struct reshape shaped = {0};
    enum status st = query_cache_update(cache, w->p);
    w->tree = &cache->tree;
    w->node_of_stack = cache->node_of_stack;
    if (st == STATUS_OK && reshape_is_needed(filter)) {
        st = reshape_init(&shaped, &cache->tree, w->p, filter);
        w->tree = &shaped.tree;
        w->to = shaped.to;
    }
    w->threads = w->p->tables.threads_len ? w->p->tables.threads_len : 1;
    w->lane_of = calloc(w->threads, sizeof(struct lane *));
    if (st == STATUS_OK)
        st = w->lane_of ? number_depths(w) : STATUS_NO_MEMORY;
    if (st == STATUS_OK)
        st = walk_rows(w, cache, filter);
    if (st == STATUS_OK)
        st = put_lanes(f, w, f->in_time);
    f->groups = shaped.groups;
    shaped.groups = (struct groups){0};
    for (size_t i = 0; i < w->lanes_len; i++)
        lane_free(w->lanes[i]);
    free(w->lanes);
    free(w->lane_of);
    free(w->depth);
    if (shaped.to)
        reshape_deinit(&shaped);
    w->tree = NULL; /* it was the reshaped one's, or the cache's */
    w->to = NULL;
    return st;
}

/* To the end of the last sample, which may be later than the last thing seen. */
static void choose_window(struct walk *w, const struct query_filter *f)
{
    uint64_t whole = w->p->duration_ns > 0 ? w->p->duration_ns : 1;
    size_t n = w->set->len;
    if (n > 0 && !w->ends_at_time && !w->most_ns) {
        uint64_t last = w->set->time_ns[n - 1];
        uint64_t lasts = lasts_of(w, n - 1);
        if (lasts < UINT64_MAX - last && last + lasts > whole)
            whole = last + lasts;
    }
    w->from = f->has_from && f->from_ns < whole ? f->from_ns : 0;
    w->end = f->has_to && f->to_ns > w->from && f->to_ns < whole ? f->to_ns : whole;
}

enum status timeline_build(struct flame *out, const struct profile *p, struct query_cache *cache,
                           const struct query_filter *filter,
                           const struct timeline_options *options, struct error *err)
{
    struct query_cache *own = NULL;
    struct walk w = {.p = p, .set = choose_set(p, filter), .max_depth = options->max_depth};
    if (!w.set)
        return error_set(err, STATUS_UNSUPPORTED,
                         "this profile does not say when its samples were taken");
    struct flame f = {.in_time = calloc(1, sizeof(*f.in_time))};
    if (!cache)
        cache = own = query_cache_new();
    enum status st = f.in_time && cache ? STATUS_OK : STATUS_NO_MEMORY;
    if (st == STATUS_OK) {
        size_t pixels = options->pixels ? options->pixels : USUAL_PIXELS;
        w.left = FLAME_MAX_NODES;
        find_weight(&w);
        w.most_ns = w.weight || w.same_ns ? 0 : guess_most(p, w.set);
        w.ends_at_time =
            !w.most_ns && strcmp(strtab_text(&p->tables.strings, p->format), "heliograph") == 0;
        choose_window(&w, filter);
        w.cutoff = (w.end - w.from) / pixels;
        f.in_time->cutoff_ns = w.cutoff;
        f.in_time->assumed_ns = w.most_ns;
        f.value = (struct query_value){.name = "time", .unit = "ns", .set_name = ""};
        f.from_s = (double)w.from / 1e9;
        f.to_s = (double)w.end / 1e9;
        st = build(&f, &w, cache, filter);
        f.truncated_depth = w.is_cut;
    }
    query_cache_free(own);
    if (st != STATUS_OK) {
        flame_free(&f);
        return st == STATUS_TOO_LARGE
                   ? error_set(err, st, "too many boxes: ask for fewer threads or pixels")
                   : error_set(err, st, "no memory for the picture");
    }
    *out = f;
    return STATUS_OK;
}
