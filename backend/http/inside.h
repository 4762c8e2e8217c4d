#pragma once
/* What the files of the web server share. */

#include <civetweb.h>
#include <pthread.h>
#include <stdatomic.h>

#include "backend/http/limits.h"
#include "backend/http/request.h"
#include "backend/http/server.h"
#include "common/base/spill.h"

/* The threads that wait for the other side now, by its address. */
struct http_places {
    pthread_mutex_t lock;
    unsigned most, most_of_one;
    struct {
        char address[LIMIT_ADDRESS]; /* "" = free */
    } * places;
};

struct http_server {
    struct mg_context *civetweb;
    const struct http_route *routes;
    void *ctx;
    bool (*judge)(void *ctx, const char *secret, size_t len, bool is_share, struct http_grant *out);
    char host[64]; /* as given: the address part of `listen` */
    uint16_t port;
    bool is_loopback;
    char **allow_hosts;
    size_t allow_hosts_len;
    char *token;
    char *trust_proxy;
    struct limit failures, uploads;
    char cookie[32]; /* its name: cookies are shared by all ports of a host */
    uint64_t max_upload;
    uint32_t max_sockets;
    uint64_t grace_ns; /* how long a body or an answer may take, however small */
    struct http_places places;
    atomic_bool is_stopping;
    atomic_size_t worker_stack; /* smallest seen */
    atomic_uint_fast64_t requests, refused, cut, bytes_out, sockets_open, messages;
    atomic_uint_fast64_t by_class[6];
    atomic_uint *open_by_route;
};

struct http_param {
    const char *name, *value;
};

enum { HTTP_MAX_PARAMS = 64, HTTP_MAX_EXTRA = 8 };

struct http_request {
    struct http_server *server;
    struct mg_connection *conn;
    const struct mg_request_info *info;
    const struct http_route *route;
    struct arena *arena;
    const char *method, *path;
    char *parts[HTTP_MAX_PARTS];
    size_t parts_len;
    struct http_param params[HTTP_MAX_PARAMS];
    size_t params_len;
    struct http_grant grant;
    char *share;                 /* of a path /s/SECRET/api/... */
    char address[LIMIT_ADDRESS]; /* of the client, as far as known */
    bool has_scheme, is_https;   /* what a trusted proxy says of its own client */
    unsigned wait_s;             /* of a 429 */
    bool is_head;
    bool is_answered;
    bool has_read_body;
    int body_code; /* of a body that failed for a reason of its own: 408, 503 */
    struct spill body;
    int code;
    struct {
        const char *name, *value;
    } extra[HTTP_MAX_EXTRA];
    size_t extra_len;
};

/* ---- request.c ---- */

/* How often a header stands in the request; `*value` gets the first. */
size_t http_header_count(const struct mg_request_info *info, const char *name, const char **value);

/* Whether the comma-separated list has this word (ASCII case aside). */
bool http_list_has(const char *list, const char *word);

/* Splits and decodes path and query. STATUS_INVALID for what has no meaning. */
enum status http_request_parse(struct http_request *r, struct error *err);

/* Whether the pattern fits the path; fills parts. */
bool http_match(struct http_request *r, const char *pattern);

/* Nesting of arrays and objects, strings aside: looked at before a parser recurses. */
size_t http_json_depth(const uint8_t *data, size_t len);

/* ---- places.c ---- */
bool http_places_init(struct http_places *p, unsigned threads);
void http_places_deinit(struct http_places *p);
/* A place to leave again, or -1 when as many are taken as may be. */
int http_places_enter(struct http_places *p, const char *address);
void http_places_leave(struct http_places *p, int place);

/* ---- pace.c ---- */
enum http_pace { HTTP_PACE_KEPT, HTTP_PACE_TOO_SLOW, HTTP_PACE_NO_PLACE };
/* From here to the end what this thread receives and sends must go in time: `grace_ns` and then
 * HTTP_LEAST_BYTES_A_SECOND on the average, or receiving and sending fail. An answer that is not
 * taken within a second needs one of the places, too. */
void http_pace_begin(uint64_t grace_ns);
void http_pace_begin_answer(uint64_t grace_ns, struct http_places *places, const char *address);
enum http_pace http_pace_end(void);

/* ---- gate.c ---- */

/* STATUS_OK, or the answer the request deserves: `*code` and the words. Sets r->route, parts and
 * grant. */
enum status http_gate(struct http_request *r, int *code, struct error *err);

/* ---- grant.c ---- */
enum http_verdict {
    HTTP_VERDICT_NONE,
    HTTP_VERDICT_RIGHT,
    HTTP_VERDICT_WRONG,
    HTTP_VERDICT_LIMITED
};
void http_find_address(struct http_request *r);
bool http_bearer(const struct http_request *r, const char **token, size_t *len);
/* Whether any credential came with it, and whether it is good: sets r->grant. */
enum http_verdict http_identify(struct http_request *r);
enum http_verdict http_try_secret(struct http_request *r, const char *secret, size_t len,
                                  bool is_share);
/* Whether r->grant is enough for the route. */
bool http_opens(const struct http_request *r);

/* ---- reply.c ---- */
void http_refuse(struct http_request *r, int code, const struct error *err);

/* ---- socket.c ---- */
void http_sockets_install(struct http_server *s);
/* Checks and opens the state of a websocket before the handshake; false when it was refused. */
bool http_socket_prepare(struct http_request *r);
/* The connection is gone, whatever became of it. */
void http_socket_drop(const struct mg_connection *conn);

/* ---- listen.c ---- */
struct http_address {
    char host[64];
    uint16_t port;
    bool is_loopback;
};
enum status http_address_parse(struct http_address *out, const char *text, struct error *err);
/* Whether the address can be bound now: says why not in words. */
enum status http_address_probe(const struct http_address *a, struct error *err);

/* ---- worker_stack.c ---- */
size_t http_worker_stack_here(void); /* of the calling thread */
