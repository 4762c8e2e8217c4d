#include "backend/formats/callgrind_write.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backend/formats/graph.h"

static void put_name(struct buf *out, const struct profile *p, uint32_t string)
{
    const char *s = strtab_text(&p->tables.strings, string);
    size_t len = strtab_len(&p->tables.strings, string);
    if (len && strspn(s, " \t\r\n") == len) /* readers cut spaces off */
        buf_put_text(out, "(unknown)");
    for (size_t i = 0; i < len; i++)
        buf_put_byte(out, s[i] == '\n' || s[i] == '\r' ? ' ' : (uint8_t)s[i]);
}

static void put_function(struct buf *out, const struct profile *p, const char *prefix,
                         uint32_t function)
{
    const struct wire_function *f = &p->tables.functions[function];
    buf_printf(out, "%sfl=", prefix);
    put_name(out, p, f->file);
    buf_printf(out, "\n%sfn=", prefix);
    put_name(out, p, f->name);
    buf_put_byte(out, '\n');
}

static uint64_t cost_of(double amount, double scale)
{
    double cost = amount * scale;
    if (!(cost > 0))
        return 0;
    return cost < 0x1p63 ? (uint64_t)llround(cost) : INT64_MAX;
}

static void put_edges(struct buf *out, const struct profile *p, const struct call_graph *g,
                      const uint32_t *next, uint32_t edge, double scale)
{
    for (; edge != UINT32_MAX; edge = next[edge]) {
        const struct call_edge *e = &g->edges[edge];
        uint32_t callee = g->rows[e->callee].function;
        put_function(out, p, "c", callee);
        buf_printf(out, "calls=%llu %lu\n%lu %llu\n", (unsigned long long)e->calls,
                   (unsigned long)p->tables.functions[callee].line,
                   (unsigned long)p->tables.functions[g->rows[e->caller].function].line,
                   (unsigned long long)cost_of(e->total, scale));
    }
}

/* Edges of one caller in a chain: first[row], then next[edge]. */
static enum status write_rows(const struct profile *p, const struct call_graph *g, struct buf *out,
                              double scale)
{
    uint32_t *first = malloc((g->rows_len + 1) * sizeof(*first));
    uint32_t *next = malloc((g->edges_len + 1) * sizeof(*next));
    enum status st = STATUS_NO_MEMORY;
    if (first && next) {
        for (size_t i = 0; i < g->rows_len; i++)
            first[i] = UINT32_MAX;
        for (size_t i = g->edges_len; i-- > 0;) {
            next[i] = first[g->edges[i].caller];
            first[g->edges[i].caller] = (uint32_t)i;
        }
        for (size_t i = 0; i < g->rows_len; i++) {
            uint32_t function = g->rows[i].function;
            buf_put_byte(out, '\n');
            put_function(out, p, "", function);
            buf_printf(out, "%lu %llu\n", (unsigned long)p->tables.functions[function].line,
                       (unsigned long long)cost_of(g->rows[i].self, scale));
            put_edges(out, p, g, next, first[i], scale);
        }
        st = buf_status(out);
    }
    free(first);
    free(next);
    return st;
}

enum status callgrind_write(const struct profile *p, struct buf *out, struct buf *lost,
                            struct error *err)
{
    struct graph g;
    enum status st = graph_of(p, &g, err);
    if (st != STATUS_OK)
        return st;
    bool is_time = strcmp(g.unit, "s") == 0;
    buf_printf(out,
               "# callgrind format\nversion: 1\ncreator: heliograph\npositions: line\n"
               "events: %s\n",
               is_time     ? "Nanoseconds"
               : g.unit[0] ? g.unit
                           : "Cost");
    st = write_rows(p, &g.graph, out, is_time ? 1e9 : 1);
    if (g.is_from_stacks)
        buf_put_text(lost, "callgrind: stacks are kept as callers only\n");
    if (g.is_from_stacks && g.frameless != 0)
        buf_printf(lost, "callgrind: samples without frames (%.9g %s)\n", g.frameless, g.unit);
    bool is_whole = true;
    double below_zero = 0;
    for (size_t i = 0; i < g.graph.rows_len; i++) {
        double self = g.graph.rows[i].self;
        is_whole = is_whole && (is_time || self == floor(self));
        below_zero += self < 0 ? self : 0;
    }
    if (below_zero < 0)
        buf_printf(lost, "callgrind: what is below zero (%.9g %s)\n", below_zero, g.unit);
    if (!is_whole)
        buf_put_text(lost, "callgrind: fractions of a count\n");
    if (g.graph.rows_len)
        buf_put_text(lost, "callgrind: primitive calls and totals of functions: readers add up "
                           "their own cost and their calls, recursion again and again\n");
    if (p->sets_len > 1 || (p->sets_len == 1 && p->sets[0].values_len > 1))
        buf_put_text(lost, "callgrind: only the first value\n");
    if (p->series_len || p->lines_len)
        buf_put_text(lost, "callgrind: series and numbers by line\n");
    graph_deinit(&g);
    return st == STATUS_OK ? st : error_set(err, st, "no room to write the profile");
}
