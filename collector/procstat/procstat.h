#pragma once
/* Memory, CPU and threads of the target over time, as the kernel counts them.
 *
 * Series per process and, with has_process = false, for the whole tree: "rss" (bytes, every
 * interval), "pss", "uss", "swap" (bytes, every interval while reading them takes less than 2 % of
 * the time, else seldomer: the kernel walks all pages for them), "cpu" (percent of one core),
 * "threads" (count). Runs on a thread of its own, on absolute deadlines. */

#include <stdint.h>

#include "collector/stream/stream.h"
#include "collector/target/target.h"
#include "common/base/status.h"

struct procstat;

struct procstat_options {
    uint64_t interval_ns;        /* 0 = 100 ms; at least 1 ms */
    uint64_t detail_interval_ns; /* for pss, uss, swap at least; 0 = interval_ns */
};

/* Both the target and the stream must outlive it. Starts its thread. */
enum status procstat_open(struct procstat **out, struct target *target, struct stream *stream,
                          const struct procstat_options *options, struct error *err);

/* Takes one last round, ends the thread, frees. Takes NULL. */
void procstat_close(struct procstat *p);
