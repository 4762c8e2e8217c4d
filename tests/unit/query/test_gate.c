#include "backend/query/gate.h"
#include "small_profile.h"

static const char *refusal(const char *text)
{
    static struct error err;
    static struct gate g;
    err = (struct error){0};
    cr_assert_eq(gate_parse(&g, text, &err), STATUS_USAGE, "%s was taken", text);
    return err.text;
}

static struct gate parsed(const char *text)
{
    struct gate g;
    struct error err = {0};
    cr_assert_eq(gate_parse(&g, text, &err), STATUS_OK, "%s", err.text);
    return g;
}

/* 1 holds, 0 does not, -1 it cannot be said. */
static int ask(const struct profile *a, const struct profile *b, const char *text)
{
    struct gate g = parsed(text);
    struct diff d;
    struct error err = {0};
    struct diff_options options = {0};
    struct buf reasons;
    bool holds = false;
    buf_init(&reasons, 0);
    cr_assert_eq(diff_build(&d, a, NULL, b, NULL, &options, &err), STATUS_OK, "%s", err.text);
    enum status st = gate_check(&g, &d, &holds, &reasons, &err);
    if (st == STATUS_OK)
        cr_assert_eq(holds, reasons.len > 0, "what holds has a reason");
    else
        cr_assert(strlen(err.text) > 0);
    buf_deinit(&reasons);
    diff_free(&d);
    return st == STATUS_OK ? holds : -1;
}

static struct profile *calls(double login_total, uint64_t login_calls)
{
    struct profile *p = small_new(NULL, NULL, NULL);
    small_call_row(p, "main", 1, 1, 1, 1 + login_total);
    small_call_row(p, "login", login_calls, login_calls, login_total, login_total);
    return p;
}

/* ---- the grammar ---- */

Test(gate, the_example_of_the_documentation_is_read)
{
    struct gate g = parsed("total(login) > +10%");
    cr_assert_eq(g.len, 1);
    cr_assert_eq(g.terms[0].metric, GATE_TOTAL);
    cr_assert_eq(g.terms[0].op, GATE_MORE);
    cr_assert(g.terms[0].is_growth);
    cr_assert_eq(g.terms[0].unit, GATE_PERCENT);
    cr_assert_float_eq(g.terms[0].limit, 0.1, 1e-15);
    cr_assert_str_eq(g.terms[0].name, "login");
}

Test(gate, units_are_brought_to_seconds_and_bytes)
{
    cr_assert_float_eq(parsed("mean(a)>=250us").terms[0].limit, 250e-6, 1e-12);
    cr_assert_float_eq(parsed("duration < 1.5ms").terms[0].limit, 1.5e-3, 1e-12);
    cr_assert_eq(parsed("peak > 2 KB").terms[0].limit, 2000);
    cr_assert_eq(parsed("peak > 2KiB").terms[0].limit, 2048);
    cr_assert_eq(parsed("allocated <= +3MiB").terms[0].limit, 3 * 0x1p20);
    cr_assert_eq(parsed("allocated <= 3MB").terms[0].limit, 3e6);
}

Test(gate, names_may_hold_parentheses_in_pairs)
{
    cr_assert_str_eq(parsed("self( f(x) ) > 1s").terms[0].name, "f(x)");
    cr_assert_str_eq(parsed("self(and or) > 1s").terms[0].name, "and or");
}

Test(gate, and_binds_closer_than_or)
{
    struct gate g = parsed("calls > 1 or calls > 2 and calls > 3");
    cr_assert_eq(g.len, 3);
    cr_assert(g.terms[0].begins_group && g.terms[1].begins_group && !g.terms[2].begins_group);
}

Test(gate, an_error_names_the_character)
{
    static const struct {
        const char *text, *place;
    } rows[] = {
        {"", "character 1"},
        {"totl(x) > 1s", "character 1"},
        {"total(x > 1s", "character 13"},
        {"total() > 1s", "character 7"},
        {"total(x) = 1s", "character 10"},
        {"total(x) > ms", "character 12"},
        {"total(x) > -1%", "character 12"},
        {"total(x) > 1.2.3s", "character 12"},
        {"total(x) > 0x10", "character 13"},
        {"total(x) > inf", "character 12"},
        {"total(x) > 1s xor", "character 15"},
        {"total(x) > 1s and", "character 18"},
        {"total(x) > 1parsec", "character 13"},
        {"self > 1s", "character 1"},
        {"calls > 1s", "character 1"},
        {"peak > 1ms", "character 1"},
        {"total > 10%", "character 1"},
        {"duration(x) > 1s", "character 1"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *words = refusal(rows[i].text);
        cr_assert(strstr(words, rows[i].place), "%s: %s", rows[i].text, words);
    }
}

Test(gate, terms_and_names_are_bounded)
{
    char many[GATE_MAX_TEXT] = "calls > 1";
    for (int i = 0; i < GATE_MAX_TERMS; i++)
        strcat(many, " or calls > 1");
    cr_assert(strstr(refusal(many), "more than 16"));
    char longer[GATE_MAX_NAME + 32] = "self(";
    memset(longer + 5, 'x', GATE_MAX_NAME + 1);
    strcpy(longer + 5 + GATE_MAX_NAME + 1, ") > 1s");
    cr_assert(strstr(refusal(longer), "longer than 255"));
}

Test(gate, a_pattern_of_stars_takes_no_exponential_time)
{
    char text[2000];
    memset(text, 'a', sizeof(text));
    cr_assert(gate_glob("a*b?", "axxbc", 5));
    cr_assert(gate_glob("*", "", 0));
    cr_assert(!gate_glob("a?", "a", 1));
    cr_assert(!gate_glob("*a*a*a*a*a*a*a*a*a*a*a*a*b", text, sizeof(text)));
}

/* ---- the answer ---- */

Test(gate, growth_is_measured_against_the_base)
{
    struct profile *a = calls(1.0, 10);
    struct profile *b = calls(1.2, 12);
    cr_assert_eq(ask(a, b, "total(login) > +10%"), 1);
    cr_assert_eq(ask(a, b, "total(login) > +30%"), 0);
    cr_assert_eq(ask(a, b, "total(login) > +100ms"), 1);
    cr_assert_eq(ask(a, b, "total(login) > +300ms"), 0);
    cr_assert_eq(ask(a, b, "total(login) > 1.1s"), 1);
    cr_assert_eq(ask(a, b, "self(login) > 50%"), 1);
    cr_assert_eq(ask(a, b, "self(login) > 60%"), 0);
    cr_assert_eq(ask(a, b, "calls(login) > +1"), 1);
    cr_assert_eq(ask(a, b, "calls(login) >= 13"), 0);
    cr_assert_eq(ask(a, b, "calls < 14"), 1);
    cr_assert_eq(ask(a, b, "total > +5%"), 1);
    cr_assert_eq(ask(b, a, "total(login) > +0%"), 0);
    profile_free(a);
    profile_free(b);
}

Test(gate, terms_are_joined)
{
    struct profile *a = calls(1.0, 10);
    struct profile *b = calls(1.2, 12);
    cr_assert_eq(ask(a, b, "total(login) > +10% and calls > 100"), 0);
    cr_assert_eq(ask(a, b, "calls > 100 or total(login) > +10%"), 1);
    cr_assert_eq(ask(a, b, "calls > 100 and calls > 1 or calls > 2"), 1);
    profile_free(a);
    profile_free(b);
}

Test(gate, names_are_patterns_with_or_without_their_module)
{
    struct profile *a = calls(1.0, 10);
    struct profile *b = calls(1.2, 12);
    cr_assert_eq(ask(a, b, "total(log*) > +10%"), 1);
    cr_assert_eq(ask(a, b, "total(login.login) > +10%"), 1);
    cr_assert_eq(ask(a, b, "total(login.*) > +10%"), 1);
    cr_assert_eq(ask(a, b, "total(main.login) > +10%"), -1);
    profile_free(a);
    profile_free(b);
}

Test(gate, what_the_profiles_do_not_have_is_an_error_and_no_pass)
{
    struct profile *a = calls(1.0, 10);
    cr_assert_eq(ask(a, a, "total(logout) > +10%"), -1);
    cr_assert_eq(ask(a, a, "peak > 1MB"), -1);
    cr_assert_eq(ask(a, a, "duration > 1s"), -1);
    cr_assert_eq(ask(a, a, "mean(*) > 1s"), -1);
    cr_assert_eq(ask(a, a, "total(login) > 1MB"), -1);
    profile_free(a);
}

Test(gate, growth_that_may_be_chance_does_not_fail_a_build)
{
    struct profile *a = small_new("folded", "samples", "samples");
    struct profile *b = small_new("folded", "samples", "samples");
    struct profile *slow = small_new("folded", "samples", "samples");
    small_sample(a, "main;login", 20);
    small_sample(b, "main;login", 25);
    small_sample(slow, "main;login", 200);
    cr_assert_eq(ask(a, b, "total(login) > +10%"), 0);
    cr_assert_eq(ask(a, slow, "total(login) > +10%"), 1);
    cr_assert_eq(ask(a, b, "total(login) > 24"), 1, "what is measured is compared as it is");
    profile_free(a);
    profile_free(b);
    profile_free(slow);
}

Test(gate, the_peak_is_that_of_the_resident_series)
{
    struct profile *a = calls(1, 1);
    struct profile *b = calls(1, 1);
    uint32_t id = 0;
    cr_assert_eq(profile_add_series(a, "rss", "bytes", NULL, &id), STATUS_OK);
    cr_assert_eq(profile_add_point(a, id, 0, 100e6), STATUS_OK);
    cr_assert_eq(profile_add_series(b, "rss", "bytes", NULL, &id), STATUS_OK);
    cr_assert_eq(profile_add_point(b, id, 0, 100e6), STATUS_OK);
    cr_assert_eq(profile_add_point(b, id, 1, 150e6), STATUS_OK);
    cr_assert_eq(profile_add_point(b, id, 2, 90e6), STATUS_OK);
    cr_assert_eq(ask(a, b, "peak > +40MB"), 1);
    cr_assert_eq(ask(a, b, "peak > +60%"), 0);
    cr_assert_eq(ask(a, b, "peak >= 150MB"), 1);
    profile_free(a);
    profile_free(b);
}
