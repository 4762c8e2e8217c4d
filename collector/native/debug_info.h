#pragma once
/* Source lines and inlined functions from DWARF, read by elfutils' libdw. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct debug_info;

struct debug_frame {
    const char *name; /* NULL = unknown; may be mangled. Lives as long as the debug_info */
    const char *file;
    uint32_t line;
};

/* Takes `fd`, also when it fails. */
bool debug_info_open(struct debug_info **out, int fd);
void debug_info_close(struct debug_info *d); /* takes NULL */

/* The functions at `address` (of the file, before relocation), innermost first: those put inside
 * others by the compiler, then the real one. 0 when the file says nothing about it. */
size_t debug_info_look(struct debug_info *d, uint64_t address, struct debug_frame *out, size_t max);
