#pragma once
/* Which interpreters and threads a process has: its linked lists, followed. */

#include "collector/sampler/process.h"

/* Follows the lists; keeps what it knew of threads that are still there. False when they cannot be
 * read now. */
bool listing_update(struct sampled_process *p, uint64_t now);

/* Whether interpreter `index`'s list begins with `head` and hangs together as the last reading of
 * each thread state says. `*first` is where its threads begin in p->threads; moves on. */
bool listing_begins_with(const struct sampled_process *p, size_t index, uint64_t head,
                         size_t *first);
