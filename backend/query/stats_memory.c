#include "backend/query/stats_memory.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "backend/query/heap_values.h"
#include "backend/query/leaks.h"
#include "backend/query/memory.h"
#include "backend/query/memory_parts.h"
#include "backend/query/names.h"
#include "backend/query/stats_parts.h"
#include "backend/query/summary.h"

/* Which lists are told: at the program's end little is left, at its peak there is most to see. */
static const enum memory_measure ranked[] = {MEMORY_PEAK, MEMORY_IN_USE, MEMORY_ALLOCATED,
                                             MEMORY_TEMPORARY};
static const double least_share = 0.001; /* of a list's total, that a line of text must have */
enum { RANKED = sizeof(ranked) / sizeof(ranked[0]), NAME_MAX_BYTES = 400 };

static const char *const by_words[] = {"line", "function"};

static bool is_known(const struct memory *m, enum memory_measure measure)
{
    return measure != MEMORY_TEMPORARY || m->has_temporary;
}

/* Allocations over time that have rows: a set that is only declared has measured nothing. */
static bool has_rows(const struct profile *p)
{
    uint32_t set;
    struct heap_columns columns;
    return heap_set_find(p, &set, &columns) && p->sets[set].len > 0;
}

/* ---- JSON ---- */

static void amount(struct json_out *j, const struct memory *m, enum memory_measure measure,
                   struct memory_amount a)
{
    json_out_key(j, memory_measure_name(measure));
    json_out_i64(j, a.bytes);
    if (m->has_counts) {
        char key[32];
        snprintf(key, sizeof(key), "%s_count", memory_measure_name(measure));
        json_out_key(j, key);
        json_out_i64(j, a.count);
    }
}

static void write_row(struct json_out *j, const struct memory *m, const struct profile *p,
                      const struct memory_row *r, enum memory_measure sorted)
{
    json_out_object(j);
    names_members(j, p, r->function);
    if (m->options.by == MEMORY_BY_LINE) {
        json_put_u64(j, "at_line", r->line);
    }
    json_out_key(j, "callers");
    memory_write_callers(j, p, r->stack);
    for (size_t k = 0; k < RANKED; k++) {
        if (is_known(m, ranked[k]))
            amount(j, m, ranked[k], r->of[ranked[k]]);
    }
    if (m->every_bytes) {
        json_put_f64(j, "error", memory_standard_error(r->of[sorted], m->every_bytes));
    }
    json_out_end(j);
}

static void write_lists(struct json_out *j, struct memory *m, const struct profile *p, size_t top)
{
    json_out_object(j);
    for (size_t k = 0; k < RANKED; k++) {
        if (!is_known(m, ranked[k]))
            continue;
        memory_sort(m, ranked[k]);
        json_out_key(j, memory_measure_name(ranked[k]));
        json_out_array(j);
        for (size_t i = 0; i < m->len && (top == 0 || i < top); i++) {
            if (m->rows[i].of[ranked[k]].bytes <= 0)
                break;
            write_row(j, m, p, &m->rows[i], ranked[k]);
        }
        json_out_end(j);
    }
    json_out_end(j);
}

static void write_heap(struct json_out *j, const struct memory *m)
{
    const struct memory_amount *of = m->total;
    json_out_key(j, "heap");
    json_out_object(j);
    json_put_f64(j, "peak_bytes", m->peak_bytes);
    json_put_f64(j, "peak_s", (double)m->peak_ns / 1e9);
    json_out_key(j, "in_use_bytes");
    json_out_i64(j, of[MEMORY_IN_USE].bytes);
    json_out_key(j, "allocated_bytes");
    json_out_i64(j, of[MEMORY_ALLOCATED].bytes);
    if (m->has_counts) {
        json_out_key(j, "allocations");
        json_out_i64(j, of[MEMORY_ALLOCATED].count);
    }
    json_out_key(j, "leaked_bytes");
    json_out_i64(j, of[MEMORY_LEAKED].bytes);
    if (m->has_temporary) {
        json_out_key(j, "temporary_bytes");
        json_out_i64(j, of[MEMORY_TEMPORARY].bytes);
    }
    json_put_u64(j, "every_bytes", m->every_bytes);
    if (m->every_bytes) {
        json_put_f64(j, "peak_error_bytes", memory_standard_error(of[MEMORY_PEAK], m->every_bytes));
        json_put_f64(j, "in_use_error_bytes",
                     memory_standard_error(of[MEMORY_IN_USE], m->every_bytes));
        json_put_f64(j, "allocated_error_bytes",
                     memory_standard_error(of[MEMORY_ALLOCATED], m->every_bytes));
    }
    json_out_end(j);
}

static enum status write_places(struct json_out *j, const struct profile *p,
                                const struct query_filter *filter, size_t top, struct error *err)
{
    enum status st = STATUS_OK;
    for (int by = MEMORY_BY_LINE; by <= MEMORY_BY_FUNCTION && st == STATUS_OK; by++) {
        struct memory m;
        struct memory_options o = {.by = (enum memory_by)by, .sort = MEMORY_PEAK};
        st = memory_build(&m, p, filter, &o, err);
        if (st != STATUS_OK)
            break;
        if (by == MEMORY_BY_LINE) {
            write_heap(j, &m);
            json_out_key(j, "memory");
            json_out_object(j);
        }
        json_out_key(j, by_words[by]);
        write_lists(j, &m, p, top);
        memory_free(&m);
    }
    if (st == STATUS_OK)
        json_out_end(j);
    return st;
}

enum status stats_write_memory(struct json_out *j, const struct profile *p,
                               const struct query_filter *filter, size_t top, struct error *err)
{
    if (!has_rows(p)) {
        stats_write_heap(j, p);
        return STATUS_OK;
    }
    struct leaks leaks;
    enum status st = write_places(j, p, filter, top, err);
    if (st == STATUS_OK)
        st = leaks_find(&leaks, p, filter, MEMORY_BY_LINE, err);
    if (st != STATUS_OK)
        return st;
    json_out_key(j, "leaks");
    leaks_write(j, &leaks, p, top);
    leaks_free(&leaks);
    return STATUS_OK;
}

/* ---- text ---- */

static void put_bytes(struct buf *out, double bytes)
{
    char text[32];
    summary_amount(bytes, "bytes", text, sizeof(text));
    buf_put_text(out, text);
}

static void put_error(struct buf *out, const struct memory *m, struct memory_amount a)
{
    if (m->every_bytes == 0)
        return;
    buf_put_text(out, " \xc2\xb1 ");
    put_bytes(out, memory_standard_error(a, m->every_bytes));
}

static void put_total(struct buf *out, const char *label, const struct memory *m,
                      enum memory_measure measure)
{
    buf_printf(out, "  %-20s", label);
    put_bytes(out, (double)m->total[measure].bytes);
    put_error(out, m, m->total[measure]);
}

static void put_count(struct buf *out, const struct memory *m, enum memory_measure measure,
                      const char *word)
{
    char count[32];
    if (!m->has_counts)
        return;
    summary_amount((double)m->total[measure].count, "count", count, sizeof(count));
    buf_printf(out, " in %s %s", count, word);
}

static void print_totals(const struct memory *m, struct buf *out)
{
    char when[32];
    summary_amount((double)m->peak_ns / 1e9, "s", when, sizeof(when));
    buf_put_text(out, "memory the program allocated");
    if (m->every_bytes) {
        buf_put_text(out, ", estimated from one sample each ");
        put_bytes(out, (double)m->every_bytes);
        buf_put_text(out, " (\xc2\xb1 standard error)");
    } else {
        buf_put_text(out, ", every allocation counted");
    }
    buf_put_byte(out, '\n');
    buf_printf(out, "  %-20s", "most in use");
    put_bytes(out, m->peak_bytes);
    put_error(out, m, m->total[MEMORY_PEAK]);
    buf_printf(out, ", at %s\n", when);
    put_total(out, "in use at the end", m, MEMORY_IN_USE);
    put_count(out, m, MEMORY_IN_USE, "blocks");
    buf_put_byte(out, '\n');
    put_total(out, "allocated in all", m, MEMORY_ALLOCATED);
    put_count(out, m, MEMORY_ALLOCATED, "allocations");
    buf_put_byte(out, '\n');
    if (m->has_temporary) {
        put_total(out, "of it temporary", m, MEMORY_TEMPORARY);
        put_count(out, m, MEMORY_TEMPORARY, "allocations");
        buf_put_byte(out, '\n');
    } else {
        buf_printf(out, "  %-20snot known%s\n", "of it temporary",
                   m->every_bytes ? " in sampled mode (--memory exact tells)" : "");
    }
}

/* Foreign text on a terminal: control bytes are shown as '?'. */
static void put_name(struct buf *out, const char *text, size_t len)
{
    for (size_t i = 0; i < len && i < NAME_MAX_BYTES; i++) {
        unsigned char c = (unsigned char)text[i];
        buf_put_byte(out, c < 0x20 || c == 0x7f ? '?' : c);
    }
}

static void put_place(struct buf *out, const struct profile *p, uint32_t function, uint32_t line,
                      uint32_t stack)
{
    size_t len;
    const char *text = names_file(p, function, &len);
    uint32_t first = function < p->tables.functions_len ? p->tables.functions[function].line : 0;
    if (len) {
        put_name(out, text, len);
        buf_printf(out, ":%u (", line ? line : first);
    }
    text = names_function(p, function, &len);
    put_name(out, text, len);
    if (names_file(p, function, &len) && len)
        buf_put_byte(out, ')');
    uint32_t up = stack ? p->tables.stacks[stack].parent : 0;
    if (up) {
        text = names_function(p, p->tables.frames[p->tables.stacks[up].frame].function, &len);
        buf_put_text(out, " < ");
        put_name(out, text, len);
    }
    buf_put_byte(out, '\n');
}

static void print_list(struct memory *m, const struct profile *p, enum memory_measure measure,
                       const char *title, size_t top, struct buf *out)
{
    memory_sort(m, measure);
    double total = (double)m->total[measure].bytes;
    if (m->len == 0 || m->rows[0].of[measure].bytes <= 0)
        return;
    buf_printf(out, "\n%12s %7s %12s  %s by %s\n", "bytes", "share",
               m->every_bytes ? "\xc2\xb1 error" : "blocks", title, by_words[m->options.by]);
    for (size_t i = 0; i < m->len && (top == 0 || i < top); i++) {
        const struct memory_row *r = &m->rows[i];
        struct memory_amount a = r->of[measure];
        if (a.bytes <= 0 || (double)a.bytes < least_share * total)
            break;
        char bytes[32];
        char other[32] = "";
        summary_amount((double)a.bytes, "bytes", bytes, sizeof(bytes));
        if (m->every_bytes)
            summary_amount(memory_standard_error(a, m->every_bytes), "bytes", other, sizeof(other));
        else if (m->has_counts)
            summary_amount((double)a.count, "count", other, sizeof(other));
        buf_printf(out, "%12s %5.1f %% %12s  ", bytes,
                   total > 0 ? 100 * (double)a.bytes / total : 0.0, other);
        put_place(out, p, r->function, r->line, r->stack);
    }
}

static void print_leaks(const struct leaks *l, const struct profile *p, size_t top, struct buf *out)
{
    if (l->is_too_short) {
        buf_put_text(out, "\nleaks: too short a run to tell (growth is judged over windows)\n");
        return;
    }
    char from[32];
    char to[32];
    summary_amount((double)l->from_ns / 1e9, "s", from, sizeof(from));
    summary_amount((double)l->to_ns / 1e9, "s", to, sizeof(to));
    if (l->len == 0) {
        buf_printf(out, "\nleaks: none suspected from %s to %s (%zu windows)\n", from, to,
                   l->windows);
        return;
    }
    buf_printf(out,
               "\n%12s %12s %9s %6s  may leak: what it keeps grows from %s to %s, to the end\n",
               "a minute", "grown", "rises", "sure", from, to);
    for (size_t i = 0; i < l->len && (top == 0 || i < top); i++) {
        const struct leak *k = &l->items[i];
        char rate[32];
        char grown[32];
        char rises[24];
        summary_amount(k->bytes_per_min, "bytes", rate, sizeof(rate));
        summary_amount(k->grown_bytes, "bytes", grown, sizeof(grown));
        snprintf(rises, sizeof(rises), "%u of %u", k->rises, k->steps);
        /* Never "100 %": a suspicion is none. */
        double sure = fmin(99.9, floor(k->confidence * 1000) / 10);
        buf_printf(out, "%12s %12s %9s %4.1f %%  ", rate, grown, rises, sure);
        put_place(out, p, k->function, k->line, k->stack);
    }
}

static enum status print_places(const struct profile *p, const struct query_filter *filter,
                                size_t top, struct buf *out, struct error *err)
{
    static const char *const titles[RANKED] = {"most in use", "in use at the end", "allocated",
                                               "temporary"};
    enum status st = STATUS_OK;
    for (int by = MEMORY_BY_LINE; by <= MEMORY_BY_FUNCTION && st == STATUS_OK; by++) {
        struct memory m;
        struct memory_options o = {.by = (enum memory_by)by, .sort = MEMORY_PEAK};
        st = memory_build(&m, p, filter, &o, err);
        if (st != STATUS_OK)
            break;
        if (by == MEMORY_BY_LINE)
            print_totals(&m, out);
        for (size_t k = 0; k < RANKED; k++) {
            if (is_known(&m, ranked[k]))
                print_list(&m, p, ranked[k], titles[k], top, out);
        }
        memory_free(&m);
    }
    return st;
}

/* ---- what the kernel says ---- */

static void print_series(const struct profile *p, bool has_heap, struct buf *out)
{
    bool is_first = true;
    for (size_t i = 0; i < p->series_len; i++) {
        const struct series *s = &p->series[i];
        const char *name = strtab_text(&p->tables.strings, s->name);
        const char *unit = strtab_text(&p->tables.strings, s->unit);
        if (s->has_process || s->len == 0 || (has_heap && strcmp(name, "heap") == 0))
            continue;
        size_t greatest = 0;
        size_t last = s->len - 1;
        for (size_t k = 1; k < s->len; k++) {
            if (s->value[k] > s->value[greatest])
                greatest = k;
        }
        while (last > 0 && s->value[last] == 0)
            last--; /* a program that has gone has no memory */
        char text[3][32];
        summary_amount(s->value[greatest], unit, text[0], sizeof(text[0]));
        summary_amount((double)s->time_ns[greatest] / 1e9, "s", text[1], sizeof(text[1]));
        summary_amount(s->value[last], unit, text[2], sizeof(text[2]));
        if (is_first && has_heap)
            buf_put_text(out, "\nas the kernel counts\n");
        is_first = false;
        buf_put_text(out, "  ");
        put_name(out, name, strlen(name));
        buf_printf(out, ": peak %s at %s, last %s (%zu points)\n", text[0], text[1], text[2],
                   s->len);
    }
}

static void heap_line(struct buf *out, const char *label, double value, const char *unit)
{
    if (isnan(value))
        return;
    char text[32];
    summary_amount(value, unit, text, sizeof(text));
    buf_printf(out, "  %-12s %s\n", label, text);
}

static void print_known(const struct profile *p, struct buf *out)
{
    struct stats_heap h;
    if (!stats_has_heap(p))
        return;
    stats_heap_build(&h, p);
    buf_put_text(out, "memory\n");
    heap_line(out, "most in use", h.peak_bytes, "bytes");
    heap_line(out, "in use", h.in_use_bytes, "bytes");
    heap_line(out, "allocated", h.allocated_bytes, "bytes");
    heap_line(out, "allocations", h.allocations, "count");
    heap_line(out, "leaked", h.leaked_bytes, "bytes");
}

enum status stats_print_memory(const struct profile *p, const struct query_filter *filter,
                               size_t top, struct buf *out, struct error *err)
{
    enum status st = STATUS_OK;
    struct leaks leaks;
    bool has_heap = has_rows(p);
    uint32_t set;
    struct heap_columns columns;
    if (has_heap) {
        st = print_places(p, filter, top, out, err);
        if (st == STATUS_OK)
            st = leaks_find(&leaks, p, filter, MEMORY_BY_LINE, err);
        if (st != STATUS_OK)
            return st;
        print_leaks(&leaks, p, top, out);
        leaks_free(&leaks);
    } else if (heap_set_find(p, &set, &columns)) {
        buf_put_text(out, "memory: no allocation was seen\n");
    } else {
        print_known(p, out);
    }
    print_series(p, has_heap, out);
    return buf_status(out);
}
