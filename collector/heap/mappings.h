#pragma once
/* The anonymous mappings of one process: ranges that the program may cut, join and cover. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mapping {
    uint64_t begin, end;
    uint32_t site;
    uint32_t born_ms;
    uint32_t ordinal;
    uint32_t counts; /* 1 in the piece that stands for the mapping, 0 in others cut from it */
};

struct mappings {
    struct mapping *items; /* in order, never overlapping */
    size_t len, cap;
};

void mappings_init(struct mappings *m);
void mappings_deinit(struct mappings *m);

/* Takes [begin, end) out. `on_part` hears of every piece that was there: `bytes` of it went, and
 * `is_whole` when nothing is left of it. Returns the bytes that went; when a piece must be cut in
 * two and memory is short, its far end is given up as well. */
uint64_t mappings_remove(struct mappings *m, uint64_t begin, uint64_t end,
                         void (*on_part)(void *ctx, const struct mapping *piece, uint64_t bytes,
                                         bool is_whole),
                         void *ctx);

/* Adds a range that nothing overlaps (remove first); false when memory is short. */
bool mappings_add(struct mappings *m, const struct mapping *mapping);
