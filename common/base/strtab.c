#include "common/base/strtab.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/arena.h"
#include "common/base/array.h"
#include "common/base/seed.h"

enum { FIRST_SLOTS = 256 };

__extension__ typedef unsigned __int128 u128;

/* Both halves of the product: every bit of `a` and `b` reaches the result. */
static uint64_t fold(uint64_t a, uint64_t b)
{
    u128 product = (u128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Eight bytes a step; odd constants of evenly many bits. */
static uint32_t hash_bytes(uint64_t seed, const char *data, size_t len)
{
    uint64_t h = seed ^ len * 0x9e3779b97f4a7c15ULL;
    uint64_t word;
    for (; len >= sizeof(word); data += sizeof(word), len -= sizeof(word)) {
        memcpy(&word, data, sizeof(word));
        h = fold(h ^ word, 0xa24baed4963ee407ULL);
    }
    word = 0;
    if (len)
        memcpy(&word, data, len);
    h = fold(h ^ word, 0x9fb21c651e98df25ULL);
    return (uint32_t)(h ^ h >> 32);
}

bool strtab_init(struct strtab *t)
{
    *t = (struct strtab){.seed = seed_random(), .arena = arena_new()};
    uint32_t empty;
    if (t->arena && strtab_add(t, "", 0, &empty))
        return true;
    strtab_deinit(t);
    return false;
}

void strtab_deinit(struct strtab *t)
{
    arena_free(t->arena);
    free(t->items);
    free(t->slots);
    *t = (struct strtab){0};
}

static uint32_t *slot_for(const struct strtab *t, const char *data, size_t len, uint32_t hash)
{
    size_t at = hash & (t->slots_cap - 1);
    for (; t->slots[at]; at = (at + 1) & (t->slots_cap - 1)) {
        const struct strtab_item *item = &t->items[t->slots[at] - 1];
        if (item->hash == hash && item->len == len &&
            (len == 0 || memcmp(item->data, data, len) == 0))
            break;
    }
    return &t->slots[at];
}

static bool grow_slots(struct strtab *t)
{
    size_t cap = t->slots_cap ? t->slots_cap * 2 : FIRST_SLOTS;
    uint32_t *slots = calloc(cap, sizeof(*slots));
    if (!slots)
        return false;
    free(t->slots);
    t->slots = slots;
    t->slots_cap = cap;
    for (size_t i = 0; i < t->len; i++) {
        const struct strtab_item *item = &t->items[i];
        uint32_t *slot = slot_for(t, item->data, item->len, item->hash);
        if (*slot == 0)
            *slot = (uint32_t)i + 1;
    }
    return true;
}

static bool push(struct strtab *t, const char *data, size_t len, uint32_t hash, uint32_t *id)
{
    if (t->len >= UINT32_MAX - 1 || !array_reserve(&t->items, &t->cap, t->len + 1))
        return false;
    char *copy = arena_copy(t->arena, data, len);
    if (!copy)
        return false;
    t->items[t->len] = (struct strtab_item){.data = copy, .len = (uint32_t)len, .hash = hash};
    *id = (uint32_t)t->len++;
    t->bytes += len;
    return true;
}

static bool add(struct strtab *t, const char *data, size_t len, bool always_new, uint32_t *id)
{
    if (len >= UINT32_MAX)
        return false;
    if ((t->len + 1) * 2 > t->slots_cap && !grow_slots(t))
        return false;
    uint32_t hash = hash_bytes(t->seed, data, len);
    uint32_t *slot = slot_for(t, data, len, hash);
    if (*slot && !always_new) {
        *id = *slot - 1;
        return true;
    }
    if (!push(t, data, len, hash, id))
        return false;
    if (*slot == 0)
        *slot = *id + 1;
    return true;
}

bool strtab_add(struct strtab *t, const char *data, size_t len, uint32_t *id)
{
    return add(t, data, len, false, id);
}

bool strtab_find(const struct strtab *t, const char *data, size_t len, uint32_t *id)
{
    if (t->slots_cap == 0)
        return false;
    uint32_t slot = *slot_for(t, data, len, hash_bytes(t->seed, data, len));
    if (slot)
        *id = slot - 1;
    return slot != 0;
}

bool strtab_append(struct strtab *t, const char *data, size_t len, uint32_t *id)
{
    return add(t, data, len, true, id);
}

const char *strtab_text(const struct strtab *t, uint32_t id)
{
    return id < t->len ? t->items[id].data : "";
}

size_t strtab_len(const struct strtab *t, uint32_t id)
{
    return id < t->len ? t->items[id].len : 0;
}

size_t strtab_size(const struct strtab *t)
{
    return arena_size(t->arena) + t->cap * sizeof(*t->items) + t->slots_cap * sizeof(*t->slots);
}
