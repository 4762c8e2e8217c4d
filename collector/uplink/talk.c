#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "collector/uplink/inside.h"
#include "common/base/arena.h"
#include "common/base/clock.h"
#include "common/base/log.h"

static const uint64_t heartbeat_ns = 1000000000;

bool talk_is_given_up(struct uplink *u)
{
    pthread_mutex_lock(&u->lock);
    bool refused = u->state.is_refused;
    pthread_mutex_unlock(&u->lock);
    return refused;
}

void talk_give_up(struct uplink *u, enum status st, const char *words)
{
    pthread_mutex_lock(&u->lock);
    if (!u->state.is_refused) {
        u->state.is_refused = true;
        u->state.is_connected = false;
        error_set(&u->state.refusal, st, "%s", words);
        u->state.dropped_batches += u->outbox.len;
    }
    pthread_cond_broadcast(&u->changed);
    pthread_mutex_unlock(&u->lock);
    outbox_drop(&u->outbox, UINT64_MAX);
    link_drop(u->link, false);
}

static enum status status_of_code(struct wire_bytes code)
{
    for (int st = STATUS_NO_MEMORY; st <= STATUS_CHECK; st++) {
        const char *name = status_name((enum status)st);
        if (strlen(name) == code.len && memcmp(name, code.data, code.len) == 0)
            return (enum status)st;
    }
    return STATUS_DENIED;
}

/* ---- what the server says ---- */

/* The address goes to terminals and browsers: nothing but printable ASCII. */
static void set_url(struct uplink *u, struct wire_bytes url)
{
    if (atomic_load(&u->has_url) || url.len == 0 || url.len >= sizeof(u->url))
        return;
    for (size_t i = 0; i < url.len; i++) {
        if (!isgraph((unsigned char)url.data[i]))
            return;
    }
    memcpy(u->url, url.data, url.len);
    atomic_store(&u->has_url, true);
}

/* Once for each time it begins and ends, however often it is tried meanwhile. */
static void tell_waiting(struct uplink *u, const char *why)
{
    if (!u->has_told)
        log_warn("the server takes nothing just now (%s); the profile is kept and sent later", why);
    u->has_told = true;
}

static void tell_going_on(struct uplink *u)
{
    if (u->has_told)
        log_info("the server takes the profile again");
    u->has_told = false;
}

static void on_acked(struct uplink *u, uint64_t seq)
{
    if (u->is_bye_sent) { /* sent only when every batch was acknowledged: this one is for it */
        u->is_done = true;
        return;
    }
    outbox_drop(&u->outbox, seq);
    tell_going_on(u);
    pthread_mutex_lock(&u->lock);
    if (seq > u->state.acked_seq && seq <= u->state.taken_seq)
        u->state.acked_seq = seq;
    pthread_mutex_unlock(&u->lock);
}

static void on_welcome(struct uplink *u, const struct wire_welcome *welcome)
{
    uint64_t first = outbox_first_seq(&u->outbox);
    pthread_mutex_lock(&u->lock);
    uint64_t taken = u->state.taken_seq;
    pthread_mutex_unlock(&u->lock);
    uint64_t oldest = first ? first : taken + 1;
    if (welcome->next_seq > taken + 1) {
        talk_give_up(u, STATUS_EXISTS, "the server has another session of the same id");
        return;
    }
    if (welcome->next_seq < oldest) {
        talk_give_up(u, STATUS_GONE, "the server has lost batches that it had acknowledged");
        return;
    }
    set_url(u, welcome->url);
    u->is_current = true;
    u->next_seq = welcome->next_seq;
    outbox_drop(&u->outbox, welcome->next_seq - 1);
    link_proved_good(u->link);
    pthread_mutex_lock(&u->lock);
    u->state.reconnects += u->is_welcomed;
    u->is_welcomed = true;
    u->state.is_connected = true;
    if (welcome->next_seq - 1 > u->state.acked_seq)
        u->state.acked_seq = welcome->next_seq - 1;
    pthread_cond_broadcast(&u->changed);
    pthread_mutex_unlock(&u->lock);
}

static void on_refused(struct uplink *u, const struct wire_refused *refused)
{
    enum status st = status_of_code(refused->code);
    char words[400];
    snprintf(words, sizeof(words), "%.*s",
             (int)(refused->message.len < 399 ? refused->message.len : 399), refused->message.data);
    /* The answer to the bye was lost, the bye was not. */
    if (st == STATUS_EXISTS && u->is_bye_ever_sent) {
        u->is_done = true;
        return;
    }
    if (refused->is_final) {
        talk_give_up(u, st, words);
        return;
    }
    pthread_mutex_lock(&u->lock);
    error_set(&u->last_loss, st, "the server says: %s", words);
    pthread_mutex_unlock(&u->lock);
    tell_waiting(u, words);
    link_drop(u->link, true);
}

void talk_on_message(void *ctx, const uint8_t *data, size_t len)
{
    struct uplink *u = ctx;
    struct wire_to_collector message;
    struct error err;
    struct arena *arena = arena_new();
    u->last_heard_ns = clock_monotonic_ns();
    if (!arena || wire_decode_to_collector(&message, data, len, arena, &err) != STATUS_OK) {
        link_drop(u->link, true);
        arena_free(arena);
        return;
    }
    switch (message.kind) {
    case WIRE_WELCOME:
        on_welcome(u, &message.welcome);
        break;
    case WIRE_ACK:
        on_acked(u, message.ack_seq);
        break;
    case WIRE_REFUSED:
        on_refused(u, &message.refused);
        break;
    case WIRE_CONTROL:
        if (u->options.on_control)
            u->options.on_control(u->options.ctx, &message.control);
        break;
    }
    arena_free(arena);
    link_want_write(u->link);
}

void talk_on_open(void *ctx)
{
    struct uplink *u = ctx;
    u->is_hello_sent = u->is_current = u->is_bye_sent = false;
    u->last_heard_ns = clock_monotonic_ns();
}

void talk_on_down(void *ctx, enum status why, const char *text)
{
    struct uplink *u = ctx;
    u->is_hello_sent = u->is_current = u->is_bye_sent = false;
    pthread_mutex_lock(&u->lock);
    bool has_words = u->state.is_connected == false && u->last_loss.text[0] != '\0' &&
                     why == STATUS_UNREACHABLE && u->is_welcomed;
    u->state.is_connected = false;
    if (!has_words)
        error_set(&u->last_loss, why, "%s", text);
    pthread_mutex_unlock(&u->lock);
    if (why == STATUS_DENIED)
        talk_give_up(u, why, text);
}

/* ---- what is said to the server ---- */

static bool put_encoded(struct uplink *u, struct buf *out, enum status st)
{
    if (st != STATUS_OK) {
        talk_give_up(u, st, "a message cannot be written");
        return false;
    }
    u->last_said_ns = clock_monotonic_ns();
    pthread_mutex_lock(&u->lock);
    u->state.bytes_sent += out->len;
    pthread_mutex_unlock(&u->lock);
    return true;
}

static bool is_batch_waiting(const struct uplink *u)
{
    uint64_t first = outbox_first_seq(&u->outbox);
    return first && u->next_seq < first + u->outbox.len;
}

static bool put_batch(struct uplink *u, struct buf *out)
{
    struct error err;
    enum status st = outbox_read(&u->outbox, u->next_seq, out, &err);
    if (st != STATUS_OK) {
        talk_give_up(u, st, err.text);
        return false;
    }
    pthread_mutex_lock(&u->lock);
    if (u->next_seq > u->state.sent_seq)
        u->state.sent_seq = u->next_seq;
    pthread_mutex_unlock(&u->lock);
    u->next_seq++;
    return put_encoded(u, out, STATUS_OK);
}

/* A batch that the server has: it answers with an ack, so that both sides know of each other, and
 * with what people want from the collector. */
static bool put_heartbeat(struct uplink *u, struct buf *out)
{
    pthread_mutex_lock(&u->lock);
    struct wire_batch batch = {.seq = u->state.acked_seq};
    pthread_mutex_unlock(&u->lock);
    return put_encoded(u, out, wire_encode_batch(out, &batch));
}

bool talk_next_message(void *ctx, struct buf *out)
{
    struct uplink *u = ctx;
    if (!u->is_hello_sent) {
        u->is_hello_sent = true;
        return put_encoded(u, out, wire_encode_hello(out, &u->options.hello));
    }
    if (!u->is_current || u->is_bye_sent)
        return false;
    if (is_batch_waiting(u))
        return put_batch(u, out);
    if (u->is_all_taken && u->outbox.len == 0) {
        struct wire_bye none = {0};
        struct wire_bye bye = u->bye ? *u->bye : none;
        bye.last_seq = u->next_seq - 1;
        u->is_bye_sent = u->is_bye_ever_sent = true;
        return put_encoded(u, out, wire_encode_bye(out, &bye));
    }
    if (clock_monotonic_ns() - u->last_said_ns >= heartbeat_ns)
        return put_heartbeat(u, out);
    return false;
}

bool talk_has_something_to_say(const struct uplink *u, uint64_t now_ns)
{
    return u->is_current &&
           (is_batch_waiting(u) || u->is_all_taken || now_ns - u->last_said_ns >= heartbeat_ns);
}
