#pragma once
/* What Pyroscope's SDKs send: push.v1.PushRequest (grafana/pyroscope, api/push/v1/push.proto), and
 * the name{label=value} of its older /ingest. */

#include <stddef.h>
#include <stdint.h>

#include "common/base/arena.h"
#include "common/base/status.h"

enum { PYROSCOPE_MAX_LABELS = 64, PYROSCOPE_MAX_SAMPLES = 4096 };

struct pyroscope_labels {
    const char *name; /* of the program; "" when not told */
    struct pyroscope_label {
        const char *key, *value;
    } items[PYROSCOPE_MAX_LABELS];
    size_t len;
};

/* "shop.cpu{region=eu,env=test}" */
enum status pyroscope_read_name(struct pyroscope_labels *out, const char *text, struct arena *arena,
                                struct error *err);

/* One profile of a request: a pprof file, perhaps packed. Bytes point into the request. */
struct pyroscope_sample {
    const struct pyroscope_labels *labels;
    const uint8_t *data;
    size_t len;
};

/* All profiles of a PushRequest. Everything lives in the arena. */
enum status pyroscope_read_push(const struct pyroscope_sample **samples, size_t *samples_len,
                                const uint8_t *data, size_t len, struct arena *arena,
                                struct error *err);
