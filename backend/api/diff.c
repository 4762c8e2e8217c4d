/* Two profiles compared. */

#include <string.h>

#include "backend/api/inside.h"
#include "backend/query/diff_flame.h"

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

/* One of the two questions, both profiles held. */
struct question {
    struct both both;
    struct http_request *r;
    const char *base, *target;
    struct buf body;
    bool is_binary;
};

static enum status build(struct question *q, struct diff *d, struct error *err)
{
    struct both *b = &q->both;
    struct diff_options options = {.value = http_query(q->r, "value")};
    enum status st = diff_normalise_find(http_query(q->r, "normalise"), &options.normalise, err);
    if (st == STATUS_OK)
        st = hold_both(b, q->base, q->target, err);
    if (st != STATUS_OK)
        return st;
    return diff_build(d, b->base.profile, NULL, b->is_same ? b->base.profile : b->target.profile,
                      NULL, &options, err);
}

static uint64_t target_revision(const struct both *b)
{
    return b->is_same ? b->base.revision : b->target.revision;
}

static enum status compare(struct question *q, struct error *err)
{
    uint64_t top = 50;
    enum status st = api_param_u64(q->r, "top", UINT32_MAX, &top, err);
    struct diff d;
    if (st == STATUS_OK)
        st = build(q, &d, err);
    if (st != STATUS_OK)
        return st;
    struct json_out j;
    json_out_init(&j, &q->body);
    json_out_object(&j);
    json_out_key(&j, "base_profile");
    json_out_text(&j, q->base);
    json_out_key(&j, "target_profile");
    json_out_text(&j, q->target);
    json_put_u64(&j, "base_rev", q->both.base.revision);
    json_put_u64(&j, "target_rev", target_revision(&q->both));
    diff_write_members(&d, top, &j);
    json_out_end(&j);
    diff_free(&d);
    return buf_status(&q->body);
}

static enum status draw(struct question *q, struct error *err)
{
    const char *format = http_query(q->r, "format");
    struct flame_options options = {0};
    struct diff d;
    struct flame f;
    q->is_binary = !format || strcmp(format, "json") != 0;
    struct ask params = api_ask_params(q->r);
    enum status st = ask_flame_options(&params, &options, err);
    if (st == STATUS_OK)
        st = build(q, &d, err);
    if (st != STATUS_OK)
        return st;
    st = diff_flame_build(&f, &d, NULL, NULL, &options, err);
    if (st == STATUS_OK) {
        struct diff_flame_names names = {.base = q->base,
                                         .target = q->target,
                                         .base_revision = q->both.base.revision,
                                         .target_revision = target_revision(&q->both)};
        st = diff_flame_write(&f, &d, &names, !q->is_binary, &q->body);
        flame_free(&f);
    }
    diff_free(&d);
    return st;
}

static void answer(struct http_request *r, void *ctx,
                   enum status (*ask)(struct question *q, struct error *err))
{
    struct question q = {.both = {.s = ctx},
                         .r = r,
                         .base = http_query(r, "base"),
                         .target = http_query(r, "target")};
    struct error err = {0};
    if (!q.base || !*q.base || !q.target || !*q.target) {
        error_set(&err, STATUS_INVALID, "which two? (base=ID&target=ID)");
        http_fail(r, &err);
        return;
    }
    if (!api_check_id(r, q.base) || !api_check_id(r, q.target))
        return;
    atomic_fetch_add(&q.both.s->questions, 1);
    buf_init(&q.body, 0);
    enum status st = ask(&q, &err);
    release_both(
        &q.both); /* before the answer goes out: a slow reader must not hold up a collector */
    if (st != STATUS_OK) {
        if (err.status == STATUS_OK)
            error_set(&err, st, "no memory for the answer");
        http_fail(r, &err);
    } else if (q.is_binary) {
        http_reply(r, 200, "application/octet-stream", q.body.data, q.body.len);
    } else {
        http_reply_json(r, 200, &q.body);
    }
    buf_deinit(&q.body);
}

void api_diff(struct http_request *r, void *ctx)
{
    answer(r, ctx, compare);
}

void api_diff_flame(struct http_request *r, void *ctx)
{
    answer(r, ctx, draw);
}
