#pragma once
/* Look-ups in a large hash table go all over it: with small pages much of their time is the walk
 * from address to page (10 % of importing millions of stacks). */

#include <stddef.h>

/* Asks for large pages, before the first touch; a wish, which may change nothing. Blocks of a few
 * megabytes or less are left alone. */
void pages_ask_for_huge(void *block, size_t size);
