#include "common/base/json_out.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void json_out_init(struct json_out *j, struct buf *out)
{
    *j = (struct json_out){.out = out};
}

static void before_value(struct json_out *j)
{
    if (j->after_key) {
        j->after_key = false;
        return;
    }
    if (j->depth > 0) {
        if (j->has_item[j->depth - 1])
            buf_put_byte(j->out, ',');
        j->has_item[j->depth - 1] = true;
    }
}

static void open_with(struct json_out *j, char opener, char closer)
{
    before_value(j);
    assert(j->depth < JSON_OUT_DEPTH);
    j->closer[j->depth] = closer;
    j->has_item[j->depth] = false;
    j->depth++;
    buf_put_byte(j->out, (uint8_t)opener);
}

void json_out_object(struct json_out *j)
{
    open_with(j, '{', '}');
}

void json_out_array(struct json_out *j)
{
    open_with(j, '[', ']');
}

void json_out_end(struct json_out *j)
{
    assert(j->depth > 0);
    j->depth--;
    buf_put_byte(j->out, (uint8_t)j->closer[j->depth]);
}

void json_out_key(struct json_out *j, const char *key)
{
    json_out_text(j, key);
    buf_put_byte(j->out, ':');
    j->after_key = true;
}

/* Length of the well-formed UTF-8 sequence at `p` (Unicode 15, table 3-7), 0 when ill formed. */
static size_t utf8_sequence(const unsigned char *p, size_t left)
{
    if (p[0] < 0x80)
        return 1;
    size_t need = p[0] >= 0xc2 && p[0] <= 0xdf   ? 2
                  : (p[0] & 0xf0) == 0xe0        ? 3
                  : p[0] >= 0xf0 && p[0] <= 0xf4 ? 4
                                                 : 0;
    if (need == 0 || need > left)
        return 0;
    for (size_t i = 1; i < need; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    }
    bool is_bad = (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
                  (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f);
    return is_bad ? 0 : need;
}

static void put_escaped(struct buf *out, unsigned char c)
{
    static const char shorts[] = {
        ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
    if (c == '"' || c == '\\')
        buf_printf(out, "\\%c", c);
    else if (c < sizeof(shorts) && shorts[c])
        buf_printf(out, "\\%c", shorts[c]);
    else
        buf_printf(out, "\\u%04x", c);
}

static bool is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\' && c != '<';
}

void json_out_string(struct json_out *j, const char *data, size_t len)
{
    before_value(j);
    buf_put_byte(j->out, '"');
    const unsigned char *p = (const unsigned char *)data;
    for (size_t at = 0; at < len;) {
        size_t plain = at;
        while (plain < len && is_plain(p[plain]))
            plain++;
        buf_put(j->out, p + at, plain - at);
        at = plain;
        if (at == len)
            break;
        size_t sequence = utf8_sequence(p + at, len - at);
        if (sequence == 0)
            buf_put_text(j->out, "\\ufffd");
        else if (sequence == 1)
            put_escaped(j->out, p[at]);
        else if (sequence == 3 && p[at] == 0xe2 && p[at + 1] == 0x80 && (p[at + 2] | 1) == 0xa9)
            buf_printf(j->out, "\\u20%02x", p[at + 2] == 0xa8 ? 0x28 : 0x29);
        else
            buf_put(j->out, p + at, sequence);
        at += sequence ? sequence : 1;
    }
    buf_put_byte(j->out, '"');
}

void json_out_text(struct json_out *j, const char *text)
{
    if (text)
        json_out_string(j, text, strlen(text));
    else
        json_out_null(j);
}

static void put_raw(struct json_out *j, const char *text)
{
    before_value(j);
    buf_put_text(j->out, text);
}

void json_out_u64(struct json_out *j, uint64_t value)
{
    char text[24];
    snprintf(text, sizeof(text), "%" PRIu64, value);
    put_raw(j, text);
}

void json_out_i64(struct json_out *j, int64_t value)
{
    char text[24];
    snprintf(text, sizeof(text), "%" PRId64, value);
    put_raw(j, text);
}

void json_out_f64(struct json_out *j, double value)
{
    if (!isfinite(value)) {
        json_out_null(j);
        return;
    }
    char text[40];
    /* 15 digits are often enough and read better; 17 always round-trip (IEEE 754 binary64). */
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    put_raw(j, text);
}

void json_out_bool(struct json_out *j, bool value)
{
    put_raw(j, value ? "true" : "false");
}

void json_out_null(struct json_out *j)
{
    put_raw(j, "null");
}

void json_put_text(struct json_out *j, const char *key, const char *text)
{
    json_out_key(j, key);
    json_out_text(j, text ? text : "");
}

void json_put_string(struct json_out *j, const char *key, const char *data, size_t len)
{
    json_out_key(j, key);
    json_out_string(j, data, len);
}

void json_put_u64(struct json_out *j, const char *key, uint64_t value)
{
    json_out_key(j, key);
    json_out_u64(j, value);
}

void json_put_f64(struct json_out *j, const char *key, double value)
{
    json_out_key(j, key);
    json_out_f64(j, value);
}

void json_put_bool(struct json_out *j, const char *key, bool value)
{
    json_out_key(j, key);
    json_out_bool(j, value);
}
