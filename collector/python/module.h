#pragma once
/* Which package a source file belongs to, for colouring and grouping. */

#include <stddef.h>

/* The top-level package or module of `file`, e.g. ".../site-packages/numpy/core/x.py" -> "numpy",
 * ".../lib/python3.11/json/decoder.py" -> "json", "<frozen importlib._bootstrap>" -> "importlib",
 * "app/login.py" -> "login". A slice of `file`, not NUL-terminated; "" for none. */
const char *python_module_of(const char *file, size_t file_len, size_t *len);
