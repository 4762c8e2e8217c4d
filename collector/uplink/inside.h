#pragma once
/* Inside of the uplink: uplink.c has the thread, talk.c the conversation with the server. */

#include <pthread.h>
#include <stdatomic.h>

#include "collector/uplink/link.h"
#include "collector/uplink/outbox.h"
#include "collector/uplink/save.h"
#include "collector/uplink/uplink.h"

enum { UPLINK_URL_MAX = 1024 };

struct uplink {
    struct uplink_options options;
    struct stream *stream;
    pthread_t thread;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct uplink_state state;
    struct error last_loss;
    uint64_t close_deadline_ns;
    const struct wire_bye *bye;
    bool is_welcomed; /* ever */
    bool is_closing;
    bool has_thread;
    atomic_bool has_url;
    char url[UPLINK_URL_MAX];

    /* Of the thread. */
    struct outbox outbox;
    struct save save;
    struct link *link; /* NULL: no server */
    uint64_t next_seq; /* to be sent */
    uint64_t last_heard_ns, last_said_ns;
    bool has_save;
    bool is_hello_sent, is_current; /* of this connection; is_current: it has been welcomed */
    bool is_bye_sent, is_bye_ever_sent, is_done;
    bool is_all_taken;
    bool has_told; /* that the server takes nothing just now */
};

/* What the link tells and asks: struct link_events. */
void talk_on_open(void *ctx);
void talk_on_down(void *ctx, enum status why, const char *text);
void talk_on_message(void *ctx, const uint8_t *data, size_t len);
bool talk_next_message(void *ctx, struct buf *out);

/* Whether something should go out now. */
bool talk_has_something_to_say(const struct uplink *u, uint64_t now_ns);

/* The server is given up for good. What waits for it is dropped, and counted. */
void talk_give_up(struct uplink *u, enum status st, const char *words);
bool talk_is_given_up(struct uplink *u);
