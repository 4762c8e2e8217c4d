#include "collector/native/cfi.h"

#include <stdlib.h>
#include <string.h>

#include "collector/native/bytes.h"
#include "collector/native/cfi_program.h"
#include "common/base/array.h"
#include "common/base/map.h"

enum {
    FUNCTIONS_MAX = 4 << 20,
    ROWS_MAX = 16384, /* kept; then all are forgotten */
};

struct cfi {
    struct function {
        uint64_t begin, end;
        uint32_t entry; /* offset of the FDE in .eh_frame */
    } * functions;      /* by begin */
    size_t functions_len, functions_cap;
    struct map by_address; /* -> row + 1; 0 = there is none */
    struct cfi_row *rows;
    size_t rows_len, rows_cap;
};

static int by_begin(const void *left, const void *right)
{
    const struct function *a = left;
    const struct function *b = right;
    if (a->begin != b->begin)
        return a->begin < b->begin ? -1 : 1;
    return a->entry < b->entry ? -1 : a->entry > b->entry;
}

static bool make(struct image *image)
{
    struct cfi *cfi = calloc(1, sizeof(*cfi));
    if (!cfi)
        return false;
    map_init(&cfi->by_address);
    size_t at = 0;
    struct cfi_entry entry;
    while (cfi->functions_len < FUNCTIONS_MAX && cfi_next_entry(&image->frames, &at, &entry)) {
        if (!entry.is_function || entry.begin >= entry.end)
            continue;
        if (!array_reserve(&cfi->functions, &cfi->functions_cap, cfi->functions_len + 1))
            break;
        cfi->functions[cfi->functions_len++] =
            (struct function){entry.begin, entry.end, (uint32_t)entry.offset};
    }
    if (cfi->functions_len > 0)
        qsort(cfi->functions, cfi->functions_len, sizeof(*cfi->functions), by_begin);
    image->cfi = cfi;
    return true;
}

static const struct function *find_function(struct image *image, uint64_t address)
{
    if (!image->cfi && !make(image))
        return NULL;
    const struct cfi *cfi = image->cfi;
    size_t low = 0;
    size_t high = cfi->functions_len;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (cfi->functions[middle].begin <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 && address < cfi->functions[low - 1].end ? &cfi->functions[low - 1] : NULL;
}

uint64_t cfi_function(struct image *image, uint64_t address)
{
    const struct function *f = find_function(image, address);
    return f ? f->begin : 0;
}

const struct cfi_row *cfi_find(struct image *image, uint64_t address)
{
    struct cfi *cfi = image->cfi;
    uint32_t *known = cfi ? map_find(&cfi->by_address, address) : NULL;
    if (known)
        return *known ? &cfi->rows[*known - 1] : NULL;

    const struct function *f = find_function(image, address);
    cfi = image->cfi;
    if (!cfi)
        return NULL;
    if (cfi->by_address.len >= ROWS_MAX) {
        map_clear(&cfi->by_address);
        cfi->rows_len = 0;
    }
    if (!array_reserve(&cfi->rows, &cfi->rows_cap, cfi->rows_len + 1))
        return NULL;
    struct cfi_row *row = &cfi->rows[cfi->rows_len];
    bool is_good = f && cfi_compute(&image->frames, f->entry, address, row);
    if (is_good)
        cfi->rows_len++;
    if (!map_put(&cfi->by_address, address, is_good ? (uint32_t)cfi->rows_len : 0) && is_good)
        cfi->rows_len--;
    return is_good ? row : NULL;
}

void cfi_free(struct cfi *cfi)
{
    if (!cfi)
        return;
    map_deinit(&cfi->by_address);
    free(cfi->functions);
    free(cfi->rows);
    free(cfi);
}
