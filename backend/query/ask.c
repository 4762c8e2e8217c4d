#include "backend/query/ask.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backend/query/activity.h"
#include "backend/query/ask_memory.h"
#include "backend/query/callers.h"
#include "backend/query/lines.h"
#include "backend/query/series.h"
#include "backend/query/stats.h"
#include "backend/query/table.h"
#include "backend/query/timeline.h"

enum status ask_u64(const char *name, const char *text, uint64_t max, uint64_t *value,
                    struct error *err)
{
    if (!text || !*text)
        return STATUS_OK;
    char *end = NULL;
    errno = 0;
    unsigned long long v = *text >= '0' && *text <= '9' ? strtoull(text, &end, 10) : 0;
    if (!end || end == text || *end || errno || v > max)
        return error_set(err, STATUS_INVALID, "%s: \"%.40s\" is not a number up to %llu", name,
                         text, (unsigned long long)max);
    *value = v;
    return STATUS_OK;
}

enum status ask_f64(const char *name, const char *text, double *value, struct error *err)
{
    if (!text || !*text)
        return STATUS_OK;
    char *end;
    double v = strtod(text, &end);
    if (end == text || *end || !isfinite(v))
        return error_set(err, STATUS_INVALID, "%s: \"%.40s\" is not a number", name, text);
    *value = v;
    return STATUS_OK;
}

static const char *param(const struct ask *a, const char *name)
{
    return a->param(a->ctx, name);
}

static enum status param_u64(const struct ask *a, const char *name, uint64_t max, uint64_t *value,
                             struct error *err)
{
    return ask_u64(name, param(a, name), max, value, err);
}

static bool is_yes(const char *text)
{
    return text && (strcmp(text, "1") == 0 || strcmp(text, "true") == 0);
}

/* ---- flame ---- */

enum status ask_flame_options(const struct ask *a, struct flame_options *o, struct error *err)
{
    uint64_t depth = 0;
    uint64_t nodes = 0;
    o->is_inverted = is_yes(param(a, "invert"));
    enum status st = ask_f64("min", param(a, "min"), &o->min_fraction, err);
    if (st == STATUS_OK && (o->min_fraction < 0 || o->min_fraction > 1))
        st = error_set(err, STATUS_INVALID, "min is a fraction from 0 to 1");
    if (st == STATUS_OK)
        st = param_u64(a, "depth", UINT32_MAX - 1, &depth, err);
    if (st == STATUS_OK)
        st = param_u64(a, "nodes", FLAME_MAX_NODES, &nodes, err);
    o->max_depth = (uint32_t)depth;
    o->max_nodes = nodes;
    return st;
}

/* What only pictures take: other questions are about functions, not about groups of them. */
static enum status picture_params(const struct ask *a, struct query_filter *f, bool *is_in_time,
                                  struct timeline_options *t, struct error *err)
{
    const char *order = param(a, "order");
    uint64_t pixels = 0;
    *is_in_time = order && strcmp(order, "time") == 0;
    f->collapses = is_yes(param(a, "collapse"));
    if (order && *order && !*is_in_time && strcmp(order, "merged") != 0)
        return error_set(err, STATUS_INVALID, "order is merged or time, not \"%.40s\"", order);
    enum status st = filter_group_find(param(a, "group"), &f->group, err);
    if (st == STATUS_OK)
        st = param_u64(a, "pixels", TIMELINE_MAX_PIXELS, &pixels, err);
    t->pixels = pixels;
    return st;
}

static enum status ask_flame(const struct ask *a, struct buf *answer, bool *is_binary,
                             struct error *err)
{
    const char *format = param(a, "format");
    struct flame_options options = {.revision = a->revision};
    struct query_filter filter = a->filter;
    struct timeline_options in_time = {0};
    bool is_in_time = false;
    struct flame f;
    *is_binary = !format || strcmp(format, "json") != 0;
    enum status st = ask_flame_options(a, &options, err);
    if (st == STATUS_OK)
        st = picture_params(a, &filter, &is_in_time, &in_time, err);
    in_time.max_depth = options.max_depth;
    if (st == STATUS_OK && is_in_time)
        st = timeline_build(&f, a->profile, a->cache, &filter, &in_time, err);
    else if (st == STATUS_OK)
        st = flame_build(&f, a->profile, a->cache, &filter, &options, err);
    if (st != STATUS_OK)
        return st;
    st = *is_binary ? flame_write_binary(&f, a->profile, &options, answer)
                    : flame_write_json(&f, a->profile, &options, answer);
    flame_free(&f);
    return st;
}

/* ---- table, callers, lines ---- */

static enum status ask_table(const struct ask *a, struct buf *answer, bool *is_binary,
                             struct error *err)
{
    *is_binary = false;
    struct table_options options = {.sort = param(a, "sort"), .text = param(a, "q")};
    struct table t;
    uint64_t limit = 0;
    enum status st = param_u64(a, "limit", UINT32_MAX, &limit, err);
    options.limit = limit;
    if (st == STATUS_OK)
        st = table_build(&t, a->profile, a->cache, &a->filter, &options, err);
    if (st != STATUS_OK)
        return st;
    st = table_write_json(&t, a->profile, a->revision, answer);
    table_free(&t);
    return st;
}

static enum status function_param(const struct ask *a, uint32_t *function, struct error *err)
{
    uint64_t value = UINT64_MAX;
    enum status st = param_u64(a, "function", UINT32_MAX - 1, &value, err);
    if (st == STATUS_OK && value == UINT64_MAX)
        return error_set(err, STATUS_INVALID, "which function? (function=ID)");
    *function = (uint32_t)value;
    return st;
}

static enum status ask_callers(const struct ask *a, struct buf *answer, bool *is_binary,
                               struct error *err)
{
    *is_binary = false;
    struct callers c;
    uint32_t function = 0;
    enum status st = function_param(a, &function, err);
    if (st == STATUS_OK)
        st = callers_build(&c, a->profile, a->cache, &a->filter, function, err);
    if (st != STATUS_OK)
        return st;
    st = callers_write_json(&c, a->profile, a->revision, answer);
    callers_free(&c);
    return st;
}

static enum status ask_lines(const struct ask *a, struct buf *answer, bool *is_binary,
                             struct error *err)
{
    *is_binary = false;
    struct lines l;
    uint32_t function = 0;
    const char *file = param(a, "file");
    enum status st = file ? STATUS_OK : function_param(a, &function, err);
    if (st == STATUS_OK)
        st = lines_build(&l, a->profile, &a->filter, function, file, err);
    if (st != STATUS_OK)
        return st;
    st = lines_write_json(&l, a->revision, answer);
    lines_free(&l);
    return st;
}

static enum status ask_source(const struct ask *a, struct buf *answer, bool *is_binary,
                              struct error *err)
{
    *is_binary = false;
    uint32_t function = 0;
    const char *file = param(a, "file");
    enum status st = file ? STATUS_OK : function_param(a, &function, err);
    return st == STATUS_OK ? source_write_json(a->profile, function, file, answer, err) : st;
}

/* ---- over time ---- */

static enum status ask_series(const struct ask *a, struct buf *answer, bool *is_binary,
                              struct error *err)
{
    *is_binary = false;
    const char *process = param(a, "process");
    uint64_t points = 0;
    uint64_t index = 0;
    struct series_query s = {.names = param(a, "name"),
                             .has_from = a->filter.has_from,
                             .has_to = a->filter.has_to,
                             .from_ns = a->filter.from_ns,
                             .to_ns = a->filter.to_ns};
    enum status st = param_u64(a, "points", 1000000, &points, err);
    if (process && strcmp(process, "all") == 0) {
        s.whose = SERIES_TREE;
    } else if (process && *process && st == STATUS_OK) {
        st = ask_u64("process", process, UINT32_MAX, &index, err);
        s.whose = SERIES_PROCESS;
    }
    s.process = (uint32_t)index;
    s.points = points;
    return st == STATUS_OK ? series_write_json(a->profile, &s, a->revision, answer) : st;
}

static enum status ask_spans(const struct ask *a, struct buf *answer, bool *is_binary,
                             struct error *err)
{
    *is_binary = false;
    (void)err;
    return spans_write_json(a->profile, a->revision, answer);
}

static enum status ask_activity(const struct ask *a, struct buf *answer, bool *is_binary,
                                struct error *err)
{
    *is_binary = false;
    uint64_t buckets = 0;
    enum status st = param_u64(a, "buckets", ACTIVITY_MAX_BUCKETS, &buckets, err);
    return st == STATUS_OK
               ? activity_write_json(a->profile, &a->filter, buckets, a->revision, answer, err)
               : st;
}

static enum status ask_stats(const struct ask *a, struct buf *answer, bool *is_binary,
                             struct error *err)
{
    *is_binary = false;
    uint64_t top = 50;
    struct stats_options options = {.sort = param(a, "sort")};
    enum status st = param_u64(a, "top", UINT32_MAX, &top, err);
    options.top = top;
    return st == STATUS_OK
               ? stats_write_json(a->profile, a->cache, &a->filter, &options, answer, err)
               : st;
}

static const struct {
    const char *name;
    enum status (*answer)(const struct ask *a, struct buf *answer, bool *is_binary,
                          struct error *err);
} questions[] = {
    {"flame", ask_flame},   {"table", ask_table},   {"callers", ask_callers},
    {"lines", ask_lines},   {"source", ask_source}, {"series", ask_series},
    {"spans", ask_spans},   {"stats", ask_stats},   {"activity", ask_activity},
    {"memory", ask_memory}, {"leaks", ask_leaks},
};

enum status ask_answer(const struct ask *a, const char *question, struct buf *answer,
                       bool *is_binary, struct error *err)
{
    for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
        if (strcmp(questions[i].name, question) == 0)
            return questions[i].answer(a, answer, is_binary, err);
    }
    return error_set(err, STATUS_NOT_FOUND, "there is no question \"%.40s\"", question);
}
