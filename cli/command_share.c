/* heliograph share: links that open one view of one profile for people without a token. */

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/access.h"
#include "cli/commands.h"
#include "cli/local.h"
#include "common/base/log.h"

enum { USUAL_S = 7 * 24 * 3600 };

struct wanted {
    const char *id, *view;
    bool is_redacted;
    double expires_s;
};

static enum status ask_server(const struct access *a, const struct wanted *w, char *url,
                              size_t size, bool *is_local, struct error *err)
{
    char path[128];
    cJSON *body = cJSON_CreateObject();
    cJSON *answer = NULL;
    cJSON_AddStringToObject(body, "view", w->view);
    cJSON_AddBoolToObject(body, "redact", w->is_redacted);
    if (w->expires_s > 0)
        cJSON_AddNumberToObject(body, "expires_s", w->expires_s);
    else
        cJSON_AddNullToObject(body, "expires_s");
    snprintf(path, sizeof(path), "/api/v1/profiles/%s/shares", w->id);
    enum status st = access_call(a, "POST", path, body, &answer, err);
    cJSON_Delete(body);
    if (st != STATUS_OK)
        return st;
    snprintf(url, size, "%s%s", a->server, access_text(answer, "url"));
    *is_local = strcmp(access_text(answer, "reach"), "this-machine") == 0;
    cJSON_Delete(answer);
    return STATUS_OK;
}

/* Into the store: the link works as soon as a server shows it. */
static enum status add_here(const struct access *a, const struct wanted *w, char *url, size_t size,
                            struct error *err)
{
    char *view = strdup(w->view);
    struct library_share share = {.view = view,
                                  .is_redacted = w->is_redacted,
                                  .expires_unix_ms = access_expires_ms(w->expires_s)};
    char secret[IDENT_TOKEN_CHARS + 1];
    strncpy(share.profile, w->id, sizeof(share.profile) - 1);
    enum status st = view ? library_share_add(a->library, &share, secret, err)
                          : error_set(err, STATUS_NO_MEMORY, "no memory");
    free(view);
    if (st == STATUS_OK)
        snprintf(url, size, "/s/%s", secret);
    return st;
}

static int add(const struct args *args)
{
    struct access a;
    struct error err = {0};
    const char *view = args_text(args, "view");
    struct wanted w = {.id = args->words[0],
                       .view = view ? view + strspn(view, "#") : "",
                       .is_redacted = args_flag(args, "redact", false)};
    char url[512];
    bool is_local = false;
    enum status st = ident_is_valid(w.id, IDENT_CHARS)
                         ? access_expiry(args, USUAL_S, &w.expires_s, &err)
                         : error_set(&err, STATUS_USAGE, "\"%.40s\" is no profile's id", w.id);
    if (st == STATUS_OK)
        st = access_open(&a, args, &err);
    if (st != STATUS_OK)
        return local_fail(st, &err);
    st = a.server[0] ? ask_server(&a, &w, url, sizeof(url), &is_local, &err)
                     : add_here(&a, &w, url, sizeof(url), &err);
    bool is_served = a.server[0] != '\0';
    access_close(&a);
    if (st != STATUS_OK)
        return local_fail(st, &err);
    puts(url);
    if (!is_served)
        log_info("no server runs: the link works under the address of the next `heliograph serve`");
    else if (is_local)
        log_warn("the server listens on this machine only: others cannot follow the link "
                 "(serve --listen, or a proxy: docs/security.md)");
    return 0;
}

static void print_row(uint64_t number, const char *profile, uint64_t expires_ms, bool is_redacted,
                      const char *view)
{
    char when[32];
    access_time(expires_ms, when);
    printf("%6llu  %s  %-16s  %-8s  ", (unsigned long long)number, profile, when,
           is_redacted ? "redacted" : "");
    access_print(view);
    putchar('\n');
}

static enum status list_server(const struct access *a, struct error *err)
{
    cJSON *answer = NULL;
    enum status st = access_call(a, "GET", "/api/v1/shares", NULL, &answer, err);
    const cJSON *row;
    cJSON_ArrayForEach(row, cJSON_GetObjectItemCaseSensitive(answer, "shares"))
    {
        print_row(access_u64(row, "number"), access_text(row, "profile"),
                  access_u64(row, "expires_unix_ms"),
                  cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(row, "redacted")),
                  access_text(row, "view"));
    }
    cJSON_Delete(answer);
    return st;
}

static enum status list_here(const struct access *a, struct error *err)
{
    struct library_share *shares = NULL;
    size_t len = 0;
    enum status st = library_share_list(a->library, NULL, &shares, &len, err);
    for (size_t i = 0; i < len; i++)
        print_row(shares[i].number, shares[i].profile, shares[i].expires_unix_ms,
                  shares[i].is_redacted, shares[i].view);
    library_shares_free(shares, len);
    return st;
}

static int share(const struct args *args)
{
    if (strcmp(args->words[0], "list") == 0)
        return access_list(args, "number  profile           expires           what      view",
                           list_server, list_here);
    if (strcmp(args->words[0], "revoke") == 0)
        return access_revoke(args, "shares", library_share_revoke);
    return add(args);
}

static const struct option_row options[] = {
    {"view", 0, "STATE", "what the link shows: the page's address after #", "the usual view", NULL},
    {"expires", 0, "TIME", "12h, 7d, never", "7d", NULL},
    {"redact", 0, NULL, "without paths, arguments, host names, tags and source lines", NULL, NULL},
    {"store", 0, "PATH", "the store", "the default store", NULL},
    {0},
};

const struct command command_share = {
    .name = "share",
    .usage = "[options] ID | list | revoke NUMBER...",
    .summary = "make, list and revoke links to one profile",
    .details = "The link opens one view of one profile, to be read only, until it expires or is\n"
               "revoked. It is told once: the store keeps its hash. A server that wants a token\n"
               "is asked with HELIOGRAPH_TOKEN.",
    .options = options,
    .min_words = 1,
    .max_words = -1,
    .run = share,
};
