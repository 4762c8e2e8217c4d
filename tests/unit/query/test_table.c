#include <string.h>

#include "backend/query/callers.h"
#include "backend/query/lines.h"
#include "backend/query/table.h"
#include "small_profile.h"

static const struct query_filter everything = {0};

static struct table build(const struct profile *p, const struct table_options *options)
{
    struct table t;
    struct error err = {0};
    cr_assert_eq(table_build(&t, p, NULL, &everything, options, &err), STATUS_OK, "%s", err.text);
    return t;
}

static const struct table_row *row(const struct table *t, struct profile *p, const char *name)
{
    uint32_t function = small_function(p, name);
    for (size_t i = 0; i < t->len; i++) {
        if (t->rows[i].function == function)
            return &t->rows[i];
    }
    cr_assert_fail("no row %s", name);
    return NULL;
}

Test(table, counts_a_stack_once_however_often_a_function_recurs_in_it)
{
    struct profile *p = small_new("cpu", "wall", "ns");
    small_sample(p, "main;fib;fib;fib", 10);
    small_sample(p, "main;fib;add", 5);
    small_sample(p, "main;even;odd;even", 3);
    struct table t = build(p, &(struct table_options){0});
    cr_assert_float_eq(t.total, 18, 0);
    cr_assert_float_eq(row(&t, p, "fib")->self, 10, 0);
    cr_assert_float_eq(row(&t, p, "fib")->total, 15, 0);
    cr_assert_float_eq(row(&t, p, "even")->total, 3, 0);
    cr_assert_float_eq(row(&t, p, "odd")->total, 3, 0);
    cr_assert_float_eq(row(&t, p, "main")->total, 18, 0);
    cr_assert_eq(row(&t, p, "fib")->samples_total, 2);
    cr_assert_eq(row(&t, p, "fib")->samples_self, 1);
    cr_assert_eq(t.rows[0].function, small_function(p, "fib"), "most self first");
    table_free(&t);
    profile_free(p);
}

Test(table, sorts_limits_and_searches)
{
    struct profile *p = small_new("cpu", "wall", "ns");
    small_sample(p, "main;Beta", 1);
    small_sample(p, "main;alpha", 2);
    struct table t = build(p, &(struct table_options){.sort = "name", .limit = 2});
    cr_assert_eq(t.len, 2);
    cr_assert_eq(t.rows[0].function, small_function(p, "Beta"));
    table_free(&t);
    t = build(p, &(struct table_options){.sort = "-total"});
    cr_assert_eq(t.rows[2].function, small_function(p, "main"));
    table_free(&t);
    t = build(p, &(struct table_options){.text = "bEtA"});
    cr_assert_eq(t.len, 1);
    table_free(&t);
    struct error err = {0};
    cr_assert_eq(table_build(&t, p, NULL, &everything, &(struct table_options){.sort = "x"}, &err),
                 STATUS_INVALID);
    profile_free(p);
}

Test(table, shows_a_call_graph_as_pstats_does)
{
    struct profile *p = small_new(NULL, NULL, NULL);
    small_call_row(p, "main", 1, 1, 0.5, 2.0);
    small_call_row(p, "fib", 21, 1, 1.5, 1.5);
    struct table t = build(p, &(struct table_options){0});
    cr_assert_eq(t.calls, 22);
    cr_assert_eq(t.primitive_calls, 2);
    struct buf b;
    buf_init(&b, 0);
    cr_assert_eq(table_write_text(&t, p, &b), STATUS_OK);
    buf_put_byte(&b, 0);
    const char *text = (const char *)b.data;
    cr_assert(strstr(text, "22 function calls (2 primitive calls) in 2.000 seconds"), "%s", text);
    cr_assert(strstr(text, "     21/1    1.500    0.071    1.500    1.500 /src/fib.py:10(fib)"),
              "%s", text);
    buf_deinit(&b);
    table_free(&t);
    profile_free(p);
}

Test(table, shows_foreign_names_on_a_terminal_without_their_control_characters)
{
    struct profile *p = small_new("cpu", "wall", "ns");
    small_sample(p,
                 "x\x1b[31m\xe2\x80\xae"
                 "evil\xc2\x9b",
                 1);
    struct table t = build(p, &(struct table_options){0});
    struct buf b;
    buf_init(&b, 0);
    cr_assert_eq(table_write_text(&t, p, &b), STATUS_OK);
    cr_assert_not(memchr(b.data, 0x1b, b.len));
    cr_assert_not(memmem(b.data, b.len, "\xe2\x80\xae", 3));
    cr_assert_not(memmem(b.data, b.len, "\xc2\x9b", 2));
    buf_deinit(&b);
    table_free(&t);
    profile_free(p);
}

static double edge_total(const struct callers_edge *edges, size_t len, uint32_t function)
{
    for (size_t i = 0; i < len; i++) {
        if (edges[i].function == function)
            return edges[i].total;
    }
    return -1;
}

Test(callers, counts_an_edge_once_for_each_stack)
{
    struct profile *p = small_new("cpu", "wall", "ns");
    small_sample(p, "main;f;g;f;g", 10);
    small_sample(p, "main;g", 4);
    struct callers c;
    uint32_t g = small_function(p, "g");
    cr_assert_eq(callers_build(&c, p, NULL, &everything, g, NULL), STATUS_OK);
    cr_assert_float_eq(c.total, 14, 0);
    cr_assert_float_eq(c.self, 14, 0);
    cr_assert_float_eq(edge_total(c.callers, c.callers_len, small_function(p, "f")), 10, 0);
    cr_assert_float_eq(edge_total(c.callers, c.callers_len, small_function(p, "main")), 4, 0);
    cr_assert_float_eq(edge_total(c.callees, c.callees_len, small_function(p, "f")), 10, 0);
    cr_assert_eq(c.callees_len, 1);
    callers_free(&c);
    cr_assert_eq(callers_build(&c, p, NULL, &everything, 999, NULL), STATUS_NOT_FOUND);
    profile_free(p);
}

Test(callers, gives_a_call_graph_s_edges_as_they_are)
{
    struct profile *p = small_new(NULL, NULL, NULL);
    uint32_t main_row = small_call_row(p, "main", 1, 1, 0.5, 2.0);
    uint32_t fib_row = small_call_row(p, "fib", 21, 1, 1.5, 1.5);
    small_call_edge(p, main_row, fib_row, 1, 0.1, 1.5);
    small_call_edge(p, fib_row, fib_row, 20, 1.4, 1.4);
    struct callers c;
    cr_assert_eq(callers_build(&c, p, NULL, &everything, small_function(p, "fib"), NULL),
                 STATUS_OK);
    cr_assert_eq(c.callers_len, 2);
    cr_assert_eq(c.callees_len, 1);
    cr_assert_eq(c.callees[0].calls, 20);
    callers_free(&c);
    profile_free(p);
}

Test(lines, counts_a_line_once_for_each_stack)
{
    struct profile *p = small_new("cpu", "wall", "ns");
    small_sample(p, "f:3;f:3;f:5", 10);
    small_sample(p, "f:5", 2);
    struct lines l;
    cr_assert_eq(lines_build(&l, p, &everything, small_function(p, "f"), NULL, NULL), STATUS_OK);
    cr_assert_eq(l.len, 2);
    cr_assert_eq(l.rows[0].line, 3);
    cr_assert_float_eq(l.rows[0].total, 10, 0);
    cr_assert_float_eq(l.rows[0].self, 0, 0);
    cr_assert_float_eq(l.rows[1].total, 12, 0);
    cr_assert_float_eq(l.rows[1].self, 12, 0);
    lines_free(&l);
    cr_assert_eq(lines_build(&l, p, &everything, 0, "/src/f.py", NULL), STATUS_OK);
    cr_assert_eq(l.len, 2);
    lines_free(&l);
    cr_assert_eq(lines_build(&l, p, &everything, 0, "/src/none.py", NULL), STATUS_NOT_FOUND);
    profile_free(p);
}

Test(lines, tell_the_parts_of_a_line_apart)
{
    struct profile *p = small_new("cpu", "wall", "ns");
    small_sample(p, "f:3@1-30;f:3@5-9;g", 10);
    small_sample(p, "f:3@5-9;f:3@5-9", 4);
    small_sample(p, "f:3@5-20", 2);
    small_sample(p, "f:4", 1);
    struct lines l;
    cr_assert_eq(lines_build(&l, p, &everything, small_function(p, "f"), NULL, NULL), STATUS_OK);
    cr_assert_eq(l.len, 2);
    cr_assert_float_eq(l.rows[0].total, 16, 0);
    cr_assert_eq(l.ranges_len, 3, "line 4 has none");
    static const struct {
        uint32_t column, end_column;
        double self, total;
    } expected[] = {{1, 30, 0, 10}, {5, 20, 2, 2}, {5, 9, 4, 14}};
    for (size_t i = 0; i < l.ranges_len; i++) {
        cr_expect_eq(l.ranges[i].column, expected[i].column);
        cr_expect_eq(l.ranges[i].end_column, expected[i].end_column);
        cr_expect_float_eq(l.ranges[i].self, expected[i].self, 0);
        cr_expect_float_eq(l.ranges[i].total, expected[i].total, 0, "once for each stack");
    }
    struct buf b;
    buf_init(&b, 0);
    cr_assert_eq(lines_write_json(&l, 1, &b), STATUS_OK);
    buf_put_byte(&b, 0);
    cr_expect(strstr((const char *)b.data,
                     "\"ranges\":[{\"column\":1,\"end_line\":3,\"end_column\":30,\"self\":0,"
                     "\"total\":10},{\"column\":5,"));
    buf_deinit(&b);
    lines_free(&l);
    profile_free(p);
}

Test(lines, keeps_hits_beside_samples_and_says_nothing_of_what_is_not_known)
{
    struct profile *p = small_new(NULL, NULL, NULL);
    struct line_row hit = {.function = small_function(p, "f"),
                           .line = 4,
                           .hits = 7,
                           .time_s = 0.25,
                           .memory_bytes = (double)NAN,
                           .increment_bytes = (double)NAN};
    cr_assert_eq(profile_add_line(p, &hit), STATUS_OK);
    struct lines l;
    cr_assert_eq(lines_build(&l, p, &everything, hit.function, NULL, NULL), STATUS_OK);
    struct buf b;
    buf_init(&b, 0);
    cr_assert_eq(lines_write_json(&l, 1, &b), STATUS_OK);
    buf_put_byte(&b, 0);
    cr_assert_str_eq(
        (const char *)b.data,
        "{\"rev\":1,\"unit\":\"s\",\"lines\":[{\"line\":4,\"hits\":7,\"time_s\":0.25}]}");
    buf_deinit(&b);
    lines_free(&l);
    profile_free(p);
}
