#pragma once
/* The x86-64 registers of a frame, by their DWARF numbers; some may be unknown. */

#include <stdbool.h>
#include <stdint.h>

enum {
    REGISTER_BX = 3,
    REGISTER_BP = 6,
    REGISTER_SP = 7,
    REGISTER_12 = 12,
    REGISTER_15 = 15,
    REGISTER_IP = 16, /* the return address column */
    REGISTERS = 17,
};

struct registers {
    uint64_t value[REGISTERS];
    uint32_t known; /* a bit each */
};

static inline bool register_is_known(const struct registers *r, unsigned number)
{
    return number < REGISTERS && (r->known >> number & 1) != 0;
}

static inline void register_set(struct registers *r, unsigned number, uint64_t value)
{
    r->value[number] = value;
    r->known |= UINT32_C(1) << number;
}
