#pragma once
/* One websocket to a server, and its return after each loss: libwebsockets, used from one thread.
 *
 * The link knows connecting, whole messages and backoff; what the messages mean is its owner's
 * business. libwebsockets 4.1 sends one message for each "writeable" event, wants LWS_PRE bytes
 * before it (the client masks in place), delivers in fragments, and only lws_cancel_service may be
 * called from another thread. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/uplink/url.h"
#include "common/base/buf.h"
#include "common/base/status.h"

struct link;

struct link_events {
    /* A connection is up; the next messages asked for go over it. */
    void (*on_open)(void *ctx);
    /* It is down, or could not be made; the link tries again by itself. STATUS_DENIED: the server
     * answered 401 or 403. */
    void (*on_down)(void *ctx, enum status why, const char *text);
    /* The message to send now, appended to `out`; false when there is none. */
    bool (*next_message)(void *ctx, struct buf *out);
    void (*on_message)(void *ctx, const uint8_t *data, size_t len);
    void *ctx;
};

/* `token` (may be NULL) goes into the upgrade's Authorization header. Borrowed. A connection that
 * has not proved good after `prove_ns` is given up, and another is made after the backoff. */
enum status link_open(struct link **out, const struct url *url, const char *token,
                      uint64_t prove_ns, const struct link_events *events, struct error *err);
void link_close(struct link *l); /* takes NULL; not from within an event */

/* Connects when it is time, and serves the connection until an event has been handled, link_wake
 * was called or `until_ns` (monotonic) has come. */
void link_service(struct link *l, uint64_t until_ns);

/* From any thread: link_service returns soon. */
void link_wake(struct link *l);

/* There may be a message to send. */
void link_want_write(struct link *l);

/* The server has answered as it should: the connection stays, its loss is retried at once. */
void link_proved_good(struct link *l);

/* Closes the connection; the link comes back after its backoff, or not at all. */
void link_drop(struct link *l, bool comes_back);
