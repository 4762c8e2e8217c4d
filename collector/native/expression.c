#include "collector/native/expression.h"

#include "collector/native/bytes.h"

enum { DEPTH_MAX = 64, STEPS_MAX = 512 };

/* DWARF 5, section 7.7.1. */
enum {
    OP_ADDR = 0x03,
    OP_DEREF = 0x06,
    OP_CONST1U = 0x08, /* 1u 1s 2u 2s 4u 4s 8u 8s */
    OP_CONST8S = 0x0f,
    OP_CONSTU = 0x10,
    OP_CONSTS = 0x11,
    OP_DUP = 0x12,
    OP_DROP = 0x13,
    OP_OVER = 0x14,
    OP_SWAP = 0x16,
    OP_AND = 0x1a,
    OP_MINUS = 0x1c,
    OP_MUL = 0x1e,
    OP_NEG = 0x1f,
    OP_NOT = 0x20,
    OP_OR = 0x21,
    OP_PLUS = 0x22,
    OP_PLUS_UCONST = 0x23,
    OP_SHL = 0x24,
    OP_SHR = 0x25,
    OP_SHRA = 0x26,
    OP_XOR = 0x27,
    OP_BRA = 0x28,
    OP_EQ = 0x29,
    OP_GE = 0x2a,
    OP_GT = 0x2b,
    OP_LE = 0x2c,
    OP_LT = 0x2d,
    OP_NE = 0x2e,
    OP_SKIP = 0x2f,
    OP_LIT0 = 0x30,
    OP_LIT31 = 0x4f,
    OP_BREG0 = 0x70,
    OP_BREG31 = 0x8f,
    OP_BREGX = 0x92,
    OP_DEREF_SIZE = 0x94,
    OP_NOP = 0x96,
};

struct machine {
    const struct registers *registers;
    const struct stack_copy *copy;
    struct cursor code;
    const uint8_t *begin;
    uint64_t stack[DEPTH_MAX];
    size_t depth;
    enum expression_result result;
};

static void fail(struct machine *m, enum expression_result why)
{
    if (m->result == EXPRESSION_OK)
        m->result = why;
}

static void push(struct machine *m, uint64_t value)
{
    if (m->depth == DEPTH_MAX)
        fail(m, EXPRESSION_BROKEN);
    else
        m->stack[m->depth++] = value;
}

static uint64_t pop(struct machine *m)
{
    if (m->depth == 0) {
        fail(m, EXPRESSION_BROKEN);
        return 0;
    }
    return m->stack[--m->depth];
}

static void push_register(struct machine *m, uint64_t number)
{
    int64_t offset = cursor_sleb(&m->code);
    if (number >= REGISTERS)
        fail(m, EXPRESSION_BROKEN);
    else if (!register_is_known(m->registers, (unsigned)number))
        fail(m, EXPRESSION_NO_REGISTER);
    else
        push(m, m->registers->value[number] + (uint64_t)offset);
}

static void dereference(struct machine *m, uint64_t size)
{
    uint64_t value = 0;
    uint64_t address = pop(m);
    if (size == 0 || size > 8)
        fail(m, EXPRESSION_BROKEN);
    else if (!stack_copy_load(m->copy, address, (size_t)size, &value))
        fail(m, EXPRESSION_NO_MEMORY);
    push(m, value);
}

static void jump(struct machine *m)
{
    int64_t by = cursor_signed(&m->code, 2);
    if (by < m->begin - m->code.at || by > m->code.end - m->code.at)
        fail(m, EXPRESSION_BROKEN);
    else
        m->code.at += by;
}

static uint64_t shift(uint8_t op, uint64_t value, uint64_t by)
{
    if (op == OP_SHRA)
        return (uint64_t)((int64_t)value >> (by < 63 ? by : 63));
    if (by > 63)
        return 0;
    return op == OP_SHL ? value << by : value >> by;
}

/* False when `op` is none that takes two. */
static bool run_binary(struct machine *m, uint8_t op)
{
    if (op != OP_AND && op != OP_MINUS && op != OP_MUL && op != OP_OR && op != OP_PLUS &&
        !(op >= OP_SHL && op <= OP_XOR) && !(op >= OP_EQ && op <= OP_NE))
        return false;
    uint64_t b = pop(m);
    uint64_t a = pop(m);
    int64_t left = (int64_t)a;
    int64_t right = (int64_t)b;
    const uint64_t results[] = {
        [OP_AND] = a & b,           [OP_MINUS] = a - b,
        [OP_MUL] = a * b,           [OP_OR] = a | b,
        [OP_PLUS] = a + b,          [OP_SHL] = shift(op, a, b),
        [OP_SHR] = shift(op, a, b), [OP_SHRA] = shift(op, a, b),
        [OP_XOR] = a ^ b,           [OP_EQ] = left == right,
        [OP_GE] = left >= right,    [OP_GT] = left > right,
        [OP_LE] = left <= right,    [OP_LT] = left < right,
        [OP_NE] = left != right,
    };
    push(m, results[op]);
    return true;
}

static void run_other(struct machine *m, uint8_t op)
{
    uint64_t a;
    uint64_t b;
    switch (op) {
    case OP_NOP:
        break;
    case OP_DUP:
        a = pop(m);
        push(m, a);
        push(m, a);
        break;
    case OP_DROP:
        (void)pop(m);
        break;
    case OP_OVER:
        if (m->depth < 2)
            fail(m, EXPRESSION_BROKEN);
        else
            push(m, m->stack[m->depth - 2]);
        break;
    case OP_SWAP:
        b = pop(m);
        a = pop(m);
        push(m, b);
        push(m, a);
        break;
    case OP_NEG:
        push(m, 0 - pop(m));
        break;
    case OP_NOT:
        push(m, ~pop(m));
        break;
    case OP_BRA:
        if (pop(m) != 0)
            jump(m);
        else
            (void)cursor_number(&m->code, 2);
        break;
    case OP_SKIP:
        jump(m);
        break;
    default:
        fail(m, EXPRESSION_BROKEN);
        break;
    }
}

static void step(struct machine *m)
{
    uint8_t op = (uint8_t)cursor_number(&m->code, 1);
    if (op >= OP_LIT0 && op <= OP_LIT31) {
        push(m, (uint64_t)op - OP_LIT0);
    } else if (op >= OP_BREG0 && op <= OP_BREG31) {
        push_register(m, (uint64_t)op - OP_BREG0);
    } else if (op >= OP_CONST1U && op <= OP_CONST8S) {
        size_t size = (size_t)1 << ((op - OP_CONST1U) / 2);
        bool is_signed = (op - OP_CONST1U) % 2 != 0;
        push(m,
             is_signed ? (uint64_t)cursor_signed(&m->code, size) : cursor_number(&m->code, size));
    } else if (op == OP_BREGX) {
        push_register(m, cursor_uleb(&m->code));
    } else if (op == OP_CONSTU) {
        push(m, cursor_uleb(&m->code));
    } else if (op == OP_CONSTS) {
        push(m, (uint64_t)cursor_sleb(&m->code));
    } else if (op == OP_PLUS_UCONST) {
        uint64_t by = cursor_uleb(&m->code);
        push(m, pop(m) + by);
    } else if (op == OP_DEREF) {
        dereference(m, 8);
    } else if (op == OP_DEREF_SIZE) {
        dereference(m, cursor_number(&m->code, 1));
    } else if (op == OP_ADDR) {
        fail(m, EXPRESSION_BROKEN); /* would have to be relocated: no compiler writes it here */
    } else if (!run_binary(m, op)) {
        run_other(m, op);
    }
}

enum expression_result expression_run(const uint8_t *code, size_t len,
                                      const struct registers *registers,
                                      const struct stack_copy *copy, const uint64_t *first,
                                      uint64_t *out)
{
    struct machine m = {
        .registers = registers, .copy = copy, .code = cursor_over(code, len), .begin = code};
    if (first)
        push(&m, *first);
    for (int steps = 0; m.result == EXPRESSION_OK && cursor_left(&m.code) > 0; steps++) {
        if (steps == STEPS_MAX)
            fail(&m, EXPRESSION_BROKEN);
        step(&m);
        if (m.code.failed)
            fail(&m, EXPRESSION_BROKEN);
    }
    if (m.result == EXPRESSION_OK && m.depth == 0)
        fail(&m, EXPRESSION_BROKEN);
    if (m.result == EXPRESSION_OK)
        *out = m.stack[m.depth - 1];
    return m.result;
}
