#pragma once
/* CPython's marshal format, versions 0 to 6, as far as plain data goes: no code objects, sets,
 * slices or complex numbers; those are refused by name. Source of the type codes:
 * CPython Python/marshal.c (v3.13.0; v2.7.18 for 'I' and 'R'). */

#include "backend/formats/values.h"

/* One value from the front of `data`; `*used` says how many bytes it took. Text points into
 * `data`. */
enum status marshal_read(struct values *v, const uint8_t *data, size_t len, uint32_t *root,
                         size_t *used, struct error *err);
