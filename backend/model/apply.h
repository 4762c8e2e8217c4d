#pragma once
/* Batches into a profile, and a profile into batches. Functions, frames, stacks, processes,
 * threads, label sets, sample sets and series have the numbers they have on the wire; strings are
 * interned and get their own (profile.wire_strings). */

#include "backend/model/profile.h"
#include "common/base/status.h"
#include "common/wire/wire.h"

/* Writes what the hello says of the target into the profile's head. */
enum status apply_hello(struct profile *p, const struct wire_hello *hello, struct error *err);

/* Appends one batch. Everything is checked first (first_* fit, indices exist, times and counts in
 * range, strings in number and size within the limits): on any error the profile is unchanged.
 * STATUS_INVALID names the column and row. Samples and points older than what is there are put
 * in their place. */
enum status apply_batch(struct profile *p, const struct wire_batch *batch, struct error *err);

/* The whole profile as hello, batches of bounded size and bye, in order: how an imported file
 * enters the store, and how a .heliograph file is written. `put` gets encoded ToServer messages. */
typedef enum status (*apply_put_fn)(void *ctx, const uint8_t *message, size_t len);
enum status apply_emit(const struct profile *p, const char *session, apply_put_fn put, void *ctx);
/* The same without zstd, for a reader that has none (a saved page). */
enum status apply_emit_plain(const struct profile *p, const char *session, apply_put_fn put,
                             void *ctx);
