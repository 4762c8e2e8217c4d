#pragma once
/* Inside of json_in: texts and their escapes. */

#include "backend/formats/json_in.h"

/* The file ends where it must not. */
void json_in_fail_at_end(struct json_in *j);

/* Stands on the opening quote; ends behind the closing one. `keep` = the caller wants the bytes;
 * they stay until the next text. */
struct text json_in_take_string(struct json_in *j, bool keep);

/* The first byte that is a quote, a backslash or a control character; eight at a time. */
const uint8_t *json_in_find_special(const uint8_t *at, const uint8_t *end);
