#include "backend/query/summary.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/query/heap_values.h"
#include "backend/query/memory.h"
#include "backend/query/names.h"
#include "backend/query/table.h"
#include "common/base/json_out.h"

struct step {
    double least;
    double size;
    const char *name;
};

/* Three figures, which is what a person can use. */
static void scaled(double amount, const struct step *steps, char *out, size_t size)
{
    double magnitude = fabs(amount);
    while (steps->least > 0 && magnitude < steps->least)
        steps++;
    double x = amount / steps->size;
    double shown = fabs(x);
    snprintf(out, size, "%.*f%s",
             shown >= 100 || shown == floor(shown) ? 0
             : shown >= 10                         ? 1
                                                   : 2,
             x, steps->name);
}

static void grouped(double amount, char *out, size_t size)
{
    if (fabs(amount) >= 1e15 || amount != floor(amount)) {
        snprintf(out, size, "%.4g", amount);
        return;
    }
    char plain[32];
    int len = snprintf(plain, sizeof(plain), "%.0f", fabs(amount));
    size_t at = 0;
    if (amount < 0 && at + 1 < size)
        out[at++] = '-';
    for (int i = 0; i < len && at + 2 < size; i++) {
        out[at++] = plain[i];
        if ((len - i) % 3 == 1 && i + 1 < len)
            out[at++] = ',';
    }
    out[at] = '\0';
}

void summary_amount(double amount, const char *unit, char *out, size_t size)
{
    static const struct step times[] = {
        {3600, 3600, " h"},  {120, 60, " min"},   {1, 1, " s"},
        {1e-3, 1e-3, " ms"}, {1e-6, 1e-6, " us"}, {0, 1e-9, " ns"},
    };
    static const struct step sizes[] = {
        {0x1p40, 0x1p40, " TiB"},
        {0x1p30, 0x1p30, " GiB"},
        {0x1p20, 0x1p20, " MiB"},
        {0x1p10, 0x1p10, " KiB"},
        {0, 1, " B"},
    };
    double seconds = query_unit_seconds(unit);
    if (amount == 0)
        snprintf(out, size, "0");
    else if (seconds > 0)
        scaled(amount * seconds, times, out, size);
    else if (strcmp(unit, "bytes") == 0 || strcmp(unit, "B") == 0)
        scaled(amount, sizes, out, size);
    else
        grouped(amount, out, size);
}

/* ---- the sentence ---- */

static uint32_t kind_of(const struct profile *p, uint32_t function)
{
    return function < p->tables.functions_len ? p->tables.functions[function].kind : 0;
}

static void put_percent(struct buf *out, double percent, const char *words)
{
    buf_printf(out, percent >= 9.95 ? "%.0f %% %s" : "%.1f %% %s", percent, words);
}

static bool is_code(const struct profile *p, uint32_t function)
{
    uint32_t kind = kind_of(p, function);
    return kind != WIRE_IDLE && kind != WIRE_SYNTHETIC && kind != WIRE_TASK;
}

/* What wall samples that waited for the most part say of the rest. */
struct work {
    double waiting, busy; /* shares of the whole, to 1 */
    double most;          /* of busy */
    uint32_t function;
};

/* Looks at no more than WORK_LOOKS rows evenly apart, as this is asked at every change of a live
 * profile: a share is then within half a percent, and is shown in whole ones. */
enum { WORK_LOOKS = 1 << 16 };

static enum status measure_work(const struct profile *p, const struct query_value *v,
                                struct work *out)
{
    const struct sample_set *set = &p->sets[v->set];
    const int64_t *value = set->values[v->column].value;
    const struct tables *t = &p->tables;
    double *self = calloc(t->functions_len + 1, sizeof(*self));
    double all = 0;
    double busy = 0;
    if (!self)
        return STATUS_NO_MEMORY;
    for (size_t i = 0; i < set->len; i += set->len / WORK_LOOKS + 1) {
        double amount = (double)(value ? value[i] : set->values[v->column].constant);
        all += amount;
        if (!(set->state[i] & (WIRE_ON_CPU | WIRE_HAS_GIL | WIRE_WANTS_GIL)) || !set->stack[i])
            continue;
        uint32_t function = t->frames[t->stacks[set->stack[i]].frame].function;
        self[function] += amount;
        busy += amount;
    }
    uint32_t most = 0;
    for (uint32_t i = 0; i < t->functions_len; i++)
        most = self[i] > self[most] && is_code(p, i) ? i : most;
    *out = (struct work){
        .waiting = all > 0 ? 1 - busy / all : 0,
        .busy = all > 0 ? busy / all : 0,
        .most = busy > 0 ? self[most] / busy : 0,
        .function = most,
    };
    free(self);
    return STATUS_OK;
}

/* "81 % waiting; of the rest 62 % in json.decode": of a program that mostly waits, who sleeps
 * longest is no news. */
static enum status add_work(const struct profile *p, const struct query_value *v, struct buf *out)
{
    struct work work;
    if (v->source != QUERY_SAMPLES || strcmp(v->name, "wall") != 0 || !p->sets[v->set].state ||
        !p->sets[v->set].stack)
        return STATUS_OK;
    enum status st = measure_work(p, v, &work);
    if (st != STATUS_OK || work.waiting < 0.5 || work.busy <= 0)
        return st;
    put_percent(out, work.waiting * 100, "waiting; of the rest ");
    put_percent(out, work.most * 100, "in ");
    names_place(out, p, work.function);
    return buf_status(out);
}

/* "62 % in json.decode": the function with the most self time that is not waiting, and its share
 * of what is not waiting. */
static enum status add_hottest(const struct profile *p, struct query_cache *cache, struct buf *out)
{
    struct table t;
    struct query_filter all = {0};
    struct table_options options = {.sort = "self"};
    enum status st = table_build(&t, p, cache, &all, &options, NULL);
    if (st == STATUS_UNSUPPORTED)
        return STATUS_OK;
    if (st != STATUS_OK)
        return st;
    const struct table_row *top = NULL;
    double busy = t.total;
    for (size_t i = 0; i < t.len; i++) {
        if (kind_of(p, t.rows[i].function) == WIRE_IDLE)
            busy -= t.rows[i].self;
        else if (!top && is_code(p, t.rows[i].function))
            top = &t.rows[i];
    }
    size_t before = out->len;
    st = add_work(p, &t.value, out);
    if (out->len == before && top && top->self > 0 && busy > 0) {
        put_percent(out, top->self * 100 / busy, "in ");
        names_place(out, p, top->function);
    }
    table_free(&t);
    return st == STATUS_OK ? buf_status(out) : st;
}

/* The tree's highest memory: "peak 1.2 GB at 41 s". */
static void add_peak(const struct profile *p, struct buf *out)
{
    static const char *const names[] = {"rss", "pss", "heap", "memory"};
    const struct series *best = NULL;
    for (size_t n = 0; n < sizeof(names) / sizeof(names[0]) && !best; n++) {
        for (size_t i = 0; i < p->series_len; i++) {
            const struct series *s = &p->series[i];
            bool is_named = strcmp(strtab_text(&p->tables.strings, s->name), names[n]) == 0;
            if (is_named && s->len > 0 && (!best || (best->has_process && !s->has_process)))
                best = s;
        }
    }
    if (!best)
        return;
    size_t peak = 0;
    for (size_t i = 1; i < best->len; i++) {
        if (best->value[i] > best->value[peak])
            peak = i;
    }
    char amount[32];
    char when[32];
    const char *name = strtab_text(&p->tables.strings, best->name);
    const char *word = strcmp(name, "rss") == 0 ? "RSS " : strcmp(name, "pss") == 0 ? "PSS " : "";
    summary_amount(best->value[peak], strtab_text(&p->tables.strings, best->unit), amount,
                   sizeof(amount));
    summary_amount((double)best->time_ns[peak] / 1e9, "s", when, sizeof(when));
    buf_printf(out, "%speak %s%s at %s", out->len ? "; " : "", word, amount,
               best->time_ns[peak] ? when : "the start");
}

/* Whose the heap was when most of it was in use: "70 % of the heap from load_rows (app.py:7)". */
static enum status add_holder(const struct profile *p, struct buf *out)
{
    struct memory m;
    uint32_t set;
    struct heap_columns columns;
    static const struct query_filter everything = {0};
    struct memory_options options = {.by = MEMORY_BY_FUNCTION, .sort = MEMORY_PEAK};
    if (!heap_set_find(p, &set, &columns) || p->sets[set].len == 0)
        return STATUS_OK;
    enum status st = memory_build(&m, p, &everything, &options, NULL);
    if (st != STATUS_OK)
        return st;
    double total = (double)m.total[MEMORY_PEAK].bytes;
    if (m.len && m.rows[0].function && total > 0) {
        buf_printf(out, "%s%.0f %% of the heap from ", out->len ? ", " : "",
                   100 * (double)m.rows[0].of[MEMORY_PEAK].bytes / total);
        names_place(out, p, m.rows[0].function);
    }
    memory_free(&m);
    return buf_status(out);
}

static void add_benchmarks(const struct profile *p, struct buf *out)
{
    if (out->len || p->benchmarks_len == 0)
        return;
    size_t slowest = 0;
    for (size_t i = 1; i < p->benchmarks_len; i++) {
        if (p->benchmarks[i].mean_s > p->benchmarks[slowest].mean_s)
            slowest = i;
    }
    char mean[32];
    summary_amount(p->benchmarks[slowest].mean_s, "s", mean, sizeof(mean));
    buf_printf(out, "%zu benchmark%s; slowest ", p->benchmarks_len,
               p->benchmarks_len == 1 ? "" : "s");
    buf_put_text(out, strtab_text(&p->tables.strings, p->benchmarks[slowest].name));
    buf_printf(out, " (%s)", mean);
}

enum status summary_write(const struct profile *p, struct query_cache *cache, struct buf *out)
{
    struct buf sentence;
    buf_init(&sentence, 0);
    enum status st = add_hottest(p, cache, &sentence);
    if (st == STATUS_OK) {
        add_peak(p, &sentence);
        st = add_holder(p, &sentence);
    }
    if (st == STATUS_OK) {
        add_benchmarks(p, &sentence);
        st = buf_status(&sentence);
    }
    if (st == STATUS_OK)
        buf_put(out, sentence.data, sentence.len);
    buf_deinit(&sentence);
    return st == STATUS_OK ? buf_status(out) : st;
}
