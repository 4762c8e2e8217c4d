#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "common/wire/wire.h"
#include "tests/unit/wire/random_batch.h"

/* Encodes, decodes and encodes again: the same bytes. Gives the decoded batch. */
static struct wire_batch round_trip(const struct wire_batch *batch, struct arena *arena)
{
    struct buf once;
    struct buf twice;
    buf_init(&once, 0);
    buf_init(&twice, 0);
    cr_assert_eq(wire_encode_batch(&once, batch), STATUS_OK);
    /* Decoded from a copy in the arena, since what is decoded points into it. */
    const uint8_t *copy = (const uint8_t *)arena_copy(arena, (const char *)once.data, once.len);
    struct wire_to_server out;
    struct error err = {0};
    enum status st = wire_decode_to_server(&out, copy, once.len, arena, &err);
    cr_assert_eq(st, STATUS_OK, "%s", err.text);
    cr_assert_eq(out.kind, WIRE_BATCH);
    cr_assert_eq(wire_encode_batch(&twice, &out.batch), STATUS_OK);
    cr_assert_eq(once.len, twice.len);
    cr_assert_eq(memcmp(once.data, twice.data, once.len), 0);
    buf_deinit(&once);
    buf_deinit(&twice);
    return out.batch;
}

Test(wire_batch, random_batches_encode_to_the_same_bytes_again)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct random_stream stream;
        random_stream_init(&stream, seed, seed % 5 ? 8 : 600);
        for (int i = 0; i < 20; i++) {
            struct wire_batch batch = random_batch(&stream);
            round_trip(&batch, stream.arena);
        }
        random_stream_deinit(&stream);
    }
}

Test(wire_batch, samples_come_back_column_by_column)
{
    struct arena *arena = arena_new();
    const uint64_t times[] = {5000000, 15000000, 15000000, 24999999};
    const uint32_t threads[] = {0, 1, 0, 1};
    const uint32_t stacks[] = {3, 400, 70000, 0};
    const int64_t values[] = {INT64_MIN, 0, -1, INT64_MAX};
    struct wire_samples samples = {
        .set = 2,
        .len = 4,
        .time_ns = times,
        .thread = threads,
        .stack = stacks,
        .values_len = 2,
        .values = {{.constant = -7}, {.value = values}},
    };
    struct wire_batch batch = {.seq = 1, .samples = &samples, .samples_len = 1};
    struct wire_batch back = round_trip(&batch, arena);
    cr_assert_eq(back.samples_len, 1);
    const struct wire_samples *s = &back.samples[0];
    cr_assert_eq(s->set, 2);
    cr_assert_eq(s->len, 4);
    cr_assert_eq(memcmp(s->time_ns, times, sizeof(times)), 0);
    cr_assert_eq(memcmp(s->thread, threads, sizeof(threads)), 0);
    cr_assert_eq(memcmp(s->stack, stacks, sizeof(stacks)), 0);
    cr_assert_null(s->state);
    cr_assert_null(s->label_set);
    cr_assert_eq(s->values_len, 2);
    cr_assert_null(s->values[0].value);
    cr_assert_eq(s->values[0].constant, -7);
    cr_assert_eq(memcmp(s->values[1].value, values, sizeof(values)), 0);
    arena_free(arena);
}

Test(wire_batch, samples_without_times_stay_without)
{
    struct arena *arena = arena_new();
    const uint32_t stacks[] = {1, 2};
    struct wire_samples samples = {.len = 2, .stack = stacks};
    struct wire_batch batch = {.seq = 1, .samples = &samples, .samples_len = 1};
    struct wire_batch back = round_trip(&batch, arena);
    cr_assert_eq(back.samples[0].len, 2);
    cr_assert_null(back.samples[0].time_ns);
    arena_free(arena);
}

Test(wire_batch, points_come_back_exact_whole_or_not)
{
    struct arena *arena = arena_new();
    const uint64_t times[] = {1, 2, 3};
    const double whole[] = {-9007199254740992.0, 0, 9007199254740992.0};
    const double large[] = {9007199254740994.0, 1e300, 0};
    const double odd[] = {(double)NAN, -0.0, 0.1};
    const double *const columns[] = {whole, large, odd};
    struct wire_points points[3];
    for (uint32_t i = 0; i < 3; i++)
        points[i] =
            (struct wire_points){.metric = i, .len = 3, .time_ns = times, .value = columns[i]};
    struct wire_batch batch = {.seq = 1, .points = points, .points_len = 3};
    struct wire_batch back = round_trip(&batch, arena);
    for (size_t i = 0; i < 3; i++)
        cr_assert_eq(memcmp(back.points[i].value, columns[i], sizeof(whole)), 0, "points %zu", i);
    arena_free(arena);
}

Test(wire_batch, whole_points_take_a_byte_where_they_hardly_change)
{
    uint64_t times[100];
    double whole[100];
    double odd[100];
    for (int i = 0; i < 100; i++) {
        times[i] = 0;
        whole[i] = 1e9 + i;
        odd[i] = 1e9 + i + 0.5;
    }
    struct wire_points points = {.len = 100, .time_ns = times, .value = whole};
    struct wire_batch batch = {.seq = 1, .points = &points, .points_len = 1};
    struct buf small;
    struct buf large;
    buf_init(&small, 0);
    buf_init(&large, 0);
    cr_assert_eq(wire_encode_batch(&small, &batch), STATUS_OK);
    points.value = odd;
    cr_assert_eq(wire_encode_batch(&large, &batch), STATUS_OK);
    cr_assert_lt(small.len, 100);
    cr_assert_lt(small.len, large.len);
    buf_deinit(&small);
    buf_deinit(&large);
}

Test(wire_batch, goes_packed_when_that_is_smaller)
{
    static char text[100000];
    memset(text, 'x', sizeof(text));
    const struct wire_bytes string = {text, sizeof(text)};
    struct wire_batch batch = {.seq = 1, .strings = &string, .strings_len = 1};
    struct buf out;
    buf_init(&out, 0);
    cr_assert_eq(wire_encode_batch(&out, &batch), STATUS_OK);
    cr_assert_lt(out.len, 200);
    cr_assert_eq(out.data[0], 3 << 3 | 2); /* zstd_batch = 3 */
    struct arena *arena = arena_new();
    struct wire_batch back = round_trip(&batch, arena);
    cr_assert_eq(back.strings[0].len, sizeof(text));
    cr_assert_eq(memcmp(back.strings[0].data, text, sizeof(text)), 0);
    arena_free(arena);
    buf_deinit(&out);
}

Test(wire_batch, goes_plain_when_packing_gains_nothing)
{
    const struct wire_bytes string = {"abc", 3};
    struct wire_batch batch = {.seq = 1, .strings = &string, .strings_len = 1};
    struct buf out;
    buf_init(&out, 0);
    cr_assert_eq(wire_encode_batch(&out, &batch), STATUS_OK);
    cr_assert_eq(out.data[0], 2 << 3 | 2); /* batch = 2 */
    buf_deinit(&out);
}

Test(wire_batch, is_refused_without_its_stack_column)
{
    const uint64_t times[] = {1};
    struct wire_samples samples = {.len = 1, .time_ns = times};
    struct wire_batch batch = {.seq = 1, .samples = &samples, .samples_len = 1};
    struct buf out;
    buf_init(&out, 0);
    buf_put_text(&out, "before");
    cr_assert_eq(wire_encode_batch(&out, &batch), STATUS_INVALID);
    cr_assert_eq(out.len, 6);
    buf_deinit(&out);
}

Test(wire_batch, is_refused_with_a_time_before_the_session)
{
    const uint64_t times[] = {(uint64_t)-5};
    const uint32_t stacks[] = {0};
    struct wire_samples samples = {.len = 1, .time_ns = times, .stack = stacks};
    struct wire_batch batch = {.seq = 1, .samples = &samples, .samples_len = 1};
    struct buf out;
    buf_init(&out, 0);
    cr_assert_eq(wire_encode_batch(&out, &batch), STATUS_INVALID);
    buf_deinit(&out);
}

/* Samples { set, first_time_ns, columns } with `body` as its bytes. */
static enum status decode_samples(const uint8_t *body, size_t len, struct wire_batch *out,
                                  struct arena *arena, struct error *err)
{
    uint8_t message[256];
    size_t at = 0;
    message[at++] = 2 << 3 | 2; /* ToServer.batch */
    message[at++] = (uint8_t)(len + 3);
    message[at++] = 26 << 3 & 0x7f; /* Batch.samples, a tag of two bytes */
    message[at - 1] |= 0x80 | 2;
    message[at++] = 26 >> 4;
    message[at++] = (uint8_t)len;
    memcpy(message + at, body, len);
    const uint8_t *copy = (const uint8_t *)arena_copy(arena, (const char *)message, at + len);
    struct wire_to_server made;
    enum status st = wire_decode_to_server(&made, copy, at + len, arena, err);
    if (st == STATUS_OK)
        *out = made.batch;
    return st;
}

Test(wire_batch, columns_may_come_unpacked_and_in_pieces)
{
    /* stack = 5, then packed {6, 7}, then 8; times packed {10, 10} and {-20} and 30 alone; first
     * time behind them all; an unknown field 200 between. */
    const uint8_t body[] = {0x28, 5, 0x2a, 2,    6, 7,    0x1a, 2,    20, 20,   0xc2, 0x0c,
                            2,    1, 2,    0x28, 8, 0x18, 39,   0x18, 60, 0x10, 0x64};
    struct arena *arena = arena_new();
    struct wire_batch batch;
    struct error err = {0};
    enum status st = decode_samples(body, sizeof(body), &batch, arena, &err);
    cr_assert_eq(st, STATUS_OK, "%s", err.text);
    cr_assert_eq(batch.samples_len, 1);
    const struct wire_samples *s = &batch.samples[0];
    cr_assert_eq(s->len, 4);
    const uint32_t stacks[] = {5, 6, 7, 8};
    const uint64_t times[] = {110, 120, 100, 130};
    cr_assert_eq(memcmp(s->stack, stacks, sizeof(stacks)), 0);
    cr_assert_eq(memcmp(s->time_ns, times, sizeof(times)), 0);
    arena_free(arena);
}

Test(wire_batch, columns_of_different_lengths_are_refused_by_name)
{
    const uint8_t body[] = {0x2a, 2, 6, 7, 0x22, 3, 0, 0, 0}; /* two stacks, three threads */
    struct arena *arena = arena_new();
    struct wire_batch batch;
    struct error err = {0};
    cr_assert_eq(decode_samples(body, sizeof(body), &batch, arena, &err), STATUS_INVALID);
    cr_assert(strstr(err.text, "samples."), "%s", err.text);
    cr_assert(strstr(err.text, "byte "), "%s", err.text);
    arena_free(arena);
}

Test(wire_batch, a_time_that_falls_below_zero_is_refused)
{
    const uint8_t body[] = {0x2a, 1, 6, 0x1a, 1, 1}; /* the first difference is -1 */
    struct arena *arena = arena_new();
    struct wire_batch batch;
    struct error err = {0};
    cr_assert_eq(decode_samples(body, sizeof(body), &batch, arena, &err), STATUS_INVALID);
    cr_assert(strstr(err.text, "time_ns"), "%s", err.text);
    arena_free(arena);
}

Test(wire_batch, a_column_that_ends_within_a_number_is_refused)
{
    const uint8_t body[] = {0x2a, 2, 6, 0x87};
    struct arena *arena = arena_new();
    struct wire_batch batch;
    struct error err = {0};
    cr_assert_eq(decode_samples(body, sizeof(body), &batch, arena, &err), STATUS_INVALID);
    cr_assert(strstr(err.text, "samples.stack"), "%s", err.text);
    arena_free(arena);
}
