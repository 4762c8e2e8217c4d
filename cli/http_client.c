#include "cli/http_client.h"

#include <cjson/cJSON.h>
#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

enum { MAX_ANSWER = 1 << 30, CONNECT_SECONDS = 5 };

static size_t take_bytes(char *data, size_t size, size_t count, void *ctx)
{
    struct buf *out = ctx;
    buf_put(out, data, size * count);
    return buf_status(out) == STATUS_OK ? size * count : 0;
}

/* The server's {"error":{"message":...}}, or the bare status line. */
static enum status explain(enum status st, long code, const struct buf *body, struct error *err)
{
    cJSON *json = cJSON_ParseWithLength((const char *)body->data, body->len);
    const cJSON *error = cJSON_GetObjectItemCaseSensitive(json, "error");
    const char *message = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(error, "message"));
    if (message)
        error_set(err, st, "%s", message);
    else
        error_set(err, st, "the server answered with HTTP status %ld", code);
    cJSON_Delete(json);
    return st;
}

static enum status judge(long code, const struct buf *body, struct error *err)
{
    if (code >= 200 && code < 300)
        return STATUS_OK;
    enum status st = code == 401 || code == 403 ? STATUS_DENIED
                     : code == 404              ? STATUS_NOT_FOUND
                     : code == 413              ? STATUS_TOO_LARGE
                     : code >= 500              ? STATUS_IO
                                                : STATUS_INVALID;
    return explain(st, code, body, err);
}

static struct curl_slist *compose_headers(const struct http_request *request)
{
    struct curl_slist *headers = curl_slist_append(NULL, "Expect:");
    if (request->token) {
        struct buf line;
        buf_init(&line, 4096);
        buf_printf(&line, "Authorization: Bearer %s", request->token);
        buf_put_byte(&line, '\0');
        if (buf_status(&line) == STATUS_OK)
            headers = curl_slist_append(headers, (const char *)line.data);
        buf_deinit(&line);
    }
    if (request->body) {
        char line[96];
        snprintf(line, sizeof(line), "Content-Type: %s",
                 request->type ? request->type : "application/octet-stream");
        headers = curl_slist_append(headers, line);
    }
    return headers;
}

enum status http_call(struct buf *out, const struct http_request *request, struct error *err)
{
    buf_init(out, MAX_ANSWER);
    CURL *curl = curl_easy_init();
    if (!curl)
        return error_set(err, STATUS_NO_MEMORY, "no memory for an HTTP request");
    struct curl_slist *headers = compose_headers(request);
    curl_easy_setopt(curl, CURLOPT_URL, request->url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_bytes);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, out);
    if (request->body) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_len);
    }
    CURLcode result = curl_easy_perform(curl);
    long code = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &code);
    enum status st = result == CURLE_OK ? judge(code, out, err)
                                        : error_set(err, STATUS_UNREACHABLE, "%s: %s", request->url,
                                                    curl_easy_strerror(result));
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    if (st != STATUS_OK)
        buf_deinit(out);
    return st;
}

void http_put_escaped(struct buf *out, const char *text)
{
    for (const char *c = text; *c; c++) {
        bool is_plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
                        (*c >= '0' && *c <= '9') || strchr("-._~", *c);
        if (is_plain)
            buf_put_byte(out, (uint8_t)*c);
        else
            buf_printf(out, "%%%02X", (unsigned char)*c);
    }
}
