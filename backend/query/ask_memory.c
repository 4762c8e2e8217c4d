#include "backend/query/ask_memory.h"

#include <math.h>
#include <string.h>

#include "backend/query/leaks.h"
#include "backend/query/memory.h"
#include "common/base/json_out.h"

static enum status by_param(const struct ask *a, enum memory_by *by, struct error *err)
{
    static const char *const words[] = {"line", "function", "stack"};
    const char *text = a->param(a->ctx, "by");
    if (!text || !*text)
        return STATUS_OK;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(words[i], text) == 0) {
            *by = (enum memory_by)i;
            return STATUS_OK;
        }
    }
    return error_set(err, STATUS_INVALID, "by: \"%.40s\" is none of line, function, stack", text);
}

static enum status sort_param(const struct ask *a, struct memory_options *o, struct error *err)
{
    const char *text = a->param(a->ctx, "sort");
    o->sort = o->has_base ? MEMORY_GROWN : MEMORY_IN_USE;
    if (!text || !*text)
        return STATUS_OK;
    for (int m = 0; m < MEMORY_MEASURES; m++) {
        if (strcmp(memory_measure_name((enum memory_measure)m), text) == 0) {
            o->sort = (enum memory_measure)m;
            return STATUS_OK;
        }
    }
    return error_set(err, STATUS_INVALID,
                     "sort: \"%.40s\" is none of in_use, allocated, freed, leaked, peak, "
                     "temporary, short, base, grown",
                     text);
}

static enum status memory_params(const struct ask *a, struct memory_options *o, struct error *err)
{
    double base = -1;
    double within = 0;
    uint64_t limit = 0;
    enum status st = ask_f64("base", a->param(a->ctx, "base"), &base, err);
    if (st == STATUS_OK && base >= 0) {
        o->has_base = true;
        o->base_ns = base >= 1e10 ? UINT64_MAX : (uint64_t)llround(base * 1e9);
    }
    if (st == STATUS_OK)
        st = ask_f64("short", a->param(a->ctx, "short"), &within, err);
    if (st == STATUS_OK && within > 0)
        o->short_ns = within >= 1e9 ? UINT64_MAX : (uint64_t)llround(within * 1e9);
    if (st == STATUS_OK)
        st = by_param(a, &o->by, err);
    if (st == STATUS_OK)
        st = sort_param(a, o, err);
    if (st == STATUS_OK)
        st = ask_u64("limit", a->param(a->ctx, "limit"), UINT32_MAX, &limit, err);
    o->limit = limit;
    return st;
}

enum status ask_memory(const struct ask *a, struct buf *answer, bool *is_binary, struct error *err)
{
    struct memory_options options = {.by = MEMORY_BY_LINE};
    struct memory m;
    *is_binary = false;
    enum status st = memory_params(a, &options, err);
    if (st == STATUS_OK)
        st = memory_build(&m, a->profile, &a->filter, &options, err);
    if (st != STATUS_OK)
        return st;
    st = memory_write_json(&m, a->profile, a->revision, answer);
    memory_free(&m);
    return st;
}

enum status ask_leaks(const struct ask *a, struct buf *answer, bool *is_binary, struct error *err)
{
    enum memory_by by = MEMORY_BY_LINE;
    uint64_t limit = 100;
    struct leaks leaks;
    *is_binary = false;
    enum status st = by_param(a, &by, err);
    if (st == STATUS_OK)
        st = ask_u64("limit", a->param(a->ctx, "limit"), UINT32_MAX, &limit, err);
    if (st == STATUS_OK)
        st = leaks_find(&leaks, a->profile, &a->filter, by, err);
    if (st != STATUS_OK)
        return st;
    struct json_out j;
    json_out_init(&j, answer);
    json_out_object(&j);
    json_put_u64(&j, "rev", a->revision);
    json_out_key(&j, "leaks");
    leaks_write(&j, &leaks, a->profile, limit);
    json_out_end(&j);
    leaks_free(&leaks);
    return buf_status(answer);
}
