/* The questions about one profile: query/ask.h answers them by the last word of the path. */

#include <string.h>

#include "backend/api/inside.h"
#include "backend/query/ask.h"

static const char *param_of(void *ctx, const char *name)
{
    return http_query(ctx, name);
}

struct ask api_ask_params(struct http_request *r)
{
    return (struct ask){.param = param_of, .ctx = r};
}

void api_ask(struct http_request *r, void *ctx)
{
    struct api_question q;
    struct error err = {0};
    if (!api_question_begin(&q, r, ctx))
        return;
    struct ask a = api_ask_params(r);
    a.profile = q.hold.profile;
    a.cache = api_question_cache(&q);
    a.revision = q.hold.revision;
    a.filter = q.filter;
    const char *slash = strrchr(http_path(r), '/');
    struct buf body;
    buf_init(&body, 0);
    bool is_binary;
    enum status st = ask_answer(&a, slash ? slash + 1 : "", &body, &is_binary, &err);
    if (st == STATUS_OK && is_binary) {
        api_question_end(&q);
        http_reply(r, 200, "application/octet-stream", body.data, body.len);
        buf_deinit(&body);
        return;
    }
    api_question_reply(&q, st, &body, &err);
}
