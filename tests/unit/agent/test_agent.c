/* Stacks, code objects, watched addresses and sampling distances, on made-up frames: whatever a
 * program does with its frames, the node must stand for exactly the stack that is there. */

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "collector/agent/agent.h"

enum { CODES = 40, CODE_BYTES = 4096, FRAMES = 6000, NODES = 1 << RING_NODE_BITS, AREA = 32 << 20 };

/* ---- what agent.c and python.c give them ---- */

struct agent_python agent_python;
struct agent_process *agent_process;
static struct ring_control control;
const struct ring_control *agent_control = &control;
volatile uint64_t agent_code_epoch = 1;
__thread int64_t agent_countdown;
static uint8_t *area;
static uint64_t area_used = RING_DEFINITION_UNIT;

void *agent_map(size_t size)
{
    void *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return map == MAP_FAILED ? NULL : map;
}

void agent_unmap(void *map, size_t size)
{
    munmap(map, size);
}

uint8_t *agent_reserve(uint32_t len, uint32_t *unit)
{
    uint64_t at = area_used;
    cr_assert_lt(at + len, AREA);
    area_used += (len + 15) & ~15U;
    *unit = (uint32_t)(at / RING_DEFINITION_UNIT);
    return area + at;
}

/* ---- a made-up Python ---- */

struct fake_text {
    uint64_t type, len;
    uint32_t state, pad;
    char text[16];
};

struct fake_bytes {
    uint64_t type, len;
    char data[8];
};

struct fake_code {
    uint64_t type, file, name, lines;
    uint8_t bytecode[CODE_BYTES - 32];
};

struct fake_frame {
    uint64_t previous, code, ip;
    uint32_t copy; /* free-threaded: of the code's instructions */
    uint8_t owner;
};

static struct {
    uint64_t name; /* at type_name */
} code_type;
static struct fake_text names[CODES];
static struct fake_bytes lines;
static struct fake_code codes[CODES];
static struct fake_frame frames[FRAMES];
static struct fake_frame shims[3000]; /* on the C stack: never where frames are */
static uint64_t tstate;               /* holds the top frame's address */
static struct agent_thread *t;
static struct ring_thread row;

static uint64_t address(const void *p)
{
    return (uint64_t)(uintptr_t)p;
}

static void setup(void)
{
    agent_python = (struct agent_python){
        .has_stacks = true,
        .code_type = address(&code_type),
        .layout = {.ip = PYTHON_IP_POINTER,
                   .tstate_cframe = PYTHON_NO_FIELD,
                   .frame_previous = offsetof(struct fake_frame, previous),
                   .frame_code = offsetof(struct fake_frame, code),
                   .frame_ip = offsetof(struct fake_frame, ip),
                   .frame_owner = offsetof(struct fake_frame, owner),
                   .frame_owner_shim = 3,
                   .frame_tlbc_index = PYTHON_NO_FIELD,
                   .object_type = 0,
                   .code_size = 64,
                   .code_filename = offsetof(struct fake_code, file),
                   .code_name = offsetof(struct fake_code, name),
                   .code_qualname = PYTHON_NO_FIELD,
                   .code_linetable = offsetof(struct fake_code, lines),
                   .unicode_length = offsetof(struct fake_text, len),
                   .unicode_state = offsetof(struct fake_text, state),
                   .unicode_ascii_data = offsetof(struct fake_text, text),
                   .unicode_compact_data = offsetof(struct fake_text, text),
                   .var_size = offsetof(struct fake_bytes, len),
                   .bytes_data = offsetof(struct fake_bytes, data)},
    };
    code_type.name = address("code\0...");
    for (int i = 0; i < CODES; i++) {
        names[i].state = 1 | 1 << 3 | 1 << 4;
        names[i].len = (uint64_t)snprintf(names[i].text, sizeof(names[i].text), "code%d", i);
        codes[i].type = address(&code_type);
        codes[i].name = codes[i].file = address(&names[i]);
        codes[i].lines = address(&lines);
    }
    area = agent_map(AREA);
    agent_process = agent_map(sizeof(*agent_process));
    t = agent_map(sizeof(*t));
    cr_assert(area && agent_process && t);
    t->ring.shared = &row;
    t->nodes = agent_map(NODES * sizeof(*t->nodes));
    t->nodes_max = NODES;
    agent_stack_init();
    agent_stack_reset(t);
}

static void teardown(void)
{
    agent_unmap(t->nodes, NODES * sizeof(*t->nodes));
    agent_unmap(t, sizeof(*t));
    agent_unmap(agent_process, sizeof(*agent_process));
    agent_unmap(area, AREA);
}

TestSuite(agent, .init = setup, .fini = teardown);

static void place(struct fake_frame *f, const struct fake_frame *previous, int code, uint64_t ip)
{
    f->previous = previous ? address(previous) : 0;
    f->code = address(&codes[code]);
    f->ip = f->code + ip;
    f->owner = 0;
}

/* A shim stands at the interpreter's own instruction. */
static void place_shim(struct fake_frame *f, const struct fake_frame *previous)
{
    f->previous = previous ? address(previous) : 0;
    f->code = 0;
    f->ip = address(&code_type) + 2;
    f->owner = 3;
}

/* The node's frames from the leaf down are the frames that are there. */
static void check_top(const struct fake_frame *top)
{
    tstate = address(top);
    uint32_t node = agent_stack_of_tstate(t, address(&tstate));
    for (const struct fake_frame *f = top; f;
         f = (const struct fake_frame *)(uintptr_t)f->previous) {
        if (f->owner >= 3)
            continue;
        cr_assert_neq(node, 0);
        const struct ring_node *n = &t->nodes[node];
        cr_assert_eq(n->instruction, f->ip - f->code);
        cr_assert_eq(n->code, agent_code_define(f->code));
        node = n->parent;
    }
    cr_assert_eq(node, 0);
}

Test(agent, a_stack_is_a_chain_of_nodes_and_the_same_one_again)
{
    place(&frames[0], NULL, 0, 40);
    place(&frames[1], &frames[0], 1, 50);
    check_top(&frames[1]);
    uint32_t used = t->nodes_used;
    check_top(&frames[1]);
    cr_assert_eq(t->nodes_used, used);
    cr_assert_eq(used, 2);
}

Test(agent, no_frames_are_the_empty_stack)
{
    tstate = 0;
    cr_assert_eq(agent_stack_of_tstate(t, address(&tstate)), 0);
    cr_assert_eq(agent_stack_of_tstate(t, 0), 0);
}

Test(agent, shims_between_frames_do_not_show)
{
    place(&frames[0], NULL, 0, 40);
    place_shim(&shims[0], &frames[0]);
    place(&frames[1], &shims[0], 2, 60);
    place_shim(&shims[1], &frames[1]);
    check_top(&shims[1]);
    cr_assert_eq(t->nodes_used, 2);
    check_top(&frames[1]);
    check_top(&shims[0]);
    check_top(&shims[1]);
    cr_assert_eq(t->nodes_used, 2);
}

Test(agent, an_ancestor_that_moved_on_under_the_same_leaf_is_noticed)
{
    /* f() twice from two lines of main: the callee's frame is alike to the last bit. */
    place(&frames[0], NULL, 0, 40);
    place(&frames[1], &frames[0], 1, 50);
    place(&frames[2], &frames[1], 2, 60);
    check_top(&frames[2]);
    frames[0].ip += 10;
    check_top(&frames[2]);
}

Test(agent, a_thread_s_own_copy_of_the_instructions_stands_for_the_code_s)
{
    static uint8_t copy[CODE_BYTES];
    static uint64_t copies[3] = {2}; /* how many; the code's own; the copy */
    agent_python.layout.frame_tlbc_index = offsetof(struct fake_frame, copy);
    agent_python.layout.code_tlbc = offsetof(struct fake_code, bytecode);
    agent_python.layout.code_bytecode = offsetof(struct fake_code, bytecode) + 8;
    agent_stack_init();
    copies[1] = address(&codes[1].bytecode) + 8;
    copies[2] = address(copy);
    copies[0] = 2;
    uint64_t table = address(copies);
    memcpy(codes[1].bytecode, &table, sizeof(table));
    place(&frames[0], NULL, 0, 60);
    place(&frames[1], &frames[0], 1, offsetof(struct fake_code, bytecode) + 8 + 20);
    tstate = address(&frames[1]);
    uint32_t plain = agent_stack_of_tstate(t, address(&tstate));
    cr_assert_neq(plain, 0);
    frames[1].copy = 1;
    frames[1].ip = address(copy) + 20;
    cr_expect_eq(agent_stack_of_tstate(t, address(&tstate)), plain, "the same instruction");
    frames[1].ip = address(copy) + 24;
    uint32_t next = agent_stack_of_tstate(t, address(&tstate));
    cr_expect_neq(next, plain);
    cr_expect_eq(t->nodes[next].instruction, offsetof(struct fake_code, bytecode) + 8 + 24);
    frames[1].copy = 7; /* not in the table */
    frames[1].ip = address(&codes[1]) + 50;
    cr_expect_neq(agent_stack_of_tstate(t, address(&tstate)), 0);
}

static bool is_on(struct fake_frame *(*stack)[64], const size_t *depth, int code)
{
    for (int c = 0; c < 3; c++) {
        for (size_t i = 0; i < depth[c]; i++) {
            if (stack[c][i]->code == address(&codes[code]))
                return true;
        }
    }
    return false;
}

/* Calls, returns, steps, exchanges of whole chains, and code that comes and goes, 200,000 times. */
Test(agent, whatever_happens_to_the_frames_the_node_is_their_stack)
{
    static struct fake_frame *stack[3][64];
    size_t depth[3] = {0};
    int chain = 0;
    srand(5);
    for (int turn = 0; turn < 200000; turn++) {
        struct fake_frame **at = stack[chain];
        size_t *d = &depth[chain];
        int what = rand() % 100;
        if (what < 40 && *d < 60) {
            bool as_shim = rand() % 12 == 0;
            struct fake_frame *f = (as_shim ? shims : frames) + (size_t)chain * 1000 + *d;
            const struct fake_frame *previous = *d ? at[*d - 1] : NULL;
            if (as_shim)
                place_shim(f, previous);
            else
                place(f, previous, rand() % CODES, 32 + 2 * (uint64_t)(rand() % 6));
            at[(*d)++] = f;
        } else if (what < 75) {
            *d -= *d > 0 ? (size_t)rand() % (*d < 4 ? *d : 4) + (*d == 1) : 0;
        } else if (what < 95) {
            if (*d > 0 && at[*d - 1]->code)
                at[*d - 1]->ip = at[*d - 1]->code + 32 + 2 * (uint64_t)(rand() % 6);
        } else if (what < 98) {
            chain = rand() % 3; /* a coroutine, a greenlet */
        } else if (what == 98) {
            struct fake_frame *f = *d ? at[(size_t)rand() % *d] : NULL;
            if (f && f->code)
                f->ip = f->code + 32 + 2 * (uint64_t)(rand() % 6);
        } else {
            /* A code object that is on no stack goes, and another comes to its address. */
            int code = rand() % CODES;
            bool is_code;
            if (!is_on(stack, depth, code) && agent_is_watched(address(&codes[code])) &&
                agent_watch_remove(address(&codes[code]), &is_code) && is_code) {
                uint32_t before = t->nodes_used;
                agent_code_freed(address(&codes[code]));
                cr_assert_eq(before, t->nodes_used);
            }
        }
        check_top(depth[chain] ? stack[chain][depth[chain] - 1] : NULL);
    }
    cr_assert_gt(t->nodes_used, 1000);
}

Test(agent, a_new_code_object_at_an_old_address_has_a_new_definition)
{
    bool is_code;
    place(&frames[0], NULL, 0, 40);
    check_top(&frames[0]);
    uint32_t first = agent_code_define(address(&codes[0]));
    cr_assert(agent_is_watched(address(&codes[0])));
    cr_assert(agent_watch_remove(address(&codes[0]), &is_code) && is_code);
    agent_code_freed(address(&codes[0]));
    codes[0].name = address(&names[7]);
    check_top(&frames[0]);
    uint32_t second = agent_code_define(address(&codes[0]));
    cr_assert_neq(first, second);
    const struct ring_code *d =
        (const struct ring_code *)(const void *)(area + (uint64_t)second * RING_DEFINITION_UNIT);
    const struct fake_text *copy =
        (const struct fake_text *)(const void *)((const uint8_t *)d + d->chunk[2].offset);
    cr_assert_eq(memcmp(copy->text, "code7", 5), 0);
}

Test(agent, what_is_no_code_object_is_unknown)
{
    codes[3].type = 0;
    cr_assert_eq(agent_code_define(address(&codes[3])), 0);
    cr_assert_eq(agent_code_define(0), 0);
}

Test(agent, recursion_deeper_than_we_tell_apart_keeps_its_leafmost_frames)
{
    for (int i = 0; i < FRAMES; i++)
        place(&frames[i], i ? &frames[i - 1] : NULL, i % 3, 40);
    for (int turn = 0; turn < 3; turn++) {
        tstate = address(&frames[FRAMES - 1]);
        uint32_t node = agent_stack_of_tstate(t, address(&tstate));
        int depth = 0;
        for (; node; node = t->nodes[node].parent)
            depth++;
        cr_assert_eq(depth, AGENT_PATH);
    }
}

Test(agent, a_watched_address_is_always_seen_and_a_removed_one_is_gone)
{
    static bool is_watched[5000];
    srand(9);
    for (int turn = 0; turn < 100000; turn++) {
        int n = rand() % 5000;
        uint64_t at = UINT64_C(0x7f1234560000) + (uint64_t)n * 64;
        bool is_code = false;
        if (is_watched[n]) {
            cr_assert(agent_is_watched(at));
            cr_assert(agent_watch_remove(at, &is_code));
            cr_assert_eq(is_code, n % 2);
        } else {
            cr_assert_not(agent_watch_remove(at, &is_code));
            cr_assert(agent_watch_add(at, n % 2));
        }
        is_watched[n] = !is_watched[n];
    }
    for (int n = 0; n < 5000; n++) {
        bool is_code;
        if (is_watched[n])
            cr_assert(agent_watch_remove(UINT64_C(0x7f1234560000) + (uint64_t)n * 64, &is_code));
    }
    for (int i = 0; i < AGENT_WATCH_BITS / 64; i++)
        cr_assert_eq(atomic_load(&agent_process->watch_bits[i]), 0);
}

Test(agent, distances_between_samples_are_exponential)
{
    enum { DRAWS = 400000 };
    double sum = 0;
    double squares = 0;
    int below_tenth = 0;
    int above = 0;
    control.mode = RING_SAMPLED;
    atomic_store(&control.every_bytes, 100000);
    t->is_alive = 1;
    t->random = 12345;
    t->every = 100000;
    for (int i = 0; i < DRAWS; i++) {
        agent_draw(t);
        double gap = (double)agent_countdown;
        cr_assert_geq(gap, 0);
        sum += gap;
        squares += gap * gap;
        below_tenth += gap < 10000;
        above += gap > 100000;
    }
    double mean = sum / DRAWS;
    cr_assert_float_eq(mean, 100000, 100000 * 5 / sqrt(DRAWS));
    cr_assert_float_eq(squares / DRAWS - mean * mean, 1e10, 1e10 * 15 / sqrt(DRAWS));
    cr_assert_float_eq(below_tenth / (double)DRAWS, 1 - exp(-0.1), 0.003);
    cr_assert_float_eq(above / (double)DRAWS, exp(-1), 0.004);
}

/* As the hooks do it: 300 programs with the same allocations, each with other luck. Their estimates
 * scatter around the truth, and as widely as docs/memory.md says. */
Test(agent, estimates_of_many_runs_scatter_around_the_truth_as_widely_as_promised)
{
    enum { RUNS = 300, BLOCKS = 20000, EVERY = 50000 };
    static const int64_t sizes[] = {24, 56, 480, 512, 3000, 70000};
    double bytes = 0;
    double variance = 0;
    for (int i = 0; i < BLOCKS; i++) {
        double size = (double)sizes[i % 6];
        double chance = -expm1(-size / EVERY);
        bytes += size;
        variance += size * size * (1 - chance) / chance;
    }
    control.mode = RING_SAMPLED;
    atomic_store(&control.every_bytes, EVERY);
    t->is_alive = 1;
    t->every = EVERY;
    double sum = 0;
    double squares = 0;
    double counts = 0;
    for (uint64_t run = 0; run < RUNS; run++) {
        double estimate = 0;
        t->random = (run + 1) * UINT64_C(0x9e3779b97f4a7c15);
        agent_draw(t);
        for (int i = 0; i < BLOCKS; i++) {
            agent_countdown -= sizes[i % 6];
            if (agent_countdown >= 0)
                continue;
            double weight = 1 / -expm1(-(double)sizes[i % 6] / EVERY);
            estimate += weight * (double)sizes[i % 6];
            counts += weight;
            agent_draw(t);
        }
        sum += estimate - bytes;
        squares += (estimate - bytes) * (estimate - bytes);
    }
    cr_assert_float_eq(sum / RUNS, 0, 5 * sqrt(variance / RUNS), "%g of %g", sum / RUNS, bytes);
    cr_assert_float_eq(squares / RUNS, variance, 0.4 * variance, "%g, not %g", squares / RUNS,
                       variance);
    /* The count's variance is mostly that of the smallest blocks: 1/p a block at p = 24/50000. */
    double count_error = sqrt(RUNS * (double)BLOCKS / 6 * (EVERY / 24.0 + EVERY / 56.0 + 400));
    cr_assert_float_eq(counts, (double)RUNS * BLOCKS, 5 * count_error, "%g", counts);
}
