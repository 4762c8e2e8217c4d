#include "backend/formats/pickle_machine.h"

#include <string.h>

#include "common/base/array.h"

enum status pickle_bad(const struct pickle *p, const char *what)
{
    return error_set(p->err, STATUS_INVALID, "byte %zu: %s", p->op_at, what);
}

enum status pickle_failed(const struct pickle *p, enum status st)
{
    if (st == STATUS_TOO_LARGE)
        return error_set(p->err, st, "byte %zu: more values than a file of this size may hold",
                         p->op_at);
    return st == STATUS_OK ? st : error_set(p->err, st, "no memory for the values");
}

enum status pickle_take(struct pickle *p, uint64_t len, struct text *bytes)
{
    if (len > p->len - p->at)
        return pickle_bad(p, "the data ends inside a value");
    *bytes = (struct text){(const char *)p->data + p->at, (size_t)len};
    p->at += (size_t)len;
    return STATUS_OK;
}

enum status pickle_take_number(struct pickle *p, size_t bytes, uint64_t *number)
{
    struct text b;
    enum status st = pickle_take(p, bytes, &b);
    *number = 0;
    for (size_t i = 0; st == STATUS_OK && i < bytes; i++)
        *number |= (uint64_t)(unsigned char)b.data[i] << (8 * i);
    return st;
}

enum status pickle_take_line(struct pickle *p, struct text *line)
{
    const uint8_t *end = p->at < p->len ? memchr(p->data + p->at, '\n', p->len - p->at) : NULL;
    if (!end)
        return pickle_bad(p, "the data ends inside a line");
    enum status st = pickle_take(p, (uint64_t)(end - p->data) - p->at, line);
    p->at++;
    return st;
}

enum status pickle_push(struct pickle *p, uint32_t id)
{
    if (!array_reserve(&p->stack.id, &p->stack.cap, p->stack.len + 1))
        return pickle_failed(p, STATUS_NO_MEMORY);
    p->stack.id[p->stack.len++] = id;
    return STATUS_OK;
}

enum status pickle_push_new(struct pickle *p, struct value value)
{
    uint32_t id;
    enum status st = values_add(p->values, value, &id);
    return st == STATUS_OK ? pickle_push(p, id) : pickle_failed(p, st);
}

/* Values below the last mark belong to what is being built there. */
size_t pickle_floor_of(const struct pickle *p)
{
    return p->marks_len ? p->marks[p->marks_len - 1] : 0;
}

enum status pickle_pop(struct pickle *p, uint32_t *id)
{
    if (p->stack.len <= pickle_floor_of(p))
        return pickle_bad(p, "an operation on a value that is not there");
    *id = p->stack.id[--p->stack.len];
    return STATUS_OK;
}

enum status pickle_top(struct pickle *p, uint32_t *id)
{
    enum status st = pickle_pop(p, id);
    if (st == STATUS_OK)
        p->stack.len++;
    return st;
}

enum status pickle_pop_mark(struct pickle *p, size_t *from)
{
    if (p->marks_len == 0)
        return pickle_bad(p, "the end of a group that never began");
    *from = p->marks[--p->marks_len];
    return STATUS_OK;
}
