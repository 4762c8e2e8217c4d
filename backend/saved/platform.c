/* WebAssembly in a page has neither processes nor zstd nor huge pages: this stands in for the
 * sources that need them (common/base/{seed,pages}.c, common/wire/pack.c). */

#include "backend/saved/platform.h"

#include <stdlib.h>
#include <unistd.h>

#include "common/base/pages.h"
#include "common/base/seed.h"
#include "common/wire/fields.h"

uint64_t seed_random(void)
{
    uint64_t seed = 0;
    return getentropy(&seed, sizeof(seed)) == 0 ? seed : 0x9e3779b97f4a7c15ULL;
}

void pages_ask_for_huge(void *block, size_t size)
{
    (void)block;
    (void)size;
}

/* Writers pack nothing in files, and the page unpacks all with the browser's gzip. */
enum status pack_batch(struct buf *out, const struct buf *raw)
{
    (void)out;
    (void)raw;
    return STATUS_UNSUPPORTED;
}

enum status unpack_batch(const struct wire_bytes *packed, uint64_t raw_size, struct arena *arena,
                         const uint8_t **raw, struct error *err)
{
    (void)packed;
    (void)raw_size;
    (void)arena;
    (void)raw;
    return error_set(err, STATUS_UNSUPPORTED, "a packed batch in a saved page");
}

/* One thread: the comparison and what it needs can lie here while qsort runs. */
static int (*compare_now)(const void *, const void *, void *);
static void *ctx_now;

static int compare_plain(const void *a, const void *b)
{
    return compare_now(a, b, ctx_now);
}

void saved_qsort_r(void *base, size_t n, size_t size,
                   int (*compare)(const void *, const void *, void *), void *ctx)
{
    compare_now = compare;
    ctx_now = ctx;
    qsort(base, n, size, compare_plain);
}
