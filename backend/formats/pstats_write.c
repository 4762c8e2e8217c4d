#include "backend/formats/pstats_write.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backend/formats/graph.h"
#include "backend/formats/text.h"

/* Marshal without references and with the oldest type codes: what every Python reads. */

static void put_count(struct buf *out, uint64_t count)
{
    if (count <= INT32_MAX) {
        buf_put_byte(out, 'i');
        buf_put_u32(out, (uint32_t)count);
        return;
    }
    /* 'I' is gone from Python 3.14: a long in 15-bit digits. */
    uint32_t digits = 0;
    for (uint64_t n = count; n; n >>= 15)
        digits++;
    buf_put_byte(out, 'l');
    buf_put_u32(out, digits);
    for (; count; count >>= 15) {
        buf_put_byte(out, (uint8_t)(count & 0xff));
        buf_put_byte(out, (uint8_t)(count >> 8 & 0x7f));
    }
}

static void put_f64(struct buf *out, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    buf_put_byte(out, 'g');
    buf_put_u64(out, bits);
}

/* Names of unknown encoding are taken for latin-1, so that any bytes make a text. */
static void put_text(struct buf *out, const struct profile *p, uint32_t string)
{
    struct text text = {strtab_text(&p->tables.strings, string),
                        strtab_len(&p->tables.strings, string)};
    buf_put_byte(out, 'u');
    size_t size_at = out->len;
    buf_put_u32(out, 0);
    if (text_is_utf8(text))
        buf_put(out, text.data, text.len);
    else
        text_put_latin1(out, text);
    if (buf_status(out) != STATUS_OK)
        return;
    uint32_t size = (uint32_t)(out->len - size_at - 4);
    for (size_t i = 0; i < 4; i++)
        out->data[size_at + i] = (uint8_t)(size >> (8 * i));
}

static void put_tuple(struct buf *out, uint32_t len)
{
    buf_put_byte(out, '(');
    buf_put_u32(out, len);
}

static void put_key(struct buf *out, const struct profile *p, uint32_t function)
{
    const struct wire_function *f = &p->tables.functions[function];
    put_tuple(out, 3);
    put_text(out, p, f->file);
    put_count(out, f->line);
    put_text(out, p, f->name);
}

static void put_edges(struct buf *out, const struct profile *p, const struct call_graph *g,
                      const uint32_t *edges, size_t len)
{
    buf_put_byte(out, '{');
    for (size_t i = 0; i < len; i++) {
        const struct call_edge *e = &g->edges[edges[i]];
        put_key(out, p, g->rows[e->caller].function);
        if (isnan(e->total)) {
            put_count(out, e->calls);
            continue;
        }
        put_tuple(out, 4);
        put_count(out, e->calls);
        put_count(out, e->primitive_calls);
        put_f64(out, e->self);
        put_f64(out, e->total);
    }
    buf_put_byte(out, '0');
}

/* Edge numbers by callee: those of row i are order[first[i]] to order[first[i + 1] - 1]. */
static bool sort_edges(const struct call_graph *g, size_t **first, uint32_t **order)
{
    *first = calloc(g->rows_len + 2, sizeof(**first));
    *order = malloc((g->edges_len + 1) * sizeof(**order));
    if (!*first || !*order)
        return false;
    for (size_t i = 0; i < g->edges_len; i++)
        (*first)[g->edges[i].callee + 2]++;
    for (size_t i = 2; i < g->rows_len + 2; i++)
        (*first)[i] += (*first)[i - 1];
    for (size_t i = 0; i < g->edges_len; i++)
        (*order)[(*first)[g->edges[i].callee + 1]++] = (uint32_t)i;
    return true;
}

static enum status write_graph(const struct profile *p, const struct call_graph *g, struct buf *out)
{
    size_t *first = NULL;
    uint32_t *order = NULL;
    enum status st = STATUS_NO_MEMORY;
    if (sort_edges(g, &first, &order)) {
        buf_put_byte(out, '{');
        for (size_t i = 0; i < g->rows_len; i++) {
            const struct call_row *row = &g->rows[i];
            put_key(out, p, row->function);
            put_tuple(out, 5);
            put_count(out, row->primitive_calls);
            put_count(out, row->calls);
            put_f64(out, row->self);
            put_f64(out, row->total);
            put_edges(out, p, g, order + first[i], first[i + 1] - first[i]);
        }
        buf_put_byte(out, '0');
        st = buf_status(out);
    }
    free(first);
    free(order);
    return st;
}

static void list_losses(const struct profile *p, const struct graph *g, struct buf *lost)
{
    if (g->is_from_stacks)
        buf_put_text(lost, "pstats: stacks are kept as callers only; calls are samples\n");
    if (g->frameless != 0)
        buf_printf(lost, "pstats: samples without frames (%.9g %s)\n", g->frameless, g->unit);
    if (strcmp(g->unit, "s") != 0)
        buf_printf(lost, "pstats: readers will show %s as seconds\n", g->unit);
    if (p->sets_len > 1 || (p->sets_len == 1 && p->sets[0].values_len > 1))
        buf_put_text(lost, "pstats: only the first value of the samples\n");
    if (p->series_len)
        buf_put_text(lost, "pstats: no memory or other series\n");
    if (p->lines_len)
        buf_put_text(lost, "pstats: no numbers by line\n");
}

enum status pstats_write(const struct profile *p, struct buf *out, struct buf *lost,
                         struct error *err)
{
    struct graph g;
    enum status st = graph_of(p, &g, err);
    if (st != STATUS_OK)
        return st;
    st = write_graph(p, &g.graph, out);
    if (st != STATUS_OK)
        error_set(err, st, "no room to write the profile (%s)", status_name(st));
    else
        list_losses(p, &g, lost);
    graph_deinit(&g);
    return st;
}
