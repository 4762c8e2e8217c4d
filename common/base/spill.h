#pragma once
/* A run of bytes of any length that comes piece by piece, from a pipe, an archive or a
 * request, and is then read as one: the first 16 MiB stay in memory, what is more goes to a file
 * without a name, whose pages the system takes back when it needs them and which is gone with the
 * program. It lies in $TMPDIR, else in /var/tmp; where neither can be written everything stays in
 * memory. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/status.h"

enum { SPILL_IN_MEMORY = 16 << 20 };

struct spill {
    struct buf bytes; /* all of it, or what the file does not have yet */
    int fd;           /* -1 = none */
    uint64_t in_file;
    uint8_t *map; /* of the finished file */
};

void spill_init(struct spill *s);
void spill_deinit(struct spill *s);

/* `len` writable bytes at the end, already counted in, until the next call. The caller gives back
 * what it did not use. */
enum status spill_room(struct spill *s, size_t len, uint8_t **at, struct error *err);
void spill_give_back(struct spill *s, size_t unused);

uint64_t spill_len(const struct spill *s);

/* All bytes as one run, until spill_deinit; no room may be asked for any more. `is_mapped`: they
 * are a file's own pages. */
enum status spill_finish(struct spill *s, const uint8_t **data, size_t *len, bool *is_mapped,
                         struct error *err);
