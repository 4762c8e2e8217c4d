#pragma once
/* The server's end of the collectors' connections, without the transport: whole messages in,
 * replies out through a callback. The web server plugs its websockets in; tests plug in memory.
 *
 * A peer is one connection and one session. Its replies (Welcome, Ack after COMMIT, Refused,
 * Control) are sent only from within ingest_message, on the caller's thread: no other thread ever
 * writes to its connection. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend/store/library.h"
#include "common/base/status.h"
#include "common/wire/wire.h"

struct ingest;
struct ingest_peer;

struct ingest_options {
    struct library *library;
    const char *base_url; /* "http://127.0.0.1:7700"; the Welcome says base_url/p/ID. Copied */
    /* Whether the Hello's token may send profiles: STATUS_OK, STATUS_DENIED, or STATUS_BUSY after
     * too many wrong ones. `peer` is what ingest_open was given. NULL: everyone may (loopback). */
    enum status (*may_collect)(void *ctx, const void *peer, const char *token, size_t len,
                               struct error *err);
    void *ctx;
    size_t max_peers; /* 0 = 1024; above it ingest_open gives STATUS_BUSY */
};

enum status ingest_new(struct ingest **out, const struct ingest_options *options,
                       struct error *err);
void ingest_free(struct ingest *in); /* after its last peer is closed; takes NULL */

/* Sends one whole binary message to this peer; false when the connection is gone. */
typedef bool (*ingest_send_fn)(void *ctx, const uint8_t *message, size_t len);

/* `is_trusted`: the transport has checked a credential already; the Hello's token is not looked
 * at. */
enum status ingest_open(struct ingest *in, ingest_send_fn send, void *ctx, bool is_trusted,
                        struct ingest_peer **out, struct error *err);

/* One whole message (fragments put together by the transport, which also caps them at
 * WIRE_MAX_MESSAGE). Returns when what it says is committed. Anything but STATUS_OK: the collector
 * has been told why as far as it listens, and the caller closes the connection. One thread at a
 * time for each peer. */
enum status ingest_message(struct ingest_peer *peer, const uint8_t *data, size_t len,
                           struct error *err);

/* After a Bye was stored: nothing more will come, the caller may close. */
bool ingest_is_done(const struct ingest_peer *peer);

/* The session this collector writes, or NULL before its Hello; valid until ingest_close. */
const char *ingest_session(const struct ingest_peer *peer);

/* The connection ended. Without a Bye the session becomes interrupted (and may be resumed), unless
 * a newer connection has taken it over. Takes NULL. */
void ingest_close(struct ingest_peer *peer);

/* Hands `control` to the collector of this session: with its next message, which comes at least
 * every second. Several before that merge into one. STATUS_GONE when no collector is connected. */
enum status ingest_control(struct ingest *in, const char *id, const struct wire_control *control,
                           struct error *err);

struct ingest_stats {
    uint64_t peers, sessions, messages, bytes, refused;
};
void ingest_stats(struct ingest *in, struct ingest_stats *out);
