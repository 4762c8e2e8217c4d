#include "backend/formats/memray_lines.h"

#include <stdbool.h>

struct table {
    const uint8_t *data;
    size_t len, at;
};

/* Six bits a byte, bit 6 "more", bit 7 belongs to the next entry. Ends with the table. */
static uint64_t take_varint(struct table *t)
{
    uint64_t value = 0;
    for (unsigned shift = 0; t->at < t->len && shift < 60; shift += 6) {
        uint8_t byte = t->data[t->at++];
        value |= (uint64_t)(byte & 63) << shift;
        if (!(byte & 64))
            break;
    }
    return value;
}

static int64_t take_signed(struct table *t)
{
    uint64_t value = take_varint(t);
    int64_t size = (int64_t)(value >> 1);
    return value & 1 ? -size : size;
}

/* Entries of 1 to 8 code units; what each adds to the line depends on its kind. */
static int64_t line_311(struct table *t, int64_t line, uint64_t instruction)
{
    uint64_t unit = instruction / 2;
    uint64_t begin = 0;
    while (t->at < t->len && t->data[t->at] != 0) {
        uint8_t head = t->data[t->at++];
        unsigned kind = head >> 3 & 15;
        uint64_t end = begin + (head & 7) + 1;
        if (kind == 14) {
            line += take_signed(t);
            take_varint(t); /* end line, column, end column */
            take_varint(t);
            take_varint(t);
        } else if (kind == 13) {
            line += take_signed(t);
        } else if (kind >= 10 && kind <= 12) {
            line += kind - 10;
            t->at += 2;
        } else if (kind < 10) {
            t->at += 1;
        }
        if (unit < end)
            return line;
        begin = end;
    }
    return 0;
}

static int64_t line_310(const struct table *t, int64_t line, uint64_t instruction)
{
    uint64_t limit = instruction * 2;
    uint64_t at = 0;
    for (size_t i = 0; i + 1 < t->len && at <= limit; i += 2) {
        int8_t step = (int8_t)t->data[i + 1];
        at += t->data[i];
        line += step == -128 ? 0 : step; /* -128: no line */
    }
    return line;
}

static int64_t line_39(const struct table *t, int64_t line, uint64_t instruction)
{
    uint64_t at = 0;
    for (size_t i = 0; i + 1 < t->len; i += 2) {
        at += t->data[i];
        if (at > instruction)
            break;
        line += (int8_t)t->data[i + 1];
    }
    return line;
}

uint32_t memray_line(uint32_t python, const uint8_t *table, size_t len, int64_t first_line,
                     int64_t instruction)
{
    struct table t = {table, len, 0};
    int64_t line = first_line;
    if (instruction < 0 || instruction > INT32_MAX)
        return 0;
    if (len > 0 && python >= 0x030b0000)
        line = line_311(&t, first_line, (uint64_t)instruction);
    else if (len > 0 && python >= 0x030a0000)
        line = line_310(&t, first_line, (uint64_t)instruction);
    else if (len > 0)
        line = line_39(&t, first_line, (uint64_t)instruction);
    return line > 0 && line <= UINT32_MAX ? (uint32_t)line : 0;
}
