#include "backend/formats/pickle_machine.h"
#include "common/base/array.h"

enum { NO_VALUE = UINT32_MAX };

enum status pickle_op_empty(struct pickle *p, uint64_t kind)
{
    return pickle_push_new(p, (struct value){.kind = (uint8_t)kind});
}

enum status pickle_op_mark(struct pickle *p, uint64_t arg)
{
    (void)arg;
    if (!array_reserve(&p->marks, &p->marks_cap, p->marks_len + 1))
        return pickle_failed(p, STATUS_NO_MEMORY);
    p->marks[p->marks_len++] = p->stack.len;
    return STATUS_OK;
}

static enum status move_items(struct pickle *p, uint32_t to, size_t from)
{
    enum status st = STATUS_OK;
    for (size_t i = from; st == STATUS_OK && i < p->stack.len; i++)
        st = values_append(p->values, to, p->stack.id[i]);
    p->stack.len = from;
    return pickle_failed(p, st);
}

static enum status collect(struct pickle *p, uint64_t kind, size_t from)
{
    uint32_t made = VALUES_EMPTY_TUPLE;
    if (kind == VALUE_DICT && (p->stack.len - from) % 2)
        return pickle_bad(p, "a dict with a key that has no value");
    if (kind == VALUE_TUPLE && p->stack.len == from)
        return pickle_push(p, made);
    enum status st = values_add(p->values, (struct value){.kind = (uint8_t)kind}, &made);
    if (st != STATUS_OK)
        return pickle_failed(p, st);
    st = move_items(p, made, from);
    return st == STATUS_OK ? pickle_push(p, made) : st;
}

enum status pickle_op_collect(struct pickle *p, uint64_t kind)
{
    size_t from = 0;
    enum status st = pickle_pop_mark(p, &from);
    return st == STATUS_OK ? collect(p, kind, from) : st;
}

enum status pickle_op_tuple_of(struct pickle *p, uint64_t len)
{
    if (p->stack.len - pickle_floor_of(p) < len)
        return pickle_bad(p, "a tuple of values that are not there");
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
        return pickle_bad(p, "a key that has no value");
    if (from <= pickle_floor_of(p))
        return pickle_bad(p, "items for a value that is not there");
    uint32_t to;
    enum status st = container(p, p->stack.id[from - 1], kind, &to);
    return st == STATUS_OK ? move_items(p, to, from) : st;
}

enum status pickle_op_add_one(struct pickle *p, uint64_t kind)
{
    size_t items = kind == VALUE_DICT ? 2 : 1;
    if (p->stack.len - pickle_floor_of(p) < items)
        return pickle_bad(p, "an item that is not there");
    return add_from(p, (enum value_kind)kind, p->stack.len - items);
}

enum status pickle_op_add_all(struct pickle *p, uint64_t kind)
{
    size_t from = 0;
    enum status st = pickle_pop_mark(p, &from);
    return st == STATUS_OK ? add_from(p, (enum value_kind)kind, from) : st;
}

/* ---- memo ---- */

static enum status memo_put(struct pickle *p, uint64_t index)
{
    uint32_t id;
    enum status st = pickle_top(p, &id);
    if (st != STATUS_OK)
        return st;
    if (index >= p->len) /* each needs two bytes of the file */
        return pickle_bad(p, "a memo number beyond what the file can hold");
    size_t known = p->memo.len;
    if (index >= known) {
        if (!array_reserve(&p->memo.id, &p->memo.cap, (size_t)index + 1))
            return pickle_failed(p, STATUS_NO_MEMORY);
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
        return pickle_bad(p, "a reference to a value that is not there");
    return pickle_push(p, p->memo.id[index]);
}

enum status pickle_op_memoize(struct pickle *p, uint64_t arg)
{
    (void)arg;
    return memo_put(p, p->memo.len);
}

static enum status memo_index(struct pickle *p, uint64_t bytes, uint64_t *index)
{
    if (bytes)
        return pickle_take_number(p, (size_t)bytes, index);
    struct text line;
    enum status st = pickle_take_line(p, &line);
    if (st == STATUS_OK && !text_u64(line, index))
        st = pickle_bad(p, "a memo number that is none");
    return st;
}

enum status pickle_op_put(struct pickle *p, uint64_t bytes)
{
    uint64_t index = 0;
    enum status st = memo_index(p, bytes, &index);
    return st == STATUS_OK ? memo_put(p, index) : st;
}

enum status pickle_op_get(struct pickle *p, uint64_t bytes)
{
    uint64_t index = 0;
    enum status st = memo_index(p, bytes, &index);
    return st == STATUS_OK ? memo_get(p, index) : st;
}
