#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>

#include "backend/assets/assets.h"
#include "backend/http/inside.h"
#include "common/base/json_out.h"

enum {
    GZIP_LEAST = 1024,
    GZIP_NEAR = 1 << 20, /* a client on this machine gets larger bodies as they are */
    DRAIN_BYTES = 4 << 20,
};

/* So long a client that was refused may go on sending without being slow. */
static const uint64_t drain_ns = 2000000000;

/* On every answer, errors too. */
static const char security_headers[] =
    "X-Content-Type-Options: nosniff\r\n"
    "X-Frame-Options: DENY\r\n"
    "Referrer-Policy: no-referrer\r\n"
    "Cross-Origin-Resource-Policy: same-origin\r\n"
    "Cross-Origin-Opener-Policy: same-origin\r\n"
    "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; font-src 'self'; connect-src 'self'; worker-src 'self'; "
    "manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'\r\n";

static const struct {
    int code;
    const char *words;
} reasons[] = {
    {200, "OK"},
    {201, "Created"},
    {204, "No Content"},
    {303, "See Other"},
    {304, "Not Modified"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {411, "Length Required"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Content"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {503, "Service Unavailable"},
    {507, "Insufficient Storage"},
};

static const char *reason(int code)
{
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        if (reasons[i].code == code)
            return reasons[i].words;
    }
    return "Error";
}

int http_code(enum status status)
{
    switch (status) {
    case STATUS_OK:
        return 200;
    case STATUS_USAGE:
    case STATUS_INVALID:
    case STATUS_CHECK:
        return 400;
    case STATUS_UNSUPPORTED:
        return 422;
    case STATUS_TOO_LARGE:
        return 413;
    case STATUS_NOT_FOUND:
        return 404;
    case STATUS_EXISTS:
    case STATUS_GONE:
        return 409;
    case STATUS_DENIED:
        return 403;
    case STATUS_BUSY:
    case STATUS_NO_MEMORY:
    case STATUS_UNREACHABLE:
        return 503;
    case STATUS_IO:
    case STATUS_CORRUPT:
        return 500;
    }
    return 500;
}

void http_add_header(struct http_request *r, const char *name, const char *value)
{
    size_t len = strlen(value);
    char *copy = arena_copy(r->arena, value, len);
    if (!copy || r->extra_len == HTTP_MAX_EXTRA)
        return;
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)copy[i] < 0x20 || copy[i] == 0x7f)
            copy[i] = '_'; /* no header may begin another */
    }
    r->extra[r->extra_len].name = name;
    r->extra[r->extra_len++].value = copy;
}

static bool has_header(const struct http_request *r, const char *name)
{
    for (size_t i = 0; i < r->extra_len; i++) {
        if (strcasecmp(r->extra[i].name, name) == 0)
            return true;
    }
    return false;
}

/* What the client still sends would, unread, reset the connection and lose our answer. */
static void drain(struct http_request *r)
{
    char scrap[16384];
    size_t total = 0;
    int n;
    const char *expect = http_header(r, "Expect");
    bool is_waiting = expect && strcasecmp(expect, "100-continue") == 0;
    if (r->has_read_body || is_waiting || r->info->content_length > DRAIN_BYTES)
        return;
    http_pace_begin(drain_ns);
    while (total < DRAIN_BYTES && (n = mg_read(r->conn, scrap, sizeof(scrap))) > 0)
        total += (size_t)n;
    http_pace_end();
}

static void send_head(struct http_request *r, int code, const char *content_type, size_t len)
{
    struct buf head;
    buf_init(&head, 0);
    buf_printf(&head, "HTTP/1.1 %d %s\r\n", code, reason(code));
    if (content_type)
        buf_printf(&head, "Content-Type: %s\r\n", content_type);
    if (code != 204 && code != 304)
        buf_printf(&head, "Content-Length: %zu\r\n", len);
    if (!has_header(r, "Cache-Control"))
        buf_put_text(&head, "Cache-Control: no-store\r\n");
    for (size_t i = 0; i < r->extra_len; i++)
        buf_printf(&head, "%s: %s\r\n", r->extra[i].name, r->extra[i].value);
    buf_put_text(&head, security_headers);
    buf_put_text(&head, "Connection: close\r\n\r\n");
    if (buf_status(&head) == STATUS_OK)
        mg_write(r->conn, head.data, head.len);
    atomic_fetch_add(&r->server->bytes_out, head.len + len);
    buf_deinit(&head);
}

static bool send_all(struct http_request *r, const uint8_t *data, size_t len)
{
    /* mg_write takes an int's worth at most; one piece stays well below. */
    while (len > 0) {
        size_t piece = len < (1u << 24) ? len : (1u << 24);
        if (mg_write(r->conn, data, piece) < (int)piece)
            return false;
        data += piece;
        len -= piece;
    }
    return true;
}

static void reply_raw(struct http_request *r, int code, const char *content_type, const void *data,
                      size_t len)
{
    r->is_answered = true;
    r->code = code;
    http_pace_begin_answer(r->server->grace_ns, &r->server->places, r->address);
    send_head(r, code, content_type, len);
    bool has_body = !r->is_head && code != 204 && code != 304;
    if (has_body && !send_all(r, data, len))
        atomic_fetch_add(&r->server->cut, 1);
    http_pace_end();
    drain(r);
}

/* ---- compression ---- */

static bool takes_gzip(const struct http_request *r)
{
    const char *accept = http_header(r, "Accept-Encoding");
    return http_list_has(accept, "gzip"); /* "gzip;q=0" is not "gzip" */
}

static bool is_near(const struct http_request *r)
{
    return strncmp(r->info->remote_addr, "127.", 4) == 0;
}

static bool compress_into(struct buf *out, const void *data, size_t len)
{
    z_stream z = {0};
    if (deflateInit2(&z, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return false;
    size_t bound = deflateBound(&z, (uLong)len);
    uint8_t *at = buf_grow(out, bound);
    bool is_done = false;
    if (at && len <= UINT32_MAX && bound <= UINT32_MAX) {
        /* zlib does not write through next_in, which is not const unless ZLIB_CONST. */
        memcpy(&z.next_in, &data, sizeof(z.next_in));
        z.avail_in = (uInt)len;
        z.next_out = at;
        z.avail_out = (uInt)bound;
        is_done = deflate(&z, Z_FINISH) == Z_STREAM_END;
        out->len -= z.avail_out;
    }
    deflateEnd(&z);
    return is_done && out->len < len;
}

void http_reply(struct http_request *r, int code, const char *content_type, const void *data,
                size_t len)
{
    bool is_worth = len >= GZIP_LEAST && (len <= GZIP_NEAR || !is_near(r));
    struct buf packed;
    buf_init(&packed, 0);
    http_add_header(r, "Vary", "Accept-Encoding");
    if (is_worth && takes_gzip(r) && compress_into(&packed, data, len)) {
        http_add_header(r, "Content-Encoding", "gzip");
        reply_raw(r, code, content_type, packed.data, packed.len);
    } else {
        reply_raw(r, code, content_type, data, len);
    }
    buf_deinit(&packed);
}

void http_reply_json(struct http_request *r, int code, const struct buf *body)
{
    if (buf_status(body) != STATUS_OK) {
        struct error err;
        error_set(&err, buf_status(body), "no memory for the answer");
        http_fail(r, &err);
        return;
    }
    http_reply(r, code, "application/json; charset=utf-8", body->data, body->len);
}

/* ---- errors ---- */

void http_fail_as(struct http_request *r, int code, const struct error *err, const char *detail)
{
    code = r->body_code ? r->body_code : code;
    struct buf body;
    struct json_out j;
    buf_init(&body, 0);
    json_out_init(&j, &body);
    json_out_object(&j);
    json_out_key(&j, "error");
    json_out_object(&j);
    json_out_key(&j, "code");
    json_out_text(&j, status_name(err->status));
    json_out_key(&j, "message");
    json_out_text(&j, err->text);
    json_out_key(&j, "detail");
    json_out_text(&j, detail);
    json_out_end(&j);
    json_out_end(&j);
    if (code == 401)
        http_add_header(r, "WWW-Authenticate", "Bearer");
    if (code == 503 || code == 429) {
        char wait[16];
        snprintf(wait, sizeof(wait), "%u", r->wait_s ? r->wait_s : 2);
        http_add_header(r, "Retry-After", wait);
    }
    reply_raw(r, code, "application/json; charset=utf-8", body.data, body.len);
    buf_deinit(&body);
}

void http_fail(struct http_request *r, const struct error *err)
{
    http_fail_as(r, http_code(err->status), err, NULL);
}

void http_refuse(struct http_request *r, int code, const struct error *err)
{
    atomic_fetch_add(&r->server->refused, 1);
    http_fail_as(r, code, err, NULL);
}

void http_redirect(struct http_request *r, const char *path)
{
    http_add_header(r, "Location", path);
    reply_raw(r, 303, NULL, NULL, 0);
}

/* ---- caching and assets ---- */

bool http_is_unchanged(struct http_request *r, const char *etag)
{
    char quoted[96];
    snprintf(quoted, sizeof(quoted), "\"%.90s\"", etag);
    http_add_header(r, "ETag", quoted);
    if (!has_header(r, "Cache-Control"))
        http_add_header(r, "Cache-Control", "private, no-cache");
    const char *known = http_header(r, "If-None-Match");
    if (!known || !(http_list_has(known, quoted) || strcmp(known, "*") == 0))
        return false;
    reply_raw(r, 304, NULL, NULL, 0);
    return true;
}

void http_reply_page(struct http_request *r, int code)
{
    const struct asset *a = asset_find("/index.html");
    if (a)
        reply_raw(r, code, a->content_type, a->data, a->len);
    else
        reply_raw(r, code, NULL, NULL, 0);
}

void http_reply_asset(struct http_request *r, const char *path)
{
    const struct asset *a = asset_find(path);
    if (!a) {
        struct error err;
        error_set(&err, STATUS_NOT_FOUND, "there is nothing at this address");
        http_fail(r, &err);
        return;
    }
    http_add_header(r, "Cache-Control",
                    a->is_immutable ? "public, max-age=31536000, immutable" : "no-cache");
    http_add_header(r, "Vary", "Accept-Encoding");
    http_add_header(r, "ETag", a->etag);
    const char *known = http_header(r, "If-None-Match");
    if (known && http_list_has(known, a->etag)) {
        reply_raw(r, 304, NULL, NULL, 0);
    } else if (a->gzip && takes_gzip(r)) {
        http_add_header(r, "Content-Encoding", "gzip");
        reply_raw(r, 200, a->content_type, a->gzip, a->gzip_len);
    } else {
        reply_raw(r, 200, a->content_type, a->data, a->len);
    }
}
