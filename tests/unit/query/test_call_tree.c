#include <string.h>

#include "backend/query/call_tree.h"
#include "backend/query/flame.h"
#include "common/base/clock.h"
#include "small_profile.h"

static struct call_tree build(const struct profile *p, double min_fraction)
{
    struct call_tree t;
    struct error err = {0};
    cr_assert_eq(call_tree_build(&t, p, min_fraction, 0, &err), STATUS_OK, "%s", err.text);
    return t;
}

/* Time is conserved: children fit into their parent, and all selfs make the total. */
static void check_conserved(const struct call_tree *t)
{
    double *children = calloc(t->len, sizeof(*children));
    double self = 0;
    for (size_t i = 1; i < t->len; i++) {
        cr_assert_lt(t->nodes[i].parent, i);
        cr_assert_geq(t->nodes[i].self, 0);
        children[t->nodes[i].parent] += t->nodes[i].total;
    }
    for (size_t i = 0; i < t->len; i++) {
        cr_assert_leq(children[i], t->nodes[i].total * (1 + 1e-9) + 1e-12,
                      "children wider than box %zu", i);
        self += t->nodes[i].self;
    }
    cr_assert_float_eq(self, t->total, t->total * 1e-6);
    free(children);
}

static bool has_outer(const struct call_tree *t, uint32_t node)
{
    for (uint32_t up = t->nodes[node].parent; up; up = t->nodes[up].parent) {
        if (t->nodes[up].function == t->nodes[node].function)
            return true;
    }
    return false;
}

/* Width of all outermost boxes of a function. */
static double width(const struct call_tree *t, uint32_t function)
{
    double sum = 0;
    for (uint32_t i = 1; i < t->len; i++) {
        if (t->nodes[i].function == function && !has_outer(t, i))
            sum += t->nodes[i].total;
    }
    return sum;
}

static double self_of(const struct call_tree *t, uint32_t function)
{
    double sum = 0;
    for (uint32_t i = 1; i < t->len; i++)
        sum += t->nodes[i].function == function ? t->nodes[i].self : 0;
    return sum;
}

static void check_functions(const struct call_tree *t, const struct profile *p, double tolerance)
{
    for (size_t i = 0; i < p->call_graph.rows_len; i++) {
        const struct call_row *r = &p->call_graph.rows[i];
        cr_assert_float_eq(width(t, r->function), r->total, tolerance, "%s: %f, not %f",
                           strtab_text(&p->tables.strings, p->tables.functions[r->function].name),
                           width(t, r->function), r->total);
    }
}

static uint32_t flags_of(const struct call_tree *t, uint32_t function)
{
    uint32_t flags = 0;
    for (size_t i = 1; i < t->len; i++)
        flags |= t->nodes[i].function == function ? t->nodes[i].flags : 0;
    return flags;
}

Test(call_tree, is_exact_and_unmarked_where_every_function_has_one_caller)
{
    struct profile *p = small_new(NULL, NULL, NULL);
    uint32_t a = small_call_row(p, "a", 1, 1, 1, 10);
    uint32_t b = small_call_row(p, "b", 1, 1, 2, 6);
    uint32_t c = small_call_row(p, "c", 1, 1, 3, 3);
    uint32_t d = small_call_row(p, "d", 1, 1, 4, 4);
    small_call_edge(p, a, b, 1, 2, 6);
    small_call_edge(p, a, c, 1, 3, 3);
    small_call_edge(p, b, d, 1, 4, 4);
    struct call_tree t = build(p, 0);
    cr_assert_eq(t.len, 5);
    cr_assert_float_eq(t.nodes[0].total, 10, 1e-12);
    check_conserved(&t);
    check_functions(&t, p, 1e-9);
    for (size_t i = 0; i < t.len; i++)
        cr_assert_eq(t.nodes[i].flags, 0);
    call_tree_free(&t);
    profile_free(p);
}

Test(call_tree, shares_out_a_function_with_two_callers_and_marks_what_is_below_it)
{
    struct profile *p = small_new(NULL, NULL, NULL);
    uint32_t main_row = small_call_row(p, "main", 1, 1, 0, 10);
    uint32_t a = small_call_row(p, "a", 1, 1, 1, 7);
    uint32_t b = small_call_row(p, "b", 1, 1, 1, 3);
    uint32_t f = small_call_row(p, "f", 2, 2, 2, 8);
    uint32_t g = small_call_row(p, "g", 2, 2, 6, 6);
    small_call_edge(p, main_row, a, 1, 1, 7);
    small_call_edge(p, main_row, b, 1, 1, 3);
    small_call_edge(p, a, f, 1, 1.5, 6);
    small_call_edge(p, b, f, 1, 0.5, 2);
    small_call_edge(p, f, g, 2, 6, 6);
    struct call_tree t = build(p, 0);
    check_conserved(&t);
    check_functions(&t, p, 1e-9);
    cr_assert_eq(flags_of(&t, small_function(p, "f")), 0, "its two times are known");
    cr_assert_eq(flags_of(&t, small_function(p, "g")), FLAME_APPORTIONED);
    cr_assert_float_eq(self_of(&t, small_function(p, "f")), 2, 1e-9);
    call_tree_free(&t);
    profile_free(p);
}

Test(call_tree, draws_direct_recursion_once_within_itself)
{
    struct profile *p = small_new(NULL, NULL, NULL);
    uint32_t main_row = small_call_row(p, "main", 1, 1, 1, 10);
    uint32_t fib = small_call_row(p, "fib", 1000, 1, 7, 9);
    uint32_t add = small_call_row(p, "add", 999, 999, 2, 2);
    small_call_edge(p, main_row, fib, 1, 0.01, 9);
    small_call_edge(p, fib, fib, 999, 6.99, 8.9);
    small_call_edge(p, fib, add, 999, 2, 2);
    struct call_tree t = build(p, 0);
    check_conserved(&t);
    check_functions(&t, p, 1e-9);
    cr_assert_lt(t.len, 10);
    cr_assert(flags_of(&t, small_function(p, "fib")) & FLAME_FOLDED);
    call_tree_free(&t);
    profile_free(p);
}

Test(call_tree, conserves_time_through_mutual_recursion)
{
    struct profile *p = small_new(NULL, NULL, NULL);
    uint32_t main_row = small_call_row(p, "main", 1, 1, 0, 10);
    uint32_t even = small_call_row(p, "even", 500, 1, 4, 10);
    uint32_t odd = small_call_row(p, "odd", 500, 1, 3, 9.9);
    uint32_t log = small_call_row(p, "log", 1000, 1000, 3, 3);
    small_call_edge(p, main_row, even, 1, 0.1, 10);
    small_call_edge(p, even, odd, 500, 3, 9.9);
    small_call_edge(p, odd, even, 499, 3.9, 9.8);
    small_call_edge(p, even, log, 500, 1.6, 1.6);
    small_call_edge(p, odd, log, 500, 1.4, 1.4);
    struct call_tree t = build(p, 0);
    check_conserved(&t);
    check_functions(&t, p, 1e-9);
    cr_assert_float_eq(self_of(&t, small_function(p, "even")), 4, 1e-9);
    cr_assert_float_eq(self_of(&t, small_function(p, "log")), 3, 1e-9);
    cr_assert_lt(t.len, 30);
    call_tree_free(&t);
    profile_free(p);
}

/* `python -m cProfile -m X`: exec runs the main module, whose imports call exec again. */
Test(call_tree, draws_a_module_run_through_exec_at_its_real_width)
{
    struct profile *p = small_new(NULL, NULL, NULL);
    /* exec .186 > pydoc .184 > import .120 > exec .114 > unittest .083 > import .063 > exec .060 */
    uint32_t exec = small_call_row(p, "exec", 40, 1, 0.004, 0.186);
    uint32_t module = small_call_row(p, "pydoc", 1, 1, 0.014, 0.184);
    uint32_t import = small_call_row(p, "import", 39, 2, 0.009, 0.120);
    uint32_t other = small_call_row(p, "unittest", 1, 1, 0.020, 0.083);
    uint32_t third = small_call_row(p, "case", 1, 1, 0.059, 0.059);
    uint32_t work = small_call_row(p, "render", 1, 1, 0.050, 0.050);
    uint32_t late = small_call_row(p, "loader", 1, 1, 0.030, 0.030);
    small_call_edge(p, exec, module, 1, 0.014, 0.184);
    small_call_edge(p, exec, other, 1, 0.020, 0.083);
    small_call_edge(p, exec, third, 1, 0.059, 0.059);
    small_call_edge(p, exec, late, 1, 0.030, 0.030);
    small_call_edge(p, module, import, 20, 0.006, 0.120);
    small_call_edge(p, module, work, 1, 0.050, 0.050);
    small_call_edge(p, other, import, 19, 0.003, 0.063);
    small_call_edge(p, import, exec, 39, 0.002, 0.114);
    struct call_tree t = build(p, 0);
    check_conserved(&t);
    cr_assert_float_eq(t.total, 0.186, 1e-12);
    /* Which of exec's runs took what is not in the numbers: a hundredth may stand elsewhere. */
    check_functions(&t, p, 0.0021);
    for (size_t i = 0; i < p->call_graph.rows_len; i++) {
        const struct call_row *r = &p->call_graph.rows[i];
        cr_assert_float_eq(self_of(&t, r->function), r->self, 1e-6);
    }
    call_tree_free(&t);
    profile_free(p);
}

Test(call_tree, takes_a_profile_without_edges_flat)
{
    struct profile *p = small_new(NULL, NULL, NULL);
    small_call_row(p, "outer", 1, 1, 1, 10);
    small_call_row(p, "inner", 1, 1, 9, 9);
    struct call_tree t = build(p, 0);
    check_conserved(&t);
    cr_assert_float_eq(t.total, 10, 1e-12);
    cr_assert_eq(t.len, 3);
    call_tree_free(&t);
    profile_free(p);
}

Test(call_tree, bends_numbers_that_contradict_each_other_instead_of_overflowing_a_box)
{
    struct profile *p = small_new(NULL, NULL, NULL);
    uint32_t a = small_call_row(p, "a", 1, 1, 1, 5);
    uint32_t b = small_call_row(p, "b", 9, 9, 2, 2);
    small_call_edge(p, a, b, 9, 2, 400);
    small_call_edge(p, b, b, 9, (double)NAN, -3);
    struct call_tree t = build(p, 0);
    check_conserved(&t);
    cr_assert_float_eq(t.total, 3, 1e-12);
    call_tree_free(&t);
    profile_free(p);
}

/* A dense tangle: every function calls dozens of others, everything recurs. */
static struct profile *make_tangle(uint32_t functions, uint32_t calls_each)
{
    struct profile *p = small_new(NULL, NULL, NULL);
    char name[32];
    for (uint32_t i = 0; i < functions; i++) {
        snprintf(name, sizeof(name), "f%u", i);
        small_call_row(p, name, 10, 10, 1.0 + i % 7, 1.0 + i % 7 + (functions - i));
    }
    uint32_t seed = 12345;
    for (uint32_t i = 0; i < functions; i++) {
        for (uint32_t k = 0; k < calls_each; k++) {
            seed = seed * 1664525 + 1013904223;
            small_call_edge(p, i, (seed >> 8) % functions, 1, 0.5, 1.0 + (seed >> 20) % 97);
        }
    }
    return p;
}

Test(call_tree, stays_small_and_quick_on_20000_functions_that_all_recur)
{
    struct profile *p = make_tangle(20000, 4);
    uint64_t before = clock_thread_cpu_ns();
    struct call_tree t = build(p, 0);
    uint64_t cpu = clock_thread_cpu_ns() - before;
    cr_assert_leq(t.len, 200000);
    check_conserved(&t);
    cr_assert_lt(cpu, 20000000000ULL, "%.1f s", (double)cpu / 1e9);
    call_tree_free(&t);
    profile_free(p);
}

Test(call_tree, keeps_a_chain_of_20000_calls)
{
    struct profile *p = small_new(NULL, NULL, NULL);
    char name[32];
    enum { N = 20000 };
    for (uint32_t i = 0; i < N; i++) {
        snprintf(name, sizeof(name), "f%u", i);
        small_call_row(p, name, 1, 1, 1, N - i);
        if (i)
            small_call_edge(p, i - 1, i, 1, 1, N - i);
    }
    struct call_tree t = build(p, 0);
    cr_assert_eq(t.len, N + 1);
    cr_assert_float_eq(t.nodes[N].total, 1, 1e-6);
    call_tree_free(&t);
    profile_free(p);
}

Test(call_tree, makes_a_flame_graph_that_says_it_is_an_estimate)
{
    struct profile *p = small_new(NULL, NULL, NULL);
    uint32_t a = small_call_row(p, "a", 1, 1, 0.25, 1);
    uint32_t b = small_call_row(p, "b", 1, 1, 0.75, 0.75);
    small_call_edge(p, a, b, 1, 0.75, 0.75);
    struct flame f;
    struct query_filter filter = {.value = "time"};
    struct flame_options options = {0};
    cr_assert_eq(flame_build(&f, p, NULL, &filter, &options, NULL), STATUS_OK);
    cr_assert(f.is_estimated);
    cr_assert_float_eq(f.total, 1, 1e-12);
    cr_assert_float_eq((double)(f.x1[2] - f.x0[2]) * f.scale, 0.75, 1e-9);
    flame_free(&f);
    profile_free(p);
}
