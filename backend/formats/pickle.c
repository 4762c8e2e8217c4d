#include "backend/formats/pickle.h"

#include <stdlib.h>

#include "backend/formats/pickle_machine.h"

static enum status op_stop(struct pickle *p, uint64_t arg)
{
    (void)arg;
    p->is_done = true;
    return STATUS_OK;
}

struct opcode {
    enum status (*run)(struct pickle *p, uint64_t arg);
    uint64_t arg;
};

static const struct opcode opcodes[256] = {
    [0x80] = {pickle_op_proto, 1},
    [0x95] = {pickle_op_skip, 8}, /* FRAME: its length says nothing we need */
    ['N'] = {pickle_op_fixed, VALUES_NONE},
    [0x88] = {pickle_op_fixed, VALUES_TRUE},
    [0x89] = {pickle_op_fixed, VALUES_FALSE},
    [')'] = {pickle_op_fixed, VALUES_EMPTY_TUPLE},
    [0x8c] = {pickle_op_text, 1},
    ['X'] = {pickle_op_text, 4},
    [0x8d] = {pickle_op_text, 8},
    ['U'] = {pickle_op_bytes, 1},
    ['T'] = {pickle_op_bytes, 4},
    ['C'] = {pickle_op_bytes, 1},
    ['B'] = {pickle_op_bytes, 4},
    [0x8e] = {pickle_op_bytes, 8},
    ['K'] = {pickle_op_uint, 1},
    ['M'] = {pickle_op_uint, 2},
    ['J'] = {pickle_op_int32, 4},
    [0x8a] = {pickle_op_long, 1},
    [0x8b] = {pickle_op_long, 4},
    ['G'] = {pickle_op_float, 8},
    ['I'] = {pickle_op_int_text, 0},
    ['L'] = {pickle_op_int_text, 0},
    ['F'] = {pickle_op_float_text, 0},
    ['S'] = {pickle_op_escaped, 0},
    ['V'] = {pickle_op_escaped, 1},
    [']'] = {pickle_op_empty, VALUE_LIST},
    ['}'] = {pickle_op_empty, VALUE_DICT},
    ['('] = {pickle_op_mark, 0},
    ['t'] = {pickle_op_collect, VALUE_TUPLE},
    ['l'] = {pickle_op_collect, VALUE_LIST},
    ['d'] = {pickle_op_collect, VALUE_DICT},
    [0x85] = {pickle_op_tuple_of, 1},
    [0x86] = {pickle_op_tuple_of, 2},
    [0x87] = {pickle_op_tuple_of, 3},
    ['a'] = {pickle_op_add_one, VALUE_LIST},
    ['s'] = {pickle_op_add_one, VALUE_DICT},
    ['e'] = {pickle_op_add_all, VALUE_LIST},
    ['u'] = {pickle_op_add_all, VALUE_DICT},
    [0x94] = {pickle_op_memoize, 0},
    ['p'] = {pickle_op_put, 0},
    ['q'] = {pickle_op_put, 1},
    ['r'] = {pickle_op_put, 4},
    ['g'] = {pickle_op_get, 0},
    ['h'] = {pickle_op_get, 1},
    ['j'] = {pickle_op_get, 4},
    ['c'] = {pickle_op_global, 0},
    [0x93] = {pickle_op_stack_global, 0},
    [0x81] = {pickle_op_newobj, 0},
    ['R'] = {pickle_op_reduce, 0},
    ['b'] = {pickle_op_build, 0},
    ['.'] = {op_stop, 0},
};

static enum status refuse(const struct pickle *p, uint8_t code)
{
    static const struct {
        uint8_t code;
        const char *name;
    } known[] = {
        {'i', "INST"},
        {'o', "OBJ"},
        {'P', "PERSID"},
        {'Q', "BINPERSID"},
        {0x82, "EXT1"},
        {0x83, "EXT2"},
        {0x84, "EXT4"},
        {0x92, "NEWOBJ_EX"},
        {0x8f, "EMPTY_SET"},
        {0x90, "ADDITEMS"},
        {0x91, "FROZENSET"},
        {0x96, "BYTEARRAY8"},
        {'0', "POP"},
        {'1', "POP_MARK"},
        {'2', "DUP"},
        {0x97, "NEXT_BUFFER"},
        {0x98, "READONLY_BUFFER"},
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (known[i].code == code)
            return error_set(p->err, STATUS_INVALID,
                             "byte %zu: the opcode %s, which no such profile needs", p->op_at,
                             known[i].name);
    }
    return error_set(p->err, STATUS_INVALID, "byte %zu: no opcode 0x%02x", p->op_at, code);
}

static enum status run(struct pickle *p)
{
    enum status st = STATUS_OK;
    while (st == STATUS_OK && !p->is_done) {
        p->op_at = p->at;
        if (p->at >= p->len)
            return pickle_bad(p, "the data ends without STOP");
        uint8_t code = p->data[p->at++];
        const struct opcode *op = &opcodes[code];
        st = op->run ? op->run(p, op->arg) : refuse(p, code);
    }
    return st;
}

enum status pickle_read(struct values *v, const uint8_t *data, size_t len,
                        const struct pickle_class *classes, uint32_t *root, struct error *err)
{
    struct pickle p = {.values = v, .data = data, .len = len, .classes = classes, .err = err};
    uint32_t id = 0;
    enum status st = run(&p);
    if (st == STATUS_OK && p.marks_len)
        st = pickle_bad(&p, "the data ends inside a group");
    if (st == STATUS_OK)
        st = pickle_pop(&p, &id);
    if (st == STATUS_OK && p.at != len)
        st = error_set(err, STATUS_INVALID, "byte %zu: %zu bytes behind the end", p.at, len - p.at);
    free(p.stack.id);
    free(p.memo.id);
    free(p.marks);
    if (st == STATUS_OK)
        *root = id;
    return st;
}
