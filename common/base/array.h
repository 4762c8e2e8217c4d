#pragma once
/* Growing plain arrays without losing the old block: one function instead of many reallocs. */

#include <stdbool.h>
#include <stddef.h>

/* Makes room for `need` items of `item_size` bytes. `items` is the address of the array's pointer;
 * it and `*cap` change only on success. Doubles, checks the multiplication, and returns false
 * when memory is short. */
bool array_reserve_raw(void *items, size_t *cap, size_t need, size_t item_size);

/* array_reserve(&items, &cap, need): `items` is any T *. */
#define array_reserve(items, cap, need) array_reserve_raw((items), (cap), (need), sizeof(**(items)))
