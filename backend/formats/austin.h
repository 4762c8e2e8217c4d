#pragma once
/* What Austin's text and binary (MOJO) recordings have in common: metadata, modes, threads and
 * samples. Times are microseconds in the files, nanoseconds here. A collection in progress is a
 * sample's state, not a frame. */

#include "backend/formats/fill.h"
#include "common/base/map.h"

enum { AUSTIN_MAX_METRICS = 3 };

enum austin_mode { AUSTIN_WALL, AUSTIN_CPU, AUSTIN_MEMORY, AUSTIN_FULL };

struct austin_clock {
    uint32_t thread;
    uint64_t now_ns;
};

struct austin {
    struct fill fill;
    enum austin_mode mode;
    bool has_set;
    uint32_t set;
    uint64_t interval_us, duration_us;
    struct map clock_of; /* thread -> clocks[] */
    struct austin_clock *clocks;
    size_t clocks_len, clocks_cap;
    uint64_t latest_ns;
    uint64_t gc_samples, idle_samples, empty_samples;
};

struct austin_sample {
    uint32_t thread, stack;
    bool is_idle, is_gc;
    int64_t time_us, memory_bytes;
};

void austin_init(struct austin *a, struct profile *out, struct error *err);
void austin_deinit(struct austin *a);

/* "mode", "interval", "austin", ... */
void austin_meta(struct austin *a, struct text key, struct text value);

/* (pid, interpreter, thread id) is one thread; `name` may be empty. */
uint32_t austin_thread(struct austin *a, uint64_t pid, uint64_t tid, struct text name);

/* One frame: file "native@ADDRESS" and "kernel" are Austin's marks for those kinds. */
uint32_t austin_frame(struct austin *a, struct text file, struct text scope, uint64_t line,
                      uint64_t column);

void austin_add(struct austin *a, const struct austin_sample *sample);
enum status austin_finish(struct austin *a);
