#include <criterion/criterion.h>
#include <string.h>

#include "common/wire/wire.h"
#include "tests/unit/wire/random_batch.h"

static bool is_text(struct wire_bytes bytes, const char *text)
{
    return bytes.len == strlen(text) && memcmp(bytes.data, text, bytes.len) == 0;
}

static struct wire_to_collector to_collector(const struct buf *message, struct arena *arena)
{
    struct wire_to_collector out;
    struct error err = {0};
    enum status st = wire_decode_to_collector(&out, message->data, message->len, arena, &err);
    cr_assert_eq(st, STATUS_OK, "%s", err.text);
    return out;
}

Test(wire_messages, welcome_comes_back)
{
    struct arena *arena = arena_new();
    struct buf out;
    buf_init(&out, 0);
    struct wire_welcome welcome = {.url = {"http://127.0.0.1:7700/p/x", 25}, .next_seq = 12};
    cr_assert_eq(wire_encode_welcome(&out, &welcome), STATUS_OK);
    struct wire_to_collector back = to_collector(&out, arena);
    cr_assert_eq(back.kind, WIRE_WELCOME);
    cr_assert(is_text(back.welcome.url, "http://127.0.0.1:7700/p/x"));
    cr_assert_eq(back.welcome.next_seq, 12);
    buf_deinit(&out);
    arena_free(arena);
}

Test(wire_messages, ack_comes_back_also_as_zero)
{
    struct arena *arena = arena_new();
    const uint64_t seqs[] = {0, 1, UINT64_MAX};
    for (size_t i = 0; i < 3; i++) {
        struct buf out;
        buf_init(&out, 0);
        cr_assert_eq(wire_encode_ack(&out, seqs[i]), STATUS_OK);
        struct wire_to_collector back = to_collector(&out, arena);
        cr_assert_eq(back.kind, WIRE_ACK);
        cr_assert_eq(back.ack_seq, seqs[i]);
        buf_deinit(&out);
    }
    arena_free(arena);
}

Test(wire_messages, refused_comes_back)
{
    struct arena *arena = arena_new();
    struct buf out;
    buf_init(&out, 0);
    struct wire_refused refused = {{"denied", 6}, {"wrong token", 11}, true};
    cr_assert_eq(wire_encode_refused(&out, &refused), STATUS_OK);
    struct wire_to_collector back = to_collector(&out, arena);
    cr_assert_eq(back.kind, WIRE_REFUSED);
    cr_assert(is_text(back.refused.code, "denied"));
    cr_assert(is_text(back.refused.message, "wrong token"));
    cr_assert(back.refused.is_final);
    buf_deinit(&out);
    arena_free(arena);
}

Test(wire_messages, control_tells_absent_from_off)
{
    struct arena *arena = arena_new();
    for (unsigned bits = 0; bits < 8; bits++) {
        struct wire_control control = {.has_paused = bits & 1,
                                       .has_rate = bits & 2,
                                       .has_stop = bits & 4,
                                       .rate_hz = bits & 2 ? 250 : 0};
        struct buf out;
        buf_init(&out, 0);
        cr_assert_eq(wire_encode_control(&out, &control), STATUS_OK);
        struct wire_to_collector back = to_collector(&out, arena);
        cr_assert_eq(back.kind, WIRE_CONTROL);
        cr_assert_eq(back.control.has_paused, control.has_paused);
        cr_assert_eq(back.control.has_rate, control.has_rate);
        cr_assert_eq(back.control.has_stop, control.has_stop);
        cr_assert_not(back.control.paused);
        cr_assert_eq(back.control.rate_hz, control.rate_hz);
        buf_deinit(&out);
    }
    arena_free(arena);
}

Test(wire_messages, bye_carries_a_signal_as_a_negative_number)
{
    struct arena *arena = arena_new();
    struct buf out;
    buf_init(&out, 0);
    struct wire_bye bye = {.last_seq = 3, .exit_status = -11, .reason = {"exited", 6}};
    cr_assert_eq(wire_encode_bye(&out, &bye), STATUS_OK);
    struct wire_to_server back;
    cr_assert_eq(wire_decode_to_server(&back, out.data, out.len, arena, NULL), STATUS_OK);
    cr_assert_eq(back.kind, WIRE_BYE);
    cr_assert_eq(back.bye.exit_status, -11);
    cr_assert_eq(back.bye.last_seq, 3);
    cr_assert(is_text(back.bye.reason, "exited"));
    buf_deinit(&out);
    arena_free(arena);
}

Test(wire_messages, hello_keeps_argv_with_any_bytes)
{
    struct arena *arena = arena_new();
    struct buf out;
    buf_init(&out, 0);
    const struct wire_bytes argv[] = {{"python3", 7}, {"\xff\0\n", 3}, {"", 0}};
    const struct wire_tag tag = {{"env", 3}, {"test", 4}};
    struct wire_hello hello = {.protocol = 1,
                               .session = {"abcdefghijklmnop", 16},
                               .rate_hz = 0.1,
                               .argv = argv,
                               .argv_len = 3,
                               .tags = &tag,
                               .tags_len = 1};
    cr_assert_eq(wire_encode_hello(&out, &hello), STATUS_OK);
    struct wire_to_server back;
    cr_assert_eq(wire_decode_to_server(&back, out.data, out.len, arena, NULL), STATUS_OK);
    cr_assert_eq(back.kind, WIRE_HELLO);
    cr_assert_eq(back.hello.argv_len, 3);
    cr_assert_eq(back.hello.argv[1].len, 3);
    cr_assert_eq(memcmp(back.hello.argv[1].data, "\xff\0\n", 3), 0);
    cr_assert_eq(back.hello.argv[2].len, 0);
    cr_assert(is_text(back.hello.tags[0].value, "test"));
    cr_assert(is_text(back.hello.session, "abcdefghijklmnop"));
    cr_assert_eq(back.hello.rate_hz, 0.1);
    cr_assert_eq(back.hello.name.len, 0);
    buf_deinit(&out);
    arena_free(arena);
}

Test(wire_messages, unknown_fields_of_every_type_are_skipped)
{
    struct arena *arena = arena_new();
    /* Ack { seq 7, fields 30 varint, 31 fixed64, 32 bytes, 33 fixed32 } beside an unknown field. */
    const uint8_t message[] = {0x12, 31,   0xf0, 0x01, 0x96, 0x01, 0x08, 7, 0xf9, 0x01,
                               1,    2,    3,    4,    5,    6,    7,    8, 0x82, 0x02,
                               4,    'a',  'b',  'c',  'd',  0x8d, 0x02, 1, 2,    3,
                               4,    0xf0, 0x01, 0xa2, 0x06, 1,    'x'};
    struct wire_to_collector out;
    struct error err = {0};
    enum status st = wire_decode_to_collector(&out, message, sizeof(message), arena, &err);
    cr_assert_eq(st, STATUS_INVALID); /* the inner message ends within its last field */
    uint8_t whole[sizeof(message) + 1];
    memcpy(whole, message, 33);
    whole[33] = 5;
    whole[1] = 32;
    memcpy(whole + 34, message + 33, 4);
    st = wire_decode_to_collector(&out, whole, sizeof(whole), arena, &err);
    cr_assert_eq(st, STATUS_OK, "%s", err.text);
    cr_assert_eq(out.ack_seq, 7);
    arena_free(arena);
}
