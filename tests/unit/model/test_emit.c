#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backend/model/apply.h"
#include "tests/unit/model/same_profile.h"
#include "tests/unit/wire/random_batch.h"

struct receiver {
    struct profile *p;
    size_t hellos, batches, byes, largest;
    uint64_t last_seq;
};

static enum status receive(void *ctx, const uint8_t *message, size_t len)
{
    struct receiver *r = ctx;
    struct arena *arena = arena_new();
    struct wire_to_server m;
    struct error err = {0};
    enum status st = wire_decode_to_server(&m, message, len, arena, &err);
    if (st == STATUS_OK && m.kind == WIRE_HELLO) {
        r->hellos++;
        st = apply_hello(r->p, &m.hello, &err);
    } else if (st == STATUS_OK && m.kind == WIRE_BATCH) {
        r->batches++;
        cr_assert_eq(m.batch.seq, ++r->last_seq);
        st = apply_batch(r->p, &m.batch, &err);
    } else if (st == STATUS_OK) {
        r->byes++;
        cr_assert_eq(m.bye.last_seq, r->last_seq);
    }
    cr_assert_eq(st, STATUS_OK, "%s", err.text);
    r->largest = len > r->largest ? len : r->largest;
    arena_free(arena);
    return st;
}

/* Out and in again: the same profile. */
static struct receiver check_round_trip(const struct profile *p)
{
    struct receiver r = {0};
    cr_assert_eq(profile_new(&r.p), STATUS_OK);
    cr_assert_eq(apply_emit(p, "abcdefghijklmnop", receive, &r), STATUS_OK);
    const char *what = profiles_differ(p, r.p);
    cr_assert(!what, "%s", what);
    cr_assert_eq(r.hellos, 1);
    cr_assert_eq(r.byes, 1);
    cr_assert_eq(profile_finish(r.p), STATUS_OK);
    what = profiles_differ(p, r.p);
    cr_assert(!what, "finished: %s", what);
    profile_free(r.p);
    r.p = NULL;
    return r;
}

Test(emit, random_profiles_come_back_the_same)
{
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct random_stream stream;
        random_stream_init(&stream, seed, seed % 4 ? 10 : 500);
        struct profile *p;
        cr_assert_eq(profile_new(&p), STATUS_OK);
        struct wire_hello hello = random_hello(&stream);
        cr_assert_eq(apply_hello(p, &hello, NULL), STATUS_OK);
        for (int i = 0; i < 15; i++) {
            struct wire_batch batch = random_batch(&stream);
            struct error err = {0};
            cr_assert_eq(apply_batch(p, &batch, &err), STATUS_OK, "%s", err.text);
        }
        check_round_trip(p);
        cr_assert_eq(profile_finish(p), STATUS_OK);
        check_round_trip(p);
        profile_free(p);
        random_stream_deinit(&stream);
    }
}

Test(emit, an_empty_profile_is_a_hello_and_a_bye)
{
    struct profile *p;
    cr_assert_eq(profile_new(&p), STATUS_OK);
    struct receiver r = check_round_trip(p);
    cr_assert_eq(r.batches, 0);
    p->duration_ns = 5;
    r = check_round_trip(p);
    cr_assert_eq(r.batches, 1);
    profile_free(p);
}

Test(emit, a_small_profile_is_one_batch)
{
    struct profile *p;
    uint32_t set;
    uint32_t value;
    uint32_t series;
    cr_assert_eq(profile_new(&p), STATUS_OK);
    cr_assert_eq(profile_add_set(p, "cpu", 0, &set), STATUS_OK);
    cr_assert_eq(profile_add_value_type(p, set, "wall", "ns", &value), STATUS_OK);
    cr_assert_eq(profile_add_series(p, "rss", "bytes", NULL, &series), STATUS_OK);
    cr_assert_eq(profile_add_point(p, series, 1, 0.5), STATUS_OK);
    int64_t one = 1;
    struct profile_sample sample = {.time_ns = UINT64_MAX, .values = &one};
    cr_assert_eq(profile_add_sample(p, set, &sample), STATUS_OK);
    cr_assert_eq(check_round_trip(p).batches, 1);
    profile_free(p);
}

Test(emit, a_large_profile_is_many_bounded_batches)
{
    enum { SAMPLES = 300000, EDGES = 150000, POINTS = 100000 };
    struct profile *p;
    uint32_t set;
    uint32_t value;
    uint32_t series;
    cr_assert_eq(profile_new(&p), STATUS_OK);
    cr_assert_eq(profile_add_set(p, "cpu", 10, &set), STATUS_OK);
    cr_assert_eq(profile_add_value_type(p, set, "wall", "ns", &value), STATUS_OK);
    cr_assert_eq(profile_add_series(p, "rss", "bytes", NULL, &series), STATUS_OK);
    struct wire_frame frame = {0};
    uint32_t frame_id = 0;
    uint32_t stack = 0;
    for (uint32_t i = 0; i < SAMPLES; i++) {
        frame.line = i % 70000;
        cr_assert_eq(tables_frame(&p->tables, &frame, &frame_id), STATUS_OK);
        cr_assert_eq(tables_stack(&p->tables, i % 100 ? stack : 0, frame_id, &stack), STATUS_OK);
        int64_t v = (int64_t)i * i;
        struct profile_sample sample = {.time_ns = i, .stack = stack, .values = &v};
        cr_assert_eq(profile_add_sample(p, set, &sample), STATUS_OK);
    }
    for (uint32_t i = 0; i < POINTS; i++)
        cr_assert_eq(profile_add_point(p, series, i, i * 0.1), STATUS_OK);
    uint32_t row;
    for (uint32_t i = 0; i < EDGES / 2; i++)
        cr_assert_eq(profile_add_call_row(p, &(struct call_row){.self = i}, &row), STATUS_OK);
    for (uint32_t i = 0; i < EDGES; i++)
        cr_assert_eq(profile_add_call_edge(p, &(struct call_edge){.caller = i / 2, .calls = i}),
                     STATUS_OK);
    cr_assert_eq(profile_finish(p), STATUS_OK);
    struct receiver r = check_round_trip(p);
    cr_assert_gt(r.batches, 5);
    cr_assert_lt(r.largest, 4 << 20);
    profile_free(p);
}

Test(emit, texts_as_large_as_they_may_be_fit_their_messages)
{
    struct profile *p;
    cr_assert_eq(profile_new(&p), STATUS_OK);
    struct random_stream stream;
    random_stream_init(&stream, 9, 1);
    char *noise = malloc(TABLES_MAX_STRING);
    for (int copy = 0; copy < 3; copy++) {
        for (size_t i = 0; i + 8 <= TABLES_MAX_STRING; i += 8) {
            uint64_t bits = random_u64(&stream);
            memcpy(noise + i, &bits, sizeof(bits));
        }
        struct wire_function function = {0};
        uint32_t text;
        uint32_t id;
        cr_assert_eq(tables_string(&p->tables, noise, TABLES_MAX_STRING, &function.name),
                     STATUS_OK);
        cr_assert_eq(tables_function(&p->tables, &function, &id), STATUS_OK);
        noise[0]++;
        cr_assert_eq(tables_string(&p->tables, noise, TABLES_MAX_STRING, &text), STATUS_OK);
        cr_assert_eq(profile_add_source(p, function.name, text), STATUS_OK);
    }
    struct receiver r = check_round_trip(p);
    cr_assert_leq(r.largest, WIRE_MAX_MESSAGE);
    free(noise);
    random_stream_deinit(&stream);
    profile_free(p);
}

Test(emit, lines_keep_what_is_not_known_apart_from_zero)
{
    struct profile *p;
    cr_assert_eq(profile_new(&p), STATUS_OK);
    struct line_row row = {.line = 3,
                           .hits = 4,
                           .time_s = 0,
                           .memory_bytes = (double)NAN,
                           .increment_bytes = (double)NAN};
    cr_assert_eq(profile_add_line(p, &row), STATUS_OK);
    row.memory_bytes = 5;
    cr_assert_eq(profile_add_line(p, &row), STATUS_OK);
    check_round_trip(p);
    profile_free(p);
}

static enum status refuse(void *ctx, const uint8_t *message, size_t len)
{
    (void)message;
    (void)len;
    int *left = ctx;
    return (*left)-- > 0 ? STATUS_OK : STATUS_IO;
}

Test(emit, stops_where_the_receiver_says_no)
{
    struct profile *p;
    cr_assert_eq(profile_new(&p), STATUS_OK);
    p->duration_ns = 5;
    for (int allowed = 0; allowed < 3; allowed++) {
        int left = allowed;
        cr_assert_eq(apply_emit(p, "abcdefghijklmnop", refuse, &left), STATUS_IO);
        cr_assert_eq(left, -1);
    }
    profile_free(p);
}
