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

struct line_sums {
    struct map by_line; /* line -> row */
    struct lines *out;
    size_t cap;
    int64_t *self, *total;
    size_t cap_self, cap_total;
};

static enum status row_of(struct line_sums *s, uint32_t line, uint32_t *row)
{
    uint32_t *found = map_find(&s->by_line, line);
    if (found) {
        *row = *found;
        return STATUS_OK;
    }
    size_t n = s->out->len + 1;
    if (!array_reserve(&s->out->rows, &s->cap, n) || !array_reserve(&s->self, &s->cap_self, n) ||
        !array_reserve(&s->total, &s->cap_total, n) ||
        !map_put(&s->by_line, line, (uint32_t)s->out->len))
        return STATUS_NO_MEMORY;
    *row = (uint32_t)s->out->len++;
    s->out->rows[*row] = (struct lines_row){
        .line = line, .time_s = NAN, .memory_bytes = NAN, .increment_bytes = NAN};
    s->self[*row] = s->total[*row] = 0;
    return STATUS_OK;
}

/* ---- samples ---- */

/* The line is counted once for each stack: not where it stands further out already. `near` gives
 * the next wanted stack outward, 0 = none. */
static bool is_line_outside(const struct profile *p, const uint32_t *near, uint32_t stack)
{
    const struct tables *t = &p->tables;
    uint32_t line = t->frames[t->stacks[stack].frame].line;
    for (uint32_t up = near[stack]; up; up = near[up]) {
        if (t->frames[t->stacks[up].frame].line == line)
            return true;
    }
    return false;
}

static enum status add_stacks(struct line_sums *s, const struct wanted *w,
                              const struct stack_sums *sums)
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
        const struct wire_frame *frame = &t->frames[t->stacks[i].frame];
        if (!is_wanted(w, frame->function) || total[i] == 0)
            continue;
        uint32_t row;
        st = row_of(s, frame->line, &row);
        if (st != STATUS_OK)
            break;
        merge_add(&s->self[row], sums->self[i]);
        if (!is_line_outside(w->p, near, i))
            merge_add(&s->total[row], total[i]);
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

static enum status add_samples(struct line_sums *s, const struct wanted *w,
                               const struct query_filter *filter)
{
    struct stack_sums sums;
    bool is_ordered = is_in_order(&w->p->sets[s->out->value.set]);
    enum status st = stack_sums_init(&sums, w->p, is_ordered, &s->out->value, filter);
    if (st != STATUS_OK)
        return st;
    st = add_stacks(s, w, &sums);
    stack_sums_deinit(&sums);
    for (size_t i = 0; i < s->out->len; i++) {
        s->out->rows[i].self = (double)s->self[i];
        s->out->rows[i].total = (double)s->total[i];
    }
    s->out->has_samples = true;
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
        st = row_of(s, h->line, &at);
        if (st != STATUS_OK)
            break;
        struct lines_row *row = &s->out->rows[at];
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

static int by_line(const void *a, const void *b)
{
    const struct lines_row *x = a;
    const struct lines_row *y = b;
    return x->line < y->line ? -1 : x->line > y->line;
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
    struct line_sums s = {.out = &l};
    map_init(&s.by_line);
    if (l.value.source == QUERY_SAMPLES)
        st = add_samples(&s, &w, filter);
    if (st == STATUS_OK)
        st = add_hits(&s, &w);
    map_deinit(&s.by_line);
    free(s.self);
    free(s.total);
    if (st != STATUS_OK) {
        lines_free(&l);
        return error_set(err, st, "no memory for the lines");
    }
    if (l.len > 1)
        qsort(l.rows, l.len, sizeof(*l.rows), by_line);
    *out = l;
    return STATUS_OK;
}

void lines_free(struct lines *l)
{
    free(l->rows);
    *l = (struct lines){0};
}

static void known(struct json_out *j, const char *key, double value)
{
    if (isnan(value))
        return;
    json_out_key(j, key);
    json_out_f64(j, value);
}

enum status lines_write_json(const struct lines *l, uint64_t revision, struct buf *out)
{
    struct json_out j;
    json_out_init(&j, out);
    json_out_object(&j);
    json_out_key(&j, "rev");
    json_out_u64(&j, revision);
    json_out_key(&j, "unit");
    json_out_text(&j, l->value.unit);
    json_out_key(&j, "lines");
    json_out_array(&j);
    for (size_t i = 0; i < l->len; i++) {
        const struct lines_row *r = &l->rows[i];
        json_out_object(&j);
        json_out_key(&j, "line");
        json_out_u64(&j, r->line);
        known(&j, "self", l->has_samples ? r->self : (double)NAN);
        known(&j, "total", l->has_samples ? r->total : (double)NAN);
        if (r->has_hits) {
            json_out_key(&j, "hits");
            json_out_u64(&j, r->hits);
        }
        known(&j, "time_s", r->time_s);
        known(&j, "memory_bytes", r->memory_bytes);
        known(&j, "increment_bytes", r->increment_bytes);
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
        json_out_key(&j, "file");
        json_out_string(&j, strtab_text(&p->tables.strings, id),
                        strtab_len(&p->tables.strings, id));
        json_out_key(&j, "first_line");
        json_out_u64(&j, 1);
        json_out_key(&j, "text");
        json_out_string(&j, strtab_text(&p->tables.strings, p->sources[i].text),
                        strtab_len(&p->tables.strings, p->sources[i].text));
        json_out_end(&j);
        return buf_status(out);
    }
    return error_set(err, STATUS_NOT_FOUND, "the profile does not hold the text of \"%.200s\"",
                     strtab_text(&p->tables.strings, id));
}
