#include "backend/query/lines.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backend/query/merge.h"
#include "backend/query/names.h"
#include "common/base/array.h"
#include "common/base/map.h"

/* Which functions are asked for. */
struct wanted {
    const struct profile *p;
    uint32_t function, file; /* file 0 = by function */
};

static bool is_wanted(const struct wanted *w, uint32_t function)
{
    if (w->file)
        return w->p->tables.functions[function].file == w->file;
    return function == w->function;
}

static bool find_file(const struct profile *p, const char *file, uint32_t *id)
{
    size_t len = strlen(file);
    for (uint32_t i = 1; i < p->tables.strings.len; i++) {
        if (strtab_len(&p->tables.strings, i) == len &&
            memcmp(strtab_text(&p->tables.strings, i), file, len) == 0) {
            *id = i;
            return true;
        }
    }
    return false;
}

/* Sums by line, or by the part of a line. */
struct line_sums {
    bool is_ranges;
    struct map by_place; /* hash of the place -> row */
    struct lines_row *rows;
    size_t len, cap;
    int64_t *self, *total;
    size_t cap_self, cap_total;
};

static void sums_deinit(struct line_sums *s)
{
    map_deinit(&s->by_place);
    free(s->rows);
    free(s->self);
    free(s->total);
}

static struct lines_row place_of(const struct line_sums *s, const struct wire_frame *f)
{
    struct lines_row row = {
        .line = f->line, .time_s = NAN, .memory_bytes = NAN, .increment_bytes = NAN};
    if (s->is_ranges) {
        row.column = f->column;
        row.end_line = f->end_line;
        row.end_column = f->end_column;
    }
    return row;
}

static bool is_same_place(const struct lines_row *a, const struct lines_row *b)
{
    return a->line == b->line && a->column == b->column && a->end_line == b->end_line &&
           a->end_column == b->end_column;
}

static enum status row_of(struct line_sums *s, const struct wire_frame *frame, uint32_t *row)
{
    struct lines_row place = place_of(s, frame);
    uint64_t key =
        map_mix(map_pair(place.line, place.column)) ^ map_pair(place.end_line, place.end_column);
    for (const uint32_t *found; (found = map_find(&s->by_place, key)); key++) {
        if (is_same_place(&s->rows[*found], &place)) {
            *row = *found;
            return STATUS_OK;
        }
    }
    size_t n = s->len + 1;
    if (!array_reserve(&s->rows, &s->cap, n) || !array_reserve(&s->self, &s->cap_self, n) ||
        !array_reserve(&s->total, &s->cap_total, n) ||
        !map_put(&s->by_place, key, (uint32_t)s->len))
        return STATUS_NO_MEMORY;
    *row = (uint32_t)s->len++;
    s->rows[*row] = place;
    s->self[*row] = s->total[*row] = 0;
    return STATUS_OK;
}

/* ---- samples ---- */

/* A place is counted once for each stack: not where it stands further out already. `near` gives
 * the next wanted stack outward, 0 = none. */
static bool is_place_outside(const struct line_sums *s, const struct tables *t,
                             const uint32_t *near, uint32_t stack)
{
    struct lines_row place = place_of(s, &t->frames[t->stacks[stack].frame]);
    for (uint32_t up = near[stack]; up; up = near[up]) {
        struct lines_row outer = place_of(s, &t->frames[t->stacks[up].frame]);
        if (is_same_place(&place, &outer))
            return true;
    }
    return false;
}

static enum status add_stack(struct line_sums *s, const struct tables *t, const uint32_t *near,
                             uint32_t stack, int64_t self, int64_t total)
{
    const struct wire_frame *frame = &t->frames[t->stacks[stack].frame];
    if (s->is_ranges && (frame->column == 0 || frame->end_column == 0))
        return STATUS_OK;
    uint32_t row;
    enum status st = row_of(s, frame, &row);
    if (st != STATUS_OK)
        return st;
    merge_add(&s->self[row], self);
    if (!is_place_outside(s, t, near, stack))
        merge_add(&s->total[row], total);
    return STATUS_OK;
}

static enum status add_stacks(struct line_sums *lines, struct line_sums *ranges,
                              const struct wanted *w, const struct stack_sums *sums)
{
    const struct tables *t = &w->p->tables;
    int64_t *total = malloc(t->stacks_len * sizeof(*total));
    uint32_t *near = calloc(t->stacks_len, sizeof(*near));
    enum status st = total && near ? STATUS_OK : STATUS_NO_MEMORY;
    if (st == STATUS_OK) {
        memcpy(total, sums->self, t->stacks_len * sizeof(*total));
        for (size_t i = t->stacks_len - 1; i > 0; i--)
            merge_add(&total[t->stacks[i].parent], total[i]);
    }
    for (uint32_t i = 1; i < t->stacks_len && st == STATUS_OK; i++) {
        uint32_t parent = t->stacks[i].parent;
        bool is_parent = parent && is_wanted(w, t->frames[t->stacks[parent].frame].function);
        near[i] = is_parent ? parent : near[parent];
        if (!is_wanted(w, t->frames[t->stacks[i].frame].function) || total[i] == 0)
            continue;
        st = add_stack(lines, t, near, i, sums->self[i], total[i]);
        if (st == STATUS_OK)
            st = add_stack(ranges, t, near, i, sums->self[i], total[i]);
    }
    free(total);
    free(near);
    return st;
}

static bool is_in_order(const struct sample_set *set)
{
    for (size_t i = 1; set->time_ns && i < set->len; i++) {
        if (set->time_ns[i] < set->time_ns[i - 1])
            return false;
    }
    return true;
}

static void take_sums(struct line_sums *s)
{
    for (size_t i = 0; i < s->len; i++) {
        s->rows[i].self = (double)s->self[i];
        s->rows[i].total = (double)s->total[i];
    }
}

static enum status add_samples(struct line_sums *lines, struct line_sums *ranges,
                               const struct wanted *w, const struct query_value *value,
                               const struct query_filter *filter)
{
    struct stack_sums sums;
    bool is_ordered = is_in_order(&w->p->sets[value->set]);
    enum status st = stack_sums_init(&sums, w->p, is_ordered, value, filter);
    if (st != STATUS_OK)
        return st;
    st = add_stacks(lines, ranges, w, &sums);
    stack_sums_deinit(&sums);
    take_sums(lines);
    take_sums(ranges);
    return st;
}

/* ---- line hits ---- */

/* A sum in which what is not known stays unknown. */
static void add_known(double *sum, double x)
{
    if (!isnan(x))
        *sum = isnan(*sum) ? x : *sum + x;
}

static enum status add_hits(struct line_sums *s, const struct wanted *w)
{
    enum status st = STATUS_OK;
    for (size_t i = 0; i < w->p->lines_len && st == STATUS_OK; i++) {
        const struct line_row *h = &w->p->lines[i];
        if (!is_wanted(w, h->function))
            continue;
        uint32_t at;
        st = row_of(s, &(struct wire_frame){.line = h->line}, &at);
        if (st != STATUS_OK)
            break;
        struct lines_row *row = &s->rows[at];
        row->has_hits = true;
        row->hits += h->hits;
        add_known(&row->time_s, h->time_s);
        add_known(&row->increment_bytes, h->increment_bytes);
        /* Memory seen at a line is a level, not an amount: the highest stands. */
        if (isnan(row->memory_bytes) || h->memory_bytes > row->memory_bytes)
            row->memory_bytes = h->memory_bytes;
    }
    return st;
}

/* By where it begins; what holds others comes before them. */
static int by_place(const void *a, const void *b)
{
    const struct lines_row *x = a;
    const struct lines_row *y = b;
    const uint32_t pairs[][2] = {{x->line, y->line},
                                 {x->column, y->column},
                                 {y->end_line, x->end_line},
                                 {y->end_column, x->end_column}};
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        if (pairs[i][0] != pairs[i][1])
            return pairs[i][0] < pairs[i][1] ? -1 : 1;
    }
    return 0;
}

/* Hands over the rows, in order. */
static void take_rows(struct line_sums *s, struct lines_row **rows, size_t *len)
{
    if (s->len > 1)
        qsort(s->rows, s->len, sizeof(*s->rows), by_place);
    *rows = s->rows;
    *len = s->len;
    s->rows = NULL;
}

enum status lines_build(struct lines *out, const struct profile *p,
                        const struct query_filter *filter, uint32_t function, const char *file,
                        struct error *err)
{
    struct wanted w = {.p = p, .function = function};
    if (file && !find_file(p, file, &w.file))
        return error_set(err, STATUS_NOT_FOUND, "no file \"%.200s\" in this profile", file);
    if (!file && function >= p->tables.functions_len)
        return error_set(err, STATUS_NOT_FOUND, "no function %u in this profile", function);
    struct lines l = {0};
    enum status st = query_value_find(p, filter->value, &l.value, err);
    if (st != STATUS_OK)
        return st;
    l.has_samples = l.value.source == QUERY_SAMPLES;
    struct line_sums sums = {0};
    struct line_sums ranges = {.is_ranges = true};
    map_init(&sums.by_place);
    map_init(&ranges.by_place);
    if (l.has_samples)
        st = add_samples(&sums, &ranges, &w, &l.value, filter);
    if (st == STATUS_OK)
        st = add_hits(&sums, &w);
    if (st == STATUS_OK) {
        take_rows(&sums, &l.rows, &l.len);
        take_rows(&ranges, &l.ranges, &l.ranges_len);
        *out = l;
    }
    sums_deinit(&sums);
    sums_deinit(&ranges);
    return st == STATUS_OK ? st : error_set(err, st, "no memory for the lines");
}

void lines_free(struct lines *l)
{
    free(l->rows);
    free(l->ranges);
    *l = (struct lines){0};
}

static void known(struct json_out *j, const char *key, double value)
{
    if (isnan(value))
        return;
    json_put_f64(j, key, value);
}

/* The parts of one line, from `*at` on. */
static void put_ranges(struct json_out *j, const struct lines *l, uint32_t line, size_t *at)
{
    while (*at < l->ranges_len && l->ranges[*at].line < line)
        ++*at;
    if (*at == l->ranges_len || l->ranges[*at].line != line)
        return;
    json_out_key(j, "ranges");
    json_out_array(j);
    for (; *at < l->ranges_len && l->ranges[*at].line == line; ++*at) {
        const struct lines_row *r = &l->ranges[*at];
        json_out_object(j);
        json_put_u64(j, "column", r->column);
        json_put_u64(j, "end_line", r->end_line);
        json_put_u64(j, "end_column", r->end_column);
        known(j, "self", r->self);
        known(j, "total", r->total);
        json_out_end(j);
    }
    json_out_end(j);
}

enum status lines_write_json(const struct lines *l, uint64_t revision, struct buf *out)
{
    size_t range = 0;
    struct json_out j;
    json_out_init(&j, out);
    json_out_object(&j);
    json_put_u64(&j, "rev", revision);
    json_out_key(&j, "unit");
    json_out_text(&j, l->value.unit);
    json_out_key(&j, "lines");
    json_out_array(&j);
    for (size_t i = 0; i < l->len; i++) {
        const struct lines_row *r = &l->rows[i];
        json_out_object(&j);
        json_put_u64(&j, "line", r->line);
        known(&j, "self", l->has_samples ? r->self : (double)NAN);
        known(&j, "total", l->has_samples ? r->total : (double)NAN);
        if (r->has_hits) {
            json_put_u64(&j, "hits", r->hits);
        }
        known(&j, "time_s", r->time_s);
        known(&j, "memory_bytes", r->memory_bytes);
        known(&j, "increment_bytes", r->increment_bytes);
        put_ranges(&j, l, r->line, &range);
        json_out_end(&j);
    }
    json_out_end(&j);
    json_out_end(&j);
    return buf_status(out);
}

/* ---- source ---- */

enum status source_write_json(const struct profile *p, uint32_t function, const char *file,
                              struct buf *out, struct error *err)
{
    uint32_t id = 0;
    if (file) {
        if (!find_file(p, file, &id))
            return error_set(err, STATUS_NOT_FOUND, "no file \"%.200s\" in this profile", file);
    } else if (function < p->tables.functions_len) {
        id = p->tables.functions[function].file;
    } else {
        return error_set(err, STATUS_NOT_FOUND, "no function %u in this profile", function);
    }
    for (size_t i = 0; i < p->sources_len; i++) {
        if (p->sources[i].file != id)
            continue;
        struct json_out j;
        json_out_init(&j, out);
        json_out_object(&j);
        json_put_string(&j, "file", strtab_text(&p->tables.strings, id),
                        strtab_len(&p->tables.strings, id));
        json_put_u64(&j, "first_line", 1);
        json_put_string(&j, "text", strtab_text(&p->tables.strings, p->sources[i].text),
                        strtab_len(&p->tables.strings, p->sources[i].text));
        json_out_end(&j);
        return buf_status(out);
    }
    return error_set(err, STATUS_NOT_FOUND, "the profile does not hold the text of \"%.200s\"",
                     strtab_text(&p->tables.strings, id));
}
