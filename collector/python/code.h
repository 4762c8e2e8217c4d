#pragma once
/* A code object: the name, file and lines behind a frame. */

#include <stdbool.h>
#include <stdint.h>

#include "collector/python/layout.h"
#include "collector/python/lines.h"
#include "collector/python/memory_reader.h"
#include "common/base/buf.h"

enum {
    PYTHON_LINE_TABLE_MAX = 4 << 20,
    PYTHON_CODE_MARK_SIZE = 80,
};

/* What tells a code object from a later one at the same address: the bytes of its pointers to name,
 * file and lines. They never change while it lives. */
struct python_code_mark {
    uint8_t bytes[PYTHON_CODE_MARK_SIZE];
};

struct python_code {
    uint64_t address;
    uint64_t bytecode;      /* address of the first instruction; 0 where ips are offsets */
    uint64_t bytecode_size; /* in bytes; 0 = not known */
    uint32_t first_line;
    struct python_code_mark mark;
    struct buf name, file, lines; /* UTF-8, UTF-8, the line table as it is */
};

void python_code_init(struct python_code *code);
void python_code_deinit(struct python_code *code);

/* Which bytes of the target make the mark. */
void python_code_mark_range(const struct python_layout *layout, uint64_t address, uint64_t *begin,
                            uint64_t *len);

/* Reads the code object at `address` into an initialised `code`, whose buffers are used again.
 * False when there is no code object there, or it changed while it was read. */
bool python_code_read(const struct python_layout *layout, const struct memory_reader *reader,
                      uint64_t address, struct python_code *code);

/* Where a frame's ip lies in the code, in bytes; -1 before the first instruction. False when it
 * cannot belong to this code. `tlbc` is the frame's bytecode copy (free-threaded builds). */
bool python_code_offset(const struct python_layout *layout, const struct memory_reader *reader,
                        const struct python_code *code, uint64_t ip, uint32_t tlbc,
                        int64_t *offset);

/* The place of such an offset in the source. */
struct python_place python_code_place(const struct python_layout *layout,
                                      const struct python_code *code, int64_t offset);
