#include "backend/query/stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backend/query/names.h"
#include "backend/query/stats_memory.h"
#include "backend/query/stats_parts.h"
#include "backend/query/table.h"
#include "common/base/json_out.h"

static const char *text_of(const struct profile *p, uint32_t string)
{
    return strtab_text(&p->tables.strings, string);
}

size_t stats_shapes(const struct profile *p, const char *out[6])
{
    size_t n = 0;
    bool has_samples = false;
    for (size_t i = 0; i < p->sets_len; i++)
        has_samples |= p->sets[i].len > 0 || p->sets[i].values_len > 0;
    if (p->call_graph.rows_len > 0)
        out[n++] = "call-graph";
    if (has_samples)
        out[n++] = "stacks";
    if (p->lines_len > 0)
        out[n++] = "lines";
    if (p->series_len > 0)
        out[n++] = "series";
    if (stats_has_heap(p))
        out[n++] = "heap";
    if (p->benchmarks_len > 0)
        out[n++] = "benchmarks";
    return n;
}

/* ---- head ---- */

static void write_values(struct json_out *j, const struct profile *p, const struct query_values *v)
{
    json_out_key(j, "values");
    json_out_array(j);
    for (size_t i = 0; i < v->len; i++) {
        json_out_object(j);
        json_out_key(j, "name");
        json_out_text(j, v->items[i].key);
        json_out_key(j, "unit");
        json_out_text(j, v->items[i].unit);
        json_put_f64(j, "total", query_value_total(p, &v->items[i]));
        json_out_end(j);
    }
    json_out_end(j);
}

static void write_head(struct json_out *j, const struct profile *p)
{
    const char *shapes[6];
    size_t n = stats_shapes(p, shapes);
    json_out_key(j, "format");
    json_out_text(j, text_of(p, p->format));
    json_out_key(j, "shapes");
    json_out_array(j);
    for (size_t i = 0; i < n; i++)
        json_out_text(j, shapes[i]);
    json_out_end(j);
    if (p->producer) {
        json_out_key(j, "producer");
        json_out_text(j, text_of(p, p->producer));
    }
    if (p->duration_ns) {
        json_put_f64(j, "duration_s", (double)p->duration_ns / 1e9);
    }
}

/* ---- functions ---- */

static enum status write_functions(struct json_out *j, const struct profile *p,
                                   struct query_cache *cache, const struct query_filter *filter,
                                   const struct stats_options *options, struct error *err)
{
    struct table t;
    struct table_options rows = {.sort = options->sort, .limit = options->top};
    enum status st = table_build(&t, p, cache, filter, &rows, err);
    if (st == STATUS_UNSUPPORTED) {
        if (err)
            *err = (struct error){0};
        return STATUS_OK;
    }
    if (st != STATUS_OK)
        return st;
    json_out_key(j, "functions");
    json_out_array(j);
    for (size_t i = 0; i < t.len; i++) {
        const struct table_row *r = &t.rows[i];
        json_out_object(j);
        names_members(j, p, r->function);
        json_put_f64(j, "self", r->self);
        json_put_f64(j, "total", r->total);
        if (t.value.source == QUERY_CALL_GRAPH) {
            json_put_u64(j, "ncalls", r->calls);
            json_put_u64(j, "primitive_calls", r->primitive_calls);
        }
        json_out_end(j);
    }
    json_out_end(j);
    table_free(&t);
    return STATUS_OK;
}

/* ---- series, benchmarks, warnings ---- */

static void number(struct json_out *j, const char *key, double value)
{
    json_put_f64(j, key, value);
}

static void write_series(struct json_out *j, const struct profile *p)
{
    if (p->series_len == 0)
        return;
    json_out_key(j, "series");
    json_out_array(j);
    for (size_t i = 0; i < p->series_len; i++) {
        const struct series *s = &p->series[i];
        json_out_object(j);
        json_out_key(j, "name");
        json_out_text(j, text_of(p, s->name));
        json_out_key(j, "unit");
        json_out_text(j, text_of(p, s->unit));
        if (s->has_process) {
            json_put_u64(j, "process", s->process);
        }
        json_put_u64(j, "points", s->len);
        if (s->len) {
            double least = s->value[0];
            double greatest = s->value[0];
            for (size_t k = 1; k < s->len; k++) {
                least = s->value[k] < least ? s->value[k] : least;
                greatest = s->value[k] > greatest ? s->value[k] : greatest;
            }
            number(j, "min", least);
            number(j, "max", greatest);
            number(j, "first", s->value[0]);
            number(j, "last", s->value[s->len - 1]);
        }
        json_out_end(j);
    }
    json_out_end(j);
}

static void write_benchmarks(struct json_out *j, const struct profile *p)
{
    if (p->benchmarks_len == 0)
        return;
    json_out_key(j, "benchmarks");
    json_out_array(j);
    for (size_t i = 0; i < p->benchmarks_len; i++) {
        const struct model_benchmark *b = &p->benchmarks[i];
        json_out_object(j);
        json_out_key(j, "name");
        json_out_text(j, text_of(p, b->name));
        number(j, "mean_s", b->mean_s);
        number(j, "median_s", b->median_s);
        number(j, "stddev_s", b->stddev_s);
        number(j, "min_s", b->min_s);
        json_put_u64(j, "rounds", b->rounds);
        json_out_end(j);
    }
    json_out_end(j);
}

static void write_warnings(struct json_out *j, const struct profile *p)
{
    json_out_key(j, "warnings");
    json_out_array(j);
    for (size_t i = 0; i < p->notices_len; i++) {
        if (p->notices[i].severity >= 1)
            json_out_string(j, text_of(p, p->notices[i].text),
                            strtab_len(&p->tables.strings, p->notices[i].text));
    }
    json_out_end(j);
}

enum status stats_write_json(const struct profile *p, struct query_cache *cache,
                             const struct query_filter *filter, const struct stats_options *options,
                             struct buf *out, struct error *err)
{
    struct query_values values;
    if (query_values_list(p, &values) != STATUS_OK)
        return error_set(err, STATUS_NO_MEMORY, "no memory for the report");
    struct json_out j;
    json_out_init(&j, out);
    json_out_object(&j);
    write_head(&j, p);
    write_values(&j, p, &values);
    query_values_free(&values);
    enum status st = stats_write_counts(&j, p);
    if (st == STATUS_OK)
        st = write_functions(&j, p, cache, filter, options, err);
    if (st == STATUS_OK)
        st = stats_write_lines(&j, p, filter, options->top);
    if (st != STATUS_OK)
        return st == STATUS_NO_MEMORY ? error_set(err, st, "no memory for the report") : st;
    write_series(&j, p);
    st = stats_write_memory(&j, p, filter, options->top, err);
    if (st != STATUS_OK)
        return st;
    write_benchmarks(&j, p);
    write_warnings(&j, p);
    json_out_end(&j);
    return buf_status(out);
}
