#pragma once
/* Interned strings: each distinct run of bytes gets a small number. Number 0 is "". */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct strtab {
    struct strtab_item {
        const char *data; /* `len` bytes and a NUL behind them; may hold NULs itself */
        uint32_t len;
        uint32_t hash;
    } * items;
    size_t len;
    size_t cap;
    size_t bytes; /* of all strings, for limits and reporting */
    uint32_t *slots;
    size_t slots_cap;
    uint64_t seed; /* of the hashes: strings of a foreign file cannot be chosen to fall together */
    struct arena *arena;
};

bool strtab_init(struct strtab *t);
void strtab_deinit(struct strtab *t); /* takes a zeroed one too */

/* The number of this string, adding it when new. False when memory is short or the string is
 * 4 GiB or longer. */
bool strtab_add(struct strtab *t, const char *data, size_t len, uint32_t *id);

/* The number of this string if the table has it. */
bool strtab_find(const struct strtab *t, const char *data, size_t len, uint32_t *id);

/* As strtab_add, but always a new number: tables that are read back keep their numbering even
 * when they hold a string twice. */
bool strtab_append(struct strtab *t, const char *data, size_t len, uint32_t *id);

/* The text, NUL-terminated; "" for a number that is not there. Valid as long as the table. */
const char *strtab_text(const struct strtab *t, uint32_t id);
size_t strtab_len(const struct strtab *t, uint32_t id);

/* Bytes held, for reporting. */
size_t strtab_size(const struct strtab *t);
