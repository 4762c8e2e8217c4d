#pragma once
/* The few things asked of an ELF file: where a symbol or a section lies, and at what address the
 * file was meant to be loaded. 64-bit little-endian; every offset in the file is checked. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/status.h"

struct elf {
    const uint8_t *data; /* the whole file, mapped */
    size_t len;
    uint64_t load_address; /* what the file's offset 0 is mapped at, before relocation */
};

/* Takes `fd` only for the call. STATUS_INVALID when it is no such ELF file. */
enum status elf_open(struct elf *out, int fd);
void elf_close(struct elf *e); /* takes a zeroed one too */

/* The address of an exported symbol, before relocation. */
bool elf_symbol(const struct elf *e, const char *name, uint64_t *address);

/* The address and size of a section, before relocation. */
bool elf_section(const struct elf *e, const char *name, uint64_t *address, uint64_t *size);
