#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "backend/ingest/ingest.h"
#include "common/base/ident.h"
#include "tests/unit/store/made_session.h"
#include "tests/unit/store/store_folder.h"

enum { MAX_REPLIES = 64 };

/* What a collector would have got. */
struct line {
    struct wire_to_collector replies[MAX_REPLIES];
    struct arena *arena;
    size_t len;
    bool is_cut;
};

static struct store_folder folder;
static struct library *library;
static struct ingest *hub;
static struct line line;
static char id[17];
static struct error err;

static bool on_send(void *ctx, const uint8_t *message, size_t len)
{
    struct line *to = ctx;
    if (to->is_cut)
        return false;
    const char *copy = arena_copy(to->arena, (const char *)message, len);
    cr_assert_lt(to->len, MAX_REPLIES);
    cr_assert_eq(wire_decode_to_collector(&to->replies[to->len++], (const uint8_t *)copy, len,
                                          to->arena, &err),
                 STATUS_OK, "%s", err.text);
    return true;
}

static enum status may_collect(void *ctx, const void *peer, const char *token, size_t len,
                               struct error *why)
{
    const char *secret = ctx;
    (void)peer;
    return ident_equal_secret(token, len, secret, strlen(secret))
               ? STATUS_OK
               : error_set(why, STATUS_DENIED, "the token is not accepted here");
}

static char secret[] = "a-secret-token"; /* as made_hello has it */

static void setup(void)
{
    store_folder_make(&folder);
    made_id(11, id);
    struct library_options options = {.path = folder.path};
    cr_assert_eq(library_open(&library, &options, &err), STATUS_OK, "%s", err.text);
    struct ingest_options in = {.library = library,
                                .base_url = "http://127.0.0.1:7700",
                                .may_collect = may_collect,
                                .ctx = secret,
                                .max_peers = 3};
    cr_assert_eq(ingest_new(&hub, &in, &err), STATUS_OK, "%s", err.text);
    line = (struct line){.arena = arena_new()};
}

static void teardown(void)
{
    ingest_free(hub);
    library_close(library);
    arena_free(line.arena);
    store_folder_remove(&folder);
}

TestSuite(ingest, .init = setup, .fini = teardown);

static struct ingest_peer *open_peer(void)
{
    struct ingest_peer *peer = NULL;
    cr_assert_eq(ingest_open(hub, on_send, &line, false, &peer, &err), STATUS_OK, "%s", err.text);
    return peer;
}

static enum status say(struct ingest_peer *peer, const struct buf *message)
{
    return ingest_message(peer, message->data, message->len, &err);
}

static enum status say_hello(struct ingest_peer *peer, const struct wire_hello *hello)
{
    struct buf message;
    buf_init(&message, 0);
    cr_assert_eq(wire_encode_hello(&message, hello), STATUS_OK);
    enum status st = say(peer, &message);
    buf_deinit(&message);
    return st;
}

static enum status greet(struct ingest_peer *peer)
{
    struct wire_hello hello = made_hello(id);
    return say_hello(peer, &hello);
}

static enum status say_batch(struct ingest_peer *peer, uint64_t seq)
{
    struct buf message;
    buf_init(&message, 0);
    made_message(&message, seq);
    enum status st = say(peer, &message);
    buf_deinit(&message);
    return st;
}

static enum status say_bye(struct ingest_peer *peer, uint64_t last)
{
    struct buf message;
    struct wire_bye bye = {.last_seq = last, .reason = {"exited", 6}};
    buf_init(&message, 0);
    cr_assert_eq(wire_encode_bye(&message, &bye), STATUS_OK);
    enum status st = say(peer, &message);
    buf_deinit(&message);
    return st;
}

static const struct wire_to_collector *last_reply(void)
{
    cr_assert_gt(line.len, 0);
    return &line.replies[line.len - 1];
}

static void expect_refusal(const char *code, bool is_final)
{
    const struct wire_to_collector *reply = last_reply();
    cr_assert_eq(reply->kind, WIRE_REFUSED);
    cr_assert_eq(reply->refused.code.len, strlen(code));
    cr_assert_eq(memcmp(reply->refused.code.data, code, strlen(code)), 0, "%.*s",
                 (int)reply->refused.code.len, reply->refused.code.data);
    cr_assert_eq(reply->refused.is_final, is_final);
    cr_assert_gt(reply->refused.message.len, 0);
}

static enum library_state state_of(void)
{
    struct library_row row;
    cr_assert_eq(library_row(library, id, &row, &err), STATUS_OK, "%s", err.text);
    enum library_state state = row.state;
    library_row_deinit(&row);
    return state;
}

Test(ingest, welcomes_stores_and_acknowledges)
{
    struct ingest_peer *peer = open_peer();
    cr_assert_eq(greet(peer), STATUS_OK, "%s", err.text);
    const struct wire_welcome *welcome = &last_reply()->welcome;
    cr_assert_eq(last_reply()->kind, WIRE_WELCOME);
    cr_assert_eq(welcome->next_seq, 1);
    char url[64];
    snprintf(url, sizeof(url), "http://127.0.0.1:7700/p/%s", id);
    cr_assert_eq(welcome->url.len, strlen(url));
    cr_assert_eq(memcmp(welcome->url.data, url, strlen(url)), 0);
    for (uint64_t seq = 1; seq <= 5; seq++) {
        cr_assert_eq(say_batch(peer, seq), STATUS_OK, "%s", err.text);
        cr_assert_eq(last_reply()->kind, WIRE_ACK);
        cr_assert_eq(last_reply()->ack_seq, seq);
    }
    cr_assert_eq(state_of(), LIBRARY_LIVE);
    cr_assert_not(ingest_is_done(peer));
    cr_assert_eq(say_bye(peer, 5), STATUS_OK);
    cr_assert_eq(last_reply()->ack_seq, 5);
    cr_assert(ingest_is_done(peer));
    ingest_close(peer);
    cr_assert_eq(state_of(), LIBRARY_COMPLETE);
    struct library_hold hold;
    cr_assert_eq(library_hold(library, id, &hold, &err), STATUS_OK);
    cr_assert(made_is_exactly(hold.profile, 5));
    library_release(library, &hold);
}

Test(ingest, interrupts_a_session_whose_connection_ends_and_resumes_it)
{
    struct ingest_peer *peer = open_peer();
    cr_assert_eq(greet(peer), STATUS_OK);
    cr_assert_eq(say_batch(peer, 1), STATUS_OK);
    ingest_close(peer);
    cr_assert_eq(state_of(), LIBRARY_INTERRUPTED);
    peer = open_peer();
    cr_assert_eq(greet(peer), STATUS_OK);
    cr_assert_eq(last_reply()->welcome.next_seq, 2);
    cr_assert_eq(state_of(), LIBRARY_LIVE);
    ingest_close(peer);
}

Test(ingest, lets_a_newer_connection_take_the_session_over)
{
    struct ingest_peer *old = open_peer();
    cr_assert_eq(greet(old), STATUS_OK);
    cr_assert_eq(say_batch(old, 1), STATUS_OK);
    struct ingest_peer *new = open_peer();
    cr_assert_eq(greet(new), STATUS_OK);
    cr_assert_eq(last_reply()->welcome.next_seq, 2);
    cr_assert_eq(say_batch(old, 2), STATUS_GONE);
    expect_refusal("gone", false);
    ingest_close(old);
    cr_assert_eq(state_of(), LIBRARY_LIVE, "the old one's end means nothing");
    cr_assert_eq(say_batch(new, 2), STATUS_OK, "%s", err.text);
    ingest_close(new);
    cr_assert_eq(state_of(), LIBRARY_INTERRUPTED);
}

Test(ingest, refuses_a_wrong_token)
{
    struct ingest_peer *peer = open_peer();
    struct wire_hello hello = made_hello(id);
    hello.token = (struct wire_bytes){"a-secret-tokem", 14};
    cr_assert_eq(say_hello(peer, &hello), STATUS_DENIED);
    expect_refusal("denied", true);
    ingest_close(peer);
    struct library_row row;
    cr_assert_eq(library_row(library, id, &row, &err), STATUS_NOT_FOUND);
}

Test(ingest, does_not_ask_a_trusted_connection_for_its_token)
{
    struct ingest_peer *peer = NULL;
    cr_assert_eq(ingest_open(hub, on_send, &line, true, &peer, &err), STATUS_OK);
    struct wire_hello hello = made_hello(id);
    hello.token = (struct wire_bytes){"", 0};
    cr_assert_eq(say_hello(peer, &hello), STATUS_OK, "%s", err.text);
    ingest_close(peer);
}

Test(ingest, refuses_a_hello_that_it_cannot_serve)
{
    struct {
        uint32_t protocol;
        struct wire_bytes session;
        enum status st;
        const char *code;
    } cases[] = {
        {2, {"aaaaaaaaaaaaaaaa", 16}, STATUS_UNSUPPORTED, "unsupported"},
        {0, {"aaaaaaaaaaaaaaaa", 16}, STATUS_UNSUPPORTED, "unsupported"},
        {1, {"aaaaaaaaaaaaaaa", 15}, STATUS_INVALID, "invalid"},
        {1, {"", 0}, STATUS_INVALID, "invalid"},
        {1, {"AAAAAAAAAAAAAAAA", 16}, STATUS_INVALID, "invalid"},
        {1, {"aaaa\0aaaaaaaaaaa", 16}, STATUS_INVALID, "invalid"},
        {1, {"../../etc/passwd", 16}, STATUS_INVALID, "invalid"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ingest_peer *peer = open_peer();
        struct wire_hello hello = made_hello(id);
        hello.protocol = cases[i].protocol;
        hello.session = cases[i].session;
        cr_assert_eq(say_hello(peer, &hello), cases[i].st, "case %zu", i);
        expect_refusal(cases[i].code, true);
        ingest_close(peer);
    }
}

Test(ingest, refuses_what_comes_out_of_order)
{
    struct ingest_peer *peer = open_peer();
    cr_assert_eq(say_batch(peer, 1), STATUS_INVALID, "a batch before the hello");
    ingest_close(peer);
    peer = open_peer();
    cr_assert_eq(greet(peer), STATUS_OK);
    cr_assert_eq(greet(peer), STATUS_INVALID, "a second hello");
    ingest_close(peer);
    peer = open_peer();
    cr_assert_eq(greet(peer), STATUS_OK);
    cr_assert_eq(say_batch(peer, 2), STATUS_INVALID, "a gap");
    expect_refusal("invalid", true);
    ingest_close(peer);
    peer = open_peer();
    cr_assert_eq(greet(peer), STATUS_OK);
    cr_assert_eq(say_bye(peer, 0), STATUS_OK);
    cr_assert_eq(say_batch(peer, 1), STATUS_INVALID, "a batch after the bye");
    ingest_close(peer);
    peer = open_peer();
    cr_assert_eq(greet(peer), STATUS_EXISTS, "the session has ended");
    expect_refusal("exists", true);
    ingest_close(peer);
}

Test(ingest, refuses_bytes_that_are_no_message)
{
    static const uint8_t noise[] = {0x12, 0xff, 0xff, 0xff, 0xff, 0x7f, 0, 1, 2};
    struct ingest_peer *peer = open_peer();
    cr_assert_neq(ingest_message(peer, noise, sizeof(noise), &err), STATUS_OK);
    cr_assert_eq(last_reply()->kind, WIRE_REFUSED);
    ingest_close(peer);
}

Test(ingest, takes_no_more_collectors_than_allowed)
{
    struct ingest_peer *peers[3];
    struct ingest_peer *more = NULL;
    for (size_t i = 0; i < 3; i++)
        peers[i] = open_peer();
    cr_assert_eq(ingest_open(hub, on_send, &line, false, &more, &err), STATUS_BUSY);
    ingest_close(peers[1]);
    peers[1] = open_peer();
    for (size_t i = 0; i < 3; i++)
        ingest_close(peers[i]);
}

Test(ingest, hands_control_to_the_collector_with_its_next_message)
{
    struct wire_control pause = {.has_paused = true, .paused = true};
    struct wire_control rate = {.has_rate = true, .rate_hz = 50};
    struct ingest_peer *peer = open_peer();
    cr_assert_eq(ingest_control(hub, id, &pause, &err), STATUS_GONE);
    cr_assert_eq(greet(peer), STATUS_OK);
    cr_assert_eq(ingest_control(hub, id, &pause, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(ingest_control(hub, id, &rate, &err), STATUS_OK);
    cr_assert_eq(line.len, 1, "nothing is written from outside");
    cr_assert_eq(say_batch(peer, 1), STATUS_OK);
    cr_assert_eq(line.len, 3);
    cr_assert_eq(line.replies[1].kind, WIRE_ACK);
    cr_assert_eq(line.replies[2].kind, WIRE_CONTROL);
    cr_assert(line.replies[2].control.has_paused && line.replies[2].control.paused);
    cr_assert(line.replies[2].control.has_rate);
    cr_assert_float_eq(line.replies[2].control.rate_hz, 50.0, 1e-12);
    cr_assert_not(line.replies[2].control.has_stop);
    cr_assert_eq(say_batch(peer, 2), STATUS_OK);
    cr_assert_eq(line.len, 4, "and said once");
    ingest_close(peer);
}

Test(ingest, keeps_what_is_stored_when_the_ack_cannot_be_sent)
{
    struct ingest_peer *peer = open_peer();
    cr_assert_eq(greet(peer), STATUS_OK);
    line.is_cut = true;
    cr_assert_eq(say_batch(peer, 1), STATUS_GONE);
    ingest_close(peer);
    line.is_cut = false;
    peer = open_peer();
    cr_assert_eq(greet(peer), STATUS_OK);
    cr_assert_eq(last_reply()->welcome.next_seq, 2);
    ingest_close(peer);
}
