#include "collector/python/lines.h"

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

/* 3.11+: entries that begin with a byte with bit 7 set: kind and length; columns are not wanted
 * here and skipped. Objects/locations.md @ v3.11.7. */
static int64_t line_of_locations(const uint8_t *table, size_t len, int64_t line, int64_t offset)
{
    enum { START = 0x80, NO_COLUMNS = 13, LONG = 14, NONE = 15, ONE_LINE = 10 };
    int64_t end = 0;
    for (size_t at = 0; at < len;) {
        uint8_t head = table[at++];
        if (!(head & START))
            return 0;
        unsigned kind = head >> 3 & 15;
        end += ((int64_t)(head & 7) + 1) * 2;
        if (kind == NO_COLUMNS || kind == LONG)
            line += signed_varint(table, len, &at);
        else if (kind >= ONE_LINE && kind != NONE)
            line += kind - ONE_LINE;
        if (offset < end)
            return kind == NONE ? 0 : line;
        while (at < len && !(table[at] & START))
            at++;
    }
    return 0;
}

uint32_t python_line(enum python_lines kind, const uint8_t *table, size_t len, uint32_t first_line,
                     int64_t offset)
{
    if (offset < 0)
        return first_line;
    int64_t line = 0;
    switch (kind) {
    case PYTHON_LINES_LNOTAB:
        line = line_of_lnotab(table, len, first_line, offset);
        break;
    case PYTHON_LINES_LINETABLE:
        line = line_of_linetable(table, len, first_line, offset);
        break;
    case PYTHON_LINES_LOCATIONS:
        line = line_of_locations(table, len, first_line, offset);
        break;
    }
    return line < 0 || line > INT32_MAX ? 0 : (uint32_t)line;
}
