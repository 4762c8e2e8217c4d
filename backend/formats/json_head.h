#pragma once
/* What the head of a JSON file shows of its shape, for telling formats apart by content. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend/formats/json_in.h"

enum { JSON_HEAD_KEYS = 64 };

/* The keys of the object at the top, or of the first object in the array at the top, as far as
 * the head goes. Keys point into the head. */
struct json_head {
    const uint8_t *data; /* the head itself */
    size_t data_len;
    enum json_kind top, item; /* item: of an array's first */
    size_t len;
    struct {
        struct text key;
        enum json_kind kind;
    } keys[JSON_HEAD_KEYS];
};

void json_head_read(struct json_head *h, const uint8_t *head, size_t len);

/* The kind of this key's value; JSON_NOTHING when the head does not have it. */
enum json_kind json_head_kind(const struct json_head *h, const char *key);

/* Whether the bytes stand anywhere in the head. */
bool json_head_holds(const struct json_head *h, const char *text);
