#pragma once
/* How everything here looks at a Python's memory: another process's, its own, or a recorded image.
 *
 * A reader hands out windows: local bytes that stand for a range of the target's addresses. A walk
 * keeps its window and asks again only when it leaves it, so a whole stack in one copied chunk
 * costs one call. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct memory_window {
    uint64_t begin, end; /* target addresses; empty when equal */
    const uint8_t *bytes;
};

struct memory_reader {
    /* A window that holds [address, address + len) whole; false when it cannot be read. The window
     * lives until the next call. Its bytes may be torn: the target runs while it is read. */
    bool (*find)(void *ctx, uint64_t address, size_t len, struct memory_window *out);
    void *ctx;
};

static inline bool memory_window_holds(const struct memory_window *w, uint64_t address, size_t len)
{
    return address >= w->begin && address <= w->end && w->end - address >= len;
}

/* The bytes at `address`, moving the window when needed; NULL when they cannot be read. */
static inline const uint8_t *memory_at(const struct memory_reader *r, struct memory_window *w,
                                       uint64_t address, size_t len)
{
    if (!memory_window_holds(w, address, len)) {
        if (len > UINT64_MAX - address || !r->find(r->ctx, address, len, w))
            return NULL;
    }
    return w->bytes + (address - w->begin);
}

static inline bool memory_read(const struct memory_reader *r, uint64_t address, void *out,
                               size_t len)
{
    struct memory_window w = {0};
    const uint8_t *bytes = memory_at(r, &w, address, len);
    if (!bytes)
        return false;
    memcpy(out, bytes, len);
    return true;
}

static inline bool memory_read_u64(const struct memory_reader *r, uint64_t address, uint64_t *out)
{
    return memory_read(r, address, out, sizeof(*out));
}
