#include <string.h>

#include "backend/query/flame.h"
#include "backend/query/stats.h"
#include "backend/query/table.h"
#include "small_profile.h"

/* Rows as the collector's heap writes them: allocated, freed, and when the freed were born. */
static void heap_row(struct profile *p, const char *frames, uint64_t time_ns, int64_t allocated,
                     int64_t freed, int64_t born_ns)
{
    int64_t values[3] = {allocated, freed, born_ns};
    struct profile_sample s = {
        .time_ns = time_ns, .stack = small_stack(p, frames), .values = values};
    cr_assert_eq(profile_add_sample(p, 0, &s), STATUS_OK);
}

static struct profile *make(void)
{
    struct profile *p = small_new("heap", "allocated", "bytes");
    uint32_t column;
    cr_assert_eq(profile_add_value_type(p, 0, "freed", "bytes", &column), STATUS_OK);
    cr_assert_eq(profile_add_value_type(p, 0, "born", "ns", &column), STATUS_OK);
    heap_row(p, "main;cache", 100, 50, 0, 100);
    heap_row(p, "main;load", 200, 500, 0, 200);
    heap_row(p, "main;load", 300, 0, 480, 200);
    heap_row(p, "main;cache", 400, 30, 10, 400);
    heap_row(p, "main;cache", 450, 0, 50, 100);
    uint32_t s;
    cr_assert_eq(profile_add_series(p, "heap", "bytes", NULL, &s), STATUS_OK);
    cr_assert_eq(profile_add_point(p, s, 100, 50), STATUS_OK);
    cr_assert_eq(profile_add_point(p, s, 200, 550), STATUS_OK);
    cr_assert_eq(profile_add_point(p, s, 450, 40), STATUS_OK);
    return p;
}

static double total(const struct profile *p, const char *value, uint64_t from, uint64_t to,
                    const char *name)
{
    struct query_filter f = {
        .value = value, .has_from = from > 0, .from_ns = from, .has_to = to > 0, .to_ns = to};
    struct table t;
    struct error err = {0};
    cr_assert_eq(table_build(&t, p, NULL, &f, &(struct table_options){0}, &err), STATUS_OK, "%s",
                 err.text);
    double found = 0;
    for (size_t i = 0; i < t.len; i++) {
        uint32_t string = p->tables.functions[t.rows[i].function].name;
        if (strcmp(strtab_text(&p->tables.strings, string), name) == 0)
            found = t.rows[i].total;
    }
    table_free(&t);
    return found;
}

Test(heap, in_use_is_what_lives_at_the_window_s_end)
{
    struct profile *p = make();
    cr_assert_float_eq(total(p, "in_use", 0, 0, "main"), 40, 0);
    cr_assert_float_eq(total(p, "in_use", 0, 0, "load"), 20, 0);
    cr_assert_float_eq(total(p, "in_use", 250, 300, "load"), 500, 0, "to is exclusive");
    cr_assert_float_eq(total(p, "in_use", 0, 150, "main"), 50, 0);
    profile_free(p);
}

Test(heap, leaked_is_what_the_window_allocated_and_did_not_free)
{
    struct profile *p = make();
    cr_assert_float_eq(total(p, "leaked", 150, 500, "load"), 20, 0);
    cr_assert_float_eq(total(p, "leaked", 150, 500, "cache"), 20, 0,
                       "the block of before is not counted when it is freed");
    cr_assert_float_eq(total(p, "leaked", 350, 500, "load"), 0, 0);
    profile_free(p);
}

Test(heap, peak_is_what_lived_when_most_did)
{
    struct profile *p = make();
    cr_assert_float_eq(total(p, "peak", 0, 0, "main"), 550, 0);
    cr_assert_float_eq(total(p, "peak", 0, 0, "load"), 500, 0);
    cr_assert_float_eq(total(p, "peak", 300, 0, "main"), 40, 0, "the highest moment from there on");
    profile_free(p);
}

Test(heap, is_told_in_the_report)
{
    struct profile *p = make();
    struct buf b;
    buf_init(&b, 0);
    struct query_filter everything = {0};
    struct stats_options all = {0};
    cr_assert_eq(stats_write_json(p, NULL, &everything, &all, &b, NULL), STATUS_OK);
    buf_put_byte(&b, 0);
    const char *text = (const char *)b.data;
    cr_assert(strstr(text, "\"heap\":{\"peak_bytes\":550,\"peak_s\":2e-07,\"in_use_bytes\":40,"
                           "\"allocated_bytes\":580,\"leaked_bytes\":40,\"every_bytes\":0}"),
              "%s", text);
    cr_assert(strstr(text, "\"leaks\":{"), "%s", text);
    cr_assert_null(strstr(text, "\"temporary"), "the set does not tell: %s", text);
    buf_deinit(&b);
    profile_free(p);
}
