#pragma once
/* From an instruction of a code object to its line: co_linetable of 3.11 (PEP 657's locations),
 * 3.10 (PEP 626) and co_lnotab before. Bounded by the table. */

#include <stddef.h>
#include <stdint.h>

/* `python` is PY_VERSION_HEX, `instruction` what memray wrote. 0 when the table does not say. */
uint32_t memray_line(uint32_t python, const uint8_t *table, size_t len, int64_t first_line,
                     int64_t instruction);
