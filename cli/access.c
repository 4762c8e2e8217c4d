#include "cli/access.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/http_client.h"
#include "cli/local.h"
#include "common/base/clock.h"
#include "common/base/log.h"

enum status access_open(struct access *a, const struct args *args, struct error *err)
{
    const char *store = args_text(args, "store");
    *a = (struct access){0};
    local_server_url(store, a->server, sizeof(a->server));
    struct library_options options = {.path = store};
    return a->server[0] ? STATUS_OK : library_open(&a->library, &options, err);
}

void access_close(struct access *a)
{
    library_close(a->library);
}

static enum status send_call(const char *method, const char *url, const char *body,
                             struct cJSON **answer, struct error *err)
{
    struct http_request request = {.method = method,
                                   .url = url,
                                   .token = getenv("HELIOGRAPH_TOKEN"),
                                   .body = body,
                                   .body_len = body ? strlen(body) : 0,
                                   .type = "application/json"};
    struct buf data;
    enum status st = http_call(&data, &request, err);
    if (st != STATUS_OK)
        return st;
    cJSON *json = data.len ? cJSON_ParseWithLength((const char *)data.data, data.len) : NULL;
    if (data.len && !json)
        st = error_set(err, STATUS_IO, "%s: the answer is no JSON", url);
    buf_deinit(&data);
    if (st == STATUS_OK && answer)
        *answer = json;
    else
        cJSON_Delete(json);
    return st;
}

enum status access_call(const struct access *a, const char *method, const char *path,
                        struct cJSON *body, struct cJSON **answer, struct error *err)
{
    char url[512];
    char *text = body ? cJSON_PrintUnformatted(body) : NULL;
    if (body && !text)
        return error_set(err, STATUS_NO_MEMORY, "no memory");
    snprintf(url, sizeof(url), "%s%s", a->server, path);
    enum status st = send_call(method, url, text, answer, err);
    cJSON_free(text);
    return st;
}

enum status access_expiry(const struct args *args, double otherwise, double *seconds,
                          struct error *err)
{
    static const struct {
        const char *unit;
        double seconds;
    } units[] = {{"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}, {"w", 604800}};
    const char *text = args_text(args, "expires");
    *seconds = otherwise;
    if (!text)
        return STATUS_OK;
    if (strcmp(text, "never") == 0) {
        *seconds = 0;
        return STATUS_OK;
    }
    char *end;
    double value = strtod(text, &end);
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (end != text && strcmp(end, units[i].unit) == 0 && value > 0 && value < 1e6) {
            *seconds = value * units[i].seconds;
            return STATUS_OK;
        }
    }
    return error_set(err, STATUS_USAGE,
                     "--expires takes a time such as 12h, 7d or never, not \"%s\"", text);
}

uint64_t access_expires_ms(double seconds)
{
    return seconds > 0 ? clock_unix_ns() / 1000000 + (uint64_t)(seconds * 1000) : 0;
}

static enum status revoke_one(struct access *a, const char *what, const char *text,
                              enum status (*here)(struct library *l, uint64_t number,
                                                  struct error *err),
                              struct error *err)
{
    size_t len = strlen(text);
    if (len == 0 || len > 18 || strspn(text, "0123456789") != len)
        return error_set(err, STATUS_USAGE, "\"%.40s\" is no number; `list` tells them", text);
    char path[64];
    snprintf(path, sizeof(path), "/api/v1/%s/%s", what, text);
    return a->server[0] ? access_call(a, "DELETE", path, NULL, NULL, err)
                        : here(a->library, strtoull(text, NULL, 10), err);
}

int access_revoke(const struct args *args, const char *what,
                  enum status (*here)(struct library *l, uint64_t number, struct error *err))
{
    struct access a;
    struct error err = {0};
    enum status st = args->words_len > 1 ? access_open(&a, args, &err)
                                         : error_set(&err, STATUS_USAGE, "revoke which number?");
    if (st != STATUS_OK)
        return local_fail(st, &err);
    for (int i = 1; i < args->words_len && st == STATUS_OK; i++)
        st = revoke_one(&a, what, args->words[i], here, &err);
    access_close(&a);
    return st == STATUS_OK ? 0 : local_fail(st, &err);
}

int access_list(const struct args *args, const char *head, access_rows server, access_rows here)
{
    struct access a;
    struct error err = {0};
    enum status st = access_open(&a, args, &err);
    if (st != STATUS_OK)
        return local_fail(st, &err);
    puts(head);
    st = a.server[0] ? server(&a, &err) : here(&a, &err);
    access_close(&a);
    return st == STATUS_OK ? 0 : local_fail(st, &err);
}

void access_time(uint64_t unix_ms, char out[32])
{
    time_t seconds = (time_t)(unix_ms / 1000);
    struct tm local;
    snprintf(out, 32, "never");
    if (unix_ms && localtime_r(&seconds, &local))
        strftime(out, 32, "%Y-%m-%d %H:%M", &local);
}

void access_print(const char *text)
{
    for (; *text; text++)
        putchar((unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text);
}

uint64_t access_u64(const struct cJSON *object, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    return cJSON_IsNumber(item) && item->valuedouble > 0 ? (uint64_t)item->valuedouble : 0;
}

const char *access_text(const struct cJSON *object, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    return cJSON_IsString(item) ? item->valuestring : "";
}
