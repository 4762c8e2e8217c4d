#pragma once
/* Where everything the collector learns comes together, as the wire's incremental tables.
 *
 * The sampler, the heap and procstat add rows; the uplink takes a batch several times a second.
 * Producers live on several threads: each holds the lock while it adds (stream_lock), and adds
 * in bulk, never once per sample from a hot loop. Rows given out keep their number for the whole
 * session. Nothing here blocks on the network: what waits for the server waits in the uplink. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/status.h"
#include "common/wire/wire.h"

struct stream;

struct stream_limits {
    size_t pending_samples; /* above it new samples are dropped and counted; 0 = 1 << 22 */
    size_t table_bytes;     /* strings and tables of the whole session; 0 = 512 MiB */
};

/* Session time 0 is `start_ns` on the monotonic clock. */
enum status stream_new(struct stream **out, uint64_t start_ns, const struct stream_limits *limits);
void stream_free(struct stream *s);
uint64_t stream_start_ns(const struct stream *s);

void stream_lock(struct stream *s);
void stream_unlock(struct stream *s);

/* ---- tables: all with the lock held; the same content gives the same number. When memory or
 * a limit is short they give 0 ("unknown", the empty stack) and count a "table_full". ---- */
uint32_t stream_string(struct stream *s, const char *data, size_t len);
uint32_t stream_function(struct stream *s, const struct wire_function *function);
uint32_t stream_frame(struct stream *s, const struct wire_frame *frame);
uint32_t stream_stack(struct stream *s, uint32_t parent, uint32_t frame);

/* Numbers of processes and threads are given in order of coming; setting one again changes it. */
uint32_t stream_process(struct stream *s, uint64_t pid, uint64_t parent_pid, const char *command,
                        size_t command_len);
void stream_process_runtime(struct stream *s, uint32_t process, const char *runtime);
void stream_process_end(struct stream *s, uint32_t process, uint64_t end_ns);
uint32_t stream_thread(struct stream *s, uint32_t process, uint64_t tid, const char *name);

/* ---- what is measured; times are absolute on the monotonic clock and made relative here ---- */

/* Declares a kind of samples once; `values` as "name/unit" pairs, e.g. {"wall","ns","cpu","ns"}. */
uint32_t stream_sample_set(struct stream *s, const char *name, const char *const (*values)[2],
                           size_t values_len, uint64_t period);

/* `len` samples at once; `values` holds values_len columns, one after the other, `len` each. */
void stream_samples(struct stream *s, uint32_t set, size_t len, const uint64_t *time_ns,
                    const uint32_t *thread, const uint32_t *stack, const uint32_t *state,
                    const int64_t *values);

uint32_t stream_metric(struct stream *s, const char *name, const char *unit, bool has_process,
                       uint32_t process);
void stream_point(struct stream *s, uint32_t metric, uint64_t time_ns, double value);

void stream_span(struct stream *s, const struct wire_span *span);

void stream_notice(struct stream *s, uint32_t severity, const char *code, const char *text);

enum { STREAM_MAX_SOURCE = 1 << 20 }; /* bytes of one file's text */

/* Whether a function of this session is of that file. */
bool stream_knows_file(const struct stream *s, const char *file, size_t len);

/* The text of such a file, which becomes part of the profile; what was given before is not sent
 * again. STATUS_NOT_FOUND when no function is of that file, STATUS_TOO_LARGE. */
enum status stream_source(struct stream *s, const char *file, size_t file_len, const char *text,
                          size_t text_len);

/* A running total ("samples", "torn", "stopped", "missed", "dropped", ...). */
void stream_counter_set(struct stream *s, const char *name, uint64_t value);

/* ---- taking ---- */

/* All that came since the last take, encoded as one or more ToServer messages with increasing
 * seq, none over the wire's limits, appended to `out` by `put`. Returns the number of messages.
 * Takes the lock itself. `put` must not call back into the stream. */
typedef enum status (*stream_put_fn)(void *ctx, uint64_t seq, const uint8_t *message, size_t len);
enum status stream_take(struct stream *s, stream_put_fn put, void *ctx, size_t *messages);
uint64_t stream_last_seq(const struct stream *s);
