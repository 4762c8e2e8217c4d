#include "common/base/array.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CAP = 16 };

bool array_reserve_raw(void *items, size_t *cap, size_t need, size_t item_size)
{
    if (need <= *cap)
        return true;
    size_t grown = *cap ? *cap : FIRST_CAP;
    while (grown < need) {
        if (grown > SIZE_MAX / 2)
            return false;
        grown *= 2;
    }
    if (grown > SIZE_MAX / item_size)
        return false;
    /* Copied out and in, since a T * may not be read as a void * (C17 6.5p7). */
    void *data;
    memcpy(&data, items, sizeof(data));
    void *moved = realloc(data, grown * item_size);
    if (!moved)
        return false;
    memcpy(items, &moved, sizeof(moved));
    *cap = grown;
    return true;
}
