#pragma once
/* A hash map from a 64-bit key to a 32-bit value: open addressing, linear probing.
 * The workhorse of interning (parent and frame -> stack, address -> code, ...). */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map {
    struct map_slot {
        uint64_t key;
        uint32_t value;
        uint32_t used;
    } * slots;
    size_t cap; /* a power of two, or 0 */
    size_t len;
    uint64_t seed; /* of this map's order, drawn anew whenever it grows */
};

void map_init(struct map *m);
void map_deinit(struct map *m);
void map_clear(struct map *m); /* keeps the memory */

/* The value, or NULL. Valid until the next put. */
uint32_t *map_find(const struct map *m, uint64_t key);

/* Sets or replaces; false when memory is short. */
bool map_put(struct map *m, uint64_t key, uint32_t value);

/* Room for `more` further keys: that many puts cannot fail. False when memory is short. */
bool map_reserve(struct map *m, size_t more);

/* A good mixer for our own keys (murmur3's finaliser constants). Not keyed: the map adds its seed,
 * so that keys from a foreign file cannot be chosen to fall together. */
uint64_t map_mix(uint64_t key);

static inline uint64_t map_pair(uint32_t high, uint32_t low)
{
    return (uint64_t)high << 32 | low;
}
