#include <criterion/criterion.h>

#include "tests/unit/formats/profile_sums.h"

/* Names that would break out of a careless writer. */
#define NASTY "</script><svg onload=x>&\\\"'\\u0001\\ud800"

static struct error err;
static struct buf out, lost;

static void begin(void)
{
    buf_init(&out, 0);
    buf_init(&lost, 0);
}

static void end(void)
{
    buf_deinit(&out);
    buf_deinit(&lost);
}

static struct profile *nasty(void)
{
    struct profile *p = load_text(
        "{\"$schema\":\"https://www.speedscope.app/"
        "file-format-schema.json\",\"shared\":{\"frames\":"
        "[{\"name\":\"" NASTY "\",\"file\":\"=a,\\\"b\\n.py\"},{\"name\":\"g\"}]},\"profiles\":[{"
        "\"type\":\"sampled\",\"name\":\"" NASTY "\",\"unit\":\"milliseconds\",\"startValue\":0,"
        "\"endValue\":2,\"samples\":[[0,1],[0]],\"weights\":[3,1]}]}",
        &err);
    cr_assert(p, "%s", err.text);
    return p;
}

static const char *written(const struct profile *p, const char *format)
{
    const struct format *f = format_by_name(format);
    cr_assert(f && f->write);
    buf_clear(&out);
    cr_assert_eq(f->write(p, &out, &lost, &err), STATUS_OK, "%s", err.text);
    buf_put_byte(&out, 0);
    return (const char *)out.data;
}

Test(svg, escapes_names_and_has_no_script, .init = begin, .fini = end)
{
    struct profile *p = nasty();
    const char *svg = written(p, "svg");
    cr_assert(strstr(svg, "&lt;/script&gt;&lt;svg onload=x&gt;&amp;&quot;"));
    cr_assert_null(strstr(svg, "<script"));
    cr_assert_null(strstr(svg, "</script"));
    cr_assert_null(strchr(svg, '\x01'));
    cr_assert_null(strstr(svg, "\xed\xa0\x80"));
    cr_assert(strstr(svg, "75.00%"));
    cr_assert(strstr(svg, "href=\"#b1\""));
    profile_free(p);
}

Test(svg, draws_something_for_a_profile_without_samples, .init = begin, .fini = end)
{
    struct profile *p = load_text(
        "{\"$schema\":\"https://www.speedscope.app/"
        "file-format-schema.json\",\"shared\":{\"frames\":"
        "[]},\"profiles\":[{\"type\":\"sampled\",\"name\":\"\",\"unit\":\"none\",\"startValue\":0,"
        "\"endValue\":0,\"samples\":[],\"weights\":[]}]}",
        &err);
    cr_assert(p, "%s", err.text);
    cr_assert(strstr(written(p, "svg"), "no samples"));
    profile_free(p);
}

Test(csv, quotes_cells_and_defuses_formulas, .init = begin, .fini = end)
{
    struct profile *p = nasty();
    const char *csv = written(p, "csv");
    cr_assert_eq(strncmp(csv, "function,file,line,calls,primitive_calls,self_", 46), 0);
    cr_assert(strstr(csv, "\"'=a,\"\"b\n.py\""), "%s", csv);
    profile_free(p);
}

Test(json, holds_every_table_and_column, .init = begin, .fini = end)
{
    struct profile *p = nasty();
    const char *json = written(p, "json");
    static const char *const keys[] = {"\"strings\":[\"\"", "\"functions\":{\"name\":[0",
                                       "\"stacks\":{\"parent\":[0,0,",
                                       "\"value\":[3000000,1000000]", "\"time_ns\":[0,3000000]"};
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        cr_assert(strstr(json, keys[i]), "%s is not in %s", keys[i], json);
    cr_assert_null(strstr(json, "</script"));
    profile_free(p);
}

Test(html, is_the_page_with_the_profile_inside_and_no_name_outside, .init = begin, .fini = end)
{
    struct profile *p = nasty();
    const char *html = written(p, "html");
    cr_assert_null(strstr(html, "onload=x"));
    cr_assert(strstr(html, "default-src 'none'"));
    cr_assert_null(strstr(html, "src=\"http"));
    cr_assert_null(strstr(html, "href=\"http"));
    struct profile *again = load_text(html, &err);
    cr_assert(again, "%s", err.text);
    cr_assert_eq(total_of(again, 0, 0), total_of(p, 0, 0));
    cr_assert_eq(again->tables.stacks_len, p->tables.stacks_len);
    cr_assert_str_eq(text_at(again, again->name), text_at(p, p->name));
    profile_free(again);
    profile_free(p);
}

Test(html, refuses_a_page_cut_inside_its_profile, .init = begin, .fini = end)
{
    struct profile *p = nasty();
    written(p, "html");
    size_t data = (size_t)(strstr((const char *)out.data, "heliograph-data") - (char *)out.data);
    cr_assert_null(load(out.data, data - 40, &err));
    cr_assert(strstr(err.text, "before its profile"), "%s", err.text);
    cr_assert_null(load(out.data, data + 60, &err));
    profile_free(p);
}

Test(writers, say_what_is_lost, .init = begin, .fini = end)
{
    struct profile *p = nasty();
    uint32_t series;
    cr_assert_eq(profile_add_series(p, "rss", "bytes", NULL, &series), STATUS_OK);
    cr_assert_eq(profile_add_point(p, series, 5, 1), STATUS_OK);
    written(p, "svg");
    buf_put_byte(&lost, 0);
    cr_assert(strstr((const char *)lost.data, "svg: memory and other series\n"));
    profile_free(p);
}

Test(writers, make_stacks_of_a_call_graph, .init = begin, .fini = end)
{
    struct profile *p = NULL;
    cr_assert_eq(profile_new(&p), STATUS_OK);
    uint32_t names[2];
    struct call_row rows[2] = {{.calls = 1, .primitive_calls = 1, .self = 1, .total = 3},
                               {.calls = 2, .primitive_calls = 2, .self = 2, .total = 2}};
    for (size_t i = 0; i < 2; i++) {
        uint32_t row;
        cr_assert_eq(tables_string(&p->tables, i ? "callee" : "caller", 6, &names[i]), STATUS_OK);
        struct wire_function f = {.name = names[i]};
        cr_assert_eq(tables_function(&p->tables, &f, &rows[i].function), STATUS_OK);
        cr_assert_eq(profile_add_call_row(p, &rows[i], &row), STATUS_OK);
    }
    struct call_edge edge = {.caller = 0, .callee = 1, .calls = 2, .self = 2, .total = 2};
    cr_assert_eq(profile_add_call_edge(p, &edge), STATUS_OK);
    cr_assert_eq(profile_finish(p), STATUS_OK);
    struct profile *again = write_and_read(p, "pprof", &lost, &err);
    cr_assert(again, "%s", err.text);
    cr_assert_eq(total_of(again, 0, 0), 3000000000);
    cr_assert_eq(self_of(again, 0, 0, "callee"), 2000000000);
    cr_assert_eq(total_with(again, 0, 0, "caller"), 3000000000);
    cr_assert_gt(lost.len, 0);
    profile_free(p);
    profile_free(again);
}
