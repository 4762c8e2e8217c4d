#include "backend/query/diff.h"
#include "backend/query/diff_flame.h"
#include "backend/query/diff_stats.h"
#include "common/base/json_out.h"
#include "small_profile.h"

/* Two profiles and what they differ in. */
struct pair {
    struct profile *a, *b;
    struct diff d;
};

/* Both with one set of one value; NULL = with none. */
static struct pair pair_new(const char *set, const char *value, const char *unit)
{
    return (struct pair){.a = small_new(set, value, unit), .b = small_new(set, value, unit)};
}

static enum status pair_build(struct pair *x, enum diff_normalise normalise, struct error *err)
{
    struct diff_options options = {.normalise = normalise};
    diff_free(&x->d);
    return diff_build(&x->d, x->a, NULL, x->b, NULL, &options, err);
}

static void pair_compare(struct pair *x, enum diff_normalise normalise)
{
    struct error err = {0};
    cr_assert_eq(pair_build(x, normalise, &err), STATUS_OK, "%s", err.text);
}

static void pair_free(struct pair *x)
{
    diff_free(&x->d);
    profile_free(x->a);
    profile_free(x->b);
}

static const char *name_of(const struct diff *d, const struct diff_row *r)
{
    uint32_t function;
    const struct profile *p = diff_row_who(d, r, &function);
    return strtab_text(&p->tables.strings, p->tables.functions[function].name);
}

static const struct diff_row *row(const struct diff *d, const char *name)
{
    for (size_t i = 0; i < d->len; i++) {
        if (strcmp(name_of(d, &d->rows[i]), name) == 0)
            return &d->rows[i];
    }
    cr_assert_fail("no row %s", name);
    return NULL;
}

static uint32_t placed_function(struct profile *p, const char *file, const char *module,
                                const char *name, uint32_t line)
{
    struct wire_function f = {.name = small_string(p, name),
                              .file = small_string(p, file),
                              .module = small_string(p, module),
                              .line = line};
    uint32_t id = 0;
    cr_assert_eq(tables_function(&p->tables, &f, &id), STATUS_OK);
    return id;
}

static void placed_call(struct profile *p, const char *file, const char *module, const char *name,
                        uint32_t line, double self)
{
    struct call_row r = {.function = placed_function(p, file, module, name, line),
                         .calls = 1,
                         .primitive_calls = 1,
                         .self = self,
                         .total = self};
    uint32_t index;
    cr_assert_eq(profile_add_call_row(p, &r, &index), STATUS_OK);
}

/* Samples of "main;work;leaf" and "main;rest" in the base, then in the target. */
static struct pair folded(int64_t base_leaf, int64_t base_rest, int64_t leaf, int64_t rest)
{
    struct pair x = pair_new("folded", "samples", "samples");
    small_sample(x.a, "main;work;leaf", base_leaf);
    small_sample(x.a, "main;rest", base_rest);
    small_sample(x.b, "main;work;leaf", leaf);
    small_sample(x.b, "main;rest", rest);
    return x;
}

/* ---- statistics ---- */

Test(diff_stats, the_incomplete_beta_agrees_with_closed_forms)
{
    cr_assert_float_eq(diff_beta(1, 1, 0.3), 0.3, 1e-14);
    cr_assert_float_eq(diff_beta(2, 1, 0.3), 0.09, 1e-14);
    cr_assert_float_eq(diff_beta(1, 3, 0.3), 1 - 0.7 * 0.7 * 0.7, 1e-14);
    /* I_1/2(a, a) is a half, also where the series is long. */
    cr_assert_float_eq(diff_beta(50000, 50000, 0.5), 0.5, 1e-9);
}

Test(diff_stats, counts_are_tested_exactly)
{
    /* 0 against 10: twice 2^-10. */
    cr_assert_float_eq(diff_poisson(0, 10, 1, 1), 2.0 / 1024, 1e-14);
    cr_assert_float_eq(diff_poisson(10, 0, 1, 1), 2.0 / 1024, 1e-14);
    cr_assert_eq(diff_poisson(7, 7, 1, 1), 1);
    cr_assert_eq(diff_poisson(0, 0, 1, 1), 1);
    /* Half the rate, twice the time a sample: nothing changed. */
    cr_assert_gt(diff_poisson(1000, 500, 1, 2), 0.9);
    cr_assert_lt(diff_poisson(1000, 500, 1, 1), 1e-20);
}

Test(diff_stats, shares_are_tested_against_the_pooled_share)
{
    /* z = 0.1 / sqrt(0.45 * 0.55 * 2 / 100) = 1.4213 */
    cr_assert_float_eq(diff_proportions(40, 100, 50, 100), 0.15522, 1e-4);
    cr_assert_eq(diff_proportions(100, 100, 50, 50), 1);
    cr_assert_gt(diff_proportions(1, 1000, 2, 1000), 0.5);
    cr_assert_lt(diff_proportions(0, 1000, 40, 1000), 1e-8);
}

Test(diff_stats, welch_gives_the_textbook_p)
{
    /* Equal spreads and sizes: Student's t with 18 degrees, t = 2.1009 -> 5 %. */
    double p = diff_welch(0, 1, 10, 2.10092 * sqrt(0.2), 1, 10);
    cr_assert_float_eq(p, 0.05, 1e-5);
    cr_assert(isnan(diff_welch(1, 0, 10, 2, 0, 10)));
    cr_assert(isnan(diff_welch(1, 1, 1, 2, 1, 10)));
}

Test(diff_stats, the_false_discovery_rate_is_that_of_benjamini_and_hochberg)
{
    const double p[] = {0.04, 0.01, (double)NAN, 0.02, 0.5};
    double q[5];
    size_t order[5];
    diff_control(p, q, order, 5);
    cr_assert_float_eq(q[0], 0.04 * 4 / 3, 1e-12);
    cr_assert_float_eq(q[1], 0.04, 1e-12);
    cr_assert(isnan(q[2]));
    cr_assert_float_eq(q[3], 0.04, 1e-12);
    cr_assert_float_eq(q[4], 0.5, 1e-12);
}

/* ---- samples ---- */

Test(diff, noise_of_two_sampled_runs_is_no_regression)
{
    struct pair x = folded(700, 300, 720, 290);
    pair_compare(&x, DIFF_AS_IS);
    cr_assert(x.d.is_tested);
    cr_assert_eq(x.d.regressions, 0);
    cr_assert_eq(x.d.significant, 0);
    cr_assert_float_eq(row(&x.d, "leaf")->self.target, 720, 1e-12);
    pair_free(&x);
}

Test(diff, a_slower_function_is_a_regression_and_comes_first)
{
    struct pair x = folded(700, 300, 1000, 300);
    pair_compare(&x, DIFF_AS_IS);
    cr_assert_str_eq(name_of(&x.d, &x.d.rows[0]), "leaf");
    cr_assert(x.d.rows[0].is_regression && x.d.rows[0].self.is_significant);
    cr_assert_lt(x.d.rows[0].self.q, 1e-6);
    cr_assert(!row(&x.d, "rest")->is_significant);
    cr_assert(row(&x.d, "work")->is_regression, "its total grew");
    pair_free(&x);
}

Test(diff, by_total_a_longer_run_of_the_same_program_has_not_changed)
{
    struct pair x = folded(700, 300, 7000, 3000);
    pair_compare(&x, DIFF_BY_TOTAL);
    cr_assert_eq(x.d.significant, 0);
    cr_assert_float_eq(row(&x.d, "leaf")->self.target, 700, 1e-9);
    pair_compare(&x, DIFF_AS_IS);
    cr_assert(row(&x.d, "leaf")->is_regression);
    pair_free(&x);
}

Test(diff, a_sure_but_small_change_is_significant_and_no_regression)
{
    struct pair x = folded(1000000, 1000000, 1020000, 1000000);
    pair_compare(&x, DIFF_AS_IS);
    cr_assert(row(&x.d, "leaf")->is_significant);
    cr_assert(!row(&x.d, "leaf")->is_regression);
    pair_free(&x);
}

Test(diff, functions_come_and_go)
{
    struct pair x = folded(700, 300, 700, 300);
    small_sample(x.a, "main;gone", 50);
    small_sample(x.b, "main;come", 60);
    pair_compare(&x, DIFF_AS_IS);
    cr_assert_eq(row(&x.d, "gone")->state, DIFF_REMOVED);
    cr_assert_eq(row(&x.d, "come")->state, DIFF_ADDED);
    cr_assert(row(&x.d, "come")->is_regression);
    cr_assert(row(&x.d, "gone")->is_significant && !row(&x.d, "gone")->is_regression);
    cr_assert_eq(row(&x.d, "rest")->state, DIFF_SAME);
    pair_free(&x);
}

Test(diff, bytes_are_not_tested_as_if_they_were_samples)
{
    struct pair x = pair_new("memory", "allocated", "bytes");
    small_sample(x.a, "main", 1000);
    small_sample(x.b, "main", 1200);
    pair_compare(&x, DIFF_AS_IS);
    cr_assert(!x.d.is_tested);
    cr_assert(isnan(row(&x.d, "main")->self.q));
    cr_assert(row(&x.d, "main")->is_regression);
    pair_free(&x);
}

Test(diff, times_in_other_units_are_brought_to_the_bases)
{
    struct pair x = {.a = small_new("cpu", "time", "ms"), .b = small_new("cpu", "time", "ns")};
    small_sample(x.a, "main", 3);
    small_sample(x.b, "main", 3000000);
    pair_compare(&x, DIFF_AS_IS);
    cr_assert_float_eq(row(&x.d, "main")->self.target, 3, 1e-9);
    pair_free(&x);
}

Test(diff, bytes_do_not_compare_with_seconds_but_their_shares_do)
{
    struct pair x = {.a = small_new("cpu", "time", "ns"),
                     .b = small_new("memory", "allocated", "bytes")};
    small_sample(x.a, "main", 3);
    small_sample(x.b, "main", 3);
    struct error err = {0};
    cr_assert_eq(pair_build(&x, DIFF_AS_IS, &err), STATUS_UNSUPPORTED);
    cr_assert(strstr(err.text, "shares"), "%s", err.text);
    pair_compare(&x, DIFF_BY_TOTAL);
    pair_free(&x);
}

/* ---- call graphs ---- */

Test(diff, call_graphs_compare_exactly)
{
    struct pair x = pair_new(NULL, NULL, NULL);
    small_call_row(x.a, "login", 10, 8, 1.25, 4.5);
    small_call_row(x.b, "login", 20, 16, 2.5, 9);
    pair_compare(&x, DIFF_AS_IS);
    const struct diff_row *r = row(&x.d, "login");
    cr_assert_eq(r->self.base, 1.25);
    cr_assert_eq(r->self.target, 2.5);
    cr_assert_eq(r->total.target, 9);
    cr_assert_eq(r->base_calls, 10);
    cr_assert_eq(r->target_calls, 20);
    cr_assert(r->is_regression && !x.d.is_tested);
    pair_compare(&x, DIFF_BY_CALLS);
    cr_assert_eq(row(&x.d, "login")->self.target, 0.125);
    cr_assert_eq(row(&x.d, "login")->total.target, 0.5625);
    cr_assert(!row(&x.d, "login")->is_regression, "a call takes as long as before");
    pair_free(&x);
}

Test(diff, only_call_graphs_compare_by_call)
{
    struct pair x = folded(1, 1, 1, 1);
    struct error err = {0};
    cr_assert_eq(pair_build(&x, DIFF_BY_CALLS, &err), STATUS_UNSUPPORTED);
    pair_free(&x);
}

/* ---- who is who ---- */

Test(diff, another_checkout_and_moved_lines_are_the_same_functions)
{
    struct pair x = pair_new(NULL, NULL, NULL);
    placed_call(x.a, "/home/one/app/login.py", "", "check", 10, 1);
    placed_call(x.b, "/builds/two/app/login.py", "", "check", 99, 2);
    placed_call(x.a, "/home/one/json/__init__.py", "", "load", 1, 1);
    placed_call(x.b, "/builds/two/json/__init__.py", "", "load", 1, 1);
    placed_call(x.b, "/builds/two/pickle/__init__.py", "", "load", 1, 1);
    pair_compare(&x, DIFF_AS_IS);
    cr_assert_eq(x.d.len, 3);
    cr_assert_eq(row(&x.d, "check")->state, DIFF_CHANGED);
    pair_free(&x);
}

Test(diff, modules_tell_files_of_one_name_apart)
{
    struct pair x = pair_new(NULL, NULL, NULL);
    placed_call(x.a, "/x/shop/utils.py", "shop.utils", "go", 1, 1);
    placed_call(x.b, "/x/mail/utils.py", "mail.utils", "go", 1, 1);
    pair_compare(&x, DIFF_AS_IS);
    cr_assert_eq(x.d.len, 2);
    pair_free(&x);
}

Test(diff, an_address_in_a_name_does_not_make_another_function)
{
    struct pair x = pair_new(NULL, NULL, NULL);
    placed_call(x.a, "~", "", "<method of type object at 0x7f12ab>", 0, 1);
    placed_call(x.b, "~", "", "<method of type object at 0x9900>", 0, 1);
    pair_compare(&x, DIFF_AS_IS);
    cr_assert_eq(x.d.len, 1);
    pair_free(&x);
}

Test(diff, functions_of_one_name_in_one_file_pair_by_place)
{
    struct pair x = pair_new(NULL, NULL, NULL);
    placed_call(x.a, "/x/m.py", "", "<lambda>", 10, 1);
    placed_call(x.a, "/x/m.py", "", "<lambda>", 30, 3);
    placed_call(x.b, "/x/m.py", "", "<lambda>", 30, 3);
    pair_compare(&x, DIFF_AS_IS);
    cr_assert_eq(x.d.len, 2);
    for (size_t i = 0; i < x.d.len; i++)
        cr_assert_eq(x.d.rows[i].state, x.d.rows[i].self.base == 3 ? DIFF_SAME : DIFF_REMOVED);
    pair_free(&x);
}

/* ---- benchmarks ---- */

static void benchmark(struct profile *p, const char *name, double mean, double stddev)
{
    struct model_benchmark b = {.name = small_string(p, name),
                                .mean_s = mean,
                                .median_s = mean,
                                .stddev_s = stddev,
                                .min_s = mean * 0.9,
                                .max_s = mean * 1.1,
                                .rounds = 30,
                                .iterations = 1};
    cr_assert_eq(profile_add_benchmark(p, &b, NULL, 0), STATUS_OK);
}

Test(diff, benchmarks_are_paired_by_name_and_slower_ones_marked)
{
    struct pair x = pair_new(NULL, NULL, NULL);
    benchmark(x.a, "test_parse", 1.0, 0.02);
    benchmark(x.b, "test_parse", 1.2, 0.02);
    benchmark(x.a, "test_noisy", 1.0, 0.5);
    benchmark(x.b, "test_noisy", 1.1, 0.5);
    benchmark(x.b, "test_new", 1.0, 0.1);
    pair_compare(&x, DIFF_AS_IS);
    cr_assert_eq(x.d.benchmarks_len, 3);
    cr_assert_str_eq(x.d.benchmarks[0].name, "test_parse");
    cr_assert(x.d.benchmarks[0].is_regression);
    cr_assert_eq(x.d.regressions, 1);
    pair_free(&x);
}

/* ---- answers ---- */

Test(diff, the_text_shows_no_control_characters_of_a_foreign_name)
{
    struct pair x = pair_new("folded", "samples", "samples");
    small_sample(x.a, "main", 10);
    small_sample(x.b, "ma\033[31min", 20);
    pair_compare(&x, DIFF_AS_IS);
    struct buf out;
    buf_init(&out, 0);
    cr_assert_eq(diff_write_text(&x.d, 0, &out), STATUS_OK);
    cr_assert(!memchr(out.data, '\033', out.len));
    cr_assert(memmem(out.data, out.len, "[added]", 7));
    buf_deinit(&out);
    pair_free(&x);
}

Test(diff, keys_that_do_not_apply_are_left_out)
{
    struct pair x = pair_new(NULL, NULL, NULL);
    small_call_row(x.a, "login", 10, 8, 1.25, 4.5);
    small_call_row(x.b, "login", 20, 16, 2.5, 9);
    pair_compare(&x, DIFF_AS_IS);
    struct buf out;
    struct json_out j;
    buf_init(&out, 0);
    json_out_init(&j, &out);
    json_out_object(&j);
    diff_write_members(&x.d, 0, &j);
    json_out_end(&j);
    cr_assert(!memmem(out.data, out.len, "\"q\"", 3));
    cr_assert(memmem(out.data, out.len, "\"relative\":1,", 12) ||
              memmem(out.data, out.len, "\"relative\":1}", 13));
    buf_deinit(&out);
    pair_free(&x);
}

/* ---- the differential flame graph ---- */

/* Amounts of the box at "main;work" (from the root), as (base, target). */
struct amounts {
    double base, target;
    bool is_there;
    uint32_t flags;
};

static struct amounts box(const struct flame *f, const struct diff *d, const char *path)
{
    struct amounts found = {0};
    size_t within = 0;
    for (size_t row = 0; row < f->rows_len; row++) {
        if (row > 0 && !*path)
            break;
        size_t len = strcspn(path, ";");
        bool is_met = row == 0;
        for (size_t i = f->row_start[row]; i < f->row_start[row + 1] && row > 0 && !is_met; i++) {
            const char *name = name_of(d, &d->rows[f->function[i]]);
            if (f->x0[i] < f->x0[within] || f->x1[i] > f->x1[within] || strlen(name) != len ||
                strncmp(name, path, len) != 0)
                continue;
            within = i;
            is_met = true;
        }
        if (!is_met)
            return (struct amounts){0};
        if (row > 0)
            path += len + (path[len] == ';');
    }
    if (*path)
        return found;
    found.is_there = true;
    found.base = f->base[within] * f->scale;
    found.target = (f->x1[within] - f->x0[within] - f->base[within]) * f->scale;
    found.flags = f->flags[within];
    return found;
}

static struct flame drawn(const struct diff *d, bool is_inverted)
{
    struct flame f;
    struct error err = {0};
    struct flame_options options = {.is_inverted = is_inverted};
    cr_assert_eq(diff_flame_build(&f, d, NULL, NULL, &options, &err), STATUS_OK, "%s", err.text);
    return f;
}

static void assert_box(const struct flame *f, const struct diff *d, const char *path, double base,
                       double target)
{
    struct amounts a = box(f, d, path);
    cr_assert(a.is_there, "%s", path);
    cr_assert_float_eq(a.base, base, 1e-6 * (1 + fabs(base)), "%s: %g", path, a.base);
    cr_assert_float_eq(a.target, target, 1e-6 * (1 + fabs(target)), "%s: %g", path, a.target);
}

Test(diff_flame, a_box_holds_both_and_says_whose)
{
    struct pair x = folded(1000, 400, 3000, 410);
    small_sample(x.a, "main;old", 50);
    small_sample(x.b, "main;new", 60);
    pair_compare(&x, DIFF_AS_IS);
    struct flame f = drawn(&x.d, false);
    assert_box(&f, &x.d, "", 1450, 3470);
    assert_box(&f, &x.d, "main;work;leaf", 1000, 3000);
    assert_box(&f, &x.d, "main;rest", 400, 410);
    assert_box(&f, &x.d, "main;old", 50, 0);
    assert_box(&f, &x.d, "main;new", 0, 60);
    cr_assert(box(&f, &x.d, "main;work;leaf").flags & FLAME_CHANGED);
    cr_assert_not(box(&f, &x.d, "main;rest").flags & FLAME_CHANGED);
    cr_assert_float_eq(f.total, 1450 + 3470, 1e-6);
    flame_free(&f);
    pair_free(&x);
}

Test(diff_flame, the_target_is_scaled_to_the_bases_total)
{
    struct pair x = folded(30, 10, 10, 110);
    pair_compare(&x, DIFF_BY_TOTAL);
    struct flame f = drawn(&x.d, false);
    assert_box(&f, &x.d, "", 40, 40);
    assert_box(&f, &x.d, "main;work;leaf", 30, 40.0 / 12);
    assert_box(&f, &x.d, "main;rest", 10, 40 * 11.0 / 12);
    flame_free(&f);
    pair_free(&x);
}

Test(diff_flame, inverted_it_starts_at_the_leaves)
{
    struct pair x = folded(30, 10, 20, 0);
    small_sample(x.a, "other;leaf", 5);
    pair_compare(&x, DIFF_AS_IS);
    struct flame f = drawn(&x.d, true);
    assert_box(&f, &x.d, "", 45, 20);
    assert_box(&f, &x.d, "leaf", 35, 20);
    assert_box(&f, &x.d, "leaf;work;main", 30, 20);
    assert_box(&f, &x.d, "leaf;other", 5, 0);
    assert_box(&f, &x.d, "rest;main", 10, 0);
    flame_free(&f);
    pair_free(&x);
}
