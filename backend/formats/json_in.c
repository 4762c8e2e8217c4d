#include "backend/formats/json_in.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "backend/formats/json_in_string.h"
#include "backend/formats/json_number.h"

void json_in_init(struct json_in *j, const uint8_t *data, size_t len, struct error *err)
{
    *j = (struct json_in){.start = data, .at = data, .end = data + len, .err = err};
    buf_init(&j->scratch, 0);
    static const uint8_t mark[3] = {0xef, 0xbb, 0xbf};
    if (len >= sizeof(mark) && memcmp(data, mark, sizeof(mark)) == 0)
        j->at += sizeof(mark);
}

void json_in_deinit(struct json_in *j)
{
    buf_deinit(&j->scratch);
}

void json_in_fail(struct json_in *j, enum status status, const char *format, ...)
{
    if (j->failed)
        return;
    j->failed = status;
    char words[256];
    va_list args;
    va_start(args, format);
    vsnprintf(words, sizeof(words), format, args);
    va_end(args);

    size_t line = 1;
    const uint8_t *line_start = j->start;
    for (;;) {
        const uint8_t *nl = memchr(line_start, '\n', (size_t)(j->at - line_start));
        if (!nl)
            break;
        line++;
        line_start = nl + 1;
    }
    error_set(j->err, status, "%s at line %zu, column %zu (byte %zu)", words, line,
              (size_t)(j->at - line_start) + 1, (size_t)(j->at - j->start));
}

/* Every step forward ends here, so that a failed reader finds nothing more. */
static bool skip_blanks(struct json_in *j)
{
    if (j->failed)
        return false;
    while (j->at < j->end) {
        uint8_t c = *j->at;
        if (c != ' ' && c != '\n' && c != '\r' && c != '\t')
            return true;
        j->at++;
    }
    return false;
}

static const char *const kind_names[] = {
    [JSON_NOTHING] = "nothing", [JSON_NULL] = "null",     [JSON_BOOL] = "true or false",
    [JSON_NUMBER] = "a number", [JSON_STRING] = "a text", [JSON_ARRAY] = "an array",
    [JSON_OBJECT] = "an object"};

enum json_kind json_in_peek(struct json_in *j)
{
    if (!skip_blanks(j))
        return JSON_NOTHING;
    switch (*j->at) {
    case '"':
        return JSON_STRING;
    case '{':
        return JSON_OBJECT;
    case '[':
        return JSON_ARRAY;
    case 'n':
        return JSON_NULL;
    case 't':
    case 'f':
        return JSON_BOOL;
    case 'N':
    case 'I':
    case '-':
        return JSON_NUMBER;
    default:
        return *j->at >= '0' && *j->at <= '9' ? JSON_NUMBER : JSON_NOTHING;
    }
}

static bool expect(struct json_in *j, enum json_kind kind)
{
    enum json_kind found = json_in_peek(j);
    if (found == kind)
        return true;
    if (j->failed)
        return false;
    if (j->at == j->end)
        json_in_fail_at_end(j);
    else if (found == JSON_NOTHING)
        json_in_fail(j, STATUS_INVALID, "not JSON: unexpected byte 0x%02x", *j->at);
    else
        json_in_fail(j, STATUS_INVALID, "%s where %s belongs", kind_names[found], kind_names[kind]);
    return false;
}

static bool push(struct json_in *j, bool is_object)
{
    if (j->depth == JSON_IN_DEPTH) {
        json_in_fail(j, STATUS_TOO_LARGE, "more than %d arrays and objects inside each other",
                     JSON_IN_DEPTH);
        return false;
    }
    uint64_t bit = (uint64_t)1 << (j->depth % 64);
    uint64_t *word = &j->is_object[j->depth / 64];
    *word = is_object ? *word | bit : *word & ~bit;
    j->depth++;
    j->is_fresh = true;
    j->at++;
    return true;
}

bool json_in_array(struct json_in *j)
{
    return expect(j, JSON_ARRAY) && push(j, false);
}

bool json_in_object(struct json_in *j)
{
    return expect(j, JSON_OBJECT) && push(j, true);
}

static bool leave(struct json_in *j)
{
    j->depth--;
    j->is_fresh = false;
    return false;
}

/* Stands before the next item or behind the closing bracket. */
static bool next_in(struct json_in *j, uint8_t closer)
{
    if (!skip_blanks(j)) {
        if (!j->failed && j->may_be_open)
            return leave(j);
        if (!j->failed)
            json_in_fail_at_end(j);
        return false;
    }
    if (*j->at == closer) {
        j->at++;
        return leave(j);
    }
    if (j->is_fresh) {
        j->is_fresh = false;
        return true;
    }
    if (*j->at != ',') {
        json_in_fail(j, STATUS_INVALID, "not JSON: neither ',' nor '%c' after a value", closer);
        return false;
    }
    j->at++;
    if (!skip_blanks(j)) {
        if (j->may_be_open)
            return leave(j);
        json_in_fail_at_end(j);
        return false;
    }
    if (*j->at == closer) {
        if (j->may_be_open) {
            j->at++;
            return leave(j);
        }
        json_in_fail(j, STATUS_INVALID, "not JSON: nothing between ',' and '%c'", closer);
        return false;
    }
    return true;
}

bool json_in_item(struct json_in *j)
{
    return next_in(j, ']');
}

/* ---- strings ---- */

struct text json_in_string(struct json_in *j)
{
    return expect(j, JSON_STRING) ? json_in_take_string(j, true) : (struct text){"", 0};
}

static bool take_key(struct json_in *j, struct text *key, bool keep)
{
    if (!next_in(j, '}'))
        return false;
    if (*j->at != '"') {
        json_in_fail(j, STATUS_INVALID, "not JSON: no key where one belongs");
        return false;
    }
    *key = json_in_take_string(j, keep);
    if (!skip_blanks(j)) {
        if (!j->failed)
            json_in_fail_at_end(j);
        return false;
    }
    if (*j->at != ':') {
        json_in_fail(j, STATUS_INVALID, "not JSON: no ':' after a key");
        return false;
    }
    j->at++;
    return true;
}

bool json_in_key(struct json_in *j, struct text *key)
{
    return take_key(j, key, true);
}

/* ---- scalars ---- */

static bool take_word(struct json_in *j, const char *word)
{
    size_t len = strlen(word), left = (size_t)(j->end - j->at);
    if (left < len && memcmp(j->at, word, left) == 0) {
        j->at = j->end;
        json_in_fail_at_end(j);
        return false;
    }
    if (left < len || memcmp(j->at, word, len) != 0) {
        json_in_fail(j, STATUS_INVALID, "not JSON: unknown word");
        return false;
    }
    j->at += len;
    return true;
}

bool json_in_bool(struct json_in *j)
{
    if (!expect(j, JSON_BOOL))
        return false;
    return *j->at == 't' ? take_word(j, "true") : take_word(j, "false") && false;
}

bool json_in_null(struct json_in *j)
{
    return json_in_peek(j) == JSON_NULL && take_word(j, "null");
}

struct json_number json_in_number(struct json_in *j)
{
    struct json_number n = {0};
    if (!expect(j, JSON_NUMBER))
        return n;
    bool is_negative = *j->at == '-' && j->end - j->at > 1 && j->at[1] == 'I';
    if (*j->at == 'N' || *j->at == 'I' || is_negative) {
        bool is_nan = *j->at == 'N';
        if (take_word(j, is_nan ? "NaN" : is_negative ? "-Infinity" : "Infinity"))
            n.f64 = is_nan ? (double)NAN : is_negative ? -HUGE_VAL : HUGE_VAL;
        return n;
    }
    const uint8_t *behind = json_number_parse(j->at, j->end, &n);
    if (!behind) {
        json_in_fail(j, STATUS_INVALID, "not JSON: not a number");
        return (struct json_number){0};
    }
    j->at = behind;
    return n;
}

double json_in_f64(struct json_in *j)
{
    struct json_number n = json_in_number(j);
    if (isfinite(n.f64))
        return n.f64;
    json_in_fail(j, STATUS_INVALID, "a number that is not finite");
    return 0;
}

int64_t json_in_i64(struct json_in *j)
{
    struct json_number n = json_in_number(j);
    if (n.is_integer)
        return n.i64;
    const double limit = 9223372036854775808.0;
    if (n.f64 >= -limit && n.f64 < limit && n.f64 == floor(n.f64))
        return (int64_t)n.f64;
    json_in_fail(j, STATUS_INVALID, "not a whole number of 64 bits");
    return 0;
}

uint32_t json_in_u32(struct json_in *j)
{
    int64_t value = json_in_i64(j);
    if (value >= 0 && value <= UINT32_MAX)
        return (uint32_t)value;
    json_in_fail(j, STATUS_INVALID, "a number outside 0..4294967295");
    return 0;
}

/* ---- whole values ---- */

/* Takes a scalar, or goes into a container. */
static void skip_one(struct json_in *j)
{
    switch (json_in_peek(j)) {
    case JSON_OBJECT:
        push(j, true);
        break;
    case JSON_ARRAY:
        push(j, false);
        break;
    case JSON_STRING:
        json_in_take_string(j, false);
        break;
    case JSON_NUMBER:
        json_in_number(j);
        break;
    case JSON_BOOL:
        json_in_bool(j);
        break;
    case JSON_NULL:
        json_in_null(j);
        break;
    case JSON_NOTHING:
        expect(j, JSON_NULL);
        break;
    }
}

void json_in_skip(struct json_in *j)
{
    uint32_t base = j->depth;
    skip_one(j);
    while (j->depth > base && !j->failed) {
        uint32_t inner = j->depth - 1;
        struct text key;
        bool is_object = j->is_object[inner / 64] >> (inner % 64) & 1;
        if (is_object ? take_key(j, &key, false) : json_in_item(j))
            skip_one(j);
    }
}

/* Finds the end by brackets and quotes alone: whoever comes back reads it with all checks. */
static const uint8_t *find_end(const uint8_t *at, const uint8_t *end)
{
    static const uint8_t is_structure[256] = {
        ['"'] = 1, ['['] = 1, ['{'] = 1, [']'] = 1, ['}'] = 1};
    size_t depth = 0;
    for (; at < end; at++) {
        if (!is_structure[*at])
            continue;
        if (*at == '"') {
            at = json_in_find_special(at + 1, end);
            while (at < end && *at != '"')
                at = json_in_find_special(at + (*at == '\\' && end - at > 1 ? 2 : 1), end);
            if (at == end)
                return NULL;
        } else if (*at == '[' || *at == '{') {
            depth++;
        } else if (--depth == 0) {
            return at + 1;
        }
    }
    return NULL;
}

const uint8_t *json_in_mark(struct json_in *j)
{
    enum json_kind kind = json_in_peek(j);
    const uint8_t *mark = j->at;
    if (kind != JSON_ARRAY && kind != JSON_OBJECT) {
        json_in_skip(j);
        return mark;
    }
    const uint8_t *behind = find_end(j->at, j->end);
    if (behind) {
        j->at = behind;
    } else {
        j->at = j->end;
        json_in_fail_at_end(j);
    }
    return mark;
}

void json_in_return(struct json_in *j, const uint8_t *mark)
{
    j->at = mark;
    j->is_fresh = false;
}

bool json_in_finish(struct json_in *j)
{
    if (!skip_blanks(j))
        return !j->failed;
    json_in_fail(j, STATUS_INVALID, "something follows the end of the JSON");
    return false;
}
