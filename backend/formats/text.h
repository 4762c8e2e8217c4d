#pragma once
/* What the readers of text formats share: lines, numbers and names in bytes that have no NUL. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend/formats/format.h"

struct text {
    const char *data; /* not NUL-terminated */
    size_t len;
};

/* Lines of a file, without their "\n", "\r\n" or lone "\r" at the end of the line. */
struct text_lines {
    const char *at, *end;
    size_t number;    /* of the line last taken, from 1 */
    const char *kept; /* of a mapped file: pages before it are given back; else NULL */
};

void text_lines_init(struct text_lines *lines, const uint8_t *data, size_t len);
/* Of the whole input. Lines taken stay readable; a mapped file's do not stay in memory. */
void text_lines_of(struct text_lines *lines, const struct format_input *in);
bool text_lines_next(struct text_lines *lines, struct text *line);

struct text text_trim(struct text t);
bool text_equal(struct text t, const char *literal);
bool text_starts(struct text t, const char *literal);

/* Takes `literal` off the front when it is there. */
bool text_skip(struct text *t, const char *literal);

/* Splits at the first (last) `c`: `t` keeps what is behind (before) it. False when there is none.
 */
bool text_cut(struct text *t, char c, struct text *before);
bool text_cut_last(struct text *t, char c, struct text *behind);

/* Splits "name (file:line)", as py-spy and VizTracer write frames. False, and nothing touched, for
 * what only looks a little like it. */
bool text_split_place(struct text frame, struct text *name, struct text *file, uint32_t *line);

/* The next run of bytes up to a blank or tab; empty at the end. */
struct text text_word(struct text *t);

/* The whole text must be the number; false for anything else and when it does not fit. */
bool text_u64(struct text t, uint64_t *value);
bool text_i64(struct text t, int64_t *value);
bool text_hex(struct text t, uint64_t *value); /* without 0x */
bool text_f64(struct text t, double *value);   /* finite only */

/* Whether these bytes could be text at all: no control bytes other than blank space. */
bool text_is_plausible(const uint8_t *data, size_t len);

/* UTF-8 as Python writes it, lone surrogates included. */
bool text_is_utf8(struct text t);

/* Appends a character below 0x110000, surrogates too, or latin-1 bytes, as UTF-8. */
void text_put_utf8(struct buf *out, uint32_t c);
void text_put_latin1(struct buf *out, struct text t);

/* A file that starts with a UTF-16 byte order mark becomes UTF-8 (`owned`, to be freed after the
 * read); a UTF-8 mark is skipped. Anything else is left alone. */
enum status text_from_utf16(struct format_input *in, uint8_t **owned, struct error *err);
