#pragma once
/* The web server: civetweb behind a table of routes and one gate that every request passes.
 *
 * The gate refuses before anything is read: a Host that is not ours (DNS rebinding), ambiguous
 * framing (request smuggling), foreign origins, bodies of the wrong type or size, missing
 * credentials. docs/security.md lists the rules; gate.c has one row for each. Handlers run on
 * civetweb's threads, one connection each. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/status.h"

struct http_server;
struct http_request;

enum http_auth {
    HTTP_PUBLIC,  /* no credential: health, assets, the page */
    HTTP_PROFILE, /* reading one profile, the path's first part: also by a share link */
    HTTP_SHARED,  /* only by a share link */
    HTTP_READ,
    HTTP_SEND, /* bringing profiles */
    HTTP_WRITE,
    HTTP_COLLECT, /* collectors: a Hello may carry the token instead */
};

/* What a credential stands for. A server without a token grants everybody HTTP_SCOPE_ADMIN. */
enum http_scope {
    HTTP_SCOPE_NONE,
    HTTP_SCOPE_SHARE,
    HTTP_SCOPE_READ,
    HTTP_SCOPE_SEND,
    HTTP_SCOPE_ADMIN
};
struct http_grant {
    enum http_scope scope;
    char subject[24]; /* of a share: the only profile it opens */
    bool is_redacted; /* of a share */
};

enum http_body {
    HTTP_NO_BODY,
    HTTP_JSON_BODY,     /* application/json, at most 1 MiB, no deeper than HTTP_JSON_DEPTH */
    HTTP_UPLOAD_BODY,   /* application/octet-stream or multipart/form-data, at most max_upload */
    HTTP_PROTOBUF_BODY, /* application/x-protobuf or /proto, as much */
    HTTP_ANY_BODY,      /* of any type, as much */
};

enum {
    HTTP_JSON_DEPTH = 64,
    HTTP_JSON_BYTES = 1 << 20,
    HTTP_MAX_PARTS = 3,
    HTTP_MAX_SECRET = 128,
    HTTP_LEAST_BYTES_A_SECOND = 16 << 10, /* of a body, on the average */
    HTTP_WORKER_STACK = 1 << 20, /* civetweb asks for 100 KB: too little for a JSON parser */
};

struct http_route {
    const char *method;  /* "GET" also answers HEAD; "WS" is a websocket */
    const char *pattern; /* "/api/v1/profiles/{}/flame"; "{}" is one segment, "{*}" the rest */
    enum http_auth auth;
    enum http_body body;
    /* Answers with http_reply... or http_fail; exactly once. */
    void (*handle)(struct http_request *r, void *ctx);
    const struct http_socket *socket; /* of "WS" */
};

/* ---- websockets: everything happens on the connection's own thread ---- */
struct http_socket_io;
struct http_socket {
    size_t max_message;   /* bytes; larger closes with 1009 */
    uint32_t max_open;    /* connections of this route; above it 503 */
    bool is_text;         /* messages are UTF-8 text (else 1007), otherwise binary */
    bool takes_no_origin; /* a client without Origin (not a browser) is welcome */
    /* Before the handshake: STATUS_OK, or the request is refused with this status. `*state` is
     * the connection's. */
    enum status (*open)(struct http_request *r, void *ctx, void **state, struct error *err);
    /* One whole message. False closes the connection (1000). */
    bool (*message)(struct http_socket_io *io, void *state, const uint8_t *data, size_t len);
    void (*close)(void *state);
};
/* Only from within `message`. False when the connection is gone. */
bool http_socket_send(struct http_socket_io *io, const uint8_t *data, size_t len);
/* Says why and closes: 1002, 1007, 1008, 1009, 1011, 1013. */
void http_socket_refuse(struct http_socket_io *io, unsigned code, const char *reason);
bool http_is_stopping(const struct http_server *s);
/* Whether only this machine can reach it: a loopback address, and no proxy before it. */
bool http_is_local(const struct http_server *s);

/* The client's address as far as it is known: what limits count by. At most 47 bytes. */
const char *http_client_address(const struct http_request *r);
/* A token that came in another way than with a request (a collector's hello), under the limit of
 * wrong ones that requests have: 200, 401 or 429. Without a token of the server: 200, everything.
 */
int http_check_token(struct http_server *s, const char *address, const char *token, size_t len,
                     struct http_grant *out);

/* ---- the server ---- */
struct http_options {
    const char *listen; /* "127.0.0.1:7700"; port 0 = any free one */
    const char *const
        *allow_hosts; /* more names this server is reached by, "example.test" or with port */
    size_t allow_hosts_len;
    const char *token;               /* NULL = none; needed when `listen` is not loopback */
    uint64_t max_upload;             /* bytes of a body as sent; 0 = 256 MiB */
    uint32_t max_sockets;            /* websockets of all kinds; 0 = 256 */
    uint32_t request_timeout_ms;     /* without a byte; 0 = 10,000 */
    const char *trust_proxy;         /* the address whose X-Forwarded-* count; NULL = nobody's */
    uint32_t uploads_per_minute;     /* from one address; 0 = 600, UINT32_MAX = any number */
    const struct http_route *routes; /* ended by a row without a pattern; borrowed */
    void *ctx;                       /* handed to the handlers */
    /* What a secret that is not the token stands for; false = nothing. Share links' secrets come
     * from paths /s/SECRET/api/..., others from Authorization and the cookie. */
    bool (*judge)(void *ctx, const char *secret, size_t len, bool is_share, struct http_grant *out);
};

/* `url` (at least 128 bytes) gets "http://127.0.0.1:7700". STATUS_USAGE for a bad address or an
 * open one without a token; STATUS_BUSY when the port is taken. */
enum status http_server_start(struct http_server **out, const struct http_options *options,
                              char url[128], struct error *err);
void http_server_stop(struct http_server *s); /* answers what is being answered; takes NULL */

/* As http_server_start on the first free port from `first` on (at most 100 are tried). */
enum status http_server_start_free(struct http_server **out, const struct http_options *options,
                                   const char *host, uint16_t first, char url[128],
                                   struct error *err);

struct http_stats {
    uint64_t requests, refused, cut, bytes_out, sockets_open, websocket_messages;
    uint64_t by_class[6]; /* 1xx .. 5xx */
};
void http_server_stats(struct http_server *s, struct http_stats *out);
