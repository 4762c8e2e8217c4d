#include "backend/formats/chrome_trace_write.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/formats/write_view.h"
#include "common/base/json_out.h"
#include "common/base/map.h"

struct writer {
    const struct profile *p;
    struct json_out json;
    uint32_t *order;
    uint32_t *path, *open; /* frames of a sample, and those begun and not ended */
    size_t open_len;
    uint64_t pid, tid; /* of the thread being written */
    uint64_t *tids;    /* of each thread: no two of a process share one */
};

static void put_string(struct writer *w, uint32_t string)
{
    json_out_string(&w->json, strtab_text(&w->p->tables.strings, string),
                    strtab_len(&w->p->tables.strings, string));
}

/* Microseconds with three digits: exact to the nanosecond. */
static void put_time(struct writer *w, uint64_t ns)
{
    char text[32];
    json_out_key(&w->json, "ts");
    int n = snprintf(text, sizeof(text), "%" PRIu64 ".%03u", ns / 1000, (unsigned)(ns % 1000));
    w->json.after_key = false;
    buf_put(w->json.out, text, (size_t)n);
}

static void begin_event(struct writer *w, const char *phase)
{
    json_out_object(&w->json);
    json_out_key(&w->json, "ph");
    json_out_text(&w->json, phase);
    json_put_u64(&w->json, "pid", w->pid);
    json_put_u64(&w->json, "tid", w->tid);
}

static void put_begin(struct writer *w, uint32_t frame, uint64_t ns)
{
    const struct tables *t = &w->p->tables;
    const struct wire_function *f = &t->functions[t->frames[frame].function];
    begin_event(w, "B");
    put_time(w, ns);
    json_out_key(&w->json, "name");
    put_string(w, f->name);
    if (f->module) {
        json_out_key(&w->json, "cat");
        put_string(w, f->module);
    }
    if (f->file) {
        json_out_key(&w->json, "args");
        json_out_object(&w->json);
        json_out_key(&w->json, "file");
        put_string(w, f->file);
        if (t->frames[frame].line) {
            json_put_u64(&w->json, "line", t->frames[frame].line);
        }
        if (f->line) {
            json_put_u64(&w->json, "funcLine", f->line);
        }
        json_out_end(&w->json);
    }
    json_out_end(&w->json);
}

static void end_down_to(struct writer *w, size_t depth, uint64_t ns)
{
    for (; w->open_len > depth; w->open_len--) {
        begin_event(w, "E");
        put_time(w, ns);
        json_out_end(&w->json);
    }
}

/* Ends what the new stack does not have, begins what it has more. */
static void change_stack(struct writer *w, uint32_t stack, uint64_t ns)
{
    size_t depth = write_view_path(w->p, stack, w->path);
    size_t same = 0;
    while (same < depth && same < w->open_len && w->path[same] == w->open[same])
        same++;
    end_down_to(w, same, ns);
    for (; w->open_len < depth; w->open_len++) {
        w->open[w->open_len] = w->path[w->open_len];
        put_begin(w, w->path[w->open_len], ns);
    }
}

/* A value of what unit is how many nanoseconds: for what is no time, one microsecond each. */
static int64_t ns_of_unit(const char *unit)
{
    static const struct {
        const char *name;
        int64_t ns;
    } units[] = {{"ns", 1},    {"count/1000", 1}, {"bytes/1000", 1},
                 {"us", 1000}, {"ms", 1000000},   {"s", 1000000000}};
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strcmp(unit, units[i].name) == 0)
            return units[i].ns;
    }
    return 1000;
}

/* Samples of one thread, each as long as its value says. One that begins before the last one has
 * ended is moved behind it, so that no time is lost. */
static void put_thread(struct writer *w, const struct sample_set *s, size_t from, size_t to,
                       int64_t unit_ns)
{
    uint64_t end_ns = 0;
    for (size_t i = from; i < to; i++) {
        uint32_t row = w->order[i];
        int64_t value = sample_value(s, 0, row);
        int64_t length;
        if (value < 0 || __builtin_mul_overflow(value, unit_ns, &length))
            length = 0;
        uint64_t at_ns = s->has_time ? s->time_ns[row] : end_ns;
        if (at_ns > end_ns)
            end_down_to(w, 0, end_ns);
        else
            at_ns = end_ns;
        change_stack(w, sample_stack(s, row), at_ns);
        end_ns = at_ns + (uint64_t)length;
    }
    end_down_to(w, 0, end_ns);
}

static void set_thread(struct writer *w, uint32_t thread)
{
    const struct tables *t = &w->p->tables;
    const struct model_thread *row = thread < t->threads_len ? &t->threads[thread] : NULL;
    w->pid = row && row->process < t->processes_len ? t->processes[row->process].pid : w->p->pid;
    w->tid = row ? w->tids[thread] : 0;
}

/* A track is told by pid and tid: threads that share both (or have none) would be shuffled into
 * one, so the later ones get a number that nobody has. */
static enum status choose_tids(struct writer *w)
{
    enum { FIRST_MADE_UP = 1 << 30 };
    const struct tables *t = &w->p->tables;
    struct map taken;
    map_init(&taken);
    uint64_t next = FIRST_MADE_UP;
    w->tids = calloc(t->threads_len + 1, sizeof(*w->tids));
    enum status st = w->tids ? STATUS_OK : STATUS_NO_MEMORY;
    for (size_t i = 0; i < t->threads_len && st == STATUS_OK; i++) {
        uint32_t process = t->threads[i].process;
        uint64_t pid = process < t->processes_len ? t->processes[process].pid : w->p->pid;
        w->tids[i] = t->threads[i].tid;
        while (map_find(&taken, map_mix(pid) + w->tids[i]))
            w->tids[i] = next++;
        if (!map_put(&taken, map_mix(pid) + w->tids[i], (uint32_t)i))
            st = STATUS_NO_MEMORY;
    }
    map_deinit(&taken);
    return st;
}

static void put_name(struct writer *w, const char *kind, uint32_t name)
{
    if (!name)
        return;
    begin_event(w, "M");
    json_out_key(&w->json, "name");
    json_out_text(&w->json, kind);
    json_out_key(&w->json, "args");
    json_out_object(&w->json);
    json_out_key(&w->json, "name");
    put_string(w, name);
    json_out_end(&w->json);
    json_out_end(&w->json);
}

static void put_names(struct writer *w)
{
    const struct tables *t = &w->p->tables;
    for (uint32_t i = 0; i < t->threads_len; i++) {
        set_thread(w, i);
        put_name(w, "thread_name", t->threads[i].name);
        if (t->threads[i].process < t->processes_len)
            put_name(w, "process_name", t->processes[t->threads[i].process].command);
    }
}

static enum status put_set(struct writer *w, const struct sample_set *s)
{
    uint32_t *order = realloc(w->order, (s->len + 1) * sizeof(*order));
    if (!order)
        return STATUS_NO_MEMORY;
    w->order = order;
    enum status st = write_view_order(w->p, s, order);
    int64_t unit_ns = ns_of_unit(strtab_text(&w->p->tables.strings, s->types[0].unit));
    for (size_t from = 0, to; st == STATUS_OK && from < s->len; from = to) {
        uint32_t thread = sample_thread(s, order[from]);
        for (to = from + 1; to < s->len && sample_thread(s, order[to]) == thread; to++) {
        }
        set_thread(w, thread);
        put_thread(w, s, from, to, unit_ns);
    }
    return st;
}

static void put_series(struct writer *w, const struct series *s)
{
    w->pid = w->p->pid;
    w->tid = 0;
    if (s->has_process && s->process < w->p->tables.processes_len)
        w->pid = w->p->tables.processes[s->process].pid;
    for (size_t i = 0; i < s->len; i++) {
        begin_event(w, "C");
        put_time(w, s->time_ns[i]);
        json_out_key(&w->json, "name");
        put_string(w, s->name);
        json_out_key(&w->json, "args");
        json_out_object(&w->json);
        json_put_f64(&w->json, strtab_text(&w->p->tables.strings, s->unit), s->value[i]);
        json_out_end(&w->json);
        json_out_end(&w->json);
    }
}

static void put_span(struct writer *w, const struct model_span *s, size_t number)
{
    set_thread(w, s->thread);
    for (int i = 0; i < 2; i++) {
        begin_event(w, i ? "e" : "b");
        put_time(w, i ? s->end_ns : s->begin_ns);
        json_out_key(&w->json, "name");
        put_string(w, s->name);
        json_out_key(&w->json, "cat");
        json_out_text(&w->json, "span");
        json_put_u64(&w->json, "id", number);
        json_out_end(&w->json);
    }
}

static enum status put_all(struct writer *w, const struct profile *beside)
{
    enum status st = STATUS_OK;
    json_out_object(&w->json);
    json_out_key(&w->json, "displayTimeUnit");
    json_out_text(&w->json, "ms");
    json_out_key(&w->json, "traceEvents");
    json_out_array(&w->json);
    put_names(w);
    if (w->p->sets_len)
        st = put_set(w, &w->p->sets[0]);
    w->p = beside;
    for (size_t i = 0; i < beside->series_len; i++)
        put_series(w, &beside->series[i]);
    for (size_t i = 0; i < beside->spans_len; i++) {
        if (beside->spans[i].end_ns)
            put_span(w, &beside->spans[i], i);
    }
    json_out_end(&w->json);
    json_out_end(&w->json);
    return st;
}

static void list_lost(const struct write_view *v, const struct profile *p, struct buf *lost)
{
    write_view_list_lost(v, p, "chrome-trace",
                         KEEPS_TIMES | KEEPS_THREADS | KEEPS_SERIES | KEEPS_SPANS, lost);
    if (v->profile->sets_len == 0)
        return;
    size_t frameless = 0;
    size_t negative = 0;
    const struct sample_set *first = &v->profile->sets[0];
    for (size_t i = 0; i < first->len; i++) {
        int64_t value = sample_value(first, 0, i);
        frameless += sample_stack(first, i) == 0 && value != 0;
        negative += value < 0;
    }
    if (negative)
        buf_printf(lost, "chrome-trace: %zu samples below zero\n", negative);
    if (frameless)
        buf_printf(lost, "chrome-trace: %zu samples without frames\n", frameless);
    const char *unit = strtab_text(&v->profile->tables.strings, v->profile->sets[0].types[0].unit);
    if (ns_of_unit(unit) == 1000 && strcmp(unit, "us") != 0)
        buf_printf(lost, "chrome-trace: the unit (%s): one is written as one microsecond\n", unit);
}

enum status chrome_trace_write(const struct profile *p, struct buf *out, struct buf *lost,
                               struct error *err)
{
    struct write_view view = {.profile = p};
    bool has_else = p->series_len || p->spans_len;
    enum status st = STATUS_OK;
    if (!has_else || p->sets_len || p->call_graph.rows_len || p->lines_len)
        st = write_view_init(&view, p, err);
    if (st != STATUS_OK)
        return st;
    struct writer w = {.p = view.profile};
    w.path = malloc(TABLES_MAX_DEPTH * sizeof(*w.path));
    w.open = malloc(TABLES_MAX_DEPTH * sizeof(*w.open));
    json_out_init(&w.json, out);
    st = w.path && w.open ? choose_tids(&w) : STATUS_NO_MEMORY;
    if (st == STATUS_OK)
        st = put_all(&w, p);
    if (st == STATUS_OK)
        st = buf_status(out);
    if (st != STATUS_OK)
        error_set(err, st, "the trace could not be written (%s)", status_name(st));
    else
        list_lost(&view, p, lost);
    free(w.order);
    free(w.tids);
    free(w.path);
    free(w.open);
    write_view_deinit(&view);
    return st;
}
