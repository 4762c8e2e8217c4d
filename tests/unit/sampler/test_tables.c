#include <criterion/criterion.h>

#include "collector/sampler/rows.h"
#include "collector/sampler/stacks.h"
#include "common/wire/wire.h"

Test(sampler_stacks, the_same_content_gives_the_same_number)
{
    struct stack_table t;
    uint32_t a;
    uint32_t b;
    uint32_t frame;
    uint32_t other_frame;
    uint32_t node;
    uint32_t again;
    cr_assert(stack_table_init(&t));
    cr_assert(stack_table_function(&t, "f", 1, "m.py", 4, 3, &a));
    cr_assert(stack_table_function(&t, "f", 1, "m.py", 4, 3, &b));
    cr_expect_eq(a, b);
    cr_assert(stack_table_function(&t, "f", 1, "m.py", 4, 9, &b));
    cr_expect_neq(a, b, "another line is another function");
    cr_assert(stack_table_function(&t, "m.py", 4, "f", 1, 3, &b));
    cr_expect_neq(a, b);
    cr_assert(stack_table_frame(&t, a, &(struct python_place){.line = 4}, &frame));
    cr_assert(stack_table_frame(&t, a, &(struct python_place){.line = 5}, &other_frame));
    cr_expect_neq(frame, other_frame);
    struct python_place part = {.line = 4, .column = 1, .end_line = 4, .end_column = 9};
    cr_assert(stack_table_frame(&t, a, &part, &other_frame));
    cr_expect_neq(frame, other_frame, "a part of a line is not the line");
    cr_assert(stack_table_frame(&t, a, &part, &frame));
    cr_expect_eq(frame, other_frame);
    cr_assert(stack_table_node(&t, 0, frame, &node));
    cr_assert(stack_table_node(&t, 0, frame, &again));
    cr_expect_eq(node, again);
    cr_expect_neq(node, 0, "0 is the empty stack");
    cr_assert(stack_table_node(&t, node, frame, &again));
    cr_expect_neq(node, again, "recursion is deeper");
    stack_table_deinit(&t);
}

static void put_row(struct rows *r, uint32_t *last, uint32_t node, int64_t wall)
{
    size_t i = r->len++;
    r->node[i] = node;
    r->wall[i] = wall;
    r->before[i] = *last;
    *last = (uint32_t)i;
}

Test(sampler_rows, cpu_time_is_shared_out_whole)
{
    struct rows r;
    uint32_t last = ROWS_NONE;
    cr_assert(rows_init(&r, 16));
    put_row(&r, &last, 1, 1000);
    put_row(&r, &last, 2, 3000);
    put_row(&r, &last, 3, 0);
    rows_settle(&r, last, 3999, 0);
    cr_expect_eq(r.cpu[0] + r.cpu[1] + r.cpu[2], 3999);
    cr_expect_gt(r.cpu[1], 2 * r.cpu[0]);
    cr_expect(r.state[0] & WIRE_ON_CPU);
    rows_settle(&r, ROWS_NONE, 500, 0); /* nobody to give it to */
    rows_deinit(&r);
}

Test(sampler_rows, little_cpu_time_is_not_being_on_a_cpu)
{
    struct rows r;
    uint32_t last = ROWS_NONE;
    cr_assert(rows_init(&r, 16));
    put_row(&r, &last, 1, 1000000);
    rows_settle(&r, last, 1000, 0);
    cr_expect_eq(r.cpu[0], 1000);
    cr_expect_not(r.state[0] & WIRE_ON_CPU);
    rows_deinit(&r);
}

Test(sampler_rows, waiting_for_a_cpu_is_not_idling)
{
    struct rows r;
    uint32_t last = ROWS_NONE;
    cr_assert(rows_init(&r, 16));
    put_row(&r, &last, 1, 1000000);
    rows_settle(&r, last, 100000, 800000);
    cr_expect_eq(r.cpu[0], 100000, "it is given no time that it did not use");
    cr_expect(r.state[0] & WIRE_ON_CPU);
    rows_deinit(&r);
}

static bool is_two(const void *ctx, uint32_t node)
{
    (void)ctx;
    return node == 2;
}

Test(sampler_rows, doubtful_rows_and_those_of_another_state_are_left_out)
{
    struct rows r;
    uint32_t last = ROWS_NONE;
    cr_assert(rows_init(&r, 16));
    for (uint32_t node = 1; node <= 4; node++)
        put_row(&r, &last, node, 1);
    put_row(&r, &last, 2, 1);
    r.owner[4] = 7;
    r.state[2] = WIRE_ON_CPU | WIRE_HAS_GIL;
    r.state[3] = WIRE_HAS_GIL;
    cr_expect_eq(rows_doubt(&r, 0, 0, is_two, NULL), 1, "another process's row is not meant");
    rows_compact(&r, WIRE_HAS_GIL);
    cr_assert_eq(r.len, 2);
    cr_expect_eq(r.node[0], 3);
    cr_expect_eq(r.node[1], 4);
    rows_deinit(&r);
}
