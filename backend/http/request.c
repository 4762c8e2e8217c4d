#include "backend/http/request.h"

#include <string.h>
#include <strings.h>

#include "backend/http/inside.h"

enum { FIRST_CHUNK = 64 * 1024 };

const char *http_path(const struct http_request *r)
{
    return r->path;
}

const char *http_part(const struct http_request *r, size_t i)
{
    return i < r->parts_len ? r->parts[i] : "";
}

const char *http_query(struct http_request *r, const char *name)
{
    for (size_t i = 0; i < r->params_len; i++) {
        if (strcmp(r->params[i].name, name) == 0)
            return r->params[i].value;
    }
    return NULL;
}

size_t http_query_count(const struct http_request *r)
{
    return r->params_len;
}

void http_query_at(const struct http_request *r, size_t i, const char **name, const char **value)
{
    *name = r->params[i].name;
    *value = r->params[i].value;
}

size_t http_header_count(const struct mg_request_info *info, const char *name, const char **value)
{
    size_t n = 0;
    *value = NULL;
    for (int i = 0; i < info->num_headers; i++) {
        if (strcasecmp(info->http_headers[i].name, name) != 0)
            continue;
        if (n++ == 0)
            *value = info->http_headers[i].value;
    }
    return n;
}

const char *http_header(const struct http_request *r, const char *name)
{
    const char *value;
    http_header_count(r->info, name, &value);
    return value;
}

bool http_list_has(const char *list, const char *word)
{
    size_t len = strlen(word);
    while (list && *list) {
        list += strspn(list, " \t,");
        size_t n = strcspn(list, ",");
        size_t trimmed = n;
        while (trimmed > 0 && (list[trimmed - 1] == ' ' || list[trimmed - 1] == '\t'))
            trimmed--;
        if (trimmed == len && strncasecmp(list, word, len) == 0)
            return true;
        list += n;
    }
    return false;
}

struct arena *http_arena(struct http_request *r)
{
    return r->arena;
}

const char *http_share(const struct http_request *r)
{
    return r->share;
}

/* ---- path and query ---- */

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* NULL for a broken percent code or an encoded NUL. */
static char *decode(struct arena *arena, const char *text, size_t len, bool is_query)
{
    char *out = arena_alloc(arena, len + 1);
    size_t n = 0;
    for (size_t i = 0; out && i < len; i++) {
        char c = text[i];
        if (c == '%') {
            int high = i + 1 < len ? hex(text[i + 1]) : -1;
            int low = i + 2 < len ? hex(text[i + 2]) : -1;
            if (high < 0 || low < 0 || (high == 0 && low == 0))
                return NULL;
            c = (char)(high << 4 | low);
            i += 2;
        } else if (c == '+' && is_query) {
            c = ' ';
        }
        out[n++] = c;
    }
    return out;
}

static void parse_query(struct http_request *r, const char *query)
{
    while (query && *query && r->params_len < HTTP_MAX_PARAMS) {
        size_t len = strcspn(query, "&");
        const char *equals = memchr(query, '=', len);
        size_t name_len = equals ? (size_t)(equals - query) : len;
        const char *value = equals ? equals + 1 : query + len;
        char *name = decode(r->arena, query, name_len, true);
        char *text = decode(r->arena, value, (size_t)(query + len - value), true);
        if (name && *name && text)
            r->params[r->params_len++] = (struct http_param){name, text};
        query += len + (query[len] == '&');
    }
}

/* "/s/SECRET/api/...": what a share link opens lies below the link, so that no other credential of
 * the browser mixes with it. */
static bool split_share(struct http_request *r)
{
    if (strncmp(r->path, "/s/", 3) != 0)
        return true;
    const char *secret = r->path + 3;
    size_t len = strcspn(secret, "/");
    if (strncmp(secret + len, "/api/", 5) != 0)
        return true;
    r->share = arena_copy(r->arena, secret, len);
    r->path = secret + len;
    return r->share != NULL;
}

enum status http_request_parse(struct http_request *r, struct error *err)
{
    /* As it was sent: civetweb is told not to decode. */
    const char *raw = r->info->request_uri;
    if (!raw || raw[0] != '/')
        return error_set(err, STATUS_INVALID, "the request does not name a path");
    size_t len = strcspn(raw, "?#");
    r->path = decode(r->arena, raw, len, false);
    if (!r->path)
        return error_set(err, STATUS_INVALID, "the path has a broken percent code");
    for (const char *c = r->path; *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f || *c == '\\')
            return error_set(err, STATUS_INVALID, "the path has characters it must not have");
    }
    parse_query(r, r->info->query_string);
    return split_share(r) ? STATUS_OK : error_set(err, STATUS_NO_MEMORY, "no memory");
}

bool http_match(struct http_request *r, const char *pattern)
{
    const char *path = r->path;
    r->parts_len = 0;
    while (*pattern) {
        if (strncmp(pattern, "{*}", 3) == 0) {
            r->parts[r->parts_len++] = arena_copy(r->arena, path, strlen(path));
            return true;
        }
        if (strncmp(pattern, "{}", 2) == 0) {
            size_t len = strcspn(path, "/");
            if (len == 0 || r->parts_len == HTTP_MAX_PARTS)
                return false;
            r->parts[r->parts_len] = arena_copy(r->arena, path, len);
            if (!r->parts[r->parts_len])
                return false;
            r->parts_len++;
            path += len;
            pattern += 2;
            continue;
        }
        if (*pattern++ != *path++)
            return false;
    }
    return *path == '\0';
}

/* ---- body ---- */

size_t http_json_depth(const uint8_t *data, size_t len)
{
    size_t depth = 0;
    size_t deepest = 0;
    bool in_string = false;
    for (size_t i = 0; i < len; i++) {
        uint8_t c = data[i];
        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '[' || c == '{') {
            depth++;
            deepest = depth > deepest ? depth : deepest;
        } else if ((c == ']' || c == '}') && depth > 0) {
            depth--;
        }
    }
    return deepest;
}

static uint64_t body_limit(const struct http_request *r)
{
    return r->route->body == HTTP_JSON_BODY ? HTTP_JSON_BYTES : r->server->max_upload;
}

static void say_go_on(struct http_request *r)
{
    const char *expect = http_header(r, "Expect");
    if (expect && strcasecmp(expect, "100-continue") == 0)
        mg_printf(r->conn, "HTTP/1.1 100 Continue\r\n\r\n");
}

/* A NUL behind it, for parsers that want a string. */
static enum status end_body(struct spill *body, const uint8_t **data, size_t *len,
                            struct error *err)
{
    uint8_t *nul;
    bool is_mapped;
    enum status st = spill_room(body, 1, &nul, err);
    if (st != STATUS_OK)
        return st;
    *nul = 0;
    st = spill_finish(body, data, len, &is_mapped, err);
    if (st == STATUS_OK)
        (*len)--;
    return st;
}

static enum status read_all(struct http_request *r, struct spill *body, struct error *err)
{
    long long told = r->info->content_length;
    uint64_t limit = body_limit(r);
    size_t chunk = FIRST_CHUNK;
    for (;;) {
        uint8_t *at;
        enum status st = spill_room(body, chunk, &at, err);
        if (st != STATUS_OK)
            return st;
        int n = mg_read(r->conn, at, chunk);
        if (n < 0)
            return error_set(err, STATUS_INVALID, "the body is broken off or badly framed");
        spill_give_back(body, chunk - (size_t)n);
        if (n == 0)
            break;
        if (spill_len(body) > limit)
            return error_set(err, STATUS_TOO_LARGE, "the body is larger than %llu bytes",
                             (unsigned long long)limit);
        if (chunk < (1u << 20))
            chunk *= 2;
    }
    if (told >= 0 && !http_header(r, "Transfer-Encoding") && spill_len(body) < (uint64_t)told)
        return error_set(err, STATUS_INVALID, "the body ends after %llu of %lld bytes",
                         (unsigned long long)spill_len(body), told);
    return STATUS_OK;
}

enum status http_read_body(struct http_request *r, const uint8_t **data, size_t *len,
                           struct error *err)
{
    struct http_server *s = r->server;
    int place = http_places_enter(&s->places, r->address);
    if (place < 0) {
        r->body_code = 503;
        return error_set(err, STATUS_BUSY, "as many bodies come as this server takes at once");
    }
    say_go_on(r);
    http_pace_begin(s->grace_ns);
    enum status st = read_all(r, &r->body, err);
    bool is_slow = http_pace_end() == HTTP_PACE_TOO_SLOW;
    http_places_leave(&s->places, place);
    r->has_read_body = st == STATUS_OK || is_slow; /* there is nothing to wait for any more */
    if (st != STATUS_OK && is_slow) {
        r->body_code = 408;
        st = error_set(err, STATUS_INVALID, "the body comes too slowly: %d KiB a second at least",
                       HTTP_LEAST_BYTES_A_SECOND >> 10);
    }
    if (st == STATUS_OK)
        st = end_body(&r->body, data, len, err);
    if (st == STATUS_OK && r->route->body == HTTP_JSON_BODY &&
        http_json_depth(*data, *len) > HTTP_JSON_DEPTH)
        st = error_set(err, STATUS_INVALID, "the JSON is nested deeper than %d", HTTP_JSON_DEPTH);
    return st;
}
