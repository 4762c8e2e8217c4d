#include <pthread.h>
#include <stdlib.h>
#include <zstd.h>

#include "common/wire/fields.h"

enum { LEVEL = 1 };

/* Making a zstd context costs more than packing a small batch: each thread keeps its own. */
struct contexts {
    ZSTD_CCtx *packer;
    ZSTD_DCtx *unpacker;
};

static pthread_key_t contexts_key;
static pthread_once_t contexts_once = PTHREAD_ONCE_INIT;
static int contexts_error;

static void free_contexts(void *data)
{
    struct contexts *c = data;
    ZSTD_freeCCtx(c->packer);
    ZSTD_freeDCtx(c->unpacker);
    free(c);
}

static void make_key(void)
{
    contexts_error = pthread_key_create(&contexts_key, free_contexts);
}

static struct contexts *own_contexts(void)
{
    if (pthread_once(&contexts_once, make_key) != 0 || contexts_error)
        return NULL;
    struct contexts *c = pthread_getspecific(contexts_key);
    if (c)
        return c;
    c = calloc(1, sizeof(*c));
    if (c && pthread_setspecific(contexts_key, c) != 0) {
        free(c);
        return NULL;
    }
    return c;
}

enum status pack_batch(struct buf *out, const struct buf *raw)
{
    struct contexts *c = own_contexts();
    if (c && !c->packer)
        c->packer = ZSTD_createCCtx();
    if (!c || !c->packer)
        return STATUS_NO_MEMORY;
    size_t room = ZSTD_compressBound(raw->len);
    uint8_t *at = buf_grow(out, room);
    if (!at)
        return buf_status(out);
    size_t len = ZSTD_compressCCtx(c->packer, at, room, raw->data, raw->len, LEVEL);
    if (ZSTD_isError(len))
        return STATUS_NO_MEMORY;
    out->len -= room - len;
    return STATUS_OK;
}

/* In one shot, so that zstd needs no window of its own: all the memory there is is the content,
 * whose size is known and checked before it is allocated. */
enum status unpack_batch(const struct wire_bytes *packed, uint64_t raw_size, struct arena *arena,
                         const uint8_t **raw, struct error *err)
{
    unsigned long long content = ZSTD_getFrameContentSize(packed->data, packed->len);
    if (content == ZSTD_CONTENTSIZE_ERROR || content == ZSTD_CONTENTSIZE_UNKNOWN)
        return error_set(err, STATUS_INVALID,
                         "ZstdBatch.data is not one zstd frame with its content size");
    if (content > WIRE_MAX_BATCH)
        return error_set(err, STATUS_TOO_LARGE, "ZstdBatch.data holds %llu bytes; at most %d fit",
                         content, WIRE_MAX_BATCH);
    if (content != raw_size)
        return error_set(err, STATUS_INVALID,
                         "ZstdBatch.data holds %llu bytes and raw_size says %llu", content,
                         (unsigned long long)raw_size);
    if (ZSTD_findFrameCompressedSize(packed->data, packed->len) != packed->len)
        return error_set(err, STATUS_INVALID,
                         "ZstdBatch.data is cut short or goes on after its frame");

    struct contexts *c = own_contexts();
    if (c && !c->unpacker)
        c->unpacker = ZSTD_createDCtx();
    uint8_t *to = arena_take(arena, (size_t)content + 1); /* never of no size */
    if (!c || !c->unpacker || !to)
        return error_set(err, STATUS_NO_MEMORY, "no memory for a batch of %llu bytes", content);
    size_t got = ZSTD_decompressDCtx(c->unpacker, to, (size_t)content, packed->data, packed->len);
    if (ZSTD_isError(got) || got != content)
        return error_set(err, STATUS_INVALID, "ZstdBatch.data is damaged: %s",
                         ZSTD_isError(got) ? ZSTD_getErrorName(got) : "it ends too early");
    *raw = to;
    return STATUS_OK;
}
