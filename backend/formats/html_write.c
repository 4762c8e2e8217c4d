/* A report as one HTML file that needs nothing else: head, flame graph, tables. It has no script:
 * the flame graph is a document of its own inside, whose boxes are links. Only written. */

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backend/formats/format.h"
#include "backend/formats/graph.h"

enum { MAX_ROWS = 1000 };

struct writer {
    const struct profile *p;
    struct buf *out;
};

static void put_text(struct writer *w, const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)s[i];
        if (c == '<')
            buf_put_text(w->out, "&lt;");
        else if (c == '>')
            buf_put_text(w->out, "&gt;");
        else if (c == '&')
            buf_put_text(w->out, "&amp;");
        else if (c == '"')
            buf_put_text(w->out, "&quot;");
        else if (c < ' ' || c == 0x7f)
            buf_put_byte(w->out, ' ');
        else
            buf_put_byte(w->out, c); /* bytes that are not UTF-8 show as U+FFFD */
    }
}

static void put_string(struct writer *w, uint32_t string)
{
    put_text(w, strtab_text(&w->p->tables.strings, string),
             strtab_len(&w->p->tables.strings, string));
}

static void put_fact(struct writer *w, const char *what, uint32_t string)
{
    if (!string)
        return;
    buf_printf(w->out, "<dt>%s</dt><dd>", what);
    put_string(w, string);
    buf_put_text(w->out, "</dd>");
}

static void put_head(struct writer *w)
{
    buf_put_text(
        w->out,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
        "<meta name=\"viewport\" content=\"width=device-width\">"
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
        "style-src 'unsafe-inline'; frame-src data:\">"
        "<style>:root{color-scheme:light dark}body{font:14px/1.4 sans-serif;margin:1em auto;"
        "max-width:1240px;padding:0 1em}dl{display:grid;grid-template-columns:max-content "
        "1fr;gap:0 1em}dd{margin:0;overflow-wrap:anywhere}iframe{width:100%;height:70vh;"
        "border:1px solid #8888;background:#fff}table{border-collapse:collapse;width:100%}"
        "td,th{padding:.15em .6em;text-align:right;border-bottom:1px solid #8884}"
        "td:first-child,th:first-child{text-align:left;overflow-wrap:anywhere}</style>"
        "<title>");
    put_string(w, w->p->name);
    buf_put_text(w->out, "</title></head><body><h1>");
    put_string(w, w->p->name);
    buf_put_text(w->out, "</h1><dl>");
    put_fact(w, "Format", w->p->format);
    put_fact(w, "Made by", w->p->producer);
    put_fact(w, "Runtime", w->p->runtime);
    put_fact(w, "Host", w->p->host);
    if (w->p->duration_ns)
        buf_printf(w->out, "<dt>Duration</dt><dd>%.3f s</dd>", (double)w->p->duration_ns / 1e9);
    buf_put_text(w->out, "</dl>\n");
}

static void put_base64(struct buf *out, const uint8_t *data, size_t len)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < len; i += 3) {
        uint32_t v = (uint32_t)data[i] << 16;
        v |= i + 1 < len ? (uint32_t)data[i + 1] << 8 : 0;
        v |= i + 2 < len ? (uint32_t)data[i + 2] : 0;
        char four[4] = {digits[v >> 18], digits[v >> 12 & 63], digits[v >> 6 & 63], digits[v & 63]};
        size_t n = len - i < 3 ? len - i + 1 : 4;
        memset(four + n, '=', 4 - n);
        buf_put(out, four, 4);
    }
}

static enum status put_flame(struct writer *w, struct buf *lost, struct error *err)
{
    struct buf svg;
    buf_init(&svg, 0);
    enum status st = format_by_name("svg")->write(w->p, &svg, lost, err);
    if (st == STATUS_OK) {
        buf_put_text(w->out, "<h2>Flame graph</h2><iframe title=\"Flame graph\" "
                             "src=\"data:image/svg+xml;base64,");
        put_base64(w->out, svg.data, svg.len);
        buf_put_text(w->out, "\"></iframe>\n");
    }
    buf_deinit(&svg);
    return st;
}

static int compare_rows(const void *a, const void *b)
{
    const struct call_row *x = a;
    const struct call_row *y = b;
    if (x->self != y->self)
        return x->self > y->self ? -1 : 1;
    return x->function < y->function ? -1 : x->function > y->function;
}

static void put_function(struct writer *w, uint32_t function)
{
    const struct wire_function *f = &w->p->tables.functions[function];
    put_string(w, f->name);
    if (!f->file)
        return;
    buf_put_text(w->out, " (");
    put_string(w, f->file);
    if (f->line)
        buf_printf(w->out, ":%" PRIu32, f->line);
    buf_put_text(w->out, ")");
}

static enum status put_functions(struct writer *w, struct buf *lost, struct error *err)
{
    struct graph g;
    enum status st = graph_of(w->p, &g, err);
    if (st != STATUS_OK)
        return st;
    size_t len = g.graph.rows_len;
    struct call_row *rows = malloc((len + 1) * sizeof(*rows));
    if (!rows) {
        graph_deinit(&g);
        return error_set(err, STATUS_NO_MEMORY, "no memory for the table");
    }
    if (len) {
        memcpy(rows, g.graph.rows, len * sizeof(*rows));
        qsort(rows, len, sizeof(*rows), compare_rows);
    }
    buf_printf(w->out,
               "<h2>Functions</h2><table><thead><tr><th>function</th><th>%s</th><th>self (%s)</th>"
               "<th>total (%s)</th></tr></thead><tbody>\n",
               g.is_from_stacks ? "samples" : "calls", g.unit, g.unit);
    for (size_t i = 0; i < len && i < MAX_ROWS; i++) {
        buf_put_text(w->out, "<tr><td>");
        put_function(w, rows[i].function);
        buf_printf(w->out, "</td><td>%" PRIu64 "</td><td>%.9g</td><td>%.9g</td></tr>\n",
                   rows[i].calls, rows[i].self, rows[i].total);
    }
    buf_put_text(w->out, "</tbody></table>\n");
    if (len > MAX_ROWS)
        buf_printf(lost, "html: all but the first %d of %zu functions\n", MAX_ROWS, len);
    free(rows);
    graph_deinit(&g);
    return STATUS_OK;
}

static void put_cell(struct writer *w, double value)
{
    if (isfinite(value))
        buf_printf(w->out, "<td>%.9g</td>", value);
    else
        buf_put_text(w->out, "<td></td>");
}

static void put_lines(struct writer *w)
{
    buf_put_text(w->out,
                 "<h2>Lines</h2><table><thead><tr><th>function</th><th>line</th><th>hits</th>"
                 "<th>time (s)</th><th>memory (bytes)</th><th>increment (bytes)</th></tr>"
                 "</thead><tbody>\n");
    for (size_t i = 0; i < w->p->lines_len && i < MAX_ROWS; i++) {
        const struct line_row *row = &w->p->lines[i];
        buf_put_text(w->out, "<tr><td>");
        put_function(w, row->function);
        buf_printf(w->out, "</td><td>%" PRIu32 "</td><td>%" PRIu64 "</td>", row->line, row->hits);
        put_cell(w, row->time_s);
        put_cell(w, row->memory_bytes);
        put_cell(w, row->increment_bytes);
        buf_put_text(w->out, "</tr>\n");
    }
    buf_put_text(w->out, "</tbody></table>\n");
}

static void put_benchmarks(struct writer *w)
{
    buf_put_text(w->out, "<h2>Benchmarks</h2><table><thead><tr><th>benchmark</th><th>mean (s)</th>"
                         "<th>median (s)</th><th>deviation (s)</th><th>rounds</th></tr></thead>"
                         "<tbody>\n");
    for (size_t i = 0; i < w->p->benchmarks_len && i < MAX_ROWS; i++) {
        const struct model_benchmark *b = &w->p->benchmarks[i];
        buf_put_text(w->out, "<tr><td>");
        put_string(w, b->name);
        buf_put_text(w->out, "</td>");
        put_cell(w, b->mean_s);
        put_cell(w, b->median_s);
        put_cell(w, b->stddev_s);
        buf_printf(w->out, "<td>%" PRIu64 "</td></tr>\n", b->rounds);
    }
    buf_put_text(w->out, "</tbody></table>\n");
}

static enum status html_write(const struct profile *p, struct buf *out, struct buf *lost,
                              struct error *err)
{
    struct writer w = {.p = p, .out = out};
    enum status st = STATUS_OK;
    put_head(&w);
    if (p->sets_len || p->call_graph.rows_len || p->lines_len)
        st = put_flame(&w, lost, err);
    if (st == STATUS_OK && (p->sets_len || p->call_graph.rows_len))
        st = put_functions(&w, lost, err);
    if (st == STATUS_OK && p->lines_len)
        put_lines(&w);
    if (st == STATUS_OK && p->benchmarks_len)
        put_benchmarks(&w);
    buf_put_text(out, "</body></html>\n");
    if (st == STATUS_OK)
        st = buf_status(out);
    if (st != STATUS_OK && err && !err->text[0])
        error_set(err, st, "the report could not be written (%s)", status_name(st));
    return st;
}

const struct format format_html = {
    .name = "html",
    .title = "Report as one HTML file",
    .extensions = "html",
    .write = html_write,
};
