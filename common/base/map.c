#include "common/base/map.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/pages.h"
#include "common/base/seed.h"

enum { FIRST_CAP = 64 };

void map_init(struct map *m)
{
    *m = (struct map){0};
}

void map_deinit(struct map *m)
{
    free(m->slots);
    *m = (struct map){0};
}

void map_clear(struct map *m)
{
    if (m->slots)
        memset(m->slots, 0, m->cap * sizeof(*m->slots));
    m->len = 0;
}

uint64_t map_mix(uint64_t key)
{
    key ^= key >> 33;
    key *= 0xff51afd7ed558ccdULL;
    key ^= key >> 33;
    key *= 0xc4ceb9fe1a85ec53ULL;
    key ^= key >> 33;
    return key;
}

static struct map_slot *slot_for(const struct map *m, uint64_t key)
{
    size_t at = (size_t)map_mix(key ^ m->seed) & (m->cap - 1);
    while (m->slots[at].used && m->slots[at].key != key)
        at = (at + 1) & (m->cap - 1);
    return &m->slots[at];
}

uint32_t *map_find(const struct map *m, uint64_t key)
{
    if (m->cap == 0)
        return NULL;
    struct map_slot *slot = slot_for(m, key);
    return slot->used ? &slot->value : NULL;
}

static bool grow(struct map *m)
{
    struct map bigger = {.cap = m->cap ? m->cap * 2 : FIRST_CAP, .len = m->len};
    bigger.slots = calloc(bigger.cap, sizeof(*bigger.slots));
    if (!bigger.slots)
        return false;
    bigger.seed = seed_random();
    pages_ask_for_huge(bigger.slots, bigger.cap * sizeof(*bigger.slots));
    for (size_t i = 0; i < m->cap; i++) {
        if (m->slots[i].used)
            *slot_for(&bigger, m->slots[i].key) = m->slots[i];
    }
    free(m->slots);
    *m = bigger;
    return true;
}

bool map_reserve(struct map *m, size_t more)
{
    while ((m->len + more) * 3 > m->cap * 2) {
        if (!grow(m))
            return false;
    }
    return true;
}

bool map_put(struct map *m, uint64_t key, uint32_t value)
{
    /* At most two thirds full: probes stay short. */
    if ((m->len + 1) * 3 > m->cap * 2 && !grow(m))
        return false;
    struct map_slot *slot = slot_for(m, key);
    if (!slot->used) {
        slot->used = 1;
        slot->key = key;
        m->len++;
    }
    slot->value = value;
    return true;
}
