/* Heliograph's own file: "HELIOGRAPH1\n", then the messages a server would have got (ToServer of
 * common/wire/heliograph.proto), each behind its length in four bytes, little endian. A file cut
 * by a crash loads up to its last whole message. */

#include "backend/formats/heliograph.h"

#include <stdio.h>
#include <string.h>

#include "backend/formats/fill.h"
#include "backend/model/apply.h"
#include "common/base/arena.h"
#include "common/wire/wire.h"

static const char MAGIC[] = "HELIOGRAPH1\n";
enum { MAGIC_LEN = sizeof(MAGIC) - 1 };

struct messages {
    const uint8_t *data;
    size_t len, at, count;
    bool is_cut, has_hello, has_bye;
};

/* False at the end, or where the file was cut. */
static bool take_message(struct messages *m, const uint8_t **message, size_t *len)
{
    if (m->at == m->len)
        return false;
    size_t left = m->len - m->at;
    const uint8_t *b = m->data + m->at;
    uint32_t size = 0;
    if (left >= 4)
        size = (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
    if (left < 4 || size > left - 4) {
        m->is_cut = true;
        return false;
    }
    *message = b + 4;
    *len = size;
    m->at += 4 + (size_t)size;
    m->count++;
    return true;
}

static enum status apply(struct messages *m, struct profile *out, const uint8_t *message,
                         size_t len, struct error *err)
{
    struct arena *arena = arena_new();
    if (!arena)
        return error_set(err, STATUS_NO_MEMORY, "no memory to read a message");
    struct wire_to_server decoded;
    enum status st = wire_decode_to_server(&decoded, message, len, arena, err);
    if (st == STATUS_OK && decoded.kind == WIRE_HELLO) {
        st = apply_hello(out, &decoded.hello, err);
        m->has_hello = true;
    } else if (st == STATUS_OK && decoded.kind == WIRE_BATCH) {
        st = apply_batch(out, &decoded.batch, err);
    } else if (st == STATUS_OK && decoded.kind == WIRE_BYE) {
        m->has_bye = true;
    }
    arena_free(arena);
    return st;
}

static enum status read_heliograph(const struct format_input *in,
                                   const struct format_options *options, struct profile *out,
                                   struct error *err)
{
    (void)options;
    struct messages m = {.data = in->data, .len = in->len, .at = MAGIC_LEN};
    const uint8_t *message;
    size_t len;
    if (in->len < MAGIC_LEN || memcmp(in->data, MAGIC, MAGIC_LEN) != 0)
        return error_set(err, STATUS_INVALID, "byte 0: the file should begin with HELIOGRAPH1");
    while (take_message(&m, &message, &len)) {
        enum status st = apply(&m, out, message, len, err);
        if (st != STATUS_OK) {
            char where[48];
            snprintf(where, sizeof(where), "message %zu at byte %zu", m.count, m.at - len);
            error_prefix(err, where);
            return st;
        }
    }
    for (size_t i = 0; i < out->sets_len; i++) {
        if (out->sets[i].values_len == 0)
            return error_set(err, STATUS_INVALID, "sample set %zu has no values", i);
    }
    if (!m.has_hello)
        return error_set(err, STATUS_INVALID, "byte %zu: the file ends before its first message",
                         m.at);
    if (m.is_cut)
        return profile_add_warning(out, "truncated",
                                   "the file ends inside message %zu at byte %zu; shown is what "
                                   "came before",
                                   m.count + 1, m.at);
    if (!m.has_bye)
        return profile_add_warning(out, "interrupted",
                                   "the recording was not ended by its collector");
    return STATUS_OK;
}

static int detect_heliograph(const uint8_t *head, size_t len, bool is_whole_file)
{
    (void)is_whole_file;
    return len >= MAGIC_LEN && memcmp(head, MAGIC, MAGIC_LEN) == 0 ? 100 : 0;
}

static enum status put_message(void *ctx, const uint8_t *message, size_t len)
{
    struct buf *out = ctx;
    buf_put_u32(out, (uint32_t)len);
    buf_put(out, message, len);
    return buf_status(out);
}

static enum status write_heliograph(const struct profile *p, struct buf *out, struct buf *lost,
                                    struct error *err)
{
    (void)lost; /* it holds everything */
    buf_put(out, MAGIC, MAGIC_LEN);
    enum status st = apply_emit(p, "", put_message, out);
    return st == STATUS_OK
               ? st
               : error_set(err, st, "the profile could not be written (%s)", status_name(st));
}

/* ---- the same inside something else ---- */

struct pieces {
    heliograph_put_fn put;
    void *ctx;
};

static enum status put_piece(void *ctx, const uint8_t *message, size_t len)
{
    const struct pieces *p = ctx;
    const uint8_t size[4] = {(uint8_t)len, (uint8_t)(len >> 8), (uint8_t)(len >> 16),
                             (uint8_t)(len >> 24)};
    enum status st = p->put(p->ctx, size, sizeof(size));
    return st == STATUS_OK ? p->put(p->ctx, message, len) : st;
}

enum status heliograph_write_plain(const struct profile *p, heliograph_put_fn put, void *ctx)
{
    struct pieces pieces = {.put = put, .ctx = ctx};
    enum status st = put(ctx, MAGIC, MAGIC_LEN);
    return st == STATUS_OK ? apply_emit_plain(p, "", put_piece, &pieces) : st;
}

const struct format format_heliograph = {
    .name = "heliograph",
    .title = "Heliograph",
    .extensions = "heliograph",
    .detect = detect_heliograph,
    .read = read_heliograph,
    .write = write_heliograph,
};
