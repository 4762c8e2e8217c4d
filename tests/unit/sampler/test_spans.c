#include <criterion/criterion.h>
#include <stdio.h>
#include <unistd.h>

#include "collector/sampler/spans.h"

struct fixture {
    struct stack_table stacks;
    struct span_watch watch;
    struct span_thread thread;
    struct span_place place;
};

static void begin(struct fixture *f, const char *const *patterns)
{
    *f = (struct fixture){
        .place = {.process = 1, .thread = 2, .pid = getpid(), .has_qualname = true}};
    cr_assert(stack_table_init(&f->stacks));
    cr_assert(spans_init(&f->watch, patterns, &f->stacks));
}

static void end(struct fixture *f)
{
    spans_deinit(&f->watch);
    stack_table_deinit(&f->stacks);
}

/* `name` of jobs/load.py, at `line`, called from `parent`. */
static uint32_t call(struct fixture *f, uint32_t parent, const char *name, uint32_t line)
{
    static const char file[] = "/app/jobs/load.py";
    uint32_t function;
    uint32_t frame;
    uint32_t node;
    cr_assert(
        stack_table_function(&f->stacks, name, strlen(name), file, sizeof(file) - 1, 1, &function));
    cr_assert(
        stack_table_frame(&f->stacks, function, &(struct python_place){.line = line}, &frame));
    cr_assert(stack_table_node(&f->stacks, parent, frame, &node));
    return node;
}

static void see(struct fixture *f, uint32_t node, uint64_t now)
{
    spans_see(&f->watch, &f->thread, &f->place, node, now);
}

static void expect_row(const struct fixture *f, size_t i, const char *name, uint64_t begin_ns,
                       uint64_t end_ns, uint32_t level)
{
    cr_assert_lt(i, f->watch.rows_len);
    const struct span_row *r = &f->watch.rows[i];
    cr_expect_str_eq(strtab_text(&f->stacks.texts, r->name), name);
    cr_expect_eq(r->begin_ns, begin_ns, "%s began at %lu", name, (unsigned long)r->begin_ns);
    cr_expect_eq(r->end_ns, end_ns, "%s ended at %lu", name, (unsigned long)r->end_ns);
    cr_expect_eq(r->level, level);
}

Test(spans, a_pattern_names_a_function_by_the_end_of_its_path)
{
    static const char file[] = "/app/jobs/load.py";
    cr_expect(spans_match("load.Loader.run", file, "Loader.run", true));
    cr_expect(spans_match("jobs.load.Loader.run", file, "Loader.run", true));
    cr_expect(spans_match("Loader.run", file, "Loader.run", true));
    cr_expect(spans_match("load.*", file, "Loader.run", true));
    cr_expect(spans_match("*.run", file, "Loader.run", true));
    cr_expect(spans_match("jobs.*", "/app/jobs/__init__.py", "main", true));
    cr_expect_not(spans_match("run", file, "Loader.run", true), "the class belongs to the name");
    cr_expect_not(spans_match("oad.Loader.run", file, "Loader.run", true), "parts are whole");
    cr_expect_not(spans_match("load.Loader", file, "Loader.run", true));
    cr_expect_not(spans_match("load", file, "Loader.run", true), "a module is no function");
}

Test(spans, without_qualified_names_a_class_in_the_pattern_is_passed_over)
{
    static const char file[] = "/app/jobs/load.py";
    cr_expect(spans_match("load.Loader.run", file, "run", false));
    cr_expect(spans_match("Loader.run", file, "run", false));
    cr_expect_not(spans_match("load.Loader.run", file, "run", true));
    cr_expect_not(spans_match("load.Loader.stop", file, "run", false));
}

Test(spans, a_long_path_is_cut_at_its_front)
{
    char file[3000];
    memset(file, 'x', sizeof(file));
    file[0] = '/';
    snprintf(file + sizeof(file) - 9, 9, "/load.py");
    cr_expect(spans_match("load.main", file, "main", true));
    cr_expect_not(spans_match("load.*", "", "", true));
}

Test(spans, an_end_lies_half_way_between_two_samples)
{
    static const char *const patterns[] = {"load.main", NULL};
    struct fixture f;
    begin(&f, patterns);
    uint32_t module = call(&f, 0, "<module>", 90);
    uint32_t inside = call(&f, call(&f, module, "main", 5), "other", 30);
    see(&f, module, 100);
    see(&f, inside, 200);
    see(&f, call(&f, module, "main", 6), 300);
    see(&f, module, 400);
    cr_assert_eq(f.watch.rows_len, 1);
    expect_row(&f, 0, "load.main", 150, 350, 0);
    cr_expect_gt(f.watch.rows[0].begin_bytes, 0);
    cr_expect_eq(f.watch.met, 1);
    end(&f);
}

Test(spans, another_line_of_the_caller_is_another_call)
{
    static const char *const patterns[] = {"main", NULL};
    struct fixture f;
    begin(&f, patterns);
    see(&f, call(&f, call(&f, 0, "<module>", 90), "main", 5), 100);
    see(&f, call(&f, call(&f, 0, "<module>", 91), "main", 5), 200);
    see(&f, 0, 300);
    cr_assert_eq(f.watch.rows_len, 2);
    expect_row(&f, 0, "load.main", 100, 150, 0);
    expect_row(&f, 1, "load.main", 150, 250, 0);
    end(&f);
}

Test(spans, lie_within_each_other_and_recursion_counts_once)
{
    static const char *const patterns[] = {"main", "step", NULL};
    struct fixture f;
    begin(&f, patterns);
    uint32_t outer = call(&f, 0, "main", 5);
    uint32_t step = call(&f, call(&f, outer, "step", 9), "step", 9);
    see(&f, outer, 100);
    see(&f, call(&f, step, "step", 9), 200);
    see(&f, outer, 300);
    spans_end(&f.watch, &f.thread, &f.place);
    cr_assert_eq(f.watch.rows_len, 2);
    expect_row(&f, 0, "load.step", 150, 250, 1);
    expect_row(&f, 1, "load.main", 100, 300, 0);
    end(&f);
}

Test(spans, a_long_one_is_told_while_it_goes_on_and_ends_once)
{
    static const char *const patterns[] = {"main", NULL};
    struct fixture f;
    begin(&f, patterns);
    uint32_t node = call(&f, 0, "main", 5);
    see(&f, node, 100);
    spans_tell_open(&f.watch, &f.thread, &f.place);
    cr_expect_eq(f.watch.rows_len, 0);
    see(&f, node, 100 + 2 * SPAN_LONG_NS);
    spans_tell_open(&f.watch, &f.thread, &f.place);
    spans_tell_open(&f.watch, &f.thread, &f.place);
    cr_assert_eq(f.watch.rows_len, 1);
    expect_row(&f, 0, "load.main", 100, 0, 0);
    spans_end(&f.watch, &f.thread, &f.place);
    cr_assert_eq(f.watch.rows_len, 2);
    expect_row(&f, 1, "load.main", 100, 100 + 2 * SPAN_LONG_NS, 0);
    end(&f);
}

Test(spans, short_calls_over_the_limit_are_counted_and_long_ones_kept)
{
    static const char *const patterns[] = {"main", NULL};
    struct fixture f;
    begin(&f, patterns);
    uint32_t node = call(&f, 0, "main", 5);
    uint64_t now = 100;
    for (int i = 0; i < SAMPLER_SPANS_EACH + 50; i++, now += 20) {
        see(&f, node, now);
        see(&f, 0, now + 10);
    }
    cr_expect_eq(f.watch.rows_len, SAMPLER_SPANS_EACH);
    cr_expect_eq(f.watch.dropped, 50);
    see(&f, node, now);
    see(&f, node, now + 2 * SPAN_LONG_NS);
    see(&f, 0, now + 2 * SPAN_LONG_NS + 10);
    cr_expect_eq(f.watch.rows_len, SAMPLER_SPANS_EACH + 1);
    cr_expect_eq(f.watch.dropped, 50);
    end(&f);
}

Test(spans, what_was_named_in_doubt_is_forgotten)
{
    static const char *const patterns[] = {"main", "step", NULL};
    struct fixture f;
    begin(&f, patterns);
    uint32_t node = call(&f, 0, "main", 5);
    see(&f, node, 100);
    see(&f, call(&f, node, "step", 9), 200);
    see(&f, node, 300);
    see(&f, call(&f, node, "step", 10), 400);
    spans_doubt_rows(&f.watch, 1, 140);
    spans_doubt_open(&f.thread, 140);
    cr_expect_eq(f.watch.rows_len, 0);
    cr_expect_eq(f.watch.dropped, 1);
    cr_expect_eq(f.thread.len, 1, "what began before stays");
    end(&f);
}

Test(spans, a_collection_of_garbage_that_was_seen_has_a_length)
{
    struct fixture f;
    struct span_gc gc = {0};
    uint64_t total[3] = {0};
    begin(&f, NULL);
    spans_see_gc(&f.watch, &gc, &f.place, false, (uint64_t[3]){50, 4, 1}, 100, total);
    spans_see_gc(&f.watch, &gc, &f.place, true, (uint64_t[3]){52, 4, 1}, 200, total);
    spans_see_gc(&f.watch, &gc, &f.place, false, (uint64_t[3]){52, 5, 1}, 300, total);
    spans_see_gc(&f.watch, &gc, &f.place, false, (uint64_t[3]){59, 5, 1}, 400, total);
    spans_see_gc(&f.watch, &gc, &f.place, false, (uint64_t[3]){59, 5, 2}, 500, total);
    cr_assert_eq(f.watch.rows_len, 2);
    expect_row(&f, 0, "GC generation 1", 150, 250, 0);
    expect_row(&f, 1, "GC generation 2", 450, 450, 0);
    cr_expect_eq(total[0], 9);
    cr_expect_eq(total[1], 1);
    cr_expect_eq(total[2], 1);
    end(&f);
}

Test(spans, numbers_that_cannot_be_are_no_collections)
{
    struct fixture f;
    struct span_gc gc = {0};
    uint64_t total[3] = {0};
    begin(&f, NULL);
    spans_see_gc(&f.watch, &gc, &f.place, false, (uint64_t[3]){50, 4, 1}, 100, total);
    spans_see_gc(&f.watch, &gc, &f.place, false, (uint64_t[3]){0, 0, 0}, 200, total);
    spans_see_gc(&f.watch, &gc, &f.place, false, NULL, 300, total);
    spans_see_gc(&f.watch, &gc, &f.place, false, (uint64_t[3]){7, 7, 7}, 400, total);
    cr_expect_eq(f.watch.rows_len, 0);
    cr_expect_eq(total[0] + total[1] + total[2], 0);
    end(&f);
}
