#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/api/inside.h"
#include "backend/query/summary.h"
#include "common/base/ident.h"

enum status api_param_u64(struct http_request *r, const char *name, uint64_t max, uint64_t *value,
                          struct error *err)
{
    return ask_u64(name, http_query(r, name), max, value, err);
}

static enum status read_filter(struct api_question *q, struct error *err)
{
    for (size_t i = 0; i < http_query_count(q->r); i++) {
        const char *name;
        const char *value;
        bool is_known;
        http_query_at(q->r, i, &name, &value);
        if (strcmp(name, "process") == 0 && strcmp(value, "all") == 0)
            continue;
        enum status st = filter_set(&q->filter, http_arena(q->r), name, value, &is_known, err);
        if (st != STATUS_OK)
            return st;
    }
    return STATUS_OK;
}

bool api_question_is_unchanged(struct api_server *s, struct http_request *r,
                               const struct library_hold *hold)
{
    if (hold->state == LIBRARY_LIVE)
        return false;
    char etag[90];
    snprintf(etag, sizeof(etag), "%s-%llu-%.20s-%.20s", http_part(r, 0),
             (unsigned long long)hold->revision, s->version, s->build);
    return http_is_unchanged(r, etag);
}

/* From here on nothing that the handlers see has what is to be hidden. The cache knows numbers
 * only, but the sentence in it has names. */
static enum status redact_question(struct api_question *q)
{
    enum status st = redact_profile(&q->redacted, q->hold.profile);
    if (st != STATUS_OK)
        return st;
    q->is_redacted = true;
    q->hold.profile = &q->redacted.profile;
    return STATUS_OK;
}

bool api_question_begin(struct api_question *q, struct http_request *r, void *ctx)
{
    *q = (struct api_question){.s = ctx, .r = r, .id = http_part(r, 0)};
    struct error err = {0};
    if (!api_check_id(r, q->id))
        return false;
    atomic_fetch_add(&q->s->questions, 1);
    enum status st = read_filter(q, &err);
    if (st != STATUS_OK) {
        http_fail(r, &err);
        return false;
    }
    q->cache = api_cache_take(q->s, q->id);
    st = library_hold(q->s->library, q->id, &q->hold, &err);
    if (st != STATUS_OK) {
        api_cache_give(q->s, q->cache);
        http_fail(r, &err);
        return false;
    }
    if (api_question_is_unchanged(q->s, r, &q->hold)) {
        api_question_end(q);
        return false;
    }
    st = http_granted(r)->is_redacted ? redact_question(q) : STATUS_OK;
    if (st != STATUS_OK) {
        api_question_end(q);
        error_set(&err, st, "no memory for the redacted profile");
        http_fail(r, &err);
    }
    return st == STATUS_OK;
}

/* The profile is let go before the answer is sent: a slow reader must not hold up a collector. */
void api_question_end(struct api_question *q)
{
    if (q->hold.profile)
        library_release(q->s->library, &q->hold);
    api_cache_give(q->s, q->cache);
    q->hold = (struct library_hold){0};
    q->cache = NULL;
    redacted_free(&q->redacted);
}

struct query_cache *api_question_cache(struct api_question *q)
{
    return q->cache ? q->cache->query : NULL;
}

enum status api_question_summary(struct api_question *q, struct buf *out)
{
    if (q->is_redacted)
        return summary_write(q->hold.profile, api_question_cache(q), out);
    return api_summary(q->cache, &q->hold, out);
}

void api_question_reply(struct api_question *q, enum status st, struct buf *body,
                        const struct error *err)
{
    api_question_end(q);
    if (st == STATUS_OK) {
        http_reply_json(q->r, 200, body);
    } else {
        struct error failure = *err;
        if (failure.status == STATUS_OK)
            error_set(&failure, st, "no memory for the answer");
        http_fail(q->r, &failure);
    }
    buf_deinit(body);
}
