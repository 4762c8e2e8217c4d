#include <criterion/criterion.h>
#include <string.h>

#include "backend/model/redact.h"

static const char *shown(const char *text, const char *host)
{
    static char out[256];
    struct buf b;
    buf_init(&b, 0);
    redact_text(&b, text, strlen(text), host);
    cr_assert_lt(b.len, sizeof(out));
    if (b.len)
        memcpy(out, b.data, b.len);
    out[b.len] = '\0';
    buf_deinit(&b);
    return out;
}

Test(redact_text, cuts_folders_from_paths)
{
    cr_assert_str_eq(shown("/home/a/app.py", ""), "app.py");
    cr_assert_str_eq(shown("run (/srv/x/y.py:12)", ""), "run (y.py:12)");
    cr_assert_str_eq(shown("C:\\Users\\a\\app.py", ""), "app.py");
    cr_assert_str_eq(shown("~/x ../y ./z", ""), "x y z");
    cr_assert_str_eq(shown("src/app.py", ""), "app.py");
    cr_assert_str_eq(shown("a/b/c", ""), "c");
    cr_assert_str_eq(shown("tests/unit/test_a.py::test_b", ""), "test_a.py::test_b");
}

Test(redact_text, cuts_folders_with_spaces_in_their_names)
{
    cr_assert_str_eq(shown("run /home/my user/secret dir/a.py now", ""), "run a.py now");
    cr_assert_str_eq(shown("load (C:\\My Files\\the app\\x.py)", ""), "load (x.py)");
    cr_assert_str_eq(shown("~/two words/b.py and /srv/c.py", ""), "b.py and c.py");
    cr_assert_str_eq(shown("/srv/a.py and nothing else", ""), "a.py and nothing else");
}

Test(redact_text, leaves_what_is_no_path)
{
    const char *texts[] = {"and/or", "B/s", "operator/(a, b)", "<module>",
                           "/",      "",    "a.b.c<lambda>",   "x = [1, 2]"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        cr_assert_str_eq(shown(texts[i], "box"), texts[i]);
}

Test(redact_text, hides_addresses_and_the_host)
{
    cr_assert_str_eq(shown("get https://u:p@h.example/x?k=1 now", ""), "get (address) now");
    cr_assert_str_eq(shown("on web1.example, WEB1 and web12", "web1.example"),
                     "on host, host and web12");
    cr_assert_str_eq(shown("ann@web2.example", "web1"), "(name)");
}

Test(redact_profile, keeps_numbers_and_drops_what_nobody_listed)
{
    struct profile *p;
    struct redacted r;
    uint32_t tag;
    uint32_t name;
    cr_assert_eq(profile_new(&p), STATUS_OK);
    cr_assert_eq(tables_string(&p->tables, "a tag's secret", 14, &tag), STATUS_OK);
    cr_assert_eq(tables_string(&p->tables, "work", 4, &name), STATUS_OK);
    uint32_t function;
    struct wire_function f = {.name = name};
    cr_assert_eq(tables_function(&p->tables, &f, &function), STATUS_OK);
    cr_assert_eq(redact_profile(&r, p), STATUS_OK);
    cr_assert_eq(r.profile.tables.strings.len, p->tables.strings.len);
    cr_assert_str_eq(strtab_text(&r.profile.tables.strings, tag), "");
    cr_assert_str_eq(strtab_text(&r.profile.tables.strings, name), "work");
    cr_assert_eq(r.profile.tables.functions_len, p->tables.functions_len);
    redacted_free(&r);
    profile_free(p);
}
