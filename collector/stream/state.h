#pragma once
/* Inside of the stream: what its .c files share. */

#include <pthread.h>

#include "collector/stream/stream.h"
#include "common/base/buf.h"
#include "common/base/map.h"
#include "common/base/strtab.h"

enum {
    STREAM_MAX_STRING = 1 << 20, /* bytes; longer ones are cut */
    STREAM_MAX_ROWS = 1 << 28,   /* of one table, as the model's TABLES_MAX_ROWS */
    STREAM_MAX_ACTORS = 1 << 20, /* processes, threads */
    STREAM_MAX_METRICS = 1 << 16,
    STREAM_MAX_SETS = 256,
    STREAM_MAX_COUNTERS = 900,  /* the model keeps 1000 */
    STREAM_MAX_NOTICES = 10000, /* waiting */
};

/* A table that only grows; rows below `sent` have been handed to a take. */
struct stream_table {
    size_t len, cap, sent;
};

struct stream_process_row {
    struct wire_process row;
    bool is_changed; /* since it was last handed to a take; only looked at below `sent` */
};

struct stream_thread_row {
    struct wire_thread row;
    bool is_changed;
};

/* Samples of one set that wait to be taken. */
struct stream_rows {
    size_t len;
    size_t time_cap, thread_cap, stack_cap, state_cap, value_cap[WIRE_MAX_VALUES];
    uint64_t *time_ns;
    uint32_t *thread, *stack, *state;
    int64_t *value[WIRE_MAX_VALUES];
};

struct stream_set {
    struct wire_sample_set declaration;
    struct stream_rows rows;
};

struct stream_point_rows {
    size_t len, time_cap, value_cap;
    uint64_t *time_ns;
    double *value;
};

struct stream_series {
    struct wire_metric declaration;
    struct stream_point_rows rows;
};

struct stream_counter {
    struct wire_bytes name;
    uint64_t value;
    bool is_changed;
};

struct stream_source_row {
    uint32_t file;
    char *text; /* NULL: sent */
    size_t len;
};

struct stream_drops {
    uint64_t samples, points, spans, notices, table_full;
};

/* What one take got out of the stream, and how far it has been put. Belongs to the taking thread;
 * a put that fails leaves the rest here for the next take. */
struct stream_delivery {
    bool is_open;
    struct wire_batch all; /* what is not yet put, without samples and points */
    struct wire_bytes *strings;
    struct wire_function *functions;
    struct wire_frame *frames;
    struct wire_stack *stacks;
    struct wire_process *processes;
    struct wire_thread *threads;
    struct wire_sample_set *sets;
    struct wire_metric *metrics;
    struct wire_span *spans;
    struct wire_notice *notices;
    struct wire_counter *counters;
    struct wire_source *sources;
    char **source_texts;
    size_t source_texts_len;

    /* Groups of samples by set and of points by metric; `rows` own the columns. `at` is the first
     * group not wholly put, `cursor` the row in it. */
    struct wire_samples *samples;
    struct stream_rows *rows;
    size_t samples_len, samples_at, samples_cursor;
    struct wire_points *points;
    struct stream_point_rows *point_rows;
    size_t points_len, points_at, points_cursor;
};

struct stream {
    pthread_mutex_t lock;
    uint64_t start_ns;
    struct stream_limits limits;
    uint64_t taken_until_ns; /* end of the last batch's window */
    size_t table_bytes;      /* about; for the limit */

    struct strtab strings; /* the wire's */
    size_t strings_sent;
    struct strtab texts; /* names that are not rows of the wire's table */

    struct stream_table functions, frames, stacks, processes, threads;
    struct wire_function *function;
    struct wire_frame *frame;
    struct wire_stack *stack;
    struct stream_process_row *process;
    struct stream_thread_row *thread;
    struct map by_function, by_frame, by_stack, by_pid, by_tid;

    struct stream_set *set;
    struct stream_series *series;
    struct stream_table sets, metrics;
    struct map by_metric;

    struct wire_span *span;
    struct wire_notice *notice;
    struct stream_counter *counter;
    struct stream_source_row *source;
    size_t spans_len, spans_cap, notices_len, notices_cap, counters_len, counters_cap;
    size_t sources_len, sources_cap;
    size_t pending_samples, pending_points;
    struct stream_drops drops, drops_told;

    /* Of the taking thread; last_seq is read under the lock by others. */
    struct stream_delivery delivery;
    struct buf message;
    uint64_t last_seq;
};

/* Session time of an absolute monotonic time; what was before the start counts as the start. */
static inline uint64_t stream_relative(const struct stream *s, uint64_t time_ns)
{
    return time_ns > s->start_ns ? time_ns - s->start_ns : 0;
}

/* A copy of the text that lives as long as the stream; empty when memory or a limit is short. */
struct wire_bytes stream_keep_text(struct stream *s, const char *data, size_t len);

/* Makes room in the accounting for `bytes` of tables; false (and counted) above the limit. */
bool stream_charge(struct stream *s, size_t bytes);

void stream_rows_free(struct stream_rows *rows);
void stream_delivery_free(struct stream_delivery *d);

/* Moves everything that waits into the empty delivery. With the lock held. STATUS_NO_MEMORY leaves
 * the stream as it was. */
enum status stream_collect(struct stream *s, uint64_t now_ns);
