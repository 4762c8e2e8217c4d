#include <string.h>

#include "backend/formats/pickle_machine.h"
#include "common/base/buf.h"

enum { MAX_NUMBER_TEXT = 64 };

enum status pickle_op_fixed(struct pickle *p, uint64_t arg)
{
    return pickle_push(p, (uint32_t)arg);
}

enum status pickle_op_skip(struct pickle *p, uint64_t arg)
{
    struct text ignored;
    return pickle_take(p, arg, &ignored);
}

enum status pickle_op_proto(struct pickle *p, uint64_t arg)
{
    uint64_t version = 0;
    enum status st = pickle_take_number(p, (size_t)arg, &version);
    if (st == STATUS_OK && version > 5)
        return error_set(p->err, STATUS_UNSUPPORTED, "pickle protocol %u, known are 0 to 5",
                         (unsigned)version);
    return st;
}

enum status pickle_op_text(struct pickle *p, uint64_t arg)
{
    uint64_t size = 0;
    struct text text;
    enum status st = pickle_take_number(p, (size_t)arg, &size);
    if (st == STATUS_OK)
        st = pickle_take(p, size, &text);
    if (st != STATUS_OK)
        return st;
    if (text.len > UINT32_MAX || !text_is_utf8(text))
        return pickle_bad(p, "text that is no UTF-8");
    return pickle_push_new(
        p, (struct value){.kind = VALUE_TEXT, .len = (uint32_t)text.len, .data = text.data});
}

enum status pickle_op_bytes(struct pickle *p, uint64_t arg)
{
    uint64_t size = 0;
    struct text text;
    enum status st = pickle_take_number(p, (size_t)arg, &size);
    if (st == STATUS_OK)
        st = pickle_take(p, size, &text);
    if (st == STATUS_OK && text.len > UINT32_MAX)
        st = pickle_bad(p, "bytes over 4 GiB");
    if (st != STATUS_OK)
        return st;
    return pickle_push_new(
        p, (struct value){.kind = VALUE_BYTES, .len = (uint32_t)text.len, .data = text.data});
}

static enum status push_int(struct pickle *p, int64_t number)
{
    return pickle_push_new(p, (struct value){.kind = VALUE_INT, .integer = number});
}

enum status pickle_op_uint(struct pickle *p, uint64_t arg)
{
    uint64_t number = 0;
    enum status st = pickle_take_number(p, (size_t)arg, &number);
    return st == STATUS_OK ? push_int(p, (int64_t)number) : st;
}

enum status pickle_op_int32(struct pickle *p, uint64_t arg)
{
    uint64_t number = 0;
    enum status st = pickle_take_number(p, (size_t)arg, &number);
    return st == STATUS_OK ? push_int(p, (int32_t)(uint32_t)number) : st;
}

/* Little endian two's complement of any length. */
enum status pickle_op_long(struct pickle *p, uint64_t arg)
{
    uint64_t size = 0;
    struct text b;
    enum status st = pickle_take_number(p, (size_t)arg, &size);
    if (st == STATUS_OK && arg == 4 && size > INT32_MAX)
        st = pickle_bad(p, "a number of negative length");
    if (st == STATUS_OK)
        st = pickle_take(p, size, &b);
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
    return pickle_push_new(
        p, (struct value){.kind = VALUE_BIG, .number = is_negative ? -number : number});
}

enum status pickle_op_float(struct pickle *p, uint64_t arg)
{
    struct text b;
    enum status st = pickle_take(p, arg, &b);
    if (st != STATUS_OK)
        return st;
    uint64_t bits = 0;
    for (size_t i = 0; i < 8; i++)
        bits = bits << 8 | (unsigned char)b.data[i];
    struct value value = {.kind = VALUE_FLOAT};
    memcpy(&value.number, &bits, sizeof(bits));
    return pickle_push_new(p, value);
}

enum status pickle_op_int_text(struct pickle *p, uint64_t arg)
{
    (void)arg;
    struct text line;
    enum status st = pickle_take_line(p, &line);
    if (st != STATUS_OK)
        return st;
    if (text_equal(line, "00") || text_equal(line, "01"))
        return pickle_push(p, line.data[1] == '1' ? VALUES_TRUE : VALUES_FALSE);
    if (line.len > 0 && line.data[line.len - 1] == 'L')
        line.len--;
    int64_t number;
    if (line.len > MAX_NUMBER_TEXT || !text_i64(line, &number))
        return pickle_bad(p, "a number in text form that is none, or over 64 bits");
    return push_int(p, number);
}

enum status pickle_op_float_text(struct pickle *p, uint64_t arg)
{
    (void)arg;
    struct text line;
    enum status st = pickle_take_line(p, &line);
    struct value value = {.kind = VALUE_FLOAT};
    if (st == STATUS_OK && !text_f64(line, &value.number))
        st = pickle_bad(p, "a float in text form that is no finite number");
    return st == STATUS_OK ? pickle_push_new(p, value) : st;
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
        if (is_unicode) /* Python's \uXXXX pairs are two surrogates, and stay two as in its UTF-8 */
            text_put_utf8(&out, (uint32_t)c);
        else
            buf_put_byte(&out, (uint8_t)c);
    }
    char *copy = NULL;
    if (is_good && buf_status(&out) == STATUS_OK && out.len <= UINT32_MAX)
        copy = arena_copy(p->values->arena, (const char *)out.data, out.len);
    uint32_t len = (uint32_t)out.len;
    buf_deinit(&out);
    if (!is_good)
        return pickle_bad(p, "text with an escape that is none");
    if (!copy)
        return pickle_failed(p, STATUS_NO_MEMORY);
    return pickle_push_new(
        p, (struct value){.kind = is_unicode ? VALUE_TEXT : VALUE_BYTES, .len = len, .data = copy});
}

enum status pickle_op_escaped(struct pickle *p, uint64_t is_unicode)
{
    struct text line;
    enum status st = pickle_take_line(p, &line);
    if (st != STATUS_OK)
        return st;
    if (!is_unicode) {
        bool is_quoted = line.len >= 2 && (line.data[0] == '\'' || line.data[0] == '"') &&
                         line.data[line.len - 1] == line.data[0];
        if (!is_quoted)
            return pickle_bad(p, "a string without its quotes");
        line = (struct text){line.data + 1, line.len - 2};
    }
    return push_escaped(p, line, is_unicode);
}
