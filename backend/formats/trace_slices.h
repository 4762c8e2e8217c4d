#pragma once
/* Begin/end and complete events of a trace, per thread, as samples: each stretch of time in which
 * a thread's stack does not change is one sample of that length. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend/formats/builder.h"

enum trace_phase { TRACE_BEGIN, TRACE_END, TRACE_COMPLETE };

struct trace_event {
    int64_t at_ns, dur_ns;
    uint32_t track, frame;
    uint32_t order; /* in the file */
    uint8_t phase;  /* enum trace_phase */
};

struct trace_events {
    struct trace_event *items;
    size_t len, cap;
};

struct trace_counts {
    size_t unmatched_ends, unclosed_begins;
};

/* Sorts the events and adds the samples. thread_of_track[] gives the row for each track; times
 * count from base_ns. An end closes the innermost open begin whatever its name; a begin without
 * an end lasts until the last event of its thread. Where slices overlap without being nested, the
 * one that began later stays when the earlier one ends. */
void trace_slices_add(struct trace_events *events, const uint32_t *thread_of_track, int64_t base_ns,
                      struct builder *b, uint32_t set, struct trace_counts *counts);
