#include "common/wire/decode_column.h"

#include <assert.h>
#include <string.h>

#include "common/wire/varint.h"

static const uint8_t *decode_one(const struct column *column, const struct token *token)
{
    if (column->kind == FIELD_U32) {
        uint32_t item = (uint32_t)token->value;
        memcpy(column->to, &item, sizeof(item));
        return token->value > UINT32_MAX ? token->start : NULL;
    }
    uint64_t item = token->value;
    if (column->kind == FIELD_TIME_DELTAS || column->kind == FIELD_POINT_DELTAS)
        item = (uint64_t)unzigzag(item);
    memcpy(column->to, &item, sizeof(item));
    return NULL;
}

const uint8_t *decode_column(const struct column *column, const struct token *token, size_t *done)
{
    if (token->type != TOKEN_BYTES) {
        *done += 1;
        return decode_one(column, token);
    }
    const uint8_t *at = token->data;
    const uint8_t *end = at + token->len;
    switch (column->kind) {
    case FIELD_U32:
        *done += varint_count(at, token->len);
        return varint_unpack_u32(at, end, column->to, column->stride);
    case FIELD_U64:
        *done += varint_count(at, token->len);
        return varint_unpack_u64(at, end, column->to);
    case FIELD_TIME_DELTAS:
    case FIELD_POINT_DELTAS:
        *done += varint_count(at, token->len);
        return varint_unpack_zigzag(at, end, column->to);
    case FIELD_DOUBLE:
    case FIELD_POINT_VALUES:
        *done += token->len / sizeof(double);
        if (token->len)
            memcpy(column->to, at, token->len);
        return NULL;
    default:
        assert(!"not a column");
        return at;
    }
}

/* Counts the numbers of Column.value, and takes Column.constant. */
static enum status scan_value_column(struct decoder *d, const uint8_t *at, const uint8_t *end,
                                     size_t *count, int64_t *constant)
{
    while (at < end) {
        struct token token;
        enum status st = token_take(d, &at, end, &token);
        if (st != STATUS_OK)
            return st;
        bool is_packed = token.number == 2 && token.type == TOKEN_BYTES;
        if (token.number <= 2 && token.type != TOKEN_VARINT && !is_packed)
            return decoder_fail(d, token.start, "column: field %u has wire type %d",
                                (unsigned)token.number, (int)token.type);
        if (is_packed && token.len && token.data[token.len - 1] >= 0x80)
            return decoder_fail(d, token.start, "column.value ends within a number");
        if (token.number == 1)
            *constant = unzigzag(token.value);
        else if (token.number == 2)
            *count += is_packed ? varint_count(token.data, token.len) : 1;
    }
    return STATUS_OK;
}

enum status decode_value_column(struct decoder *d, const struct token *outer, size_t rows,
                                struct wire_column *out)
{
    const uint8_t *end = outer->data + outer->len;
    size_t count = 0;
    *out = (struct wire_column){0};
    enum status st = scan_value_column(d, outer->data, end, &count, &out->constant);
    if (st != STATUS_OK || count == 0)
        return st;
    if (count != rows)
        return decoder_fail(d, outer->start, "column.value has %zu rows where the samples have %zu",
                            count, rows);
    void *items;
    st = decoder_take(d, outer->start, count, sizeof(int64_t), &items);
    if (st != STATUS_OK)
        return st;
    int64_t *values = items;
    out->constant = 0;
    out->value = values;
    const uint8_t *at = outer->data;
    for (size_t done = 0; at < end;) {
        struct token token;
        st = token_take(d, &at, end, &token);
        if (st != STATUS_OK)
            return st;
        struct column column = {
            .kind = FIELD_TIME_DELTAS, .to = values + done, .stride = sizeof(*values)};
        const uint8_t *bad = token.number == 2 ? decode_column(&column, &token, &done) : NULL;
        if (bad)
            return decoder_fail(d, bad, "column.value holds a number of over 64 bits");
    }
    return STATUS_OK;
}

bool decode_times(void *items, size_t len, uint64_t first, size_t *bad)
{
    uint64_t *times = items;
    int64_t now = (int64_t)first;
    *bad = 0;
    if (first > INT64_MAX)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (__builtin_add_overflow(now, (int64_t)times[i], &now) || now < 0) {
            *bad = i;
            return false;
        }
        times[i] = (uint64_t)now;
    }
    return true;
}

bool decode_point_deltas(void *items, size_t len, size_t *bad)
{
    char *at = items;
    int64_t sum = 0;
    for (size_t i = 0; i < len; i++, at += sizeof(sum)) {
        int64_t delta;
        memcpy(&delta, at, sizeof(delta));
        if (__builtin_add_overflow(sum, delta, &sum)) {
            *bad = i;
            return false;
        }
        double value = (double)sum;
        memcpy(at, &value, sizeof(value));
    }
    return true;
}
