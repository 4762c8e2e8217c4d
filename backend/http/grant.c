/* Who asks: from where, with which credential, and what that opens. */

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "backend/http/inside.h"
#include "common/base/clock.h"
#include "common/base/ident.h"

/* ---- from where ---- */

/* The last address of the list is what our proxy saw; those before it are what it was told. */
static void read_forwarded(struct http_request *r)
{
    const char *list = NULL;
    const char *value;
    for (int i = 0; i < r->info->num_headers; i++) {
        if (strcasecmp(r->info->http_headers[i].name, "X-Forwarded-For") == 0)
            list = r->info->http_headers[i].value;
    }
    const char *comma = list ? strrchr(list, ',') : NULL;
    const char *last = comma ? comma + 1 : list;
    char text[LIMIT_ADDRESS];
    unsigned char binary[16];
    if (last) {
        last += strspn(last, " \t");
        snprintf(text, sizeof(text), "%.*s", (int)strcspn(last, " \t"), last);
        if (inet_pton(AF_INET, text, binary) == 1 || inet_pton(AF_INET6, text, binary) == 1)
            memcpy(r->address, text, sizeof(text));
    }
    if (http_header_count(r->info, "X-Forwarded-Proto", &value) == 1) {
        r->has_scheme = true;
        r->is_https = strcasecmp(value, "https") == 0;
    }
}

void http_find_address(struct http_request *r)
{
    const char *proxy = r->server->trust_proxy;
    snprintf(r->address, sizeof(r->address), "%s", r->info->remote_addr);
    if (proxy && strcmp(proxy, r->address) == 0)
        read_forwarded(r);
}

/* ---- with which credential ---- */

bool http_bearer(const struct http_request *r, const char **token, size_t *len)
{
    const char *header;
    if (http_header_count(r->info, "Authorization", &header) != 1 ||
        strncasecmp(header, "Bearer ", 7) != 0)
        return false;
    *token = header + 7 + strspn(header + 7, " ");
    *len = strcspn(*token, " \t");
    return true;
}

static bool cookie(const struct http_request *r, const char **value, size_t *len)
{
    const char *header;
    http_header_count(r->info, "Cookie", &header);
    size_t name_len = strlen(r->server->cookie);
    while (header && *header) {
        header += strspn(header, " ;");
        size_t n = strcspn(header, ";");
        if (n > name_len && header[name_len] == '=' &&
            strncmp(header, r->server->cookie, name_len) == 0) {
            *value = header + name_len + 1;
            *len = n - name_len - 1;
            return true;
        }
        header += n;
    }
    return false;
}

static bool is_right(const struct http_server *s, const char *secret, size_t len, bool is_share,
                     struct http_grant *out)
{
    if (!is_share && s->token && ident_equal_secret(secret, len, s->token, strlen(s->token))) {
        *out = (struct http_grant){.scope = HTTP_SCOPE_ADMIN};
        return true;
    }
    return s->judge && len > 0 && len <= HTTP_MAX_SECRET &&
           s->judge(s->ctx, secret, len, is_share, out);
}

struct attempt {
    const char *address, *secret;
    size_t len;
    bool is_share;
};

static enum http_verdict try_secret(struct http_server *s, const struct attempt *a,
                                    struct http_grant *out, unsigned *wait_s)
{
    uint64_t now_ns = clock_monotonic_ns();
    /* Asked before it is compared: who has guessed too often learns nothing more for a while. */
    if (!limit_check(&s->failures, a->address, now_ns, false, wait_s))
        return HTTP_VERDICT_LIMITED;
    if (is_right(s, a->secret, a->len, a->is_share, out))
        return HTTP_VERDICT_RIGHT;
    limit_check(&s->failures, a->address, now_ns, true, wait_s);
    return HTTP_VERDICT_WRONG;
}

enum http_verdict http_try_secret(struct http_request *r, const char *secret, size_t len,
                                  bool is_share)
{
    struct attempt attempt = {r->address, secret, len, is_share};
    return try_secret(r->server, &attempt, &r->grant, &r->wait_s);
}

enum http_verdict http_identify(struct http_request *r)
{
    const char *text;
    size_t len;
    enum http_verdict verdict = HTTP_VERDICT_NONE;
    if (r->share)
        return http_try_secret(r, r->share, strlen(r->share), true);
    if (!r->server->token) {
        r->grant = (struct http_grant){.scope = HTTP_SCOPE_ADMIN};
        return HTTP_VERDICT_RIGHT;
    }
    if (http_bearer(r, &text, &len))
        verdict = http_try_secret(r, text, len, false);
    if (verdict != HTTP_VERDICT_RIGHT && verdict != HTTP_VERDICT_LIMITED && cookie(r, &text, &len))
        verdict = http_try_secret(r, text, len, false);
    return verdict;
}

const char *http_client_address(const struct http_request *r)
{
    return r->address;
}

int http_check_token(struct http_server *s, const char *address, const char *token, size_t len,
                     struct http_grant *out)
{
    struct attempt attempt = {address, token, len, false};
    unsigned wait_s;
    *out = (struct http_grant){.scope = HTTP_SCOPE_ADMIN};
    enum http_verdict verdict =
        s->token ? try_secret(s, &attempt, out, &wait_s) : HTTP_VERDICT_RIGHT;
    return verdict == HTTP_VERDICT_RIGHT ? 200 : verdict == HTTP_VERDICT_LIMITED ? 429 : 401;
}

/* ---- what it opens ---- */

bool http_opens(const struct http_request *r)
{
    enum http_scope scope = r->grant.scope;
    switch (r->route->auth) {
    case HTTP_PUBLIC:
    case HTTP_COLLECT:
        return !r->share;
    case HTTP_PROFILE:
        if (scope == HTTP_SCOPE_SHARE)
            return strcmp(http_part(r, 0), r->grant.subject) == 0;
        return scope == HTTP_SCOPE_READ || scope == HTTP_SCOPE_ADMIN;
    case HTTP_SHARED:
        return scope == HTTP_SCOPE_SHARE;
    case HTTP_READ:
        return scope == HTTP_SCOPE_READ || scope == HTTP_SCOPE_ADMIN;
    case HTTP_SEND:
        return scope == HTTP_SCOPE_SEND || scope == HTTP_SCOPE_ADMIN;
    case HTTP_WRITE:
        return scope == HTTP_SCOPE_ADMIN;
    }
    return false;
}

const struct http_grant *http_granted(const struct http_request *r)
{
    return &r->grant;
}

bool http_is_trusted(const struct http_request *r)
{
    return r->grant.scope == HTTP_SCOPE_ADMIN || r->grant.scope == HTTP_SCOPE_SEND;
}

/* ---- letting a browser in ---- */

int http_open_share(struct http_request *r, const char *secret)
{
    enum http_verdict verdict = http_try_secret(r, secret, strlen(secret), true);
    return verdict == HTTP_VERDICT_RIGHT ? 200 : verdict == HTTP_VERDICT_LIMITED ? 429 : 404;
}

int http_log_in(struct http_request *r, const char *token)
{
    size_t len = strlen(token);
    enum http_verdict verdict =
        r->server->token ? http_try_secret(r, token, len, false) : HTTP_VERDICT_WRONG;
    if (verdict != HTTP_VERDICT_RIGHT)
        return verdict == HTTP_VERDICT_LIMITED ? 429 : 401;
    struct buf text;
    buf_init(&text, 0);
    buf_printf(&text, "%s=%s; Path=/; HttpOnly; SameSite=Strict%s", r->server->cookie, token,
               r->is_https ? "; Secure" : "");
    buf_put_byte(&text, 0);
    if (buf_status(&text) == STATUS_OK)
        http_add_header(r, "Set-Cookie", (const char *)text.data);
    buf_deinit(&text);
    return 200;
}
