#include <assert.h>
#include <math.h>
#include <string.h>

#include "common/wire/fields.h"
#include "common/wire/varint.h"
#include "common/wire/wire.h"

enum wire_type { TYPE_VARINT = 0, TYPE_FIXED64 = 1, TYPE_BYTES = 2 };

enum {
    LENGTH_MAX = 5,    /* bytes of a length up to 4 GiB */
    PIECE = 1024,      /* items written between two checks of the room */
    PACK_LEAST = 128,  /* smaller batches do not gain from zstd */
    WHOLE_DIGITS = 53, /* bits of a double's whole numbers (IEEE 754 binary64) */
    SERVER_HELLO = 1,  /* the oneof's numbers in ToServer and ToCollector */
    SERVER_BATCH = 2,
    SERVER_ZSTD_BATCH = 3,
    SERVER_BYE = 4,
    COLLECTOR_WELCOME = 1,
    COLLECTOR_ACK = 2,
    COLLECTOR_REFUSED = 3,
    COLLECTOR_CONTROL = 4,
};

static void put_varint(struct buf *out, uint64_t value)
{
    uint8_t *at = buf_grow(out, VARINT_MAX);
    if (at)
        out->len -= (size_t)(at + VARINT_MAX - varint_put(at, value));
}

static void put_tag(struct buf *out, uint32_t number, enum wire_type type)
{
    put_varint(out, (uint64_t)number << 3 | type);
}

/* A length-delimited field is written in place: room for the longest length first, which
 * end_field closes up again. Gives where the content starts. */
static size_t begin_field(struct buf *out, uint32_t number)
{
    put_tag(out, number, TYPE_BYTES);
    buf_grow(out, LENGTH_MAX);
    return out->len;
}

static void end_field(struct buf *out, size_t start)
{
    if (buf_status(out) != STATUS_OK)
        return;
    size_t len = out->len - start;
    uint8_t *at = out->data + start - LENGTH_MAX;
    uint8_t *content = varint_put(at, len);
    memmove(content, out->data + start, len);
    out->len = (size_t)(content - out->data) + len;
}

static void put_bytes(struct buf *out, uint32_t number, const struct wire_bytes *bytes)
{
    put_tag(out, number, TYPE_BYTES);
    put_varint(out, bytes->len);
    buf_put(out, bytes->data, bytes->len);
}

static void put_double(struct buf *out, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    buf_put_u64(out, bits);
}

/* ---- packed columns ---- */

/* Writes `len` numbers, ITEM being the i-th. */
#define PUT_PACKED(out, number, len, ITEM)                                                         \
    do {                                                                                           \
        size_t start_ = begin_field(out, number);                                                  \
        for (size_t from_ = 0; from_ < (len); from_ += PIECE) {                                    \
            size_t to_ = (len)-from_ > PIECE ? from_ + PIECE : (len);                              \
            size_t room_ = (to_ - from_) * VARINT_MAX;                                             \
            uint8_t *at_ = buf_grow(out, room_);                                                   \
            if (!at_)                                                                              \
                return;                                                                            \
            uint8_t *end_ = at_ + room_;                                                           \
            for (size_t i = from_; i < to_; i++)                                                   \
                at_ = varint_put(at_, ITEM);                                                       \
            (out)->len -= (size_t)(end_ - at_);                                                    \
        }                                                                                          \
        end_field(out, start_);                                                                    \
    } while (0)

static void put_u32_column(struct buf *out, uint32_t number, const uint32_t *items, size_t len)
{
    PUT_PACKED(out, number, len, items[i]);
}

static void put_u64_column(struct buf *out, uint32_t number, const uint64_t *items, size_t len)
{
    PUT_PACKED(out, number, len, items[i]);
}

static void put_zigzag_column(struct buf *out, uint32_t number, const int64_t *items, size_t len)
{
    PUT_PACKED(out, number, len, zigzag(items[i]));
}

static void put_time_deltas(struct buf *out, uint32_t number, const uint64_t *items, size_t len)
{
    PUT_PACKED(out, number, len, zigzag((int64_t)(items[i] - items[i ? i - 1 : 0])));
}

static void put_point_deltas(struct buf *out, uint32_t number, const double *items, size_t len)
{
    PUT_PACKED(out, number, len, zigzag((int64_t)items[i] - (i ? (int64_t)items[i - 1] : 0)));
}

static void put_double_column(struct buf *out, uint32_t number, const double *items, size_t len)
{
    size_t start = begin_field(out, number);
    for (size_t i = 0; i < len; i++)
        put_double(out, items[i]);
    end_field(out, start);
}

static uint32_t row_item(const struct field *f, const char *rows, size_t i)
{
    uint32_t item;
    memcpy(&item, rows + i * f->item_size + f->item_offset, sizeof(item));
    return item;
}

static void put_rows(struct buf *out, const struct field *f, const char *rows, size_t len)
{
    bool is_zero = true;
    for (size_t i = 0; i < len && is_zero; i++)
        is_zero = row_item(f, rows, i) == 0;
    if (is_zero && !f->is_required)
        return;
    PUT_PACKED(out, f->number, len, row_item(f, rows, i));
}

/* ---- the parts of a message ---- */

static bool are_whole(const double *values, size_t len)
{
    const double most = (double)(1LL << WHOLE_DIGITS);
    for (size_t i = 0; i < len; i++) {
        /* A zero with a sign would lose it. NaN fails every comparison. */
        if (!(fabs(values[i]) <= most) || values[i] != (double)(int64_t)values[i] ||
            (values[i] == 0 && signbit(values[i])))
            return false;
    }
    return true;
}

static enum status check_times(const uint64_t *times, size_t len)
{
    uint64_t all = 0;
    for (size_t i = 0; i < len; i++)
        all |= times[i];
    return all > INT64_MAX ? STATUS_INVALID : STATUS_OK;
}

static enum status put_message(struct buf *out, const struct message *m, const void *data);

static enum status put_sub(struct buf *out, uint32_t number, const struct message *m,
                           const void *data)
{
    size_t start = begin_field(out, number);
    enum status st = put_message(out, m, data);
    end_field(out, start);
    return st;
}

static void put_scalar(struct buf *out, const struct field *f, const char *at, bool even_zero)
{
    switch (f->kind) {
    case FIELD_U32: {
        uint32_t value;
        memcpy(&value, at, sizeof(value));
        if (value || even_zero) {
            put_tag(out, f->number, TYPE_VARINT);
            put_varint(out, value);
        }
        break;
    }
    case FIELD_U64: {
        uint64_t value;
        memcpy(&value, at, sizeof(value));
        if (value || even_zero) {
            put_tag(out, f->number, TYPE_VARINT);
            put_varint(out, value);
        }
        break;
    }
    case FIELD_I32: {
        int32_t value;
        memcpy(&value, at, sizeof(value));
        if (value || even_zero) {
            put_tag(out, f->number, TYPE_VARINT);
            put_varint(out, (uint64_t)(int64_t)value);
        }
        break;
    }
    case FIELD_BOOL: {
        bool value;
        memcpy(&value, at, sizeof(value));
        if (value || even_zero) {
            put_tag(out, f->number, TYPE_VARINT);
            put_varint(out, value);
        }
        break;
    }
    case FIELD_DOUBLE: {
        uint64_t bits;
        memcpy(&bits, at, sizeof(bits));
        if (bits || even_zero) {
            put_tag(out, f->number, TYPE_FIXED64);
            buf_put_u64(out, bits);
        }
        break;
    }
    case FIELD_BYTES: {
        struct wire_bytes value;
        memcpy(&value, at, sizeof(value));
        if (value.len || even_zero)
            put_bytes(out, f->number, &value);
        break;
    }
    default:
        assert(!"not a scalar");
    }
}

static enum status put_column(struct buf *out, const struct field *f, const void *items, size_t len)
{
    enum status st = STATUS_OK;
    switch (f->kind) {
    case FIELD_U32:
        put_u32_column(out, f->number, items, len);
        break;
    case FIELD_U64:
        put_u64_column(out, f->number, items, len);
        break;
    case FIELD_DOUBLE:
        put_double_column(out, f->number, items, len);
        break;
    case FIELD_TIME_DELTAS:
        st = check_times(items, len);
        if (st == STATUS_OK)
            put_time_deltas(out, f->number, items, len);
        break;
    case FIELD_POINT_DELTAS:
        if (are_whole(items, len))
            put_point_deltas(out, f->number, items, len);
        break;
    case FIELD_POINT_VALUES:
        if (!are_whole(items, len))
            put_double_column(out, f->number, items, len);
        break;
    default:
        assert(!"not a column");
    }
    return st;
}

/* Column messages: `constant` is field 1, `value` field 2. */
static void put_value_columns(struct buf *out, const struct field *f,
                              const struct wire_samples *samples)
{
    for (size_t i = 0; i < samples->values_len; i++) {
        size_t start = begin_field(out, f->number);
        if (samples->values[i].value) {
            put_zigzag_column(out, 2, samples->values[i].value, samples->len);
        } else if (samples->values[i].constant) {
            put_tag(out, 1, TYPE_VARINT);
            put_varint(out, zigzag(samples->values[i].constant));
        }
        end_field(out, start);
    }
}

static enum status put_list(struct buf *out, const struct field *f, const char *items, size_t len)
{
    if (len > f->max)
        return STATUS_TOO_LARGE;
    enum status st = STATUS_OK;
    for (size_t i = 0; i < len && st == STATUS_OK; i++) {
        const char *item = items + i * f->item_size;
        if (f->kind == FIELD_BYTES) {
            struct wire_bytes bytes;
            memcpy(&bytes, item, sizeof(bytes));
            put_bytes(out, f->number, &bytes);
        } else {
            st = put_sub(out, f->number, f->message, item);
        }
    }
    return st;
}

static void put_one(struct buf *out, const struct field *f, const char *base)
{
    const char *at = base + f->offset;
    if (f->kind != FIELD_FIRST_TIME) {
        put_scalar(out, f, at, false);
        return;
    }
    const uint64_t *times;
    size_t len;
    memcpy(&times, at, sizeof(times));
    memcpy(&len, base + f->len_offset, sizeof(len));
    if (times && len && times[0]) {
        put_tag(out, f->number, TYPE_VARINT);
        put_varint(out, times[0]);
    }
}

static void put_optional(struct buf *out, const struct field *f, const char *base)
{
    bool has;
    memcpy(&has, base + f->len_offset, sizeof(has));
    if (has)
        put_scalar(out, f, base + f->offset, true);
}

/* The shapes with an array behind a pointer. */
static enum status put_items(struct buf *out, const struct field *f, const char *base)
{
    const void *items;
    size_t len;
    memcpy(&items, base + f->offset, sizeof(items));
    memcpy(&len, base + f->len_offset, sizeof(len));
    if (len == 0)
        return STATUS_OK;
    if (!items)
        return f->shape == FIELD_COLUMN && !f->is_required ? STATUS_OK : STATUS_INVALID;
    if (f->shape == FIELD_COLUMN)
        return put_column(out, f, items, len);
    if (f->shape == FIELD_LIST)
        return put_list(out, f, items, len);
    put_rows(out, f, items, len);
    return STATUS_OK;
}

static enum status put_inline(struct buf *out, const struct field *f, const char *base)
{
    size_t len;
    memcpy(&len, base + f->len_offset, sizeof(len));
    if (len > f->max)
        return STATUS_INVALID;
    if (f->kind != FIELD_VALUE_COLUMNS)
        return put_list(out, f, base + f->offset, len);
    put_value_columns(out, f, (const void *)base);
    return STATUS_OK;
}

static enum status put_field(struct buf *out, const struct field *f, const char *base)
{
    const void *inner;
    switch (f->shape) {
    case FIELD_ONE:
        put_one(out, f, base);
        return STATUS_OK;
    case FIELD_OPTIONAL:
        put_optional(out, f, base);
        return STATUS_OK;
    case FIELD_POINTER:
        memcpy(&inner, base + f->offset, sizeof(inner));
        return inner ? put_sub(out, f->number, f->message, inner) : STATUS_OK;
    case FIELD_COLUMN:
    case FIELD_ROWS:
    case FIELD_LIST:
        return put_items(out, f, base);
    case FIELD_INLINE:
        return put_inline(out, f, base);
    }
    return STATUS_INVALID;
}

static enum status put_message(struct buf *out, const struct message *m, const void *data)
{
    enum status st = STATUS_OK;
    for (size_t i = 0; i < m->fields_len && st == STATUS_OK; i++)
        st = put_field(out, &m->fields[i], data);
    return st == STATUS_OK ? buf_status(out) : st;
}

/* ---- whole messages ---- */

/* On failure `out` holds what it held. */
static enum status finish(struct buf *out, size_t before, enum status st)
{
    if (st == STATUS_OK)
        st = buf_status(out);
    if (st == STATUS_OK && out->len - before > WIRE_MAX_MESSAGE)
        st = STATUS_TOO_LARGE;
    if (st != STATUS_OK)
        out->len = before;
    return st;
}

static enum status put_whole(struct buf *out, uint32_t number, const struct message *m,
                             const void *data)
{
    size_t before = out->len;
    return finish(out, before, put_sub(out, number, m, data));
}

enum status wire_encode_hello(struct buf *out, const struct wire_hello *hello)
{
    return put_whole(out, SERVER_HELLO, &message_hello, hello);
}

enum status wire_encode_batch_plain(struct buf *out, const struct wire_batch *batch)
{
    return put_whole(out, SERVER_BATCH, &message_batch, batch);
}

enum status wire_encode_bye(struct buf *out, const struct wire_bye *bye)
{
    return put_whole(out, SERVER_BYE, &message_bye, bye);
}

enum status wire_encode_welcome(struct buf *out, const struct wire_welcome *welcome)
{
    return put_whole(out, COLLECTOR_WELCOME, &message_welcome, welcome);
}

enum status wire_encode_refused(struct buf *out, const struct wire_refused *refused)
{
    return put_whole(out, COLLECTOR_REFUSED, &message_refused, refused);
}

enum status wire_encode_control(struct buf *out, const struct wire_control *control)
{
    return put_whole(out, COLLECTOR_CONTROL, &message_control, control);
}

enum status wire_encode_ack(struct buf *out, uint64_t seq)
{
    size_t before = out->len;
    size_t start = begin_field(out, COLLECTOR_ACK);
    if (seq) {
        put_tag(out, 1, TYPE_VARINT);
        put_varint(out, seq);
    }
    end_field(out, start);
    return finish(out, before, STATUS_OK);
}

/* ZstdBatch: `data` is field 1, `raw_size` field 2. False when it is not smaller. */
static bool put_packed_batch(struct buf *out, const struct buf *raw)
{
    struct buf packed;
    buf_init(&packed, 0);
    bool is_smaller = raw->len >= PACK_LEAST && pack_batch(&packed, raw) == STATUS_OK &&
                      packed.len + 2 * LENGTH_MAX < raw->len;
    if (is_smaller) {
        struct wire_bytes data = {.data = (const char *)packed.data, .len = packed.len};
        size_t start = begin_field(out, SERVER_ZSTD_BATCH);
        put_bytes(out, 1, &data);
        put_tag(out, 2, TYPE_VARINT);
        put_varint(out, raw->len);
        end_field(out, start);
    }
    buf_deinit(&packed);
    return is_smaller;
}

enum status wire_encode_batch(struct buf *out, const struct wire_batch *batch)
{
    size_t before = out->len;
    struct buf raw;
    buf_init(&raw, WIRE_MAX_BATCH);
    enum status st = put_message(&raw, &message_batch, batch);
    if (st == STATUS_OK && !put_packed_batch(out, &raw)) {
        struct wire_bytes data = {.data = (const char *)raw.data, .len = raw.len};
        put_bytes(out, SERVER_BATCH, &data);
    }
    buf_deinit(&raw);
    return finish(out, before, st);
}
