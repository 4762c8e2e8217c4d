#include "collector/python/lines.h"

#include <stdbool.h>

/* 3.8, 3.9: pairs (bytes forward, signed lines forward). Objects/lnotab_notes.txt @ v3.8.18. */
static int64_t line_of_lnotab(const uint8_t *table, size_t len, int64_t line, int64_t offset)
{
    int64_t at = 0;
    for (size_t i = 0; i + 1 < len; i += 2) {
        at += table[i];
        if (at > offset)
            break;
        line += (int8_t)table[i + 1];
    }
    return line;
}

/* 3.10: pairs (length in bytes, signed lines forward; -128 = no line). Objects/lnotab_notes.txt
 * @ v3.10.13. */
static int64_t line_of_linetable(const uint8_t *table, size_t len, int64_t line, int64_t offset)
{
    enum { NO_LINE = -128 };
    int64_t end = 0;
    for (size_t i = 0; i + 1 < len; i += 2) {
        int8_t delta = (int8_t)table[i + 1];
        end += table[i];
        if (delta != NO_LINE)
            line += delta;
        if (offset < end)
            return delta == NO_LINE ? 0 : line;
    }
    return 0;
}

/* Little-endian groups of six bits, bit 6 = more. Leaves `*at` behind it. */
static uint64_t varint(const uint8_t *table, size_t len, size_t *at)
{
    uint64_t value = 0;
    for (unsigned shift = 0; *at < len && shift < 60; shift += 6) {
        uint8_t byte = table[(*at)++];
        value |= (uint64_t)(byte & 0x3f) << shift;
        if (!(byte & 0x40))
            break;
    }
    return value;
}

static int64_t signed_varint(const uint8_t *table, size_t len, size_t *at)
{
    uint64_t value = varint(table, len, at);
    return value & 1 ? -(int64_t)(value >> 1) : (int64_t)(value >> 1);
}

enum { START = 0x80, SHORT_END = 10, NO_COLUMNS = 13, LONG = 14, NONE = 15 };

static uint8_t byte_at(const uint8_t *table, size_t len, size_t *at)
{
    return *at < len ? table[(*at)++] : 0;
}

struct range {
    int64_t column, end_line, end_column;
};

/* What follows the first byte of an entry, `line` being the line of the one before. Columns are
 * stored from 0, of a LONG entry from 1 with 0 for none. */
static struct range read_location(unsigned kind, const uint8_t *table, size_t len, size_t at,
                                  int64_t *line)
{
    struct range r = {0};
    if (kind == NO_COLUMNS || kind == LONG)
        *line += signed_varint(table, len, &at);
    else if (kind >= SHORT_END && kind != NONE)
        *line += kind - SHORT_END;
    r.end_line = *line;
    if (kind < SHORT_END) {
        uint8_t byte = byte_at(table, len, &at);
        r.column = (int64_t)kind * 8 + (byte >> 4 & 7) + 1;
        r.end_column = r.column + (byte & 15);
    } else if (kind < NO_COLUMNS) {
        r.column = byte_at(table, len, &at) + 1;
        r.end_column = byte_at(table, len, &at) + 1;
    } else if (kind == LONG) {
        r.end_line += (int64_t)varint(table, len, &at);
        r.column = (int64_t)varint(table, len, &at);
        r.end_column = (int64_t)varint(table, len, &at);
    }
    return r;
}

static uint32_t small(int64_t value)
{
    return value < 0 || value > INT32_MAX ? 0 : (uint32_t)value;
}

static struct python_place place_of(int64_t line)
{
    return (struct python_place){.line = small(line)};
}

/* 3.11+: entries that begin with a byte with bit 7 set: kind and length. Objects/locations.md
 * @ v3.11.7. */
static struct python_place place_of_locations(const uint8_t *table, size_t len, int64_t line,
                                              int64_t offset)
{
    int64_t end = 0;
    for (size_t at = 0; at < len;) {
        uint8_t head = table[at++];
        if (!(head & START))
            break;
        unsigned kind = head >> 3 & 15;
        end += ((int64_t)(head & 7) + 1) * 2;
        struct range r = read_location(kind, table, len, at, &line);
        if (offset < end && kind == NONE)
            break;
        if (offset < end) {
            struct python_place place = place_of(line);
            if (place.line != 0 && r.column > 0 && r.end_column > 0 && small(r.end_line) != 0) {
                place.column = small(r.column);
                place.end_line = small(r.end_line);
                place.end_column = small(r.end_column);
            }
            return place;
        }
        while (at < len && !(table[at] & START))
            at++;
    }
    return (struct python_place){0};
}

struct python_place python_place(enum python_lines kind, const uint8_t *table, size_t len,
                                 uint32_t first_line, int64_t offset)
{
    if (offset < 0)
        return place_of(first_line);
    switch (kind) {
    case PYTHON_LINES_LNOTAB:
        return place_of(line_of_lnotab(table, len, first_line, offset));
    case PYTHON_LINES_LINETABLE:
        return place_of(line_of_linetable(table, len, first_line, offset));
    case PYTHON_LINES_LOCATIONS:
        return place_of_locations(table, len, first_line, offset);
    }
    return (struct python_place){0};
}
