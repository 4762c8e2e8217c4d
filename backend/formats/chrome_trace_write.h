#pragma once
/* Writes the Trace Event Format, as chrome://tracing and ui.perfetto.dev open it: a thread's stacks
 * as begin and end events, series as counters, spans as async events. */

#include "backend/model/profile.h"
#include "common/base/buf.h"

enum status chrome_trace_write(const struct profile *p, struct buf *out, struct buf *lost,
                               struct error *err);
