#include "collector/python/text.h"

#include <string.h>

static void put_utf8(struct buf *out, uint32_t c)
{
    if ((c >= 0xd800 && c <= 0xdfff) || c > 0x10ffff)
        c = 0xfffd;
    if (c < 0x80) {
        buf_put_byte(out, (uint8_t)c);
        return;
    }
    if (c < 0x800) {
        buf_put_byte(out, (uint8_t)(0xc0 | c >> 6));
    } else {
        if (c < 0x10000) {
            buf_put_byte(out, (uint8_t)(0xe0 | c >> 12));
        } else {
            buf_put_byte(out, (uint8_t)(0xf0 | c >> 18));
            buf_put_byte(out, (uint8_t)(0x80 | (c >> 12 & 0x3f)));
        }
        buf_put_byte(out, (uint8_t)(0x80 | (c >> 6 & 0x3f)));
    }
    buf_put_byte(out, (uint8_t)(0x80 | (c & 0x3f)));
}

static uint32_t character(const uint8_t *data, size_t index, unsigned kind)
{
    uint32_t wide;
    uint16_t narrow;
    if (kind == 1)
        return data[index];
    if (kind == 2) {
        memcpy(&narrow, data + index * 2, sizeof(narrow));
        return narrow;
    }
    memcpy(&wide, data + index * 4, sizeof(wide));
    return wide;
}

bool python_text(const struct python_layout *layout, const struct memory_reader *reader,
                 uint64_t address, struct buf *out)
{
    uint64_t len;
    uint32_t state;
    if (!memory_read_u64(reader, address + layout->unicode_length, &len) ||
        !memory_read(reader, address + layout->unicode_state, &state, sizeof(state)))
        return false;
    state >>= layout->unicode_kind_shift;
    unsigned kind = state & 7;
    bool is_compact = state >> 3 & 1;
    bool is_ascii = state >> 4 & 1;
    if ((kind != 1 && kind != 2 && kind != 4) || (is_ascii && kind != 1) || len > INT32_MAX)
        return false;
    if (len > PYTHON_TEXT_MAX)
        len = PYTHON_TEXT_MAX;

    uint64_t data = address + (is_compact && is_ascii ? layout->unicode_ascii_data
                                                      : layout->unicode_compact_data);
    /* Not compact: the characters are elsewhere, the pointer is where they would begin. */
    if (!is_compact && !memory_read_u64(reader, data, &data))
        return false;

    uint8_t copy[PYTHON_TEXT_MAX * 4];
    if (len > 0 && !memory_read(reader, data, copy, len * kind))
        return false;
    if (is_ascii) {
        buf_put(out, copy, len);
        return true;
    }
    for (size_t i = 0; i < len; i++)
        put_utf8(out, character(copy, i, kind));
    return true;
}
