/* line_profiler's .lprof: a pickle of
 *   LineStats {timings: {(file, first line, name): [(line, hits, time), ...]}, unit: seconds}.
 * The class has moved: _line_profiler (1.x, 2.x), line_profiler._line_profiler (3.x, 4.x),
 * line_profiler.line_profiler (5.x). Source: line_profiler 2.1.2, 3.5.1, 4.2.0 and 5.0.2. */

#include <math.h>

#include "backend/formats/fill.h"
#include "backend/formats/format.h"
#include "backend/formats/pickle.h"

enum { CLASS_LINE_STATS = 1 };

static const struct pickle_class classes[] = {
    {"_line_profiler LineStats", CLASS_LINE_STATS},
    {"line_profiler._line_profiler LineStats", CLASS_LINE_STATS},
    {"line_profiler.line_profiler LineStats", CLASS_LINE_STATS},
    {NULL, 0},
};

struct lprof {
    struct fill fill;
    struct values values;
    double unit_s;
};

static enum status wrong(struct lprof *r, size_t function, const char *what)
{
    if (r->fill.failed == STATUS_OK)
        r->fill.failed = error_set(r->fill.err, STATUS_INVALID, "function %zu: %s", function, what);
    return r->fill.failed;
}

static enum status read_line(struct lprof *r, size_t at, uint32_t function,
                             const struct value *entry)
{
    const struct values *v = &r->values;
    int64_t line;
    int64_t hits;
    double time;
    if (!value_is_sequence(entry) || entry->len != 3 ||
        !value_i64(values_item(v, entry, 0), &line) || line < 0 || line > UINT32_MAX ||
        !value_i64(values_item(v, entry, 1), &hits) || hits < 0 ||
        !value_f64(values_item(v, entry, 2), &time))
        return wrong(r, at, "a line should be (number, hits, time)");
    struct line_row row = {.function = function,
                           .line = (uint32_t)line,
                           .hits = (uint64_t)hits,
                           .time_s = time * r->unit_s,
                           .memory_bytes = NAN,
                           .increment_bytes = NAN};
    fill_check(&r->fill, profile_add_line(r->fill.profile, &row));
    return r->fill.failed;
}

static enum status read_function(struct lprof *r, size_t at, const struct value *key,
                                 const struct value *entries)
{
    const struct values *v = &r->values;
    const struct value *file = values_item(v, key, 0);
    const struct value *name = values_item(v, key, 2);
    int64_t line;
    if (!value_is_sequence(key) || key->len != 3 || !value_is_text(file) ||
        !value_i64(values_item(v, key, 1), &line) || !value_is_text(name))
        return wrong(r, at, "should be (file, first line, name)");
    if (!value_is_sequence(entries))
        return wrong(r, at, "its timings should be a list");
    struct fill_function f = {.name = {name->data, name->len},
                              .file = {file->data, file->len},
                              .line = line > 0 && line <= UINT32_MAX ? (uint32_t)line : 0};
    uint32_t function = fill_function(&r->fill, &f);
    enum status st = r->fill.failed;
    for (size_t i = 0; st == STATUS_OK && i < entries->len; i++)
        st = read_line(r, at, function, values_item(v, entries, i));
    return st;
}

/* Dicts hold functions once, but a hostile file may give one list to many: the work is bounded by
 * the bytes of the file. */
static enum status read_functions(struct lprof *r, const struct value *timings, size_t file_len)
{
    size_t lines = 0;
    enum status st = STATUS_OK;
    for (size_t i = 0; st == STATUS_OK && i + 1 < timings->len; i += 2) {
        const struct value *entries = values_item(&r->values, timings, i + 1);
        lines += entries->kind == VALUE_LIST || entries->kind == VALUE_TUPLE ? entries->len : 0;
        if (lines > file_len)
            return error_set(r->fill.err, STATUS_TOO_LARGE,
                             "function %zu: more lines than the file has bytes", i / 2 + 1);
        st = read_function(r, i / 2 + 1, values_item(&r->values, timings, i), entries);
    }
    return st;
}

static enum status read_root(struct lprof *r, const struct value *root, size_t file_len)
{
    const struct values *v = &r->values;
    if (pickle_class_of(v, root) != CLASS_LINE_STATS)
        return error_set(r->fill.err, STATUS_INVALID, "should be LineStats, is %s",
                         value_kind_name(root));
    const struct value *state = pickle_state(v, root);
    const struct value *timings = pickle_find(v, state, "timings");
    const struct value *unit = pickle_find(v, state, "unit");
    if (!timings || timings->kind != VALUE_DICT)
        return error_set(r->fill.err, STATUS_INVALID, "LineStats without a dict of timings");
    if (!unit || !value_f64(unit, &r->unit_s) || r->unit_s < 0)
        return error_set(r->fill.err, STATUS_INVALID, "LineStats without a unit of time");
    enum status st = read_functions(r, timings, file_len);
    fill_field(&r->fill, &r->fill.profile->producer, text_of("line_profiler"));
    if (st == STATUS_OK && r->fill.profile->lines_len == 0)
        st = profile_add_warning(r->fill.profile, "empty", "no line of the profiled functions ran");
    return st == STATUS_OK ? r->fill.failed : st;
}

static enum status read_lprof(const struct format_input *in, const struct format_options *options,
                              struct profile *out, struct error *err)
{
    (void)options;
    struct lprof r = {.fill = {.profile = out, .err = err}};
    uint32_t root;
    enum status st = values_init(&r.values, in->len);
    if (st != STATUS_OK)
        return error_set(err, st, "no memory for the values");
    st = pickle_read(&r.values, in->data, in->len, classes, &root, err);
    if (st == STATUS_OK)
        st = read_root(&r, values_get(&r.values, root), in->len);
    values_deinit(&r.values);
    return st;
}

static int detect_lprof(const uint8_t *head, size_t len, bool is_whole_file)
{
    (void)is_whole_file;
    return pickle_detect(head, len, classes);
}

const struct format format_lprof = {
    .name = "lprof",
    .title = "line_profiler",
    .extensions = "lprof",
    .detect = detect_lprof,
    .read = read_lprof,
};
