#include "backend/formats/json_head.h"

#include <string.h>

void json_head_read(struct json_head *h, const uint8_t *head, size_t len)
{
    h->data = head;
    h->data_len = len;
    h->len = 0;
    h->item = JSON_NOTHING;
    struct json_in j;
    json_in_init(&j, head, len, NULL);
    h->top = json_in_peek(&j);
    bool is_object = h->top == JSON_OBJECT;
    if (h->top == JSON_ARRAY && json_in_array(&j) && json_in_item(&j)) {
        h->item = json_in_peek(&j);
        is_object = h->item == JSON_OBJECT;
    }
    struct text key;
    if (is_object && json_in_object(&j)) {
        while (h->len < JSON_HEAD_KEYS && json_in_key(&j, &key)) {
            const uint8_t *at = (const uint8_t *)key.data;
            if (at >= head && at < head + len) {
                h->keys[h->len].key = key;
                h->keys[h->len++].kind = json_in_peek(&j);
            }
            json_in_skip(&j);
        }
    }
    json_in_deinit(&j);
}

enum json_kind json_head_kind(const struct json_head *h, const char *key)
{
    for (size_t i = 0; i < h->len; i++) {
        if (text_equal(h->keys[i].key, key))
            return h->keys[i].kind;
    }
    return JSON_NOTHING;
}

bool json_head_holds(const struct json_head *h, const char *text)
{
    return memmem(h->data, h->data_len, text, strlen(text)) != NULL;
}
