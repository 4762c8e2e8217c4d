#pragma once
/* Answers that were given, for whoever asks the same again: many look at one profile, and a page is
 * opened more than once. Bounded in number and bytes; what was not asked for longest goes first.
 * Many threads may call. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/status.h"

enum { KEPT_MOST = 256 };

struct kept;

/* The same question: of one profile, at one revision. */
struct kept_key {
    const char *question; /* any bytes that say profile and question */
    size_t len;
    uint64_t revision;
};

struct kept_answer {
    const uint8_t *data;
    size_t len;
    bool is_binary; /* else JSON */
};

/* An answer of more than half of `max_bytes` is not kept. */
enum status kept_new(struct kept **out, uint64_t max_bytes);
void kept_free(struct kept *k); /* when nobody has an answer any more; takes NULL */

/* NULL when it is not known. Have it until kept_give. */
struct kept_answer *kept_find(struct kept *k, const struct kept_key *key);

/* Takes the bytes of `body`, and forgets what was kept of other revisions. NULL, and the body
 * stays the caller's, when it is too large or memory is short. Have it until kept_give. */
struct kept_answer *kept_take(struct kept *k, const struct kept_key *key, struct buf *body,
                              bool is_binary);
void kept_give(struct kept *k, struct kept_answer *answer); /* takes NULL */

uint64_t kept_size(struct kept *k);
