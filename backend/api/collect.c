/* Collectors: backend/ingest speaks with them; here are only its messages' way in and out. */

#include <stdio.h>
#include <stdlib.h>

#include "backend/api/inside.h"

struct collector {
    struct api_server *server;
    struct ingest_peer *peer;
    struct http_socket_io *io; /* of the message in hand: replies go out within it */
    char address[48];
};

enum status api_may_collect(void *ctx, const void *peer, const char *token, size_t len,
                            struct error *err)
{
    const struct api_server *s = ctx;
    const struct collector *c = peer;
    struct http_grant grant;
    int code = http_check_token(s->http, c->address, token, len, &grant);
    if (code == 429)
        return error_set(err, STATUS_BUSY, "too many wrong tokens from this address");
    if (code != 200 || (grant.scope != HTTP_SCOPE_ADMIN && grant.scope != HTTP_SCOPE_SEND))
        return error_set(err, STATUS_DENIED, "the token is not accepted here");
    return STATUS_OK;
}

static bool send_reply(void *ctx, const uint8_t *message, size_t len)
{
    struct collector *c = ctx;
    return c->io && http_socket_send(c->io, message, len);
}

static enum status open_collector(struct http_request *r, void *ctx, void **state,
                                  struct error *err)
{
    struct api_server *s = ctx;
    struct ingest *ingest = atomic_load(&s->ingest);
    if (!ingest)
        return error_set(err, STATUS_BUSY, "the server is still starting");
    struct collector *c = calloc(1, sizeof(*c));
    if (!c)
        return error_set(err, STATUS_NO_MEMORY, "no memory for a collector");
    c->server = s;
    snprintf(c->address, sizeof(c->address), "%s", http_client_address(r));
    enum status st = ingest_open(ingest, send_reply, c, http_is_trusted(r), &c->peer, err);
    if (st != STATUS_OK) {
        free(c);
        return st;
    }
    *state = c;
    return STATUS_OK;
}

static bool take_message(struct http_socket_io *io, void *state, const uint8_t *data, size_t len)
{
    struct collector *c = state;
    struct error err = {0};
    c->io = io;
    enum status st = ingest_message(c->peer, data, len, &err);
    c->io = NULL;
    if (st != STATUS_OK) {
        http_socket_refuse(io,
                           st == STATUS_DENIED ? 1008
                           : st == STATUS_BUSY ? 1013
                                               : 1011,
                           err.text);
        return false;
    }
    return !ingest_is_done(c->peer);
}

static void close_collector(void *state)
{
    struct collector *c = state;
    const char *session = ingest_session(c->peer);
    char id[sizeof(((struct library_row *)0)->id)] = "";
    if (session)
        snprintf(id, sizeof(id), "%s", session);
    ingest_close(c->peer);
    if (*id)
        api_note_summary(c->server, id);
    free(c);
}

struct http_socket api_collect_socket = {
    .max_message = WIRE_MAX_MESSAGE,
    .takes_no_origin = true,
    .open = open_collector,
    .message = take_message,
    .close = close_collector,
};
