/* A server under load: hundreds of collectors that send at their pace, and viewers that follow a
 * live session and ask for its flamegraph at each change, as the page does. Prints what was
 * acknowledged, and how long acks and answers took, as one JSON object. One thread does it all, so
 * that little of the machine is taken from the server. bench_server.py starts the server and this.
 *
 *   bench_server_load PORT COLLECTORS VIEWERS SECONDS RATE_HZ WINDOW ROWS
 *
 * RATE_HZ 0: every collector keeps WINDOW batches of ROWS samples under way, as fast as they are
 * acknowledged. Otherwise a batch goes each 250 ms, of 8 threads. */

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "bench/server_load/batches.h"
#include "bench/server_load/peer.h"
#include "common/base/arena.h"
#include "common/base/array.h"
#include "common/base/clock.h"
#include "common/base/ident.h"
#include "common/wire/wire.h"

enum { THREADS = 8, BATCHES_A_SECOND = 4, MAX_WINDOW = 64, SPREAD_MS = 2000, BINARY = 2, TEXT = 1 };

static const uint64_t second_ns = 1000000000;

struct plan {
    uint16_t port;
    uint32_t collectors, viewers, seconds, rate_hz, window, rows;
};

struct times {
    double *ms;
    size_t len, cap;
};

struct collector {
    struct peer peer;
    struct batches batches;
    char id[IDENT_CHARS + 1];
    bool is_open, is_upgraded, is_welcome, is_lost;
    uint64_t due_ns, acked;
    uint64_t sent_ns[MAX_WINDOW]; /* of batch seq % MAX_WINDOW */
};

struct viewer {
    struct peer live, question;
    const struct collector *of;
    bool is_open, is_upgraded, is_asking, is_lost;
    uint64_t start_ns, asked_ns;
};

struct load {
    struct plan plan;
    struct collector *collectors;
    struct viewer *viewers;
    struct times acks, answers;
    struct buf scratch;
    uint64_t begin_ns, end_ns, updates, bytes_sent, failed;
    bool is_counting; /* after everybody is connected */
    uint64_t counted_rows;
};

static void fail(const char *what)
{
    fprintf(stderr, "bench_server_load: %s\n", what);
    exit(1);
}

/* The first few reasons are told: all others are most likely the same. */
static void lose(bool *is_lost, const char *why, size_t len)
{
    static int told;
    if (!*is_lost && told++ < 5)
        fprintf(stderr, "bench_server_load: lost: %.*s\n", (int)len, why);
    *is_lost = true;
}

static void lose_for(bool *is_lost, const char *why)
{
    lose(is_lost, why, strlen(why));
}

static void note_time(struct load *l, struct times *t, uint64_t since_ns, uint64_t now)
{
    if (!l->is_counting)
        return;
    if (!array_reserve(&t->ms, &t->cap, t->len + 1))
        fail("no memory");
    t->ms[t->len++] = (double)(now - since_ns) / 1e6;
}

/* ---- collectors ---- */

static void send_hello(struct load *l, struct collector *c)
{
    struct wire_hello hello = {
        .protocol = WIRE_PROTOCOL,
        .session = {c->id, IDENT_CHARS},
        .name = {"load", 4},
        .host = {"bench", 5},
        .producer = {"bench_server_load", 17},
        .mode = {"wall", 4},
        .pid = 1,
        .start_unix_ns = clock_unix_ns(),
        .rate_hz = l->plan.rate_hz ? l->plan.rate_hz : 1000,
    };
    buf_clear(&l->scratch);
    if (wire_encode_hello(&l->scratch, &hello) != STATUS_OK)
        fail("hello");
    peer_send(&c->peer, BINARY, l->scratch.data, l->scratch.len);
}

static void send_batch(struct load *l, struct collector *c, uint64_t now)
{
    buf_clear(&l->scratch);
    if (batches_next(&c->batches, &l->scratch) != STATUS_OK)
        fail("batch");
    c->sent_ns[c->batches.seq % MAX_WINDOW] = now;
    l->bytes_sent += l->scratch.len;
    peer_send(&c->peer, BINARY, l->scratch.data, l->scratch.len);
}

static void take_ack(struct load *l, struct collector *c, uint64_t seq, uint64_t now)
{
    for (uint64_t s = c->acked + 1; s <= seq; s++) {
        if (c->batches.seq - s < MAX_WINDOW)
            note_time(l, &l->acks, c->sent_ns[s % MAX_WINDOW], now);
        if (l->is_counting)
            l->counted_rows += c->batches.rows;
    }
    c->acked = seq;
}

static void take_replies(struct load *l, struct collector *c, uint64_t now)
{
    int opcode;
    const uint8_t *data;
    size_t len;
    while (peer_message(&c->peer, &opcode, &data, &len)) {
        struct wire_to_collector reply;
        struct error err;
        struct arena *arena = arena_new();
        if (opcode != BINARY ||
            wire_decode_to_collector(&reply, data, len, arena, &err) != STATUS_OK)
            lose_for(&c->is_lost, "not a reply");
        else if (reply.kind == WIRE_WELCOME)
            c->is_welcome = true;
        else if (reply.kind == WIRE_ACK)
            take_ack(l, c, reply.ack_seq, now);
        else if (reply.kind == WIRE_REFUSED)
            lose(&c->is_lost, reply.refused.message.data, reply.refused.message.len);
        arena_free(arena);
    }
}

static void open_collector(struct load *l, struct collector *c)
{
    if (!peer_connect(&c->peer, l->plan.port))
        fail("no socket: more open files are needed (ulimit -n)");
    peer_get(&c->peer, "/api/v1/collect", true);
    c->is_open = true;
}

/* What has come from the server. */
static void hear_collector(struct load *l, struct collector *c, uint64_t now)
{
    if (!peer_fill(&c->peer) || c->peer.is_at_end) {
        lose_for(&c->is_lost, "the server closed a collector's connection");
        return;
    }
    if (!c->is_upgraded) {
        int status = peer_upgraded(&c->peer);
        if (status == 0)
            return;
        c->is_upgraded = true;
        if (status != 101)
            lose_for(&c->is_lost, "a collector's websocket was refused");
        send_hello(l, c);
    }
    take_replies(l, c, now);
}

static void run_collector(struct load *l, struct collector *c, uint64_t now)
{
    if (!c->is_open && now >= c->due_ns)
        open_collector(l, c);
    if (c->is_open && !c->is_lost && c->peer.is_ready)
        hear_collector(l, c, now);
    if (!c->is_open || c->is_lost)
        return;
    if (c->is_welcome && l->plan.rate_hz == 0) {
        while (c->batches.seq - c->acked < l->plan.window)
            send_batch(l, c, now);
    } else if (c->is_welcome && now >= c->due_ns) {
        send_batch(l, c, now);
        c->due_ns += second_ns / BATCHES_A_SECOND;
    }
    if (!peer_flush(&c->peer))
        lose_for(&c->is_lost, "sending failed");
}

/* ---- viewers ---- */

static void ask_next(struct viewer *v, uint64_t revision)
{
    char text[64];
    int len = snprintf(text, sizeof(text), "{\"next\":%" PRIu64 "}", revision);
    peer_send(&v->live, TEXT, (const uint8_t *)text, (size_t)len);
}

static void open_viewer(struct load *l, struct viewer *v)
{
    char path[64];
    if (!peer_connect(&v->live, l->plan.port))
        fail("no socket: more open files are needed (ulimit -n)");
    snprintf(path, sizeof(path), "/api/v1/live/%s", v->of->id);
    peer_get(&v->live, path, true);
    v->is_open = true;
}

static void ask_flame(struct load *l, struct viewer *v, uint64_t now)
{
    char path[96];
    if (!peer_connect(&v->question, l->plan.port))
        fail("no socket: more open files are needed (ulimit -n)");
    snprintf(path, sizeof(path), "/api/v1/profiles/%s/flame?nodes=20000", v->of->id);
    peer_get(&v->question, path, false);
    v->asked_ns = now;
    v->is_asking = true;
}

static void take_answer(struct load *l, struct viewer *v, uint64_t now)
{
    int status;
    size_t len;
    if (!peer_flush(&v->question))
        l->failed++;
    if (!v->question.is_ready)
        return;
    bool is_broken = !peer_fill(&v->question);
    if (peer_answer(&v->question, &status, &len)) {
        note_time(l, &l->answers, v->asked_ns, now);
        l->failed += status != 200 || len < 16;
    } else if (is_broken || v->question.is_at_end) {
        l->failed++;
    } else {
        return;
    }
    peer_close(&v->question);
    v->is_asking = false;
}

static void take_news(struct load *l, struct viewer *v, uint64_t now)
{
    int opcode;
    const uint8_t *data;
    size_t len;
    while (peer_message(&v->live, &opcode, &data, &len)) {
        static const char name[] = "\"rev\":";
        const char *at = opcode == TEXT ? memmem(data, len, name, sizeof(name) - 1) : NULL;
        if (!at) {
            lose(&v->is_lost, (const char *)data, len);
            return;
        }
        l->updates += l->is_counting;
        if (!v->is_asking)
            ask_flame(l, v, now);
        ask_next(v, strtoull(at + sizeof(name) - 1, NULL, 10));
    }
}

static void hear_viewer(struct load *l, struct viewer *v, uint64_t now)
{
    if (!peer_fill(&v->live) || v->live.is_at_end) {
        lose_for(&v->is_lost, "the server closed a viewer's connection");
        return;
    }
    if (!v->is_upgraded) {
        int status = peer_upgraded(&v->live);
        if (status == 0)
            return;
        v->is_upgraded = true;
        if (status != 101)
            lose_for(&v->is_lost, "a viewer's websocket was refused");
        ask_next(v, 0);
    }
    take_news(l, v, now);
}

static void run_viewer(struct load *l, struct viewer *v, uint64_t now)
{
    if (v->is_lost || now < v->start_ns || v->of->acked == 0)
        return;
    if (!v->is_open)
        open_viewer(l, v);
    if (v->live.is_ready)
        hear_viewer(l, v, now);
    if (v->is_asking)
        take_answer(l, v, now);
    if (!v->is_lost && !peer_flush(&v->live))
        lose_for(&v->is_lost, "asking for news failed");
}

/* ---- all of it ---- */

struct waiting {
    struct pollfd *polls;
    struct peer **peers;
    size_t len;
};

static void add_peer(struct waiting *w, struct peer *p, bool is_open)
{
    p->is_ready = false;
    if (!is_open || p->fd < 0)
        return;
    short events = POLLIN;
    if (peer_has_output(p))
        events |= POLLOUT;
    w->peers[w->len] = p;
    w->polls[w->len++] = (struct pollfd){.fd = p->fd, .events = events};
}

static void wait_a_moment(struct load *l, struct waiting *w)
{
    w->len = 0;
    for (uint32_t i = 0; i < l->plan.collectors; i++)
        add_peer(w, &l->collectors[i].peer, l->collectors[i].is_open && !l->collectors[i].is_lost);
    for (uint32_t i = 0; i < l->plan.viewers; i++) {
        struct viewer *v = &l->viewers[i];
        add_peer(w, &v->live, v->is_open && !v->is_lost);
        add_peer(w, &v->question, v->is_asking && !v->is_lost);
    }
    (void)poll(w->polls, w->len, 1);
    for (size_t i = 0; i < w->len; i++)
        w->peers[i]->is_ready = w->polls[i].revents != 0;
}

static void make_waiting(const struct load *l, struct waiting *w)
{
    size_t most = (size_t)l->plan.collectors + 2 * (size_t)l->plan.viewers + 1;
    *w = (struct waiting){.polls = calloc(most, sizeof(*w->polls)),
                          .peers = calloc(most, sizeof(struct peer *))};
    if (!w->polls || !w->peers)
        fail("no memory");
}

static void make_load(struct load *l)
{
    const struct plan *p = &l->plan;
    uint32_t per_batch = THREADS * p->rate_hz / BATCHES_A_SECOND;
    l->plan.rows = p->rate_hz ? (per_batch ? per_batch : 1) : p->rows;
    l->collectors = calloc(p->collectors + 1, sizeof(*l->collectors));
    l->viewers = calloc(p->viewers + 1, sizeof(*l->viewers));
    if (!l->collectors || !l->viewers)
        fail("no memory");
    buf_init(&l->scratch, 0);
    l->begin_ns = clock_monotonic_ns();
    for (uint32_t i = 0; i < p->collectors; i++) {
        struct collector *c = &l->collectors[i];
        if (!ident_random(c->id, IDENT_CHARS))
            fail("no random numbers");
        c->due_ns = l->begin_ns + (uint64_t)i * SPREAD_MS * 1000000 / (p->collectors + 1);
        c->batches = (struct batches){.stacks = 2000,
                                      .fresh = 250,
                                      .early = UINT32_MAX,
                                      .threads = THREADS,
                                      .rows = l->plan.rows,
                                      .interval_ns = second_ns / (p->rate_hz ? p->rate_hz : 1000),
                                      .random = 88172645463325252ULL + i};
    }
    for (uint32_t i = 0; i < p->viewers; i++) {
        l->viewers[i].of = &l->collectors[i % p->collectors];
        l->viewers[i].start_ns =
            l->begin_ns + SPREAD_MS * 1000000ULL + (uint64_t)i * SPREAD_MS * 1000000 / p->viewers;
    }
    l->end_ns = l->begin_ns + (2 * SPREAD_MS + 1000) * 1000000ULL + p->seconds * second_ns;
}

static int by_size(const void *a, const void *b)
{
    const double *x = a;
    const double *y = b;
    return (*x > *y) - (*x < *y);
}

static double part(const struct times *t, double share)
{
    return t->len ? t->ms[(size_t)((double)(t->len - 1) * share)] : 0;
}

static void print_times(const char *name, struct times *t)
{
    if (t->len)
        qsort(t->ms, t->len, sizeof(*t->ms), by_size);
    printf(",\"%s\":{\"count\":%zu,\"p50_ms\":%.2f,\"p99_ms\":%.2f,\"max_ms\":%.2f}", name, t->len,
           part(t, 0.5), part(t, 0.99), part(t, 1));
}

static void print_all(struct load *l, double seconds)
{
    uint32_t lost_collectors = 0;
    uint32_t lost_viewers = 0;
    for (uint32_t i = 0; i < l->plan.collectors; i++)
        lost_collectors += l->collectors[i].is_lost || !l->collectors[i].is_welcome;
    for (uint32_t i = 0; i < l->plan.viewers; i++)
        lost_viewers += l->viewers[i].is_lost || !l->viewers[i].is_open;
    printf("{\"seconds\":%.2f,\"samples\":%" PRIu64 ",\"updates\":%" PRIu64
           ",\"lost_collectors\":%u,\"lost_viewers\":%u,\"failed_answers\":%" PRIu64
           ",\"bytes_sent\":%" PRIu64 ",\"own_cpu_s\":%.2f",
           seconds, l->counted_rows, l->updates, lost_collectors, lost_viewers, l->failed,
           l->bytes_sent, (double)clock_process_cpu_ns() / 1e9);
    print_times("acks", &l->acks);
    print_times("flames", &l->answers);
    printf("}\n");
}

static uint32_t number(const char *text)
{
    return (uint32_t)strtoul(text, NULL, 10);
}

int main(int argc, char **argv)
{
    if (argc != 8)
        fail("PORT COLLECTORS VIEWERS SECONDS RATE_HZ WINDOW ROWS");
    struct load l = {.plan = {(uint16_t)number(argv[1]), number(argv[2]), number(argv[3]),
                              number(argv[4]), number(argv[5]), number(argv[6]), number(argv[7])}};
    if (l.plan.window >= MAX_WINDOW || l.plan.collectors == 0)
        fail("WINDOW is below 64, and COLLECTORS are at least one");
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    make_load(&l);
    struct waiting waiting;
    make_waiting(&l, &waiting);
    uint64_t counting_from = l.end_ns - l.plan.seconds * second_ns;
    for (uint64_t now = l.begin_ns; now < l.end_ns; now = clock_monotonic_ns()) {
        l.is_counting = now >= counting_from;
        for (uint32_t i = 0; i < l.plan.collectors; i++)
            run_collector(&l, &l.collectors[i], clock_monotonic_ns());
        for (uint32_t i = 0; i < l.plan.viewers; i++)
            run_viewer(&l, &l.viewers[i], clock_monotonic_ns());
        wait_a_moment(&l, &waiting);
    }
    print_all(&l, l.plan.seconds);
    free(waiting.polls);
    free((void *)waiting.peers);
    return 0;
}
