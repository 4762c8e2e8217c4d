#include "backend/alerts/alerts.h"

#include <curl/curl.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/alerts/deliver.h"
#include "backend/alerts/watch.h"
#include "backend/alerts/webhook.h"
#include "common/base/clock.h"
#include "common/base/log.h"

enum {
    MAX_FOUND = 1000,    /* found and not stored yet: a disk may stand still */
    STEP_MS = 1000,      /* between two looks at what came in, when nobody wakes the thread */
    FORGET_AFTER_S = 600 /* a session that sends nothing */
};

struct found {
    struct found *next;
    struct library_alert *alert;
};

struct alerts {
    struct library *library;
    char *base_url;
    struct webhook_policy policy;
    struct deliver *deliver;
    pthread_t thread;
    bool has_thread;
    atomic_bool is_stopping;
    atomic_uint_fast64_t fired, fired_dropped, undelivered;

    pthread_mutex_t lock; /* the rest */
    struct watch *watch;
    struct found *first, **last;
    size_t found_len;
};

/* ---- what batches bring ---- */

/* Under the lock, with a profile locked: only a pointer is kept. */
static void take_found(void *ctx, struct library_alert *alert)
{
    struct alerts *a = ctx;
    struct found *found = a->found_len < MAX_FOUND ? malloc(sizeof(*found)) : NULL;
    if (!found) {
        atomic_fetch_add(&a->fired_dropped, 1);
        library_alerts_free(alert, 1);
        return;
    }
    *found = (struct found){.alert = alert};
    *a->last = found;
    a->last = &found->next;
    a->found_len++;
}

static void see_batch(void *ctx, const char *id, const struct profile *p,
                      const struct wire_batch *batch)
{
    struct alerts *a = ctx;
    pthread_mutex_lock(&a->lock);
    size_t before = a->found_len;
    watch_batch(a->watch, id, p, batch, take_found, a);
    bool has_news = a->found_len > before;
    pthread_mutex_unlock(&a->lock);
    if (has_news)
        deliver_wake(a->deliver);
}

static struct found *take_all_found(struct alerts *a)
{
    pthread_mutex_lock(&a->lock);
    struct found *found = a->first;
    a->first = NULL;
    a->last = &a->first;
    a->found_len = 0;
    pthread_mutex_unlock(&a->lock);
    return found;
}

/* ---- storing and telling ---- */

static void write_down(struct alerts *a, uint64_t alert, enum alert_delivery delivery,
                       uint64_t tries, const char *words)
{
    struct error err;
    if (library_alert_told(a->library, alert, delivery, tries, words, &err) != STATUS_OK)
        log_warn("alert %llu: %s", (unsigned long long)alert, err.text);
}

static void told(void *ctx, uint64_t alert, enum alert_delivery delivery, uint64_t tries,
                 const char *words)
{
    write_down(ctx, alert, delivery, tries, words);
}

static bool find_address(void *ctx, uint64_t rule, char **url, char **secret)
{
    struct alerts *a = ctx;
    pthread_mutex_lock(&a->lock);
    const struct library_rule *found = watch_find_rule(a->watch, rule);
    *url = found ? strdup(found->url) : NULL;
    *secret = found ? strdup(found->secret) : NULL;
    pthread_mutex_unlock(&a->lock);
    if (*url && *secret)
        return true;
    free(*url);
    free(*secret);
    return false;
}

static void send_alert(struct alerts *a, const struct library_alert *alert)
{
    struct buf body;
    struct error err = {0};
    buf_init(&body, 0);
    enum status st = webhook_write(&body, "alert", a->base_url, alert);
    if (st != STATUS_OK)
        buf_deinit(&body);
    else
        st = deliver_add(a->deliver, alert->number, alert->rule, &body, &err);
    if (st == STATUS_OK)
        return;
    atomic_fetch_add(&a->undelivered, 1);
    write_down(a, alert->number, ALERT_FAILED, 0, *err.text ? err.text : "no memory");
}

static void store_found(struct alerts *a, struct found *found)
{
    while (found) {
        struct found *next = found->next;
        struct library_alert *alert = found->alert;
        struct error err;
        if (library_alert_add(a->library, alert, &err) == STATUS_OK) {
            atomic_fetch_add(&a->fired, 1);
            log_info("alert \"%s\": %s", alert->rule_name, alert->text);
            if (alert->delivery == ALERT_WAITING)
                send_alert(a, alert);
        } else {
            atomic_fetch_add(&a->fired_dropped, 1);
            log_warn("an alert was not stored: %s", err.text);
        }
        library_alerts_free(alert, 1);
        free(found);
        found = next;
    }
}

static void *run(void *arg)
{
    struct alerts *a = arg;
    while (!atomic_load(&a->is_stopping)) {
        store_found(a, take_all_found(a));
        deliver_step(a->deliver, STEP_MS);
        uint64_t now = clock_monotonic_ns();
        pthread_mutex_lock(&a->lock);
        if (now > FORGET_AFTER_S * 1000000000ULL)
            watch_forget(a->watch, now - FORGET_AFTER_S * 1000000000ULL);
        pthread_mutex_unlock(&a->lock);
    }
    store_found(a, take_all_found(a));
    return NULL;
}

/* ---- start and end ---- */

static enum status load_rules(struct alerts *a, struct error *err)
{
    struct library_rule *rules = NULL;
    size_t len = 0;
    enum status st = library_rule_list(a->library, &rules, &len, err);
    if (st != STATUS_OK)
        return st;
    pthread_mutex_lock(&a->lock);
    watch_set_rules(a->watch, rules, len);
    pthread_mutex_unlock(&a->lock);
    return STATUS_OK;
}

/* What an earlier server found is not found again, and what it did not get to tell is told. */
static enum status go_on(struct alerts *a, struct error *err)
{
    struct library_alert *alerts = NULL;
    size_t len = 0;
    enum status st = library_alert_list(a->library, NULL, 1000, &alerts, &len, err);
    for (size_t i = len; st == STATUS_OK && i-- > 0;) {
        if (!watch_remember(a->watch, alerts[i].rule, alerts[i].profile))
            st = error_set(err, STATUS_NO_MEMORY, "no memory for alerts");
        else if (alerts[i].delivery == ALERT_WAITING)
            send_alert(a, &alerts[i]);
    }
    library_alerts_free(alerts, len);
    return st;
}

static enum status copy_options(struct alerts *a, const struct alerts_options *o)
{
    a->base_url = strdup(o->base_url);
    a->policy.may_go_inside = o->may_go_inside;
    a->policy.hosts = calloc(o->hosts_len + 1, sizeof(*a->policy.hosts));
    if (!a->base_url || !a->policy.hosts)
        return STATUS_NO_MEMORY;
    for (size_t i = 0; i < o->hosts_len; i++) {
        a->policy.hosts[i] = strdup(o->hosts[i]);
        if (!a->policy.hosts[i])
            return STATUS_NO_MEMORY;
        a->policy.hosts_len++;
    }
    return STATUS_OK;
}

static void free_all(struct alerts *a)
{
    deliver_free(a->deliver);
    watch_free(a->watch);
    for (size_t i = 0; i < a->policy.hosts_len; i++)
        free(a->policy.hosts[i]);
    free(a->policy.hosts);
    free(a->base_url);
    pthread_mutex_destroy(&a->lock);
    free(a);
    curl_global_cleanup();
}

enum status alerts_new(struct alerts **out, struct library *library, struct error *err)
{
    struct alerts *a = calloc(1, sizeof(*a));
    if (!a || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        free(a);
        return error_set(err, STATUS_NO_MEMORY, "no memory for alerts");
    }
    pthread_mutex_init(&a->lock, NULL);
    a->library = library;
    a->last = &a->first;
    a->watch = watch_new();
    struct deliver_owner owner = {find_address, told, a};
    enum status st =
        a->watch ? STATUS_OK : error_set(err, STATUS_NO_MEMORY, "no memory for alerts");
    if (st == STATUS_OK)
        st = deliver_new(&a->deliver, &a->policy, &owner, err);
    if (st == STATUS_OK)
        st = load_rules(a, err);
    if (st != STATUS_OK) {
        free_all(a);
        return st;
    }
    struct library_observer observer = {see_batch, a};
    library_observe(library, &observer);
    *out = a;
    return STATUS_OK;
}

enum status alerts_begin(struct alerts *a, const struct alerts_options *options, struct error *err)
{
    enum status st = copy_options(a, options);
    if (st != STATUS_OK)
        return error_set(err, st, "no memory for alerts");
    st = go_on(a, err);
    if (st == STATUS_OK && pthread_create(&a->thread, NULL, run, a) != 0)
        return error_set(err, STATUS_NO_MEMORY, "no thread for alerts");
    a->has_thread = st == STATUS_OK;
    return st;
}

static void drop_found(struct alerts *a)
{
    for (struct found *found = take_all_found(a); found;) {
        struct found *next = found->next;
        library_alerts_free(found->alert, 1);
        free(found);
        found = next;
    }
}

void alerts_free(struct alerts *a)
{
    if (!a)
        return;
    library_observe(a->library, NULL);
    atomic_store(&a->is_stopping, true);
    deliver_wake(a->deliver);
    if (a->has_thread)
        pthread_join(a->thread, NULL);
    drop_found(a);
    free_all(a);
}

/* ---- rules ---- */

static enum status check_rule(const struct alerts *a, const struct library_rule *rule,
                              struct error *err)
{
    bool is_share = rule->kind == RULE_SHARE;
    if (!*rule->name)
        return error_set(err, STATUS_INVALID, "a rule has a name");
    if (!isfinite(rule->bound) || rule->bound <= 0 || rule->bound > 1e15)
        return error_set(err, STATUS_INVALID, "a rule's bound is a number above 0");
    if (is_share && rule->bound >= 1)
        return error_set(err, STATUS_INVALID, "a share's bound lies between 0 and 1");
    if (rule->kind != RULE_RSS && !(rule->window_s >= 1 && rule->window_s <= 86400))
        return error_set(err, STATUS_INVALID, "a rule's window_s lies between 1 and 86400");
    if (*rule->function && !is_share)
        return error_set(err, STATUS_INVALID, "only a rule of kind share has a function");
    if (*rule->secret && !*rule->url)
        return error_set(err, STATUS_INVALID, "a secret signs a webhook, and there is none");
    return *rule->url ? webhook_check_url(&a->policy, rule->url, err) : STATUS_OK;
}

enum status alerts_add_rule(struct alerts *a, struct library_rule *rule, struct error *err)
{
    enum status st = check_rule(a, rule, err);
    if (st == STATUS_OK)
        st = library_rule_add(a->library, rule, err);
    return st == STATUS_OK ? load_rules(a, err) : st;
}

enum status alerts_remove_rule(struct alerts *a, uint64_t number, struct error *err)
{
    enum status st = library_rule_remove(a->library, number, err);
    return st == STATUS_OK ? load_rules(a, err) : st;
}

/* ---- a test ---- */

static enum status write_test(struct alerts *a, uint64_t number, struct buf *body, char **url,
                              char **secret, struct error *err)
{
    enum status st = STATUS_OK;
    static char no_text[] = "";
    char text[300];
    *url = *secret = NULL;
    pthread_mutex_lock(&a->lock);
    const struct library_rule *rule = watch_find_rule(a->watch, number);
    if (!rule) {
        st = error_set(err, STATUS_NOT_FOUND, "there is no rule %llu", (unsigned long long)number);
    } else if (!*rule->url) {
        st = error_set(err, STATUS_INVALID, "this rule has no webhook to test");
    } else {
        snprintf(text, sizeof(text), "Test of the rule \"%.200s\": alerts arrive here", rule->name);
        struct library_alert test = {.rule = number,
                                     .kind = rule->kind,
                                     .rule_name = rule->name,
                                     .profile_name = no_text,
                                     .function = rule->function,
                                     .text = text,
                                     .bound = rule->bound,
                                     .created_unix_ms = clock_unix_ns() / 1000000};
        *url = strdup(rule->url);
        *secret = strdup(rule->secret);
        st = webhook_write(body, "test", a->base_url, &test);
        if (st != STATUS_OK || !*url || !*secret)
            st = error_set(err, STATUS_NO_MEMORY, "no memory for a webhook");
    }
    pthread_mutex_unlock(&a->lock);
    return st;
}

enum status alerts_test_rule(struct alerts *a, uint64_t number, char answer[200], struct error *err)
{
    struct buf body;
    struct webhook webhook = {0};
    char *url;
    char *secret;
    bool is_final;
    buf_init(&body, 0);
    enum status st = write_test(a, number, &body, &url, &secret, err);
    if (st == STATUS_OK)
        st = webhook_prepare(&webhook, &a->policy, url, secret, 0, &body, err);
    if (st == STATUS_OK) {
        CURLcode code = curl_easy_perform(webhook.curl);
        if (!webhook_judge(&webhook, code, &is_final, answer))
            st = error_set(err, STATUS_UNREACHABLE, "%s", answer);
        webhook_drop(&webhook);
    }
    free(url);
    free(secret);
    buf_deinit(&body);
    return st;
}

void alerts_stats(struct alerts *a, struct alerts_stats *out)
{
    struct deliver_stats d;
    deliver_stats(a->deliver, &d);
    pthread_mutex_lock(&a->lock);
    *out = (struct alerts_stats){
        .rules = watch_rules(a->watch),
        .watched = watch_sessions(a->watch),
        .fired = atomic_load(&a->fired),
        .fired_dropped = atomic_load(&a->fired_dropped),
        .delivered = d.delivered,
        .failed = d.failed,
        .retries = d.retries,
        .waiting = d.waiting,
        .undelivered = atomic_load(&a->undelivered),
    };
    pthread_mutex_unlock(&a->lock);
}
