#pragma once
/* Benchmarks over many runs (pytest-benchmark files): each benchmark of each machine as a line of
 * points in order of time, each point set against the one before it. A run is copied when it is
 * added, so that profiles need not be held together. */

#include <stddef.h>
#include <stdint.h>

#include "backend/model/profile.h"
#include "common/base/buf.h"
#include "common/base/status.h"

enum { HISTORY_MAX_RUNS = 1000, HISTORY_MAX_POINTS = 1 << 20 };

struct history;

enum status history_new(struct history **out);
void history_free(struct history *h); /* takes NULL */

/* `id` and `name` say which run it is. Profiles without benchmarks are passed over.
 * STATUS_TOO_LARGE over the limits. */
enum status history_add(struct history *h, const struct profile *p, const char *id,
                        const char *name);

/* Orders the runs and marks what changed: mean and median both by 5 % or more, and the mean by more
 * than chance (Welch's test, all benchmarks of a run controlled together; docs/compare.md). */
enum status history_finish(struct history *h);

size_t history_runs(const struct history *h);
/* Of each machine's latest run. */
size_t history_regressions(const struct history *h);

/* docs/compare.md has the object. What got slower in the latest run stands first. */
enum status history_write_json(const struct history *h, struct buf *out);
enum status history_write_text(const struct history *h, struct buf *out);
