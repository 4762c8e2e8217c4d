#pragma once
/* The wire protocol as plain C data. heliograph.proto is the specification.
 *
 * Encoding appends one whole message to a buf. Decoding borrows: columns live in the arena, bytes
 * point into the message; both must outlive the decoded struct. Decoding checks every length,
 * count and nesting, never reads past the end, and takes memory in proportion to the message
 * (a packed column costs at most 8 bytes for each of its bytes). It checks form, not meaning:
 * whether an index exists is the model's question (backend/model/apply.h). */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/status.h"

enum {
    WIRE_PROTOCOL = 1,
    WIRE_MAX_MESSAGE = 16 << 20,  /* bytes of one message as sent */
    WIRE_MAX_BATCH = 64 << 20,    /* bytes of one batch when unpacked */
    WIRE_MAX_DECODED = 256 << 20, /* bytes of memory that decoding one message may take */
    WIRE_MAX_VALUES = 8,          /* value types of a sample set */
};

struct wire_bytes {
    const char *data; /* not NUL-terminated */
    size_t len;
};

struct wire_tag {
    struct wire_bytes key, value;
};

struct wire_hello {
    uint32_t protocol;
    struct wire_bytes session, token, name, host, runtime, producer, mode, format;
    uint64_t pid;
    uint64_t start_unix_ns;
    double rate_hz;
    const struct wire_bytes *argv;
    size_t argv_len;
    const struct wire_tag *tags;
    size_t tags_len;
};

struct wire_bye {
    uint64_t last_seq;
    int32_t exit_status;
    struct wire_bytes reason;
};

enum wire_function_kind {
    WIRE_PYTHON,
    WIRE_NATIVE,
    WIRE_BUILTIN,
    WIRE_KERNEL,
    WIRE_GC,
    WIRE_IDLE,
    WIRE_SYNTHETIC,
    WIRE_TASK,
    WIRE_KINDS, /* how many there are */
};

struct wire_function {
    uint32_t name, file, line, module, kind;
};

/* Where columns are known they are bytes of UTF-8; the range ends before `end_column`. */
struct wire_frame {
    uint32_t function, line, column, end_line, end_column;
};

struct wire_stack {
    uint32_t parent, frame;
};

struct wire_process {
    uint32_t index;
    uint64_t pid, parent_pid;
    struct wire_bytes command, runtime;
    uint64_t start_ns, end_ns;
};

struct wire_thread {
    uint32_t index, process;
    uint64_t tid;
    struct wire_bytes name;
};

struct wire_label_set {
    size_t len;
    const uint32_t *key, *value, *unit;
};

struct wire_value_type {
    struct wire_bytes name, unit;
};

struct wire_sample_set {
    uint32_t set;
    struct wire_bytes name;
    size_t values_len;
    struct wire_value_type values[WIRE_MAX_VALUES];
    uint64_t period;
};

enum wire_sample_state {
    WIRE_ON_CPU = 1,
    WIRE_HAS_GIL = 2,
    WIRE_WANTS_GIL = 4,
    WIRE_IN_GC = 8,
    WIRE_HAS_EXCEPTION = 16,
    WIRE_STOPPED_TO_READ = 32,
};

/* Columns of `len` rows; a NULL column is absent (see the .proto for what that means). `stack` is
 * never absent: it says how many rows there are. So do key and value of a label set, function and
 * edge_caller/callee of a call graph, line of lines, and both columns of points. */
struct wire_samples {
    uint32_t set;
    size_t len;
    const uint64_t *time_ns; /* absolute session time; deltas exist only on the wire */
    const uint32_t *thread, *stack, *state, *label_set;
    size_t values_len;
    struct wire_column {
        int64_t constant;
        const int64_t *value;
    } values[WIRE_MAX_VALUES];
};

struct wire_metric {
    uint32_t metric;
    struct wire_bytes name, unit;
    bool has_process;
    uint32_t process;
};

struct wire_points {
    uint32_t metric;
    size_t len;
    const uint64_t *time_ns;
    const double *value; /* whole values travel as integer deltas and come back exact */
};

struct wire_span {
    uint32_t name;
    uint64_t begin_ns, end_ns;
    uint32_t process, thread;
    double begin_value, end_value;
    uint32_t level;
};

struct wire_notice {
    uint32_t severity;
    struct wire_bytes code, text;
    uint64_t time_ns;
};

struct wire_counter {
    struct wire_bytes name;
    uint64_t value;
};

struct wire_call_graph {
    struct wire_bytes unit;
    size_t rows_len;
    const uint32_t *function;
    const uint64_t *calls, *primitive_calls;
    const double *self, *total;
    size_t edges_len;
    const uint32_t *edge_caller, *edge_callee;
    const uint64_t *edge_calls, *edge_primitive_calls;
    const double *edge_self, *edge_total;
};

struct wire_lines {
    uint32_t function;
    size_t len;
    const uint32_t *line;
    const uint64_t *hits;
    const double *time_s, *memory_bytes, *increment_bytes; /* each may be NULL */
};

struct wire_source {
    uint32_t file;
    struct wire_bytes text;
};

struct wire_benchmark {
    struct wire_bytes name, group;
    double mean_s, median_s, stddev_s, min_s, max_s;
    uint64_t rounds, iterations;
    size_t data_len;
    const double *data_s;
};

struct wire_batch {
    uint64_t seq, begin_ns, end_ns;

    uint64_t first_string, first_function, first_frame, first_stack;
    uint64_t first_process, first_thread, first_label_set;
    size_t strings_len, functions_len, frames_len, stacks_len;
    size_t processes_len, threads_len, label_sets_len;
    const struct wire_bytes *strings;
    const struct wire_function *functions;
    const struct wire_frame *frames;
    const struct wire_stack *stacks;
    const struct wire_process *processes;
    const struct wire_thread *threads;
    const struct wire_label_set *label_sets;

    size_t sets_len, samples_len, metrics_len, points_len, spans_len, notices_len, counters_len;
    const struct wire_sample_set *sets;
    const struct wire_samples *samples;
    const struct wire_metric *metrics;
    const struct wire_points *points;
    const struct wire_span *spans;
    const struct wire_notice *notices;
    const struct wire_counter *counters;

    const struct wire_call_graph *call_graph; /* NULL = none */
    size_t lines_len, sources_len, benchmarks_len;
    const struct wire_lines *lines;
    const struct wire_source *sources;
    const struct wire_benchmark *benchmarks;
};

struct wire_welcome {
    struct wire_bytes url;
    uint64_t next_seq;
};

struct wire_refused {
    struct wire_bytes code, message;
    bool is_final;
};

struct wire_control {
    bool has_paused, paused;
    bool has_rate, has_stop, stop;
    double rate_hz;
    struct wire_bytes source; /* the file whose text is wanted; empty = none */
};

enum wire_to_server_kind { WIRE_HELLO = 1, WIRE_BATCH, WIRE_ZSTD_BATCH, WIRE_BYE };
enum wire_to_collector_kind { WIRE_WELCOME = 1, WIRE_ACK, WIRE_REFUSED, WIRE_CONTROL };

struct wire_to_server {
    enum wire_to_server_kind kind; /* a ZSTD_BATCH arrives as WIRE_BATCH, unpacked */
    union {
        struct wire_hello hello;
        struct wire_batch batch;
        struct wire_bye bye;
    };
};

struct wire_to_collector {
    enum wire_to_collector_kind kind;
    union {
        struct wire_welcome welcome;
        uint64_t ack_seq;
        struct wire_refused refused;
        struct wire_control control;
    };
};

/* Appends one ToServer message. A batch goes as ZstdBatch (level 1) when that is smaller.
 * STATUS_TOO_LARGE over a limit; STATUS_INVALID when a required column is NULL or a sample's or
 * point's time is over INT64_MAX. On failure `out` holds what it held. */
enum status wire_encode_hello(struct buf *out, const struct wire_hello *hello);
enum status wire_encode_batch(struct buf *out, const struct wire_batch *batch);
enum status wire_encode_bye(struct buf *out, const struct wire_bye *bye);
/* Never as ZstdBatch: what a collector without zstd sends. */
enum status wire_encode_batch_plain(struct buf *out, const struct wire_batch *batch);

/* Appends one ToCollector message. */
enum status wire_encode_welcome(struct buf *out, const struct wire_welcome *welcome);
enum status wire_encode_ack(struct buf *out, uint64_t seq);
enum status wire_encode_refused(struct buf *out, const struct wire_refused *refused);
enum status wire_encode_control(struct buf *out, const struct wire_control *control);

/* Errors: STATUS_INVALID (with the byte offset), STATUS_TOO_LARGE, STATUS_NO_MEMORY. */
enum status wire_decode_to_server(struct wire_to_server *out, const uint8_t *data, size_t len,
                                  struct arena *arena, struct error *err);
enum status wire_decode_to_collector(struct wire_to_collector *out, const uint8_t *data, size_t len,
                                     struct arena *arena, struct error *err);
