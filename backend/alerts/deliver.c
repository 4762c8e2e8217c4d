#include "backend/alerts/deliver.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"

/* One alert on its way. */
struct parcel {
    bool is_used, is_sent; /* sent: with the other side now */
    uint64_t alert, rule, tries, due_ns;
    struct buf body;
    struct webhook webhook;
};

struct deliver {
    const struct webhook_policy *policy;
    struct deliver_owner owner;
    CURLM *multi;
    struct parcel parcels[DELIVER_MAX_WAITING];
    unsigned sent;
    atomic_uint_fast64_t delivered, failed, retries, waiting;
};

enum status deliver_new(struct deliver **out, const struct webhook_policy *policy,
                        const struct deliver_owner *owner, struct error *err)
{
    struct deliver *d = calloc(1, sizeof(*d));
    if (!d || !(d->multi = curl_multi_init())) {
        free(d);
        return error_set(err, STATUS_NO_MEMORY, "no memory for webhooks");
    }
    d->policy = policy;
    d->owner = *owner;
    *out = d;
    return STATUS_OK;
}

static void end_sending(struct deliver *d, struct parcel *p)
{
    if (!p->is_sent)
        return;
    curl_multi_remove_handle(d->multi, p->webhook.curl);
    webhook_drop(&p->webhook);
    p->is_sent = false;
    d->sent--;
}

static void free_parcel(struct deliver *d, struct parcel *p)
{
    end_sending(d, p);
    buf_deinit(&p->body);
    *p = (struct parcel){0};
    atomic_fetch_sub(&d->waiting, 1);
}

void deliver_free(struct deliver *d)
{
    if (!d)
        return;
    for (size_t i = 0; i < DELIVER_MAX_WAITING; i++) {
        if (d->parcels[i].is_used)
            free_parcel(d, &d->parcels[i]);
    }
    curl_multi_cleanup(d->multi);
    free(d);
}

enum status deliver_add(struct deliver *d, uint64_t alert, uint64_t rule, struct buf *body,
                        struct error *err)
{
    for (size_t i = 0; i < DELIVER_MAX_WAITING; i++) {
        struct parcel *p = &d->parcels[i];
        if (p->is_used)
            continue;
        *p = (struct parcel){.is_used = true, .alert = alert, .rule = rule, .body = *body};
        atomic_fetch_add(&d->waiting, 1);
        return STATUS_OK;
    }
    buf_deinit(body);
    return error_set(err, STATUS_TOO_LARGE, "%d webhooks wait already", DELIVER_MAX_WAITING);
}

uint64_t deliver_pause_ns(uint64_t tries)
{
    return tries == 0 ? 0 : 1000000000ULL << (2 * (tries - 1));
}

/* ---- one try ---- */

static void give_up(struct deliver *d, struct parcel *p, const char *words)
{
    atomic_fetch_add(&d->failed, 1);
    log_warn("webhook of alert %llu not delivered: %s", (unsigned long long)p->alert, words);
    d->owner.told(d->owner.ctx, p->alert, ALERT_FAILED, p->tries, words);
    free_parcel(d, p);
}

static void send_parcel(struct deliver *d, struct parcel *p)
{
    char *url = NULL;
    char *secret = NULL;
    struct error err = {0};
    if (!d->owner.find(d->owner.ctx, p->rule, &url, &secret)) {
        give_up(d, p, "the rule was removed");
        return;
    }
    p->tries++;
    enum status st = webhook_prepare(&p->webhook, d->policy, url, secret, p->alert, &p->body, &err);
    if (st == STATUS_OK && curl_multi_add_handle(d->multi, p->webhook.curl) != CURLM_OK) {
        webhook_drop(&p->webhook);
        st = error_set(&err, STATUS_NO_MEMORY, "no memory for a webhook");
    }
    free(url);
    free(secret);
    if (st != STATUS_OK) {
        give_up(d, p, err.text);
        return;
    }
    p->is_sent = true;
    d->sent++;
}

static void finish(struct deliver *d, struct parcel *p, CURLcode code)
{
    char words[200];
    bool is_final;
    bool is_taken = webhook_judge(&p->webhook, code, &is_final, words);
    end_sending(d, p);
    if (is_taken) {
        atomic_fetch_add(&d->delivered, 1);
        d->owner.told(d->owner.ctx, p->alert, ALERT_DELIVERED, p->tries, words);
        free_parcel(d, p);
    } else if (is_final || p->tries >= DELIVER_TRIES) {
        give_up(d, p, words);
    } else {
        atomic_fetch_add(&d->retries, 1);
        p->due_ns = clock_monotonic_ns() + deliver_pause_ns(p->tries);
        d->owner.told(d->owner.ctx, p->alert, ALERT_WAITING, p->tries, words);
    }
}

/* ---- all of them ---- */

/* Milliseconds until the next one is due, at most `most`. */
static int send_due(struct deliver *d, int most)
{
    uint64_t now = clock_monotonic_ns();
    for (size_t i = 0; i < DELIVER_MAX_WAITING; i++) {
        struct parcel *p = &d->parcels[i];
        if (!p->is_used || p->is_sent)
            continue;
        if (p->due_ns > now) {
            uint64_t left = (p->due_ns - now) / 1000000 + 1;
            most = left < (uint64_t)most ? (int)left : most;
        } else if (d->sent < DELIVER_AT_ONCE) {
            send_parcel(d, p);
        }
    }
    return most;
}

static struct parcel *parcel_of(struct deliver *d, const CURL *curl)
{
    for (size_t i = 0; i < DELIVER_MAX_WAITING; i++) {
        if (d->parcels[i].is_sent && d->parcels[i].webhook.curl == curl)
            return &d->parcels[i];
    }
    return NULL;
}

void deliver_step(struct deliver *d, int timeout_ms)
{
    int running = 0;
    int left = 0;
    timeout_ms = send_due(d, timeout_ms);
    curl_multi_perform(d->multi, &running);
    for (CURLMsg *m; (m = curl_multi_info_read(d->multi, &left));) {
        struct parcel *p = m->msg == CURLMSG_DONE ? parcel_of(d, m->easy_handle) : NULL;
        if (p) {
            finish(d, p, m->data.result);
            timeout_ms = 0; /* its place may be wanted */
        }
    }
    curl_multi_poll(d->multi, NULL, 0, timeout_ms, NULL);
}

void deliver_wake(struct deliver *d)
{
    curl_multi_wakeup(d->multi);
}

void deliver_stats(const struct deliver *d, struct deliver_stats *out)
{
    *out = (struct deliver_stats){atomic_load(&d->delivered), atomic_load(&d->failed),
                                  atomic_load(&d->retries), atomic_load(&d->waiting)};
}
