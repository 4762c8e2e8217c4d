#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "backend/model/rows.h"
#include "backend/model/tables.h"

static struct tables t;

static void setup(void)
{
    cr_assert_eq(tables_init(&t), STATUS_OK);
}

static void teardown(void)
{
    tables_deinit(&t);
}

TestSuite(tables, .init = setup, .fini = teardown);

static uint32_t string(const char *text)
{
    uint32_t id;
    cr_assert_eq(tables_string(&t, text, strlen(text), &id), STATUS_OK);
    return id;
}

static uint32_t frame_of(const char *name, uint32_t line)
{
    struct wire_function function = {.name = string(name)};
    struct wire_frame frame = {.line = line};
    uint32_t id;
    cr_assert_eq(tables_function(&t, &function, &frame.function), STATUS_OK);
    cr_assert_eq(tables_frame(&t, &frame, &id), STATUS_OK);
    return id;
}

static uint32_t stack(uint32_t parent, uint32_t frame)
{
    uint32_t id;
    cr_assert_eq(tables_stack(&t, parent, frame, &id), STATUS_OK);
    return id;
}

Test(tables, row_zero_of_each_is_there_from_the_start)
{
    cr_assert_eq(t.strings.len, 1);
    cr_assert_eq(t.functions_len, 1);
    cr_assert_eq(t.frames_len, 1);
    cr_assert_eq(t.stacks_len, 1);
    cr_assert_eq(t.stack_depth[0], 0);
    cr_assert_eq(t.label_sets_len, 1);
    cr_assert_eq(t.label_sets[0].len, 0);
    cr_assert_eq(t.processes_len, 0);
    cr_assert_eq(string(""), 0);
}

Test(tables, the_same_content_gets_the_same_row)
{
    uint32_t a = frame_of("login", 12);
    uint32_t b = frame_of("login", 13);
    cr_assert_eq(frame_of("login", 12), a);
    cr_assert_neq(a, b);
    cr_assert_eq(t.functions_len, 2);
    uint32_t deep = stack(stack(0, a), b);
    cr_assert_eq(stack(stack(0, a), b), deep);
    cr_assert_eq(t.stacks_len, 3);
    cr_assert_eq(t.stack_depth[deep], 2);
}

Test(tables, a_stack_of_the_unknown_frame_is_not_the_empty_stack)
{
    uint32_t unknown = stack(0, 0);
    cr_assert_neq(unknown, 0);
    cr_assert_eq(stack(0, 0), unknown);
    cr_assert_eq(t.stack_depth[unknown], 1);
}

Test(tables, interning_goes_on_after_the_indexes_were_dropped)
{
    uint32_t frame = frame_of("f", 1);
    uint32_t s = stack(0, frame);
    struct model_label label = {.key = string("k"), .value = string("v")};
    uint32_t labels;
    cr_assert_eq(tables_label_set(&t, &label, 1, &labels), STATUS_OK);
    struct model_process process = {.pid = 7};
    struct model_thread thread = {.tid = 8};
    uint32_t p;
    uint32_t th;
    cr_assert_eq(tables_process(&t, &process, &p), STATUS_OK);
    cr_assert_eq(tables_thread(&t, &thread, &th), STATUS_OK);
    tables_drop_indexes(&t);
    uint32_t again;
    cr_assert_eq(frame_of("f", 1), frame);
    cr_assert_eq(stack(0, frame), s);
    cr_assert_eq(stack(0, 0), 2);
    cr_assert_eq(tables_label_set(&t, &label, 1, &again), STATUS_OK);
    cr_assert_eq(again, labels);
    cr_assert_eq(tables_label_set(&t, NULL, 0, &again), STATUS_OK);
    cr_assert_eq(again, 0);
    cr_assert_eq(tables_process(&t, &process, &again), STATUS_OK);
    cr_assert_eq(again, p);
    cr_assert_eq(tables_thread(&t, &thread, &again), STATUS_OK);
    cr_assert_eq(again, th);
}

struct keyed_line {
    uint64_t key;
    uint32_t line;
};

static int by_key(const void *a, const void *b)
{
    uint64_t x = ((const struct keyed_line *)a)->key;
    uint64_t y = ((const struct keyed_line *)b)->key;
    return x < y ? -1 : x > y;
}

/* A frame's key is the mixed (function, line) plus its column: two lines whose mixed keys are less
 * than 2^32 apart collide when the column makes up the difference. */
Test(tables, frames_with_the_same_key_stay_two_frames)
{
    enum { LINES = 400000 };
    struct keyed_line *lines = malloc(LINES * sizeof(*lines));
    for (uint32_t i = 0; i < LINES; i++)
        lines[i] = (struct keyed_line){map_mix(map_pair(0, i)), i};
    qsort(lines, LINES, sizeof(*lines), by_key);
    size_t found = 0;
    for (size_t i = 1; i < LINES; i++) {
        uint64_t apart = lines[i].key - lines[i - 1].key;
        if (apart == 0 || apart > UINT32_MAX)
            continue;
        struct wire_frame low = {.line = lines[i - 1].line, .column = (uint32_t)apart};
        struct wire_frame high = {.line = lines[i].line, .column = 0};
        uint32_t a;
        uint32_t b;
        uint32_t again;
        cr_assert_eq(tables_frame(&t, &low, &a), STATUS_OK);
        cr_assert_eq(tables_frame(&t, &high, &b), STATUS_OK);
        cr_assert_neq(a, b);
        tables_drop_indexes(&t);
        cr_assert_eq(tables_frame(&t, &high, &again), STATUS_OK);
        cr_assert_eq(again, b);
        cr_assert_eq(tables_frame(&t, &low, &again), STATUS_OK);
        cr_assert_eq(again, a);
        found++;
    }
    cr_assert_gt(found, 0, "no two keys were near enough to try");
    free(lines);
}

Test(tables, indices_that_do_not_exist_are_refused)
{
    uint32_t id = 99;
    cr_assert_eq(tables_function(&t, &(struct wire_function){.name = 1}, &id), STATUS_INVALID);
    cr_assert_eq(tables_function(&t, &(struct wire_function){.module = 1}, &id), STATUS_INVALID);
    cr_assert_eq(tables_frame(&t, &(struct wire_frame){.function = 1}, &id), STATUS_INVALID);
    cr_assert_eq(tables_stack(&t, 1, 0, &id), STATUS_INVALID);
    cr_assert_eq(tables_stack(&t, 0, 1, &id), STATUS_INVALID);
    cr_assert_eq(tables_process(&t, &(struct model_process){.command = 1}, &id), STATUS_INVALID);
    cr_assert_eq(tables_thread(&t, &(struct model_thread){.process = 1}, &id), STATUS_INVALID);
    cr_assert_eq(tables_label_set(&t, &(struct model_label){.value = 1}, 1, &id), STATUS_INVALID);
    cr_assert_eq(id, 99);
}

Test(tables, a_stack_deeper_than_the_limit_is_refused)
{
    uint32_t s = 0;
    for (int i = 0; i < TABLES_MAX_DEPTH; i++)
        s = stack(s, 0);
    uint32_t id;
    cr_assert_eq(t.stack_depth[s], TABLES_MAX_DEPTH);
    cr_assert_eq(tables_stack(&t, s, 0, &id), STATUS_TOO_LARGE);
}

Test(tables, strings_and_label_sets_have_limits)
{
    uint32_t id;
    char *text = calloc(1, TABLES_MAX_STRING + 1);
    cr_assert_eq(tables_string(&t, text, TABLES_MAX_STRING, &id), STATUS_OK);
    cr_assert_eq(tables_string(&t, text, TABLES_MAX_STRING + 1, &id), STATUS_TOO_LARGE);
    free(text);
    struct model_label labels[TABLES_MAX_LABELS + 1] = {{0}};
    cr_assert_eq(tables_label_set(&t, labels, TABLES_MAX_LABELS, &id), STATUS_OK);
    cr_assert_eq(tables_label_set(&t, labels, TABLES_MAX_LABELS + 1, &id), STATUS_TOO_LARGE);
}

Test(tables, label_sets_are_told_apart_by_order_and_unit)
{
    uint32_t k = string("k");
    uint32_t v = string("v");
    struct model_label ab[] = {{k, v, 0}, {v, k, 0}};
    struct model_label ba[] = {{v, k, 0}, {k, v, 0}};
    struct model_label unit[] = {{k, v, v}, {v, k, 0}};
    uint32_t first;
    uint32_t id;
    cr_assert_eq(tables_label_set(&t, ab, 2, &first), STATUS_OK);
    cr_assert_eq(tables_label_set(&t, ba, 2, &id), STATUS_OK);
    cr_assert_neq(id, first);
    cr_assert_eq(tables_label_set(&t, unit, 2, &id), STATUS_OK);
    cr_assert_neq(id, first);
    cr_assert_eq(tables_label_set(&t, ab, 2, &id), STATUS_OK);
    cr_assert_eq(id, first);
}

Test(tables, a_hundred_thousand_stacks_keep_their_rows)
{
    enum { COUNT = 100000 };
    uint32_t *ids = malloc(COUNT * sizeof(*ids));
    uint32_t frames[10];
    for (uint32_t i = 0; i < 10; i++)
        frames[i] = frame_of("f", i + 1);
    for (uint32_t i = 0; i < COUNT; i++)
        ids[i] = stack(i < 10 ? 0 : ids[i / 10 - 1], frames[i % 10]);
    cr_assert_eq(t.stacks_len, COUNT + 1);
    for (uint32_t i = 0; i < COUNT; i++)
        cr_assert_eq(stack(i < 10 ? 0 : ids[i / 10 - 1], frames[i % 10]), ids[i]);
    cr_assert_eq(t.stacks_len, COUNT + 1);
    cr_assert_gt(tables_size(&t), COUNT * sizeof(struct wire_stack));
    free(ids);
}
