#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "collector/python/unwind.h"

/* A made-up stack in 3.12's layout, in two windows. */
enum { BASE = 65536, SIZE = 16384, FRAME = 128 };
static uint8_t memory[SIZE];
static size_t finds;
static struct python_layout layout;

static bool find(void *ctx, uint64_t address, size_t len, struct memory_window *out)
{
    (void)ctx;
    finds++;
    *out = (struct memory_window){BASE, BASE + SIZE, memory};
    return memory_window_holds(out, address, len);
}

static const struct memory_reader reader = {.find = find};

static void put_u64(uint64_t address, uint64_t value)
{
    memcpy(memory + address - BASE, &value, sizeof(value));
}

static void put_frame(uint64_t at, uint64_t previous, uint64_t code, uint64_t ip, uint8_t owner)
{
    put_u64(at + layout.frame_previous, previous);
    put_u64(at + layout.frame_code, code);
    put_u64(at + layout.frame_ip, ip);
    memory[at - BASE + layout.frame_owner] = owner;
}

static void setup(void)
{
    memset(memory, 0, sizeof(memory));
    finds = 0;
    cr_assert_eq(python_layout_init(&layout, 0x030c01f0, NULL, 0), PYTHON_LAYOUT_OK);
}

TestSuite(python_unwind, .init = setup);

Test(python_unwind, walks_from_the_innermost_frame_outwards)
{
    struct python_frame frames[8];
    size_t len;
    put_frame(BASE + FRAME, 0, 0x1000, 0x1010, 0);
    put_frame(BASE + 2 * FRAME, BASE + FRAME, 0x2000, 0x2020, 1);
    put_frame(BASE + 3 * FRAME, BASE + 2 * FRAME, 0x3000, 0x3030, 0);
    cr_expect_eq(python_unwind(&layout, &reader, BASE + 3 * FRAME, 0, frames, 8, &len),
                 PYTHON_UNWIND_OK);
    cr_assert_eq(len, 3);
    cr_expect_eq(frames[0].code, 0x3000);
    cr_expect_eq(frames[1].ip, 0x2020);
    cr_expect_eq(frames[2].address, BASE + FRAME);
    cr_expect_eq(finds, 1, "one window must serve the whole walk");
}

Test(python_unwind, passes_over_the_shims_between_c_and_python)
{
    struct python_frame frames[8];
    size_t len;
    put_frame(BASE + FRAME, 0, 0, 0, 3);
    put_frame(BASE + 2 * FRAME, BASE + FRAME, 0x2000, 0x2020, 0);
    cr_expect_eq(python_unwind(&layout, &reader, BASE + 2 * FRAME, 0, frames, 8, &len),
                 PYTHON_UNWIND_OK);
    cr_expect_eq(len, 1);
}

Test(python_unwind, ends_at_the_base_frame)
{
    struct python_frame frames[8];
    size_t len;
    put_frame(BASE + FRAME, BASE + 10 * FRAME, 0x1000, 0, 0);
    put_frame(BASE + 2 * FRAME, BASE + FRAME, 0x2000, 0x2020, 0);
    cr_expect_eq(python_unwind(&layout, &reader, BASE + 2 * FRAME, BASE + FRAME, frames, 8, &len),
                 PYTHON_UNWIND_OK);
    cr_expect_eq(len, 1);
}

/* It ran for a moment while it was read, or it waits and is asked for: the caller knows which. */
Test(python_unwind, a_generator_that_nobody_called_is_told)
{
    struct python_frame frames[8];
    size_t len;
    put_frame(BASE + FRAME, 0, 0x1000, 0x1010, 1);
    put_frame(BASE + 2 * FRAME, BASE + FRAME, 0x2000, 0x2020, 0);
    cr_expect_eq(python_unwind(&layout, &reader, BASE + 2 * FRAME, 0, frames, 8, &len),
                 PYTHON_UNWIND_SUSPENDED);
    cr_expect_eq(len, 2);
    put_frame(BASE + FRAME, BASE + 3 * FRAME, 0x1000, 0x1010, 1);
    put_frame(BASE + 3 * FRAME, 0, 0, 0, 3);
    cr_expect_eq(python_unwind(&layout, &reader, BASE + 2 * FRAME, 0, frames, 8, &len),
                 PYTHON_UNWIND_OK);
}

Test(python_unwind, a_circle_is_too_deep)
{
    struct python_frame frames[8];
    size_t len;
    put_frame(BASE + FRAME, BASE + 2 * FRAME, 0x1000, 0, 0);
    put_frame(BASE + 2 * FRAME, BASE + FRAME, 0x2000, 0, 0);
    cr_expect_eq(python_unwind(&layout, &reader, BASE + FRAME, 0, frames, 8, &len),
                 PYTHON_UNWIND_TOO_DEEP);
    put_frame(BASE + FRAME, BASE + FRAME, 0, 0, 3);
    cr_expect_eq(python_unwind(&layout, &reader, BASE + FRAME, 0, frames, 8, &len),
                 PYTHON_UNWIND_TOO_DEEP, "a circle of shims too");
}

Test(python_unwind, a_circle_is_noticed_long_before_the_limit)
{
    enum { MANY = 1 << 16 };
    struct python_frame *many = calloc(MANY, sizeof(*many));
    size_t len;
    cr_assert(many);
    for (uint64_t i = 1; i < 7; i++) /* two before the circle, four in it */
        put_frame(BASE + i * FRAME, BASE + (i == 6 ? 3 : i + 1) * FRAME, 0x1000 * i, 0, 0);
    cr_expect_eq(python_unwind(&layout, &reader, BASE + FRAME, 0, many, MANY, &len),
                 PYTHON_UNWIND_TOO_DEEP);
    cr_expect_eq(many[64].address, 0, "it went round and round");
    free(many);
}

Test(python_unwind, a_chain_that_leads_nowhere_is_not_followed)
{
    struct python_frame frames[8];
    size_t len;
    put_frame(BASE + FRAME, 0x10, 0x1000, 0, 0);
    cr_expect_eq(python_unwind(&layout, &reader, BASE + FRAME, 0, frames, 8, &len),
                 PYTHON_UNWIND_UNREADABLE);
    put_frame(BASE + FRAME, BASE + FRAME + 4, 0x1000, 0, 0);
    cr_expect_eq(python_unwind(&layout, &reader, BASE + FRAME, 0, frames, 8, &len),
                 PYTHON_UNWIND_BROKEN);
    cr_expect_eq(python_unwind(&layout, &reader, UINT64_MAX - 7, 0, frames, 8, &len),
                 PYTHON_UNWIND_UNREADABLE);
}

Test(python_unwind, finds_the_innermost_frame_through_the_cframe)
{
    uint64_t frame;
    put_u64(BASE + layout.tstate_cframe, BASE + 1024);
    put_u64(BASE + 1024 + layout.cframe_frame, 0x4242);
    cr_expect_eq(python_top_frame(&layout, &reader, BASE, &frame), PYTHON_UNWIND_OK);
    cr_expect_eq(frame, 0x4242);
    put_u64(BASE + layout.tstate_cframe, 0);
    cr_expect_eq(python_top_frame(&layout, &reader, BASE, &frame), PYTHON_UNWIND_OK);
    cr_expect_eq(frame, 0);
}
