#pragma once
/* Posts alerts to the addresses of their rules: a few at a time, again after longer and longer
 * pauses when one is not taken. Used by one thread, except deliver_wake and deliver_stats. */

#include <stddef.h>
#include <stdint.h>

#include "backend/alerts/webhook.h"
#include "common/base/status.h"

enum {
    DELIVER_MAX_WAITING = 256,
    DELIVER_AT_ONCE = 8,
    DELIVER_TRIES = 5, /* after 1, 4, 16 and 64 seconds */
};

struct deliver;

struct deliver_owner {
    /* The rule's address and secret, copied (freed by the taker); false when it is gone. */
    bool (*find)(void *ctx, uint64_t rule, char **url, char **secret);
    /* A try has ended: `delivery` is ALERT_WAITING when there will be another. */
    void (*told)(void *ctx, uint64_t alert, enum alert_delivery delivery, uint64_t tries,
                 const char *answer);
    void *ctx;
};

enum status deliver_new(struct deliver **out, const struct webhook_policy *policy,
                        const struct deliver_owner *owner, struct error *err);
void deliver_free(struct deliver *d); /* what waits is not told; takes NULL */

/* Takes the body. STATUS_TOO_LARGE when as many wait as may. */
enum status deliver_add(struct deliver *d, uint64_t alert, uint64_t rule, struct buf *body,
                        struct error *err);

/* Goes on with what is due; returns when something happened or `timeout_ms` passed. */
void deliver_step(struct deliver *d, int timeout_ms);
void deliver_wake(struct deliver *d); /* from any thread: ends a step */

/* Nanoseconds before try number `tries` + 1. */
uint64_t deliver_pause_ns(uint64_t tries);

struct deliver_stats {
    uint64_t delivered, failed, retries, waiting;
};
void deliver_stats(const struct deliver *d, struct deliver_stats *out);
