#pragma once
/* Heliograph's own file as others carry it inside theirs (html.c, the saved page). */

#include "backend/formats/format.h"

extern const struct format format_heliograph;

/* The file piece by piece, without zstd. Stops at the first failure of `put`. */
typedef enum status (*heliograph_put_fn)(void *ctx, const void *data, size_t len);
enum status heliograph_write_plain(const struct profile *p, heliograph_put_fn put, void *ctx);
