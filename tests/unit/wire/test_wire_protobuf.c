#include <criterion/criterion.h>
#include <stdlib.h>
#include <zstd.h>

#include "tests/unit/wire/random_batch.h"
#include "tests/unit/wire/same_as_protobuf.h"

/* Our bytes as generated code reads them, and the other way round. */

enum { ROUNDS = 300 };

/* The batch of a message that may be packed; free it with heliograph__v1__batch__free_unpacked. */
static Heliograph__V1__Batch *their_batch(const struct buf *message)
{
    Heliograph__V1__ToServer *outer =
        heliograph__v1__to_server__unpack(NULL, message->len, message->data);
    cr_assert(outer, "protobuf-c cannot read our message");
    Heliograph__V1__Batch *batch = NULL;
    if (outer->message_case == HELIOGRAPH__V1__TO_SERVER__MESSAGE_ZSTD_BATCH) {
        Heliograph__V1__ZstdBatch *packed = outer->zstd_batch;
        uint8_t *raw = malloc(packed->raw_size);
        size_t len = ZSTD_decompress(raw, packed->raw_size, packed->data.data, packed->data.len);
        cr_assert_eq(len, packed->raw_size);
        batch = heliograph__v1__batch__unpack(NULL, len, raw);
        free(raw);
    } else {
        cr_assert_eq(outer->message_case, HELIOGRAPH__V1__TO_SERVER__MESSAGE_BATCH);
        batch = outer->batch;
        outer->batch = NULL;
        outer->message_case = HELIOGRAPH__V1__TO_SERVER__MESSAGE__NOT_SET;
    }
    heliograph__v1__to_server__free_unpacked(outer, NULL);
    cr_assert(batch, "protobuf-c cannot read our batch");
    return batch;
}

static void check_batches(unsigned max_rows, uint64_t seed, int rounds)
{
    struct random_stream stream;
    random_stream_init(&stream, seed, max_rows);
    for (int round = 0; round < rounds; round++) {
        struct wire_batch ours = random_batch(&stream);
        struct buf message;
        buf_init(&message, 0);
        cr_assert_eq(wire_encode_batch(&message, &ours), STATUS_OK);

        Heliograph__V1__Batch *theirs = their_batch(&message);
        const char *what = differs_from_protobuf(&ours, theirs);
        cr_assert(!what, "seed %d round %d, written: %s", (int)seed, round, what);

        /* What they write, we read: packed by their rules, in their order. */
        Heliograph__V1__ToServer outer = HELIOGRAPH__V1__TO_SERVER__INIT;
        outer.message_case = HELIOGRAPH__V1__TO_SERVER__MESSAGE_BATCH;
        outer.batch = theirs;
        size_t len = heliograph__v1__to_server__get_packed_size(&outer);
        uint8_t *bytes = malloc(len);
        heliograph__v1__to_server__pack(&outer, bytes);
        struct wire_to_server read;
        struct error err = {0};
        enum status st = wire_decode_to_server(&read, bytes, len, stream.arena, &err);
        cr_assert_eq(st, STATUS_OK, "%s", err.text);
        what = differs_from_protobuf(&read.batch, theirs);
        cr_assert(!what, "seed %d round %d, read: %s", (int)seed, round, what);

        free(bytes);
        heliograph__v1__batch__free_unpacked(theirs, NULL);
        buf_deinit(&message);
    }
    random_stream_deinit(&stream);
}

Test(wire_protobuf, small_batches_say_the_same_to_generated_code)
{
    check_batches(6, 1, ROUNDS);
}

Test(wire_protobuf, large_batches_say_the_same_to_generated_code)
{
    check_batches(3000, 2, 20);
}

Test(wire_protobuf, a_hello_says_the_same_to_generated_code)
{
    struct random_stream stream;
    random_stream_init(&stream, 3, 5);
    for (int round = 0; round < ROUNDS; round++) {
        struct wire_hello ours = random_hello(&stream);
        struct buf message;
        buf_init(&message, 0);
        cr_assert_eq(wire_encode_hello(&message, &ours), STATUS_OK);
        Heliograph__V1__ToServer *theirs =
            heliograph__v1__to_server__unpack(NULL, message.len, message.data);
        cr_assert(theirs);
        cr_assert_eq(theirs->message_case, HELIOGRAPH__V1__TO_SERVER__MESSAGE_HELLO);
        const char *what = hello_differs_from_protobuf(&ours, theirs->hello);
        cr_assert(!what, "round %d: %s", round, what);
        heliograph__v1__to_server__free_unpacked(theirs, NULL);
        buf_deinit(&message);
    }
    random_stream_deinit(&stream);
}

Test(wire_protobuf, generated_code_reads_our_bye_and_answers)
{
    struct buf message;
    buf_init(&message, 0);
    struct wire_bye bye = {.last_seq = 77, .exit_status = -9, .reason = {"killed", 6}};
    cr_assert_eq(wire_encode_bye(&message, &bye), STATUS_OK);
    Heliograph__V1__ToServer *up =
        heliograph__v1__to_server__unpack(NULL, message.len, message.data);
    cr_assert_eq(up->bye->last_seq, 77);
    cr_assert_eq(up->bye->exit_status, -9);
    cr_assert_str_eq(up->bye->reason, "killed");
    heliograph__v1__to_server__free_unpacked(up, NULL);

    buf_clear(&message);
    cr_assert_eq(wire_encode_ack(&message, 1u << 30), STATUS_OK);
    Heliograph__V1__ToCollector *down =
        heliograph__v1__to_collector__unpack(NULL, message.len, message.data);
    cr_assert_eq(down->ack->seq, 1u << 30);
    heliograph__v1__to_collector__free_unpacked(down, NULL);

    buf_clear(&message);
    struct wire_control control = {.has_paused = true, .has_rate = true, .rate_hz = 0};
    cr_assert_eq(wire_encode_control(&message, &control), STATUS_OK);
    down = heliograph__v1__to_collector__unpack(NULL, message.len, message.data);
    cr_assert_eq(down->control->has_paused_case, HELIOGRAPH__V1__CONTROL__HAS_PAUSED_PAUSED);
    cr_assert_eq(down->control->paused, 0);
    cr_assert_eq(down->control->has_rate_case, HELIOGRAPH__V1__CONTROL__HAS_RATE_RATE_HZ);
    cr_assert_eq(down->control->has_stop_case, HELIOGRAPH__V1__CONTROL__HAS_STOP__NOT_SET);
    heliograph__v1__to_collector__free_unpacked(down, NULL);
    buf_deinit(&message);
}
