#include "backend/formats/text.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

void text_lines_init(struct text_lines *lines, const uint8_t *data, size_t len)
{
    const char *text = (const char *)data;
    *lines = (struct text_lines){.at = text, .end = text ? text + len : NULL};
}

void text_lines_of(struct text_lines *lines, const struct format_input *in)
{
    text_lines_init(lines, in->data, in->len);
    if (in->is_mapped)
        lines->kept = lines->at;
}

/* A gigabyte of lines that say a few megabytes must not be held while it is read. */
static void give_back(struct text_lines *lines)
{
    enum { STEP = 8 << 20, PAGE = 1 << 16 };
    if ((size_t)(lines->at - lines->kept) < STEP)
        return;
    uintptr_t begin = ((uintptr_t)lines->kept + PAGE - 1) & ~(uintptr_t)(PAGE - 1);
    uintptr_t end = (uintptr_t)lines->at & ~(uintptr_t)(PAGE - 1);
    if (begin < end)
        (void)madvise((void *)begin, end - begin, MADV_DONTNEED);
    lines->kept = lines->at;
}

bool text_lines_next(struct text_lines *lines, struct text *line)
{
    if (lines->at == lines->end)
        return false;
    size_t left = (size_t)(lines->end - lines->at);
    const char *newline = memchr(lines->at, '\n', left);
    size_t len = newline ? (size_t)(newline - lines->at) : left;
    *line = (struct text){lines->at, len};
    if (len > 0 && line->data[len - 1] == '\r')
        line->len--;
    lines->at += newline ? len + 1 : len;
    lines->number++;
    if (lines->kept)
        give_back(lines);
    return true;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct text text_trim(struct text t)
{
    while (t.len > 0 && is_blank(t.data[0])) {
        t.data++;
        t.len--;
    }
    while (t.len > 0 && is_blank(t.data[t.len - 1]))
        t.len--;
    return t;
}

bool text_equal(struct text t, const char *literal)
{
    size_t len = strlen(literal);
    return t.len == len && memcmp(t.data, literal, len) == 0;
}

bool text_starts(struct text t, const char *literal)
{
    size_t len = strlen(literal);
    return t.len >= len && memcmp(t.data, literal, len) == 0;
}

bool text_skip(struct text *t, const char *literal)
{
    if (!text_starts(*t, literal))
        return false;
    size_t len = strlen(literal);
    t->data += len;
    t->len -= len;
    return true;
}

bool text_cut(struct text *t, char c, struct text *before)
{
    const char *at = t->len ? memchr(t->data, c, t->len) : NULL;
    if (!at)
        return false;
    size_t len = (size_t)(at - t->data);
    *before = (struct text){t->data, len};
    *t = (struct text){at + 1, t->len - len - 1};
    return true;
}

bool text_cut_last(struct text *t, char c, struct text *behind)
{
    const char *at = t->len ? memrchr(t->data, c, t->len) : NULL;
    if (!at)
        return false;
    size_t len = (size_t)(at - t->data);
    *behind = (struct text){at + 1, t->len - len - 1};
    t->len = len;
    return true;
}

bool text_split_place(struct text frame, struct text *name, struct text *file, uint32_t *line)
{
    if (frame.len < 6 || frame.data[frame.len - 1] != ')')
        return false;
    frame.len--;
    /* The first " (" begins the place: a file name may hold one too, but a name may not. */
    const char *open = memmem(frame.data, frame.len, " (", 2);
    if (!open || open == frame.data)
        return false;
    size_t len = (size_t)(open - frame.data);
    struct text place = {open + 2, frame.len - len - 2};
    struct text digits;
    uint64_t number;
    if (!text_cut_last(&place, ':', &digits) || place.len == 0 || !text_u64(digits, &number) ||
        number > UINT32_MAX)
        return false;
    *name = (struct text){frame.data, len};
    *file = place;
    *line = (uint32_t)number;
    return true;
}

struct text text_word(struct text *t)
{
    while (t->len > 0 && is_blank(t->data[0])) {
        t->data++;
        t->len--;
    }
    struct text word = {t->data, 0};
    while (word.len < t->len && !is_blank(t->data[word.len]))
        word.len++;
    t->data += word.len;
    t->len -= word.len;
    return word;
}

bool text_u64(struct text t, uint64_t *value)
{
    if (t.len == 0)
        return false;
    uint64_t sum = 0;
    for (size_t i = 0; i < t.len; i++) {
        unsigned digit = (unsigned)(unsigned char)t.data[i] - '0';
        if (digit > 9 || __builtin_mul_overflow(sum, 10, &sum) ||
            __builtin_add_overflow(sum, digit, &sum))
            return false;
    }
    *value = sum;
    return true;
}

bool text_i64(struct text t, int64_t *value)
{
    bool is_negative = t.len > 0 && t.data[0] == '-';
    if (is_negative || (t.len > 0 && t.data[0] == '+')) {
        t.data++;
        t.len--;
    }
    uint64_t size;
    if (!text_u64(t, &size) || size > (uint64_t)INT64_MAX + is_negative)
        return false;
    *value = is_negative ? (int64_t)(0 - size) : (int64_t)size;
    return true;
}

bool text_hex(struct text t, uint64_t *value)
{
    if (t.len == 0 || t.len > 16)
        return false;
    uint64_t sum = 0;
    for (size_t i = 0; i < t.len; i++) {
        char c = t.data[i];
        unsigned digit;
        if (c >= '0' && c <= '9')
            digit = (unsigned)(c - '0');
        else if ((c | 32) >= 'a' && (c | 32) <= 'f')
            digit = (unsigned)((c | 32) - 'a' + 10);
        else
            return false;
        sum = sum << 4 | digit;
    }
    *value = sum;
    return true;
}

bool text_f64(struct text t, double *value)
{
    char copy[64];
    if (t.len == 0 || t.len >= sizeof(copy))
        return false;
    for (size_t i = 0; i < t.len; i++) {
        if (!isdigit((unsigned char)t.data[i]) && !strchr("+-.eE", t.data[i]))
            return false;
    }
    memcpy(copy, t.data, t.len);
    copy[t.len] = 0;
    char *end = NULL;
    double number = strtod(copy, &end);
    if (end != copy + t.len || !isfinite(number))
        return false;
    *value = number;
    return true;
}

bool text_is_plausible(const uint8_t *data, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (data[i] < 0x20 && !memchr("\t\n\r\f\v\b\a\x1b", data[i], 8))
            return false;
    }
    return len > 0;
}

/* Bytes behind the first of a sequence; 9 for what begins none. */
static size_t more_bytes(unsigned char first)
{
    if (first < 0x80)
        return 0;
    if (first < 0xc2 || first > 0xf4)
        return 9;
    return first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
}

bool text_is_utf8(struct text t)
{
    for (size_t i = 0; i < t.len;) {
        size_t more = more_bytes((unsigned char)t.data[i]);
        if (more > t.len - i - 1)
            return false;
        for (size_t k = 1; k <= more; k++) {
            if (((unsigned char)t.data[i + k] & 0xc0) != 0x80)
                return false;
        }
        i += more + 1;
    }
    return true;
}

void text_put_utf8(struct buf *out, uint32_t c)
{
    if (c < 0x80) {
        buf_put_byte(out, (uint8_t)c);
        return;
    }
    static const uint8_t lead[5] = {0, 0, 0xc0, 0xe0, 0xf0};
    uint8_t bytes[4];
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--) {
        bytes[i] = (uint8_t)(0x80 | (c & 0x3f));
        c >>= 6;
    }
    bytes[0] = (uint8_t)(lead[n] | c);
    buf_put(out, bytes, n);
}

void text_put_latin1(struct buf *out, struct text t)
{
    for (size_t i = 0; i < t.len; i++)
        text_put_utf8(out, (unsigned char)t.data[i]);
}

static uint32_t unit16(const uint8_t *at, bool is_big)
{
    return is_big ? (uint32_t)at[0] << 8 | at[1] : (uint32_t)at[1] << 8 | at[0];
}

/* A lone surrogate becomes U+FFFD. */
static void transcode(struct buf *out, const uint8_t *data, size_t len, bool is_big)
{
    for (size_t i = 0; i + 1 < len; i += 2) {
        uint32_t c = unit16(data + i, is_big);
        if (c >= 0xd800 && c < 0xdc00 && i + 3 < len) {
            uint32_t low = unit16(data + i + 2, is_big);
            if (low >= 0xdc00 && low < 0xe000) {
                c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
                i += 2;
            }
        }
        text_put_utf8(out, c >= 0xd800 && c < 0xe000 ? 0xfffd : c);
    }
}

enum status text_from_utf16(struct format_input *in, uint8_t **owned, struct error *err)
{
    if (in->len >= 3 && memcmp(in->data, "\xef\xbb\xbf", 3) == 0) {
        in->data += 3;
        in->len -= 3;
        return STATUS_OK;
    }
    bool is_big = in->len >= 2 && memcmp(in->data, "\xfe\xff", 2) == 0;
    bool is_little = in->len >= 2 && memcmp(in->data, "\xff\xfe", 2) == 0;
    if (!is_big && !is_little)
        return STATUS_OK;
    struct buf out;
    buf_init(&out, 0);
    transcode(&out, in->data + 2, in->len - 2, is_big);
    if (buf_status(&out) != STATUS_OK) {
        buf_deinit(&out);
        return error_set(err, STATUS_NO_MEMORY, "no memory to read a UTF-16 file");
    }
    *owned = buf_take(&out, &in->len);
    in->data = *owned;
    return STATUS_OK;
}
