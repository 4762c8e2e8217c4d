/* The questions about one profile: each reads its own parameters and hands over to query/. */

#include <stdlib.h>
#include <string.h>

#include "backend/api/inside.h"
#include "backend/query/activity.h"
#include "backend/query/callers.h"
#include "backend/query/flame.h"
#include "backend/query/lines.h"
#include "backend/query/series.h"
#include "backend/query/stats.h"
#include "backend/query/table.h"

static bool is_yes(const char *text)
{
    return text && (strcmp(text, "1") == 0 || strcmp(text, "true") == 0);
}

/* ---- flame ---- */

enum status api_param_flame(struct http_request *r, struct flame_options *o, struct error *err)
{
    uint64_t depth = 0;
    uint64_t nodes = 0;
    o->is_inverted = is_yes(http_query(r, "invert"));
    enum status st = api_param_f64(r, "min", &o->min_fraction, err);
    if (st == STATUS_OK && (o->min_fraction < 0 || o->min_fraction > 1))
        st = error_set(err, STATUS_INVALID, "min is a fraction from 0 to 1");
    if (st == STATUS_OK)
        st = api_param_u64(r, "depth", UINT32_MAX - 1, &depth, err);
    if (st == STATUS_OK)
        st = api_param_u64(r, "nodes", FLAME_MAX_NODES, &nodes, err);
    o->max_depth = (uint32_t)depth;
    o->max_nodes = nodes;
    return st;
}

void api_flame(struct http_request *r, void *ctx)
{
    struct api_question q;
    struct error err = {0};
    struct flame_options options = {0};
    if (!api_question_begin(&q, r, ctx))
        return;
    options.revision = q.hold.revision;
    const char *format = http_query(r, "format");
    bool is_json = format && strcmp(format, "json") == 0;
    struct buf body;
    buf_init(&body, 0);
    struct flame f;
    enum status st = api_param_flame(r, &options, &err);
    if (st == STATUS_OK)
        st = flame_build(&f, q.hold.profile, api_question_cache(&q), &q.filter, &options, &err);
    if (st == STATUS_OK) {
        st = is_json ? flame_write_json(&f, q.hold.profile, &options, &body)
                     : flame_write_binary(&f, q.hold.profile, &options, &body);
        flame_free(&f);
    }
    if (st == STATUS_OK && !is_json) {
        api_question_end(&q);
        http_reply(r, 200, "application/octet-stream", body.data, body.len);
        buf_deinit(&body);
        return;
    }
    api_question_reply(&q, st, &body, &err);
}

/* ---- table, callers, lines ---- */

void api_table(struct http_request *r, void *ctx)
{
    struct api_question q;
    struct error err = {0};
    if (!api_question_begin(&q, r, ctx))
        return;
    struct table_options options = {.sort = http_query(r, "sort"), .text = http_query(r, "q")};
    struct buf body;
    buf_init(&body, 0);
    struct table t;
    uint64_t limit = 0;
    enum status st = api_param_u64(r, "limit", UINT32_MAX, &limit, &err);
    options.limit = limit;
    if (st == STATUS_OK)
        st = table_build(&t, q.hold.profile, api_question_cache(&q), &q.filter, &options, &err);
    if (st == STATUS_OK) {
        st = table_write_json(&t, q.hold.profile, q.hold.revision, &body);
        table_free(&t);
    }
    api_question_reply(&q, st, &body, &err);
}

static enum status function_param(struct http_request *r, uint32_t *function, struct error *err)
{
    uint64_t value = UINT64_MAX;
    enum status st = api_param_u64(r, "function", UINT32_MAX - 1, &value, err);
    if (st == STATUS_OK && value == UINT64_MAX)
        return error_set(err, STATUS_INVALID, "which function? (function=ID)");
    *function = (uint32_t)value;
    return st;
}

void api_callers(struct http_request *r, void *ctx)
{
    struct api_question q;
    struct error err = {0};
    if (!api_question_begin(&q, r, ctx))
        return;
    struct buf body;
    buf_init(&body, 0);
    struct callers c;
    uint32_t function = 0;
    enum status st = function_param(r, &function, &err);
    if (st == STATUS_OK)
        st = callers_build(&c, q.hold.profile, api_question_cache(&q), &q.filter, function, &err);
    if (st == STATUS_OK) {
        st = callers_write_json(&c, q.hold.profile, q.hold.revision, &body);
        callers_free(&c);
    }
    api_question_reply(&q, st, &body, &err);
}

void api_lines(struct http_request *r, void *ctx)
{
    struct api_question q;
    struct error err = {0};
    if (!api_question_begin(&q, r, ctx))
        return;
    struct buf body;
    buf_init(&body, 0);
    struct lines l;
    uint32_t function = 0;
    const char *file = http_query(r, "file");
    enum status st = file ? STATUS_OK : function_param(r, &function, &err);
    if (st == STATUS_OK)
        st = lines_build(&l, q.hold.profile, &q.filter, function, file, &err);
    if (st == STATUS_OK) {
        st = lines_write_json(&l, q.hold.revision, &body);
        lines_free(&l);
    }
    api_question_reply(&q, st, &body, &err);
}

void api_source(struct http_request *r, void *ctx)
{
    struct api_question q;
    struct error err = {0};
    if (!api_question_begin(&q, r, ctx))
        return;
    struct buf body;
    buf_init(&body, 0);
    uint32_t function = 0;
    const char *file = http_query(r, "file");
    enum status st = file ? STATUS_OK : function_param(r, &function, &err);
    if (st == STATUS_OK)
        st = source_write_json(q.hold.profile, function, file, &body, &err);
    api_question_reply(&q, st, &body, &err);
}

/* ---- over time ---- */

static enum status series_params(struct api_question *q, struct series_query *s, struct error *err)
{
    const char *process = http_query(q->r, "process");
    uint64_t points = 0;
    s->names = http_query(q->r, "name");
    s->has_from = q->filter.has_from;
    s->has_to = q->filter.has_to;
    s->from_ns = q->filter.from_ns;
    s->to_ns = q->filter.to_ns;
    if (process && strcmp(process, "all") == 0) {
        s->whose = SERIES_TREE;
    } else if (process && *process) {
        uint64_t index = 0;
        enum status st = api_param_u64(q->r, "process", UINT32_MAX, &index, err);
        if (st != STATUS_OK)
            return st;
        s->whose = SERIES_PROCESS;
        s->process = (uint32_t)index;
    }
    enum status st = api_param_u64(q->r, "points", 1000000, &points, err);
    s->points = points;
    return st;
}

void api_series(struct http_request *r, void *ctx)
{
    struct api_question q;
    struct error err = {0};
    struct series_query series = {0};
    if (!api_question_begin(&q, r, ctx))
        return;
    struct buf body;
    buf_init(&body, 0);
    enum status st = series_params(&q, &series, &err);
    if (st == STATUS_OK)
        st = series_write_json(q.hold.profile, &series, q.hold.revision, &body);
    api_question_reply(&q, st, &body, &err);
}

void api_spans(struct http_request *r, void *ctx)
{
    struct api_question q;
    struct error err = {0};
    if (!api_question_begin(&q, r, ctx))
        return;
    struct buf body;
    buf_init(&body, 0);
    enum status st = spans_write_json(q.hold.profile, q.hold.revision, &body);
    api_question_reply(&q, st, &body, &err);
}

void api_activity(struct http_request *r, void *ctx)
{
    struct api_question q;
    struct error err = {0};
    if (!api_question_begin(&q, r, ctx))
        return;
    struct buf body;
    buf_init(&body, 0);
    uint64_t buckets = 0;
    enum status st = api_param_u64(r, "buckets", ACTIVITY_MAX_BUCKETS, &buckets, &err);
    if (st == STATUS_OK)
        st = activity_write_json(q.hold.profile, &q.filter, buckets, q.hold.revision, &body, &err);
    api_question_reply(&q, st, &body, &err);
}

void api_stats(struct http_request *r, void *ctx)
{
    struct api_question q;
    struct error err = {0};
    if (!api_question_begin(&q, r, ctx))
        return;
    struct buf body;
    buf_init(&body, 0);
    uint64_t top = 50;
    struct stats_options options = {.sort = http_query(r, "sort")};
    enum status st = api_param_u64(r, "top", UINT32_MAX, &top, &err);
    options.top = top;
    if (st == STATUS_OK)
        st = stats_write_json(q.hold.profile, api_question_cache(&q), &q.filter, &options, &body,
                              &err);
    api_question_reply(&q, st, &body, &err);
}
