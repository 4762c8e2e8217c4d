#include "backend/formats/unpack.h"

#include <lz4frame.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "common/base/spill.h"

enum {
    STEP = 256 * 1024,
    /* 8 MiB, as much as zstd writes by itself (up to -19): every unpacking holds its window. */
    MAX_WINDOW_LOG = 23,
};

/* The three libraries look the same from here: fill `out`, say how it went. */
enum progress { MORE, FRAME_END, BROKEN };

struct unpacker {
    const uint8_t *in;
    size_t in_len, in_at;
    struct spill *out;
    uint64_t max_bytes;
    struct error *err;
};

static enum status too_large(const struct unpacker *u)
{
    return error_set(u->err, STATUS_TOO_LARGE,
                     "the file unpacks to more than the limit of %llu MiB",
                     (unsigned long long)(u->max_bytes >> 20));
}

static enum status no_memory(const struct unpacker *u)
{
    return error_set(u->err, STATUS_NO_MEMORY, "no memory to unpack the file");
}

/* STATUS_CORRUPT here means: what is in `out` is all there is. */
static enum status corrupt(const struct unpacker *u, const char *kind, const char *what)
{
    return error_set(u->err, STATUS_CORRUPT, "the %s archive is damaged at byte %zu: %s", kind,
                     u->in_at, what);
}

static uint8_t *room(const struct unpacker *u, enum status *st)
{
    if (spill_len(u->out) >= u->max_bytes + 1) {
        *st = too_large(u);
        return NULL;
    }
    uint8_t *at = NULL;
    *st = spill_room(u->out, STEP, &at, u->err);
    return at;
}

static enum status take_back(const struct unpacker *u, size_t unused)
{
    spill_give_back(u->out, unused);
    return spill_len(u->out) > u->max_bytes ? too_large(u) : STATUS_OK;
}

/* Tapes and block devices fill up with zeros. */
static bool is_padding(const struct unpacker *u)
{
    for (size_t i = u->in_at; i < u->in_len; i++) {
        if (u->in[i] != 0)
            return false;
    }
    return true;
}

static enum status inflate_members(struct unpacker *u, z_stream *z)
{
    for (;;) {
        enum status st = STATUS_OK;
        z->next_out = room(u, &st);
        if (!z->next_out)
            return st;
        z->avail_out = STEP;
        z->next_in = (z_const Bytef *)(uintptr_t)(u->in + u->in_at);
        size_t left = u->in_len - u->in_at;
        z->avail_in = left > UINT32_MAX ? UINT32_MAX : (uInt)left;
        uInt offered = z->avail_in;
        int rc = inflate(z, Z_NO_FLUSH);
        u->in_at += offered - z->avail_in;
        bool no_progress = z->avail_out == STEP && offered == z->avail_in;
        st = take_back(u, z->avail_out);
        if (st != STATUS_OK)
            return st;
        if (rc == Z_STREAM_END) {
            /* gzip allows members one behind the other. */
            if (u->in_len - u->in_at < 2 || u->in[u->in_at] != 0x1f || u->in[u->in_at + 1] != 0x8b)
                return is_padding(u) ? STATUS_OK : corrupt(u, "gzip", "something else follows it");
            inflateReset(z);
        } else if (rc == Z_BUF_ERROR || (rc == Z_OK && no_progress)) {
            return corrupt(u, "gzip", "it ends too early");
        } else if (rc == Z_MEM_ERROR) {
            return no_memory(u);
        } else if (rc != Z_OK) {
            return corrupt(u, "gzip", z->msg ? z->msg : "bad data");
        }
    }
}

static enum status unpack_gzip(struct unpacker *u)
{
    z_stream z = {0};
    if (inflateInit2(&z, 15 + 16) != Z_OK)
        return no_memory(u);
    enum status st = inflate_members(u, &z);
    inflateEnd(&z);
    return st;
}

static enum status unpack_zstd(struct unpacker *u)
{
    ZSTD_DStream *z = ZSTD_createDStream();
    if (!z)
        return no_memory(u);
    ZSTD_DCtx_setParameter(z, ZSTD_d_windowLogMax, MAX_WINDOW_LOG);
    ZSTD_inBuffer in = {u->in, u->in_len, 0};
    enum status st = STATUS_OK;
    size_t rc = 1;
    while (st == STATUS_OK) {
        ZSTD_outBuffer out = {room(u, &st), STEP, 0};
        if (!out.dst)
            break;
        rc = ZSTD_decompressStream(z, &out, &in);
        u->in_at = in.pos;
        st = take_back(u, STEP - out.pos);
        if (st != STATUS_OK)
            break;
        if (ZSTD_isError(rc)) {
            st = corrupt(u, "zstd",
                         ZSTD_getErrorCode(rc) == ZSTD_error_frameParameter_windowTooLarge
                             ? "its window is above 8 MiB (pack without --long and --ultra)"
                             : ZSTD_getErrorName(rc));
        } else if (in.pos == in.size && out.pos < STEP) {
            if (rc != 0)
                st = corrupt(u, "zstd", "it ends too early");
            break;
        }
    }
    ZSTD_freeDStream(z);
    return st;
}

static enum status unpack_lz4(struct unpacker *u)
{
    LZ4F_dctx *z = NULL;
    if (LZ4F_isError(LZ4F_createDecompressionContext(&z, LZ4F_VERSION)))
        return no_memory(u);
    enum status st = STATUS_OK;
    for (;;) {
        uint8_t *at = room(u, &st);
        if (!at)
            break;
        size_t wrote = STEP;
        size_t took = u->in_len - u->in_at;
        size_t rc = LZ4F_decompress(z, at, &wrote, u->in + u->in_at, &took, NULL);
        if (LZ4F_isError(rc)) {
            take_back(u, STEP);
            st = corrupt(u, "lz4", LZ4F_getErrorName(rc));
            break;
        }
        u->in_at += took;
        st = take_back(u, STEP - wrote);
        if (st != STATUS_OK)
            break;
        if (rc == 0 && u->in_at == u->in_len)
            break;
        if (wrote == 0 && took == 0) {
            st = corrupt(u, "lz4", "it ends too early");
            break;
        }
    }
    LZ4F_freeDecompressionContext(z);
    return st;
}

typedef enum status (*unpack_fn)(struct unpacker *u);

static const struct {
    const char *magic;
    size_t len;
    unpack_fn run;
} kinds[] = {
    {"\x1f\x8b", 2, unpack_gzip},
    {"\x28\xb5\x2f\xfd", 4, unpack_zstd},
    {"\x04\x22\x4d\x18", 4, unpack_lz4},
};

static unpack_fn kind_of(const uint8_t *data, size_t len)
{
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (len >= kinds[i].len && memcmp(data, kinds[i].magic, kinds[i].len) == 0)
            return kinds[i].run;
    }
    return NULL;
}

static enum status unpack_layer(struct unpacked *out, unpack_fn run, uint64_t max_bytes,
                                struct error *err)
{
    struct spill bytes;
    spill_init(&bytes);
    struct error why = {0};
    struct unpacker u = {
        .in = out->data, .in_len = out->len, .out = &bytes, .max_bytes = max_bytes, .err = &why};
    enum status st = run(&u);
    if (st == STATUS_CORRUPT && spill_len(&bytes) > 0) {
        out->is_cut = true;
        out->why = why;
        st = STATUS_OK;
    }
    const uint8_t *data = NULL;
    size_t len = 0;
    bool is_mapped = false;
    if (st == STATUS_OK)
        st = spill_finish(&bytes, &data, &len, &is_mapped, &why);
    if (st != STATUS_OK) {
        spill_deinit(&bytes);
        return error_set(err, st, "%s", why.text);
    }
    spill_deinit(&out->layer);
    out->layer = bytes;
    out->data = data;
    out->len = len;
    out->is_mapped = is_mapped;
    out->is_unpacked = true;
    return STATUS_OK;
}

enum status unpack(struct unpacked *out, const uint8_t *data, size_t len, uint64_t max_bytes,
                   struct error *err)
{
    *out = (struct unpacked){.data = data, .len = len};
    spill_init(&out->layer);
    for (int layer = 0;; layer++) {
        unpack_fn run = kind_of(out->data, out->len);
        if (!run)
            return STATUS_OK;
        enum status st;
        if (layer == UNPACK_MAX_LAYERS)
            st = error_set(err, STATUS_TOO_LARGE, "more than %d archives one inside another",
                           UNPACK_MAX_LAYERS);
        else
            st = unpack_layer(out, run, max_bytes, err);
        if (st != STATUS_OK) {
            unpack_deinit(out);
            return st;
        }
    }
}

void unpack_deinit(struct unpacked *u)
{
    if (u->is_unpacked)
        spill_deinit(&u->layer);
    *u = (struct unpacked){0};
}
