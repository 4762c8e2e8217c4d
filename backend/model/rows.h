#pragma once
/* What the model's own files share: growing rows within the limits, and indexing them by content.
 *
 * Two different rows may have the same 64-bit key. The second then goes under rows_next_key(key),
 * and so on: whoever looks a row up compares its content and follows the same chain. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend/model/tables.h"
#include "common/base/array.h"
#include "common/base/map.h"

/* rows_reserve(&items, &cap, len): room for one more item than `len`. */
#define rows_reserve(items, cap, len) rows_reserve_raw((items), (cap), (len), sizeof(**(items)))

/* rows_room(&items, &cap, need): room for `need` items, within the limit of a table's rows. */
#define rows_room(items, cap, need)                                                                \
    ((need) > TABLES_MAX_ROWS                ? STATUS_TOO_LARGE                                    \
     : array_reserve((items), (cap), (need)) ? STATUS_OK                                           \
                                             : STATUS_NO_MEMORY)

static inline enum status rows_reserve_raw(void *items, size_t *cap, size_t len, size_t item_size)
{
    if (len >= TABLES_MAX_ROWS)
        return STATUS_TOO_LARGE;
    return array_reserve_raw(items, cap, len + 1, item_size) ? STATUS_OK : STATUS_NO_MEMORY;
}

static inline uint64_t rows_next_key(uint64_t key)
{
    return map_mix(key + 1);
}

/* Puts `row` at the end of the key's chain. False when memory is short. */
static inline bool rows_index(struct map *map, uint64_t key, size_t row)
{
    while (map_find(map, key))
        key = rows_next_key(key);
    return map_put(map, key, (uint32_t)row);
}
