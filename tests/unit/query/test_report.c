#include <string.h>

#include "backend/query/activity.h"
#include "backend/query/series.h"
#include "backend/query/stats.h"
#include "backend/query/summary.h"
#include "common/base/arena.h"
#include "small_profile.h"

static const struct query_filter everything = {0};

static char *text_of(struct buf *b)
{
    buf_put_byte(b, 0);
    cr_assert_eq(buf_status(b), STATUS_OK);
    return (char *)b->data;
}

Test(series, keeps_every_bucket_s_range_and_last_value_when_thinned)
{
    struct profile *p = small_new(NULL, NULL, NULL);
    uint32_t s;
    cr_assert_eq(profile_add_series(p, "rss", "bytes", NULL, &s), STATUS_OK);
    for (uint64_t i = 0; i < 10; i++)
        cr_assert_eq(profile_add_point(p, s, i * 1000000000, i == 3 ? 99 : (double)i), STATUS_OK);
    struct buf b;
    buf_init(&b, 0);
    cr_assert_eq(series_write_json(p, &(struct series_query){.points = 2}, 4, &b), STATUS_OK);
    cr_assert_str_eq(text_of(&b),
                     "{\"rev\":4,\"series\":[{\"name\":\"rss\",\"unit\":\"bytes\",\"process\":null,"
                     "\"t\":[4,9],\"v\":[4,9],\"min\":[0,5],\"max\":[99,9],\"total_points\":10}]}");
    buf_clear(&b);
    struct series_query window = {
        .has_from = true, .from_ns = 8000000000, .names = "pss,rss", .whose = SERIES_TREE};
    cr_assert_eq(series_write_json(p, &window, 4, &b), STATUS_OK);
    cr_assert(strstr(text_of(&b), "\"t\":[8,9],\"v\":[8,9],\"total_points\":2"), "%s",
              (char *)b.data);
    buf_clear(&b);
    cr_assert_eq(series_write_json(p, &(struct series_query){.names = "uss"}, 4, &b), STATUS_OK);
    cr_assert_str_eq(text_of(&b), "{\"rev\":4,\"series\":[]}");
    buf_deinit(&b);
    profile_free(p);
}

Test(activity, puts_each_sample_of_each_thread_into_one_bucket_and_state)
{
    struct profile *p = small_new("cpu", "wall", "ns");
    small_sample_at(p, "a", 1, 0, 0, WIRE_ON_CPU | WIRE_HAS_GIL);
    small_sample_at(p, "a", 1, 400, 0, WIRE_WANTS_GIL);
    small_sample_at(p, "a", 1, 800, 0, 0);
    small_sample_at(p, "a", 1, 999, 0, WIRE_ON_CPU);
    cr_assert_eq(profile_finish(p), STATUS_OK);
    struct buf b;
    buf_init(&b, 0);
    cr_assert_eq(activity_write_json(p, &everything, 2, 1, &b, NULL), STATUS_OK);
    cr_assert(strstr(text_of(&b), "\"thread\":0,\"oncpu\":[0,1],\"gil\":[1,0],\"wants\":[1,0],"
                                  "\"idle\":[0,1]"),
              "%s", (char *)b.data);
    buf_deinit(&b);
    profile_free(p);
}

/* 2 ms of work and 10 ms of sleep are a thread that is one sixth busy, not an idle one. */
Test(activity, what_an_idle_sample_had_of_cpu_time_is_time_on_a_cpu)
{
    struct profile *p = small_new("cpu", "wall", "ns");
    uint32_t column;
    cr_assert_eq(profile_add_value_type(p, 0, "cpu", "ns", &column), STATUS_OK);
    for (uint64_t i = 0; i < 4; i++) {
        struct profile_sample s = {.time_ns = i * 100,
                                   .stack = small_stack(p, "a"),
                                   .values = (int64_t[]){100, i == 3 ? 0 : 25}};
        cr_assert_eq(profile_add_sample(p, 0, &s), STATUS_OK);
    }
    cr_assert_eq(profile_finish(p), STATUS_OK);
    struct buf b;
    buf_init(&b, 0);
    cr_assert_eq(activity_write_json(p, &everything, 1, 1, &b, NULL), STATUS_OK);
    cr_assert(strstr(text_of(&b),
                     "\"thread\":0,\"oncpu\":[0.75],\"gil\":[0],\"wants\":[0],\"idle\":[3.25]"),
              "%s", (char *)b.data);
    buf_deinit(&b);
    profile_free(p);
}

Test(summary, says_the_hottest_function_and_the_peak)
{
    struct profile *p = small_new("cpu", "wall", "ns");
    small_sample(p, "main;hash_password", 62);
    small_sample(p, "main;other", 38);
    uint32_t s;
    cr_assert_eq(profile_add_series(p, "rss", "bytes", NULL, &s), STATUS_OK);
    cr_assert_eq(profile_add_point(p, s, 1000000000, 5e8), STATUS_OK);
    cr_assert_eq(profile_add_point(p, s, 41000000000, 1.2e9), STATUS_OK);
    struct buf b;
    buf_init(&b, 0);
    cr_assert_eq(summary_write(p, NULL, &b), STATUS_OK);
    cr_assert_str_eq(text_of(&b),
                     "62 % in hash_password (hash_password.py:10); peak RSS 1.12 GiB at 41 s");
    buf_deinit(&b);
    profile_free(p);
}

Test(summary, does_not_count_waiting_as_work)
{
    struct profile *p = small_new("cpu", "wall", "ns");
    small_sample(p, "main;wait", 900);
    small_sample(p, "main;work", 75);
    small_sample(p, "main;rest", 25);
    p->tables.functions[small_function(p, "wait")].kind = WIRE_IDLE;
    struct buf b;
    buf_init(&b, 0);
    cr_assert_eq(summary_write(p, NULL, &b), STATUS_OK);
    cr_assert_str_eq(text_of(&b), "75 % in work (work.py:10)");
    buf_deinit(&b);
    profile_free(p);
}

/* One thread sleeps nearly all the time: where it sleeps is not what matters. */
Test(summary, names_the_work_of_a_program_that_mostly_waits)
{
    struct profile *p = small_new("cpu", "wall", "ns");
    static const struct {
        const char *stack;
        int64_t wall;
        uint8_t state;
    } rows[] = {{"main;poll", 850, 0},
                {"main;work", 90, WIRE_ON_CPU},
                {"main;other", 30, WIRE_ON_CPU | WIRE_HAS_GIL},
                {"main;other", 30, WIRE_WANTS_GIL}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct profile_sample s = {.stack = small_stack(p, rows[i].stack),
                                   .state = rows[i].state,
                                   .values = (int64_t[]){rows[i].wall}};
        cr_assert_eq(profile_add_sample(p, 0, &s), STATUS_OK);
    }
    struct buf b;
    buf_init(&b, 0);
    cr_assert_eq(summary_write(p, NULL, &b), STATUS_OK);
    cr_assert_str_eq(text_of(&b), "85 % waiting; of the rest 60 % in work (work.py:10)");
    buf_deinit(&b);
    profile_free(p);
}

Test(summary, has_words_for_amounts)
{
    static const struct {
        double amount;
        const char *unit, *words;
    } rows[] = {
        {0, "ns", "0"},
        {1500, "ns", "1.50 us"},
        {90, "s", "90 s"},
        {1234567, "count", "1,234,567"},
        {-1234, "count", "-1,234"},
        {2048, "bytes", "2 KiB"},
        {7200, "s", "2 h"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char words[32];
        summary_amount(rows[i].amount, rows[i].unit, words, sizeof(words));
        cr_assert_str_eq(words, rows[i].words);
    }
}

Test(stats, of_a_call_graph_are_the_numbers_of_pstats)
{
    struct profile *p = small_new(NULL, NULL, NULL);
    cr_assert_eq(profile_set_text(p, &p->format, "pstats", 6), STATUS_OK);
    small_call_row(p, "main", 1, 1, 0.1, 0.3);
    small_call_row(p, "fib", 21, 1, 0.2, 0.2);
    struct buf b;
    buf_init(&b, 0);
    struct stats_options top = {.top = 1};
    cr_assert_eq(stats_write_json(p, NULL, &everything, &top, &b, NULL), STATUS_OK);
    cr_assert_str_eq(
        text_of(&b),
        "{\"format\":\"pstats\",\"shapes\":[\"call-graph\"],\"values\":[{\"name\":\"time\","
        "\"unit\":\"s\",\"total\":0.30000000000000004}],\"counts\":{\"functions\":2,\"calls\":22,"
        "\"primitive_calls\":2},\"functions\":[{\"name\":\"fib\",\"file\":\"/src/fib.py\","
        "\"line\":10,\"self\":0.2,\"total\":0.2,\"ncalls\":21,\"primitive_calls\":1}],"
        "\"warnings\":[]}");
    buf_deinit(&b);
    profile_free(p);
}

Test(stats, of_allocations_name_the_lines_with_bytes_and_count)
{
    struct profile *p = small_new("heap", "in_use", "bytes");
    uint32_t column;
    cr_assert_eq(profile_add_value_type(p, 0, "blocks", "count", &column), STATUS_OK);
    int64_t values[2] = {512, 3};
    struct profile_sample s = {
        .time_ns = UINT64_MAX, .stack = small_stack(p, "main:4;load:12"), .values = values};
    cr_assert_eq(profile_add_sample(p, 0, &s), STATUS_OK);
    struct buf b;
    buf_init(&b, 0);
    struct stats_options all = {0};
    cr_assert_eq(stats_write_json(p, NULL, &everything, &all, &b, NULL), STATUS_OK);
    const char *text = text_of(&b);
    cr_assert(strstr(text, "\"lines\":[{\"function\":\"load\",\"file\":\"/src/load.py\","
                           "\"line\":12,\"bytes\":512,\"count\":3}]"),
              "%s", text);
    cr_assert(strstr(text, "\"heap\":{\"in_use_bytes\":512,\"allocations\":3}"), "%s", text);
    buf_deinit(&b);
    profile_free(p);
}

Test(stats, of_series_alone_have_no_functions)
{
    struct profile *p = small_new(NULL, NULL, NULL);
    uint32_t s;
    cr_assert_eq(profile_add_series(p, "rss", "bytes", NULL, &s), STATUS_OK);
    cr_assert_eq(profile_add_point(p, s, 0, 7), STATUS_OK);
    struct buf b;
    buf_init(&b, 0);
    struct error err = {0};
    struct stats_options all = {0};
    cr_assert_eq(stats_write_json(p, NULL, &everything, &all, &b, &err), STATUS_OK, "%s", err.text);
    const char *text = text_of(&b);
    cr_assert_not(strstr(text, "functions"));
    cr_assert(strstr(text, "{\"name\":\"rss\",\"unit\":\"bytes\",\"points\":1,\"min\":7,\"max\":7,"
                           "\"first\":7,\"last\":7}"),
              "%s", text);
    buf_clear(&b);
    cr_assert_eq(stats_write_text(p, NULL, &everything, &all, &b, &err), STATUS_OK, "%s", err.text);
    cr_assert(strstr(text_of(&b), "rss: peak 7 B"));
    buf_deinit(&b);
    profile_free(p);
}

Test(filter, reads_the_parameters_of_the_api)
{
    struct arena *arena = arena_new();
    struct query_filter f = {0};
    bool known;
    cr_assert_eq(filter_set(&f, arena, "from", "1.4", &known, NULL), STATUS_OK);
    cr_assert_eq(f.from_ns, 1400000000);
    cr_assert_eq(filter_set(&f, arena, "thread", "3,5", &known, NULL), STATUS_OK);
    cr_assert_eq(f.threads_len, 2);
    cr_assert_eq(f.threads[1], 5);
    cr_assert_eq(filter_set(&f, arena, "state", "gil,gc", &known, NULL), STATUS_OK);
    cr_assert_eq(f.states, WIRE_HAS_GIL | WIRE_IN_GC);
    cr_assert_eq(filter_set(&f, arena, "focus", "12", &known, NULL), STATUS_OK);
    cr_assert(f.has_focus && f.focus == 12);
    cr_assert_eq(filter_set(&f, arena, "min", "1", &known, NULL), STATUS_OK);
    cr_assert_not(known);
    arena_free(arena);
}

Test(filter, refuses_what_is_not_a_number_of_its_kind)
{
    static const char *const bad[][2] = {
        {"from", "soon"},  {"to", "1x"},     {"to", "nan"},
        {"thread", "1;2"}, {"thread", "-1"}, {"hide", "99999999999"},
        {"focus", "a"},    {"focus", "1,2"}, {"state", "asleep"},
    };
    struct arena *arena = arena_new();
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct query_filter f = {0};
        bool known;
        struct error err = {0};
        cr_assert_eq(filter_set(&f, arena, bad[i][0], bad[i][1], &known, &err), STATUS_INVALID,
                     "%s=%s", bad[i][0], bad[i][1]);
        cr_assert(err.text[0]);
    }
    arena_free(arena);
}
