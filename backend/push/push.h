#pragma once
/* Profiles that come in pieces, a few seconds each, from programs that profile themselves
 * (Pyroscope's SDKs, OpenTelemetry): the pieces of one program become one live profile.
 *
 * A stream is a name with its labels. It begins with its first piece, ends when none has come for
 * a while, and is in the store after each piece: push_add returns after COMMIT. */

#include <stdint.h>

#include "backend/store/library.h"
#include "common/base/status.h"

struct push;

enum {
    PUSH_MAX_STREAMS = 256,
    PUSH_MAX_SETS = 16,         /* kinds of samples in one stream */
    PUSH_MAX_TABLES = 64 << 20, /* bytes of tables; then the stream begins anew */
    PUSH_IDLE_S = 120,          /* without a piece: the stream is over */
    PUSH_MAX_LABELS = 64,
};

struct push_label {
    const char *key, *value;
};

struct push_piece {
    const char *name;     /* of the program */
    const char *producer; /* who sent it */
    const char *format;   /* "pyroscope", "otlp" */
    const struct push_label *labels;
    size_t labels_len;
    uint64_t begin_unix_ns; /* of the piece's time; 0 = now */
    const struct profile *profile;
};

enum status push_new(struct push **out, struct library *library, struct error *err);
void push_free(struct push *p); /* ends all streams; takes NULL */

/* STATUS_BUSY above the limit of streams, else as library_append. `id` gets the profile's. */
enum status push_add(struct push *p, const struct push_piece *piece, char id[24],
                     struct error *err);

struct push_stats {
    uint64_t streams, pieces, refused;
};
void push_stats(struct push *p, struct push_stats *out);
