#pragma once
/* Talking to a server from the command line (libcurl). */

#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/status.h"

struct http_request {
    const char *method; /* "GET", "POST", "DELETE" */
    const char *url;
    const char *token; /* NULL = none */
    const void *body;
    const char *type; /* of the body; NULL = application/octet-stream */
    size_t body_len;
};

/* The answer's body in `out` (a fresh buf). Statuses from the answer: 401/403 STATUS_DENIED, 404
 * NOT_FOUND, 413 TOO_LARGE, other 4xx INVALID, 5xx STATUS_IO, no answer UNREACHABLE; the words are
 * the server's own error message. */
enum status http_call(struct buf *out, const struct http_request *request, struct error *err);

/* `text` with everything but unreserved characters percent-encoded (RFC 3986). */
void http_put_escaped(struct buf *out, const char *text);
