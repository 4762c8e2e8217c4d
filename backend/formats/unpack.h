#pragma once
/* Takes gzip (any number of members), zstd and lz4 frames off a file, also one inside another. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/spill.h"
#include "common/base/status.h"

struct unpacked {
    const uint8_t *data;
    size_t len;
    bool is_unpacked; /* `data` is ours, otherwise it is the caller's */
    bool is_mapped;   /* as in struct format_input; only of what is ours */
    struct spill layer;
    bool is_cut;      /* the archive ended too early or breaks; `data` is what came before */
    struct error why; /* of the cut */
};

enum { UNPACK_MAX_LAYERS = 3 };

/* STATUS_TOO_LARGE when more than `max_bytes` come out, STATUS_CORRUPT when nothing does. */
enum status unpack(struct unpacked *out, const uint8_t *data, size_t len, uint64_t max_bytes,
                   struct error *err);
void unpack_deinit(struct unpacked *u);
