/* Share links, and tokens that open a part only. */

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/api/inside.h"
#include "backend/store/access.h"
#include "common/base/clock.h"

/* ---- what a secret stands for ---- */

bool api_judge(void *ctx, const char *secret, size_t len, bool is_share, struct http_grant *out)
{
    static const enum http_scope scopes[] = {
        [LIBRARY_SCOPE_READ] = HTTP_SCOPE_READ,
        [LIBRARY_SCOPE_SEND] = HTTP_SCOPE_SEND,
        [LIBRARY_SCOPE_ADMIN] = HTTP_SCOPE_ADMIN,
    };
    struct api_server *s = ctx;
    if (!is_share) {
        enum library_scope scope;
        if (library_token_find(s->library, secret, len, &scope, NULL) != STATUS_OK)
            return false;
        *out = (struct http_grant){.scope = scopes[scope]};
        return true;
    }
    struct library_share share;
    if (library_share_find(s->library, secret, len, &share, NULL) != STATUS_OK)
        return false;
    *out = (struct http_grant){.scope = HTTP_SCOPE_SHARE, .is_redacted = share.is_redacted};
    memcpy(out->subject, share.profile, sizeof(share.profile));
    library_share_deinit(&share);
    return true;
}

/* ---- what links and tokens have in common ---- */

static void put_expiry(struct json_out *j, uint64_t expires_ms)
{
    json_out_key(j, "expires_unix_ms");
    if (expires_ms)
        json_out_u64(j, expires_ms);
    else
        json_out_null(j);
}

/* "expires_s": seconds from now; null = never; absent = `otherwise`. */
static enum status read_expiry(const cJSON *json, double otherwise, uint64_t *expires_ms,
                               struct error *err)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, "expires_s");
    double seconds = otherwise;
    if (item && !cJSON_IsNull(item)) {
        if (!cJSON_IsNumber(item) || !(item->valuedouble > 0 && item->valuedouble <= 1e10))
            return error_set(err, STATUS_INVALID,
                             "expires_s is a number of seconds above 0, or null");
        seconds = item->valuedouble;
    } else if (item) {
        seconds = 0;
    }
    *expires_ms = seconds > 0 ? clock_unix_ns() / 1000000 + (uint64_t)(seconds * 1000) : 0;
    return STATUS_OK;
}

/* ---- shares ---- */

enum { USUAL_SHARE_S = 7 * 24 * 3600 };

static enum status read_share(const cJSON *json, struct library_share *out, struct error *err)
{
    const cJSON *view = cJSON_GetObjectItemCaseSensitive(json, "view");
    const cJSON *redact = cJSON_GetObjectItemCaseSensitive(json, "redact");
    if ((view && !cJSON_IsString(view)) || (redact && !cJSON_IsBool(redact)))
        return error_set(err, STATUS_INVALID,
                         "expected {\"view\":\"...\",\"expires_s\":number,\"redact\":bool}");
    out->view = view ? view->valuestring : NULL;
    out->is_redacted = cJSON_IsTrue(redact);
    return read_expiry(json, USUAL_SHARE_S, &out->expires_unix_ms, err);
}

/* Who can follow the link at all: said with it, so that nobody sends one that leads nowhere. */
static void put_reach(struct json_out *j, const struct api_server *s)
{
    json_put_text(j, "reach", http_is_local(s->http) ? "this-machine" : "network");
    json_put_bool(j, "is_open", s->token == NULL);
}

void api_share_add(struct http_request *r, void *ctx)
{
    struct api_server *s = ctx;
    struct error err = {0};
    const char *id = http_part(r, 0);
    if (!api_check_id(r, id))
        return;
    cJSON *json = api_read_json(r);
    if (!json)
        return;
    struct library_share share = {0};
    char secret[IDENT_TOKEN_CHARS + 1];
    static char no_view[] = "";
    memcpy(share.profile, id, sizeof(share.profile));
    enum status st = read_share(json, &share, &err);
    if (!share.view)
        share.view = no_view;
    if (st == STATUS_OK)
        st = library_share_add(s->library, &share, secret, &err);
    cJSON_Delete(json);
    if (st != STATUS_OK) {
        http_fail(r, &err);
        return;
    }
    struct buf body;
    struct json_out j;
    char url[64];
    api_answer_begin(&body, &j);
    snprintf(url, sizeof(url), "/s/%s", secret);
    json_put_u64(&j, "number", share.number);
    json_put_text(&j, "url", url);
    json_put_bool(&j, "redacted", share.is_redacted);
    put_expiry(&j, share.expires_unix_ms);
    put_reach(&j, s);
    api_answer(r, 201, &body, &j);
}

/* A name is shown beside the number; a profile that has gone meanwhile has none. */
static void put_share(struct json_out *j, const void *item, void *ctx)
{
    const struct library_share *share = item;
    struct api_server *s = ctx;
    struct library_row row = {0};
    bool is_there = library_row(s->library, share->profile, &row, NULL) == STATUS_OK;
    json_put_u64(j, "number", share->number);
    json_put_text(j, "profile", share->profile);
    json_put_text(j, "name", is_there ? row.name : "");
    json_put_text(j, "view", share->view);
    json_put_bool(j, "redacted", share->is_redacted);
    json_put_u64(j, "created_unix_ms", share->created_unix_ms);
    put_expiry(j, share->expires_unix_ms);
    if (is_there)
        library_row_deinit(&row);
}

void api_share_list(struct http_request *r, void *ctx)
{
    struct api_server *s = ctx;
    struct error err = {0};
    struct library_share *shares = NULL;
    size_t len = 0;
    if (library_share_list(s->library, http_query(r, "profile"), &shares, &len, &err) !=
        STATUS_OK) {
        http_fail(r, &err);
        return;
    }
    struct buf body;
    struct json_out j;
    api_answer_begin(&body, &j);
    api_put_items(&j, "shares", &(struct api_items){shares, len, sizeof(*shares), put_share, s});
    put_reach(&j, s);
    library_shares_free(shares, len);
    api_answer(r, 200, &body, &j);
}

void api_share_revoke(struct http_request *r, void *ctx)
{
    struct api_server *s = ctx;
    struct error err = {0};
    uint64_t number;
    if (api_read_number(r, 0, &number))
        api_answer_empty(r, library_share_revoke(s->library, number, &err), &err);
}

static bool has_path(const char *text, size_t len)
{
    return memchr(text, '/', len) || memchr(text, '\\', len) || memmem(text, len, "%2F", 3) ||
           memmem(text, len, "%2f", 3) || memmem(text, len, "%5C", 3) ||
           memmem(text, len, "%5c", 3);
}

/* Whoever shares may have searched for a path: a redacted link leaves that part of the view out. */
static void put_view(struct json_out *j, const struct library_share *share)
{
    struct buf view;
    buf_init(&view, 0);
    for (const char *at = share->view; *at;) {
        size_t len = strcspn(at, "&");
        if (!share->is_redacted || !has_path(at, len)) {
            if (view.len)
                buf_put_byte(&view, '&');
            buf_put(&view, at, len);
        }
        at += len + (at[len] == '&');
    }
    json_put_string(j, "view", (const char *)view.data, view.len);
    buf_deinit(&view);
}

/* What the page asks first when it was opened by a link. */
void api_share_get(struct http_request *r, void *ctx)
{
    struct api_server *s = ctx;
    struct error err = {0};
    struct library_share share;
    const char *secret = http_share(r);
    if (library_share_find(s->library, secret, strlen(secret), &share, &err) != STATUS_OK) {
        http_fail(r, &err);
        return;
    }
    struct buf body;
    struct json_out j;
    api_answer_begin(&body, &j);
    json_put_text(&j, "profile", share.profile);
    put_view(&j, &share);
    json_put_bool(&j, "redacted", share.is_redacted);
    put_expiry(&j, share.expires_unix_ms);
    library_share_deinit(&share);
    api_answer(r, 200, &body, &j);
}

void api_share_page(struct http_request *r, void *ctx)
{
    (void)ctx;
    int code = http_open_share(r, http_part(r, 0));
    struct error err;
    if (code == 429) {
        error_set(&err, STATUS_BUSY, "too many wrong links from this address");
        http_fail_as(r, code, &err, NULL);
        return;
    }
    http_reply_page(r, code); /* the page says in its own words that the link is not valid */
}

/* ---- tokens ---- */

static enum status read_token(const cJSON *json, struct library_token *out, struct error *err)
{
    const cJSON *name = cJSON_GetObjectItemCaseSensitive(json, "name");
    const cJSON *scope = cJSON_GetObjectItemCaseSensitive(json, "scope");
    if (!cJSON_IsString(name) || !cJSON_IsString(scope))
        return error_set(err, STATUS_INVALID,
                         "expected {\"name\":\"...\",\"scope\":\"read|send|admin\"}");
    out->name = name->valuestring;
    enum status st = library_scope_find(scope->valuestring, &out->scope, err);
    return st == STATUS_OK ? read_expiry(json, 0, &out->expires_unix_ms, err) : st;
}

void api_token_add(struct http_request *r, void *ctx)
{
    struct api_server *s = ctx;
    struct error err = {0};
    cJSON *json = api_read_json(r);
    if (!json)
        return;
    struct library_token token = {0};
    char secret[IDENT_TOKEN_CHARS + 1];
    enum status st = read_token(json, &token, &err);
    if (st == STATUS_OK)
        st = library_token_add(s->library, &token, secret, &err);
    cJSON_Delete(json);
    if (st != STATUS_OK) {
        http_fail(r, &err);
        return;
    }
    struct buf body;
    struct json_out j;
    api_answer_begin(&body, &j);
    json_put_u64(&j, "number", token.number);
    json_put_text(&j, "token", secret);
    json_put_text(&j, "scope", library_scope_name(token.scope));
    put_expiry(&j, token.expires_unix_ms);
    json_put_bool(&j, "is_open", s->token == NULL);
    api_answer(r, 201, &body, &j);
}

static void put_token(struct json_out *j, const void *item, void *ctx)
{
    const struct library_token *token = item;
    (void)ctx;
    json_put_u64(j, "number", token->number);
    json_put_text(j, "name", token->name);
    json_put_text(j, "scope", library_scope_name(token->scope));
    json_put_u64(j, "created_unix_ms", token->created_unix_ms);
    put_expiry(j, token->expires_unix_ms);
}

void api_token_list(struct http_request *r, void *ctx)
{
    struct api_server *s = ctx;
    struct error err = {0};
    struct library_token *tokens = NULL;
    size_t len = 0;
    if (library_token_list(s->library, &tokens, &len, &err) != STATUS_OK) {
        http_fail(r, &err);
        return;
    }
    struct buf body;
    struct json_out j;
    api_answer_begin(&body, &j);
    api_put_items(&j, "tokens", &(struct api_items){tokens, len, sizeof(*tokens), put_token, NULL});
    json_put_bool(&j, "is_open", s->token == NULL);
    library_tokens_free(tokens, len);
    api_answer(r, 200, &body, &j);
}

void api_token_revoke(struct http_request *r, void *ctx)
{
    struct api_server *s = ctx;
    struct error err = {0};
    uint64_t number;
    if (api_read_number(r, 0, &number))
        api_answer_empty(r, library_token_revoke(s->library, number, &err), &err);
}
