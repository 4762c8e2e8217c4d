#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "common/wire/wire.h"
#include "tests/unit/wire/random_batch.h"

static enum status decode(const uint8_t *data, size_t len, struct error *err)
{
    struct arena *arena = arena_new();
    /* A block of exactly this size, so that a sanitizer sees a read past its end. */
    uint8_t *copy = malloc(len ? len : 1);
    memcpy(copy, data, len);
    struct wire_to_server out;
    enum status st = wire_decode_to_server(&out, copy, len, arena, err);
    free(copy);
    arena_free(arena);
    return st;
}

static void check_invalid(const uint8_t *data, size_t len, const char *words)
{
    struct error err = {0};
    cr_assert_eq(decode(data, len, &err), STATUS_INVALID, "%s", words);
    cr_assert(strstr(err.text, words), "expected \"%s\" in \"%s\"", words, err.text);
}

#define CHECK_INVALID(words, ...)                                                                  \
    do {                                                                                           \
        const uint8_t bytes_[] = {__VA_ARGS__};                                                    \
        check_invalid(bytes_, sizeof(bytes_), words);                                              \
    } while (0)

Test(wire_refuses, an_empty_message)
{
    check_invalid((const uint8_t *)"", 0, "no message");
}

Test(wire_refuses, a_length_past_the_end)
{
    CHECK_INVALID("byte 0: field 1", 0x0a, 5, 0x08, 1);
    CHECK_INVALID("longer than what holds it", 0x0a, 4, 0x12, 9, 'a', 'b');
}

Test(wire_refuses, a_length_that_would_overflow_a_pointer)
{
    CHECK_INVALID("longer", 0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01);
}

Test(wire_refuses, groups_and_field_zero)
{
    CHECK_INVALID("wire type 3", 0x0b, 0x0c);
    CHECK_INVALID("not a field", 0x02, 0x00);
}

Test(wire_refuses, two_messages_in_one)
{
    CHECK_INVALID("second message", 0x0a, 0, 0x22, 0);
}

Test(wire_refuses, a_field_of_the_wrong_type)
{
    CHECK_INVALID("hello.protocol", 0x0a, 3, 0x0a, 1, 'x');
    CHECK_INVALID("hello.rate_hz", 0x0a, 2, 0x60, 1);
}

Test(wire_refuses, a_32_bit_field_with_more)
{
    CHECK_INVALID("hello.protocol is over 32 bits", 0x0a, 6, 0x08, 0x80, 0x80, 0x80, 0x80, 0x10);
}

Test(wire_refuses, points_without_values)
{
    /* Batch.points { time_delta_ns: {0} } */
    CHECK_INVALID("points.value is missing", 0x12, 6, 0xe2, 0x01, 3, 0x1a, 1, 0);
}

Test(wire_refuses, samples_of_more_than_eight_values)
{
    uint8_t message[5 + 2 * 9] = {0x12, 3 + 2 * 9, 0xd2, 0x01, 2 * 9};
    for (size_t i = 0; i < 9; i++) {
        message[5 + 2 * i] = 0x42;
        message[6 + 2 * i] = 0;
    }
    struct error err = {0};
    cr_assert_eq(decode(message, sizeof(message), &err), STATUS_TOO_LARGE);
    cr_assert(strstr(err.text, "samples.values"), "%s", err.text);
}

Test(wire_refuses, two_call_graphs_in_a_batch)
{
    CHECK_INVALID("call_graph comes twice", 0x12, 6, 0x82, 0x02, 0, 0x82, 0x02, 0);
}

Test(wire_refuses, every_truncation_of_a_batch)
{
    struct random_stream stream;
    random_stream_init(&stream, 11, 6);
    for (int round = 0; round < 5; round++) {
        struct wire_batch batch = random_batch(&stream);
        struct buf message;
        buf_init(&message, 0);
        cr_assert_eq(wire_encode_batch(&message, &batch), STATUS_OK);
        for (size_t len = 0; len < message.len; len++) {
            struct error err = {0};
            cr_assert_neq(decode(message.data, len, &err), STATUS_OK);
            cr_assert_neq(err.text[0], '\0');
        }
        buf_deinit(&message);
    }
    random_stream_deinit(&stream);
}

Test(wire_refuses, or_reads_every_batch_with_a_byte_changed)
{
    struct random_stream stream;
    random_stream_init(&stream, 12, 8);
    for (int round = 0; round < 200; round++) {
        struct wire_batch batch = random_batch(&stream);
        struct buf message;
        buf_init(&message, 0);
        cr_assert_eq(wire_encode_batch(&message, &batch), STATUS_OK);
        for (int change = 0; change < 20; change++) {
            message.data[random_below(&stream, (uint32_t)message.len)] ^=
                (uint8_t)(1u << random_below(&stream, 8));
            struct error err = {0};
            enum status st = decode(message.data, message.len, &err);
            cr_assert_eq(st == STATUS_OK, err.text[0] == '\0');
        }
        buf_deinit(&message);
    }
    random_stream_deinit(&stream);
}

/* ToServer { zstd_batch { data, raw_size } } */
static size_t put_zstd(uint8_t *out, const void *frame, size_t len, uint64_t raw_size)
{
    struct buf inner;
    buf_init(&inner, 0);
    buf_put_byte(&inner, 0x0a);
    for (size_t rest = len; rest || inner.len == 1; rest >>= 7)
        buf_put_byte(&inner, (uint8_t)((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0)));
    buf_put(&inner, frame, len);
    buf_put_byte(&inner, 0x10);
    do {
        buf_put_byte(&inner, (uint8_t)((raw_size & 0x7f) | (raw_size > 0x7f ? 0x80 : 0)));
    } while (raw_size >>= 7);
    size_t at = 0;
    out[at++] = 0x1a;
    for (size_t rest = inner.len;; rest >>= 7) {
        out[at++] = (uint8_t)((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
        if (rest <= 0x7f)
            break;
    }
    memcpy(out + at, inner.data, inner.len);
    at += inner.len;
    buf_deinit(&inner);
    return at;
}

Test(wire_refuses, a_packed_batch_that_lies_about_its_size)
{
    const char raw[300] = {0x08, 1}; /* Batch { seq: 1 } and then nonsense; only sizes matter */
    uint8_t frame[1024];
    uint8_t message[2048];
    size_t len = ZSTD_compress(frame, sizeof(frame), raw, sizeof(raw), 1);
    struct error err = {0};
    size_t total = put_zstd(message, frame, len, sizeof(raw) + 1);
    cr_assert_eq(decode(message, total, &err), STATUS_INVALID);
    cr_assert(strstr(err.text, "raw_size"), "%s", err.text);
}

Test(wire_refuses, a_packed_batch_with_something_behind_its_frame)
{
    const char raw[2] = {0x08, 1};
    uint8_t frame[64];
    uint8_t message[128];
    size_t len = ZSTD_compress(frame, sizeof(frame), raw, sizeof(raw), 1);
    struct error err = {0};
    size_t total = put_zstd(message, frame, len, sizeof(raw));
    cr_assert_eq(decode(message, total, &err), STATUS_OK, "%s", err.text);
    frame[len] = 0;
    total = put_zstd(message, frame, len + 1, sizeof(raw));
    cr_assert_eq(decode(message, total, &err), STATUS_INVALID);
    total = put_zstd(message, frame, len - 1, sizeof(raw));
    cr_assert_eq(decode(message, total, &err), STATUS_INVALID);
}

Test(wire_refuses, a_packed_batch_over_the_limit_before_it_is_unpacked)
{
    size_t raw_len = (size_t)WIRE_MAX_BATCH + 1;
    char *raw = calloc(1, raw_len);
    size_t room = ZSTD_compressBound(raw_len);
    uint8_t *frame = malloc(room);
    size_t len = ZSTD_compress(frame, room, raw, raw_len, 1);
    uint8_t *message = malloc(len + 64);
    struct error err = {0};
    size_t total = put_zstd(message, frame, len, raw_len);
    cr_assert_eq(decode(message, total, &err), STATUS_TOO_LARGE, "%s", err.text);
    free(raw);
    free(frame);
    free(message);
}

Test(wire_refuses, a_batch_that_would_take_too_much_memory)
{
    /* Batch { strings: 30 million empty ones }: 60 MB that would need 480 MB in memory. */
    size_t raw_len = 60u << 20;
    uint8_t *raw = malloc(raw_len);
    for (size_t i = 0; i < raw_len; i += 2) {
        raw[i] = 0x2a;
        raw[i + 1] = 0;
    }
    size_t room = ZSTD_compressBound(raw_len);
    uint8_t *frame = malloc(room);
    size_t len = ZSTD_compress(frame, room, raw, raw_len, 1);
    uint8_t *message = malloc(len + 64);
    struct error err = {0};
    size_t total = put_zstd(message, frame, len, raw_len);
    cr_assert_eq(decode(message, total, &err), STATUS_TOO_LARGE, "%s", err.text);
    cr_assert(strstr(err.text, "when decoded"), "%s", err.text);
    free(raw);
    free(frame);
    free(message);
}

Test(wire_refuses, a_message_over_the_limit)
{
    size_t len = (size_t)WIRE_MAX_MESSAGE + 1;
    uint8_t *message = calloc(1, len);
    struct error err = {0};
    cr_assert_eq(decode(message, len, &err), STATUS_TOO_LARGE);
    free(message);
}

Test(wire_refuses, to_encode_a_message_over_the_limit)
{
    size_t len = (size_t)WIRE_MAX_MESSAGE + 1;
    char *noise = malloc(len);
    struct random_stream stream;
    random_stream_init(&stream, 5, 1);
    for (size_t i = 0; i < len; i++)
        noise[i] = (char)(random_u64(&stream) >> 57);
    for (size_t i = 0; i < len; i++)
        noise[i] = (char)(noise[i] ^ (char)(random_u64(&stream) >> 56 & 0x80 ? -128 : 0));
    const struct wire_bytes string = {noise, len};
    struct wire_batch batch = {.seq = 1, .strings = &string, .strings_len = 1};
    struct buf out;
    buf_init(&out, 0);
    /* Eight random bits a byte do not pack. */
    cr_assert_eq(wire_encode_batch(&out, &batch), STATUS_TOO_LARGE);
    cr_assert_eq(out.len, 0);
    buf_deinit(&out);
    random_stream_deinit(&stream);
    free(noise);
}
