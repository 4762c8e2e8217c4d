#pragma once
/* A thread's stack as it was at one moment, from its stack pointer on, and its registers then. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "collector/native/registers.h"

struct stack_copy {
    struct registers registers;
    uint64_t begin; /* address of the first byte */
    const uint8_t *bytes;
    size_t len;
};

static inline bool stack_copy_load(const struct stack_copy *c, uint64_t address, size_t size,
                                   uint64_t *out)
{
    if (address < c->begin || address - c->begin > c->len || size > 8 ||
        c->len - (address - c->begin) < size)
        return false;
    *out = 0;
    memcpy(out, c->bytes + (address - c->begin), size);
    return true;
}
