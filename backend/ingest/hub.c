/* What the peers of one server share: who is there, and what a person wants from a collector. */

#include <stdlib.h>
#include <string.h>

#include "backend/ingest/peer.h"

enum { DEFAULT_PEERS = 1024 };

enum status ingest_new(struct ingest **out, const struct ingest_options *options, struct error *err)
{
    struct ingest *in = calloc(1, sizeof(*in));
    char *url = strdup(options->base_url ? options->base_url : "");
    if (!in || !url) {
        free(in);
        free(url);
        return error_set(err, STATUS_NO_MEMORY, "no memory for the collectors' endpoint");
    }
    in->library = options->library;
    in->base_url = url;
    in->may_collect = options->may_collect;
    in->ctx = options->ctx;
    in->max_peers = options->max_peers ? options->max_peers : DEFAULT_PEERS;
    pthread_mutex_init(&in->lock, NULL);
    *out = in;
    return STATUS_OK;
}

void ingest_free(struct ingest *in)
{
    if (!in)
        return;
    pthread_mutex_destroy(&in->lock);
    free(in->base_url);
    free(in);
}

enum status ingest_open(struct ingest *in, ingest_send_fn send, void *ctx, bool is_trusted,
                        struct ingest_peer **out, struct error *err)
{
    struct ingest_peer *peer = calloc(1, sizeof(*peer));
    if (!peer)
        return error_set(err, STATUS_NO_MEMORY, "no memory for another collector");
    *peer = (struct ingest_peer){.hub = in, .send = send, .ctx = ctx, .is_trusted = is_trusted};
    buf_init(&peer->reply, WIRE_MAX_MESSAGE);

    pthread_mutex_lock(&in->lock);
    bool has_room = in->stats.peers < in->max_peers;
    if (has_room) {
        peer->next = in->peers;
        in->peers = peer;
        in->stats.peers++;
    }
    pthread_mutex_unlock(&in->lock);
    if (!has_room) {
        free(peer);
        return error_set(err, STATUS_BUSY, "%zu collectors are connected, no more are taken",
                         in->max_peers);
    }
    *out = peer;
    return STATUS_OK;
}

static void leave(struct ingest_peer *peer)
{
    struct ingest *in = peer->hub;
    pthread_mutex_lock(&in->lock);
    struct ingest_peer **at = &in->peers;
    while (*at != peer)
        at = &(*at)->next;
    *at = peer->next;
    in->stats.peers--;
    pthread_mutex_unlock(&in->lock);
}

const char *ingest_session(const struct ingest_peer *peer)
{
    return peer->has_session ? peer->id : NULL;
}

void ingest_close(struct ingest_peer *peer)
{
    if (!peer)
        return;
    struct ingest *in = peer->hub;
    pthread_mutex_lock(&in->lock);
    bool is_current = peer->is_current;
    pthread_mutex_unlock(&in->lock);
    /* A newer connection of the same session can come in just now: then its begin finds the
     * session interrupted, and resumes it. Or it has come: then is_current is false. */
    if (peer->has_session && is_current && !peer->is_done)
        (void)library_end(in->library, peer->id, LIBRARY_INTERRUPTED, NULL, NULL);
    leave(peer);
    free(peer->source);
    buf_deinit(&peer->reply);
    free(peer);
}

/* One file at a time: with the collector's next message it is asked for, and the next may come. */
static enum status want_source(struct ingest_peer *p, const struct wire_bytes *file,
                               struct error *err)
{
    if (file->len == 0)
        return STATUS_OK;
    if (p->source)
        return error_set(err, STATUS_BUSY, "the collector is being asked for another file");
    p->source = malloc(file->len + 1);
    if (!p->source)
        return error_set(err, STATUS_NO_MEMORY, "no memory");
    memcpy(p->source, file->data, file->len);
    p->control.source = (struct wire_bytes){.data = p->source, .len = file->len};
    return STATUS_OK;
}

enum status ingest_control(struct ingest *in, const char *id, const struct wire_control *control,
                           struct error *err)
{
    bool found = false;
    enum status st = STATUS_OK;
    pthread_mutex_lock(&in->lock);
    for (struct ingest_peer *p = in->peers; p && st == STATUS_OK; p = p->next) {
        if (!p->is_current || strcmp(p->id, id) != 0)
            continue;
        found = true;
        st = want_source(p, &control->source, err);
        p->has_control = true;
        if (control->has_paused) {
            p->control.has_paused = true;
            p->control.paused = control->paused;
        }
        if (control->has_rate) {
            p->control.has_rate = true;
            p->control.rate_hz = control->rate_hz;
        }
        if (control->has_stop) {
            p->control.has_stop = true;
            p->control.stop = control->stop;
        }
    }
    pthread_mutex_unlock(&in->lock);
    return found ? st
                 : error_set(err, STATUS_GONE, "no collector of profile %.40s is connected", id);
}

void ingest_stats(struct ingest *in, struct ingest_stats *out)
{
    pthread_mutex_lock(&in->lock);
    *out = in->stats;
    pthread_mutex_unlock(&in->lock);
}
