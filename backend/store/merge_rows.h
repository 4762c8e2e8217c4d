#pragma once
/* The rows of merge.h that are not plain arrays: samples by set, points by metric. */

#include "backend/store/merge.h"

enum status merge_samples(const struct wire_batch *parts, size_t len, struct wire_batch *out,
                          struct arena *arena);
enum status merge_points(const struct wire_batch *batches, size_t batches_len,
                         struct wire_batch *out, struct arena *arena);
