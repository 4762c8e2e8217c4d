#pragma once
/* Carries the stream to where it goes: a server over a websocket (libwebsockets), a file, or both.
 *
 * Batches keep their place until the server has acknowledged them after its COMMIT: first in
 * memory up to a bound, then in a spool file. A lost connection is retried with backoff and
 * resumed at the server's next_seq. When the spool is full nothing more is taken from the stream,
 * which then drops (and counts) samples but never rows of its tables, so that the rest still fits
 * together. Runs on a thread of its own, and never blocks those who fill the stream. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/stream/stream.h"
#include "common/base/status.h"
#include "common/wire/wire.h"

struct uplink;

struct uplink_options {
    const char *server_url;  /* "http://127.0.0.1:7700"; NULL = none */
    const char *save_path;   /* .heliograph file; NULL = none */
    const char *spool_dir;   /* NULL = $TMPDIR, else /var/tmp */
    size_t memory_bytes;     /* unacknowledged batches in memory; 0 = 32 MiB */
    uint64_t spool_bytes;    /* 0 = 1 GiB */
    uint64_t interval_ns;    /* between batches; 0 = 250 ms */
    uint64_t welcome_ns;     /* what a server may take to welcome a connection; 0 = 10 s */
    struct wire_hello hello; /* borrowed until uplink_close */
    /* A person at the page asked for something; called on the uplink's thread. May be NULL. */
    void (*on_control)(void *ctx, const struct wire_control *control);
    void *ctx;
};

/* Starts the thread. With a server: waits up to `wait_ms` for its Welcome; STATUS_UNREACHABLE when
 * none came, STATUS_DENIED or another (with the server's words) when refused. 0 = does not wait:
 * the server may come later. */
enum status uplink_open(struct uplink **out, struct stream *stream,
                        const struct uplink_options *options, int wait_ms, struct error *err);

/* The page of this session, "" before the first Welcome. Valid until uplink_close. */
const char *uplink_url(const struct uplink *u);

struct uplink_state {
    bool is_connected;
    uint64_t acked_seq, sent_seq, taken_seq;
    uint64_t reconnects, dropped_batches, bytes_sent;
    bool is_refused; /* for good, nothing more is sent; `refusal` says why */
    struct error refusal;
    bool is_save_failed; /* the file ends before its end; `save_failure` says why */
    struct error save_failure;
};
void uplink_state(struct uplink *u, struct uplink_state *out);

/* Sends what is left and the Bye, waits up to `wait_ms` for the last ack, ends the thread, frees.
 * STATUS_UNREACHABLE when not all was acknowledged, STATUS_IO when not all is in the file. Takes
 * NULL. */
enum status uplink_close(struct uplink *u, const struct wire_bye *bye, int wait_ms,
                         struct error *err);
