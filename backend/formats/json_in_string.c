#include "backend/formats/json_in_string.h"

#include <string.h>

#include "backend/formats/text.h"

void json_in_fail_at_end(struct json_in *j)
{
    if (!j->failed)
        j->is_cut = true;
    json_in_fail(j, STATUS_INVALID, "the file ends in the middle of its JSON");
}

const uint8_t *json_in_find_special(const uint8_t *at, const uint8_t *end)
{
    const uint64_t ones = 0x0101010101010101U, highs = 0x8080808080808080U;
    while (end - at >= 8) {
        uint64_t w;
        memcpy(&w, at, 8);
        uint64_t quote = w ^ ones * '"', back = w ^ ones * '\\';
        uint64_t hit =
            ((quote - ones) & ~quote) | ((back - ones) & ~back) | ((w - ones * 0x20) & ~w);
        if (hit & highs)
            break;
        at += 8;
    }
    while (at < end && *at != '"' && *at != '\\' && *at >= 0x20)
        at++;
    return at;
}

static bool hex4(struct json_in *j, uint32_t *out)
{
    if (j->end - j->at < 4) {
        j->at = j->end;
        json_in_fail_at_end(j);
        return false;
    }
    uint32_t value = 0;
    for (int i = 0; i < 4; i++) {
        uint8_t c = *j->at++;
        uint8_t lower = c | 0x20;
        uint32_t digit = c >= '0' && c <= '9'           ? (uint32_t)(c - '0')
                         : lower >= 'a' && lower <= 'f' ? (uint32_t)(lower - 'a' + 10)
                                                        : 16;
        if (digit == 16) {
            json_in_fail(j, STATUS_INVALID, "not JSON: \\u without four hex digits");
            return false;
        }
        value = value << 4 | digit;
    }
    *out = value;
    return true;
}

static bool unescape_unicode(struct json_in *j)
{
    uint32_t c = 0;
    if (!hex4(j, &c))
        return false;
    if (c >= 0xd800 && c < 0xdc00 && j->end - j->at >= 6 && j->at[0] == '\\' && j->at[1] == 'u') {
        const uint8_t *before = j->at;
        uint32_t low = 0;
        j->at += 2;
        if (!hex4(j, &low))
            return false;
        if (low >= 0xdc00 && low < 0xe000)
            c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
        else
            j->at = before;
    }
    text_put_utf8(&j->scratch, c);
    return true;
}

static bool unescape(struct json_in *j)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (j->end - j->at < 2) {
        j->at = j->end;
        json_in_fail_at_end(j);
        return false;
    }
    char c = (char)j->at[1];
    const char *known = c ? strchr(from, c) : NULL;
    if (!known && c != 'u') {
        json_in_fail(j, STATUS_INVALID, "not JSON: unknown escape in a text");
        return false;
    }
    j->at += 2;
    if (c == 'u')
        return unescape_unicode(j);
    buf_put_byte(&j->scratch, (uint8_t)to[known - from]);
    return true;
}

struct text json_in_take_string(struct json_in *j, bool keep)
{
    const uint8_t *from = ++j->at;
    bool is_plain = true;
    buf_clear(&j->scratch);
    for (;;) {
        const uint8_t *stop = json_in_find_special(j->at, j->end);
        if (!is_plain && keep)
            buf_put(&j->scratch, j->at, (size_t)(stop - j->at));
        j->at = stop;
        if (stop == j->end) {
            json_in_fail_at_end(j);
            return (struct text){"", 0};
        }
        if (*stop == '"')
            break;
        if (*stop != '\\') {
            json_in_fail(j, STATUS_INVALID, "not JSON: byte 0x%02x inside a text", *stop);
            return (struct text){"", 0};
        }
        if (is_plain && keep)
            buf_put(&j->scratch, from, (size_t)(stop - from));
        is_plain = false;
        if (!unescape(j))
            return (struct text){"", 0};
    }
    const uint8_t *to = j->at++;
    if (is_plain)
        return (struct text){(const char *)from, (size_t)(to - from)};
    if (buf_status(&j->scratch) != STATUS_OK) {
        json_in_check(j, buf_status(&j->scratch));
        return (struct text){"", 0};
    }
    return (struct text){j->scratch.len ? (const char *)j->scratch.data : "", j->scratch.len};
}
