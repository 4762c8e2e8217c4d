#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "backend/query/names.h"
#include "backend/query/summary.h"
#include "backend/query/table.h"

/* ---- JSON: one array a column ---- */

typedef void (*cell_fn)(struct json_out *j, const struct profile *p, const struct table_row *row);

static struct wire_function function_of(const struct profile *p, const struct table_row *r)
{
    static const struct wire_function unknown = {0};
    return r->function < p->tables.functions_len ? p->tables.functions[r->function] : unknown;
}

static void cell_id(struct json_out *j, const struct profile *p, const struct table_row *r)
{
    (void)p;
    json_out_u64(j, r->function);
}

static void cell_name(struct json_out *j, const struct profile *p, const struct table_row *r)
{
    size_t len;
    const char *text = names_function(p, r->function, &len);
    json_out_string(j, text, len);
}

static void cell_file(struct json_out *j, const struct profile *p, const struct table_row *r)
{
    size_t len;
    const char *text = names_file(p, r->function, &len);
    json_out_string(j, text, len);
}

static void cell_module(struct json_out *j, const struct profile *p, const struct table_row *r)
{
    size_t len;
    const char *text = names_module(p, r->function, &len);
    json_out_string(j, text, len);
}

static void cell_line(struct json_out *j, const struct profile *p, const struct table_row *r)
{
    json_out_u64(j, function_of(p, r).line);
}

static void cell_kind(struct json_out *j, const struct profile *p, const struct table_row *r)
{
    json_out_u64(j, function_of(p, r).kind);
}

static void cell_self(struct json_out *j, const struct profile *p, const struct table_row *r)
{
    (void)p;
    json_out_f64(j, r->self);
}

static void cell_total(struct json_out *j, const struct profile *p, const struct table_row *r)
{
    (void)p;
    json_out_f64(j, r->total);
}

static void cell_samples_self(struct json_out *j, const struct profile *p,
                              const struct table_row *r)
{
    (void)p;
    json_out_u64(j, r->samples_self);
}

static void cell_samples_total(struct json_out *j, const struct profile *p,
                               const struct table_row *r)
{
    (void)p;
    json_out_u64(j, r->samples_total);
}

static void cell_calls(struct json_out *j, const struct profile *p, const struct table_row *r)
{
    (void)p;
    json_out_u64(j, r->calls);
}

static void cell_primitive(struct json_out *j, const struct profile *p, const struct table_row *r)
{
    (void)p;
    json_out_u64(j, r->primitive_calls);
}

enum { OF_SAMPLES = 1, OF_GRAPH = 2, OF_BOTH = 3 };

static const struct {
    const char *name;
    cell_fn cell;
    int shape;
} columns[] = {
    {"id", cell_id, OF_BOTH},
    {"name", cell_name, OF_BOTH},
    {"file", cell_file, OF_BOTH},
    {"line", cell_line, OF_BOTH},
    {"kind", cell_kind, OF_BOTH},
    {"module", cell_module, OF_BOTH},
    {"self", cell_self, OF_SAMPLES},
    {"total", cell_total, OF_SAMPLES},
    {"samples_self", cell_samples_self, OF_SAMPLES},
    {"samples_total", cell_samples_total, OF_SAMPLES},
    {"ncalls", cell_calls, OF_GRAPH},
    {"primitive_calls", cell_primitive, OF_GRAPH},
    {"tottime", cell_self, OF_GRAPH},
    {"cumtime", cell_total, OF_GRAPH},
};

static const char *shape_name(enum query_source source)
{
    return source == QUERY_CALL_GRAPH ? "call-graph" : source == QUERY_LINES ? "lines" : "stacks";
}

enum status table_write_json(const struct table *t, const struct profile *p, uint64_t revision,
                             struct buf *out)
{
    bool is_graph = t->value.source == QUERY_CALL_GRAPH;
    struct json_out j;
    json_out_init(&j, out);
    json_out_object(&j);
    json_put_u64(&j, "rev", revision);
    json_out_key(&j, "shape");
    json_out_text(&j, shape_name(t->value.source));
    json_out_key(&j, "value");
    json_out_text(&j, t->value.name);
    json_out_key(&j, "unit");
    json_out_text(&j, t->value.unit);
    json_put_f64(&j, "total", t->total);
    json_put_u64(&j, is_graph ? "calls_total" : "samples_total", is_graph ? t->calls : t->samples);
    json_put_u64(&j, "rows", t->len);
    json_out_key(&j, "columns");
    json_out_object(&j);
    for (size_t c = 0; c < sizeof(columns) / sizeof(columns[0]); c++) {
        if (!(columns[c].shape & (is_graph ? OF_GRAPH : OF_SAMPLES)))
            continue;
        json_out_key(&j, columns[c].name);
        json_out_array(&j);
        for (size_t i = 0; i < t->len; i++)
            columns[c].cell(&j, p, &t->rows[i]);
        json_out_end(&j);
    }
    json_out_end(&j);
    json_out_end(&j);
    return buf_status(out);
}

/* ---- text ---- */

/* Names come from foreign files and go to a terminal: control characters (C0, C1, DEL) and marks
 * that reorder text are shown as '?'. */
static void put_safe(struct buf *out, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        bool is_c1 = c == 0xc2 && i + 1 < len && ((unsigned char)text[i + 1] & 0xe0) == 0x80;
        bool is_bidi = c == 0xe2 && i + 2 < len &&
                       (((unsigned char)text[i + 1] == 0x80 && (unsigned char)text[i + 2] >= 0xaa &&
                         (unsigned char)text[i + 2] <= 0xae) ||
                        ((unsigned char)text[i + 1] == 0x81 && (unsigned char)text[i + 2] >= 0xa6 &&
                         (unsigned char)text[i + 2] <= 0xa9));
        if (c < 0x20 || c == 0x7f || is_c1 || is_bidi)
            buf_put_byte(out, '?');
        else
            buf_put_byte(out, c);
        i += is_bidi ? 2 : is_c1 ? 1 : 0;
    }
}

/* "file:line(name)", or "{name}" for what has no file, as pstats prints them. */
static void put_place(struct buf *out, const struct profile *p, const struct table_row *r)
{
    size_t file_len;
    size_t name_len;
    const char *file = names_file(p, r->function, &file_len);
    const char *name = names_function(p, r->function, &name_len);
    uint32_t line = function_of(p, r).line;
    bool is_builtin = file_len == 0 || (file_len == 1 && file[0] == '~' && line == 0);
    if (is_builtin) {
        bool is_bracketed = name_len > 1 && name[0] == '<' && name[name_len - 1] == '>';
        buf_put_byte(out, '{');
        put_safe(out, name + is_bracketed, name_len - (is_bracketed ? 2 : 0));
        buf_put_byte(out, '}');
        return;
    }
    put_safe(out, file, file_len);
    buf_printf(out, ":%u(", line);
    put_safe(out, name, name_len);
    buf_put_byte(out, ')');
}

static void text_graph(const struct table *t, const struct profile *p, struct buf *out)
{
    bool is_time = query_unit_seconds(t->value.unit) > 0;
    buf_printf(out, "%" PRIu64 " function calls", t->calls);
    if (t->calls != t->primitive_calls)
        buf_printf(out, " (%" PRIu64 " primitive calls)", t->primitive_calls);
    buf_printf(out, " in %.3f %s\n\n", t->total, is_time ? "seconds" : t->value.unit);
    buf_put_text(out, "   ncalls  tottime  percall  cumtime  percall filename:lineno(function)\n");
    for (size_t i = 0; i < t->len; i++) {
        const struct table_row *r = &t->rows[i];
        char calls[48];
        if (r->calls == r->primitive_calls)
            snprintf(calls, sizeof(calls), "%" PRIu64, r->calls);
        else
            snprintf(calls, sizeof(calls), "%" PRIu64 "/%" PRIu64, r->calls, r->primitive_calls);
        buf_printf(out, "%9s %8.3f", calls, r->self);
        if (r->calls)
            buf_printf(out, " %8.3f", r->self / (double)r->calls);
        else
            buf_put_text(out, "         ");
        buf_printf(out, " %8.3f", r->total);
        if (r->primitive_calls)
            buf_printf(out, " %8.3f ", r->total / (double)r->primitive_calls);
        else
            buf_put_text(out, "          ");
        put_place(out, p, r);
        buf_put_byte(out, '\n');
    }
}

static double percent(double part, double whole)
{
    return whole > 0 ? part * 100 / whole : 0;
}

static void text_samples(const struct table *t, const struct profile *p, struct buf *out)
{
    buf_printf(out, "%8s %7s %10s %7s %10s  %s\n", "samples", "self %", "self", "total %", "total",
               "function");
    for (size_t i = 0; i < t->len; i++) {
        const struct table_row *r = &t->rows[i];
        char self[32];
        char total[32];
        summary_amount(r->self, t->value.unit, self, sizeof(self));
        summary_amount(r->total, t->value.unit, total, sizeof(total));
        buf_printf(out, "%8" PRIu64 " %7.2f %10s %7.2f %10s  ", r->samples_self,
                   percent(r->self, t->total), self, percent(r->total, t->total), total);
        put_place(out, p, r);
        buf_put_byte(out, '\n');
    }
}

enum status table_write_text(const struct table *t, const struct profile *p, struct buf *out)
{
    if (t->value.source == QUERY_CALL_GRAPH)
        text_graph(t, p, out);
    else
        text_samples(t, p, out);
    return buf_status(out);
}
