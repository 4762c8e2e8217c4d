/* heliograph list: the profiles of the store. */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/commands.h"
#include "cli/local.h"
#include "common/base/json_out.h"

enum { PAGE = 200 };

static void put_json(struct json_out *j, const struct library_row *row)
{
    json_out_object(j);
    json_out_key(j, "id");
    json_out_text(j, row->id);
    json_out_key(j, "name");
    json_out_text(j, row->name);
    json_out_key(j, "format");
    json_out_text(j, row->format);
    json_out_key(j, "state");
    json_out_text(j, library_state_name(row->state));
    json_put_u64(j, "created_unix_ms", row->created_unix_ms);
    json_put_f64(j, "duration_s", (double)row->duration_ns / 1e9);
    json_put_u64(j, "samples", row->samples);
    json_out_key(j, "summary");
    json_out_text(j, row->summary);
    json_out_end(j);
}

/* Names come from anywhere; control characters must not reach a terminal. */
static void put_clean(struct buf *out, const char *text)
{
    for (const char *c = text ? text : ""; *c; c++)
        buf_put_byte(out, (unsigned char)*c < 0x20 || *c == 0x7f ? '?' : (uint8_t)*c);
}

static void put_text(struct buf *out, const struct library_row *row)
{
    time_t seconds = (time_t)(row->created_unix_ms / 1000);
    struct tm local;
    char when[32] = "";
    if (localtime_r(&seconds, &local))
        strftime(when, sizeof(when), "%Y-%m-%d %H:%M", &local);
    buf_printf(out, "%s  %s  %-11s %8.1f s %9" PRIu64 "  ", row->id, when,
               library_state_name(row->state), (double)row->duration_ns / 1e9, row->samples);
    put_clean(out, row->name);
    if (row->summary && *row->summary) {
        buf_put_text(out, "\n                  ");
        put_clean(out, row->summary);
    }
    buf_put_byte(out, '\n');
}

static enum status list_all(struct library *l, const struct args *args, struct buf *out,
                            struct error *err)
{
    bool as_json = args_flag(args, "json", false);
    struct json_out json;
    json_out_init(&json, out);
    if (as_json)
        json_out_array(&json);
    else
        buf_put_text(out,
                     "id                started           state       duration    samples  name\n");
    char next[64] = "";
    enum status st = STATUS_OK;
    do {
        char cursor[64];
        memcpy(cursor, next, sizeof(cursor));
        struct library_query query = {.text = args->words_len ? args->words[0] : NULL,
                                      .tag = args_text(args, "tag"),
                                      .cursor = cursor[0] ? cursor : NULL,
                                      .limit = PAGE};
        struct library_row *rows;
        size_t len;
        st = library_list(l, &query, &rows, &len, next, err);
        if (st != STATUS_OK)
            break;
        for (size_t i = 0; i < len; i++) {
            if (as_json)
                put_json(&json, &rows[i]);
            else
                put_text(out, &rows[i]);
        }
        library_rows_free(rows, len);
    } while (next[0]);
    if (as_json) {
        json_out_end(&json);
        buf_put_byte(out, '\n');
    }
    return st;
}

static int list(const struct args *args)
{
    struct error err = {0};
    struct library_options options = {.path = args_text(args, "store"), .is_read_only = true};
    struct library *library;
    struct buf out;
    buf_init(&out, 0);
    enum status st = library_open(&library, &options, &err);
    if (st == STATUS_OK) {
        st = list_all(library, args, &out, &err);
        library_close(library);
    }
    if (st == STATUS_OK)
        st = local_write("-", out.data, out.len, &err);
    buf_deinit(&out);
    return st == STATUS_OK ? 0 : local_fail(st, &err);
}

static const struct option_row options[] = {
    {"tag", 't', "K[=V]", "only profiles with this tag", NULL, NULL},
    {"json", 'j', NULL, "as JSON", NULL, NULL},
    {"store", 0, "PATH", "the store", "the default store", NULL},
    {0},
};

const struct command command_list = {
    .name = "list",
    .usage = "[options] [TEXT]",
    .summary = "list the stored profiles, newest first",
    .details = "TEXT narrows the list to names and ids that contain it.",
    .options = options,
    .max_words = 1,
    .run = list,
};
