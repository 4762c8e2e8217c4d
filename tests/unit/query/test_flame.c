#include <string.h>

#include "backend/query/flame.h"
#include "small_profile.h"

static const char *name_of(const struct profile *p, uint32_t function)
{
    return strtab_text(&p->tables.strings, p->tables.functions[function].name);
}

/* The box of this name in this row; fails the test when there is none. */
static size_t box(const struct flame *f, const struct profile *p, size_t row, const char *name)
{
    cr_assert_lt(row, f->rows_len, "no row %zu", row);
    for (size_t i = f->row_start[row]; i < f->row_start[row + 1]; i++) {
        if (i > 0 && strcmp(name_of(p, f->function[i]), name) == 0)
            return i;
    }
    cr_assert_fail("no box %s in row %zu", name, row);
    return 0;
}

static double amount(const struct flame *f, size_t i)
{
    return (double)(f->x1[i] - f->x0[i]) * f->scale;
}

static struct flame build(const struct profile *p, const struct query_filter *filter,
                          const struct flame_options *options)
{
    struct flame f;
    struct error err = {0};
    cr_assert_eq(flame_build(&f, p, NULL, filter, options, &err), STATUS_OK, "%s", err.text);
    return f;
}

/* What holds for every flame graph: rows ordered and apart, children within a parent. */
static void check_nesting(const struct flame *f)
{
    for (size_t r = 0; r < f->rows_len; r++) {
        for (size_t i = f->row_start[r]; i < f->row_start[r + 1]; i++) {
            cr_assert_lt(f->x0[i], f->x1[i]);
            if (i > f->row_start[r])
                cr_assert_geq(f->x0[i], f->x1[i - 1]);
            bool is_inside = r == 0;
            for (size_t k = r ? f->row_start[r - 1] : 0; r && k < f->row_start[r]; k++)
                is_inside |= f->x0[k] <= f->x0[i] && f->x1[i] <= f->x1[k];
            cr_assert(is_inside, "row %zu item %zu lies in no parent", r, i);
        }
    }
}

static const struct query_filter everything = {0};
static const struct flame_options plain = {0};

Test(flame, merges_stacks_by_function_with_exact_widths)
{
    struct profile *p = small_new("cpu", "wall", "ns");
    small_sample(p, "main;work:1;leaf", 30);
    small_sample(p, "main;work:2;leaf", 50);
    small_sample(p, "main;rest", 20);
    struct flame f = build(p, &everything, &plain);
    cr_assert_eq(f.rows_len, 4);
    cr_assert_float_eq(f.total, 100, 0);
    cr_assert_float_eq(f.scale, 20, 0, "the greatest common divisor keeps widths whole");
    cr_assert_float_eq(amount(&f, 0), 100, 0);
    cr_assert_float_eq(amount(&f, box(&f, p, 1, "main")), 100, 0);
    cr_assert_float_eq(amount(&f, box(&f, p, 2, "work")), 80, 0);
    cr_assert_float_eq(amount(&f, box(&f, p, 2, "rest")), 20, 0);
    cr_assert_float_eq(amount(&f, box(&f, p, 3, "leaf")), 80, 0);
    cr_assert_lt(f.x0[box(&f, p, 2, "work")], f.x0[box(&f, p, 2, "rest")], "widest first");
    cr_assert_eq(f.samples, 3);
    check_nesting(&f);
    flame_free(&f);
    profile_free(p);
}

Test(flame, keeps_children_inside_parents_when_widths_do_not_fit_32_bits)
{
    struct profile *p = small_new("cpu", "wall", "ns");
    char frames[64];
    for (int i = 0; i < 300; i++) {
        snprintf(frames, sizeof(frames), "main;f%d;g%d", i % 17, i);
        small_sample(p, frames, 1000000007LL * (i + 1) + i);
    }
    struct flame f = build(p, &everything, &plain);
    cr_assert_gt(f.scale, 1);
    cr_assert_float_eq((double)f.x1[0] * f.scale, f.total, f.total * 1e-8);
    check_nesting(&f);
    flame_free(&f);
    profile_free(p);
}

Test(flame, looks_only_at_the_window_threads_and_states_asked_for)
{
    struct profile *p = small_new("cpu", "wall", "ns");
    struct model_process process = {.pid = 5};
    uint32_t id;
    cr_assert_eq(tables_process(&p->tables, &process, &id), STATUS_OK);
    for (uint64_t tid = 1; tid <= 2; tid++) {
        struct model_thread thread = {.process = id, .tid = tid};
        uint32_t t;
        cr_assert_eq(tables_thread(&p->tables, &thread, &t), STATUS_OK);
    }
    for (uint64_t s = 0; s < 10; s++)
        small_sample_at(p, s % 2 ? "main;odd" : "main;even", 1, s * 1000, (uint32_t)(s % 2),
                        s < 5 ? WIRE_ON_CPU : WIRE_WANTS_GIL);
    struct query_filter window = {.has_from = true, .from_ns = 2000, .has_to = true, .to_ns = 5000};
    struct flame f = build(p, &window, &plain);
    cr_assert_eq(f.samples, 3, "from inclusive, to exclusive");
    flame_free(&f);
    uint32_t one = 1;
    struct query_filter thread = {.threads = &one, .threads_len = 1};
    f = build(p, &thread, &plain);
    cr_assert_eq(f.samples, 5);
    cr_assert_eq(f.row_start[3] - f.row_start[2], 1, "only odd");
    flame_free(&f);
    struct query_filter state = {.states = WIRE_WANTS_GIL};
    f = build(p, &state, &plain);
    cr_assert_eq(f.samples, 5);
    flame_free(&f);
    profile_free(p);
}

Test(flame, inverts_from_the_leaves_up)
{
    struct profile *p = small_new("cpu", "wall", "ns");
    small_sample(p, "main;a;leaf", 3);
    small_sample(p, "main;b;leaf", 4);
    small_sample(p, "main;b", 1);
    struct flame_options inverted = {.is_inverted = true};
    struct flame f = build(p, &everything, &inverted);
    cr_assert_float_eq(f.total, 8, 0);
    cr_assert_float_eq(amount(&f, box(&f, p, 1, "leaf")), 7, 0);
    cr_assert_float_eq(amount(&f, box(&f, p, 1, "b")), 1, 0);
    cr_assert_float_eq(amount(&f, box(&f, p, 2, "b")), 4, 0);
    cr_assert_float_eq(amount(&f, box(&f, p, 2, "a")), 3, 0);
    cr_assert_eq(f.rows_len, 4);
    check_nesting(&f);
    flame_free(&f);
    profile_free(p);
}

Test(flame, re_roots_at_the_outermost_frame_of_the_focus)
{
    struct profile *p = small_new("cpu", "wall", "ns");
    small_sample(p, "main;f;g;f;h", 5);
    small_sample(p, "other;f;h", 2);
    small_sample(p, "main;h", 9);
    struct query_filter focus = {.has_focus = true, .focus = small_function(p, "f")};
    struct flame f = build(p, &focus, &plain);
    cr_assert_float_eq(f.total, 7, 0);
    cr_assert_eq(f.row_start[2] - f.row_start[1], 1);
    cr_assert_float_eq(amount(&f, box(&f, p, 1, "f")), 7, 0);
    cr_assert_float_eq(amount(&f, box(&f, p, 2, "h")), 2, 0);
    cr_assert_float_eq(amount(&f, box(&f, p, 2, "g")), 5, 0);
    flame_free(&f);
    profile_free(p);
}

Test(flame, gives_the_time_of_hidden_functions_to_their_callers)
{
    struct profile *p = small_new("cpu", "wall", "ns");
    small_sample(p, "main;wrap;work", 5);
    small_sample(p, "main;wrap", 2);
    small_sample(p, "main;work", 1);
    uint32_t hidden = small_function(p, "wrap");
    struct query_filter filter = {.hide = &hidden, .hide_len = 1};
    struct flame f = build(p, &filter, &plain);
    cr_assert_float_eq(amount(&f, box(&f, p, 1, "main")), 8, 0);
    cr_assert_float_eq(amount(&f, box(&f, p, 2, "work")), 6, 0);
    cr_assert_eq(f.row_start[3] - f.row_start[2], 1);
    flame_free(&f);
    profile_free(p);
}

Test(flame, leaves_out_boxes_below_the_least_width_and_counts_them)
{
    struct profile *p = small_new("cpu", "wall", "ns");
    small_sample(p, "main;wide", 990);
    small_sample(p, "main;thin;thinner", 10);
    struct flame_options options = {.min_fraction = 0.05};
    struct flame f = build(p, &everything, &options);
    cr_assert_eq(f.pruned, 1, "thinner is part of thin");
    cr_assert_float_eq(amount(&f, box(&f, p, 1, "main")), 1000, 0, "the parent keeps the width");
    cr_assert_eq(f.rows_len, 3);
    flame_free(&f);
    struct flame_options shallow = {.max_depth = 1};
    f = build(p, &everything, &shallow);
    cr_assert_eq(f.rows_len, 2);
    cr_assert_eq(f.truncated_depth, 1);
    flame_free(&f);
    profile_free(p);
}

Test(flame, keeps_what_was_freed_out_of_the_drawing_and_says_how_much)
{
    struct profile *p = small_new("heap", "allocated", "bytes");
    small_sample(p, "main;alloc", 100);
    small_sample(p, "main;release", -30);
    struct flame f = build(p, &everything, &plain);
    cr_assert_float_eq(f.total, 100, 0);
    cr_assert_float_eq(f.left_out, -30, 0);
    flame_free(&f);
    profile_free(p);
}

Test(flame, is_only_the_root_when_there_are_no_samples)
{
    struct profile *p = small_new("cpu", "wall", "ns");
    struct flame f = build(p, &everything, &plain);
    cr_assert_eq(f.nodes, 1);
    cr_assert_eq(f.rows_len, 1);
    flame_free(&f);
    profile_free(p);
}

Test(flame, refuses_a_value_that_is_not_there_and_names_those_that_are)
{
    struct profile *p = small_new("cpu", "wall", "ns");
    struct query_filter filter = {.value = "heap"};
    struct flame f;
    struct error err = {0};
    cr_assert_eq(flame_build(&f, p, NULL, &filter, &plain, &err), STATUS_NOT_FOUND);
    cr_assert(strstr(err.text, "wall"), "%s", err.text);
    profile_free(p);
}

static uint32_t u32_at(const struct buf *b, size_t at)
{
    uint32_t v;
    cr_assert_leq(at + 4, b->len);
    memcpy(&v, b->data + at, 4);
    return v;
}

Test(flame, writes_the_binary_form_as_documented)
{
    struct profile *p = small_new("cpu", "wall", "ns");
    small_sample(p, "main;\xe2\x80\xae</script>", 30);
    small_sample(p, "main", 10);
    struct flame_options options = {.revision = 7};
    struct flame f = build(p, &everything, &options);
    struct buf b;
    buf_init(&b, 0);
    cr_assert_eq(flame_write_binary(&f, p, &options, &b), STATUS_OK);
    cr_assert_arr_eq(b.data, "HGF1", 4);
    size_t head = u32_at(&b, 4);
    cr_assert_eq((8 + head) % 8, 0);
    cr_assert_eq(b.len, 8 + head + 3 * 4 * f.nodes, "three columns of each of three boxes");
    cr_assert(memmem(b.data, b.len, "\"rows\":[1,1,1]", 14));
    cr_assert(memmem(b.data, b.len, "\"rev\":7", 7));
    cr_assert_not(memmem(b.data, b.len, "</script>", 9), "names cannot end a script element");
    size_t rows = 8 + head;
    cr_assert_eq(u32_at(&b, rows), 0);
    cr_assert_eq(u32_at(&b, rows + 4), 4, "40 ns in units of 10");
    cr_assert_eq(u32_at(&b, rows + 8), 0, "position 0 is the root");
    cr_assert_eq(u32_at(&b, rows + 24 + 4), 3);
    cr_assert_eq(u32_at(&b, rows + 24 + 8), 2, "the second function met");
    buf_deinit(&b);
    flame_free(&f);
    profile_free(p);
}

Test(flame, follows_a_live_profile_with_one_cache)
{
    struct profile *p = small_new("cpu", "wall", "ns");
    struct query_cache *cache = query_cache_new();
    char frames[64];
    for (int round = 1; round <= 20; round++) {
        for (int i = 0; i < 10; i++) {
            snprintf(frames, sizeof(frames), "main;f%d;g%d", i, i * round % 13);
            small_sample_at(p, frames, i == 3 && round > 10 ? 7 : 10, (uint64_t)round * 100, 0, 0);
        }
        struct flame kept;
        cr_assert_eq(flame_build(&kept, p, cache, &everything, &plain, NULL), STATUS_OK);
        struct flame fresh = build(p, &everything, &plain);
        cr_assert_float_eq(kept.total, fresh.total, 0);
        cr_assert_eq(kept.nodes, fresh.nodes);
        cr_assert_arr_eq(kept.x0, fresh.x0, fresh.nodes * sizeof(uint32_t));
        cr_assert_arr_eq(kept.function, fresh.function, fresh.nodes * sizeof(uint32_t));
        flame_free(&kept);
        flame_free(&fresh);
    }
    query_cache_free(cache);
    profile_free(p);
}

/* ---- the same tree, seen otherwise ---- */

static double sum_of_row(const struct flame *f, size_t row)
{
    double sum = 0;
    for (size_t i = f->row_start[row]; i < f->row_start[row + 1]; i++)
        sum += amount(f, i);
    return sum;
}

static void set_module(struct profile *p, const char *name, const char *module)
{
    for (size_t i = 1; i < p->tables.functions_len; i++) {
        if (strcmp(name_of(p, (uint32_t)i), name) == 0)
            p->tables.functions[i].module = small_string(p, module);
    }
}

static struct profile *modules_profile(void)
{
    struct profile *p = small_new("cpu", "wall", "ns");
    small_sample(p, "run;parse;scan", 60);
    small_sample(p, "run;parse", 10);
    small_sample(p, "run;dump;scan", 30);
    set_module(p, "run", "__main__");
    set_module(p, "parse", "json.decoder");
    set_module(p, "dump", "json.encoder");
    set_module(p, "scan", "json.scanner");
    return p;
}

Test(flame, groups_by_package_and_conserves_the_total)
{
    struct profile *p = modules_profile();
    struct query_filter filter = {.group = GROUP_BY_PACKAGE};
    struct flame f = build(p, &filter, &plain);
    cr_assert_float_eq(f.total, 100, 0);
    cr_assert_eq(f.rows_len, 3, "all, __main__, json");
    cr_assert_float_eq(sum_of_row(&f, 2), 100, 0);
    size_t len;
    cr_assert_str_eq(groups_label(&f.groups, f.function[f.row_start[2]], &len), "json");
    check_nesting(&f);
    flame_free(&f);
    filter.group = GROUP_BY_MODULE;
    f = build(p, &filter, &plain);
    cr_assert_eq(f.rows_len, 4);
    cr_assert_float_eq(sum_of_row(&f, 3), 90, 0, "json.scanner, twice");
    check_nesting(&f);
    flame_free(&f);
    profile_free(p);
}

Test(flame, hides_a_module_or_a_whole_package)
{
    struct profile *p = modules_profile();
    uint32_t parse = 0;
    for (uint32_t i = 1; i < p->tables.functions_len; i++) {
        if (strcmp(name_of(p, i), "parse") == 0)
            parse = i;
    }
    struct query_filter filter = {.hide_modules = &parse, .hide_modules_len = 1};
    struct flame f = build(p, &filter, &plain);
    cr_assert_float_eq(amount(&f, box(&f, p, 2, "scan")), 60, 0, "run calls it now");
    flame_free(&f);
    filter = (struct query_filter){.hide_packages = &parse, .hide_packages_len = 1};
    f = build(p, &filter, &plain);
    cr_assert_eq(f.rows_len, 2, "only run is left, with all the time");
    cr_assert_float_eq(amount(&f, box(&f, p, 1, "run")), 100, 0);
    flame_free(&f);
    profile_free(p);
}

Test(flame, folds_recursion_direct_and_mutual)
{
    struct profile *p = small_new("cpu", "wall", "ns");
    small_sample(p, "main;f;f;f;leaf", 40);
    small_sample(p, "main;f;g;f;g", 30);
    small_sample(p, "main;f", 30);
    struct query_filter filter = {.collapses = true};
    struct flame f = build(p, &filter, &plain);
    cr_assert_float_eq(f.total, 100, 0);
    cr_assert_eq(f.rows_len, 4);
    cr_assert_eq(f.row_start[3] - f.row_start[2], 1, "one box of f");
    cr_assert_float_eq(amount(&f, box(&f, p, 2, "f")), 100, 0);
    cr_assert_float_eq(amount(&f, box(&f, p, 3, "leaf")), 40, 0);
    cr_assert_float_eq(amount(&f, box(&f, p, 3, "g")), 30, 0);
    cr_assert_eq(f.flags[box(&f, p, 2, "f")], FLAME_FOLDED);
    check_nesting(&f);
    flame_free(&f);
    profile_free(p);
}
