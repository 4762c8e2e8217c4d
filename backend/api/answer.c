/* Small things that handlers read and answer. */

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "backend/api/inside.h"

/* ---- what comes in ---- */

bool api_check_id(struct http_request *r, const char *id)
{
    if (ident_is_valid(id, IDENT_CHARS))
        return true;
    struct error err;
    error_set(&err, STATUS_NOT_FOUND, "there is no profile \"%.40s\"", id);
    http_fail(r, &err);
    return false;
}

bool api_read_number(struct http_request *r, size_t part, uint64_t *number)
{
    const char *text = http_part(r, part);
    size_t len = strlen(text);
    if (len > 0 && len < 19 && strspn(text, "0123456789") == len) {
        *number = strtoull(text, NULL, 10);
        return true;
    }
    struct error err;
    error_set(&err, STATUS_NOT_FOUND, "there is no number \"%.40s\"", text);
    http_fail(r, &err);
    return false;
}

cJSON *api_read_json(struct http_request *r)
{
    struct error err = {0};
    const uint8_t *data;
    size_t len;
    cJSON *json = NULL;
    enum status st = http_read_body(r, &data, &len, &err);
    if (st == STATUS_OK)
        json = cJSON_ParseWithLength((const char *)data, len);
    if (st == STATUS_OK && !cJSON_IsObject(json)) {
        cJSON_Delete(json);
        json = NULL;
        error_set(&err, STATUS_INVALID, "the body is not a JSON object");
    }
    if (!json)
        http_fail(r, &err);
    return json;
}

/* ---- what goes out ---- */

void api_put_raw(struct json_out *j, const char *key, const char *text)
{
    json_out_key(j, key);
    buf_put_text(j->out, text && *text ? text : "{}");
    j->after_key = false;
}

void api_put_items(struct json_out *j, const char *key, const struct api_items *items)
{
    json_out_key(j, key);
    json_out_array(j);
    for (size_t i = 0; i < items->len; i++) {
        json_out_object(j);
        items->put(j, (const char *)items->items + i * items->item_size, items->ctx);
        json_out_end(j);
    }
    json_out_end(j);
}

void api_answer_begin(struct buf *body, struct json_out *j)
{
    buf_init(body, 0);
    json_out_init(j, body);
    json_out_object(j);
}

void api_answer(struct http_request *r, int code, struct buf *body, struct json_out *j)
{
    json_out_end(j);
    http_reply_json(r, code, body);
    buf_deinit(body);
}

void api_answer_empty(struct http_request *r, enum status st, const struct error *err)
{
    if (st == STATUS_OK)
        http_reply(r, 204, NULL, NULL, 0);
    else
        http_fail(r, err);
}
