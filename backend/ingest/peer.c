/* One collector's messages, one after the other. */

#include "backend/ingest/peer.h"

#include <stdlib.h>
#include <string.h>

static enum status send_reply(struct ingest_peer *peer, enum status encoded, struct error *err)
{
    if (encoded != STATUS_OK)
        return error_set(err, encoded, "a reply could not be written");
    if (!peer->send(peer->ctx, peer->reply.data, peer->reply.len))
        return error_set(err, STATUS_GONE, "the collector's connection is gone");
    return STATUS_OK;
}

/* What can be mended by waiting (a full disk, no memory, a busy server) is not final: the collector
 * keeps its batches and comes back. */
static bool is_final(enum status st)
{
    switch (st) {
    case STATUS_IO:
    case STATUS_NO_MEMORY:
    case STATUS_BUSY:
    case STATUS_GONE:
        return false;
    default:
        return true;
    }
}

/* Tells the collector, and hands `why` on to the caller. */
static enum status refuse(struct ingest_peer *peer, enum status st, const struct error *why,
                          struct error *err)
{
    const char *code = status_name(st);
    struct wire_refused refused = {
        .code = {.data = code, .len = strlen(code)},
        .message = {.data = why->text, .len = strlen(why->text)},
        .is_final = is_final(st),
    };
    buf_clear(&peer->reply);
    (void)send_reply(peer, wire_encode_refused(&peer->reply, &refused), NULL);
    pthread_mutex_lock(&peer->hub->lock);
    peer->hub->stats.refused++;
    pthread_mutex_unlock(&peer->hub->lock);
    return error_set(err, st, "%s", why->text);
}

/* From now on this connection speaks for the session; an older one (half open, perhaps) does not.
 */
static void take_over(struct ingest_peer *peer)
{
    struct ingest *in = peer->hub;
    pthread_mutex_lock(&in->lock);
    for (struct ingest_peer *p = in->peers; p; p = p->next) {
        if (p != peer && p->is_current && strcmp(p->id, peer->id) == 0)
            p->is_current = false;
    }
    peer->is_current = true;
    in->stats.sessions++;
    pthread_mutex_unlock(&in->lock);
}

static bool is_current(struct ingest_peer *peer)
{
    pthread_mutex_lock(&peer->hub->lock);
    bool current = peer->is_current;
    pthread_mutex_unlock(&peer->hub->lock);
    return current;
}

static enum status welcome(struct ingest_peer *peer, uint64_t next_seq, struct error *err)
{
    struct buf url;
    buf_init(&url, 0);
    buf_printf(&url, "%s/p/%s", peer->hub->base_url, peer->id);
    struct wire_welcome reply = {.url = {.data = (const char *)url.data, .len = url.len},
                                 .next_seq = next_seq};
    buf_clear(&peer->reply);
    enum status st = buf_status(&url);
    if (st == STATUS_OK)
        st = wire_encode_welcome(&peer->reply, &reply);
    st = send_reply(peer, st, err);
    buf_deinit(&url);
    return st;
}

static enum status on_hello(struct ingest_peer *peer, const struct wire_hello *hello,
                            struct error *err)
{
    struct ingest *in = peer->hub;
    uint64_t next_seq = 0;
    if (peer->has_session)
        return error_set(err, STATUS_INVALID, "a second hello on one connection");
    if (hello->protocol != WIRE_PROTOCOL)
        return error_set(err, STATUS_UNSUPPORTED,
                         "protocol version %u; this server speaks version %d", hello->protocol,
                         WIRE_PROTOCOL);
    enum status st = STATUS_OK;
    if (!peer->is_trusted && in->may_collect)
        st = in->may_collect(in->ctx, peer->ctx, hello->token.data, hello->token.len, err);
    if (st != STATUS_OK)
        return st;
    if (hello->session.len != IDENT_CHARS)
        return error_set(err, STATUS_INVALID, "the session id has %zu characters instead of %d",
                         hello->session.len, IDENT_CHARS);
    memcpy(peer->id, hello->session.data, IDENT_CHARS);
    if (!ident_is_valid(peer->id, IDENT_CHARS)) {
        peer->id[0] = '\0';
        return error_set(err, STATUS_INVALID, "the session id has other characters than a-z2-7");
    }
    /* First the session, then its begin: an old connection that closes in between leaves a session
     * that begin finds interrupted, never one that it interrupts afterwards. */
    take_over(peer);
    st = library_begin(in->library, hello, &next_seq, err);
    if (st != STATUS_OK)
        return st;
    peer->has_session = true;
    return welcome(peer, next_seq, err);
}

static enum status ack(struct ingest_peer *peer, uint64_t seq, struct error *err)
{
    buf_clear(&peer->reply);
    return send_reply(peer, wire_encode_ack(&peer->reply, seq), err);
}

static enum status on_batch(struct ingest_peer *peer, const struct wire_batch *batch,
                            const uint8_t *data, size_t len, struct error *err)
{
    enum status st = library_append(peer->hub->library, peer->id, batch, data, len, err);
    return st == STATUS_OK ? ack(peer, batch->seq, err) : st;
}

static enum status on_bye(struct ingest_peer *peer, const struct wire_bye *bye, struct error *err)
{
    enum status st = library_end(peer->hub->library, peer->id, LIBRARY_COMPLETE, bye, err);
    if (st != STATUS_OK)
        return st;
    peer->is_done = true;
    return ack(peer, bye->last_seq, err);
}

static enum status on_message(struct ingest_peer *peer, const struct wire_to_server *message,
                              const uint8_t *data, size_t len, struct error *err)
{
    if (message->kind == WIRE_HELLO)
        return on_hello(peer, &message->hello, err);
    if (!peer->has_session)
        return error_set(err, STATUS_INVALID, "the first message is no hello");
    if (!is_current(peer))
        return error_set(err, STATUS_GONE, "a newer connection has taken this session over");
    if (peer->is_done)
        return error_set(err, STATUS_INVALID, "a message after the bye");
    if (message->kind == WIRE_BYE)
        return on_bye(peer, &message->bye, err);
    return on_batch(peer, &message->batch, data, len, err);
}

/* What a person wants, if anything: said with the reply to whatever came. */
static enum status send_control(struct ingest_peer *peer, struct error *err)
{
    pthread_mutex_lock(&peer->hub->lock);
    bool has_control = peer->has_control;
    struct wire_control control = peer->control;
    char *source = peer->source;
    peer->has_control = false;
    peer->control = (struct wire_control){0};
    peer->source = NULL;
    pthread_mutex_unlock(&peer->hub->lock);
    if (!has_control)
        return STATUS_OK;
    buf_clear(&peer->reply);
    enum status st = send_reply(peer, wire_encode_control(&peer->reply, &control), err);
    free(source);
    return st;
}

enum status ingest_message(struct ingest_peer *peer, const uint8_t *data, size_t len,
                           struct error *err)
{
    struct error why = {0};
    struct wire_to_server message;
    struct arena *arena = arena_new();
    enum status st = arena ? STATUS_OK : error_set(&why, STATUS_NO_MEMORY, "no memory");
    pthread_mutex_lock(&peer->hub->lock);
    peer->hub->stats.messages++;
    peer->hub->stats.bytes += len;
    pthread_mutex_unlock(&peer->hub->lock);
    if (st == STATUS_OK && len > WIRE_MAX_MESSAGE)
        st = error_set(&why, STATUS_TOO_LARGE, "a message of %zu bytes; at most %d are taken", len,
                       WIRE_MAX_MESSAGE);
    if (st == STATUS_OK)
        st = wire_decode_to_server(&message, data, len, arena, &why);
    if (st == STATUS_OK)
        st = on_message(peer, &message, data, len, &why);
    if (st == STATUS_OK)
        st = send_control(peer, &why);
    arena_free(arena);
    return st == STATUS_OK ? STATUS_OK : refuse(peer, st, &why, err);
}

bool ingest_is_done(const struct ingest_peer *peer)
{
    return peer->is_done;
}
