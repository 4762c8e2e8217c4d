#include "backend/formats/folded_write.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backend/formats/text.h"

/* Names may hold what separates frames and lines. */
static void put_name(struct buf *out, const struct profile *p, uint32_t string)
{
    const char *s = strtab_text(&p->tables.strings, string);
    size_t len = strtab_len(&p->tables.strings, string);
    for (size_t i = 0; i < len; i++) {
        char c = s[i];
        buf_put_byte(out, (uint8_t)(c == ';' ? ':' : c == '\n' || c == '\r' ? ' ' : c));
    }
}

static void put_frame(struct buf *out, const struct profile *p, const struct wire_frame *frame)
{
    const struct wire_function *f = &p->tables.functions[frame->function];
    if (strtab_len(&p->tables.strings, f->name))
        put_name(out, p, f->name);
    else
        buf_put_text(out, "(unknown)"); /* an empty name would be no frame at all */
    if (f->file == 0 || f->kind == WIRE_BUILTIN)
        return;
    buf_put_text(out, " (");
    put_name(out, p, f->file);
    buf_printf(out, ":%" PRIu32 ")", frame->line ? frame->line : f->line);
}

struct path {
    uint32_t frame[TABLES_MAX_DEPTH];
};

static void put_stack(struct buf *out, const struct profile *p, struct path *path, uint32_t stack)
{
    size_t depth = 0;
    for (uint32_t at = stack; at; at = p->tables.stacks[at].parent)
        path->frame[depth++] = p->tables.stacks[at].frame;
    for (size_t i = depth; i-- > 0;) {
        put_frame(out, p, &p->tables.frames[path->frame[i]]);
        if (i)
            buf_put_byte(out, ';');
    }
}

/* Samples that name no function are a line with a count only. `*negative`: stacks whose sum is. */
static enum status write_stacks(const struct profile *p, struct buf *out, struct path *path,
                                size_t *negative)
{
    const struct sample_set *set = &p->sets[0];
    int64_t *sum = calloc(p->tables.stacks_len, sizeof(*sum));
    if (!sum)
        return STATUS_NO_MEMORY;
    enum status st = STATUS_OK;
    for (size_t i = 0; st == STATUS_OK && i < set->len; i++) {
        int64_t value = set->values[0].value ? set->values[0].value[i] : set->values[0].constant;
        int64_t *to = &sum[set->stack ? set->stack[i] : 0];
        if (__builtin_add_overflow(*to, value, to))
            st = STATUS_TOO_LARGE;
    }
    for (uint32_t i = 0; st == STATUS_OK && i < p->tables.stacks_len; i++) {
        if (sum[i] <= 0)
            *negative += sum[i] < 0;
        if (sum[i] <= 0)
            continue;
        put_stack(out, p, path, i);
        buf_printf(out, " %" PRId64 "\n", sum[i]);
    }
    free(sum);
    return st == STATUS_OK ? buf_status(out) : st;
}

/* Each function's own time below each of its callers, in microseconds: a call graph knows no more.
 */
static enum status write_graph(const struct profile *p, struct buf *out)
{
    const struct call_graph *g = &p->call_graph;
    double *left = malloc((g->rows_len + 1) * sizeof(*left));
    if (!left)
        return STATUS_NO_MEMORY;
    double scale = strcmp(strtab_text(&p->tables.strings, g->unit), "s") == 0 ? 1e6 : 1;
    for (size_t i = 0; i < g->rows_len; i++)
        left[i] = g->rows[i].self;
    for (size_t i = 0; i < g->edges_len; i++) {
        const struct call_edge *e = &g->edges[i];
        double amount = round(e->self * scale);
        if (!(amount > 0) || e->caller == e->callee)
            continue;
        left[e->callee] -= e->self;
        put_frame(out, p, &(struct wire_frame){.function = g->rows[e->caller].function});
        buf_put_byte(out, ';');
        put_frame(out, p, &(struct wire_frame){.function = g->rows[e->callee].function});
        buf_printf(out, " %.0f\n", amount);
    }
    for (size_t i = 0; i < g->rows_len; i++) {
        double amount = round(left[i] * scale);
        if (!(amount > 0))
            continue;
        put_frame(out, p, &(struct wire_frame){.function = g->rows[i].function});
        buf_printf(out, " %.0f\n", amount);
    }
    free(left);
    return buf_status(out);
}

static void list_losses(const struct profile *p, struct buf *lost)
{
    if (p->sets_len == 0 && p->call_graph.rows_len)
        buf_put_text(lost, "collapsed: a call graph has no stacks: each function is written below "
                           "its direct callers, in microseconds\n");
    if (p->sets_len > 0) {
        const char *unit = strtab_text(&p->tables.strings, p->sets[0].types[0].unit);
        if (strcmp(unit, "count") != 0)
            buf_printf(lost, "collapsed: the unit of the numbers (%s)\n", unit);
        if (p->sets[0].has_time)
            buf_put_text(lost, "collapsed: when the samples were taken\n");
    }
    if (p->sets_len > 1 || (p->sets_len == 1 && p->sets[0].values_len > 1))
        buf_put_text(lost, "collapsed: only the first value of the samples\n");
    if (p->tables.threads_len > 1)
        buf_put_text(lost, "collapsed: threads and processes\n");
    if (p->series_len || p->spans_len)
        buf_put_text(lost, "collapsed: series and spans\n");
}

enum status folded_write(const struct profile *p, struct buf *out, struct buf *lost,
                         struct error *err)
{
    if (p->sets_len == 0 && p->call_graph.rows_len == 0)
        return error_set(err, STATUS_UNSUPPORTED,
                         "collapsed holds stacks, and this profile has none");
    struct path *path = malloc(sizeof(*path));
    size_t negative = 0;
    enum status st = STATUS_NO_MEMORY;
    if (path)
        st = p->sets_len ? write_stacks(p, out, path, &negative) : write_graph(p, out);
    free(path);
    if (st != STATUS_OK)
        return error_set(err, st, "collapsed stacks could not be written (%s)", status_name(st));
    if (negative)
        buf_printf(lost, "collapsed: %zu stacks whose sum is below zero\n", negative);
    list_losses(p, lost);
    return STATUS_OK;
}
