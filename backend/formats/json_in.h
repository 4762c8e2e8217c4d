#pragma once
/* Reading JSON of any size without a tree: the reader walks the bytes in order and takes what it
 * knows. Failure is sticky: after the first fault every call says "no more", and json_in_status()
 * tells why, with line and column, so that a reader checks once at its end.
 *
 *     json_in_object(j);
 *     while (json_in_key(j, &key)) {
 *         if (text_equal(key, "name"))
 *             name = json_in_string(j);
 *         else
 *             json_in_skip(j);
 *     }
 *
 * Strings come out as bytes: escapes become UTF-8, a lone \uD800..\uDFFF its three WTF-8 bytes,
 * bytes that are not UTF-8 stay as they are. NaN and Infinity are taken as Python writes them. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend/formats/text.h"
#include "common/base/buf.h"
#include "common/base/status.h"

enum { JSON_IN_DEPTH = 32768 }; /* arrays and objects inside each other */

enum json_kind {
    JSON_NOTHING, /* the input ends here, or reading has failed */
    JSON_NULL,
    JSON_BOOL,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT,
};

struct json_number {
    double f64;
    int64_t i64;     /* when is_integer */
    bool is_integer; /* written without fraction and exponent, and it fits */
};

struct json_in {
    const uint8_t *start, *at, *end;
    struct error *err;
    enum status failed;
    bool is_fresh;    /* just inside a container, before its first item */
    bool is_cut;      /* the fault is that the input ends too early */
    bool may_be_open; /* set by the reader: a trailing comma and a missing ] at the end are fine */
    uint32_t depth;
    struct buf scratch; /* the last string that had escapes */
    uint64_t is_object[JSON_IN_DEPTH / 64];
};

void json_in_init(struct json_in *j, const uint8_t *data, size_t len, struct error *err);
void json_in_deinit(struct json_in *j);

/* What comes next, without taking it. */
enum json_kind json_in_peek(struct json_in *j);

/* Goes into an array or object; fails when something else comes. Then json_in_item/json_in_key
 * until false, each followed by exactly one value taken. The key lives until the next string. */
bool json_in_array(struct json_in *j);
bool json_in_item(struct json_in *j);
bool json_in_object(struct json_in *j);
bool json_in_key(struct json_in *j, struct text *key);

/* The next value, of just this kind. A string lives until the next string or key. */
struct text json_in_string(struct json_in *j);
bool json_in_bool(struct json_in *j);
struct json_number json_in_number(struct json_in *j);
double json_in_f64(struct json_in *j);   /* finite only */
int64_t json_in_i64(struct json_in *j);  /* whole only; 12.0 and 1e3 are whole */
uint32_t json_in_u32(struct json_in *j); /* an index, a line, a count */

/* Any value, checked for form and dropped. */
void json_in_skip(struct json_in *j);

/* When the next value is null, takes it. */
bool json_in_null(struct json_in *j);

/* Notes where the next value stands and skips it, so that it can be read when what it refers to
 * is known. json_in_return must be called at the depth the mark was made. */
const uint8_t *json_in_mark(struct json_in *j);
void json_in_return(struct json_in *j, const uint8_t *mark);

/* Only blank space may follow. */
bool json_in_finish(struct json_in *j);

/* The reader's own complaint, with the position put behind it. */
void json_in_fail(struct json_in *j, enum status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* STATUS_OK or why reading stopped; the words are in `err`. */
static inline enum status json_in_status(const struct json_in *j)
{
    return j->failed;
}

/* Passes on what another function said about the value just read. */
static inline bool json_in_check(struct json_in *j, enum status status)
{
    if (status != STATUS_OK)
        json_in_fail(j, status, "%s", status_name(status));
    return j->failed == STATUS_OK;
}
