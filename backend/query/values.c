#include "backend/query/values.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/query/heap_values.h"
#include "common/base/array.h"
#include "common/base/buf.h"

static const char *text_of(const struct profile *p, uint32_t string)
{
    return strtab_text(&p->tables.strings, string);
}

static bool is_same_text(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

/* How many value types of all sets have this name. */
static size_t count_named(const struct profile *p, const char *name)
{
    size_t n = 0;
    for (size_t s = 0; s < p->sets_len; s++) {
        for (size_t c = 0; c < p->sets[s].values_len; c++) {
            if (is_same_text(text_of(p, p->sets[s].types[c].name), name))
                n++;
        }
    }
    return n + (p->call_graph.rows_len > 0 && is_same_text(name, "time"));
}

static char *make_key(const struct profile *p, const char *set_name, const char *name)
{
    bool is_shared = *set_name && count_named(p, name) > 1;
    size_t size = strlen(set_name) + strlen(name) + 2;
    char *key = malloc(size);
    if (key)
        snprintf(key, size, "%s%s%s", is_shared ? set_name : "", is_shared ? "." : "", name);
    return key;
}

static enum status add(struct query_values *out, size_t *cap, struct query_value v, char *key)
{
    if (!key || !array_reserve(&out->items, cap, out->len + 1)) {
        free(key);
        return STATUS_NO_MEMORY;
    }
    v.key = key;
    out->items[out->len++] = v;
    return STATUS_OK;
}

/* When a block that was freed had been allocated: what questions about windows of time need
 * (docs/memory.md), not a number to draw. */
static bool is_inner(const char *set_name, const char *name)
{
    return is_same_text(set_name, "heap") && is_same_text(name, "born");
}

static enum status add_derived(struct query_values *out, size_t *cap, const struct profile *p,
                               uint32_t set)
{
    static const struct {
        const char *name;
        enum query_derived derived;
    } rows[] = {{"in_use", QUERY_IN_USE}, {"leaked", QUERY_LEAKED}, {"peak", QUERY_AT_PEAK}};
    struct heap_columns columns;
    enum status st = STATUS_OK;
    if (!heap_columns_find(p, set, &columns))
        return STATUS_OK;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]) && st == STATUS_OK; i++) {
        struct query_value v = {
            .source = QUERY_SAMPLES,
            .derived = rows[i].derived,
            .set = set,
            .column = columns.allocated,
            .set_name = text_of(p, p->sets[set].name),
            .name = rows[i].name,
            .unit = "bytes",
        };
        st = add(out, cap, v, make_key(p, v.set_name, v.name));
    }
    return st;
}

/* Programs without Python, and collectors that do not look, have nothing under the name. */
static bool is_idle_gil(const struct sample_set *set, size_t column, const char *name)
{
    return is_same_text(name, "gil") && !set->values[column].value &&
           set->values[column].constant == 0;
}

static enum status add_sets(struct query_values *out, size_t *cap, const struct profile *p)
{
    enum status st = STATUS_OK;
    for (size_t s = 0; s < p->sets_len && st == STATUS_OK; s++) {
        const struct sample_set *set = &p->sets[s];
        for (size_t c = 0; c < set->values_len && st == STATUS_OK; c++) {
            struct query_value v = {
                .source = QUERY_SAMPLES,
                .set = (uint32_t)s,
                .column = (uint32_t)c,
                .set_name = text_of(p, set->name),
                .name = text_of(p, set->types[c].name),
                .unit = text_of(p, set->types[c].unit),
            };
            if (!is_inner(v.set_name, v.name) && !is_idle_gil(set, c, v.name))
                st = add(out, cap, v, make_key(p, v.set_name, v.name));
        }
        if (st == STATUS_OK)
            st = add_derived(out, cap, p, (uint32_t)s);
    }
    return st;
}

/* For how long threads had work to do: the wall time of the samples in which they ran, from at
 * most a few thousand rows evenly apart. Not their CPU time, which is small on a busy machine,
 * whatever the program does. */
static double rough_busy_ns(const struct sample_set *set, size_t wall)
{
    enum { LOOKS = 4096 };
    if (!set->state || set->len == 0)
        return 0;
    const int64_t *value = set->values[wall].value;
    size_t step = set->len / LOOKS + 1;
    double sum = 0;
    size_t looked = 0;
    for (size_t i = 0; i < set->len; i += step, looked++) {
        if (set->state[i] & WIRE_ON_CPU)
            sum += (double)(value ? value[i] : set->values[wall].constant);
    }
    return sum / (double)looked * (double)set->len;
}

static struct query_value *find_key(struct query_values *list, const char *key)
{
    for (size_t i = 0; i < list->len; i++) {
        if (list->items[i].source == QUERY_SAMPLES && is_same_text(list->items[i].key, key))
            return &list->items[i];
    }
    return NULL;
}

/* Who recorded those on a CPU or those with the GIL wants to see that. Otherwise: threads that only
 * wait would fill the picture of a busy program: one that had work to do for half of the time or
 * more is shown by its CPU time first, one that mostly waits by the wall clock. What another tool
 * recorded keeps that tool's order. */
static void put_default_first(const struct profile *p, struct query_values *list)
{
    if (p->format && !is_same_text(text_of(p, p->format), "heliograph"))
        return;
    const char *mode = text_of(p, p->mode);
    struct query_value *wall = find_key(list, "wall");
    struct query_value *wanted = find_key(list, is_same_text(mode, "gil") ? "gil" : "cpu");
    if (!wall || !wanted || wall != list->items)
        return;
    bool is_asked = is_same_text(mode, "gil") || is_same_text(mode, "cpu");
    if (is_asked ||
        rough_busy_ns(&p->sets[wall->set], wall->column) * 2 >= (double)p->duration_ns) {
        struct query_value first = *wanted;
        *wanted = *wall;
        *wall = first;
    }
}

enum status query_values_list(const struct profile *p, struct query_values *out)
{
    struct query_values list = {0};
    size_t cap = 0;
    enum status st = STATUS_OK;
    if (p->call_graph.rows_len > 0) {
        const char *unit = text_of(p, p->call_graph.unit);
        bool is_time = query_unit_seconds(unit) > 0 || !*unit;
        struct query_value v = {
            .source = QUERY_CALL_GRAPH,
            .set_name = "",
            .name = is_time ? "time" : unit,
            .unit = *unit ? unit : "s",
        };
        st = add(&list, &cap, v, make_key(p, "", v.name));
    }
    if (st == STATUS_OK)
        st = add_sets(&list, &cap, p);
    if (st == STATUS_OK && p->lines_len > 0 && p->call_graph.rows_len == 0) {
        bool has_time = false;
        bool has_memory = false;
        for (size_t i = 0; i < p->lines_len; i++) {
            has_time |= !isnan(p->lines[i].time_s);
            has_memory |= !isnan(p->lines[i].increment_bytes);
        }
        struct query_value v = {.source = QUERY_LINES, .set_name = ""};
        v.name = has_time || !has_memory ? "time" : "increment";
        v.unit = has_time || !has_memory ? "s" : "bytes";
        st = add(&list, &cap, v, make_key(p, "lines", v.name));
    }
    if (st != STATUS_OK) {
        query_values_free(&list);
        return st;
    }
    put_default_first(p, &list);
    *out = list;
    return STATUS_OK;
}

void query_values_free(struct query_values *v)
{
    for (size_t i = 0; i < v->len; i++)
        free(v->items[i].key);
    free(v->items);
    *v = (struct query_values){0};
}

static enum status say_unknown(const struct query_values *list, const char *key, struct error *err)
{
    struct buf known;
    buf_init(&known, 300);
    for (size_t i = 0; i < list->len; i++)
        buf_printf(&known, "%s%s", i ? ", " : "", list->items[i].key);
    buf_put_byte(&known, 0);
    enum status st =
        list->len == 0
            ? error_set(err, STATUS_UNSUPPORTED, "this profile has no stacks, calls or lines")
            : error_set(err, STATUS_NOT_FOUND, "no value \"%.80s\" in this profile; there is: %s",
                        key, known.failed ? "too many to list" : (const char *)known.data);
    buf_deinit(&known);
    return st;
}

enum status query_value_find(const struct profile *p, const char *key, struct query_value *out,
                             struct error *err)
{
    struct query_values list;
    if (query_values_list(p, &list) != STATUS_OK)
        return error_set(err, STATUS_NO_MEMORY, "no memory for the list of values");
    enum status st = STATUS_NOT_FOUND;
    bool is_any = !key || !*key;
    for (size_t i = 0; i < list.len && st != STATUS_OK; i++) {
        const struct query_value *v = &list.items[i];
        char full[256];
        snprintf(full, sizeof(full), "%s.%s", v->set_name, v->name);
        if (is_any || is_same_text(v->key, key) || is_same_text(full, key)) {
            *out = *v;
            out->key = NULL;
            st = STATUS_OK;
        }
    }
    if (st != STATUS_OK)
        st = say_unknown(&list, key ? key : "", err);
    query_values_free(&list);
    return st;
}

static double samples_total(const struct sample_set *set, size_t column)
{
    if (!set->values[column].value)
        return (double)set->values[column].constant * (double)set->len;
    int64_t sum = 0;
    for (size_t i = 0; i < set->len; i++) {
        int64_t v = set->values[column].value[i];
        if (__builtin_add_overflow(sum, v, &sum))
            sum = v > 0 ? INT64_MAX : INT64_MIN;
    }
    return (double)sum;
}

double query_value_total(const struct profile *p, const struct query_value *v)
{
    double total = 0;
    switch (v->source) {
    case QUERY_SAMPLES:
        if (v->derived)
            return heap_value_total(p, v);
        return samples_total(&p->sets[v->set], v->column);
    case QUERY_CALL_GRAPH:
        for (size_t i = 0; i < p->call_graph.rows_len; i++)
            total += p->call_graph.rows[i].self;
        return total;
    case QUERY_LINES:
        for (size_t i = 0; i < p->lines_len; i++) {
            double x =
                query_unit_seconds(v->unit) > 0 ? p->lines[i].time_s : p->lines[i].increment_bytes;
            total += isnan(x) ? 0 : x;
        }
        return total;
    }
    return total;
}

double query_units_per_second(const char *unit)
{
    static const struct {
        const char *name;
        double per_second;
    } units[] = {
        {"s", 1},    {"seconds", 1},        {"ms", 1e3}, {"milliseconds", 1e3},
        {"us", 1e6}, {"microseconds", 1e6}, {"ns", 1e9}, {"nanoseconds", 1e9},
    };
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (is_same_text(unit, units[i].name))
            return units[i].per_second;
    }
    return 0;
}

double query_unit_seconds(const char *unit)
{
    double per_second = query_units_per_second(unit);
    return per_second > 0 ? 1 / per_second : 0;
}
