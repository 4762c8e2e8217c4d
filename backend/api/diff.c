/* Two profiles compared. */

#include "backend/query/diff.h"

#include <string.h>

#include "backend/api/inside.h"

struct both {
    struct api_server *s;
    struct library_hold base, target; /* target empty where it is the same profile */
    bool is_same;
};

/* In the order of their ids: two questions that each held what the other wants would wait for ever
 * once collectors wait for both. */
static enum status hold_both(struct both *b, const char *base, const char *target,
                             struct error *err)
{
    int order = strcmp(base, target);
    struct library *l = b->s->library;
    b->is_same = order == 0;
    enum status st = order <= 0 ? library_hold(l, base, &b->base, err)
                                : library_hold(l, target, &b->target, err);
    if (st != STATUS_OK || b->is_same)
        return st;
    return order < 0 ? library_hold(l, target, &b->target, err)
                     : library_hold(l, base, &b->base, err);
}

static void release_both(struct both *b)
{
    if (b->target.profile)
        library_release(b->s->library, &b->target);
    if (b->base.profile)
        library_release(b->s->library, &b->base);
}

static enum status write_answer(const struct diff *d, const struct both *b, const char *base,
                                const char *target, uint64_t top, struct buf *body)
{
    struct json_out j;
    json_out_init(&j, body);
    json_out_object(&j);
    json_out_key(&j, "base_profile");
    json_out_text(&j, base);
    json_out_key(&j, "target_profile");
    json_out_text(&j, target);
    json_out_key(&j, "base_rev");
    json_out_u64(&j, b->base.revision);
    json_out_key(&j, "target_rev");
    json_out_u64(&j, b->is_same ? b->base.revision : b->target.revision);
    diff_write_members(d, top, &j);
    json_out_end(&j);
    return buf_status(body);
}

static enum status compare(struct http_request *r, struct both *b, struct buf *body,
                           struct error *err)
{
    const char *base = http_query(r, "base");
    const char *target = http_query(r, "target");
    struct diff_options options = {.value = http_query(r, "value")};
    uint64_t top = 50;
    enum status st = diff_normalise_find(http_query(r, "normalise"), &options.normalise, err);
    if (st == STATUS_OK)
        st = api_param_u64(r, "top", UINT32_MAX, &top, err);
    if (st == STATUS_OK)
        st = hold_both(b, base, target, err);
    if (st != STATUS_OK)
        return st;
    struct diff d;
    st = diff_build(&d, b->base.profile, NULL, b->is_same ? b->base.profile : b->target.profile,
                    NULL, &options, err);
    if (st != STATUS_OK)
        return st;
    st = write_answer(&d, b, base, target, top, body);
    diff_free(&d);
    return st;
}

void api_diff(struct http_request *r, void *ctx)
{
    struct both b = {.s = ctx};
    struct error err = {0};
    const char *base = http_query(r, "base");
    const char *target = http_query(r, "target");
    if (!base || !*base || !target || !*target) {
        error_set(&err, STATUS_INVALID, "which two? (base=ID&target=ID)");
        http_fail(r, &err);
        return;
    }
    if (!api_check_id(r, base) || !api_check_id(r, target))
        return;
    atomic_fetch_add(&b.s->questions, 1);
    struct buf body;
    buf_init(&body, 0);
    enum status st = compare(r, &b, &body, &err);
    release_both(&b); /* before the answer goes out: a slow reader must not hold up a collector */
    if (st == STATUS_OK) {
        http_reply_json(r, 200, &body);
    } else {
        if (err.status == STATUS_OK)
            error_set(&err, st, "no memory for the answer");
        http_fail(r, &err);
    }
    buf_deinit(&body);
}
