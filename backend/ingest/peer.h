#pragma once
/* Inside of ingest: the hub and its peers. */

#include <pthread.h>

#include "backend/ingest/ingest.h"
#include "common/base/buf.h"
#include "common/base/ident.h"

struct ingest_peer {
    struct ingest *hub;
    ingest_send_fn send;
    void *ctx;
    bool is_trusted;
    bool has_session, is_done; /* of the connection's own thread */
    char id[IDENT_CHARS + 1];  /* the session's, once there is one */
    struct buf reply;

    /* Under the hub's lock. */
    struct ingest_peer *next;
    bool is_current; /* the newest connection of its session */
    bool has_control;
    struct wire_control control;
    char *source; /* what control.source points to */
};

struct ingest {
    struct library *library;
    char *base_url;
    enum status (*may_collect)(void *ctx, const void *peer, const char *token, size_t len,
                               struct error *err);
    void *ctx;
    size_t max_peers;

    pthread_mutex_t lock;
    struct ingest_peer *peers;
    struct ingest_stats stats;
};
