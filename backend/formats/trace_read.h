#pragma once
/* Inside of the Chrome trace reader: what its files share. chrome_trace.c reads events and makes
 * slices of them, trace_cpu.c V8's CPU profiles inside, trace_hermes.c samples beside the events,
 * trace_beside.c counters and async events. */

#include "backend/formats/builder.h"
#include "backend/formats/json_in.h"
#include "backend/formats/json_number.h"
#include "backend/formats/trace_slices.h"
#include "backend/formats/trace_tracks.h"
#include "backend/formats/v8_nodes.h"
#include "backend/formats/v8_samples.h"

/* One V8 CPU profile that comes in chunks. */
struct trace_cpu {
    struct v8_nodes nodes;
    struct v8_samples samples;
    uint32_t track;
    int64_t start_us;
};

struct trace_point {
    int64_t at_ns;
    double value;
    uint32_t series;
};

struct trace_async {
    int64_t begin_ns, end_ns;
    uint32_t name, track;
    bool is_closed;
};

struct trace_reader {
    struct json_in json;
    struct builder build;
    struct trace_tracks tracks;
    struct trace_events events;
    struct trace_cpu *cpus;
    struct trace_point *points;
    struct trace_async *asyncs;
    uint32_t *threads; /* of each track */
    size_t cpus_len, cpus_cap, points_len, points_cap, asyncs_len, asyncs_cap, threads_cap;
    struct map cpu_by_id, series_by_name, async_by_key;
    size_t events_seen;
    int64_t base_ns;
    bool has_base, has_events;
    const uint8_t *samples, *stack_frames; /* marks: Hermes */
};

/* An event as it is read. Strings are rows, so that they outlive the next one. */
struct trace_item {
    char phase;
    uint32_t name, category, id, pid, tid;
    struct json_number at, dur;
    bool has_at;
    const uint8_t *args;
};

/* A number, which may come as text; whole nanoseconds of one in microseconds; text or a number as
 * text: ids, pids, tids. */
struct json_number trace_read_number(struct json_in *j);
int64_t trace_to_ns(struct trace_reader *r, struct json_number n);
uint32_t trace_read_id(struct trace_reader *r);

/* The profile begins with the earliest. */
void trace_note_time(struct trace_reader *r, int64_t at_ns);

/* Events with `args` (V8), 'b' and 'e' (async), 'C' (counters). */
void trace_read_cpu_event(struct trace_reader *r, const struct trace_item *e);
void trace_add_async(struct trace_reader *r, const struct trace_item *e);
void trace_add_counters(struct trace_reader *r, const struct trace_item *e);

/* Into the profile, once all events are read and `threads` are known. */
void trace_add_cpus(struct trace_reader *r);
void trace_read_hermes(struct trace_reader *r);
void trace_add_beside(struct trace_reader *r);
