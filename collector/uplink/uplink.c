#include "collector/uplink/uplink.h"

#include <ctype.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/uplink/inside.h"
#include "common/base/clock.h"

enum { DEFAULT_MEMORY = 32 << 20 };
static const uint64_t default_spool = (uint64_t)1 << 30;
static const uint64_t default_interval_ns = 250000000;
static const uint64_t default_welcome_ns = 10000000000;
static const uint64_t silence_ns = 60000000000;

/* ---- from the stream ---- */

static void save_message(struct uplink *u, const uint8_t *message, size_t len)
{
    struct error err;
    if (!u->has_save || save_put(&u->save, message, len, &err) == STATUS_OK)
        return;
    (void)save_close(&u->save, NULL, NULL);
    u->has_save = false;
    pthread_mutex_lock(&u->lock);
    u->state.is_save_failed = true;
    u->state.save_failure = err;
    pthread_mutex_unlock(&u->lock);
}

static enum status put_message(void *ctx, uint64_t seq, const uint8_t *message, size_t len)
{
    struct uplink *u = ctx;
    struct error err;
    bool is_wanted = u->link && !talk_is_given_up(u);
    enum status st = is_wanted ? outbox_add(&u->outbox, seq, message, len, &err) : STATUS_OK;
    if (st != STATUS_OK && !u->has_save)
        return st; /* it stays in the stream */
    if (st != STATUS_OK)
        talk_give_up(u, st,
                     "the server was away for longer than the spool lasts; the file goes on");
    save_message(u, message, len);
    pthread_mutex_lock(&u->lock);
    u->state.taken_seq = seq;
    u->state.dropped_batches += u->link && (!is_wanted || st != STATUS_OK);
    pthread_mutex_unlock(&u->lock);
    return STATUS_OK;
}

/* False when something had to stay in the stream. */
static bool take(struct uplink *u)
{
    bool was_failing = u->state.is_save_failed; /* only this thread sets it */
    enum status st = stream_take(u->stream, put_message, u, NULL);
    if (u->state.is_save_failed && !was_failing) {
        stream_lock(u->stream);
        stream_notice(u->stream, 1, "save_failed", u->state.save_failure.text);
        stream_unlock(u->stream);
    }
    return st == STATUS_OK;
}

/* ---- the thread ---- */

static bool is_closing(struct uplink *u, uint64_t *deadline_ns)
{
    pthread_mutex_lock(&u->lock);
    bool closing = u->is_closing;
    *deadline_ns = u->close_deadline_ns;
    pthread_mutex_unlock(&u->lock);
    return closing;
}

static void wait_until(struct uplink *u, uint64_t until_ns)
{
    struct timespec ts = {.tv_sec = (time_t)(until_ns / 1000000000),
                          .tv_nsec = (long)(until_ns % 1000000000)};
    pthread_mutex_lock(&u->lock);
    if (!u->is_closing)
        pthread_cond_timedwait(&u->changed, &u->lock, &ts);
    pthread_mutex_unlock(&u->lock);
}

static void serve_link(struct uplink *u, uint64_t until_ns)
{
    uint64_t now = clock_monotonic_ns();
    if (talk_has_something_to_say(u, now))
        link_want_write(u->link);
    if (u->is_current && now - u->last_heard_ns >= silence_ns) {
        u->last_heard_ns = now;
        link_drop(u->link, true);
    }
    link_service(u->link, until_ns);
}

static void *run(void *arg)
{
    struct uplink *u = arg;
    uint64_t next_take_ns = clock_monotonic_ns() + u->options.interval_ns;
    for (;;) {
        uint64_t deadline_ns = 0;
        bool closing = is_closing(u, &deadline_ns);
        uint64_t now = clock_monotonic_ns();
        if ((closing && !u->is_all_taken) || now >= next_take_ns) {
            u->is_all_taken = take(u) && closing;
            next_take_ns = now + u->options.interval_ns;
        }
        bool has_server = u->link && !talk_is_given_up(u);
        if (closing && (u->is_done || !has_server || now >= deadline_ns))
            return NULL;
        uint64_t until_ns = closing && deadline_ns < next_take_ns ? deadline_ns : next_take_ns;
        if (has_server)
            serve_link(u, until_ns);
        else
            wait_until(u, next_take_ns);
    }
}

/* ---- opening and closing ---- */

/* Signals are for the program's main thread. */
static enum status start_thread(struct uplink *u, struct error *err)
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&u->thread, NULL, run, u);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0)
        return error_set(err, STATUS_NO_MEMORY, "no thread for the uplink");
    u->has_thread = true;
    return STATUS_OK;
}

static enum status open_link(struct uplink *u, struct error *err)
{
    struct url url;
    char token[256] = "";
    struct wire_bytes given = u->options.hello.token;
    struct link_events events = {.on_open = talk_on_open,
                                 .on_down = talk_on_down,
                                 .next_message = talk_next_message,
                                 .on_message = talk_on_message,
                                 .ctx = u};
    enum status st = url_parse(&url, u->options.server_url, err);
    if (st != STATUS_OK)
        return st;
    if (given.len >= sizeof(token))
        return error_set(err, STATUS_USAGE, "the token is too long");
    for (size_t i = 0; i < given.len; i++) {
        if (!isgraph((unsigned char)given.data[i]))
            return error_set(err, STATUS_USAGE, "the token has characters that no token has");
        token[i] = given.data[i];
    }
    return link_open(&u->link, &url, token, u->options.welcome_ns, &events, err);
}

static enum status wait_for_welcome(struct uplink *u, int wait_ms, struct error *err)
{
    uint64_t until = clock_monotonic_ns() + (uint64_t)wait_ms * 1000000;
    struct timespec ts = {.tv_sec = (time_t)(until / 1000000000),
                          .tv_nsec = (long)(until % 1000000000)};
    enum status st = STATUS_OK;
    int rc = 0;
    pthread_mutex_lock(&u->lock);
    while (rc == 0 && !u->is_welcomed && !u->state.is_refused)
        rc = pthread_cond_timedwait(&u->changed, &u->lock, &ts);
    if (u->state.is_refused)
        st = error_set(err, u->state.refusal.status, "%s refuses: %s", u->options.server_url,
                       u->state.refusal.text);
    else if (!u->is_welcomed)
        st = error_set(err, STATUS_UNREACHABLE, "no server answers at %s (%s)",
                       u->options.server_url,
                       u->last_loss.text[0] ? u->last_loss.text : "it takes too long");
    pthread_mutex_unlock(&u->lock);
    return st;
}

static void stop_thread(struct uplink *u, const struct wire_bye *bye, int wait_ms)
{
    if (!u->has_thread)
        return;
    pthread_mutex_lock(&u->lock);
    u->is_closing = true;
    u->bye = bye;
    u->close_deadline_ns = clock_monotonic_ns() + (uint64_t)(wait_ms > 0 ? wait_ms : 0) * 1000000;
    pthread_cond_broadcast(&u->changed);
    pthread_mutex_unlock(&u->lock);
    if (u->link)
        link_wake(u->link);
    pthread_join(u->thread, NULL);
    u->has_thread = false;
}

static void uplink_free(struct uplink *u)
{
    link_close(u->link);
    outbox_deinit(&u->outbox);
    if (u->has_save)
        (void)save_close(&u->save, NULL, NULL);
    pthread_cond_destroy(&u->changed);
    pthread_mutex_destroy(&u->lock);
    free(u);
}

static void init(struct uplink *u, struct stream *stream, const struct uplink_options *options)
{
    u->stream = stream;
    u->options = *options;
    u->next_seq = 1;
    if (u->options.memory_bytes == 0)
        u->options.memory_bytes = DEFAULT_MEMORY;
    if (u->options.spool_bytes == 0)
        u->options.spool_bytes = default_spool;
    if (u->options.welcome_ns == 0)
        u->options.welcome_ns = default_welcome_ns;
    if (u->options.interval_ns == 0)
        u->options.interval_ns = default_interval_ns;
    outbox_init(&u->outbox, u->options.memory_bytes, u->options.spool_bytes, options->spool_dir);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&u->lock, NULL);
    pthread_cond_init(&u->changed, &attributes);
    pthread_condattr_destroy(&attributes);
}

enum status uplink_open(struct uplink **out, struct stream *stream,
                        const struct uplink_options *options, int wait_ms, struct error *err)
{
    struct uplink *u = calloc(1, sizeof(*u));
    if (!u)
        return error_set(err, STATUS_NO_MEMORY, "no memory for the uplink");
    init(u, stream, options);
    enum status st = STATUS_OK;
    if (options->save_path) {
        st = save_open(&u->save, options->save_path, &options->hello, err);
        u->has_save = st == STATUS_OK;
    }
    if (st == STATUS_OK && options->server_url)
        st = open_link(u, err);
    if (st == STATUS_OK)
        st = start_thread(u, err);
    if (st == STATUS_OK && options->server_url && wait_ms > 0)
        st = wait_for_welcome(u, wait_ms, err);
    if (st != STATUS_OK) {
        stop_thread(u, NULL, 0);
        uplink_free(u);
        return st;
    }
    *out = u;
    return STATUS_OK;
}

const char *uplink_url(const struct uplink *u)
{
    return atomic_load(&u->has_url) ? u->url : "";
}

void uplink_state(struct uplink *u, struct uplink_state *out)
{
    pthread_mutex_lock(&u->lock);
    *out = u->state;
    pthread_mutex_unlock(&u->lock);
}

enum status uplink_close(struct uplink *u, const struct wire_bye *bye, int wait_ms,
                         struct error *err)
{
    if (!u)
        return STATUS_OK;
    stop_thread(u, bye, wait_ms);
    enum status st = STATUS_OK;
    if (u->has_save) {
        struct wire_bye none = {0};
        struct wire_bye last = bye ? *bye : none;
        last.last_seq = u->state.taken_seq;
        u->has_save = false;
        st = save_close(&u->save, &last, err);
    }
    if (st == STATUS_OK && u->state.is_save_failed)
        st = error_set(err, STATUS_IO, "%s", u->state.save_failure.text);
    if (st == STATUS_OK && u->state.is_refused)
        st = error_set(err, u->state.refusal.status, "the server refused the session: %s",
                       u->state.refusal.text);
    else if (st == STATUS_OK && u->link && !u->is_done)
        st = error_set(err, STATUS_UNREACHABLE,
                       "%zu batches have not been acknowledged by the server (%s)", u->outbox.len,
                       u->last_loss.text[0] ? u->last_loss.text : "it takes too long");
    uplink_free(u);
    return st;
}
