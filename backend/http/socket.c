#include <stdlib.h>
#include <string.h>

#include "backend/http/inside.h"

/* One websocket. civetweb 1.15 hands over frames as they come: it takes any size, does not put
 * fragments together, does not look at opcodes or UTF-8, and does not answer a close. All that is
 * done here. It does not tell whether a frame was masked. */
struct http_socket_io {
    struct http_server *server;
    const struct http_route *route;
    struct mg_connection *conn;
    void *state;
    struct buf message; /* fragments so far */
    int opcode;         /* of the first fragment; 0 = none begun */
    bool is_refused;
};

enum { CLOSE_MAX_REASON = 120 };

static atomic_uint *open_count(struct http_server *s, const struct http_route *route)
{
    return &s->open_by_route[route - s->routes];
}

/* ---- open ---- */

static void refuse_full(struct http_request *r)
{
    struct error err;
    error_set(&err, STATUS_BUSY, "as many connections of this kind are open as this server takes");
    http_refuse(r, 503, &err);
}

bool http_socket_prepare(struct http_request *r)
{
    struct http_server *s = r->server;
    const struct http_socket *socket = r->route->socket;
    if (atomic_fetch_add(&s->sockets_open, 1) >= s->max_sockets) {
        atomic_fetch_sub(&s->sockets_open, 1);
        refuse_full(r);
        return false;
    }
    if (atomic_fetch_add(open_count(s, r->route), 1) >= socket->max_open) {
        atomic_fetch_sub(open_count(s, r->route), 1);
        atomic_fetch_sub(&s->sockets_open, 1);
        refuse_full(r);
        return false;
    }
    struct error err = {0};
    struct http_socket_io *io = calloc(1, sizeof(*io));
    enum status st = io ? socket->open(r, s->ctx, &io->state, &err)
                        : error_set(&err, STATUS_NO_MEMORY, "no memory for a connection");
    if (st != STATUS_OK) {
        free(io);
        atomic_fetch_sub(open_count(s, r->route), 1);
        atomic_fetch_sub(&s->sockets_open, 1);
        http_refuse(r, http_code(st), &err);
        return false;
    }
    io->server = s;
    io->route = r->route;
    io->conn = r->conn;
    buf_init(&io->message, socket->max_message);
    mg_set_user_connection_data(r->conn, io);
    return true;
}

void http_socket_drop(const struct mg_connection *conn)
{
    struct http_socket_io *io = mg_get_user_connection_data(conn);
    if (!io)
        return;
    mg_set_user_connection_data(conn, NULL);
    io->route->socket->close(io->state);
    atomic_fetch_sub(open_count(io->server, io->route), 1);
    atomic_fetch_sub(&io->server->sockets_open, 1);
    buf_deinit(&io->message);
    free(io);
}

/* ---- out ---- */

bool http_socket_send(struct http_socket_io *io, const uint8_t *data, size_t len)
{
    int opcode = io->route->socket->is_text ? MG_WEBSOCKET_OPCODE_TEXT : MG_WEBSOCKET_OPCODE_BINARY;
    atomic_fetch_add(&io->server->bytes_out, len);
    return mg_websocket_write(io->conn, opcode, (const char *)data, len) > 0;
}

void http_socket_refuse(struct http_socket_io *io, unsigned code, const char *reason)
{
    char frame[2 + CLOSE_MAX_REASON];
    size_t len = strlen(reason);
    if (len > CLOSE_MAX_REASON)
        len = CLOSE_MAX_REASON;
    frame[0] = (char)(code >> 8);
    frame[1] = (char)(code & 0xff);
    memcpy(frame + 2, reason, len);
    io->is_refused = true;
    mg_websocket_write(io->conn, MG_WEBSOCKET_OPCODE_CONNECTION_CLOSE, frame, len + 2);
}

/* ---- in ---- */

/* The length of the character at `p`, 0 when it is none: Unicode 15, table 3-7. */
static size_t utf8_len(const uint8_t *p, size_t len)
{
    uint8_t c = p[0];
    size_t n = c < 0x80 ? 1 : c <= 0xdf ? 2 : c <= 0xef ? 3 : 4;
    if (c >= 0x80 && (c < 0xc2 || c > 0xf4 || n > len))
        return 0;
    for (size_t k = 1; k < n; k++) {
        if ((p[k] & 0xc0) != 0x80)
            return 0;
    }
    bool is_bad = (c == 0xe0 && p[1] < 0xa0) || (c == 0xed && p[1] > 0x9f) ||
                  (c == 0xf0 && p[1] < 0x90) || (c == 0xf4 && p[1] > 0x8f);
    return is_bad ? 0 : n;
}

static bool is_utf8(const uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len;) {
        size_t n = utf8_len(p + i, len - i);
        if (n == 0)
            return false;
        i += n;
    }
    return true;
}

static bool take_message(struct http_socket_io *io, int opcode, const uint8_t *data, size_t len)
{
    const struct http_socket *socket = io->route->socket;
    bool is_text = opcode == MG_WEBSOCKET_OPCODE_TEXT;
    if (is_text != socket->is_text) {
        http_socket_refuse(io, 1003, socket->is_text ? "text messages only" : "binary only");
        return false;
    }
    if (is_text && !is_utf8(data, len)) {
        http_socket_refuse(io, 1007, "not UTF-8");
        return false;
    }
    atomic_fetch_add(&io->server->messages, 1);
    bool goes_on = socket->message(io, io->state, data, len);
    if (!goes_on && !io->is_refused)
        http_socket_refuse(io, 1000, "");
    return goes_on && !io->is_refused;
}

static bool take_fragment(struct http_socket_io *io, int opcode, bool is_last, const uint8_t *data,
                          size_t len)
{
    bool is_first = opcode != MG_WEBSOCKET_OPCODE_CONTINUATION;
    if (is_first == (io->opcode != 0)) {
        http_socket_refuse(io, 1002, "fragments out of order");
        return false;
    }
    if (is_first && is_last)
        return take_message(io, opcode, data, len);
    if (is_first)
        io->opcode = opcode;
    buf_put(&io->message, data, len);
    if (buf_status(&io->message) != STATUS_OK) {
        http_socket_refuse(io, 1009, "message too large");
        return false;
    }
    if (!is_last)
        return true;
    opcode = io->opcode;
    io->opcode = 0;
    bool goes_on = take_message(io, opcode, io->message.data, io->message.len);
    buf_clear(&io->message);
    return goes_on;
}

static bool take_frame(struct http_socket_io *io, int bits, const uint8_t *data, size_t len)
{
    int opcode = bits & 0x0f;
    bool is_last = bits & 0x80;
    if (bits & 0x70) {
        http_socket_refuse(io, 1002, "reserved bits");
        return false;
    }
    if (opcode >= 8 && (len > 125 || !is_last)) {
        http_socket_refuse(io, 1002, "bad control frame");
        return false;
    }
    if (len > io->route->socket->max_message) {
        http_socket_refuse(io, 1009, "message too large");
        return false;
    }
    switch (opcode) {
    case MG_WEBSOCKET_OPCODE_CONTINUATION:
    case MG_WEBSOCKET_OPCODE_TEXT:
    case MG_WEBSOCKET_OPCODE_BINARY:
        return take_fragment(io, opcode, is_last, data, len);
    case MG_WEBSOCKET_OPCODE_CONNECTION_CLOSE:
        if (!io->is_refused)
            http_socket_refuse(io, 1000, "");
        return false;
    case MG_WEBSOCKET_OPCODE_PING:
        return mg_websocket_write(io->conn, MG_WEBSOCKET_OPCODE_PONG, (const char *)data, len) > 0;
    case MG_WEBSOCKET_OPCODE_PONG:
        return true;
    default:
        http_socket_refuse(io, 1002, "unknown opcode");
        return false;
    }
}

/* ---- civetweb's side ---- */

static int on_connect(const struct mg_connection *conn, void *ctx)
{
    (void)ctx;
    return mg_get_user_connection_data(conn) ? 0 : 1; /* the gate has decided already */
}

static int on_data(struct mg_connection *conn, int bits, char *data, size_t len, void *ctx)
{
    (void)ctx;
    struct http_socket_io *io = mg_get_user_connection_data(conn);
    return io && take_frame(io, bits, (const uint8_t *)data, len);
}

static void on_close(const struct mg_connection *conn, void *ctx)
{
    (void)ctx;
    http_socket_drop(conn);
}

void http_sockets_install(struct http_server *s)
{
    mg_set_websocket_handler(s->civetweb, "**", on_connect, NULL, on_data, on_close, s);
}
