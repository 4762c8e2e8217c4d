/* The reading of a thread, over a stack in this very process that the test changes as it likes. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "collector/sampler/reading.h"

enum { FRAME = 160, FRAMES = 8, DEPTH_MAX = 64 };

/* 3.13-like: the frame is in the thread state, no cframe. */
static struct python_layout layout;
static uint8_t *stack;  /* frames, as in a data-stack chunk */
static uint8_t *tstate; /* one thread state */
static uint8_t *slice;
static struct target_memory memory;
static struct reading reading;
static struct python_frame frames[DEPTH_MAX];

static uint64_t address_of(const void *p)
{
    return (uint64_t)(uintptr_t)p;
}

static void put_u64(uint8_t *at, uint64_t value)
{
    memcpy(at, &value, sizeof(value));
}

static uint8_t *frame_at(size_t index)
{
    return stack + index * FRAME;
}

static void set_top(size_t index)
{
    put_u64(tstate + layout.tstate_frame, address_of(frame_at(index)));
}

static void setup(void)
{
    cr_assert_eq(python_layout_init(&layout, 0x030c01f0, NULL, 0), PYTHON_LAYOUT_OK);
    layout.tstate_frame = layout.tstate_cframe;
    layout.tstate_cframe = PYTHON_NO_FIELD;
    stack = calloc(1, 65536);
    tstate = calloc(1, 4096);
    slice = calloc(1, 1 << 20);
    for (size_t i = 0; i < FRAMES; i++) {
        put_u64(frame_at(i) + layout.frame_previous, i ? address_of(frame_at(i - 1)) : 0);
        put_u64(frame_at(i) + layout.frame_code, 0x1000 * (i + 1));
        put_u64(frame_at(i) + layout.frame_ip, 0x1000 * (i + 1) + 8);
    }
    set_top(FRAMES - 1);
    put_u64(tstate + layout.tstate_native_thread_id, 77);
    target_memory_init(&memory, getpid());
    reading_init(&reading, &layout, &memory, address_of(tstate));
    reading.thread_id = 77;
    cr_assert(reading_compile(&reading));
}

static void teardown(void)
{
    reading_deinit(&reading);
    target_memory_deinit(&memory);
    free(stack);
    free(tstate);
    free(slice);
}

TestSuite(sampler_reading, .init = setup, .fini = teardown);

/* One copy of what the reading asks for. */
static void copy(void)
{
    struct iovec local = {.iov_base = slice, .iov_len = reading.bytes};
    cr_assert_eq(process_vm_readv(getpid(), &local, 1, reading.iov, reading.iov_len, 0),
                 (ssize_t)reading.bytes);
}

static enum reading_result judge(size_t *len)
{
    return reading_frames(&reading, slice, frames, DEPTH_MAX, len);
}

static void learn(void)
{
    size_t len;
    copy();
    cr_assert_eq(judge(&len), READING_MISSED, "nothing is predicted yet");
    copy();
    cr_assert_eq(judge(&len), READING_OK);
    cr_assert_eq(len, FRAMES);
}

Test(sampler_reading, the_second_time_everything_is_predicted)
{
    learn();
    cr_expect_eq(frames[0].code, 0x1000 * FRAMES);
    cr_expect_eq(frames[FRAMES - 1].code, 0x1000);
    uint64_t reads = memory.reads;
    size_t len;
    copy();
    cr_expect_eq(judge(&len), READING_OK);
    cr_expect_eq(memory.reads, reads, "nothing more may be read");
}

Test(sampler_reading, a_caller_that_moves_between_the_copies_is_torn)
{
    size_t len;
    learn();
    copy();
    /* Change the first copy of a caller's position, as if it had moved on before the second. */
    size_t at = reading.regions[0].first + 3 * FRAME + layout.frame_ip;
    slice[at] ^= 2;
    cr_expect_eq(judge(&len), READING_TORN);
}

Test(sampler_reading, a_caller_whose_variables_change_is_torn)
{
    size_t len;
    learn();
    copy();
    slice[reading.regions[0].first + 3 * FRAME + layout.frame_size + 16] ^= 1;
    cr_expect_eq(judge(&len), READING_TORN);
}

Test(sampler_reading, the_running_frame_may_move)
{
    size_t len;
    learn();
    copy();
    slice[reading.regions[0].first + (FRAMES - 1) * FRAME + layout.frame_ip] ^= 2;
    cr_expect_eq(judge(&len), READING_OK);
    copy();
    slice[reading.regions[0].first + (FRAMES - 1) * FRAME + layout.frame_code] ^= 16;
    cr_expect_eq(judge(&len), READING_TORN, "but not become another function's");
}

Test(sampler_reading, the_running_frame_may_not_become_a_generators)
{
    size_t len;
    learn();
    copy();
    slice[reading.regions[0].second + frame_at(FRAMES - 1) + layout.frame_owner -
          (const uint8_t *)(uintptr_t)reading.regions[0].check_begin] ^= 1;
    cr_expect_eq(judge(&len), READING_TORN);
}

Test(sampler_reading, a_shallower_stack_needs_no_new_prediction)
{
    size_t len;
    learn();
    set_top(3);
    copy();
    cr_expect_eq(judge(&len), READING_OK);
    cr_expect_eq(len, 4);
}

Test(sampler_reading, a_thread_state_of_another_thread_is_gone)
{
    size_t len;
    learn();
    put_u64(tstate + layout.tstate_native_thread_id, 78);
    copy();
    cr_expect_eq(judge(&len), READING_GONE);
}

Test(sampler_reading, no_frames_is_empty)
{
    size_t len;
    put_u64(tstate + layout.tstate_frame, 0);
    copy();
    cr_expect_eq(judge(&len), READING_EMPTY);
    cr_expect_eq(len, 0);
}

Test(sampler_reading, a_frame_that_is_only_being_made_is_no_stack)
{
    size_t len;
    learn();
    put_u64(frame_at(FRAMES - 1) + layout.frame_code, 0);
    copy();
    cr_expect_eq(judge(&len), READING_BROKEN);
    cr_expect_eq(len, 0);
}

Test(sampler_reading, a_circle_is_broken_and_ends)
{
    size_t len;
    learn();
    put_u64(frame_at(0) + layout.frame_previous, address_of(frame_at(FRAMES - 1)));
    copy();
    cr_expect_eq(judge(&len), READING_TOO_DEEP);
    cr_expect_eq(len, 0);
}

/* Two that lie together on the C stack and one far away, whatever their order, are a few bytes:
 * never all that is between them. */
Test(sampler_reading, places_of_the_innermost_frame_do_not_draw_in_what_is_between)
{
    struct python_layout cframes;
    cr_assert_eq(python_layout_init(&cframes, 0x030c01f0, NULL, 0), PYTHON_LAYOUT_OK);
    uint64_t near = 0x7ffd00001000;
    uint64_t far = 0x7e0000001000;
    uint64_t orders[][3] = {{near, far, near + 64}, {far, near, near + 64}, {near, near + 64, far}};
    for (size_t i = 0; i < 3; i++) {
        struct reading r;
        reading_init(&r, &cframes, &memory, address_of(tstate));
        memcpy(r.cframes, orders[i], sizeof(orders[i]));
        r.cframes_len = 3;
        cr_assert(reading_compile(&r));
        cr_assert_lt(r.bytes, 65536, "order %zu: %zu bytes", i, r.bytes);
        reading_deinit(&r);
    }
}
