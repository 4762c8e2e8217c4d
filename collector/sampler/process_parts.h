#pragma once
/* What process_round.c needs of process_read.c. */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "collector/sampler/process.h"

/* Room for what is to be read; false also when it is more than any stacks take. */
bool process_make_room(struct sampled_process *p, size_t iov_len, size_t bytes);

/* Reads these pieces into the slice, `bytes` in all, and judges whether that was quick enough.
 * Returns how many came, -1 for none. */
ssize_t process_read_memory(struct sampled_process *p, struct sampling *s, const struct iovec *iov,
                            size_t iov_len, size_t bytes);

/* Whether there is nothing to read again. */
bool process_is_settled(enum reading_result result);

/* Reads again until it holds, up to `retries` times after `result`. */
enum reading_result process_insist(struct sampled_process *p, struct sampling *s,
                                   struct sampled_thread *t, enum reading_result result,
                                   int retries, size_t *len);

/* Whether the thread can be stopped, whether the time left allows it too, and to do so and read it.
 */
bool process_can_stop(const struct sampling *s, const struct sampled_thread *t);
bool process_may_stop(const struct sampling *s, const struct sampled_thread *t);
enum reading_result process_read_stopped(struct sampled_process *p, struct sampling *s,
                                         struct sampled_thread *t, bool *is_stopped,
                                         enum reading_result result, size_t *len);
