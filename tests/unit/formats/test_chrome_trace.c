#include <criterion/criterion.h>

#include "tests/unit/formats/profile_sums.h"

#define EVENT(ph, name, ts, more)                                                                  \
    "{\"ph\":\"" ph "\",\"name\":\"" name "\",\"pid\":1,\"tid\":2,\"ts\":" ts more "}"

static struct error err;

Test(chrome_trace, nests_begin_end_and_complete_events)
{
    struct profile *p =
        load_text("[" EVENT("B", "a", "0", "") "," EVENT("X", "b", "2.5", ",\"dur\":4") "," EVENT(
                      "E", "a", "10", "") "]",
                  &err);
    cr_assert(p, "%s", err.text);
    cr_assert_eq(total_of(p, 0, 0), 10000);
    cr_assert_eq(self_of(p, 0, 0, "a"), 6000);
    cr_assert_eq(self_of(p, 0, 0, "b"), 4000);
    cr_assert_eq(total_with(p, 0, 0, "a"), 10000);
    profile_free(p);
}

static void expect_place(const char *json, const char *name, uint32_t first_line, uint32_t line)
{
    struct profile *p = load_text(json, &err);
    cr_assert(p, "%s", err.text);
    const struct wire_frame *frame = &p->tables.frames[p->tables.frames_len - 1];
    const struct wire_function *f = &p->tables.functions[frame->function];
    cr_assert_str_eq(text_at(p, f->name), name);
    cr_assert_str_eq(text_at(p, f->file), "/a b/x (1).py");
    cr_assert_eq(f->module, 0, "a category is no module there");
    cr_assert_eq(f->line, first_line);
    cr_assert_eq(frame->line, line);
    profile_free(p);
}

Test(chrome_trace, knows_where_functions_of_py_spy_and_viztracer_are)
{
    expect_place("[" EVENT("B", "C.f", "0",
                           ",\"cat\":\"py-spy\",\"args\":{\"filename\":\"/a b/x (1).py\","
                           "\"line\":7}") "," EVENT("E", "C.f", "5", "") "]",
                 "C.f", 0, 7);
    expect_place("[" EVENT("X", "C.f (/a b/x (1).py:3)", "0", ",\"dur\":5,\"cat\":\"fee\"") "]",
                 "C.f", 3, 0);
}

Test(chrome_trace, takes_events_in_any_order_and_times_as_text)
{
    struct profile *p = load_text(
        "{\"traceEvents\":[" EVENT("E", "", "\"9\"", "") "," EVENT("E", "", "\"10\"", "") "," EVENT(
            "B", "a", "0", "") "," EVENT("B", "b", "1", "") "]}",
        &err);
    cr_assert(p, "%s", err.text);
    cr_assert_eq(total_with(p, 0, 0, "a"), 10000);
    cr_assert_eq(total_with(p, 0, 0, "b"), 8000);
    profile_free(p);
}

Test(chrome_trace, keeps_the_whole_length_of_slices_that_overlap)
{
    struct profile *p = load_text(
        "[" EVENT("X", "a", "0", ",\"dur\":10") "," EVENT("X", "b", "5", ",\"dur\":10") "]", &err);
    cr_assert(p, "%s", err.text);
    cr_assert_eq(total_with(p, 0, 0, "a"), 10000);
    cr_assert_eq(total_with(p, 0, 0, "b"), 10000);
    cr_assert_eq(total_of(p, 0, 0), 15000);
    profile_free(p);
}

Test(chrome_trace, warns_of_events_without_a_partner)
{
    struct profile *p = load_text("[" EVENT("E", "x", "0", "") "," EVENT(
                                      "B", "a", "1", "") "," EVENT("X", "b", "4", ",\"dur\":2") "]",
                                  &err);
    cr_assert(p, "%s", err.text);
    cr_assert(has_warning(p, "without a begin"));
    cr_assert(has_warning(p, "without an end"));
    cr_assert_eq(total_with(p, 0, 0, "a"), 5000);
    profile_free(p);
}

Test(chrome_trace, reads_up_to_where_a_file_breaks_off)
{
    struct profile *p =
        load_text("[" EVENT("X", "a", "0", ",\"dur\":3") ",{\"ph\":\"X\",\"na", &err);
    cr_assert(p, "%s", err.text);
    cr_assert(has_warning(p, "in the middle"));
    cr_assert_eq(total_of(p, 0, 0), 3000);
    profile_free(p);
    p = load_text("[" EVENT("X", "a", "0", ",\"dur\":3") ",", &err);
    cr_assert(p, "%s", err.text);
    profile_free(p);
}

#define V8_TASK    EVENT("X", "task", "0", ",\"dur\":9")
#define V8_PROFILE EVENT("P", "Profile", "1", ",\"id\":\"7\",\"args\":{\"data\":{\"startTime\":2}}")
#define V8_NODES                                                                                   \
    "[{\"id\":1,\"callFrame\":{\"functionName\":\"r\"}},"                                          \
    "{\"id\":2,\"parent\":1,\"callFrame\":{\"functionName\":\"f\"}}]"
#define V8_CHUNK(ts, profile, deltas)                                                              \
    EVENT("P", "ProfileChunk", ts,                                                                 \
          ",\"id\":\"7\",\"args\":{\"data\":{\"cpuProfile\":" profile ",\"timeDeltas\":" deltas    \
          "}}")
#define V8_FIRST "{\"nodes\":" V8_NODES ",\"samples\":[2]}"

Test(chrome_trace, reads_v8_profiles_in_chunks_first)
{
    struct profile *p = load_text(
        "[" V8_TASK "," V8_PROFILE
        "," V8_CHUNK("3", V8_FIRST, "[1]") "," V8_CHUNK("4", "{\"samples\":[1]}", "[3]") "]",
        &err);
    cr_assert(p, "%s", err.text);
    cr_assert_eq(p->sets_len, 2);
    cr_assert_eq(self_of(p, 0, 0, "f"), 3000);
    cr_assert_eq(p->sets[0].len, 2);
    cr_assert_eq(total_with(p, 1, 0, "task"), 9000);
    profile_free(p);
}

Test(chrome_trace, keeps_names_counters_and_async_spans)
{
    struct profile *p = load_text(
        "[{\"ph\":\"M\",\"name\":\"thread_name\",\"pid\":1,\"tid\":\"w\",\"args\":{\"name\":"
        "\"worker\"}},{\"ph\":\"X\",\"name\":\"a\",\"pid\":1,\"tid\":\"w\",\"ts\":1,\"dur\":1}"
        "," EVENT("C", "mem", "2", ",\"args\":{\"rss\":5}") "," EVENT(
            "b", "job", "1", ",\"id\":1") "," EVENT("e", "job", "4", ",\"id\":1") "]",
        &err);
    cr_assert(p, "%s", err.text);
    uint32_t thread = p->sets[0].thread ? p->sets[0].thread[0] : 0;
    cr_assert_str_eq(text_at(p, p->tables.threads[thread].name), "worker");
    cr_assert_eq(p->series_len, 1);
    cr_assert_float_eq(p->series[0].value[0], 5, 0);
    cr_assert_eq(p->spans_len, 1);
    cr_assert_eq(p->spans[0].end_ns - p->spans[0].begin_ns, 3000);
    profile_free(p);
}

Test(chrome_trace, refuses_events_that_cannot_be)
{
    static const char *const bad[] = {
        "[" EVENT("X", "a", "0", ",\"dur\":-1") "]",
        "[" EVENT("B", "a", "NaN", "") "]",
        "[" EVENT("B", "a", "1e300", "") "]",
        "[{\"ph\":\"X\",\"name\":\"a\"}]",
        "{\"traceEvents\":[1]}",
        "{\"traceEvents\":{}}",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        cr_assert_null(load_text(bad[i], &err), "%s", bad[i]);
        cr_assert(strstr(err.text, "chrome-trace"), "%s", err.text);
    }
}

Test(chrome_trace, reads_back_what_it_writes)
{
    struct buf lost;
    buf_init(&lost, 0);
    struct profile *p = load_text(
        "[" EVENT("B", "a", "0", ",\"args\":{\"file\":\"a.py\",\"line\":3}") "," EVENT(
            "X", "b", "2.5",
            ",\"dur\":4") "," EVENT("E", "a", "10", "") "," EVENT("X", "a", "20", ",\"dur\":5") "]",
        &err);
    cr_assert(p, "%s", err.text);
    struct profile *again = write_and_read(p, "chrome-trace", &lost, &err);
    cr_assert(again, "%s", err.text);
    cr_assert_eq(total_of(again, 0, 0), 15000);
    cr_assert_eq(self_of(again, 0, 0, "b"), 4000);
    cr_assert_eq(again->tables.frames_len, p->tables.frames_len);
    profile_free(p);
    profile_free(again);
    buf_deinit(&lost);
}
