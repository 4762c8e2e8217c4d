/* Merged chunks must say exactly what their parts said. Random sessions, made with the collector's
 * own stream, are read both ways and compared byte by byte as apply_emit writes them. */

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/model/apply.h"
#include "backend/store/merge.h"
#include "collector/stream/stream.h"
#include "common/base/clock.h"

enum { PARTS = 60, SEEDS = 40 };

static uint64_t random_state;

static uint32_t pick(uint32_t below)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 33) % below;
}

static uint32_t name(struct stream *s, const char *kind, uint32_t number)
{
    char text[40];
    int len = snprintf(text, sizeof(text), "%s_%u", kind, number);
    return stream_string(s, text, (size_t)len);
}

static uint32_t random_stack(struct stream *s)
{
    uint32_t stack = 0;
    for (uint32_t depth = pick(6); depth > 0; depth--) {
        struct wire_function f = {.name = name(s, "f", pick(40)),
                                  .file = name(s, "file", pick(3)),
                                  .line = pick(5),
                                  .kind = pick(3)};
        struct wire_frame frame = {.function = stream_function(s, &f), .line = pick(20)};
        stack = stream_stack(s, stack, stream_frame(s, &frame));
    }
    return stack;
}

static void random_samples(struct stream *s, uint64_t now)
{
    static const char *const cpu[][2] = {{"wall", "ns"}, {"cpu", "ns"}};
    static const char *const heap[][2] = {{"allocated", "bytes"}};
    bool is_heap = pick(3) == 0;
    uint32_t set = is_heap ? stream_sample_set(s, "heap", heap, 1, 0)
                           : stream_sample_set(s, "cpu", cpu, 2, 10000000);
    enum { MOST = 30 };
    uint64_t time_ns[MOST];
    uint32_t thread[MOST];
    uint32_t stack[MOST];
    uint32_t state[MOST];
    int64_t values[2 * MOST];
    size_t len = pick(MOST);
    bool is_constant = pick(2);
    uint32_t process = stream_process(s, 100 + pick(4), 1, "p", 1);
    for (size_t i = 0; i < len; i++) {
        time_ns[i] = now + i * 1000 - pick(5) * 300;
        thread[i] = stream_thread(s, process, pick(5), pick(3) ? NULL : "named");
        stack[i] = random_stack(s);
        state[i] = pick(4) ? 0 : pick(8);
    }
    for (size_t i = 0; i < 2 * len; i++)
        values[i] = is_constant ? 7 : (int64_t)pick(1000) - 500;
    stream_samples(s, set, len, time_ns, pick(3) ? thread : NULL, stack, pick(2) ? state : NULL,
                   values);
}

static void random_step(struct stream *s, uint64_t now)
{
    uint32_t process = stream_process(s, 100 + pick(4), 1, pick(9) ? "p" : "q", 1);
    switch (pick(9)) {
    case 0:
        stream_process_end(s, process, now);
        break;
    case 1:
        stream_process_runtime(s, process, pick(2) ? "CPython 3.12.1" : "native");
        break;
    case 2:
        stream_span(s, &(struct wire_span){.name = name(s, "span", pick(3)),
                                           .begin_ns = now,
                                           .end_ns = pick(2) ? now + 50 : 0,
                                           .process = process});
        break;
    case 3:
        stream_notice(s, pick(3), "code", "something happened");
        break;
    case 4:
        stream_counter_set(s, pick(2) ? "torn" : "missed", pick(1000));
        break;
    case 5:
    case 6: {
        char metric[16];
        snprintf(metric, sizeof(metric), "m%u", pick(4));
        stream_point(s, stream_metric(s, metric, "bytes", pick(2), process), now,
                     pick(2) ? pick(1000) : pick(1000) / 7.0);
        break;
    }
    default:
        random_samples(s, now);
    }
}

/* ---- the parts ---- */

static struct wire_batch parts[4 * PARTS];
static size_t parts_len;
static struct arena *arena;
static struct error err;

static enum status keep_part(void *ctx, uint64_t seq, const uint8_t *message, size_t len)
{
    (void)ctx;
    (void)seq;
    struct wire_to_server decoded;
    const char *copy = arena_copy(arena, (const char *)message, len);
    cr_assert_eq(wire_decode_to_server(&decoded, (const uint8_t *)copy, len, arena, &err),
                 STATUS_OK, "%s", err.text);
    cr_assert_lt(parts_len, sizeof(parts) / sizeof(parts[0]));
    parts[parts_len++] = decoded.batch;
    return STATUS_OK;
}

static void make_parts(uint64_t seed)
{
    struct stream *s = NULL;
    uint64_t start = clock_monotonic_ns();
    random_state = seed * 0x9e3779b97f4a7c15ULL + 1;
    parts_len = 0;
    cr_assert_eq(stream_new(&s, start, NULL), STATUS_OK);
    for (uint64_t i = 0; i < PARTS; i++) {
        for (uint32_t n = pick(6); n > 0; n--)
            random_step(s, start + i * 250000000 + pick(1000000));
        cr_assert_eq(stream_take(s, keep_part, NULL, NULL), STATUS_OK);
    }
    stream_free(s);
}

static enum status put_bytes(void *ctx, const uint8_t *message, size_t len)
{
    struct buf *all = ctx;
    buf_put(all, message, len);
    return buf_status(all);
}

static struct buf emit(const struct profile *p)
{
    struct buf all;
    buf_init(&all, 0);
    cr_assert_eq(apply_emit(p, "aaaaaaaaaaaaaaaa", put_bytes, &all), STATUS_OK);
    return all;
}

/* The merged batch goes over the wire, as it does in the store. */
static void apply_merged(struct profile *p, size_t from, size_t len)
{
    struct wire_batch merged;
    struct wire_to_server again;
    struct buf message;
    buf_init(&message, 0);
    cr_assert_eq(merge_batches(&merged, parts + from, len, arena), STATUS_OK);
    cr_assert_eq(wire_encode_batch(&message, &merged), STATUS_OK);
    cr_assert_eq(wire_decode_to_server(&again, message.data, message.len, arena, &err), STATUS_OK,
                 "%s", err.text);
    cr_assert(merge_counts_match(&merged, &again.batch));
    cr_assert_eq(apply_batch(p, &again.batch, &err), STATUS_OK, "%s", err.text);
    buf_deinit(&message);
}

Test(merge_random, says_exactly_what_the_parts_said)
{
    size_t total = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct profile *apart = NULL;
        struct profile *together = NULL;
        arena = arena_new();
        make_parts(seed);
        total += parts_len;
        cr_assert_eq(profile_new(&apart), STATUS_OK);
        cr_assert_eq(profile_new(&together), STATUS_OK);
        for (size_t i = 0; i < parts_len; i++)
            cr_assert_eq(apply_batch(apart, &parts[i], &err), STATUS_OK, "%s", err.text);
        for (size_t i = 0; i < parts_len;) {
            size_t len = 1 + pick(20);
            len = len < parts_len - i ? len : parts_len - i;
            apply_merged(together, i, len);
            i += len;
        }
        struct buf a = emit(apart);
        struct buf b = emit(together);
        cr_assert_eq(a.len, b.len, "seed %llu: %zu and %zu bytes", (unsigned long long)seed, a.len,
                     b.len);
        cr_assert_eq(memcmp(a.data, b.data, a.len), 0, "seed %llu", (unsigned long long)seed);
        buf_deinit(&a);
        buf_deinit(&b);
        profile_free(apart);
        profile_free(together);
        arena_free(arena);
    }
    cr_assert_gt(total, SEEDS * PARTS / 2);
}
