#pragma once
/* One connection of a made-up collector or viewer: HTTP requests and websocket messages over a
 * socket that never blocks, so that one thread holds a thousand of them. Only as much of the
 * protocols as Heliograph's own server speaks: messages come in one frame, answers have a length or
 * end with the connection. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"

struct peer {
    int fd; /* -1 = closed */
    uint16_t port;
    struct buf in, out;
    size_t in_at, out_at; /* what is dealt with */
    bool is_at_end;       /* the server closed its side */
    bool is_ready;        /* there is something to read: set by whoever polls */
};

/* Begins to connect to a port of 127.0.0.1. False when the kernel gives no socket. */
bool peer_connect(struct peer *p, uint16_t port);
void peer_close(struct peer *p);

/* Reads what has come, writes what goes without waiting. False when the connection is broken. */
bool peer_fill(struct peer *p);
bool peer_flush(struct peer *p);
bool peer_has_output(const struct peer *p);

/* "GET PATH", or the request to become a websocket. */
void peer_get(struct peer *p, const char *path, bool is_upgrade);
void peer_send(struct peer *p, int opcode, const uint8_t *data, size_t len);

/* The head of an answer: its status, 0 while it is not all there. */
int peer_upgraded(struct peer *p);

/* The whole of an answer. False while it is not all there. */
bool peer_answer(struct peer *p, int *status, size_t *body_len);

/* The next message; valid until peer_fill. Pings are answered. False while there is none. */
bool peer_message(struct peer *p, int *opcode, const uint8_t **data, size_t *len);
