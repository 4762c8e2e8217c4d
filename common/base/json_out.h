#pragma once
/* Writing JSON into a buf, in order, without a tree. (Small JSON is read with cJSON.) */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"

enum { JSON_OUT_DEPTH = 32 };

struct json_out {
    struct buf *out;
    int depth;
    char closer[JSON_OUT_DEPTH];
    bool has_item[JSON_OUT_DEPTH];
    bool after_key;
};

void json_out_init(struct json_out *j, struct buf *out);

void json_out_object(struct json_out *j);
void json_out_array(struct json_out *j);
void json_out_end(struct json_out *j); /* closes the innermost object or array */

void json_out_key(struct json_out *j, const char *key);

/* Bytes that are not UTF-8 (surrogates too) become U+FFFD; '<', U+2028 and U+2029 are escaped, so
 * that the result may also stand inside a script element. */
void json_out_string(struct json_out *j, const char *data, size_t len);
void json_out_text(struct json_out *j, const char *text); /* NULL gives null */
void json_out_u64(struct json_out *j, uint64_t value);
void json_out_i64(struct json_out *j, int64_t value);
void json_out_f64(struct json_out *j, double value); /* shortest exact text; NaN, Inf -> null */
void json_out_bool(struct json_out *j, bool value);
void json_out_null(struct json_out *j);

/* A key with its value. */
void json_put_text(struct json_out *j, const char *key, const char *text); /* NULL gives "" */
void json_put_string(struct json_out *j, const char *key, const char *data, size_t len);
void json_put_u64(struct json_out *j, const char *key, uint64_t value);
void json_put_f64(struct json_out *j, const char *key, double value);
void json_put_bool(struct json_out *j, const char *key, bool value);
