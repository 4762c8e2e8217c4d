#include "tests/unit/uplink/ingest_server.h"

#include <civetweb.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/ident.h"

struct ingest_server {
    struct ingest_server_options options;
    struct mg_context *web;
    struct library *library;
    struct ingest *ingest;
    atomic_uint cut_generation;
    int port;
};

struct connection {
    struct ingest_peer *peer;
    struct mg_connection *web;
    struct buf message;
    unsigned generation;
};

static bool send_binary(void *ctx, const uint8_t *message, size_t len)
{
    struct connection *c = ctx;
    return mg_websocket_write(c->web, MG_WEBSOCKET_OPCODE_BINARY, (const char *)message, len) > 0;
}

static enum status token_fits(void *ctx, const void *peer, const char *token, size_t len,
                              struct error *err)
{
    const struct ingest_server *s = ctx;
    (void)peer;
    if (!s->options.token ||
        ident_equal_secret(token, len, s->options.token, strlen(s->options.token)))
        return STATUS_OK;
    return error_set(err, STATUS_DENIED, "the token is not accepted here");
}

static int on_connect(const struct mg_connection *web, void *ctx)
{
    struct ingest_server *s = ctx;
    (void)web;
    return s->options.upgrade_status ? 1 : 0;
}

static void on_ready(struct mg_connection *web, void *ctx)
{
    struct ingest_server *s = ctx;
    struct connection *c = calloc(1, sizeof(*c));
    if (!c)
        abort();
    c->web = web;
    c->generation = atomic_load(&s->cut_generation);
    buf_init(&c->message, WIRE_MAX_MESSAGE);
    if (ingest_open(s->ingest, send_binary, c, false, &c->peer, NULL) != STATUS_OK)
        abort();
    mg_set_user_connection_data(web, c);
}

/* 0 closes the connection. */
static int on_data(struct mg_connection *web, int flags, char *data, size_t len, void *ctx)
{
    struct ingest_server *s = ctx;
    struct connection *c = mg_get_user_connection_data(web);
    int opcode = flags & 0xf;
    if (opcode == MG_WEBSOCKET_OPCODE_CONNECTION_CLOSE ||
        c->generation != atomic_load(&s->cut_generation))
        return 0;
    buf_put(&c->message, data, len);
    if (!(flags & 0x80)) /* more fragments come */
        return 1;
    struct error err;
    enum status st = ingest_message(c->peer, c->message.data, c->message.len, &err);
    buf_clear(&c->message);
    return st == STATUS_OK;
}

static void on_close(const struct mg_connection *web, void *ctx)
{
    (void)ctx;
    struct connection *c = mg_get_user_connection_data(web);
    if (!c)
        return;
    ingest_close(c->peer);
    buf_deinit(&c->message);
    free(c);
}

static int answer_upgrade(struct mg_connection *web, void *ctx)
{
    struct ingest_server *s = ctx;
    if (!s->options.upgrade_status)
        return 0;
    mg_printf(web, "HTTP/1.1 %d No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
              s->options.upgrade_status);
    return s->options.upgrade_status;
}

static int begin_request(struct mg_connection *web)
{
    return answer_upgrade(web, mg_get_user_data(mg_get_context(web)));
}

struct ingest_server *ingest_server_start(const struct ingest_server_options *options)
{
    struct ingest_server *s = calloc(1, sizeof(*s));
    struct error err = {0};
    char port[32];
    char base[64];
    char path[128];
    if (!s)
        return NULL;
    s->options = *options;
    snprintf(port, sizeof(port), "127.0.0.1:%d", options->port);
    const char *web_options[] = {
        "listening_ports",    port,    "num_threads",          "16",    "tcp_nodelay", "1",
        "request_timeout_ms", "10000", "websocket_timeout_ms", "30000", NULL};
    struct mg_callbacks callbacks = {.begin_request = begin_request};
    s->web = mg_start(&callbacks, s, web_options);
    struct mg_server_port listening[1];
    if (!s->web || mg_get_server_ports(s->web, 1, listening) != 1) {
        fprintf(stderr, "the test server cannot listen at %s\n", port);
        ingest_server_stop(s);
        return NULL;
    }
    s->port = listening[0].port;
    snprintf(base, sizeof(base), "http://127.0.0.1:%d", s->port);
    snprintf(path, sizeof(path), "%s/api/v1/collect", options->prefix ? options->prefix : "");

    struct library_options library = {.path = options->store_path};
    struct ingest_options ingest = {.base_url = base, .may_collect = token_fits, .ctx = s};
    enum status st = library_open(&s->library, &library, &err);
    ingest.library = s->library;
    if (st == STATUS_OK)
        st = ingest_new(&s->ingest, &ingest, &err);
    if (st != STATUS_OK) {
        fprintf(stderr, "%s\n", err.text);
        ingest_server_stop(s);
        return NULL;
    }
    mg_set_websocket_handler(s->web, path, on_connect, on_ready, on_data, on_close, s);
    return s;
}

void ingest_server_stop(struct ingest_server *s)
{
    if (!s)
        return;
    ingest_server_cut(s);
    if (s->web)
        mg_stop(s->web);
    ingest_free(s->ingest);
    library_close(s->library);
    free(s);
}

int ingest_server_port(const struct ingest_server *s)
{
    return s->port;
}

struct library *ingest_server_library(struct ingest_server *s)
{
    return s->library;
}

struct ingest *ingest_server_ingest(struct ingest_server *s)
{
    return s->ingest;
}

void ingest_server_cut(struct ingest_server *s)
{
    atomic_fetch_add(&s->cut_generation, 1);
}
