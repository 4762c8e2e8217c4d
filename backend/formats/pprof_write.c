#include "backend/formats/pprof_write.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "backend/formats/write_view.h"
#include "common/base/arena.h"
#include "common/base/map.h"

struct writer {
    const struct profile *p;
    struct buf out, message, inner; /* inner: a message inside `message` */
    struct map mapping_of;          /* module string -> mapping id */
    uint32_t mappings;
    uint32_t strings; /* of the profile; ours stand behind them */
    const char *extra[128];
    size_t extra_len;
    struct arena *arena; /* names that we made */
    size_t types_len;
};

static void put_varint(struct buf *b, uint64_t value)
{
    while (value >= 0x80) {
        buf_put_byte(b, (uint8_t)(value | 0x80));
        value >>= 7;
    }
    buf_put_byte(b, (uint8_t)value);
}

static void put_number(struct buf *b, uint32_t field, uint64_t value)
{
    if (value) {
        put_varint(b, (uint64_t)field << 3);
        put_varint(b, value);
    }
}

static void put_bytes(struct buf *b, uint32_t field, const void *data, size_t len)
{
    put_varint(b, (uint64_t)field << 3 | 2);
    put_varint(b, len);
    buf_put(b, data, len);
}

static void put_message(struct buf *to, uint32_t field, struct buf *message)
{
    put_bytes(to, field, message->data, message->len);
    buf_clear(message);
}

/* A string of ours that lives as long as the writer. */
static uint64_t extra(struct writer *w, const char *text)
{
    if (*text == 0)
        return 0;
    for (size_t i = 0; i < w->extra_len; i++) {
        if (strcmp(w->extra[i], text) == 0)
            return w->strings + i;
    }
    if (w->extra_len == sizeof(w->extra) / sizeof(w->extra[0]))
        return 0;
    w->extra[w->extra_len] = text;
    return w->strings + w->extra_len++;
}

static uint64_t unit_string(struct writer *w, uint32_t unit)
{
    static const char *const units[][2] = {
        {"ns", "nanoseconds"}, {"us", "microseconds"}, {"ms", "milliseconds"}, {"s", "seconds"}};
    const char *text = strtab_text(&w->p->tables.strings, unit);
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strcmp(text, units[i][0]) == 0)
            return extra(w, units[i][1]);
    }
    return unit;
}

/* Readers choose a type by its name: one that several sets have gets its set's before it. */
static uint64_t type_string(struct writer *w, const struct sample_set *set, size_t type)
{
    const struct strtab *strings = &w->p->tables.strings;
    uint32_t name = set->types[type].name;
    bool is_shared = false;
    for (size_t s = 0; s < w->p->sets_len; s++) {
        const struct sample_set *other = &w->p->sets[s];
        for (size_t i = 0; i < other->values_len && other != set; i++)
            is_shared = is_shared || other->types[i].name == name;
    }
    if (!is_shared)
        return name;
    size_t size = strtab_len(strings, set->name) + strtab_len(strings, name) + 2;
    char *text = arena_alloc(w->arena, size);
    if (!text)
        return name;
    snprintf(text, size, "%s.%s", strtab_text(strings, set->name), strtab_text(strings, name));
    return extra(w, text);
}

static void put_types(struct writer *w)
{
    for (size_t s = 0; s < w->p->sets_len; s++) {
        const struct sample_set *set = &w->p->sets[s];
        for (size_t i = 0; i < set->values_len; i++) {
            put_number(&w->message, 1, type_string(w, set, i));
            put_number(&w->message, 2, unit_string(w, set->types[i].unit));
            put_message(&w->out, 1, &w->message);
            w->types_len++;
        }
    }
}

/* ---- tables ---- */

static void put_mappings(struct writer *w)
{
    const struct tables *t = &w->p->tables;
    for (size_t i = 0; i < t->functions_len; i++) {
        uint32_t module = t->functions[i].module;
        if (!module || map_find(&w->mapping_of, module))
            continue;
        if (!map_put(&w->mapping_of, module, ++w->mappings)) {
            w->out.failed = STATUS_NO_MEMORY;
            return;
        }
        put_number(&w->message, 1, w->mappings);
        put_number(&w->message, 5, module);
        put_number(&w->message, 7, 1); /* has_functions: nothing is left to look up */
        put_message(&w->out, 3, &w->message);
    }
}

static void put_tables(struct writer *w)
{
    const struct tables *t = &w->p->tables;
    put_mappings(w);
    for (size_t i = 0; i < t->frames_len; i++) {
        const struct wire_frame *frame = &t->frames[i];
        const uint32_t *mapping = map_find(&w->mapping_of, t->functions[frame->function].module);
        put_number(&w->message, 1, i + 1);
        put_number(&w->message, 2, mapping ? *mapping : 0);
        put_number(&w->inner, 1, (uint64_t)frame->function + 1);
        put_number(&w->inner, 2, frame->line);
        put_number(&w->inner, 3, frame->column);
        put_message(&w->message, 4, &w->inner);
        put_message(&w->out, 4, &w->message);
    }
    for (size_t i = 0; i < t->functions_len; i++) {
        const struct wire_function *f = &t->functions[i];
        put_number(&w->message, 1, i + 1);
        put_number(&w->message, 2, f->name);
        /* No system name: go's pprof takes one that is equal for mangled C++, and drops <module>.
         */
        put_number(&w->message, 4, f->file);
        put_number(&w->message, 5, f->line);
        put_message(&w->out, 5, &w->message);
    }
    for (size_t i = 0; i < t->strings.len; i++)
        put_bytes(&w->out, 6, strtab_text(&t->strings, (uint32_t)i),
                  strtab_len(&t->strings, (uint32_t)i));
    for (size_t i = 0; i < w->extra_len; i++)
        put_bytes(&w->out, 6, w->extra[i], strlen(w->extra[i]));
}

/* ---- samples ---- */

static void put_label(struct writer *w, uint64_t key, uint64_t text, uint64_t number, uint64_t unit)
{
    put_number(&w->inner, 1, key);
    put_number(&w->inner, 2, text);
    if (!text) {
        put_varint(&w->inner, 3 << 3); /* a 0 must be seen too */
        put_varint(&w->inner, number);
    }
    put_number(&w->inner, 4, unit);
    put_message(&w->message, 3, &w->inner);
}

static bool is_number(const char *text, int64_t *value)
{
    char *end;
    long long parsed = strtoll(text, &end, 10);
    *value = parsed;
    return *text && *end == 0;
}

static bool has_label(const struct tables *t, uint32_t set, const char *const *keys, size_t len)
{
    for (uint32_t i = 0; set < t->label_sets_len && i < t->label_sets[set].len; i++) {
        const char *key = strtab_text(&t->strings, t->labels[t->label_sets[set].first + i].key);
        for (size_t k = 0; k < len; k++) {
            if (strcmp(key, keys[k]) == 0)
                return true;
        }
    }
    return false;
}

static void put_labels(struct writer *w, uint32_t set)
{
    const struct tables *t = &w->p->tables;
    for (uint32_t i = 0; set < t->label_sets_len && i < t->label_sets[set].len; i++) {
        const struct model_label *label = &t->labels[t->label_sets[set].first + i];
        int64_t number;
        if (label->unit && is_number(strtab_text(&t->strings, label->value), &number))
            put_label(w, label->key, 0, (uint64_t)number, label->unit);
        else
            put_label(w, label->key, label->value, 0, 0);
    }
}

/* Threads and processes become labels, unless the labels have them already. */
static void put_thread(struct writer *w, uint32_t thread, uint32_t labels)
{
    static const char *const thread_keys[] = {"thread", "thread id",   "thread_id",  "Thread ID",
                                              "tid",    "thread name", "thread_name"};
    static const char *const process_keys[] = {"process", "process id", "process_id", "Process ID",
                                               "pid"};
    const struct tables *t = &w->p->tables;
    if (thread >= t->threads_len)
        return;
    const struct model_thread *row = &t->threads[thread];
    if (!has_label(t, labels, thread_keys, 7)) {
        if (row->tid)
            put_label(w, extra(w, "thread id"), 0, row->tid, 0);
        if (row->name)
            put_label(w, extra(w, "thread name"), row->name, 0, 0);
    }
    if (row->process < t->processes_len && t->processes[row->process].pid &&
        !has_label(t, labels, process_keys, 5))
        put_label(w, extra(w, "process id"), 0, t->processes[row->process].pid, 0);
}

static void put_samples(struct writer *w, const struct sample_set *s, size_t first_type)
{
    const struct tables *t = &w->p->tables;
    for (size_t row = 0; row < s->len; row++) {
        for (uint32_t at = sample_stack(s, row); at; at = t->stacks[at].parent)
            put_varint(&w->inner, (uint64_t)t->stacks[at].frame + 1);
        put_message(&w->message, 1, &w->inner);
        for (size_t i = 0; i < w->types_len; i++) {
            bool is_ours = i >= first_type && i < first_type + s->values_len;
            put_varint(&w->inner, is_ours ? (uint64_t)sample_value(s, i - first_type, row) : 0);
        }
        put_message(&w->message, 2, &w->inner);
        uint32_t labels = s->label_set ? s->label_set[row] : 0;
        put_labels(w, labels);
        put_thread(w, sample_thread(s, row), labels);
        put_message(&w->out, 2, &w->message);
    }
}

static void put_all(struct writer *w)
{
    const struct profile *p = w->p;
    w->strings = (uint32_t)p->tables.strings.len;
    put_types(w);
    size_t first_type = 0;
    for (size_t i = 0; i < p->sets_len; i++) {
        put_samples(w, &p->sets[i], first_type);
        first_type += p->sets[i].values_len;
    }
    put_number(&w->out, 9, p->start_unix_ns);
    put_number(&w->out, 10, p->duration_ns);
    if (p->sets_len) {
        uint64_t first = type_string(w, &p->sets[0], 0);
        put_number(&w->message, 1, first);
        put_number(&w->message, 2, unit_string(w, p->sets[0].types[0].unit));
        put_message(&w->out, 11, &w->message);
        put_number(&w->out, 12, p->sets[0].period);
        put_number(&w->out, 14, first);
    }
    put_tables(w);
}

static enum status compress_to(struct buf *out, const struct buf *plain)
{
    z_stream z = {0};
    if (deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return STATUS_NO_MEMORY;
    enum { STEP = 1 << 16 };
    size_t done = 0;
    int rc = Z_OK;
    while (rc == Z_OK) {
        if (z.avail_in == 0 && done < plain->len) {
            size_t n = plain->len - done < INT_MAX ? plain->len - done : INT_MAX;
            z.next_in = plain->data + done;
            z.avail_in = (unsigned)n;
            done += n;
        }
        uint8_t *at = buf_grow(out, STEP);
        if (!at)
            break;
        z.next_out = at;
        z.avail_out = STEP;
        rc = deflate(&z, done == plain->len ? Z_FINISH : Z_NO_FLUSH);
        out->len -= z.avail_out;
    }
    deflateEnd(&z);
    return rc == Z_STREAM_END ? buf_status(out) : STATUS_NO_MEMORY;
}

enum status pprof_write(const struct profile *p, struct buf *out, struct buf *lost,
                        struct error *err)
{
    struct write_view view;
    enum status st = write_view_init(&view, p, err);
    if (st != STATUS_OK)
        return st;
    struct writer w = {.p = view.profile, .arena = arena_new()};
    buf_init(&w.out, 0);
    buf_init(&w.message, 0);
    buf_init(&w.inner, 0);
    map_init(&w.mapping_of);
    put_all(&w);
    st = buf_status(&w.message) != STATUS_OK ? buf_status(&w.message) : buf_status(&w.out);
    if (st == STATUS_OK)
        st = compress_to(out, &w.out);
    if (st != STATUS_OK)
        error_set(err, st, "pprof could not be written (%s)", status_name(st));
    else
        write_view_list_lost(&view, p, "pprof", KEEPS_VALUES | KEEPS_THREADS | KEEPS_LABELS, lost);
    buf_deinit(&w.out);
    buf_deinit(&w.message);
    buf_deinit(&w.inner);
    map_deinit(&w.mapping_of);
    arena_free(w.arena);
    write_view_deinit(&view);
    return st;
}
