#include "backend/formats/text_cache.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/map.h"

enum { FIRST_SLOTS = 1024 };

bool text_cache_init(struct text_cache *c)
{
    *c = (struct text_cache){.cap = FIRST_SLOTS, .slots = calloc(FIRST_SLOTS, sizeof(*c->slots))};
    return c->slots != NULL;
}

void text_cache_deinit(struct text_cache *c)
{
    free(c->slots);
    *c = (struct text_cache){0};
}

/* Eight bytes a step: hashing is most of the work on lines that share nothing. */
static uint64_t hash_text(struct text t)
{
    uint64_t h = t.len * 0x9e3779b97f4a7c15ULL;
    size_t i = 0;
    for (; i + 8 <= t.len; i += 8) {
        uint64_t word;
        memcpy(&word, t.data + i, 8);
        h = (h ^ word) * 0xff51afd7ed558ccdULL;
        h ^= h >> 32;
    }
    uint64_t rest = 0;
    for (; i < t.len; i++)
        rest = rest << 8 | (unsigned char)t.data[i];
    return map_mix(h ^ rest);
}

static struct text_cache_slot *slot_for(const struct text_cache *c, struct text t)
{
    size_t at = hash_text(t) & (c->cap - 1);
    while (c->slots[at].data &&
           (c->slots[at].len != t.len || memcmp(c->slots[at].data, t.data, t.len) != 0))
        at = (at + 1) & (c->cap - 1);
    return &c->slots[at];
}

static bool grow(struct text_cache *c)
{
    struct text_cache wider = {.cap = c->cap * 2, .len = c->len};
    wider.slots = calloc(wider.cap, sizeof(*wider.slots));
    if (!wider.slots)
        return false;
    for (size_t i = 0; i < c->cap; i++) {
        if (c->slots[i].data)
            *slot_for(&wider, (struct text){c->slots[i].data, c->slots[i].len}) = c->slots[i];
    }
    free(c->slots);
    *c = wider;
    return true;
}

const uint32_t *text_cache_find(const struct text_cache *c, struct text key)
{
    const struct text_cache_slot *slot = slot_for(c, key);
    return slot->data ? &slot->value : NULL;
}

bool text_cache_add(struct text_cache *c, struct text key, uint32_t value)
{
    if (key.len > UINT32_MAX || (c->len * 2 >= c->cap && !grow(c)))
        return false;
    *slot_for(c, key) =
        (struct text_cache_slot){.data = key.data, .len = (uint32_t)key.len, .value = value};
    c->len++;
    return true;
}
