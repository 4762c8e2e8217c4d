#pragma once
/* What is worth keeping between two questions about the same profile: the merged tree of its
 * stacks, and the sums over all samples. Tables and samples only grow, so a live profile's cache
 * is brought up to date with what is new. Every question takes one; NULL = make a passing one.
 *
 * A cache belongs to one profile and is not locked: one question at a time. */

#include <stddef.h>

struct query_cache;

struct query_cache *query_cache_new(void); /* NULL when memory is short */
void query_cache_free(struct query_cache *c);

/* Bytes held, for a bound on all caches. */
size_t query_cache_size(const struct query_cache *c);
