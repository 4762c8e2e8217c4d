#pragma once
/* One sentence that says what matters: "62 % in hash_password (login.py:12); peak 1.2 GB at 41 s".
 */

#include "backend/model/profile.h"
#include "backend/query/cache.h"
#include "common/base/buf.h"
#include "common/base/status.h"

/* Appends the sentence, or nothing when there is nothing to say. */
enum status summary_write(const struct profile *p, struct query_cache *cache, struct buf *out);

/* "1.2 GB", "41 s", "3,200": the words for an amount in a unit. */
void summary_amount(double amount, const char *unit, char *out, size_t size);
