#pragma once
/* The same messages into a file (--save): docs/heliograph-file.md. Every batch is written at once
 * with one call, so that a file whose writer was killed is whole up to its last batch. */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/status.h"
#include "common/wire/wire.h"

#define SAVE_MAGIC "HELIOGRAPH1\n"

struct save {
    int fd; /* -1 = none */
    char *path;
    uint64_t size; /* whole messages */
    struct buf frame;
};

/* Creates or empties the file, writes the magic and the hello (without its token). */
enum status save_open(struct save *s, const char *path, const struct wire_hello *hello,
                      struct error *err);

/* On failure the file is cut back to the messages before. */
enum status save_put(struct save *s, const uint8_t *message, size_t len, struct error *err);

/* Writes the bye (which may be NULL), has everything on the disk, closes. */
enum status save_close(struct save *s, const struct wire_bye *bye, struct error *err);
