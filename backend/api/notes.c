/* Notes pinned to a profile. */

#include "backend/store/notes.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backend/api/inside.h"

static void put_note(struct json_out *j, const void *item, void *ctx)
{
    const struct library_note *note = item;
    (void)ctx;
    json_put_u64(j, "number", note->number);
    json_put_text(j, "text", note->text);
    json_out_key(j, "function");
    if (note->has_function)
        json_out_u64(j, note->function);
    else
        json_out_null(j);
    const double window[] = {note->from_s, note->to_s};
    const char *const names[] = {"from_s", "to_s"};
    for (size_t i = 0; i < 2; i++) {
        json_out_key(j, names[i]);
        if (note->has_window)
            json_out_f64(j, window[i]);
        else
            json_out_null(j);
    }
    json_put_u64(j, "created_unix_ms", note->created_unix_ms);
}

void api_note_list(struct http_request *r, void *ctx)
{
    struct api_server *s = ctx;
    struct error err = {0};
    struct library_note *notes = NULL;
    size_t len = 0;
    const char *id = http_part(r, 0);
    if (!api_check_id(r, id))
        return;
    struct library_row row;
    enum status st = library_row(s->library, id, &row, &err);
    if (st == STATUS_OK) {
        library_row_deinit(&row);
        if (!http_granted(r)->is_redacted)
            st = library_note_list(s->library, id, &notes, &len, &err);
    }
    if (st != STATUS_OK) {
        http_fail(r, &err);
        return;
    }
    struct buf body;
    struct json_out j;
    api_answer_begin(&body, &j);
    api_put_items(&j, "notes", &(struct api_items){notes, len, sizeof(*notes), put_note, NULL});
    library_notes_free(notes, len);
    api_answer(r, 200, &body, &j);
}

static bool is_time(const cJSON *item)
{
    return item && cJSON_IsNumber(item) && isfinite(item->valuedouble) && item->valuedouble >= 0;
}

static enum status read_note(const cJSON *json, struct library_note *out, struct error *err)
{
    const cJSON *text = cJSON_GetObjectItemCaseSensitive(json, "text");
    const cJSON *function = cJSON_GetObjectItemCaseSensitive(json, "function");
    const cJSON *from = cJSON_GetObjectItemCaseSensitive(json, "from_s");
    const cJSON *to = cJSON_GetObjectItemCaseSensitive(json, "to_s");
    if (!cJSON_IsString(text) || !text->valuestring[0])
        return error_set(err, STATUS_INVALID, "expected {\"text\":\"...\"}");
    if (function && !(cJSON_IsNumber(function) && function->valuedouble >= 0 &&
                      function->valuedouble < UINT32_MAX))
        return error_set(err, STATUS_INVALID, "function is a function's id");
    if ((from || to) && !(is_time(from) && is_time(to) && from->valuedouble <= to->valuedouble))
        return error_set(err, STATUS_INVALID,
                         "from_s and to_s are seconds of the session, in this order");
    *out = (struct library_note){
        .text = text->valuestring,
        .has_function = function != NULL,
        .function = function ? (uint32_t)function->valuedouble : 0,
        .has_window = from != NULL,
        .from_s = from ? from->valuedouble : 0,
        .to_s = to ? to->valuedouble : 0,
    };
    return STATUS_OK;
}

void api_note_add(struct http_request *r, void *ctx)
{
    struct api_server *s = ctx;
    struct error err = {0};
    const char *id = http_part(r, 0);
    if (!api_check_id(r, id))
        return;
    cJSON *json = api_read_json(r);
    if (!json)
        return;
    struct library_note note;
    enum status st = read_note(json, &note, &err);
    if (st == STATUS_OK)
        st = library_note_add(s->library, id, &note, &err);
    if (st == STATUS_OK) {
        struct buf body;
        struct json_out j;
        api_answer_begin(&body, &j);
        put_note(&j, &note, NULL);
        api_answer(r, 201, &body, &j);
    } else {
        http_fail(r, &err);
    }
    cJSON_Delete(json);
}

void api_note_remove(struct http_request *r, void *ctx)
{
    struct api_server *s = ctx;
    struct error err = {0};
    const char *id = http_part(r, 0);
    uint64_t number;
    if (api_check_id(r, id) && api_read_number(r, 1, &number))
        api_answer_empty(r, library_note_remove(s->library, id, number, &err), &err);
}
