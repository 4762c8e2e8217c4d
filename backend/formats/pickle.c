#include "backend/formats/pickle.h"

#include <stdlib.h>
#include <string.h>

#include "backend/formats/text.h"
#include "common/base/array.h"
#include "common/base/buf.h"

enum {
    NO_VALUE = UINT32_MAX,
    MAX_NUMBER_TEXT = 64,
    /* Numbers of the classes that old protocols use to make an instance. */
    CLASS_RECONSTRUCTOR = -2,
    CLASS_PLAIN_OBJECT = -3,
};

struct ids {
    uint32_t *id;
    size_t len, cap;
};

struct pickle {
    struct values *values;
    const uint8_t *data;
    size_t len, at, op_at;
    struct ids stack, memo;
    size_t *marks;
    size_t marks_len, marks_cap;
    const struct pickle_class *classes;
    bool is_done;
    struct error *err;
};

static enum status bad(const struct pickle *p, const char *what)
{
    return error_set(p->err, STATUS_INVALID, "byte %zu: %s", p->op_at, what);
}

static enum status failed(const struct pickle *p, enum status st)
{
    if (st == STATUS_TOO_LARGE)
        return error_set(p->err, st, "byte %zu: more values than a file of this size may hold",
                         p->op_at);
    return st == STATUS_OK ? st : error_set(p->err, st, "no memory for the values");
}

/* ---- bytes ---- */

static enum status take(struct pickle *p, uint64_t len, struct text *bytes)
{
    if (len > p->len - p->at)
        return bad(p, "the data ends inside a value");
    *bytes = (struct text){(const char *)p->data + p->at, (size_t)len};
    p->at += (size_t)len;
    return STATUS_OK;
}

static enum status take_number(struct pickle *p, size_t bytes, uint64_t *number)
{
    struct text b;
    enum status st = take(p, bytes, &b);
    *number = 0;
    for (size_t i = 0; st == STATUS_OK && i < bytes; i++)
        *number |= (uint64_t)(unsigned char)b.data[i] << (8 * i);
    return st;
}

static enum status take_line(struct pickle *p, struct text *line)
{
    const uint8_t *end = p->at < p->len ? memchr(p->data + p->at, '\n', p->len - p->at) : NULL;
    if (!end)
        return bad(p, "the data ends inside a line");
    enum status st = take(p, (uint64_t)(end - p->data) - p->at, line);
    p->at++;
    return st;
}

/* ---- stack ---- */

static enum status push(struct pickle *p, uint32_t id)
{
    if (!array_reserve(&p->stack.id, &p->stack.cap, p->stack.len + 1))
        return failed(p, STATUS_NO_MEMORY);
    p->stack.id[p->stack.len++] = id;
    return STATUS_OK;
}

static enum status push_new(struct pickle *p, struct value value)
{
    uint32_t id;
    enum status st = values_add(p->values, value, &id);
    return st == STATUS_OK ? push(p, id) : failed(p, st);
}

/* Values below the last mark belong to what is being built there. */
static size_t floor_of(const struct pickle *p)
{
    return p->marks_len ? p->marks[p->marks_len - 1] : 0;
}

static enum status pop(struct pickle *p, uint32_t *id)
{
    if (p->stack.len <= floor_of(p))
        return bad(p, "an operation on a value that is not there");
    *id = p->stack.id[--p->stack.len];
    return STATUS_OK;
}

static enum status top(struct pickle *p, uint32_t *id)
{
    enum status st = pop(p, id);
    if (st == STATUS_OK)
        p->stack.len++;
    return st;
}

static enum status pop_mark(struct pickle *p, size_t *from)
{
    if (p->marks_len == 0)
        return bad(p, "the end of a group that never began");
    *from = p->marks[--p->marks_len];
    return STATUS_OK;
}

/* ---- what opcodes do; `arg` is the row's number ---- */

static enum status op_fixed(struct pickle *p, uint64_t arg)
{
    return push(p, (uint32_t)arg);
}

static enum status op_skip(struct pickle *p, uint64_t arg)
{
    struct text ignored;
    return take(p, arg, &ignored);
}

static enum status op_proto(struct pickle *p, uint64_t arg)
{
    uint64_t version = 0;
    enum status st = take_number(p, (size_t)arg, &version);
    if (st == STATUS_OK && version > 5)
        return error_set(p->err, STATUS_UNSUPPORTED, "pickle protocol %u, known are 0 to 5",
                         (unsigned)version);
    return st;
}

static enum status op_text(struct pickle *p, uint64_t arg)
{
    uint64_t size = 0;
    struct text text;
    enum status st = take_number(p, (size_t)arg, &size);
    if (st == STATUS_OK)
        st = take(p, size, &text);
    if (st != STATUS_OK)
        return st;
    if (text.len > UINT32_MAX || !text_is_utf8(text))
        return bad(p, "text that is no UTF-8");
    return push_new(
        p, (struct value){.kind = VALUE_TEXT, .len = (uint32_t)text.len, .data = text.data});
}

static enum status op_bytes(struct pickle *p, uint64_t arg)
{
    uint64_t size = 0;
    struct text text;
    enum status st = take_number(p, (size_t)arg, &size);
    if (st == STATUS_OK)
        st = take(p, size, &text);
    if (st == STATUS_OK && text.len > UINT32_MAX)
        st = bad(p, "bytes over 4 GiB");
    if (st != STATUS_OK)
        return st;
    return push_new(
        p, (struct value){.kind = VALUE_BYTES, .len = (uint32_t)text.len, .data = text.data});
}

static enum status push_int(struct pickle *p, int64_t number)
{
    return push_new(p, (struct value){.kind = VALUE_INT, .integer = number});
}

static enum status op_uint(struct pickle *p, uint64_t arg)
{
    uint64_t number = 0;
    enum status st = take_number(p, (size_t)arg, &number);
    return st == STATUS_OK ? push_int(p, (int64_t)number) : st;
}

static enum status op_int32(struct pickle *p, uint64_t arg)
{
    uint64_t number = 0;
    enum status st = take_number(p, (size_t)arg, &number);
    return st == STATUS_OK ? push_int(p, (int32_t)(uint32_t)number) : st;
}

/* Little endian two's complement of any length. */
static enum status op_long(struct pickle *p, uint64_t arg)
{
    uint64_t size = 0;
    struct text b;
    enum status st = take_number(p, (size_t)arg, &size);
    if (st == STATUS_OK && arg == 4 && size > INT32_MAX)
        st = bad(p, "a number of negative length");
    if (st == STATUS_OK)
        st = take(p, size, &b);
    if (st != STATUS_OK)
        return st;
    bool is_negative = size > 0 && (unsigned char)b.data[size - 1] & 0x80;
    double number = 0;
    uint64_t low = is_negative ? UINT64_MAX : 0;
    for (size_t i = (size_t)size; i-- > 0;) {
        unsigned byte = (unsigned char)b.data[i];
        number = number * 256 + (is_negative ? 255 - byte : byte);
        low = low << 8 | byte;
    }
    if (size <= 8)
        return push_int(p, (int64_t)low);
    return push_new(p, (struct value){.kind = VALUE_BIG, .number = is_negative ? -number : number});
}

static enum status op_float(struct pickle *p, uint64_t arg)
{
    struct text b;
    enum status st = take(p, arg, &b);
    if (st != STATUS_OK)
        return st;
    uint64_t bits = 0;
    for (size_t i = 0; i < 8; i++)
        bits = bits << 8 | (unsigned char)b.data[i];
    struct value value = {.kind = VALUE_FLOAT};
    memcpy(&value.number, &bits, sizeof(bits));
    return push_new(p, value);
}

static enum status op_int_text(struct pickle *p, uint64_t arg)
{
    (void)arg;
    struct text line;
    enum status st = take_line(p, &line);
    if (st != STATUS_OK)
        return st;
    if (text_equal(line, "00") || text_equal(line, "01"))
        return push(p, line.data[1] == '1' ? VALUES_TRUE : VALUES_FALSE);
    if (line.len > 0 && line.data[line.len - 1] == 'L')
        line.len--;
    int64_t number;
    if (line.len > MAX_NUMBER_TEXT || !text_i64(line, &number))
        return bad(p, "a number in text form that is none, or over 64 bits");
    return push_int(p, number);
}

static enum status op_float_text(struct pickle *p, uint64_t arg)
{
    (void)arg;
    struct text line;
    enum status st = take_line(p, &line);
    struct value value = {.kind = VALUE_FLOAT};
    if (st == STATUS_OK && !text_f64(line, &value.number))
        st = bad(p, "a float in text form that is no finite number");
    return st == STATUS_OK ? push_new(p, value) : st;
}

static bool take_hex(struct text *t, size_t digits, uint64_t *value)
{
    struct text hex = {t->data, digits};
    if (t->len < digits || !text_hex(hex, value))
        return false;
    t->data += digits;
    t->len -= digits;
    return true;
}

/* One character behind a backslash in protocol 0's text. */
static bool take_escape(struct text *t, bool is_unicode, uint64_t *c)
{
    static const char from[] = "\\'\"nrt";
    static const char to[] = "\\'\"\n\r\t";
    if (t->len == 0)
        return false;
    char kind = *t->data++;
    t->len--;
    if (kind == 'u' && is_unicode)
        return take_hex(t, 4, c);
    if (kind == 'U' && is_unicode)
        return take_hex(t, 8, c) && *c < 0x110000;
    if (kind == 'x' && !is_unicode)
        return take_hex(t, 2, c);
    const char *simple = is_unicode ? NULL : memchr(from, kind, sizeof(from) - 1);
    if (!simple)
        return false;
    *c = (unsigned char)to[simple - from];
    return true;
}

/* Python's \uXXXX pairs are two surrogates in the file and stay two here, as in its UTF-8. */
static void put_utf8(struct buf *out, uint64_t c)
{
    if (c >= 0x10000) {
        buf_put_byte(out, (uint8_t)(0xf0 | c >> 18));
        buf_put_byte(out, (uint8_t)(0x80 | (c >> 12 & 63)));
    } else if (c >= 0x800) {
        buf_put_byte(out, (uint8_t)(0xe0 | c >> 12));
    }
    if (c >= 0x800)
        buf_put_byte(out, (uint8_t)(0x80 | (c >> 6 & 63)));
    else if (c >= 0x80)
        buf_put_byte(out, (uint8_t)(0xc0 | c >> 6));
    buf_put_byte(out, c < 0x80 ? (uint8_t)c : (uint8_t)(0x80 | (c & 63)));
}

/* A UNICODE line is latin-1 with \u escapes, a STRING line Python 2's repr without its quotes. */
static enum status push_escaped(struct pickle *p, struct text line, bool is_unicode)
{
    struct buf out;
    buf_init(&out, 0);
    bool is_good = true;
    while (line.len > 0 && is_good) {
        uint64_t c = (unsigned char)*line.data++;
        line.len--;
        bool is_escape =
            c == '\\' && (!is_unicode || (line.len && (*line.data == 'u' || *line.data == 'U')));
        if (is_escape)
            is_good = take_escape(&line, is_unicode, &c);
        if (is_unicode)
            put_utf8(&out, c);
        else
            buf_put_byte(&out, (uint8_t)c);
    }
    char *copy = NULL;
    if (is_good && buf_status(&out) == STATUS_OK && out.len <= UINT32_MAX)
        copy = arena_copy(p->values->arena, (const char *)out.data, out.len);
    uint32_t len = (uint32_t)out.len;
    buf_deinit(&out);
    if (!is_good)
        return bad(p, "text with an escape that is none");
    if (!copy)
        return failed(p, STATUS_NO_MEMORY);
    return push_new(
        p, (struct value){.kind = is_unicode ? VALUE_TEXT : VALUE_BYTES, .len = len, .data = copy});
}

static enum status op_escaped(struct pickle *p, uint64_t is_unicode)
{
    struct text line;
    enum status st = take_line(p, &line);
    if (st != STATUS_OK)
        return st;
    if (!is_unicode) {
        bool is_quoted = line.len >= 2 && (line.data[0] == '\'' || line.data[0] == '"') &&
                         line.data[line.len - 1] == line.data[0];
        if (!is_quoted)
            return bad(p, "a string without its quotes");
        line = (struct text){line.data + 1, line.len - 2};
    }
    return push_escaped(p, line, is_unicode);
}

/* ---- containers ---- */

static enum status op_empty(struct pickle *p, uint64_t kind)
{
    return push_new(p, (struct value){.kind = (uint8_t)kind});
}

static enum status op_mark(struct pickle *p, uint64_t arg)
{
    (void)arg;
    if (!array_reserve(&p->marks, &p->marks_cap, p->marks_len + 1))
        return failed(p, STATUS_NO_MEMORY);
    p->marks[p->marks_len++] = p->stack.len;
    return STATUS_OK;
}

static enum status move_items(struct pickle *p, uint32_t to, size_t from)
{
    enum status st = STATUS_OK;
    for (size_t i = from; st == STATUS_OK && i < p->stack.len; i++)
        st = values_append(p->values, to, p->stack.id[i]);
    p->stack.len = from;
    return failed(p, st);
}

static enum status collect(struct pickle *p, uint64_t kind, size_t from)
{
    uint32_t made = VALUES_EMPTY_TUPLE;
    if (kind == VALUE_DICT && (p->stack.len - from) % 2)
        return bad(p, "a dict with a key that has no value");
    if (kind == VALUE_TUPLE && p->stack.len == from)
        return push(p, made);
    enum status st = values_add(p->values, (struct value){.kind = (uint8_t)kind}, &made);
    if (st != STATUS_OK)
        return failed(p, st);
    st = move_items(p, made, from);
    return st == STATUS_OK ? push(p, made) : st;
}

static enum status op_collect(struct pickle *p, uint64_t kind)
{
    size_t from = 0;
    enum status st = pop_mark(p, &from);
    return st == STATUS_OK ? collect(p, kind, from) : st;
}

static enum status op_tuple_of(struct pickle *p, uint64_t len)
{
    if (p->stack.len - floor_of(p) < len)
        return bad(p, "a tuple of values that are not there");
    return collect(p, VALUE_TUPLE, p->stack.len - (size_t)len);
}

/* The list or dict to add to: a value itself, or the one an instance of a subclass is. */
static enum status container(struct pickle *p, uint32_t of, enum value_kind kind, uint32_t *to)
{
    const struct value *value = values_get(p->values, of);
    if (value->kind == VALUE_OBJECT) {
        *to = value->items[kind == VALUE_LIST ? PICKLE_LIST : PICKLE_DICT];
        return STATUS_OK;
    }
    if (value->kind != kind)
        return error_set(p->err, STATUS_INVALID, "byte %zu: items for %s, should be %s", p->op_at,
                         value_kind_name(value), kind == VALUE_LIST ? "a list" : "a dict");
    *to = of;
    return STATUS_OK;
}

static enum status add_from(struct pickle *p, enum value_kind kind, size_t from)
{
    if (kind == VALUE_DICT && (p->stack.len - from) % 2)
        return bad(p, "a key that has no value");
    if (from <= floor_of(p))
        return bad(p, "items for a value that is not there");
    uint32_t to;
    enum status st = container(p, p->stack.id[from - 1], kind, &to);
    return st == STATUS_OK ? move_items(p, to, from) : st;
}

static enum status op_add_one(struct pickle *p, uint64_t kind)
{
    size_t items = kind == VALUE_DICT ? 2 : 1;
    if (p->stack.len - floor_of(p) < items)
        return bad(p, "an item that is not there");
    return add_from(p, (enum value_kind)kind, p->stack.len - items);
}

static enum status op_add_all(struct pickle *p, uint64_t kind)
{
    size_t from = 0;
    enum status st = pop_mark(p, &from);
    return st == STATUS_OK ? add_from(p, (enum value_kind)kind, from) : st;
}

/* ---- memo ---- */

static enum status memo_put(struct pickle *p, uint64_t index)
{
    uint32_t id;
    enum status st = top(p, &id);
    if (st != STATUS_OK)
        return st;
    if (index >= p->len) /* each needs two bytes of the file */
        return bad(p, "a memo number beyond what the file can hold");
    size_t known = p->memo.len;
    if (index >= known) {
        if (!array_reserve(&p->memo.id, &p->memo.cap, (size_t)index + 1))
            return failed(p, STATUS_NO_MEMORY);
        p->memo.len = (size_t)index + 1;
        for (size_t i = known; i < p->memo.len; i++)
            p->memo.id[i] = NO_VALUE;
    }
    p->memo.id[index] = id;
    return STATUS_OK;
}

static enum status memo_get(struct pickle *p, uint64_t index)
{
    if (index >= p->memo.len || p->memo.id[index] == NO_VALUE)
        return bad(p, "a reference to a value that is not there");
    return push(p, p->memo.id[index]);
}

static enum status op_memoize(struct pickle *p, uint64_t arg)
{
    (void)arg;
    return memo_put(p, p->memo.len);
}

static enum status memo_index(struct pickle *p, uint64_t bytes, uint64_t *index)
{
    if (bytes)
        return take_number(p, (size_t)bytes, index);
    struct text line;
    enum status st = take_line(p, &line);
    if (st == STATUS_OK && !text_u64(line, index))
        st = bad(p, "a memo number that is none");
    return st;
}

static enum status op_put(struct pickle *p, uint64_t bytes)
{
    uint64_t index = 0;
    enum status st = memo_index(p, bytes, &index);
    return st == STATUS_OK ? memo_put(p, index) : st;
}

static enum status op_get(struct pickle *p, uint64_t bytes)
{
    uint64_t index = 0;
    enum status st = memo_index(p, bytes, &index);
    return st == STATUS_OK ? memo_get(p, index) : st;
}

/* ---- classes and instances ---- */

static enum status push_class(struct pickle *p, struct text module, struct text name)
{
    static const struct pickle_class makers[] = {
        {"copy_reg _reconstructor", CLASS_RECONSTRUCTOR},
        {"copyreg _reconstructor", CLASS_RECONSTRUCTOR},
        {"__builtin__ object", CLASS_PLAIN_OBJECT},
        {"builtins object", CLASS_PLAIN_OBJECT},
        {NULL, 0},
    };
    const struct pickle_class *const lists[] = {p->classes, makers};
    for (size_t k = 0; k < 2; k++) {
        for (const struct pickle_class *c = lists[k]; c->name; c++) {
            struct text known = {c->name, strlen(c->name)};
            struct text known_module;
            if (text_cut(&known, ' ', &known_module) && known_module.len == module.len &&
                known.len == name.len && memcmp(known_module.data, module.data, module.len) == 0 &&
                memcmp(known.data, name.data, name.len) == 0)
                return push_new(p, (struct value){.kind = VALUE_CLASS, .integer = c->id});
        }
    }
    return error_set(p->err, STATUS_INVALID,
                     "byte %zu: the file asks for %.*s.%.*s, which no such profile needs; it may "
                     "be an attack and was not loaded",
                     p->op_at, (int)(module.len < 80 ? module.len : 80), module.data,
                     (int)(name.len < 80 ? name.len : 80), name.data);
}

static enum status op_global(struct pickle *p, uint64_t arg)
{
    (void)arg;
    struct text module;
    struct text name;
    enum status st = take_line(p, &module);
    if (st == STATUS_OK)
        st = take_line(p, &name);
    return st == STATUS_OK ? push_class(p, module, name) : st;
}

static enum status op_stack_global(struct pickle *p, uint64_t arg)
{
    (void)arg;
    uint32_t name_id;
    uint32_t module_id;
    enum status st = pop(p, &name_id);
    if (st == STATUS_OK)
        st = pop(p, &module_id);
    if (st != STATUS_OK)
        return st;
    const struct value *name = values_get(p->values, name_id);
    const struct value *module = values_get(p->values, module_id);
    if (name->kind != VALUE_TEXT || module->kind != VALUE_TEXT)
        return bad(p, "a class whose name is no text");
    return push_class(p, (struct text){module->data, module->len},
                      (struct text){name->data, name->len});
}

static enum status push_object(struct pickle *p, uint32_t class_id)
{
    const struct value *class = values_get(p->values, class_id);
    if (class->kind != VALUE_CLASS || class->integer < 0)
        return bad(p, "an instance of what is no known class");
    uint32_t object;
    uint32_t list;
    uint32_t dict;
    enum status st = values_add(p->values, (struct value){.kind = VALUE_OBJECT}, &object);
    if (st == STATUS_OK)
        st = values_add(p->values, (struct value){.kind = VALUE_LIST}, &list);
    if (st == STATUS_OK)
        st = values_add(p->values, (struct value){.kind = VALUE_DICT}, &dict);
    if (st == STATUS_OK)
        st = values_append(p->values, object, class_id);
    if (st == STATUS_OK)
        st = values_append(p->values, object, list);
    if (st == STATUS_OK)
        st = values_append(p->values, object, dict);
    return st == STATUS_OK ? push(p, object) : failed(p, st);
}

static enum status op_newobj(struct pickle *p, uint64_t arg)
{
    (void)arg;
    uint32_t args;
    uint32_t class_id;
    enum status st = pop(p, &args);
    if (st == STATUS_OK)
        st = pop(p, &class_id);
    if (st != STATUS_OK)
        return st;
    const struct value *tuple = values_get(p->values, args);
    if (tuple->kind != VALUE_TUPLE || tuple->len != 0)
        return bad(p, "an instance made with arguments");
    return push_object(p, class_id);
}

/* Protocols 0 and 1 make instances by copyreg._reconstructor(class, object, None): that one call
 * is allowed, and not made. */
static enum status op_reduce(struct pickle *p, uint64_t arg)
{
    (void)arg;
    uint32_t args_id;
    uint32_t function_id;
    enum status st = pop(p, &args_id);
    if (st == STATUS_OK)
        st = pop(p, &function_id);
    if (st != STATUS_OK)
        return st;
    const struct values *v = p->values;
    const struct value *function = values_get(v, function_id);
    const struct value *args = values_get(v, args_id);
    const struct value *base = values_item(v, args, 1);
    bool is_known = function->kind == VALUE_CLASS && function->integer == CLASS_RECONSTRUCTOR &&
                    args->kind == VALUE_TUPLE && args->len == 3 && base->kind == VALUE_CLASS &&
                    base->integer == CLASS_PLAIN_OBJECT &&
                    values_item(v, args, 2)->kind == VALUE_NONE;
    if (!is_known)
        return bad(p, "a call (REDUCE), which is never made here");
    return push_object(p, args->items[0]);
}

static enum status op_build(struct pickle *p, uint64_t arg)
{
    (void)arg;
    uint32_t state;
    uint32_t object;
    enum status st = pop(p, &state);
    if (st == STATUS_OK)
        st = top(p, &object);
    if (st != STATUS_OK)
        return st;
    if (values_get(p->values, object)->kind != VALUE_OBJECT)
        return bad(p, "a state for what is no instance");
    return failed(p, values_append(p->values, object, state));
}

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
    [0x80] = {op_proto, 1},
    [0x95] = {op_skip, 8}, /* FRAME: its length says nothing we need */
    ['N'] = {op_fixed, VALUES_NONE},
    [0x88] = {op_fixed, VALUES_TRUE},
    [0x89] = {op_fixed, VALUES_FALSE},
    [')'] = {op_fixed, VALUES_EMPTY_TUPLE},
    [0x8c] = {op_text, 1},
    ['X'] = {op_text, 4},
    [0x8d] = {op_text, 8},
    ['U'] = {op_bytes, 1},
    ['T'] = {op_bytes, 4},
    ['C'] = {op_bytes, 1},
    ['B'] = {op_bytes, 4},
    [0x8e] = {op_bytes, 8},
    ['K'] = {op_uint, 1},
    ['M'] = {op_uint, 2},
    ['J'] = {op_int32, 4},
    [0x8a] = {op_long, 1},
    [0x8b] = {op_long, 4},
    ['G'] = {op_float, 8},
    ['I'] = {op_int_text, 0},
    ['L'] = {op_int_text, 0},
    ['F'] = {op_float_text, 0},
    ['S'] = {op_escaped, 0},
    ['V'] = {op_escaped, 1},
    [']'] = {op_empty, VALUE_LIST},
    ['}'] = {op_empty, VALUE_DICT},
    ['('] = {op_mark, 0},
    ['t'] = {op_collect, VALUE_TUPLE},
    ['l'] = {op_collect, VALUE_LIST},
    ['d'] = {op_collect, VALUE_DICT},
    [0x85] = {op_tuple_of, 1},
    [0x86] = {op_tuple_of, 2},
    [0x87] = {op_tuple_of, 3},
    ['a'] = {op_add_one, VALUE_LIST},
    ['s'] = {op_add_one, VALUE_DICT},
    ['e'] = {op_add_all, VALUE_LIST},
    ['u'] = {op_add_all, VALUE_DICT},
    [0x94] = {op_memoize, 0},
    ['p'] = {op_put, 0},
    ['q'] = {op_put, 1},
    ['r'] = {op_put, 4},
    ['g'] = {op_get, 0},
    ['h'] = {op_get, 1},
    ['j'] = {op_get, 4},
    ['c'] = {op_global, 0},
    [0x93] = {op_stack_global, 0},
    [0x81] = {op_newobj, 0},
    ['R'] = {op_reduce, 0},
    ['b'] = {op_build, 0},
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
            return bad(p, "the data ends without STOP");
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
        st = bad(&p, "the data ends inside a group");
    if (st == STATUS_OK)
        st = pop(&p, &id);
    if (st == STATUS_OK && p.at != len)
        st = error_set(err, STATUS_INVALID, "byte %zu: %zu bytes behind the end", p.at, len - p.at);
    free(p.stack.id);
    free(p.memo.id);
    free(p.marks);
    if (st == STATUS_OK)
        *root = id;
    return st;
}

int pickle_class_of(const struct values *v, const struct value *object)
{
    if (object->kind != VALUE_OBJECT)
        return -1;
    return (int)values_item(v, object, PICKLE_CLASS)->integer;
}

const struct value *pickle_find(const struct values *v, const struct value *dict, const char *key)
{
    if (!dict || dict->kind != VALUE_DICT)
        return NULL;
    for (size_t i = dict->len; i >= 2; i -= 2) {
        const struct value *k = values_item(v, dict, i - 2);
        if (value_is_text(k) && text_equal((struct text){k->data, k->len}, key))
            return values_item(v, dict, i - 1);
    }
    return NULL;
}

const struct value *pickle_find_int(const struct values *v, const struct value *dict, int64_t key)
{
    if (!dict || dict->kind != VALUE_DICT)
        return NULL;
    for (size_t i = dict->len; i >= 2; i -= 2) {
        const struct value *k = values_item(v, dict, i - 2);
        if (k->kind == VALUE_INT && k->integer == key)
            return values_item(v, dict, i - 1);
    }
    return NULL;
}

const struct value *pickle_state(const struct values *v, const struct value *object)
{
    if (object->kind != VALUE_OBJECT || object->len <= PICKLE_STATE)
        return NULL;
    const struct value *state = values_item(v, object, object->len - 1);
    return state->kind == VALUE_DICT ? state : NULL;
}

/* The class' module and name stand near the front: after PROTO and FRAME, or behind "c". */
int pickle_detect(const uint8_t *head, size_t len, const struct pickle_class *classes)
{
    bool is_pickle = (len > 2 && head[0] == 0x80 && head[1] <= 5) ||
                     (len > 2 && (head[0] == 'c' || head[0] == '('));
    size_t look = len < 256 ? len : 256;
    if (!is_pickle)
        return 0;
    for (; classes->name; classes++) {
        const char *blank = strchr(classes->name, ' ');
        size_t module = (size_t)(blank - classes->name);
        const uint8_t *at = memmem(head, look, classes->name, module);
        if (at && memmem(at, look - (size_t)(at - head), blank + 1, strlen(blank + 1)))
            return 90;
    }
    return 0;
}
