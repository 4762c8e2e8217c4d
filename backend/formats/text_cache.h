#pragma once
/* From a run of the file's bytes to a row: each distinct frame text is taken apart once. Keys are
 * not copied; the file must stay where it is. */

#include <stdbool.h>
#include <stdint.h>

#include "backend/formats/text.h"

struct text_cache {
    struct text_cache_slot {
        const char *data; /* NULL = free */
        uint32_t len, value;
    } * slots;
    size_t len, cap;
};

bool text_cache_init(struct text_cache *c);
void text_cache_deinit(struct text_cache *c);

/* NULL when it is not there. */
const uint32_t *text_cache_find(const struct text_cache *c, struct text key);

/* For a key that is not there; false when memory is short or the key is 4 GiB long. */
bool text_cache_add(struct text_cache *c, struct text key, uint32_t value);
