/* heliograph token: tokens that open a part of a server. */

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/access.h"
#include "cli/commands.h"
#include "cli/local.h"
#include "common/base/log.h"

static enum status ask_server(const struct access *a, const struct library_token *token,
                              double expires_s, char *secret, size_t size, bool *is_open,
                              struct error *err)
{
    cJSON *body = cJSON_CreateObject();
    cJSON *answer = NULL;
    cJSON_AddStringToObject(body, "name", token->name);
    cJSON_AddStringToObject(body, "scope", library_scope_name(token->scope));
    if (expires_s > 0)
        cJSON_AddNumberToObject(body, "expires_s", expires_s);
    enum status st = access_call(a, "POST", "/api/v1/tokens", body, &answer, err);
    cJSON_Delete(body);
    if (st == STATUS_OK) {
        snprintf(secret, size, "%s", access_text(answer, "token"));
        *is_open = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(answer, "is_open"));
    }
    cJSON_Delete(answer);
    return st;
}

static int add(const struct args *args)
{
    struct access a;
    struct error err = {0};
    const char *scope = args_text(args, "scope");
    struct library_token token = {.name = args->words_len > 1 ? args->words[1] : NULL};
    double expires_s = 0;
    bool is_open = false;
    char secret[64] = "";
    enum status st = token.name
                         ? access_expiry(args, 0, &expires_s, &err)
                         : error_set(&err, STATUS_USAGE, "a token has a name: what it is for");
    if (st == STATUS_OK &&
        library_scope_find(scope ? scope : "read", &token.scope, &err) != STATUS_OK)
        st = error_set(&err, STATUS_USAGE, "--scope is read, send or admin");
    if (st == STATUS_OK)
        st = access_open(&a, args, &err);
    if (st != STATUS_OK)
        return local_fail(st, &err);
    token.expires_unix_ms = access_expires_ms(expires_s);
    st = a.server[0] ? ask_server(&a, &token, expires_s, secret, sizeof(secret), &is_open, &err)
                     : library_token_add(a.library, &token, secret, &err);
    access_close(&a);
    if (st != STATUS_OK)
        return local_fail(st, &err);
    puts(secret);
    if (is_open)
        log_warn("the running server has no token of its own: it is open to everybody who "
                 "reaches it (serve --token-file)");
    return 0;
}

static void print_row(uint64_t number, const char *scope, uint64_t expires_ms, const char *name)
{
    char when[32];
    access_time(expires_ms, when);
    printf("%6llu  %-5s  %-16s  ", (unsigned long long)number, scope, when);
    access_print(name);
    putchar('\n');
}

static enum status list_server(const struct access *a, struct error *err)
{
    cJSON *answer = NULL;
    enum status st = access_call(a, "GET", "/api/v1/tokens", NULL, &answer, err);
    const cJSON *row;
    cJSON_ArrayForEach(row, cJSON_GetObjectItemCaseSensitive(answer, "tokens"))
    {
        print_row(access_u64(row, "number"), access_text(row, "scope"),
                  access_u64(row, "expires_unix_ms"), access_text(row, "name"));
    }
    cJSON_Delete(answer);
    return st;
}

static enum status list_here(const struct access *a, struct error *err)
{
    struct library_token *tokens = NULL;
    size_t len = 0;
    enum status st = library_token_list(a->library, &tokens, &len, err);
    for (size_t i = 0; i < len; i++)
        print_row(tokens[i].number, library_scope_name(tokens[i].scope), tokens[i].expires_unix_ms,
                  tokens[i].name);
    library_tokens_free(tokens, len);
    return st;
}

static int token(const struct args *args)
{
    struct error err;
    if (strcmp(args->words[0], "add") == 0)
        return add(args);
    if (strcmp(args->words[0], "list") == 0)
        return access_list(args, "number  scope  expires           name", list_server, list_here);
    if (strcmp(args->words[0], "revoke") == 0)
        return access_revoke(args, "tokens", library_token_revoke);
    return local_fail(error_set(&err, STATUS_USAGE, "token add, list or revoke?"), &err);
}

static const struct option_row options[] = {
    {"scope", 0, "SCOPE", "read: look; send: bring profiles; admin: everything", "read", NULL},
    {"expires", 0, "TIME", "12h, 7d, never", "never", NULL},
    {"store", 0, "PATH", "the store", "the default store", NULL},
    {0},
};

const struct command command_token = {
    .name = "token",
    .usage = "[options] add NAME | list | revoke NUMBER...",
    .summary = "make, list and revoke tokens that open a part of the server",
    .details = "They hold beside the server's own token (serve --token-file), which opens\n"
               "everything. A new one is told once: the store keeps its hash. A server that\n"
               "wants a token is asked with HELIOGRAPH_TOKEN.",
    .options = options,
    .min_words = 1,
    .max_words = -1,
    .run = token,
};
