#include "backend/formats/speedscope_write.h"

#include <stdlib.h>
#include <string.h>

#include "backend/formats/write_view.h"
#include "common/base/json_out.h"

struct writer {
    const struct profile *p;
    struct json_out json;
    uint32_t *order, *path;
    bool is_single; /* one value of one set: profiles are named by their thread alone */
};

static void put_string(struct writer *w, uint32_t string)
{
    json_out_string(&w->json, strtab_text(&w->p->tables.strings, string),
                    strtab_len(&w->p->tables.strings, string));
}

static void put_frames(struct writer *w)
{
    const struct tables *t = &w->p->tables;
    json_out_key(&w->json, "shared");
    json_out_object(&w->json);
    json_out_key(&w->json, "frames");
    json_out_array(&w->json);
    for (size_t i = 0; i < t->frames_len; i++) {
        const struct wire_function *f = &t->functions[t->frames[i].function];
        uint32_t line = t->frames[i].line ? t->frames[i].line : f->line;
        json_out_object(&w->json);
        json_out_key(&w->json, "name");
        put_string(w, f->name);
        if (f->file) {
            json_out_key(&w->json, "file");
            put_string(w, f->file);
        }
        if (line) {
            json_put_u64(&w->json, "line", line);
        }
        if (t->frames[i].column) {
            json_put_u64(&w->json, "col", t->frames[i].column);
        }
        json_out_end(&w->json);
    }
    json_out_end(&w->json);
    json_out_end(&w->json);
}

/* speedscope knows six units. */
static const char *unit_of(const char *unit, int64_t *divisor)
{
    static const char *const units[][2] = {{"ns", "nanoseconds"},
                                           {"us", "microseconds"},
                                           {"ms", "milliseconds"},
                                           {"s", "seconds"},
                                           {"bytes", "bytes"}};
    const char *slash = strchr(unit, '/');
    size_t len = slash ? (size_t)(slash - unit) : strlen(unit);
    *divisor = slash && strcmp(slash, "/1000") == 0 ? 1000 : 1;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strlen(units[i][0]) == len && memcmp(units[i][0], unit, len) == 0)
            return units[i][1];
    }
    return "none";
}

static void put_amount(struct writer *w, int64_t value, int64_t divisor)
{
    if (value % divisor == 0)
        json_out_i64(&w->json, value / divisor);
    else
        json_out_f64(&w->json, (double)value / (double)divisor);
}

/* The value's name; where two sets share one, the set's. */
static const char *metric_of(const struct profile *p, const struct sample_set *s, size_t type)
{
    size_t count = 0;
    for (size_t i = 0; i < p->sets_len; i++) {
        for (size_t k = 0; k < p->sets[i].values_len; k++)
            count += p->sets[i].types[k].name == s->types[type].name;
    }
    const char *set = strtab_text(&p->tables.strings, s->name);
    return count > 1 && *set ? set : strtab_text(&p->tables.strings, s->types[type].name);
}

/* As austin-python names them, so that value, process and thread come back. */
static void put_name(struct writer *w, const struct sample_set *s, size_t type, uint32_t thread)
{
    const struct tables *t = &w->p->tables;
    struct buf name;
    buf_init(&name, 0);
    const struct model_thread *row = thread < t->threads_len ? &t->threads[thread] : NULL;
    if (w->is_single && (!row || row->name)) {
        put_string(w, row ? row->name : 0);
        return;
    }
    uint64_t pid = row && row->process < t->processes_len ? t->processes[row->process].pid : 0;
    buf_printf(&name, "%s profile for %llu:0:%llu", metric_of(w->p, s, type),
               (unsigned long long)pid, (unsigned long long)(row ? row->tid : 0));
    json_out_string(&w->json, name.data ? (const char *)name.data : "", name.len);
    buf_deinit(&name);
}

static void put_stacks(struct writer *w, const struct sample_set *s, size_t from, size_t to)
{
    json_out_key(&w->json, "samples");
    json_out_array(&w->json);
    for (size_t i = from; i < to; i++) {
        size_t depth = write_view_path(w->p, sample_stack(s, w->order[i]), w->path);
        json_out_array(&w->json);
        for (size_t k = 0; k < depth; k++)
            json_out_u64(&w->json, w->path[k]);
        json_out_end(&w->json);
    }
    json_out_end(&w->json);
}

/* The samples of one thread, in one value. */
static void put_profile(struct writer *w, const struct sample_set *s, size_t type, size_t from,
                        size_t to)
{
    int64_t divisor;
    const char *own_unit = strtab_text(&w->p->tables.strings, s->types[type].unit);
    const char *unit = unit_of(own_unit, &divisor);
    int64_t start =
        s->has_time && strcmp(own_unit, "ns") == 0 ? (int64_t)s->time_ns[w->order[from]] : 0;
    int64_t end = start;
    json_out_object(&w->json);
    json_out_key(&w->json, "type");
    json_out_text(&w->json, "sampled");
    json_out_key(&w->json, "name");
    put_name(w, s, type, sample_thread(s, w->order[from]));
    json_out_key(&w->json, "unit");
    json_out_text(&w->json, unit);
    put_stacks(w, s, from, to);
    json_out_key(&w->json, "weights");
    json_out_array(&w->json);
    for (size_t i = from; i < to; i++) {
        int64_t value = sample_value(s, type, w->order[i]);
        put_amount(w, value, divisor);
        if (__builtin_add_overflow(end, value, &end))
            end = INT64_MAX;
    }
    json_out_end(&w->json);
    json_out_key(&w->json, "startValue");
    put_amount(w, start, divisor);
    json_out_key(&w->json, "endValue");
    put_amount(w, end, divisor);
    json_out_end(&w->json);
}

static enum status put_set(struct writer *w, const struct sample_set *s)
{
    uint32_t *order = realloc(w->order, (s->len + 1) * sizeof(*order));
    if (!order)
        return STATUS_NO_MEMORY;
    w->order = order;
    enum status st = write_view_order(w->p, s, order);
    for (size_t type = 0; st == STATUS_OK && type < s->values_len; type++) {
        for (size_t from = 0, to; from < s->len; from = to) {
            uint32_t thread = sample_thread(s, order[from]);
            for (to = from + 1; to < s->len && sample_thread(s, order[to]) == thread; to++) {
            }
            put_profile(w, s, type, from, to);
        }
    }
    return st;
}

static enum status put_all(struct writer *w)
{
    const struct profile *p = w->p;
    enum status st = STATUS_OK;
    json_out_object(&w->json);
    json_out_key(&w->json, "$schema");
    json_out_text(&w->json, "https://www.speedscope.app/file-format-schema.json");
    json_out_key(&w->json, "exporter");
    json_out_text(&w->json, "heliograph");
    json_out_key(&w->json, "name");
    put_string(w, p->name);
    put_frames(w);
    json_out_key(&w->json, "profiles");
    json_out_array(&w->json);
    for (size_t i = 0; i < p->sets_len && st == STATUS_OK; i++)
        st = put_set(w, &p->sets[i]);
    json_out_end(&w->json);
    json_out_end(&w->json);
    return st;
}

/* One without a name is told by its number, and then all are: a reader takes the two for values. */
static bool are_threads_named(const struct profile *p)
{
    for (size_t i = 0; i < p->tables.threads_len; i++) {
        if (!p->tables.threads[i].name)
            return false;
    }
    return true;
}

enum status speedscope_write(const struct profile *p, struct buf *out, struct buf *lost,
                             struct error *err)
{
    struct write_view view;
    enum status st = write_view_init(&view, p, err);
    if (st != STATUS_OK)
        return st;
    struct writer w = {.p = view.profile};
    w.is_single = view.profile->sets_len == 1 && view.profile->sets[0].values_len == 1 &&
                  are_threads_named(view.profile);
    w.path = malloc(TABLES_MAX_DEPTH * sizeof(*w.path));
    json_out_init(&w.json, out);
    st = w.path ? put_all(&w) : STATUS_NO_MEMORY;
    if (st == STATUS_OK)
        st = buf_status(out);
    if (st != STATUS_OK)
        error_set(err, st, "speedscope could not be written (%s)", status_name(st));
    else
        write_view_list_lost(&view, p, "speedscope", KEEPS_VALUES | KEEPS_THREADS, lost);
    free(w.order);
    free(w.path);
    write_view_deinit(&view);
    return st;
}
