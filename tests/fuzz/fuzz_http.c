/* What a client can send: request heads through the gate, forms, and the bodies of Pyroscope's
 * routes. The first byte chooses. Beside not crashing: what the gate lets through names one Host
 * that is ours, is framed in one way, and changes nothing for another origin. */

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "backend/formats/pyroscope.h"
#include "backend/http/inside.h"
#include "backend/model/redact.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { MAX_HEADERS = 32, PORT = 7700 };

static const char token[] = "a-token-of-the-server";

static void check(bool is_true)
{
    if (!is_true)
        abort();
}

static void no_handler(struct http_request *r, void *ctx)
{
    (void)r;
    (void)ctx;
}

static enum status no_open(struct http_request *r, void *ctx, void **state, struct error *err)
{
    (void)r;
    (void)ctx;
    (void)state;
    return error_set(err, STATUS_BUSY, "never");
}

static const struct http_socket socket_of_viewers = {.max_message = 1024, .open = no_open};
static const struct http_route routes[] = {
    {"GET", "/api/v1/profiles/{}", HTTP_PROFILE, HTTP_NO_BODY, no_handler, NULL},
    {"GET", "/api/v1/profiles", HTTP_READ, HTTP_NO_BODY, no_handler, NULL},
    {"PATCH", "/api/v1/profiles/{}", HTTP_WRITE, HTTP_JSON_BODY, no_handler, NULL},
    {"POST", "/api/v1/profiles", HTTP_SEND, HTTP_UPLOAD_BODY, no_handler, NULL},
    {"POST", "/ingest", HTTP_SEND, HTTP_ANY_BODY, no_handler, NULL},
    {"GET", "/api/v1/share", HTTP_SHARED, HTTP_NO_BODY, no_handler, NULL},
    {"WS", "/api/v1/live/{}", HTTP_PROFILE, HTTP_NO_BODY, NULL, &socket_of_viewers},
    {"GET", "/s/{}", HTTP_PUBLIC, HTTP_NO_BODY, no_handler, NULL},
    {"GET", "/assets/{*}", HTTP_PUBLIC, HTTP_NO_BODY, no_handler, NULL},
    {0},
};

/* A share of one profile, and a token that sends. */
static bool judge(void *ctx, const char *secret, size_t len, bool is_share, struct http_grant *out)
{
    (void)ctx;
    if (is_share && len == 5 && memcmp(secret, "share", 5) == 0) {
        *out = (struct http_grant){.scope = HTTP_SCOPE_SHARE, .subject = "aaaaaaaaaaaaaaaa"};
        return true;
    }
    if (!is_share && len == 6 && memcmp(secret, "sender", 6) == 0) {
        *out = (struct http_grant){.scope = HTTP_SCOPE_SEND};
        return true;
    }
    return false;
}

static struct http_server *server(void)
{
    static struct http_server s;
    if (!s.routes) {
        s.routes = routes;
        s.judge = judge;
        s.port = PORT;
        s.is_loopback = true;
        s.max_upload = 1 << 20;
        strcpy(s.host, "127.0.0.1");
        strcpy(s.cookie, "heliograph_7700");
        s.token = strdup(token);
        s.trust_proxy = strdup("127.0.0.1");
        limit_init(&s.failures, 1, 0);
        limit_init(&s.uploads, 1, 0);
    }
    return &s;
}

/* ---- a head in lines: "METHOD URI", "Name: value", ..., an empty line, the body ---- */

static char *take_line(char **at)
{
    char *line = *at;
    size_t len = strcspn(line, "\n");
    *at = line + len + (line[len] == '\n');
    line[len] = '\0';
    return line;
}

static void split_head(char *text, struct mg_request_info *info)
{
    char *line = take_line(&text);
    char *space = strchr(line, ' ');
    info->request_method = line;
    if (space)
        *space = '\0';
    info->request_uri = space ? space + 1 : "";
    char *query = space ? strchr(space + 1, '?') : NULL;
    info->query_string = query ? query + 1 : NULL;
    while (*text && info->num_headers < MAX_HEADERS) {
        line = take_line(&text);
        char *colon = strchr(line, ':');
        if (!colon)
            continue;
        *colon = '\0';
        info->http_headers[info->num_headers].name = line;
        info->http_headers[info->num_headers++].value = colon + 1 + strspn(colon + 1, " ");
    }
}

static void check_passed(const struct http_request *r)
{
    static const char *const ours[] = {"localhost:7700", "127.0.0.1:7700", "[::1]:7700"};
    const char *host;
    const char *length;
    const char *encoding;
    const char *origin;
    const char *value;
    check(http_header_count(r->info, "Host", &host) == 1);
    bool is_ours = false;
    for (size_t i = 0; i < 3; i++)
        is_ours |= strcasecmp(host, ours[i]) == 0;
    check(is_ours);
    size_t lengths = http_header_count(r->info, "Content-Length", &length);
    size_t encodings = http_header_count(r->info, "Transfer-Encoding", &encoding);
    check(lengths + encodings <= 1);
    check(!encodings || strcasecmp(encoding, "chunked") == 0);
    bool is_write = strcmp(r->route->method, "GET") != 0;
    if (is_write && http_header_count(r->info, "Origin", &origin))
        check(strcasecmp(strstr(origin, "//") + 2, host) == 0);
    if (r->route->auth == HTTP_WRITE || r->route->auth == HTTP_READ)
        check(!r->share && (http_header_count(r->info, "Authorization", &value) ||
                            http_header_count(r->info, "Cookie", &value)));
    if (r->share)
        check(strcmp(r->share, "share") == 0 && r->grant.scope == HTTP_SCOPE_SHARE);
    for (const char *c = r->path; *c; c++)
        check((unsigned char)*c >= 0x20 && *c != '\\');
}

static void read_form(struct http_request *r, const uint8_t *data, size_t len)
{
    struct http_field fields[HTTP_MAX_FIELDS];
    struct error err = {0};
    size_t n = 0;
    if (http_read_fields(r, data, len, fields, &n, &err) != STATUS_OK) {
        check(err.text[0] != '\0');
        return;
    }
    check(n <= HTTP_MAX_FIELDS);
    for (size_t i = 0; i < n; i++)
        check(fields[i].data >= data && fields[i].data + fields[i].len <= data + len &&
              strlen(fields[i].name) + strlen(fields[i].file_name) < len);
}

static void try_head(char *text, size_t len)
{
    static struct mg_request_info info;
    memset(&info, 0, sizeof(info));
    char *body = memmem(text, len, "\n\n", 2);
    size_t body_len = 0;
    if (body) {
        body[1] = '\0';
        body += 2;
        body_len = len - (size_t)(body - text);
    }
    split_head(text, &info);
    strcpy(info.remote_addr, "127.0.0.1");
    info.user_data = server();
    struct http_request r = {.server = server(),
                             .info = &info,
                             .method = info.request_method,
                             .is_head = strcmp(info.request_method, "HEAD") == 0,
                             .arena = arena_new()};
    struct error err = {0};
    int code = 0;
    if (http_gate(&r, &code, &err) == STATUS_OK)
        check_passed(&r);
    else
        check(code >= 400 && code < 500 && err.text[0]);
    if (body)
        read_form(&r, (const uint8_t *)body, body_len);
    arena_free(r.arena);
}

/* ---- bodies ---- */

static void try_push(const uint8_t *data, size_t len)
{
    const struct pyroscope_sample *samples;
    size_t n = 0;
    struct error err = {0};
    struct arena *arena = arena_new();
    if (pyroscope_read_push(&samples, &n, data, len, arena, &err) == STATUS_OK) {
        for (size_t i = 0; i < n; i++)
            check(samples[i].data >= data && samples[i].data + samples[i].len <= data + len);
    } else {
        check(err.text[0] != '\0');
    }
    arena_free(arena);
}

static void try_texts(const char *text, size_t len)
{
    struct pyroscope_labels labels;
    struct error err = {0};
    struct arena *arena = arena_new();
    struct buf out;
    pyroscope_read_name(&labels, text, arena, &err);
    buf_init(&out, 0);
    redact_text(&out, text, len, "host.example");
    check(!out.len || (!memmem(out.data, out.len, "://", 3) && out.len <= 10 * len));
    buf_deinit(&out);
    arena_free(arena);
    http_json_depth((const uint8_t *)text, len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len < 1)
        return 0;
    if (data[0] % 3 == 1) {
        try_push(data + 1, len - 1);
        return 0;
    }
    char *text = malloc(len);
    if (!text)
        return 0;
    memcpy(text, data + 1, len - 1);
    text[len - 1] = '\0';
    if (data[0] % 3 == 2)
        try_texts(text, len - 1);
    else
        try_head(text, len - 1);
    free(text);
    return 0;
}
