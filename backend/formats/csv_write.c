/* The table of functions (and of lines, and of benchmarks) as comma-separated values, RFC 4180: one
 * header line, then a row each. Only written. */

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "backend/formats/format.h"
#include "backend/formats/graph.h"

struct writer {
    const struct profile *p;
    struct buf *out;
};

/* A cell that a spreadsheet would run as a formula gets an apostrophe in front. */
static void put_cell(struct writer *w, uint32_t string)
{
    const char *s = strtab_text(&w->p->tables.strings, string);
    size_t len = strtab_len(&w->p->tables.strings, string);
    bool is_formula = len && strchr("=+-@\t\r", s[0]);
    bool needs_quotes = is_formula;
    for (size_t i = 0; i < len; i++)
        needs_quotes = needs_quotes || (unsigned char)s[i] < ' ' || s[i] == ',' || s[i] == '"';
    if (needs_quotes)
        buf_put_byte(w->out, '"');
    if (is_formula)
        buf_put_byte(w->out, '\'');
    for (size_t i = 0; i < len; i++) {
        if (s[i] == '"')
            buf_put_byte(w->out, '"');
        buf_put_byte(w->out, (uint8_t)s[i]);
    }
    if (needs_quotes)
        buf_put_byte(w->out, '"');
}

static void put_function(struct writer *w, uint32_t function)
{
    const struct wire_function *f = &w->p->tables.functions[function];
    put_cell(w, f->name);
    buf_put_byte(w->out, ',');
    put_cell(w, f->file);
    buf_printf(w->out, ",%" PRIu32, f->line);
}

/* Numbers that are not known leave their cell empty. */
static void put_number(struct writer *w, double value)
{
    buf_put_byte(w->out, ',');
    if (isfinite(value))
        buf_printf(w->out, "%.17g", value);
}

static void put_functions(struct writer *w, const struct graph *g)
{
    buf_printf(w->out, "function,file,line,calls,primitive_calls,self_%s,total_%s\r\n", g->unit,
               g->unit);
    for (size_t i = 0; i < g->graph.rows_len; i++) {
        const struct call_row *row = &g->graph.rows[i];
        put_function(w, row->function);
        buf_printf(w->out, ",%" PRIu64 ",%" PRIu64, row->calls, row->primitive_calls);
        put_number(w, row->self);
        put_number(w, row->total);
        buf_put_text(w->out, "\r\n");
    }
}

static void put_lines(struct writer *w)
{
    buf_put_text(w->out, "function,file,function_line,line,hits,time_s,memory_bytes,"
                         "increment_bytes\r\n");
    for (size_t i = 0; i < w->p->lines_len; i++) {
        const struct line_row *row = &w->p->lines[i];
        put_function(w, row->function);
        buf_printf(w->out, ",%" PRIu32 ",%" PRIu64, row->line, row->hits);
        put_number(w, row->time_s);
        put_number(w, row->memory_bytes);
        put_number(w, row->increment_bytes);
        buf_put_text(w->out, "\r\n");
    }
}

static void put_benchmarks(struct writer *w)
{
    buf_put_text(w->out, "benchmark,group,mean_s,median_s,stddev_s,min_s,max_s,rounds,"
                         "iterations\r\n");
    for (size_t i = 0; i < w->p->benchmarks_len; i++) {
        const struct model_benchmark *b = &w->p->benchmarks[i];
        put_cell(w, b->name);
        buf_put_byte(w->out, ',');
        put_cell(w, b->group);
        put_number(w, b->mean_s);
        put_number(w, b->median_s);
        put_number(w, b->stddev_s);
        put_number(w, b->min_s);
        put_number(w, b->max_s);
        buf_printf(w->out, ",%" PRIu64 ",%" PRIu64 "\r\n", b->rounds, b->iterations);
    }
}

static void put_series(struct writer *w)
{
    buf_put_text(w->out, "series,unit,time_s,value\r\n");
    for (size_t i = 0; i < w->p->series_len; i++) {
        const struct series *s = &w->p->series[i];
        for (size_t k = 0; k < s->len; k++) {
            put_cell(w, s->name);
            buf_put_byte(w->out, ',');
            put_cell(w, s->unit);
            buf_printf(w->out, ",%" PRIu64 ".%09u", s->time_ns[k] / 1000000000,
                       (unsigned)(s->time_ns[k] % 1000000000));
            put_number(w, s->value[k]);
            buf_put_text(w->out, "\r\n");
        }
    }
}

/* What the profile is about, one table: functions, or lines, benchmarks or series without them. */
static enum status csv_write(const struct profile *p, struct buf *out, struct buf *lost,
                             struct error *err)
{
    struct writer w = {.p = p, .out = out};
    bool has_functions = p->sets_len || p->call_graph.rows_len;
    if (has_functions && !(p->lines_len && !p->call_graph.rows_len)) {
        struct graph g;
        enum status st = graph_of(p, &g, err);
        if (st != STATUS_OK)
            return st;
        put_functions(&w, &g);
        if (g.is_from_stacks)
            buf_put_text(lost, "csv: stacks; only functions, by the first value\n");
        graph_deinit(&g);
    } else if (p->lines_len) {
        put_lines(&w);
    } else if (p->benchmarks_len) {
        put_benchmarks(&w);
    } else {
        put_series(&w);
    }
    if (has_functions && p->series_len)
        buf_put_text(lost, "csv: memory and other series\n");
    enum status st = buf_status(out);
    return st == STATUS_OK ? st : error_set(err, st, "no memory for the table");
}

const struct format format_csv = {
    .name = "csv",
    .title = "Table as CSV",
    .extensions = "csv",
    .write = csv_write,
};
