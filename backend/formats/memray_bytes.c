#include <string.h>

#include "backend/formats/memray_read.h"

bool memray_take(struct memray *m, size_t len, const uint8_t **bytes)
{
    if (m->len - m->at < len)
        return false;
    *bytes = m->data + m->at;
    m->at += len;
    return true;
}

bool memray_take_fixed(struct memray *m, size_t len, uint64_t *value)
{
    const uint8_t *b;
    if (!memray_take(m, len, &b))
        return false;
    *value = 0;
    for (size_t i = len; i-- > 0;)
        *value = *value << 8 | b[i];
    return true;
}

bool memray_take_varint(struct memray *m, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; shift < 64 && m->at < m->len; shift += 7) {
        uint8_t byte = m->data[m->at++];
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return true;
    }
    return false;
}

bool memray_take_signed(struct memray *m, int64_t *value)
{
    uint64_t raw;
    if (!memray_take_varint(m, &raw))
        return false;
    *value = (int64_t)(raw >> 1 ^ (0 - (raw & 1)));
    return true;
}

/* A difference to the value of the same kind before. */
bool memray_take_delta(struct memray *m, uint64_t *last)
{
    int64_t step;
    if (!memray_take_signed(m, &step))
        return false;
    *last += (uint64_t)step;
    return true;
}

bool memray_take_text(struct memray *m, struct text *text)
{
    const uint8_t *end = m->at < m->len ? memchr(m->data + m->at, 0, m->len - m->at) : NULL;
    if (!end)
        return false;
    *text = (struct text){(const char *)m->data + m->at, (size_t)(end - m->data) - m->at};
    m->at += text->len + 1;
    return true;
}
