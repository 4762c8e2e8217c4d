#include "backend/http/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/http/inside.h"
#include "common/base/log.h"

enum {
    DEFAULT_SOCKETS = 256,
    DEFAULT_TIMEOUT_MS = 10000, /* without a byte; not of the whole request */
    REQUEST_THREADS = 128,      /* beside one for each websocket */
    PORTS_TO_TRY = 100,
    DEFAULT_UPLOADS = 600, /* a minute, from one address */
    FAILURES_AT_ONCE = 20, /* wrong tokens of one address before it has to wait */
    FAILURES_PER_MINUTE = 20,
};

static const uint64_t default_upload = 256ULL << 20;

/* ---- requests ---- */

static void count_answer(struct http_server *s, int code)
{
    atomic_fetch_add(&s->requests, 1);
    if (code >= 100 && code < 600)
        atomic_fetch_add(&s->by_class[code / 100], 1);
}

static int answer(struct http_request *r)
{
    struct error err = {0};
    int code;
    if (http_gate(r, &code, &err) != STATUS_OK) {
        http_refuse(r, code, &err);
        return r->code;
    }
    if (strcmp(r->route->method, "WS") == 0)
        return http_socket_prepare(r) ? 0 : r->code;
    r->route->handle(r, r->server->ctx);
    if (!r->is_answered) {
        error_set(&err, STATUS_IO, "the request was not answered");
        http_fail_as(r, 500, &err, NULL);
    }
    return r->code;
}

/* Every request comes through here before civetweb does anything with it. 0 lets it go on: only
 * websockets whose handshake is to be made. */
static int on_request(struct mg_connection *conn)
{
    const struct mg_request_info *info = mg_get_request_info(conn);
    struct http_request r = {
        .server = info->user_data,
        .conn = conn,
        .info = info,
        .method = info->request_method,
        .is_head = strcmp(info->request_method, "HEAD") == 0,
        .arena = arena_new(),
    };
    spill_init(&r.body);
    if (!r.arena)
        return 500;
    int code = answer(&r);
    count_answer(r.server, code ? code : 101);
    arena_free(r.arena);
    spill_deinit(&r.body);
    return code;
}

/* civetweb's own refusals (a request it cannot parse) look like ours. */
static int on_error(struct mg_connection *conn, int code, const char *message)
{
    const struct mg_request_info *info = mg_get_request_info(conn);
    struct http_request r = {.conn = conn, .info = info, .method = "", .arena = arena_new()};
    if (!info || !info->user_data || !r.arena) {
        arena_free(r.arena);
        return 1;
    }
    (void)message; /* it may quote the request */
    r.server = info->user_data;
    r.has_read_body = true;
    struct error err;
    error_set(&err, code < 500 ? STATUS_INVALID : STATUS_IO, "the request cannot be understood");
    http_refuse(&r, code, &err);
    count_answer(r.server, code);
    arena_free(r.arena);
    return 0;
}

static int on_message(const struct mg_connection *conn, const char *message)
{
    (void)conn;
    log_debug("civetweb: %s", message);
    return 1;
}

static int on_access(const struct mg_connection *conn, const char *message)
{
    (void)conn;
    (void)message;
    return 1; /* no access log: URLs may hold secrets */
}

static void *on_thread(const struct mg_context *ctx, int type)
{
    struct http_server *s = mg_get_user_data(ctx);
    if (type == 1 && s) {
        size_t here = http_worker_stack_here();
        size_t least = atomic_load(&s->worker_stack);
        while (here < least && !atomic_compare_exchange_weak(&s->worker_stack, &least, here))
            ;
    }
    return NULL;
}

/* ---- start ---- */

static enum status copy_options(struct http_server *s, const struct http_options *o)
{
    s->routes = o->routes;
    s->ctx = o->ctx;
    s->judge = o->judge;
    limit_init(&s->failures, FAILURES_PER_MINUTE / 60.0, FAILURES_AT_ONCE);
    uint32_t uploads = o->uploads_per_minute ? o->uploads_per_minute : DEFAULT_UPLOADS;
    limit_init(&s->uploads, uploads / 60.0, uploads == UINT32_MAX ? 0 : uploads);
    if (o->trust_proxy && !(s->trust_proxy = strdup(o->trust_proxy)))
        return STATUS_NO_MEMORY;
    s->max_upload = o->max_upload ? o->max_upload : default_upload;
    s->max_sockets = o->max_sockets ? o->max_sockets : DEFAULT_SOCKETS;
    atomic_store(&s->worker_stack, SIZE_MAX);
    uint32_t timeout_ms = o->request_timeout_ms ? o->request_timeout_ms : DEFAULT_TIMEOUT_MS;
    s->grace_ns = timeout_ms * 1000000ULL;
    if (!http_places_init(&s->places, REQUEST_THREADS))
        return STATUS_NO_MEMORY;
    size_t routes = 0;
    while (o->routes[routes].pattern)
        routes++;
    s->open_by_route = calloc(routes + 1, sizeof(*s->open_by_route));
    s->allow_hosts = calloc(o->allow_hosts_len + 1, sizeof(*s->allow_hosts));
    if (!s->open_by_route || !s->allow_hosts)
        return STATUS_NO_MEMORY;
    for (size_t i = 0; i < o->allow_hosts_len; i++) {
        s->allow_hosts[i] = strdup(o->allow_hosts[i]);
        if (!s->allow_hosts[i])
            return STATUS_NO_MEMORY;
        s->allow_hosts_len++;
    }
    if (o->token && *o->token) {
        s->token = strdup(o->token);
        if (!s->token)
            return STATUS_NO_MEMORY;
    }
    return STATUS_OK;
}

static void free_server(struct http_server *s)
{
    for (size_t i = 0; i < s->allow_hosts_len; i++)
        free(s->allow_hosts[i]);
    free(s->allow_hosts);
    free(s->open_by_route);
    free(s->token);
    free(s->trust_proxy);
    limit_deinit(&s->failures);
    limit_deinit(&s->uploads);
    http_places_deinit(&s->places);
    free(s);
}

static enum status start_civetweb(struct http_server *s, const struct http_options *o,
                                  const struct http_address *a, struct error *err)
{
    char listen[96];
    char threads[16];
    char timeout[16];
    snprintf(listen, sizeof(listen), "%s:%u", a->host, a->port);
    snprintf(threads, sizeof(threads), "%u", s->max_sockets + REQUEST_THREADS);
    snprintf(timeout, sizeof(timeout), "%u",
             o->request_timeout_ms ? o->request_timeout_ms : DEFAULT_TIMEOUT_MS);
    /* No document_root: nothing is ever served from the disk. Empty access_control_* turn off the
     * permission to every origin that is civetweb's default. Without tcp_nodelay a websocket
     * frame waits 40 ms for the acknowledgement of its first half. */
    const char *settings[] = {
        "listening_ports",
        listen,
        "num_threads",
        threads,
        "request_timeout_ms",
        timeout,
        "websocket_timeout_ms",
        "20000",
        "enable_websocket_ping_pong",
        "yes",
        "tcp_nodelay",
        "1",
        /* Decoded in place it would end at an encoded NUL; request.c decodes. */
        "decode_url",
        "no",
        "enable_keep_alive",
        "no",
        "enable_directory_listing",
        "no",
        "access_control_allow_origin",
        "",
        "access_control_allow_methods",
        "",
        "access_control_allow_headers",
        "",
        "max_request_size",
        "16384",
        "connection_queue",
        "128",
        "listen_backlog",
        "200",
        NULL,
    };
    struct mg_callbacks callbacks = {
        .begin_request = on_request,
        .http_error = on_error,
        .log_message = on_message,
        .log_access = on_access,
        .init_thread = on_thread,
        .connection_close = http_socket_drop,
    };
    unsigned why = 0;
    char words[128] = "";
    struct mg_init_data init = {
        .callbacks = &callbacks, .user_data = s, .configuration_options = settings};
    struct mg_error_data failure = {.code = &why, .text = words, .text_buffer_size = sizeof(words)};
    s->civetweb = mg_start2(&init, &failure);
    if (!s->civetweb)
        return error_set(err, STATUS_IO, "cannot serve on %s: %s", listen,
                         *words ? words : "no thread or socket");
    return STATUS_OK;
}

/* Threads start one after another: all of them have looked by the time each has run. */
static enum status check_stack(struct http_server *s, struct error *err)
{
    for (int i = 0; i < 200 && atomic_load(&s->worker_stack) == SIZE_MAX; i++)
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    size_t stack = atomic_load(&s->worker_stack);
    if (stack != SIZE_MAX && stack < HTTP_WORKER_STACK / 2)
        return error_set(err, STATUS_UNSUPPORTED,
                         "the web server's threads have %zu bytes of stack, too few to be safe",
                         stack);
    return STATUS_OK;
}

enum status http_server_start(struct http_server **out, const struct http_options *options,
                              char url[128], struct error *err)
{
    struct http_address address;
    enum status st = http_address_parse(&address, options->listen, err);
    if (st != STATUS_OK)
        return st;
    if (!address.is_loopback && !(options->token && *options->token))
        return error_set(err, STATUS_USAGE,
                         "%s can be reached from other machines: that needs a token (--token-file)",
                         options->listen);
    if (options->trust_proxy && !(options->token && *options->token))
        return error_set(err, STATUS_USAGE,
                         "behind a proxy other machines reach this server: that needs a token "
                         "(--token-file)");
    st = http_address_probe(&address, err);
    if (st != STATUS_OK)
        return st;
    struct http_server *s = calloc(1, sizeof(*s));
    if (!s)
        return error_set(err, STATUS_NO_MEMORY, "no memory for the web server");
    st = copy_options(s, options);
    if (st != STATUS_OK) {
        free_server(s);
        return error_set(err, st, "no memory for the web server");
    }
    memcpy(s->host, address.host, sizeof(s->host));
    s->is_loopback = address.is_loopback;
    s->port = address.port;
    snprintf(s->cookie, sizeof(s->cookie), "heliograph_%u", s->port);
    st = start_civetweb(s, options, &address, err);
    if (st != STATUS_OK) {
        free_server(s);
        return st;
    }
    struct mg_server_port port = {0};
    if (mg_get_server_ports(s->civetweb, 1, &port) == 1)
        s->port = (uint16_t)port.port;
    snprintf(s->cookie, sizeof(s->cookie), "heliograph_%u", s->port);
    http_sockets_install(s);
    st = check_stack(s, err);
    if (st != STATUS_OK) {
        http_server_stop(s);
        return st;
    }
    snprintf(url, 128, "http://%s:%u", s->host, s->port);
    *out = s;
    return STATUS_OK;
}

enum status http_server_start_free(struct http_server **out, const struct http_options *options,
                                   const char *host, uint16_t first, char url[128],
                                   struct error *err)
{
    enum status st = STATUS_BUSY;
    for (unsigned i = 0; i < PORTS_TO_TRY && st == STATUS_BUSY && first + i <= 65535; i++) {
        char listen[96];
        snprintf(listen, sizeof(listen), "%.64s:%u", host, first + i);
        struct http_options here = *options;
        here.listen = listen;
        st = http_server_start(out, &here, url, err);
    }
    if (st == STATUS_BUSY)
        return error_set(err, st, "no free port from %u to %u", first, first + PORTS_TO_TRY - 1);
    return st;
}

bool http_is_stopping(const struct http_server *s)
{
    return atomic_load(&s->is_stopping);
}

bool http_is_local(const struct http_server *s)
{
    return s->is_loopback && !s->trust_proxy;
}

void http_server_stop(struct http_server *s)
{
    if (!s)
        return;
    atomic_store(&s->is_stopping, true);
    mg_stop(s->civetweb);
    free_server(s);
}

void http_server_stats(struct http_server *s, struct http_stats *out)
{
    *out = (struct http_stats){
        .requests = atomic_load(&s->requests),
        .refused = atomic_load(&s->refused),
        .cut = atomic_load(&s->cut),
        .bytes_out = atomic_load(&s->bytes_out),
        .sockets_open = atomic_load(&s->sockets_open),
        .websocket_messages = atomic_load(&s->messages),
    };
    for (size_t i = 0; i < 6; i++)
        out->by_class[i] = atomic_load(&s->by_class[i]);
}
