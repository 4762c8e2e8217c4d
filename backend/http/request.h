#pragma once
/* One request, as a handler sees it, and the ways to answer it. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend/http/server.h"
#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/status.h"

const char *http_path(const struct http_request *r);

/* What stood for the i-th "{}" of the pattern, decoded; "" when there is none. */
const char *http_part(const struct http_request *r, size_t i);

/* A query parameter, decoded, from the request's arena; NULL when absent. A parameter with NUL or
 * broken percent codes is absent. */
const char *http_query(struct http_request *r, const char *name);
/* All parameters in order, for those that go through a list of names. */
size_t http_query_count(const struct http_request *r);
void http_query_at(const struct http_request *r, size_t i, const char **name, const char **value);

const char *http_header(const struct http_request *r, const char *name);
struct arena *http_arena(struct http_request *r); /* freed with the request */

/* What the credential that came with it stands for. */
const struct http_grant *http_granted(const struct http_request *r);
/* Whether it may bring profiles. */
bool http_is_trusted(const struct http_request *r);
/* The secret of the share link it came by, or NULL. */
const char *http_share(const struct http_request *r);

/* The body, read whole (chunked too) within the route's limit, with a NUL behind it; freed with the
 * request. On an error the caller passes it to http_fail. */
enum status http_read_body(struct http_request *r, const uint8_t **data, size_t *len,
                           struct error *err);

/* The parts of a multipart/form-data body that http_read_body has read. STATUS_UNSUPPORTED when it
 * is of another type, STATUS_INVALID when it is broken, STATUS_TOO_LARGE above HTTP_MAX_FIELDS. */
struct http_field {
    const char *name, *file_name; /* file_name "" = none was given */
    const uint8_t *data;
    size_t len;
};
enum { HTTP_MAX_FIELDS = 256 };
enum status http_read_fields(struct http_request *r, const uint8_t *data, size_t len,
                             struct http_field *fields, size_t *fields_len, struct error *err);

/* ---- answers ---- */

/* Extra header lines: before the answer. Values are ours, never foreign text. */
void http_add_header(struct http_request *r, const char *name, const char *value);

/* Compressed when the client takes gzip and it is worth it. */
void http_reply(struct http_request *r, int code, const char *content_type, const void *data,
                size_t len);
/* A buf of JSON; a failed buf answers 500. */
void http_reply_json(struct http_request *r, int code, const struct buf *body);

/* {"error":{"code","message","detail"}} with the status' own HTTP code. */
void http_fail(struct http_request *r, const struct error *err);
/* The same with another code and perhaps a machine-readable detail. */
void http_fail_as(struct http_request *r, int code, const struct error *err, const char *detail);

/* True when the client has this version already: 304 was sent, the handler is done. Otherwise the
 * answer will carry the ETag. `etag` without quotes. */
bool http_is_unchanged(struct http_request *r, const char *etag);

/* 200 when `token` is one of the server's: the answer will carry the cookie that lets a browser
 * in. Else 401, or 429 after too many wrong ones from this address. */
int http_log_in(struct http_request *r, const char *token);
/* As http_log_in, for a share link's secret; without a cookie. */
int http_open_share(struct http_request *r, const char *secret);

/* 303, without a body. `path` is ours. */
void http_redirect(struct http_request *r, const char *path);

/* The asset of this path (backend/assets/assets.h), or 404. */
void http_reply_asset(struct http_request *r, const char *path);
/* The page, with another code than 200. */
void http_reply_page(struct http_request *r, int code);

/* HTTP's number for a status: 400, 401, 404, 409, 413, 422, ... */
int http_code(enum status status);
