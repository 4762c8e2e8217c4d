/* The questions about one profile: query/ask.h answers them by the last word of the path. Many who
 * watch the same ask the same: one answer is made, the others get it, too. */

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

static const char *last_word(const struct http_request *r)
{
    const char *slash = strrchr(http_path(r), '/');
    return slash ? slash + 1 : "";
}

/* Profile, question, and parameters as they stand, a NUL behind each: they have none in them. */
static void name_question(struct http_request *r, struct buf *out)
{
    buf_put(out, http_part(r, 0), strlen(http_part(r, 0)) + 1);
    buf_put(out, last_word(r), strlen(last_word(r)) + 1);
    for (size_t i = 0; i < http_query_count(r); i++) {
        const char *name;
        const char *value;
        http_query_at(r, i, &name, &value);
        buf_put(out, name, strlen(name) + 1);
        buf_put(out, value, strlen(value) + 1);
    }
}

static void send_answer(struct http_request *r, const void *data, size_t len, bool is_binary)
{
    http_reply(r, 200, is_binary ? "application/octet-stream" : "application/json; charset=utf-8",
               data, len);
}

static void send_kept(struct api_server *s, struct http_request *r, struct kept_answer *answer)
{
    send_answer(r, answer->data, answer->len, answer->is_binary);
    kept_give(s->kept, answer);
}

/* Without waiting for the profile's cache: who is making another answer holds up nobody here. */
static bool answer_again(struct http_request *r, struct api_server *s, struct kept_key *key)
{
    struct library_hold hold;
    if (!ident_is_valid(http_part(r, 0), IDENT_CHARS) ||
        library_hold(s->library, http_part(r, 0), &hold, NULL) != STATUS_OK)
        return false; /* why is told where the question begins */
    key->revision = hold.revision;
    struct kept_answer *answer = kept_find(s->kept, key);
    bool is_sent = answer && api_question_is_unchanged(s, r, &hold);
    library_release(s->library, &hold);
    if (is_sent)
        kept_give(s->kept, answer);
    else if (answer)
        send_kept(s, r, answer);
    if (answer) {
        atomic_fetch_add(&s->questions, 1);
        atomic_fetch_add(&s->answered_again, 1);
    }
    return answer != NULL;
}

/* The profile is let go before the answer is sent. */
static void make_answer(struct api_question *q, struct kept_key *key)
{
    struct http_request *r = q->r;
    struct api_server *s = q->s;
    struct error err = {0};
    struct ask a = api_ask_params(r);
    a.profile = q->hold.profile;
    a.cache = api_question_cache(q);
    a.revision = q->hold.revision;
    a.filter = q->filter;
    struct buf body;
    buf_init(&body, 0);
    bool is_binary;
    enum status st = ask_answer(&a, last_word(r), &body, &is_binary, &err);
    key->revision = q->hold.revision;
    struct kept_answer *kept =
        st == STATUS_OK && !q->is_redacted ? kept_take(s->kept, key, &body, is_binary) : NULL;
    if (st != STATUS_OK || (!kept && !is_binary)) {
        api_question_reply(q, st, &body, &err);
        return;
    }
    api_question_end(q);
    if (kept)
        send_kept(s, r, kept);
    else
        send_answer(r, body.data, body.len, true);
    buf_deinit(&body);
}

void api_ask(struct http_request *r, void *ctx)
{
    struct api_server *s = ctx;
    struct api_question q;
    struct buf name;
    buf_init(&name, 0);
    name_question(r, &name);
    struct kept_key key = {.question = (const char *)name.data, .len = name.len};
    bool is_shown_whole = !http_granted(r)->is_redacted && buf_status(&name) == STATUS_OK;
    if (!(is_shown_whole && answer_again(r, s, &key)) && api_question_begin(&q, r, ctx)) {
        /* While this one waited its turn the same may have been asked and answered. */
        key.revision = q.hold.revision;
        struct kept_answer *answer = is_shown_whole ? kept_find(s->kept, &key) : NULL;
        if (answer) {
            api_question_end(&q);
            atomic_fetch_add(&s->answered_again, 1);
            send_kept(s, r, answer);
        } else {
            make_answer(&q, &key);
        }
    }
    buf_deinit(&name);
}
