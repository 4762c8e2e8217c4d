#include "collector/uplink/link.h"

#include <libwebsockets.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/base/clock.h"
#include "common/wire/wire.h"

enum {
    FIRST_BACKOFF_MS = 100,
    LAST_BACKOFF_MS = 10000,
    MAX_REPLY = 1 << 20, /* what a server has to say is short */
    OUR_FDS = 8,         /* one connection and libwebsockets' own */
};

struct link {
    struct lws_context *context;
    struct lws *wsi; /* NULL = no connection, nor one being made */
    struct url url;
    char host_header[URL_HOST_MAX + 16];
    char path[URL_PATH_MAX + 32];
    char authorization[512];
    struct link_events events;
    bool is_trying; /* a connection is up or being made: its end is to be told once */
    bool is_closing;
    bool is_open;     /* the upgrade is done */
    bool is_dropping; /* to be closed at the next chance */
    bool is_over;     /* no more connections */
    bool is_proven;   /* link_proved_good was called for this connection */
    uint32_t backoff_ms;
    uint64_t next_try_ns;
    uint64_t prove_ns;       /* what a connection may take to prove good */
    uint64_t prove_until_ns; /* of this one */
    struct buf out;          /* LWS_PRE bytes, then the message */
    struct buf in;
    lws_sorted_usec_list_t timer;
};

static int callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                    size_t len);

static const struct lws_protocols protocols[] = {
    {.name = "heliograph", .callback = callback, .rx_buffer_size = 64 * 1024},
    {.name = NULL},
};

/* Between half and all of the backoff, so that many collectors of one dead server spread out. */
static uint64_t jittered_ns(uint32_t ms)
{
    uint32_t random = 0;
    if (getrandom(&random, sizeof(random), GRND_NONBLOCK) != (ssize_t)sizeof(random))
        random = (uint32_t)clock_monotonic_ns();
    return ((uint64_t)ms / 2 + random % (ms / 2 + 1)) * 1000000;
}

static void went_down(struct link *l, enum status why, const char *text)
{
    if (l->is_closing)
        return; /* closing is no loss */
    if (!l->is_trying)
        return; /* said already */
    l->is_trying = false;
    l->wsi = NULL;
    l->is_open = false;
    l->is_dropping = false;
    buf_clear(&l->in);
    l->next_try_ns = clock_monotonic_ns() + jittered_ns(l->backoff_ms);
    l->backoff_ms = l->backoff_ms * 2 < LAST_BACKOFF_MS ? l->backoff_ms * 2 : LAST_BACKOFF_MS;
    l->events.on_down(l->events.ctx, why, text);
}

static void connection_failed(struct link *l, struct lws *wsi, const char *text)
{
    unsigned answer = lws_http_client_http_response(wsi);
    char words[200];
    if (answer == 401 || answer == 403) {
        snprintf(words, sizeof(words), "the server answers %u: it wants a token (--token)", answer);
        went_down(l, STATUS_DENIED, words);
        return;
    }
    if (answer >= 200)
        snprintf(words, sizeof(words), "the server answers %u instead of a connection", answer);
    else
        snprintf(words, sizeof(words), "%s", text ? text : "no connection");
    went_down(l, STATUS_UNREACHABLE, words);
}

static int send_next(struct link *l, struct lws *wsi)
{
    buf_clear(&l->out);
    uint8_t *room = buf_grow(&l->out, LWS_PRE);
    if (!room || !l->events.next_message(l->events.ctx, &l->out) ||
        buf_status(&l->out) != STATUS_OK)
        return 0;
    size_t len = l->out.len - LWS_PRE;
    /* What the socket does not take now libwebsockets keeps and sends before the next one. */
    if (lws_write(wsi, l->out.data + LWS_PRE, len, LWS_WRITE_BINARY) < (int)len)
        return -1;
    lws_callback_on_writable(wsi);
    return 0;
}

static int receive(struct link *l, struct lws *wsi, const void *data, size_t len)
{
    buf_put(&l->in, data, len);
    if (buf_status(&l->in) != STATUS_OK)
        return -1; /* more than any server of ours says */
    if (!lws_is_final_fragment(wsi) || lws_remaining_packet_payload(wsi))
        return 0;
    l->events.on_message(l->events.ctx, l->in.data, l->in.len);
    buf_clear(&l->in);
    return l->is_dropping ? -1 : 0;
}

static int add_header(struct link *l, struct lws *wsi, void *in, size_t len)
{
    unsigned char **at = in;
    if (l->authorization[0] == '\0')
        return 0;
    return lws_add_http_header_by_token(wsi, WSI_TOKEN_HTTP_AUTHORIZATION,
                                        (const unsigned char *)l->authorization,
                                        (int)strlen(l->authorization), at, *at + len);
}

static int callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                    size_t len)
{
    (void)user;
    struct link *l = lws_context_user(lws_get_context(wsi));
    switch (reason) {
    case LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER:
        return add_header(l, wsi, in, len);
    case LWS_CALLBACK_CLIENT_ESTABLISHED:
        l->is_open = true;
        l->events.on_open(l->events.ctx);
        lws_callback_on_writable(wsi);
        return 0;
    case LWS_CALLBACK_CLIENT_WRITEABLE:
        return l->is_dropping ? -1 : send_next(l, wsi);
    case LWS_CALLBACK_CLIENT_RECEIVE:
        return receive(l, wsi, in, len);
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
        connection_failed(l, wsi, in);
        return 0;
    case LWS_CALLBACK_CLIENT_CLOSED:
        went_down(l, STATUS_UNREACHABLE, "the connection was lost");
        return 0;
    case LWS_CALLBACK_WSI_DESTROY:
        /* The only word of a connection that a timeout ended before the server's answer (4.1). */
        if (wsi == l->wsi)
            went_down(l, STATUS_UNREACHABLE, "the server accepts a connection but does not answer");
        return 0;
    default:
        return 0;
    }
}

static void connect_now(struct link *l)
{
    struct lws_client_connect_info info = {
        .context = l->context,
        .address = l->url.host,
        .port = l->url.port,
        .path = l->path,
        .host = l->host_header,
        .local_protocol_name = protocols[0].name,
        .pwsi = &l->wsi,
    };
    l->is_trying = true;
    l->is_proven = false;
    l->prove_until_ns = clock_monotonic_ns() + l->prove_ns;
    /* On failure the callback has usually said so, and why. */
    if (!lws_client_connect_via_info(&info))
        went_down(l, STATUS_UNREACHABLE, "no connection");
}

enum status link_open(struct link **out, const struct url *url, const char *token,
                      uint64_t prove_ns, const struct link_events *events, struct error *err)
{
    struct link *l = calloc(1, sizeof(*l));
    if (!l)
        return error_set(err, STATUS_NO_MEMORY, "no memory for the connection");
    l->url = *url;
    l->prove_ns = prove_ns;
    l->events = *events;
    l->backoff_ms = FIRST_BACKOFF_MS;
    snprintf(l->host_header, sizeof(l->host_header), "%s:%d", url->host, url->port);
    snprintf(l->path, sizeof(l->path), "%s/api/v1/collect", url->base);
    if (token && token[0])
        snprintf(l->authorization, sizeof(l->authorization), "Bearer %s", token);
    buf_init(&l->out, LWS_PRE + (size_t)WIRE_MAX_MESSAGE);
    buf_init(&l->in, MAX_REPLY);

    lws_set_log_level(0, NULL); /* our own words are enough */
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN,
        .protocols = protocols,
        .fd_limit_per_thread = OUR_FDS,
        .options = LWS_SERVER_OPTION_SKIP_SERVER_CANONICAL_NAME,
        .user = l,
        .gid = -1,
        .uid = -1,
    };
    l->context = lws_create_context(&info);
    if (!l->context) {
        link_close(l);
        return error_set(err, STATUS_NO_MEMORY, "the connection to the server cannot be set up");
    }
    *out = l;
    return STATUS_OK;
}

void link_close(struct link *l)
{
    if (!l)
        return;
    if (l->context) {
        lws_sul_cancel(&l->timer);
        l->is_closing = true;
        lws_context_destroy(l->context);
    }
    buf_deinit(&l->out);
    buf_deinit(&l->in);
    free(l);
}

/* Its only purpose is that lws_service returns. A timer that is due when lws_service is called is
 * served before it polls, and then it would poll on without us: so the poll is woken, too. */
static void on_timer(lws_sorted_usec_list_t *timer)
{
    struct link *l = lws_container_of(timer, struct link, timer);
    lws_cancel_service(l->context);
}

/* A server that accepts and then says nothing, before the upgrade or after it. */
static uint64_t give_time_to_prove(struct link *l, uint64_t now, uint64_t until_ns)
{
    if (!l->wsi || l->is_proven || l->is_dropping)
        return until_ns;
    if (now >= l->prove_until_ns)
        link_drop(l, true);
    return l->prove_until_ns < until_ns ? l->prove_until_ns : until_ns;
}

void link_service(struct link *l, uint64_t until_ns)
{
    uint64_t now = clock_monotonic_ns();
    if (!l->wsi && !l->is_over) {
        if (now >= l->next_try_ns)
            connect_now(l);
        if (!l->wsi && l->next_try_ns < until_ns)
            until_ns = l->next_try_ns;
    }
    until_ns = give_time_to_prove(l, now, until_ns);
    /* It polls in whole milliseconds, rounded down, and would then spin through the rest of the
     * last one: so the timer is due just before the millisecond after the one wanted. */
    uint64_t wait_ms = until_ns > now ? (until_ns - now + 999999) / 1000000 : 0;
    uint64_t wait_us = wait_ms > 0 ? wait_ms * 1000 + 900 : 1;
    lws_sul_schedule(l->context, 0, &l->timer, on_timer, (lws_usec_t)wait_us);
    lws_service(l->context, 0);
}

void link_wake(struct link *l)
{
    lws_cancel_service(l->context);
}

void link_want_write(struct link *l)
{
    if (l->wsi && l->is_open)
        lws_callback_on_writable(l->wsi);
}

void link_proved_good(struct link *l)
{
    l->is_proven = true;
    l->backoff_ms = FIRST_BACKOFF_MS;
}

void link_drop(struct link *l, bool comes_back)
{
    l->is_over = !comes_back;
    if (!l->wsi)
        return;
    l->is_dropping = true;
    /* The callback of the next writeable or message closes it; a peer that reads nothing and says
     * nothing is closed by the timeout. */
    if (l->is_open)
        lws_callback_on_writable(l->wsi);
    lws_set_timeout(l->wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_ASYNC);
}
