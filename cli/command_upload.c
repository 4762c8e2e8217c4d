/* heliograph upload and open: saved profiles to a server, or into the local store and onto the
 * screen. */

#include <cjson/cJSON.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/embedded.h"
#include "cli/http_client.h"
#include "cli/local.h"
#include "cli/upload_form.h"
#include "common/base/log.h"

enum { MAX_FILE = 1 << 30, READ_BLOCK = 1 << 20 };

static enum status read_file(const char *path, struct buf *out, struct error *err)
{
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "rbe");
    if (!file)
        return error_set(err, STATUS_NOT_FOUND, "cannot read %s: %s", path, strerror(errno));
    buf_init(out, MAX_FILE);
    size_t got = READ_BLOCK;
    while (got == READ_BLOCK) {
        uint8_t *at = buf_grow(out, READ_BLOCK);
        if (!at)
            break;
        got = fread(at, 1, READ_BLOCK, file);
        out->len -= READ_BLOCK - got;
    }
    bool is_bad = ferror(file) != 0;
    if (file != stdin)
        fclose(file);
    enum status st = buf_status(out);
    if (st == STATUS_OK && is_bad)
        st = error_set(err, STATUS_IO, "cannot read %s", path);
    else if (st != STATUS_OK)
        error_set(err, st, "%s is larger than 1 GiB", path);
    if (st != STATUS_OK)
        buf_deinit(out);
    return st;
}

static const char *file_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return strcmp(path, "-") == 0 ? "stdin" : slash ? slash + 1 : path;
}

static enum status take_answer(const struct buf *answer, const char *server, char *url, size_t size,
                               struct error *err)
{
    cJSON *json = cJSON_ParseWithLength((const char *)answer->data, answer->len);
    const char *path = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "url"));
    enum status st = STATUS_OK;
    if (path && path[0] == '/')
        snprintf(url, size, "%s%s", server, path);
    else
        st = error_set(err, STATUS_IO, "the server's answer names no profile");
    const cJSON *warnings = cJSON_GetObjectItemCaseSensitive(json, "warnings");
    const cJSON *warning;
    cJSON_ArrayForEach(warning, warnings)
    {
        if (cJSON_IsString(warning))
            log_warn("%s", warning->valuestring);
    }
    cJSON_Delete(json);
    return st;
}

/* Where to. */
struct server {
    const char *url, *token;
    bool takes_sources; /* those that the profile names go with it */
};

/* What goes there, and its type (NULL = the file as it is). */
static enum status make_body(const struct server *server, const char *path, struct buf *body,
                             char type[80], struct error *err)
{
    struct buf file;
    type[0] = '\0';
    enum status st = read_file(path, &file, err);
    if (st != STATUS_OK)
        return st;
    if (!server->takes_sources) {
        *body = file;
        return STATUS_OK;
    }
    st = upload_form(body, type, &file, file_name(path), err);
    buf_deinit(&file);
    return st;
}

/* `url` gets the profile's page. */
static enum status send_file(const struct server *server, const char *path, char *url,
                             size_t url_size, struct error *err)
{
    struct buf body;
    char type[80];
    enum status st = make_body(server, path, &body, type, err);
    if (st != STATUS_OK)
        return st;
    struct buf target;
    buf_init(&target, 8192);
    buf_printf(&target, "%s/api/v1/profiles?name=", server->url);
    http_put_escaped(&target, file_name(path));
    buf_put_byte(&target, '\0');
    struct http_request request = {.method = "POST",
                                   .url = (const char *)target.data,
                                   .token = server->token,
                                   .type = type[0] ? type : NULL,
                                   .body = body.data ? (const void *)body.data : "",
                                   .body_len = body.len};
    struct buf answer;
    st = buf_status(&target) == STATUS_OK ? http_call(&answer, &request, err)
                                          : error_set(err, STATUS_USAGE, "the name is too long");
    if (st == STATUS_OK) {
        st = take_answer(&answer, server->url, url, url_size, err);
        buf_deinit(&answer);
    } else {
        error_prefix(err, path);
    }
    buf_deinit(&target);
    buf_deinit(&body);
    return st;
}

/* Every file that can be sent is; the exit code is of the first that cannot. */
static int send_all(const struct server *server, const struct args *args, char *last_url,
                    size_t size)
{
    int code = 0;
    for (int i = 0; i < args->words_len; i++) {
        struct error err = {0};
        char url[512];
        enum status st = send_file(server, args->words[i], url, sizeof(url), &err);
        if (st == STATUS_OK) {
            printf("%s\n", url);
            snprintf(last_url, size, "%s", url);
        } else {
            int failed = local_fail(st, &err);
            code = code ? code : failed;
        }
    }
    fflush(stdout);
    return code;
}

static void trim_slash(char *url)
{
    size_t len = strlen(url);
    while (len > 0 && url[len - 1] == '/')
        url[--len] = '\0';
}

static int upload(const struct args *args)
{
    char server[512];
    char last[512] = "";
    const char *named = args_text(args, "server");
    if (named)
        snprintf(server, sizeof(server), "%s", named);
    else
        local_server_url(NULL, server, sizeof(server));
    if (!server[0]) {
        log_error("no server is running here; name one with --server, or use heliograph open");
        return status_exit_code(STATUS_UNREACHABLE);
    }
    trim_slash(server);
    const struct server there = {server, args_text(args, "token"),
                                 args_flag(args, "sources", false)};
    return send_all(&there, args, last, sizeof(last));
}

static int open_files(const struct args *args)
{
    struct error err = {0};
    struct embedded server;
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);

    enum status st = embedded_start(&server, args_text(args, "store"), &err);
    if (st != STATUS_OK)
        return local_fail(st, &err);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    char last[512] = "";
    const struct server here = {server.url, NULL, args_flag(args, "sources", false)};
    int code = send_all(&here, args, last, sizeof(last));
    bool may_stay = last[0] && args_flag(args, "open", true);
    if (may_stay && browser_open(last))
        log_info("opened it in the browser");
    if (may_stay && server.pid > 0) {
        log_info("the page stays open at %s until Ctrl-C", last);
        int signal_number;
        while (sigwait(&signals, &signal_number) != 0) {
        }
    }
    embedded_stop(&server);
    return code;
}

static const struct option_row upload_options[] = {
    {"server", 0, "URL", "the server", "the one running here", "HELIOGRAPH_SERVER"},
    {"token", 0, "T", "its token", NULL, "HELIOGRAPH_TOKEN"},
    {"sources", 0, NULL, "the code the profile names goes with it (.py, .pyx)", NULL, NULL},
    {0},
};

const struct command command_upload = {
    .name = "upload",
    .usage = "[--server URL] FILE...",
    .summary = "send saved profiles to a server and print their URLs",
    .options = upload_options,
    .min_words = 1,
    .max_words = -1,
    .run = upload,
};

static const struct option_row open_options[] = {
    {"open", 0, NULL, "show the page and serve it; --no-open imports only", NULL, NULL},
    {"store", 0, "PATH", "the store", "the default store", NULL},
    {"sources", 0, NULL, "the code the profile names goes with it (.py, .pyx)", NULL, NULL},
    {0},
};

const struct command command_open = {
    .name = "open",
    .usage = "[options] FILE...",
    .summary = "import saved profiles and open them in the browser",
    .details = "Reads cProfile, collapsed stacks, speedscope, pprof and many more "
               "(docs/formats.md), whatever\n"
               "the file is called, into the local store, and serves the page until Ctrl-C.",
    .options = open_options,
    .min_words = 1,
    .max_words = -1,
    .run = open_files,
};
