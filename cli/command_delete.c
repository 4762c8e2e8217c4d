/* heliograph delete: remove stored profiles. */

#include <stdio.h>
#include <stdlib.h>

#include "cli/commands.h"
#include "cli/http_client.h"
#include "cli/local.h"
#include "common/base/log.h"

/* A running server owns the store: it is asked. */
static enum status delete_through(const char *server, const char *id, struct error *err)
{
    struct buf url;
    struct buf answer;
    buf_init(&url, 1024);
    buf_printf(&url, "%s/api/v1/profiles/", server);
    http_put_escaped(&url, id);
    buf_put_byte(&url, '\0');
    struct http_request request = {
        .method = "DELETE", .url = (const char *)url.data, .token = getenv("HELIOGRAPH_TOKEN")};
    enum status st = http_call(&answer, &request, err);
    if (st == STATUS_OK)
        buf_deinit(&answer);
    buf_deinit(&url);
    return st;
}

static enum status delete_here(const char *store, const char *id, struct error *err)
{
    struct library_options options = {.path = store};
    struct library *library;
    enum status st = library_open(&library, &options, err);
    if (st != STATUS_OK)
        return st;
    st = library_delete(library, id, err);
    library_close(library);
    return st;
}

static int delete_profiles(const struct args *args)
{
    const char *store = args_text(args, "store");
    char server[256];
    local_server_url(store, server, sizeof(server));
    int code = 0;
    for (int i = 0; i < args->words_len; i++) {
        struct error err = {0};
        enum status st = server[0] ? delete_through(server, args->words[i], &err)
                                   : delete_here(store, args->words[i], &err);
        if (st != STATUS_OK) {
            error_prefix(&err, args->words[i]);
            int failed = local_fail(st, &err);
            code = code ? code : failed;
        }
    }
    return code;
}

static const struct option_row options[] = {
    {"store", 0, "PATH", "the store", "the default store", NULL},
    {0},
};

const struct command command_delete = {
    .name = "delete",
    .usage = "ID...",
    .summary = "remove profiles from the store",
    .options = options,
    .min_words = 1,
    .max_words = -1,
    .run = delete_profiles,
};
