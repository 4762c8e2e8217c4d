#pragma once
/* Memory that is freed all at once: one arena per request or import. */

#include <stddef.h>

struct arena;

struct arena *arena_new(void);
void arena_free(struct arena *a); /* takes NULL */

/* Zeroed, aligned for any type; NULL when memory is short. Lives as long as the arena. */
void *arena_alloc(struct arena *a, size_t size);

/* As arena_alloc, but not zeroed: for what is written at once. */
void *arena_take(struct arena *a, size_t size);

/* A copy of `len` bytes with a NUL behind them. */
char *arena_copy(struct arena *a, const char *data, size_t len);

/* Bytes held, for reporting. */
size_t arena_size(const struct arena *a);
