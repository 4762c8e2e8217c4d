/* Benchmarks over all uploads: history.h fed from the library. */

#include <string.h>

#include "backend/api/inside.h"
#include "backend/query/history.h"

enum { PAGE = 200, MOST_RUNS = 200 };

/* Newest first, so that the limit leaves out the oldest. */
static enum status add_page(struct api_server *s, struct history *h, const char *cursor,
                            uint64_t most, char next[64], struct error *err)
{
    struct library_query query = {.cursor = cursor, .limit = PAGE};
    struct library_row *rows = NULL;
    size_t len = 0;
    enum status st = library_list(s->library, &query, &rows, &len, next, err);
    for (size_t i = 0; i < len && st == STATUS_OK && history_runs(h) < most; i++) {
        struct library_hold hold;
        if (!rows[i].shapes || !strstr(rows[i].shapes, "benchmarks"))
            continue;
        /* Deleted since it was listed: one run less. */
        if (library_hold(s->library, rows[i].id, &hold, NULL) != STATUS_OK)
            continue;
        st = history_add(h, hold.profile, rows[i].id, rows[i].name ? rows[i].name : "");
        library_release(s->library, &hold);
        if (st != STATUS_OK)
            error_set(err, st, "more benchmarks than one answer holds: ask for fewer runs (limit)");
    }
    library_rows_free(rows, len);
    return st;
}

static enum status collect(struct api_server *s, struct history *h, uint64_t most,
                           struct error *err)
{
    char cursor[64] = "";
    enum status st;
    do {
        char next[64] = "";
        st = add_page(s, h, *cursor ? cursor : NULL, most, next, err);
        memcpy(cursor, next, sizeof(cursor));
    } while (st == STATUS_OK && *cursor && history_runs(h) < most);
    return st == STATUS_OK ? history_finish(h) : st;
}

void api_benchmarks(struct http_request *r, void *ctx)
{
    struct api_server *s = ctx;
    struct error err = {0};
    struct history *h = NULL;
    struct buf body;
    uint64_t limit = MOST_RUNS;
    buf_init(&body, 0);
    enum status st = api_param_u64(r, "limit", HISTORY_MAX_RUNS, &limit, &err);
    if (st == STATUS_OK)
        st = history_new(&h);
    if (st == STATUS_OK)
        st = collect(s, h, limit, &err);
    if (st == STATUS_OK)
        st = history_write_json(h, &body);
    history_free(h);
    if (st == STATUS_OK) {
        http_reply_json(r, 200, &body);
    } else {
        if (err.status == STATUS_OK)
            error_set(&err, st, "no memory for the answer");
        http_fail(r, &err);
    }
    buf_deinit(&body);
}
