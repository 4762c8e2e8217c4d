#include <criterion/criterion.h>

#include "tests/unit/formats/profile_sums.h"

#define FRAMES                                                                                     \
    "{\"$schema\":\"https://www.speedscope.app/file-format-schema.json\",\"shared\":{\"frames\":[" \
    "{\"name\":\"a\"},{\"name\":\"b\",\"file\":\"x.py\",\"line\":3},{\"name\":\"a\"}]},"
#define SAMPLED(unit, samples, weights)                                                            \
    FRAMES "\"profiles\":[{\"type\":\"sampled\",\"name\":\"t\",\"unit\":\"" unit                   \
           "\",\"startValue\":0,\"endValue\":9,\"samples\":" samples ",\"weights\":" weights "}]}"
#define EVENTED(events)                                                                            \
    FRAMES "\"profiles\":[{\"type\":\"evented\",\"name\":\"t\",\"unit\":\"microseconds\","         \
           "\"startValue\":10,\"endValue\":20,\"events\":" events "}]}"

static struct error err;

Test(speedscope, reads_samples_in_their_unit)
{
    struct profile *p = load_text(SAMPLED("seconds", "[[0],[0,1],[]]", "[1,0.5,2]"), &err);
    cr_assert(p, "%s", err.text);
    cr_assert_str_eq(text_at(p, p->sets[0].types[0].unit), "ns");
    cr_assert_eq(total_of(p, 0, 0), 3500000000);
    cr_assert_eq(self_of(p, 0, 0, "a"), 1000000000);
    cr_assert_eq(total_with(p, 0, 0, "a"), 1500000000);
    cr_assert_eq(p->sets[0].time_ns[1], 1000000000);
    profile_free(p);
}

Test(speedscope, keeps_fractions_of_bytes_as_thousandths)
{
    struct profile *p = load_text(SAMPLED("bytes", "[[0],[1]]", "[1.5,2]"), &err);
    cr_assert(p, "%s", err.text);
    cr_assert_str_eq(text_at(p, p->sets[0].types[0].unit), "bytes/1000");
    cr_assert_eq(total_of(p, 0, 0), 3500);
    profile_free(p);
}

Test(speedscope, turns_events_into_the_time_of_each_stack)
{
    struct profile *p =
        load_text(EVENTED("[{\"type\":\"O\",\"frame\":0,\"at\":10},{\"type\":\"O\",\"frame\":1,"
                          "\"at\":12},{\"type\":\"C\",\"frame\":1,\"at\":15},{\"type\":\"C\","
                          "\"frame\":0,\"at\":20}]"),
                  &err);
    cr_assert(p, "%s", err.text);
    cr_assert_eq(total_of(p, 0, 0), 10000);
    cr_assert_eq(self_of(p, 0, 0, "b"), 3000);
    cr_assert_eq(total_with(p, 0, 0, "a"), 10000);
    cr_assert_eq(p->sets[0].time_ns[0], 0);
    profile_free(p);
}

Test(speedscope, keeps_profiles_apart_as_threads_and_sets)
{
    struct profile *p = load_text(
        FRAMES "\"profiles\":["
               "{\"type\":\"sampled\",\"name\":\"one\",\"unit\":\"none\",\"startValue\":0,"
               "\"endValue\":1,\"samples\":[[0]],\"weights\":[1]},"
               "{\"type\":\"sampled\",\"name\":\"two\",\"unit\":\"none\",\"startValue\":0,"
               "\"endValue\":1,\"samples\":[[1]],\"weights\":[2]},"
               "{\"type\":\"sampled\",\"name\":\"Wall time profile for 7:0:9\",\"unit\":"
               "\"microseconds\",\"startValue\":0,\"endValue\":1,\"samples\":[[1]],\"weights\":"
               "[4]}]}",
        &err);
    cr_assert(p, "%s", err.text);
    cr_assert_eq(p->sets_len, 2);
    cr_assert_eq(p->sets[0].len, 2);
    cr_assert_neq(p->sets[0].thread[0], p->sets[0].thread[1]);
    cr_assert_str_eq(text_at(p, p->sets[1].types[0].name), "Wall time");
    uint32_t thread = p->sets[1].thread ? p->sets[1].thread[0] : 0;
    cr_assert_eq(p->tables.threads[thread].tid, 9);
    profile_free(p);
}

Test(speedscope, refuses_damaged_files_with_a_position)
{
    static const char *const bad[] = {
        SAMPLED("none", "[[0],[7]]", "[1,1]"),
        SAMPLED("none", "[[0]]", "[1,1]"),
        SAMPLED("none", "[[0]]", "[]"),
        SAMPLED("none", "[[0]]", "[NaN]"),
        EVENTED("[{\"type\":\"O\",\"frame\":0,\"at\":10}]"),
        EVENTED("[{\"type\":\"C\",\"frame\":0,\"at\":10}]"),
        EVENTED("[{\"type\":\"O\",\"frame\":0,\"at\":12},{\"type\":\"C\",\"frame\":0,\"at\":11}]"),
        FRAMES "\"profiles\":[{\"type\":\"other\"}]}",
        FRAMES "\"x\":1}",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        cr_assert_null(load_text(bad[i], &err), "%s", bad[i]);
        cr_assert(strstr(err.text, "speedscope") && strstr(err.text, "(byte "), "%s", err.text);
    }
}

Test(speedscope, reads_back_what_it_writes)
{
    struct buf lost;
    buf_init(&lost, 0);
    struct profile *p = load_text(SAMPLED("microseconds", "[[0,1],[0]]", "[3,4]"), &err);
    cr_assert(p, "%s", err.text);
    struct profile *again = write_and_read(p, "speedscope", &lost, &err);
    cr_assert(again, "%s", err.text);
    cr_assert_eq(total_of(again, 0, 0), total_of(p, 0, 0));
    cr_assert_eq(self_of(again, 0, 0, "b"), 3000);
    cr_assert_eq(again->tables.frames_len, p->tables.frames_len);
    profile_free(p);
    profile_free(again);
    buf_deinit(&lost);
}
