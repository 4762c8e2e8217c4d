#include <assert.h>
#include <string.h>

#include "common/wire/decode_column.h"
#include "common/wire/fields.h"
#include "common/wire/token.h"
#include "common/wire/varint.h"
#include "common/wire/wire.h"

/* What is known of one field of one message while it is decoded. */
struct progress {
    size_t count; /* items found by the first pass */
    size_t done;  /* items filled by the second */
};

static enum status decode_message(struct decoder *d, const struct message *m, const uint8_t *at,
                                  const uint8_t *end, void *out);

static const struct field *find_field(const struct message *m, uint32_t number)
{
    /* Every message of this protocol numbers its fields 1, 2, 3, ... */
    size_t i = number - 1U;
    return i < m->fields_len && m->fields[i].number == number ? &m->fields[i] : NULL;
}

static bool is_list(const struct field *f)
{
    return f->shape == FIELD_LIST || f->shape == FIELD_INLINE;
}

static bool is_column(const struct field *f)
{
    return f->shape == FIELD_COLUMN || f->shape == FIELD_ROWS;
}

static enum token_type type_of(enum field_kind kind)
{
    switch (kind) {
    case FIELD_DOUBLE:
    case FIELD_POINT_VALUES:
        return TOKEN_FIXED64;
    case FIELD_BYTES:
    case FIELD_MESSAGE:
    case FIELD_VALUE_COLUMNS:
        return TOKEN_BYTES;
    default:
        return TOKEN_VARINT;
    }
}

/* ---- first pass: forms are right, and how many items there are ---- */

static enum status count_token(struct decoder *d, const struct message *m, const struct field *f,
                               const struct token *token, struct progress *progress)
{
    enum token_type type = type_of(f->kind);
    bool is_packed = is_column(f) && token->type == TOKEN_BYTES;
    if (token->type != type && !is_packed)
        return decoder_fail(d, token->start, "%s.%s has wire type %d", m->name, f->name,
                            (int)token->type);
    if (!is_packed) {
        progress->count++;
        return STATUS_OK;
    }
    if (type == TOKEN_FIXED64) {
        if (token->len % sizeof(uint64_t))
            return decoder_fail(d, token->start, "%s.%s has %zu bytes, not a multiple of 8",
                                m->name, f->name, token->len);
        progress->count += token->len / sizeof(uint64_t);
        return STATUS_OK;
    }
    if (token->len && token->data[token->len - 1] >= 0x80)
        return decoder_fail(d, token->start, "%s.%s ends within a number", m->name, f->name);
    progress->count += varint_count(token->data, token->len);
    return STATUS_OK;
}

static enum status count_items(struct decoder *d, const struct message *m, const uint8_t *at,
                               const uint8_t *end, struct progress *progress)
{
    while (at < end) {
        struct token token;
        enum status st = token_take(d, &at, end, &token);
        if (st != STATUS_OK)
            return st;
        const struct field *f = find_field(m, token.number);
        if (!f)
            continue;
        st = count_token(d, m, f, &token, &progress[f - m->fields]);
        if (st != STATUS_OK)
            return st;
    }
    return STATUS_OK;
}

/* ---- between the passes: numbers of rows agree, memory is there ---- */

static enum status agree_on_rows(struct decoder *d, const struct message *m, const uint8_t *at,
                                 const struct progress *progress, char *out)
{
    for (size_t i = 0; i < m->fields_len; i++) {
        const struct field *f = &m->fields[i];
        if (!is_column(f) || progress[i].count == 0)
            continue;
        size_t len;
        memcpy(&len, out + f->len_offset, sizeof(len));
        if (len && len != progress[i].count)
            return decoder_fail(d, at, "%s.%s has %zu rows where the columns before it have %zu",
                                m->name, f->name, progress[i].count, len);
        memcpy(out + f->len_offset, &progress[i].count, sizeof(len));
    }
    for (size_t i = 0; i < m->fields_len; i++) {
        const struct field *f = &m->fields[i];
        size_t len = 0;
        if (is_column(f) && f->is_required)
            memcpy(&len, out + f->len_offset, sizeof(len));
        if (len && progress[i].count == 0)
            return decoder_fail(d, at, "%s.%s is missing", m->name, f->name);
    }
    return STATUS_OK;
}

static size_t column_item_size(const struct field *f)
{
    if (f->shape == FIELD_ROWS)
        return f->item_size;
    return f->kind == FIELD_U32 ? sizeof(uint32_t) : sizeof(uint64_t);
}

static enum status make_room(struct decoder *d, const struct message *m, const uint8_t *at,
                             const struct progress *progress, char *out)
{
    for (size_t i = 0; i < m->fields_len; i++) {
        const struct field *f = &m->fields[i];
        size_t count = progress[i].count;
        if (count == 0 || !(is_list(f) || is_column(f)))
            continue;
        if (is_list(f)) {
            if (count > f->max)
                return decoder_fail_with(d, STATUS_TOO_LARGE, at,
                                         "%s.%s has %zu items; at most %zu", m->name, f->name,
                                         count, f->max);
            memcpy(out + f->len_offset, &count, sizeof(count));
            if (f->shape == FIELD_INLINE)
                continue;
        }
        void *items;
        memcpy(&items, out + f->offset, sizeof(items));
        if (items) {
            if (f->shape == FIELD_ROWS)
                continue; /* the column before made the rows */
            return decoder_fail(d, at, "%s.%s comes in two forms", m->name, f->name);
        }
        size_t item_size = is_list(f) ? f->item_size : column_item_size(f);
        enum status st = decoder_take(d, at, count, item_size, &items);
        if (st != STATUS_OK)
            return st;
        if (f->shape == FIELD_ROWS) /* whose other members may have no column */
            memset(items, 0, count * item_size);
        memcpy(out + f->offset, &items, sizeof(items));
    }
    return STATUS_OK;
}

/* ---- second pass: values ---- */

static enum status store_scalar(struct decoder *d, const struct message *m, const struct field *f,
                                const struct token *token, char *to)
{
    switch (f->kind) {
    case FIELD_U32: {
        uint32_t value = (uint32_t)token->value;
        if (token->value > UINT32_MAX)
            return decoder_fail(d, token->start, "%s.%s is over 32 bits", m->name, f->name);
        memcpy(to, &value, sizeof(value));
        break;
    }
    case FIELD_I32: {
        int64_t wide = (int64_t)token->value;
        int32_t value = (int32_t)wide;
        if (wide != value)
            return decoder_fail(d, token->start, "%s.%s is over 32 bits", m->name, f->name);
        memcpy(to, &value, sizeof(value));
        break;
    }
    case FIELD_BOOL: {
        bool value = token->value != 0;
        memcpy(to, &value, sizeof(value));
        break;
    }
    case FIELD_U64:
    case FIELD_DOUBLE:
        memcpy(to, &token->value, sizeof(token->value));
        break;
    case FIELD_BYTES: {
        struct wire_bytes value = {.data = (const char *)token->data, .len = token->len};
        memcpy(to, &value, sizeof(value));
        break;
    }
    default:
        assert(!"not a scalar");
    }
    return STATUS_OK;
}

static enum status store_column(struct decoder *d, const struct message *m, const struct field *f,
                                const struct token *token, struct progress *progress, char *out)
{
    char *items;
    memcpy(&items, out + f->offset, sizeof(items));
    if (!items) /* packed, and empty */
        return STATUS_OK;
    size_t item_size = column_item_size(f);
    struct column column = {
        .kind = f->kind,
        .to = items + progress->done * item_size + (f->shape == FIELD_ROWS ? f->item_offset : 0),
        .stride = item_size,
    };
    const uint8_t *bad = decode_column(&column, token, &progress->done);
    if (bad)
        return decoder_fail(d, bad, "%s.%s holds a number that is too large", m->name, f->name);
    return STATUS_OK;
}

static enum status store_item(struct decoder *d, const struct field *f, const struct token *token,
                              struct progress *progress, char *out)
{
    char *items = out + f->offset;
    if (f->shape == FIELD_LIST)
        memcpy(&items, out + f->offset, sizeof(items));
    char *item = items + progress->done++ * f->item_size;
    if (f->kind == FIELD_BYTES) {
        struct wire_bytes value = {.data = (const char *)token->data, .len = token->len};
        memcpy(item, &value, sizeof(value));
        return STATUS_OK;
    }
    const uint8_t *end = token->data + token->len;
    if (f->kind == FIELD_VALUE_COLUMNS) {
        size_t rows;
        memcpy(&rows, out + offsetof(struct wire_samples, len), sizeof(rows));
        return decode_value_column(d, token, rows, (struct wire_column *)(void *)item);
    }
    return decode_message(d, f->message, token->data, end, item);
}

static enum status store_pointer(struct decoder *d, const struct message *m, const struct field *f,
                                 const struct token *token, struct progress *progress, char *out)
{
    if (progress->done++)
        return decoder_fail(d, token->start, "%s.%s comes twice", m->name, f->name);
    void *made;
    enum status st = decoder_take(d, token->start, 1, f->message->size, &made);
    if (st == STATUS_OK)
        st = decode_message(d, f->message, token->data, token->data + token->len, made);
    if (st == STATUS_OK)
        memcpy(out + f->offset, &made, sizeof(made));
    return st;
}

static enum status store_token(struct decoder *d, const struct message *m, const struct field *f,
                               const struct token *token, struct progress *progress, char *out)
{
    switch (f->shape) {
    case FIELD_OPTIONAL: {
        bool has = true;
        memcpy(out + f->len_offset, &has, sizeof(has));
        return store_scalar(d, m, f, token, out + f->offset);
    }
    case FIELD_ONE:
        return store_scalar(d, m, f, token, out + f->offset);
    case FIELD_POINTER:
        return store_pointer(d, m, f, token, progress, out);
    case FIELD_COLUMN:
    case FIELD_ROWS:
        return store_column(d, m, f, token, progress, out);
    case FIELD_LIST:
    case FIELD_INLINE:
        return store_item(d, f, token, progress, out);
    }
    return STATUS_INVALID;
}

static enum status store_items(struct decoder *d, const struct message *m, const uint8_t *at,
                               const uint8_t *end, struct progress *progress, char *out,
                               uint64_t *first_time)
{
    while (at < end) {
        struct token token;
        enum status st = token_take(d, &at, end, &token);
        if (st != STATUS_OK)
            return st;
        const struct field *f = find_field(m, token.number);
        if (f && f->kind == FIELD_FIRST_TIME)
            *first_time = token.value;
        else if (f)
            st = store_token(d, m, f, &token, &progress[f - m->fields], out);
        if (st != STATUS_OK)
            return st;
    }
    return STATUS_OK;
}

/* Differences become values: last, since the first value may stand anywhere in the message. */
static enum status add_up(struct decoder *d, const struct message *m, const uint8_t *at,
                          const struct progress *progress, char *out, uint64_t first_time)
{
    for (size_t i = 0; i < m->fields_len; i++) {
        const struct field *f = &m->fields[i];
        if (progress[i].count == 0 ||
            (f->kind != FIELD_TIME_DELTAS && f->kind != FIELD_POINT_DELTAS))
            continue;
        void *items;
        memcpy(&items, out + f->offset, sizeof(items));
        size_t bad;
        bool is_done = f->kind == FIELD_TIME_DELTAS
                           ? decode_times(items, progress[i].count, first_time, &bad)
                           : decode_point_deltas(items, progress[i].count, &bad);
        if (!is_done)
            return decoder_fail(d, at, "%s.%s leaves the range of numbers in row %zu", m->name,
                                f->name, bad);
    }
    if (m->fields[m->fields_len - 1].kind == FIELD_POINT_VALUES) {
        const struct wire_points *points = (const void *)out;
        if (points->len && !points->value)
            return decoder_fail(d, at, "points.value is missing");
    }
    return STATUS_OK;
}

static enum status decode_message(struct decoder *d, const struct message *m, const uint8_t *at,
                                  const uint8_t *end, void *out)
{
    struct progress progress[FIELDS_MAX] = {0};
    uint64_t first_time = 0;
    memset(out, 0, m->size);
    enum status st = count_items(d, m, at, end, progress);
    if (st == STATUS_OK)
        st = agree_on_rows(d, m, at, progress, out);
    if (st == STATUS_OK)
        st = make_room(d, m, at, progress, out);
    if (st == STATUS_OK)
        st = store_items(d, m, at, end, progress, out, &first_time);
    if (st == STATUS_OK)
        st = add_up(d, m, at, progress, out, first_time);
    return st;
}

/* ---- whole messages ---- */

static enum status decode_token(struct decoder *d, const struct message *m,
                                const struct token *token, void *out)
{
    return decode_message(d, m, token->data, token->data + token->len, out);
}

/* The one message inside; a second one, or none that we know, is an error. */
static enum status take_only(struct decoder *d, size_t len, uint32_t last_number,
                             struct token *only)
{
    const uint8_t *at = d->base;
    const uint8_t *end = d->base + len;
    if (len > WIRE_MAX_MESSAGE)
        return decoder_fail_with(d, STATUS_TOO_LARGE, at, "a message of %zu bytes; at most %d", len,
                                 WIRE_MAX_MESSAGE);
    only->number = 0;
    while (at < end) {
        struct token token;
        enum status st = token_take(d, &at, end, &token);
        if (st != STATUS_OK)
            return st;
        if (token.number > last_number)
            continue;
        if (token.type != TOKEN_BYTES)
            return decoder_fail(d, token.start, "field %u has wire type %d", (unsigned)token.number,
                                (int)token.type);
        if (only->number)
            return decoder_fail(d, token.start, "a second message in one");
        *only = token;
    }
    if (only->number == 0)
        return decoder_fail(d, d->base, "no message of a kind we know");
    return STATUS_OK;
}

static enum status decode_zstd_batch(struct decoder *d, const struct token *outer,
                                     struct wire_batch *out)
{
    struct wire_bytes packed = {0};
    uint64_t raw_size = 0;
    const uint8_t *at = outer->data;
    const uint8_t *end = at + outer->len;
    while (at < end) {
        struct token token;
        enum status st = token_take(d, &at, end, &token);
        if (st != STATUS_OK)
            return st;
        if (token.number == 1 && token.type == TOKEN_BYTES)
            packed = (struct wire_bytes){.data = (const char *)token.data, .len = token.len};
        else if (token.number == 2 && token.type == TOKEN_VARINT)
            raw_size = token.value;
        else if (token.number <= 2)
            return decoder_fail(d, token.start, "zstd_batch: field %u has wire type %d",
                                (unsigned)token.number, (int)token.type);
    }
    const uint8_t *raw;
    enum status st = unpack_batch(&packed, raw_size, d->arena, &raw, d->err);
    if (st != STATUS_OK)
        return st;
    d->base = raw;
    d->where = " of the unpacked batch";
    return decode_message(d, &message_batch, raw, raw + raw_size, out);
}

enum status wire_decode_to_server(struct wire_to_server *out, const uint8_t *data, size_t len,
                                  struct arena *arena, struct error *err)
{
    struct decoder d;
    decoder_init(&d, data, arena, err);
    struct token token;
    struct wire_to_server made;
    enum status st = take_only(&d, len, WIRE_BYE, &token);
    if (st != STATUS_OK)
        return st;
    switch ((enum wire_to_server_kind)token.number) {
    case WIRE_HELLO:
        st = decode_token(&d, &message_hello, &token, &made.hello);
        break;
    case WIRE_BATCH:
        st = decode_token(&d, &message_batch, &token, &made.batch);
        break;
    case WIRE_ZSTD_BATCH:
        st = decode_zstd_batch(&d, &token, &made.batch);
        token.number = WIRE_BATCH;
        break;
    case WIRE_BYE:
        st = decode_token(&d, &message_bye, &token, &made.bye);
        break;
    }
    if (st != STATUS_OK)
        return st;
    made.kind = (enum wire_to_server_kind)token.number;
    *out = made;
    return STATUS_OK;
}

static enum status decode_ack(struct decoder *d, const struct token *outer, uint64_t *seq)
{
    const uint8_t *at = outer->data;
    const uint8_t *end = at + outer->len;
    *seq = 0;
    while (at < end) {
        struct token token;
        enum status st = token_take(d, &at, end, &token);
        if (st != STATUS_OK)
            return st;
        if (token.number == 1 && token.type != TOKEN_VARINT)
            return decoder_fail(d, token.start, "ack.seq has wire type %d", (int)token.type);
        if (token.number == 1)
            *seq = token.value;
    }
    return STATUS_OK;
}

enum status wire_decode_to_collector(struct wire_to_collector *out, const uint8_t *data, size_t len,
                                     struct arena *arena, struct error *err)
{
    struct decoder d;
    decoder_init(&d, data, arena, err);
    struct token token;
    struct wire_to_collector made;
    enum status st = take_only(&d, len, WIRE_CONTROL, &token);
    if (st != STATUS_OK)
        return st;
    switch ((enum wire_to_collector_kind)token.number) {
    case WIRE_WELCOME:
        st = decode_token(&d, &message_welcome, &token, &made.welcome);
        break;
    case WIRE_ACK:
        st = decode_ack(&d, &token, &made.ack_seq);
        break;
    case WIRE_REFUSED:
        st = decode_token(&d, &message_refused, &token, &made.refused);
        break;
    case WIRE_CONTROL:
        st = decode_token(&d, &message_control, &token, &made.control);
        break;
    }
    if (st != STATUS_OK)
        return st;
    made.kind = (enum wire_to_collector_kind)token.number;
    *out = made;
    return STATUS_OK;
}
