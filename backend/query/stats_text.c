#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backend/query/heap_values.h"
#include "backend/query/names.h"
#include "backend/query/stats.h"
#include "backend/query/stats_memory.h"
#include "backend/query/stats_parts.h"
#include "backend/query/summary.h"
#include "backend/query/table.h"

static const char *text_of(const struct profile *p, uint32_t string)
{
    return strtab_text(&p->tables.strings, string);
}

/* Foreign text on a terminal: control bytes are shown as '?'. */
static void put_plain(struct buf *out, const char *text)
{
    for (; *text; text++)
        buf_put_byte(out, (unsigned char)*text < 0x20 || *text == 0x7f ? '?' : (uint8_t)*text);
}

static void write_head(const struct profile *p, const struct query_values *values, struct buf *out)
{
    put_plain(out, text_of(p, p->name));
    if (p->format) {
        buf_put_text(out, p->name ? "  [" : "[");
        put_plain(out, text_of(p, p->format));
        buf_put_text(out, "]");
    }
    buf_put_byte(out, '\n');
    if (p->producer) {
        buf_put_text(out, "  by ");
        put_plain(out, text_of(p, p->producer));
        buf_put_byte(out, '\n');
    }
    if (p->duration_ns) {
        char text[32];
        summary_amount((double)p->duration_ns, "ns", text, sizeof(text));
        buf_printf(out, "  duration %s\n", text);
    }
    for (size_t i = 0; i < values->len; i++) {
        struct heap_columns columns;
        const struct query_value *v = &values->items[i];
        if (v->source == QUERY_SAMPLES && heap_columns_find(p, v->set, &columns))
            continue; /* told under "memory" */
        char text[32];
        summary_amount(query_value_total(p, &values->items[i]), values->items[i].unit, text,
                       sizeof(text));
        buf_put_text(out, "  ");
        put_plain(out, values->items[i].key);
        buf_printf(out, ": %s", text);
        if (query_unit_seconds(values->items[i].unit) <= 0 &&
            strcmp(values->items[i].unit, "bytes") != 0) {
            buf_put_byte(out, ' ');
            put_plain(out, values->items[i].unit);
        }
        buf_put_byte(out, '\n');
    }
    struct buf sentence;
    buf_init(&sentence, 0);
    if (summary_write(p, NULL, &sentence) == STATUS_OK && sentence.len) {
        buf_put_byte(&sentence, 0);
        buf_put_text(out, "  ");
        if (!sentence.failed)
            put_plain(out, (const char *)sentence.data);
        buf_put_byte(out, '\n');
    }
    buf_deinit(&sentence);
    buf_put_byte(out, '\n');
}

static enum status write_functions(const struct profile *p, struct query_cache *cache,
                                   const struct query_filter *filter,
                                   const struct stats_options *options, struct buf *out,
                                   struct error *err)
{
    struct table t;
    struct table_options rows = {.sort = options->sort, .limit = options->top};
    enum status st = table_build(&t, p, cache, filter, &rows, err);
    if (st == STATUS_UNSUPPORTED)
        return STATUS_OK;
    if (st != STATUS_OK)
        return st;
    if (t.len) {
        st = table_write_text(&t, p, out);
        buf_put_byte(out, '\n');
    }
    table_free(&t);
    return st;
}

static void amount_cell(struct buf *out, double amount, const char *unit)
{
    char text[32] = "";
    if (!isnan(amount))
        summary_amount(amount, unit, text, sizeof(text));
    buf_printf(out, " %10s", text);
}

enum { LINE_COLUMNS = 4 };

static double line_cell(const struct stats_line *r, int column)
{
    const double cells[LINE_COLUMNS] = {r->has_hits ? (double)r->hits : (double)NAN, r->time_s,
                                        r->bytes, r->count};
    return cells[column];
}

static enum status write_lines(const struct profile *p, const struct query_filter *filter,
                               size_t top, struct buf *out)
{
    static const char *const titles[LINE_COLUMNS] = {"hits", "time", "memory", "count"};
    static const char *const units[LINE_COLUMNS] = {"count", "s", "bytes", "count"};
    struct stats_lines l;
    enum status st = stats_lines_build(&l, p, filter);
    if (st != STATUS_OK)
        return st;
    size_t n = top && top < l.len ? top : l.len;
    bool is_known[LINE_COLUMNS] = {false};
    for (size_t i = 0; i < n; i++) {
        for (int c = 0; c < LINE_COLUMNS; c++)
            is_known[c] |= !isnan(line_cell(&l.rows[i], c));
    }
    for (int c = 0; c < LINE_COLUMNS && n; c++) {
        if (is_known[c])
            buf_printf(out, " %10s", titles[c]);
    }
    if (n)
        buf_put_text(out, "  line\n");
    for (size_t i = 0; i < n; i++) {
        const struct stats_line *r = &l.rows[i];
        for (int c = 0; c < LINE_COLUMNS; c++) {
            if (is_known[c])
                amount_cell(out, line_cell(r, c), units[c]);
        }
        size_t len;
        buf_put_text(out, "  ");
        put_plain(out, names_file(p, r->function, &len));
        buf_printf(out, ":%u (", r->line);
        put_plain(out, names_function(p, r->function, &len));
        buf_put_text(out, ")\n");
    }
    if (n)
        buf_put_byte(out, '\n');
    stats_lines_free(&l);
    return buf_status(out);
}

static void write_benchmarks(const struct profile *p, struct buf *out)
{
    if (p->benchmarks_len)
        buf_printf(out, "%10s %10s %10s %10s %8s  benchmark\n", "min", "mean", "median", "stddev",
                   "rounds");
    for (size_t i = 0; i < p->benchmarks_len; i++) {
        const struct model_benchmark *b = &p->benchmarks[i];
        amount_cell(out, b->min_s, "s");
        amount_cell(out, b->mean_s, "s");
        amount_cell(out, b->median_s, "s");
        amount_cell(out, b->stddev_s, "s");
        buf_printf(out, " %8" PRIu64 "  ", b->rounds);
        put_plain(out, text_of(p, b->name));
        buf_put_byte(out, '\n');
    }
}

enum status stats_write_text(const struct profile *p, struct query_cache *cache,
                             const struct query_filter *filter, const struct stats_options *options,
                             struct buf *out, struct error *err)
{
    struct query_values values;
    if (query_values_list(p, &values) != STATUS_OK)
        return error_set(err, STATUS_NO_MEMORY, "no memory for the report");
    write_head(p, &values, out);
    query_values_free(&values);
    enum status st = write_functions(p, cache, filter, options, out, err);
    if (st == STATUS_OK && (p->lines_len || stats_has_heap(p)))
        st = write_lines(p, filter, options->top, out);
    if (st != STATUS_OK)
        return st;
    st = stats_print_memory(p, filter, (options->top + 1) / 2, out, err);
    if (st != STATUS_OK)
        return st;
    write_benchmarks(p, out);
    for (size_t i = 0; i < p->notices_len; i++) {
        if (p->notices[i].severity >= 1) {
            buf_put_text(out, "warning: ");
            put_plain(out, text_of(p, p->notices[i].text));
            buf_put_byte(out, '\n');
        }
    }
    return buf_status(out);
}
