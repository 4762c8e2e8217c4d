#pragma once
/* How functions are called in answers. Internal to query, and to whoever prints a function. */

#include <stddef.h>
#include <stdint.h>

#include "backend/model/profile.h"
#include "common/base/buf.h"
#include "common/base/json_out.h"

/* The root of a flame graph stands in the list of functions under this id. */
enum { NAMES_ROOT = UINT32_MAX };

/* A function's name; "(unknown)" for the row that means that. `*len` may be longer than strlen. */
const char *names_function(const struct profile *p, uint32_t function, size_t *len);
const char *names_file(const struct profile *p, uint32_t function, size_t *len);
const char *names_module(const struct profile *p, uint32_t function, size_t *len);

/* "name", "file", "line" as three members of an open object. */
void names_members(struct json_out *j, const struct profile *p, uint32_t function);

/* "hash_password (login.py:12)": file without its folders. Appends to `out`. */
void names_place(struct buf *out, const struct profile *p, uint32_t function);
