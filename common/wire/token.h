#pragma once
/* A message as a run of protobuf fields, and what goes wrong with it said by byte. */

#include <stddef.h>
#include <stdint.h>

#include "common/base/arena.h"
#include "common/base/status.h"

enum token_type { TOKEN_VARINT = 0, TOKEN_FIXED64 = 1, TOKEN_BYTES = 2, TOKEN_FIXED32 = 5 };

struct token {
    uint32_t number;
    enum token_type type;
    uint64_t value;      /* of a number, little endian bits of a fixed one */
    const uint8_t *data; /* of bytes */
    size_t len;
    const uint8_t *start;
};

struct decoder {
    const uint8_t *base; /* offsets in errors count from here */
    const char *where;
    size_t budget; /* bytes of memory that may still be taken */
    struct arena *arena;
    struct error *err;
};

void decoder_init(struct decoder *d, const uint8_t *base, struct arena *arena, struct error *err);

/* Returns STATUS_INVALID, with "byte N: " before the words. */
enum status decoder_fail(struct decoder *d, const uint8_t *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
enum status decoder_fail_with(struct decoder *d, enum status status, const uint8_t *at,
                              const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Memory from the arena, not zeroed, counted against the budget. `count` * `size` does not
 * overflow: both come from lengths that were checked. */
enum status decoder_take(struct decoder *d, const uint8_t *at, size_t count, size_t size,
                         void **out);

/* The next field; there must be one. Groups and the number 0 are errors. */
enum status token_take(struct decoder *d, const uint8_t **at, const uint8_t *end,
                       struct token *token);
