#include "collector/python/value.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/python/objects.h"
#include "collector/python/text.h"

/* Objects/object.h: Py_TPFLAGS_*; tp_flags lies at the same distance from tp_name in every version
 * (Include/cpython/object.h @ v3.8.18 to v3.14.0). */
enum {
    FLAGS_BEHIND_NAME = 144,
    HEAP_TYPE = 1U << 9, /* made while the program ran: a class */
    IS_LONG = 1U << 24,
    IS_LIST = 1U << 25,
    IS_TUPLE = 1U << 26,
    IS_BYTES = 1U << 27,
    IS_TEXT = 1U << 28,
    IS_DICT = 1U << 29,
};

enum {
    WORD = 8,
    TYPE_ROOM = 80,
    ITEMS_MAX = 4096,  /* of one container; the bytes run out before */
    DIGITS_MAX = 1024, /* of an int, 30 bits each */
    BYTES_SHOWN = 4096,
};

struct printer {
    const struct python_layout *layout;
    const struct memory_reader *reader;
    struct buf *out;
    size_t end; /* of the buffer, where it is cut */
    unsigned depth;
};

static void put_object(struct printer *p, uint64_t address);

static bool is_full(const struct printer *p)
{
    return p->out->len >= p->end;
}

static bool read_at(const struct printer *p, uint64_t address, uint64_t *out)
{
    return memory_read_u64(p->reader, address, out);
}

/* ---- numbers and texts ---- */

/* The digits of 2**30 become those of 10**9, the last one first. */
static void put_digits(struct printer *p, const uint32_t *digit, size_t len)
{
    enum { BASE = 1000000000, ROOM = DIGITS_MAX * 31 / 29 + 2 };
    uint32_t decimal[ROOM] = {0};
    size_t used = 1;
    for (size_t i = len; i-- > 0;) {
        uint64_t carry = digit[i];
        for (size_t k = 0; k < used; k++) {
            carry += (uint64_t)decimal[k] << 30;
            decimal[k] = (uint32_t)(carry % BASE);
            carry /= BASE;
        }
        for (; carry != 0 && used < ROOM; carry /= BASE)
            decimal[used++] = (uint32_t)(carry % BASE);
    }
    buf_printf(p->out, "%u", decimal[used - 1]);
    for (size_t k = used - 1; k-- > 0 && !is_full(p);)
        buf_printf(p->out, "%09u", decimal[k]);
}

static bool put_int(struct printer *p, uint64_t address)
{
    uint64_t size;
    uint32_t digit[DIGITS_MAX];
    bool is_negative;
    if (!read_at(p, address + p->layout->var_size, &size))
        return false;
    if (p->layout->has_long_tag) { /* Include/cpython/longintrepr.h: 2 bits sign, 1 more */
        is_negative = (size & 3) == 2;
        size >>= 3;
    } else {
        is_negative = (int64_t)size < 0;
        size = is_negative ? 0 - size : size;
    }
    if (size > DIGITS_MAX) {
        buf_printf(p->out, "<int of about %llu bits>", (unsigned long long)size * 30);
        return true;
    }
    if (size > 0 &&
        !memory_read(p->reader, address + p->layout->long_digit, digit, size * sizeof(digit[0])))
        return false;
    if (is_negative)
        buf_put_byte(p->out, '-');
    put_digits(p, digit, size);
    return true;
}

/* The shortest form that is read back as the same, as repr() has it, but for the exponent's. */
static bool put_float(struct printer *p, uint64_t address)
{
    double value;
    char text[40];
    if (!memory_read(p->reader, address + p->layout->object_type + WORD, &value, sizeof(value)))
        return false;
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    buf_printf(p->out, "%s%s", text, strpbrk(text, ".enai") ? "" : ".0");
    return true;
}

static void put_escaped(struct printer *p, const uint8_t *text, size_t len, bool is_bytes)
{
    for (size_t i = 0; i < len && !is_full(p); i++) {
        uint8_t c = text[i];
        if (c == '\n')
            buf_put_text(p->out, "\\n");
        else if (c == '\'' || c == '\\')
            buf_printf(p->out, "\\%c", c);
        else if (c < 0x20 || c == 0x7f || (is_bytes && c > 0x7f))
            buf_printf(p->out, "\\x%02x", c);
        else
            buf_put_byte(p->out, c);
    }
}

static bool put_text(struct printer *p, uint64_t address)
{
    struct buf text;
    buf_init(&text, 0);
    bool is_read = python_text(p->layout, p->reader, address, &text);
    if (is_read) {
        buf_put_byte(p->out, '\'');
        put_escaped(p, text.data, text.len, false);
        buf_put_byte(p->out, '\'');
    }
    buf_deinit(&text);
    return is_read;
}

static bool put_bytes(struct printer *p, uint64_t address)
{
    uint64_t len;
    uint8_t bytes[BYTES_SHOWN] = {0};
    if (!read_at(p, address + p->layout->var_size, &len) || len > INT64_MAX)
        return false;
    uint64_t shown = len < sizeof(bytes) ? len : sizeof(bytes);
    if (shown > 0 && !memory_read(p->reader, address + p->layout->bytes_data, bytes, shown))
        return false;
    buf_put_text(p->out, "b'");
    put_escaped(p, bytes, shown, true);
    buf_put_text(p->out, shown < len ? "...'" : "'");
    return true;
}

/* ---- containers ---- */

static bool put_comma(struct printer *p, uint64_t index)
{
    if (index > 0)
        buf_put_text(p->out, ", ");
    return !is_full(p);
}

static bool put_sequence(struct printer *p, uint64_t address, bool is_list)
{
    uint64_t len;
    uint64_t items = address + p->layout->tuple_items;
    /* PyListObject: ob_item behind ob_size (Include/cpython/listobject.h). */
    if (!read_at(p, address + p->layout->var_size, &len) || len > INT64_MAX ||
        (is_list && !read_at(p, address + p->layout->var_size + WORD, &items)))
        return false;
    buf_put_byte(p->out, is_list ? '[' : '(');
    for (uint64_t i = 0; i < len && i < ITEMS_MAX && put_comma(p, i); i++) {
        uint64_t item;
        if (!read_at(p, items + WORD * i, &item))
            return false;
        put_object(p, item);
    }
    buf_put_text(p->out, is_list ? "]" : len == 1 ? ",)" : ")");
    return true;
}

static bool put_dict(struct printer *p, uint64_t address)
{
    struct python_dict d;
    uint64_t shown = 0;
    if (!python_dict_open(p->layout, p->reader, address, &d))
        return false;
    buf_put_byte(p->out, '{');
    for (uint64_t i = 0; i < d.len && !is_full(p); i++) {
        uint64_t key;
        uint64_t value;
        if (!python_dict_entry(p->reader, &d, i, &key, &value))
            return false;
        if (key == 0 || value == 0)
            continue;
        put_comma(p, shown++);
        put_object(p, key);
        buf_put_text(p->out, ": ");
        put_object(p, value);
    }
    buf_put_byte(p->out, '}');
    return true;
}

static bool put_set(struct printer *p, uint64_t address)
{
    struct python_set set;
    uint64_t shown = 0;
    if (!python_set_open(p->layout, p->reader, address, &set))
        return false;
    for (uint64_t i = 0; i < set.len && !is_full(p); i++) {
        uint64_t member;
        if (!python_set_entry(p->reader, &set, i, &member))
            return false;
        if (member == 0)
            continue;
        buf_put_text(p->out, shown++ == 0 ? "{" : ", ");
        put_object(p, member);
    }
    buf_put_text(p->out, shown == 0 ? "set()" : "}");
    return true;
}

/* ---- all ---- */

static bool put_known(struct printer *p, uint64_t address, const char *type, uint32_t flags)
{
    static const struct {
        uint32_t flag;
        bool (*put)(struct printer *, uint64_t);
    } scalars[] = {{IS_LONG, put_int}, {IS_TEXT, put_text}, {IS_BYTES, put_bytes}};
    bool is_own = !(flags & HEAP_TYPE);
    if (is_own && strcmp(type, "NoneType") == 0) {
        buf_put_text(p->out, "None");
        return true;
    }
    if (is_own && strcmp(type, "bool") == 0) {
        uint32_t digit;
        if (!memory_read(p->reader, address + p->layout->long_digit, &digit, sizeof(digit)))
            return false;
        buf_put_text(p->out, digit ? "True" : "False");
        return true;
    }
    if (is_own && strcmp(type, "float") == 0)
        return put_float(p, address);
    for (size_t i = 0; i < sizeof(scalars) / sizeof(scalars[0]); i++) {
        if (flags & scalars[i].flag)
            return scalars[i].put(p, address);
    }
    if (p->depth >= PYTHON_VALUE_DEPTH)
        return false;
    p->depth++;
    bool is_put = flags & (IS_LIST | IS_TUPLE) ? put_sequence(p, address, flags & IS_LIST)
                  : flags & IS_DICT            ? put_dict(p, address)
                  : is_own && (strcmp(type, "set") == 0 || strcmp(type, "frozenset") == 0)
                      ? put_set(p, address)
                      : false;
    p->depth--;
    return is_put;
}

static void put_type(struct printer *p, const char *type)
{
    for (; *type; type++)
        buf_put_byte(p->out, *type >= 0x20 && *type < 0x7f ? (uint8_t)*type : '?');
}

static void put_object(struct printer *p, uint64_t address)
{
    uint64_t type_object;
    uint64_t flags;
    char type[TYPE_ROOM];
    if (is_full(p))
        return;
    if (!read_at(p, address + p->layout->object_type, &type_object) ||
        !read_at(p, type_object + p->layout->type_name + FLAGS_BEHIND_NAME, &flags) ||
        !python_type_name(p->layout, p->reader, address, type, sizeof(type))) {
        buf_put_text(p->out, "<not readable>");
        return;
    }
    /* A class of the program's own, made from one of these, is shown with its name around it. */
    size_t begin = p->out->len;
    bool is_class = flags & HEAP_TYPE;
    if (is_class) {
        put_type(p, type);
        buf_put_byte(p->out, '(');
    }
    if (put_known(p, address, type, (uint32_t)flags)) {
        if (is_class)
            buf_put_byte(p->out, ')');
        return;
    }
    p->out->len = begin;
    buf_put_byte(p->out, '<');
    put_type(p, type);
    buf_printf(p->out, " at 0x%llx>", (unsigned long long)address);
}

void python_value(const struct python_layout *layout, const struct memory_reader *reader,
                  uint64_t address, size_t max, struct buf *out)
{
    if (max > PYTHON_VALUE_BYTES_MAX)
        max = PYTHON_VALUE_BYTES_MAX;
    size_t begin = out->len;
    struct printer p = {.layout = layout, .reader = reader, .out = out, .end = begin + max};
    put_object(&p, address);
    if (buf_status(out) != STATUS_OK || out->len <= p.end)
        return;
    out->len = p.end;
    while (out->len > begin && (out->data[out->len] & 0xc0) == 0x80)
        out->len--; /* not within a character */
    buf_put_text(out, "...");
}
