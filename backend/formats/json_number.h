#pragma once
/* Decimal text to numbers, exactly: the double is the nearest one, as strtod's. */

#include <stdint.h>

#include "backend/formats/json_in.h"

/* Reads the number at `at`; where it ends, or NULL when the bytes are not a JSON number. */
const uint8_t *json_number_parse(const uint8_t *at, const uint8_t *end, struct json_number *out);
