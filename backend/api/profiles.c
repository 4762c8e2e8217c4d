/* The library: list, one profile, rename, delete. */

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "backend/api/inside.h"
#include "backend/query/about.h"
#include "common/base/ident.h"

/* "stacks,series" as an array. */
static void put_shapes(struct json_out *j, const char *list)
{
    json_out_key(j, "shapes");
    json_out_array(j);
    while (list && *list) {
        size_t n = strcspn(list, ",");
        if (n)
            json_out_string(j, list, n);
        list += n + (list[n] == ',');
    }
    json_out_end(j);
}

/* ---- list ---- */

static void put_row(struct json_out *j, const void *item, void *ctx)
{
    const struct library_row *row = item;
    (void)ctx;
    json_put_text(j, "id", row->id);
    json_put_text(j, "name", row->name);
    json_put_text(j, "format", row->format);
    json_put_text(j, "producer", row->producer);
    json_put_text(j, "state", library_state_name(row->state));
    json_put_u64(j, "created_unix_ms", row->created_unix_ms);
    json_put_f64(j, "duration_s", (double)row->duration_ns / 1e9);
    json_put_u64(j, "samples", row->samples);
    json_put_u64(j, "bytes", row->bytes);
    json_put_u64(j, "peak_rss_bytes", row->peak_rss_bytes);
    put_shapes(j, row->shapes);
    api_put_raw(j, "tags", row->tags);
    json_put_text(j, "summary", row->summary);
}

void api_list(struct http_request *r, void *ctx)
{
    struct api_server *s = ctx;
    struct error err = {0};
    uint64_t limit = 100;
    enum status st = api_param_u64(r, "limit", 500, &limit, &err);
    struct library_query query = {.text = http_query(r, "q"),
                                  .tag = http_query(r, "tag"),
                                  .cursor = http_query(r, "cursor"),
                                  .limit = limit ? limit : 1};
    struct library_row *rows = NULL;
    size_t len = 0;
    char next[64] = "";
    if (st == STATUS_OK)
        st = library_list(s->library, &query, &rows, &len, next, &err);
    if (st != STATUS_OK) {
        http_fail(r, &err);
        return;
    }
    struct buf body;
    struct json_out j;
    api_answer_begin(&body, &j);
    api_put_items(&j, "profiles", &(struct api_items){rows, len, sizeof(*rows), put_row, NULL});
    json_put_text(&j, "next", next);
    library_rows_free(rows, len);
    api_answer(r, 200, &body, &j);
}

/* ---- one ---- */

static enum status write_one(struct api_question *q, const struct library_row *row,
                             struct buf *body)
{
    struct buf summary;
    buf_init(&summary, 0);
    enum status st = api_question_summary(q, &summary);
    struct about a = {.id = q->id,
                      .name = q->is_redacted ? "Shared profile" : row->name,
                      .state = library_state_name(q->hold.state),
                      .revision = q->hold.revision,
                      .created_unix_ms = row->created_unix_ms,
                      .tags = q->is_redacted ? "{}" : row->tags,
                      .summary = (const char *)summary.data,
                      .summary_len = summary.len};
    if (st == STATUS_OK)
        st = about_write_json(&a, q->hold.profile, body);
    buf_deinit(&summary);
    return st;
}

/* The cache is always taken before the profile is held, as questions do: the other way round two
 * threads could wait for each other. */
void api_note_summary(struct api_server *s, const char *id)
{
    struct library_hold hold;
    struct buf text;
    buf_init(&text, 0);
    struct api_cache *cache = api_cache_take(s, id);
    enum status st = library_hold(s->library, id, &hold, NULL);
    bool is_live = st == STATUS_OK && hold.state == LIBRARY_LIVE;
    if (st == STATUS_OK) {
        st = is_live ? STATUS_OK : api_summary(cache, &hold, &text);
        library_release(s->library, &hold);
    }
    api_cache_give(s, cache);
    buf_put_byte(&text, 0);
    if (st == STATUS_OK && !is_live && buf_status(&text) == STATUS_OK)
        library_set_summary(s->library, id, (const char *)text.data, NULL);
    buf_deinit(&text);
}

void api_get(struct http_request *r, void *ctx)
{
    struct api_server *s = ctx;
    struct api_question q;
    struct error err = {0};
    if (!api_question_begin(&q, r, ctx))
        return;
    /* The row waits for the profile's lock in no case: it is read from the store. */
    struct library_row row = {0};
    struct buf body;
    buf_init(&body, 0);
    enum status st = library_row(s->library, q.id, &row, &err);
    bool is_untold = false;
    if (st == STATUS_OK) {
        st = write_one(&q, &row, &body);
        is_untold = q.hold.state != LIBRARY_LIVE && !(row.summary && *row.summary);
        free(row.name);
        free(row.format);
        free(row.producer);
        free(row.summary);
        free(row.tags);
        free(row.shapes);
    }
    api_question_reply(&q, st, &body, &err);
    /* One that a server before this one left open when it died ended without anybody there. */
    if (st == STATUS_OK && is_untold)
        api_note_summary(s, q.id);
}

/* ---- changes ---- */

static enum status check_tags(const cJSON *tags, struct error *err)
{
    if (!cJSON_IsObject(tags))
        return error_set(err, STATUS_INVALID, "tags is an object of texts");
    const cJSON *tag;
    cJSON_ArrayForEach(tag, tags)
    {
        if (!cJSON_IsString(tag))
            return error_set(err, STATUS_INVALID, "tags is an object of texts");
    }
    return STATUS_OK;
}

void api_patch(struct http_request *r, void *ctx)
{
    struct api_server *s = ctx;
    struct error err = {0};
    const char *id = http_part(r, 0);
    if (!api_check_id(r, id))
        return;
    cJSON *json = api_read_json(r);
    if (!json)
        return;
    const cJSON *name = cJSON_GetObjectItemCaseSensitive(json, "name");
    const cJSON *tags = cJSON_GetObjectItemCaseSensitive(json, "tags");
    enum status st = STATUS_OK;
    if (name && (!cJSON_IsString(name) || strlen(name->valuestring) > 1000))
        st = error_set(&err, STATUS_INVALID, "name is a text of at most 1,000 bytes");
    if (st == STATUS_OK && tags)
        st = check_tags(tags, &err);
    char *tags_text = st == STATUS_OK && tags ? cJSON_PrintUnformatted(tags) : NULL;
    if (st == STATUS_OK)
        st = library_rename(s->library, id, name ? name->valuestring : NULL, tags_text, &err);
    cJSON_free(tags_text);
    cJSON_Delete(json);
    api_answer_empty(r, st, &err);
}

void api_delete(struct http_request *r, void *ctx)
{
    struct api_server *s = ctx;
    struct error err = {0};
    const char *id = http_part(r, 0);
    if (!api_check_id(r, id))
        return;
    enum status st = library_delete(s->library, id, &err);
    if (st == STATUS_OK)
        http_reply(r, 204, NULL, NULL, 0);
    else
        http_fail_as(r, st == STATUS_BUSY ? 409 : http_code(st), &err, NULL);
}
