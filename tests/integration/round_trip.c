/* Reads a profile, writes it in every format that can be read again, reads that, and compares the
 * numbers. A line for each format: "NAME ok", "NAME refused: why" or "NAME WRONG: what"; then what
 * the writer said it left out, indented. tests/integration/round_trips.py asks it about every file.
 *
 *   round_trip FILE                  exit code 0, 2 when FILE cannot be read */

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/formats/format.h"
#include "backend/query/table.h"
#include "backend/query/values.h"
#include "tests/unit/model/same_profile.h"

enum keeps {
    KEEPS_STACKS = 1, /* self and total of stacks */
    KEEPS_GRAPH = 2,  /* self, total, calls of a call graph, its own or that of stacks */
    KEEPS_LINES = 4,
    KEEPS_SERIES = 8,
    KEEPS_VALUES = 16, /* all of them */
    KEEPS_ALL = 32,    /* every table: the same JSON comes out */
};

/* What docs/formats.md says of each. `step`: amounts are whole numbers of so many seconds. */
static const struct way {
    const char *name;
    unsigned keeps;
    double step;
    bool is_unitless;
    bool is_framed; /* samples without frames are left out, and said to be */
} ways[] = {
    {"heliograph", KEEPS_ALL | KEEPS_STACKS | KEEPS_LINES | KEEPS_SERIES | KEEPS_VALUES, 0, 0, 0},
    {"html", KEEPS_ALL | KEEPS_STACKS | KEEPS_LINES | KEEPS_SERIES | KEEPS_VALUES, 0, 0, 0},
    {"collapsed", KEEPS_STACKS, 1e-6, true, false},
    {"speedscope", KEEPS_STACKS | KEEPS_VALUES, 1e-9, false, false},
    {"pprof", KEEPS_STACKS | KEEPS_VALUES, 1e-9, false, false},
    {"chrome-trace", KEEPS_STACKS | KEEPS_SERIES, 1e-9, false, true},
    {"pstats", KEEPS_GRAPH, 0, false, true},
    {"callgrind", KEEPS_GRAPH, 1e-9, false, true},
    {"mprof", KEEPS_SERIES, 0, false, false},
};

static char wrong[400];

static bool fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
static bool fail(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(wrong, sizeof(wrong), format, args);
    va_end(args);
    return false;
}

/* ---- numbers by name ---- */

struct sum {
    char *name;
    double self, total;
    double calls, primitive;
    int functions;
};

struct sums {
    struct sum *items;
    size_t len;
    double total;
};

/* Names as the formats of lines can hold them. */
static char *plain_name(const struct profile *p, uint32_t function)
{
    const struct wire_function *f = &p->tables.functions[function];
    const char *text = strtab_text(&p->tables.strings, f->name);
    size_t len = strtab_len(&p->tables.strings, f->name);
    if (strspn(text, " \t\r\n") == len)
        return strdup("(unknown)");
    char *name = malloc(len + 1);
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '(' && n)
            break; /* a place in the name is taken for one */
        if (c > ' ' && c < 0x7f && c != ';' && c != ':')
            name[n++] = (char)c;
    }
    name[n] = 0;
    return name;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct sum *)a)->name, ((const struct sum *)b)->name);
}

static double in_seconds(double v, const char *unit)
{
    double s = query_unit_seconds(unit);
    const char *slash = strstr(unit, "/1000");
    return s > 0 ? v * s : slash && !slash[5] ? v / 1000 : v;
}

static bool sums_of(struct sums *out, const struct profile *p, const char *key, bool is_raw)
{
    struct table t;
    struct error err = {0};
    struct query_filter filter = {.value = key};
    struct table_options options = {0};
    *out = (struct sums){0};
    if (table_build(&t, p, NULL, &filter, &options, &err) != STATUS_OK)
        return fail("no table: %s", err.text);
    out->items = calloc(t.len + 1, sizeof(*out->items));
    double one = is_raw ? 1 : in_seconds(1, t.value.unit);
    out->total = t.total * one;
    for (size_t i = 0; i < t.len; i++) {
        const struct table_row *r = &t.rows[i];
        if (r->self == 0 && r->total == 0 && r->calls == 0)
            continue;
        out->items[out->len++] = (struct sum){plain_name(p, r->function),
                                              r->self * one,
                                              r->total * one,
                                              (double)r->calls,
                                              (double)r->primitive_calls,
                                              1};
    }
    qsort(out->items, out->len, sizeof(*out->items), by_name);
    size_t kept = 0;
    for (size_t i = 0; i < out->len; i++) {
        struct sum *s = &out->items[i];
        if (kept && strcmp(out->items[kept - 1].name, s->name) == 0) {
            struct sum *last = &out->items[kept - 1];
            last->self += s->self;
            last->calls += s->calls;
            last->primitive += s->primitive;
            last->functions++;
            free(s->name);
        } else {
            out->items[kept++] = *s;
        }
    }
    out->len = kept;
    table_free(&t);
    return true;
}

static void sums_free(struct sums *s)
{
    for (size_t i = 0; i < s->len; i++)
        free(s->items[i].name);
    free(s->items);
}

static void drop_frameless(struct sums *s)
{
    s->total = 0;
    for (size_t i = 0; i < s->len; i++)
        s->total += s->items[i].self;
}

static bool is_near(double a, double b, double slack)
{
    return fabs(a - b) <= slack + 1e-9 * (fabs(a) + fabs(b));
}

/* `edges`: into how many numbers a function's amount was divided, each rounded. */
static bool same_sums(const struct sums *a, const struct sums *b, double step, double edges,
                      bool has_totals, bool has_calls)
{
    double slack = step * edges;
    if (!is_near(a->total, b->total, slack * (double)(a->len + 1)))
        return fail("the whole is %.12g, was %.12g", b->total, a->total);
    for (size_t i = 0, k = 0; i < a->len || k < b->len;) {
        const struct sum *x = i < a->len ? &a->items[i] : NULL;
        const struct sum *y = k < b->len ? &b->items[k] : NULL;
        int order = !x ? 1 : !y ? -1 : strcmp(x->name, y->name);
        if (order < 0 && x && fabs(x->self) > slack)
            return fail("%.60s (%.12g) is not there", x->name, x->self);
        if (order > 0 && y && fabs(y->self) > slack)
            return fail("%.60s (%.12g) was not there", y->name, y->self);
        if (x && y && order == 0) {
            if (!is_near(x->self, y->self, slack))
                return fail("self of %.60s is %.12g, was %.12g", x->name, y->self, x->self);
            if (has_totals && x->functions == 1 && y->functions == 1 &&
                !is_near(x->total, y->total, slack * (double)(a->len + 1)))
                return fail("total of %.60s is %.12g, was %.12g", x->name, y->total, x->total);
            if (has_calls && (x->calls != y->calls || x->primitive != y->primitive))
                return fail("calls of %.60s are %.0f/%.0f, were %.0f/%.0f", x->name, y->calls,
                            y->primitive, x->calls, x->primitive);
        }
        i += order <= 0;
        k += order >= 0;
    }
    return true;
}

/* ---- what each shape should give again ---- */

/* The call graph's key, or that of the first set's first value: what writers write. */
static const char *first_key(const struct query_values *v, bool wants_graph)
{
    for (size_t i = 0; i < v->len && wants_graph; i++) {
        if (v->items[i].source == QUERY_CALL_GRAPH)
            return v->items[i].key;
    }
    for (size_t i = 0; i < v->len; i++) {
        const struct query_value *q = &v->items[i];
        if (q->source == QUERY_SAMPLES && q->set == 0 && q->column == 0 && !q->derived)
            return q->key;
    }
    return v->len ? v->items[0].key : NULL;
}

static bool same_functions(const struct profile *a, const struct profile *b, const struct way *w)
{
    struct query_values av = {0};
    struct query_values bv = {0};
    if (query_values_list(a, &av) != STATUS_OK || query_values_list(b, &bv) != STATUS_OK)
        return fail("no values");
    const char *a_key = first_key(&av, w->keeps & KEEPS_GRAPH);
    const char *b_key = first_key(&bv, w->keeps & KEEPS_GRAPH);
    bool is_same = true;
    if (a_key && !b_key) {
        struct sums x = {0};
        is_same = sums_of(&x, a, a_key, w->is_unitless);
        if (w->is_framed)
            drop_frameless(&x);
        if (is_same && x.total != 0)
            is_same = fail("nothing to count is left");
        sums_free(&x);
    }
    if (a_key && b_key) {
        struct sums x = {0};
        struct sums y = {0};
        bool has_stacks = a->sets_len > 0;
        bool is_trace = strcmp(w->name, "chrome-trace") == 0;
        /* A call graph has no stacks: a format of stacks keeps the own times. */
        bool has_graph = a->call_graph.rows_len > 0;
        bool is_callgrind = strcmp(w->name, "callgrind") == 0;
        bool has_totals = !is_callgrind && (has_graph ? w->keeps & KEEPS_GRAPH : has_stacks);
        double edges = has_graph ? (double)(a->call_graph.rows_len + 1) : 1;
        double step = w->step;
        is_same = sums_of(&x, a, a_key, w->is_unitless && has_stacks) &&
                  sums_of(&y, b, b_key, w->is_unitless && has_stacks);
        bool is_time = query_unit_seconds(av.items[0].unit) > 0;
        double scale = w->is_unitless && !has_stacks && is_time ? 1e-6 : 1;
        if (is_trace && query_unit_seconds(av.items[0].unit) <= 0)
            scale = 1e6; /* one is written as one microsecond */
        for (size_t i = 0; i < y.len; i++) {
            y.items[i].self *= scale;
            y.items[i].total *= scale;
        }
        y.total *= scale;
        if (w->is_framed) {
            drop_frameless(&x);
            drop_frameless(&y);
        }
        if (!is_time || (w->is_unitless && has_stacks))
            step = w->step > 0 && !has_stacks ? 1 : 0;
        if (is_callgrind && strstr(av.items[0].unit, "/1000"))
            step = 1; /* fractions of a count are rounded, and that is said */
        if (is_same)
            is_same = same_sums(&x, &y, step, edges, has_totals,
                                has_graph && w->keeps & KEEPS_GRAPH && !is_callgrind);
        sums_free(&x);
        sums_free(&y);
    }
    query_values_free(&av);
    query_values_free(&bv);
    return is_same;
}

/* Every value of the first is one of the second's, by its whole. */
static bool same_values(const struct profile *a, const struct profile *b)
{
    struct query_values av = {0};
    struct query_values bv = {0};
    if (query_values_list(a, &av) != STATUS_OK || query_values_list(b, &bv) != STATUS_OK)
        return fail("no values");
    bool is_same = true;
    for (size_t i = 0; i < av.len && is_same; i++) {
        const struct query_value *q = &av.items[i];
        if (q->source != QUERY_SAMPLES || q->derived)
            continue;
        double whole = in_seconds(query_value_total(a, q), q->unit);
        bool is_found = whole == 0;
        for (size_t k = 0; k < bv.len && !is_found; k++)
            is_found = is_near(
                whole, in_seconds(query_value_total(b, &bv.items[k]), bv.items[k].unit), 1e-9);
        if (!is_found)
            is_same = fail("the value %.60s (%.12g) is not there", q->key, whole);
    }
    query_values_free(&av);
    query_values_free(&bv);
    return is_same;
}

static bool same_lines(const struct profile *a, const struct profile *b)
{
    double x[3] = {0};
    double y[3] = {0};
    for (size_t i = 0; i < a->lines_len; i++) {
        x[0] += (double)a->lines[i].hits;
        x[1] += isnan(a->lines[i].time_s) ? 0 : a->lines[i].time_s;
        x[2] += isnan(a->lines[i].increment_bytes) ? 0 : a->lines[i].increment_bytes;
    }
    for (size_t i = 0; i < b->lines_len; i++) {
        y[0] += (double)b->lines[i].hits;
        y[1] += isnan(b->lines[i].time_s) ? 0 : b->lines[i].time_s;
        y[2] += isnan(b->lines[i].increment_bytes) ? 0 : b->lines[i].increment_bytes;
    }
    if (a->lines_len != b->lines_len || memcmp(x, y, sizeof(x)) != 0)
        return fail("%zu lines of %zu", b->lines_len, a->lines_len);
    return true;
}

/* mprof holds the resident size only. */
static bool is_kept_series(const struct profile *p, const struct series *s, const struct way *w)
{
    const char *name = strtab_text(&p->tables.strings, s->name);
    return strcmp(w->name, "mprof") != 0 || strcmp(name, "rss") == 0;
}

static bool same_series(const struct profile *a, const struct profile *b, const struct way *w)
{
    /* Microseconds in a trace, a tenth of a millisecond and of a KiB in mprof's text. */
    bool is_mprof = strcmp(w->name, "mprof") == 0;
    double slack = is_mprof ? 1024 * 1024 * 1e-5 : 0;
    for (size_t i = 0; i < a->series_len; i++) {
        const struct series *s = &a->series[i];
        bool is_found = s->len == 0 || !is_kept_series(a, s, w);
        for (size_t k = 0; k < b->series_len && !is_found; k++) {
            const struct series *o = &b->series[k];
            is_found = o->len == s->len;
            for (size_t n = 0; n < s->len && is_found; n++)
                is_found = is_near(s->value[n], o->value[n], slack);
        }
        if (!is_found)
            return fail("the series %s (%zu points) is not there",
                        strtab_text(&a->tables.strings, s->name), s->len);
    }
    return true;
}

/* Everything but the name of the format, which says where it was read from. */
static bool same_all(const struct profile *a, struct profile *b)
{
    const struct strtab *s = &a->tables.strings;
    if (tables_string(&b->tables, strtab_text(s, a->format), strtab_len(s, a->format),
                      &b->format) != STATUS_OK)
        return fail("no memory");
    const char *difference = profiles_differ(a, b);
    return !difference || fail("not %s", difference);
}

static bool compare(struct profile *a, struct profile *b, const struct way *w,
                    const struct buf *lost)
{
    bool has_graph = a->sets_len == 0 && a->call_graph.rows_len > 0;
    bool has_stacks = a->sets_len > 0;
    /* What is below zero has no place in a trace or a picture, and that is said. */
    bool is_cut = memmem(lost->data ? (const char *)lost->data : "", lost->len, "below zero", 10);
    if (!is_cut && (has_graph || has_stacks) && w->keeps & (KEEPS_STACKS | KEEPS_GRAPH) &&
        !same_functions(a, b, w))
        return false;
    if (w->keeps & KEEPS_VALUES && !same_values(a, b))
        return false;
    if (w->keeps & KEEPS_LINES && !same_lines(a, b))
        return false;
    if (w->keeps & KEEPS_SERIES && !same_series(a, b, w))
        return false;
    return !(w->keeps & KEEPS_ALL) || same_all(a, b);
}

/* Some tools write files without a sample: then there is nothing to lose. */
static bool is_nothing(const struct profile *p, const struct way *w)
{
    struct query_values values = {0};
    double amount = (double)(p->lines_len + p->benchmarks_len);
    for (size_t i = 0; i < p->series_len && w->keeps & KEEPS_SERIES; i++)
        amount += (double)p->series[i].len;
    if (query_values_list(p, &values) == STATUS_OK) {
        for (size_t i = 0; i < values.len; i++)
            amount += fabs(query_value_total(p, &values.items[i]));
    }
    query_values_free(&values);
    return amount == 0;
}

static void try_way(struct profile *p, const struct way *w)
{
    const struct format *f = format_by_name(w->name);
    struct buf out;
    struct buf lost;
    struct error err = {0};
    buf_init(&out, 0);
    buf_init(&lost, 0);
    if (f->write(p, &out, &lost, &err) != STATUS_OK) {
        printf("%s refused: %s\n", w->name, err.text);
    } else {
        struct profile *again = NULL;
        const char *name = strtab_text(&p->tables.strings, p->name);
        if (format_load(out.data, out.len, name, NULL, &again, &err) != STATUS_OK) {
            bool is_fine = is_nothing(p, w) && out.len == 0;
            printf("%s %s %s\n", w->name,
                   is_fine ? "empty:" : "WRONG: cannot be read again:", err.text);
        } else if (strcmp(strtab_text(&again->tables.strings, again->format), w->name) != 0)
            printf("%s WRONG: is taken for %s\n", w->name,
                   strtab_text(&again->tables.strings, again->format));
        else if (!is_nothing(p, w) && !compare(p, again, w, &lost))
            printf("%s WRONG: %s\n", w->name, wrong);
        else
            printf("%s ok\n", w->name);
        profile_free(again);
        for (size_t i = 0; i < lost.len; i++)
            printf("%s%c", i == 0 || lost.data[i - 1] == '\n' ? "  " : "", lost.data[i]);
    }
    buf_deinit(&out);
    buf_deinit(&lost);
}

int main(int argc, char **argv)
{
    struct profile *p;
    struct error err = {0};
    if (argc < 2 || format_load_path(argv[1], NULL, &p, &err) != STATUS_OK) {
        fprintf(stderr, "%s\n", err.text);
        return 2;
    }
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        if (argc < 3 || strcmp(argv[2], ways[i].name) == 0)
            try_way(p, &ways[i]);
    }
    profile_free(p);
    return 0;
}
