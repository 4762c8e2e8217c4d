#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "backend/http/inside.h"
#include "common/base/clock.h"

/* ---- what the rules look at ---- */

struct view {
    struct http_request *r;
    const struct mg_request_info *info;
    const char *host, *origin, *length, *encoding, *type, *site;
    size_t hosts, lengths, encodings, origins;
    bool is_write, is_socket, has_body;
    bool is_known_path; /* some route has this path, perhaps with another method */
    bool is_identified;
    enum http_verdict verdict;
};

static bool is_method(const struct view *v, const char *method)
{
    return strcmp(v->info->request_method, method) == 0;
}

static bool is_upgrade(const struct mg_request_info *info)
{
    const char *upgrade;
    const char *connection;
    http_header_count(info, "Upgrade", &upgrade);
    http_header_count(info, "Connection", &connection);
    return upgrade && strcasecmp(upgrade, "websocket") == 0 && http_list_has(connection, "upgrade");
}

static void look(struct view *v, struct http_request *r)
{
    *v = (struct view){.r = r, .info = r->info};
    v->hosts = http_header_count(r->info, "Host", &v->host);
    v->lengths = http_header_count(r->info, "Content-Length", &v->length);
    v->encodings = http_header_count(r->info, "Transfer-Encoding", &v->encoding);
    v->origins = http_header_count(r->info, "Origin", &v->origin);
    http_header_count(r->info, "Content-Type", &v->type);
    http_header_count(r->info, "Sec-Fetch-Site", &v->site);
    v->is_write = !is_method(v, "GET") && !is_method(v, "HEAD") && !is_method(v, "OPTIONS");
    v->is_socket = is_upgrade(r->info);
    v->has_body = v->encodings > 0 || (v->length && strcmp(v->length, "0") != 0);
}

static void find_route(struct view *v)
{
    struct http_request *r = v->r;
    const char *method = v->is_socket ? "WS" : r->is_head ? "GET" : r->info->request_method;
    const struct http_route *found = NULL;
    for (const struct http_route *route = r->server->routes; route->pattern; route++) {
        if (!http_match(r, route->pattern))
            continue;
        v->is_known_path = true;
        if (strcmp(route->method, method) == 0) {
            found = route;
            break;
        }
    }
    r->route = found;
}

/* ---- Host and Origin ---- */

static bool is_port_of(const struct http_server *s, const char *text)
{
    char own[8];
    snprintf(own, sizeof(own), "%u", s->port);
    return strcmp(text, own) == 0;
}

/* "name" of the list stands for that host at any port, "name:port" for itself. */
static bool is_listed(const struct http_server *s, const char *host, size_t name_len)
{
    for (size_t i = 0; i < s->allow_hosts_len; i++) {
        const char *allowed = s->allow_hosts[i];
        if (strcasecmp(allowed, host) == 0)
            return true;
        if (!strchr(allowed, ':') && strlen(allowed) == name_len &&
            strncasecmp(allowed, host, name_len) == 0)
            return true;
    }
    return false;
}

/* A name that resolves to us by somebody else's DNS is not ours: only names we know, and for an
 * open address also numbers, which no DNS can point elsewhere. */
static bool is_our_host(const struct http_server *s, const char *host)
{
    static const char *const loopback[] = {"localhost", "127.0.0.1", "[::1]"};
    const char *colon = host[0] == '[' ? strstr(host, "]:") : strrchr(host, ':');
    if (colon && host[0] == '[')
        colon++;
    size_t name_len = colon ? (size_t)(colon - host) : strlen(host);
    if (is_listed(s, host, name_len))
        return true;
    if (!is_port_of(s, colon ? colon + 1 : "80"))
        return false;
    for (size_t i = 0; i < sizeof(loopback) / sizeof(loopback[0]); i++) {
        if (strlen(loopback[i]) == name_len && strncasecmp(loopback[i], host, name_len) == 0)
            return true;
    }
    char name[64];
    if (name_len >= sizeof(name))
        return false;
    memcpy(name, host, name_len);
    name[name_len] = '\0';
    struct in_addr ip;
    return strcmp(name, s->host) == 0 || (!s->is_loopback && inet_pton(AF_INET, name, &ip) == 1);
}

/* Our own page's origin is what the browser called us in Host; https when a proxy stands before. */
static bool is_own_origin(const struct view *v)
{
    const char *o = v->origin;
    if (!o)
        return false;
    const char *authority = strncmp(o, "http://", 7) == 0    ? o + 7
                            : strncmp(o, "https://", 8) == 0 ? o + 8
                                                             : NULL;
    if (v->r->has_scheme && v->r->is_https != (strncmp(o, "https://", 8) == 0))
        return false;
    return v->origins == 1 && authority && v->host && strcasecmp(authority, v->host) == 0;
}

/* ---- credentials: looked at once, and only for requests that came so far ---- */

static enum http_verdict verdict(struct view *v)
{
    if (!v->is_identified)
        v->verdict = http_identify(v->r);
    v->is_identified = true;
    return v->verdict;
}

/* ---- the rules: each says whether the request breaks it; the first one broken answers ---- */

static bool has_two_hosts(struct view *v)
{
    return v->hosts > 1;
}

static bool has_two_lengths(struct view *v)
{
    return v->lengths > 1 || v->encodings > 1;
}

static bool has_length_and_encoding(struct view *v)
{
    return v->lengths && v->encodings;
}

static bool has_strange_encoding(struct view *v)
{
    return v->encodings && strcasecmp(v->encoding, "chunked") != 0;
}

static bool has_bad_length(struct view *v)
{
    return v->length && (!*v->length || strspn(v->length, "0123456789") != strlen(v->length));
}

static bool has_foreign_host(struct view *v)
{
    return !v->host || !is_our_host(v->r->server, v->host);
}

static bool is_preflight(struct view *v)
{
    return is_method(v, "OPTIONS");
}

static bool is_unknown_path(struct view *v)
{
    return !v->r->route && !v->is_known_path;
}

static bool is_wrong_method(struct view *v)
{
    return !v->r->route;
}

static bool is_foreign_socket(struct view *v)
{
    if (!v->is_socket)
        return false;
    if (v->origins)
        return !is_own_origin(v);
    const char *text;
    size_t len;
    return !v->r->route->socket->takes_no_origin &&
           !(http_bearer(v->r, &text, &len) && verdict(v) == HTTP_VERDICT_RIGHT);
}

static bool is_foreign_write(struct view *v)
{
    return v->is_write && v->origins && !is_own_origin(v);
}

static bool is_cross_site_write(struct view *v)
{
    return v->is_write && v->site && strcmp(v->site, "same-origin") != 0 &&
           strcmp(v->site, "none") != 0;
}

static bool is_bad_handshake(struct view *v)
{
    const char *key;
    const char *version;
    return v->is_socket &&
           (http_header_count(v->info, "Sec-WebSocket-Key", &key) != 1 || strlen(key) != 24 ||
            http_header_count(v->info, "Sec-WebSocket-Version", &version) != 1 ||
            strcmp(version, "13") != 0);
}

/* A page is the same for everybody: a stale cookie must not keep it away. */
static bool wants_credential(struct view *v)
{
    return v->r->share || v->r->route->auth != HTTP_PUBLIC;
}

static bool is_guessing(struct view *v)
{
    return wants_credential(v) && verdict(v) == HTTP_VERDICT_LIMITED;
}

static bool is_dead_share(struct view *v)
{
    return v->r->share && verdict(v) != HTTP_VERDICT_RIGHT;
}

static bool is_denied(struct view *v)
{
    return wants_credential(v) && verdict(v) != HTTP_VERDICT_RIGHT &&
           v->r->route->auth != HTTP_COLLECT;
}

/* Another profile than the shared one is as if it were not there. */
static bool is_beside_share(struct view *v)
{
    return v->r->share && v->r->route->auth == HTTP_PROFILE && !http_opens(v->r);
}

static bool exceeds_scope(struct view *v)
{
    return !http_opens(v->r);
}

static bool is_flooding(struct view *v)
{
    struct http_request *r = v->r;
    return r->route->auth == HTTP_SEND &&
           !limit_check(&r->server->uploads, r->address, clock_monotonic_ns(), true, &r->wait_s);
}

static bool has_unwanted_body(struct view *v)
{
    return v->r->route->body == HTTP_NO_BODY && v->has_body;
}

static bool is_type(const char *type, const char *want)
{
    size_t len = strlen(want);
    return type && strncasecmp(type, want, len) == 0 &&
           (type[len] == '\0' || type[len] == ';' || type[len] == ' ');
}

static bool has_wrong_type(struct view *v)
{
    switch (v->r->route->body) {
    case HTTP_NO_BODY:
        return false;
    case HTTP_JSON_BODY:
        return !is_type(v->type, "application/json");
    case HTTP_UPLOAD_BODY:
        return !is_type(v->type, "application/octet-stream") &&
               !is_type(v->type, "multipart/form-data");
    case HTTP_PROTOBUF_BODY:
        return !is_type(v->type, "application/x-protobuf") &&
               !is_type(v->type, "application/proto");
    case HTTP_ANY_BODY:
        return false;
    }
    return true;
}

static bool lacks_length(struct view *v)
{
    return v->r->route->body != HTTP_NO_BODY && !v->lengths && !v->encodings;
}

static bool is_too_large(struct view *v)
{
    if (v->r->route->body == HTTP_NO_BODY || !v->length)
        return false;
    uint64_t limit =
        v->r->route->body == HTTP_JSON_BODY ? HTTP_JSON_BYTES : v->r->server->max_upload;
    return strlen(v->length) > 18 || strtoull(v->length, NULL, 10) > limit;
}

static const struct rule {
    bool (*is_broken)(struct view *v);
    int code;
    enum status status;
    const char *words;
} rules[] = {
    {has_two_hosts, 400, STATUS_INVALID, "more than one Host"},
    {has_two_lengths, 400, STATUS_INVALID, "more than one Content-Length or Transfer-Encoding"},
    {has_length_and_encoding, 400, STATUS_INVALID,
     "Content-Length and Transfer-Encoding in one request"},
    {has_strange_encoding, 400, STATUS_INVALID, "a Transfer-Encoding that is not chunked"},
    {has_bad_length, 400, STATUS_INVALID, "a Content-Length that is not a number"},
    {has_foreign_host, 421, STATUS_DENIED,
     "this server does not go by that name; start it with --allow-host to use another"},
    {is_preflight, 403, STATUS_DENIED, "other sites' pages may not use this server"},
    {is_unknown_path, 404, STATUS_NOT_FOUND, "there is nothing at this address"},
    {is_wrong_method, 405, STATUS_USAGE, "this address does not take that method"},
    {is_foreign_socket, 403, STATUS_DENIED, "websockets are for this server's own page"},
    {is_foreign_write, 403, STATUS_DENIED, "other sites' pages may not change anything here"},
    {is_cross_site_write, 403, STATUS_DENIED, "other sites' pages may not change anything here"},
    {is_bad_handshake, 400, STATUS_INVALID, "not a websocket handshake of version 13"},
    {is_guessing, 429, STATUS_BUSY, "too many wrong tokens or links from this address"},
    {is_dead_share, 404, STATUS_NOT_FOUND, "this link is not valid, or not any more"},
    {is_denied, 401, STATUS_DENIED, "this server wants its token"},
    {is_beside_share, 404, STATUS_NOT_FOUND, "this link does not lead there"},
    {exceeds_scope, 403, STATUS_DENIED, "this token or link does not permit that"},
    {is_flooding, 429, STATUS_BUSY, "too many uploads from this address in a minute"},
    {has_unwanted_body, 400, STATUS_INVALID, "this request takes no body"},
    {has_wrong_type, 415, STATUS_UNSUPPORTED, "the wrong Content-Type for this address"},
    {lacks_length, 411, STATUS_INVALID, "the length of the body is missing"},
    {is_too_large, 413, STATUS_TOO_LARGE, "the body is larger than this server takes"},
};

enum status http_gate(struct http_request *r, int *code, struct error *err)
{
    struct view v;
    look(&v, r);
    enum status st = http_request_parse(r, err);
    *code = 400;
    if (st != STATUS_OK)
        return st;
    http_find_address(r);
    find_route(&v);
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        if (!rules[i].is_broken(&v))
            continue;
        *code = rules[i].code;
        return error_set(err, rules[i].status, "%s", rules[i].words);
    }
    return STATUS_OK;
}
