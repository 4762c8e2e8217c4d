#include <criterion/criterion.h>

#include "tests/unit/formats/profile_sums.h"

/* What Python's own tools write as JSON. */

static struct error err;

#define SESSION(records)                                                                           \
    "{\"frame_records\":" records ",\"start_time\":2.0,\"duration\":0.75,\"sample_count\":2,"      \
    "\"start_call_stack\":[],\"cpu_time\":0.5}"

Test(pyinstrument, reads_records_with_thread_lines_and_exact_sum)
{
    struct profile *p = load_text(
        SESSION("[[[\"MainThread\\u0000<thread>\\u000055\",\"f\\u0000a.py\\u00003\\u0001l4\"],"
                "0.1234567894],[[\"f\\u0000a.py\\u00003\\u0001l5\"],0.1234567894]]"),
        &err);
    cr_assert(p, "%s", err.text);
    cr_assert_eq(total_of(p, 0, 0), 246913579);
    cr_assert_eq(self_of(p, 0, 0, "f"), 246913579);
    cr_assert_eq(p->duration_ns, 750000000);
    cr_assert_eq(p->tables.frames[1].line, 4);
    cr_assert_eq(p->tables.functions[1].line, 3);
    uint32_t thread = p->sets[0].thread ? p->sets[0].thread[0] : 0;
    cr_assert_eq(p->tables.threads[thread].tid, 55);
    profile_free(p);
}

Test(pyinstrument, refuses_records_that_cannot_be)
{
    static const char *const bad[] = {
        SESSION("{}"),        SESSION("[[[]]]"),
        SESSION("[[[],-1]]"), SESSION("[[[],NaN]]"),
        SESSION("[[[5],1]]"), "{\"start_call_stack\":[],\"frame_records\":[]}"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        cr_assert_null(load_text(bad[i], &err), "%s", bad[i]);
        cr_assert(strstr(err.text, "pyinstrument-session"), "%s", err.text);
    }
}

Test(pyinstrument, keeps_the_root_as_wide_as_it_is_when_children_are_rounded_up)
{
    struct profile *p = load_text(
        "{\"duration\":1,\"sample_count\":2,\"root_frame\":{\"function\":\"f\",\"file_path\":"
        "\"a.py\",\"line_no\":3,\"time\":0.5,\"children\":[{\"function\":\"g\",\"time\":0.300001,"
        "\"children\":[]},{\"function\":\"h\",\"time\":0.2,\"children\":[]}]}}",
        &err);
    cr_assert(p, "%s", err.text);
    cr_assert_eq(total_of(p, 0, 0), 500000000);
    cr_assert_eq(self_of(p, 0, 0, "h"), 200000000);
    profile_free(p);
}

Test(pyinstrument, gives_what_is_named_self_to_the_function_around_it)
{
    struct profile *p = load_text(
        "{\"duration\":1,\"sample_count\":2,\"root_frame\":{\"function\":\"f\",\"file_path\":"
        "\"a.py\",\"line_no\":3,\"time\":0.5,\"children\":[{\"function\":\"[self]\",\"time\":0.3,"
        "\"children\":[]},{\"function\":\"h\",\"time\":0.2,\"children\":[]}]}}",
        &err);
    cr_assert(p, "%s", err.text);
    cr_assert_eq(self_of(p, 0, 0, "f"), 300000000);
    cr_assert_eq(self_of(p, 0, 0, "h"), 200000000);
    cr_assert_eq(total_with(p, 0, 0, "[self]"), 0);
    profile_free(p);
}

Test(scalene, reads_lines_memory_stacks_and_sources)
{
    struct profile *p = load_text(
        "{\"alloc_samples\":1,\"args\":[\"x.py\"],\"elapsed_time_sec\":2.0,\"files\":{\"a.py\":{"
        "\"functions\":[{\"line\":\"f\",\"lineno\":1,\"n_cpu_percent_python\":75}],\"lines\":["
        "{\"line\":\"def f():\\n\",\"lineno\":1,\"n_cpu_percent_python\":0},"
        "{\"line\":\"  "
        "g()\\n\",\"lineno\":2,\"n_cpu_percent_python\":50.0,\"n_cpu_percent_c\":25.0,"
        "\"n_sys_percent\":0.0,\"n_malloc_mb\":1.5,\"n_peak_mb\":1.0,\"start_function_line\":1,"
        "\"cpu_samples_list\":[1,2]}]}},\"samples\":[[1000,2.0]],\"stacks\":[[[\"a.py f:2;\"],{"
        "\"count\":3,\"cpu_samples\":0.5}]]}",
        &err);
    cr_assert(p, "%s", err.text);
    cr_assert_eq(p->lines_len, 1);
    cr_assert_float_eq(p->lines[0].time_s, 1.5, 1e-12);
    cr_assert_float_eq(p->lines[0].increment_bytes, 1.5 * 1048576, 0);
    cr_assert_eq(p->lines[0].hits, 2);
    cr_assert_str_eq(text_at(p, p->tables.functions[p->lines[0].function].name), "f");
    cr_assert_eq(p->sources_len, 1);
    cr_assert_str_eq(text_at(p, p->sources[0].text), "def f():\n  g()\n");
    cr_assert_eq(self_of(p, 0, 0, "f"), 1000000000);
    cr_assert_eq(self_of(p, 0, 1, "f"), 3);
    cr_assert_float_eq(p->series[0].value[0], 2.0 * 1048576, 0);
    profile_free(p);
}

Test(pytest_benchmark, reads_stats_data_and_the_machine)
{
    struct profile *p = load_text(
        "{\"machine_info\":{\"node\":\"box\",\"python_implementation\":\"CPython\","
        "\"python_version\":\"3.11.2\"},\"commit_info\":{\"id\":\"abc\",\"dirty\":true},"
        "\"benchmarks\":[{\"group\":\"g\",\"name\":\"t\",\"fullname\":\"x.py::t\",\"params\":{"
        "\"a\":"
        "[1]},\"stats\":{\"min\":1,\"max\":2,\"mean\":1.5,\"stddev\":0.25,\"rounds\":3,\"median\":"
        "1.25,\"iterations\":4,\"ops\":Infinity,\"data\":[1,2,1.5]}}],"
        "\"datetime\":\"2026-01-02T03:04:05.5\",\"version\":\"5.0\"}",
        &err);
    cr_assert(p, "%s", err.text);
    cr_assert_eq(p->benchmarks_len, 1);
    const struct model_benchmark *b = &p->benchmarks[0];
    cr_assert_str_eq(text_at(p, b->name), "x.py::t");
    cr_assert_float_eq(b->median_s, 1.25, 0);
    cr_assert_eq(b->rounds, 3);
    cr_assert_eq(b->data_len, 3);
    cr_assert_str_eq(text_at(p, p->host), "box");
    cr_assert_eq(p->start_unix_ns, 1767323045000000000U);
    cr_assert_eq(p->tags_len, 2);
    profile_free(p);
}

#define LINES(entries)                                                                             \
    "{\"type\":\"meta\",\"v\":0,\"run_id\":\"r\"}\n{\"type\":\"string_table\",\"v\":0,"            \
    "\"strings\":"                                                                                 \
    "[{\"str_id\":1,\"value\":\"a.py\"},{\"str_id\":0,\"value\":\"f\"}]}\n{\"type\":"              \
    "\"frame_table\",\"v\":0,\"frames\":[{\"frame_id\":0,\"path_str_id\":1,\"func_str_id\":0,"     \
    "\"line\":3}]}\n{\"type\":\"later\",\"v\":0,\"x\":[]}\n{\"type\":\"agg\",\"v\":0,"             \
    "\"entries\":" entries "}\n"

Test(tachyon_jsonl, keeps_sums_by_frame)
{
    struct profile *p = load_text(
        LINES("[{\"frame_id\":0,\"self\":2,\"cumulative\":5}]") "{\"type\":\"end\",\"v\":0}\n",
        &err);
    cr_assert(p, "%s", err.text);
    cr_assert_eq(p->call_graph.rows_len, 1);
    cr_assert_float_eq(p->call_graph.rows[0].self, 2, 0);
    cr_assert_float_eq(p->call_graph.rows[0].total, 5, 0);
    cr_assert_eq(p->tables.functions[p->call_graph.rows[0].function].line, 3);
    profile_free(p);
}

Test(tachyon_jsonl, refuses_cut_files_and_unknown_frames)
{
    cr_assert_null(load_text(LINES("[{\"frame_id\":0,\"self\":2,\"cumulative\":5}]"), &err));
    cr_assert(strstr(err.text, "cut off"), "%s", err.text);
    cr_assert_null(load_text(LINES("[{\"frame_id\":8,\"self\":2,\"cumulative\":5}]"), &err));
    cr_assert(strstr(err.text, "frame 8"), "%s", err.text);
}

Test(tachyon_page, reads_the_tree_in_it_and_shows_what_was_pruned)
{
    struct profile *p = load_text(
        "<!doctype html><title>Tachyon Profiler - Flamegraph</title><script>const EMBEDDED_DATA = "
        "{\"name\":0,\"value\":10,\"children\":[{\"name\":1,\"funcname\":1,\"filename\":2,"
        "\"lineno\":3,\"value\":10,\"self\":2,\"children\":[{\"funcname\":3,\"filename\":2,"
        "\"lineno\":4,\"value\":7,\"self\":7,\"children\":[]}]}],\"strings\":[\"root\",\"f\","
        "\"a.py\",\"g\"]};</script>",
        &err);
    cr_assert(p, "%s", err.text);
    cr_assert_eq(total_of(p, 0, 0), 10);
    cr_assert_eq(self_of(p, 0, 0, "f"), 2);
    cr_assert_eq(self_of(p, 0, 0, "g"), 7);
    cr_assert_eq(self_of(p, 0, 0, "(pruned)"), 1);
    profile_free(p);
}
