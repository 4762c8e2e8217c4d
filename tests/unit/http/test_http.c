#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backend/assets/assets.h"
#include "backend/http/inside.h"

/* ---- a page of our own ---- */

static const unsigned char page[] = "<!doctype html>test";
static const struct asset index_asset = {.path = "/index.html",
                                         .content_type = "text/html; charset=utf-8",
                                         .data = page,
                                         .len = sizeof(page) - 1,
                                         .etag = "\"abc\""};

const struct asset *asset_find(const char *path)
{
    return strcmp(path, "/index.html") == 0 ? &index_asset : NULL;
}

/* ---- parts ---- */

Test(http_json, counts_nesting_but_not_within_strings)
{
    static const struct {
        const char *text;
        size_t depth;
    } rows[] = {
        {"", 0},      {"{}", 1},    {"[[[]]]", 3}, {"\"[[[[\"", 0}, {"{\"a\\\"[\":[1]}", 2},
        {"]]]][", 1}, {"[[[[[", 5}, {"\"\\", 0},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        cr_assert_eq(http_json_depth((const uint8_t *)rows[i].text, strlen(rows[i].text)),
                     rows[i].depth, "%s", rows[i].text);
}

Test(http_list, finds_whole_words_only)
{
    cr_assert(http_list_has("gzip", "gzip"));
    cr_assert(http_list_has("br , GZIP", "gzip"));
    cr_assert(http_list_has("keep-alive, Upgrade", "upgrade"));
    cr_assert_not(http_list_has("gzip;q=0", "gzip"));
    cr_assert_not(http_list_has("xgzip", "gzip"));
    cr_assert_not(http_list_has("", "gzip"));
    cr_assert_not(http_list_has(NULL, "gzip"));
}

Test(http_address, takes_ipv4_and_a_port)
{
    struct http_address a;
    cr_assert_eq(http_address_parse(&a, "127.0.0.1:7700", NULL), STATUS_OK);
    cr_assert(a.is_loopback && a.port == 7700);
    cr_assert_eq(http_address_parse(&a, "localhost:0", NULL), STATUS_OK);
    cr_assert_str_eq(a.host, "127.0.0.1");
    cr_assert_eq(http_address_parse(&a, "0.0.0.0:80", NULL), STATUS_OK);
    cr_assert_not(a.is_loopback);
}

Test(http_address, refuses_everything_else_with_words)
{
    static const char *const bad[] = {"",
                                      "7700",
                                      ":7700",
                                      "127.0.0.1",
                                      "[::1]:7700",
                                      "127.0.0.1:x",
                                      "127.0.0.1:70000",
                                      "::1:80",
                                      "example.test:80",
                                      "127.0.0.1:",
                                      "127.0.0.1:80x",
                                      "256.0.0.1:1"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct http_address a;
        struct error err = {0};
        cr_assert_neq(http_address_parse(&a, bad[i], &err), STATUS_OK, "%s", bad[i]);
        cr_assert(err.text[0], "%s", bad[i]);
    }
}

static bool matches(const char *path, const char *pattern, const char *part)
{
    struct http_request r = {.path = path, .arena = arena_new()};
    bool is_match = http_match(&r, pattern);
    if (is_match && part)
        cr_assert_str_eq(http_part(&r, 0), part);
    arena_free(r.arena);
    return is_match;
}

Test(http_route, matches_segments_and_rests)
{
    cr_assert(matches("/api/v1/profiles", "/api/v1/profiles", NULL));
    cr_assert(matches("/api/v1/profiles/abc", "/api/v1/profiles/{}", "abc"));
    cr_assert(matches("/api/v1/profiles/abc/flame", "/api/v1/profiles/{}/flame", "abc"));
    cr_assert(matches("/assets/a/b.js", "/assets/{*}", "a/b.js"));
    cr_assert_not(matches("/api/v1/profiles/", "/api/v1/profiles/{}", NULL));
    cr_assert_not(matches("/api/v1/profiles/a/b", "/api/v1/profiles/{}", NULL));
    cr_assert_not(matches("/api/v1/profiles/abc/flames", "/api/v1/profiles/{}/flame", NULL));
    cr_assert_not(matches("/api/v1/profile", "/api/v1/profiles", NULL));
}

/* ---- a server ---- */

/* 300 KB of locals, as a parser that recurses may need: civetweb's own stacks hold 100. */
static int use_stack(int depth)
{
    volatile char room[64 * 1024];
    room[0] = (char)depth;
    room[sizeof(room) - 1] = (char)depth;
    return depth == 0 ? room[0] : use_stack(depth - 1) + room[sizeof(room) - 1];
}

static void hungry(struct http_request *r, void *ctx)
{
    (void)ctx;
    char text[32];
    int len = snprintf(text, sizeof(text), "%d", use_stack(5));
    http_reply(r, 200, "text/plain", text, (size_t)len);
}

static void echo(struct http_request *r, void *ctx)
{
    (void)ctx;
    struct error err = {0};
    const uint8_t *data;
    size_t len;
    if (http_read_body(r, &data, &len, &err) != STATUS_OK)
        http_fail(r, &err);
    else
        http_reply(r, 200, "application/octet-stream", data, len);
}

static void silent(struct http_request *r, void *ctx)
{
    (void)r;
    (void)ctx;
}

static void splitting(struct http_request *r, void *ctx)
{
    (void)ctx;
    http_add_header(r, "X-Name", http_query(r, "name"));
    http_reply(r, 200, "text/plain", "ok", 2);
}

static const struct http_route routes[] = {
    {"GET", "/hungry", HTTP_PUBLIC, HTTP_NO_BODY, hungry, NULL},
    {"POST", "/echo", HTTP_PUBLIC, HTTP_UPLOAD_BODY, echo, NULL},
    {"POST", "/json", HTTP_PUBLIC, HTTP_JSON_BODY, echo, NULL},
    {"GET", "/silent", HTTP_PUBLIC, HTTP_NO_BODY, silent, NULL},
    {"GET", "/splitting", HTTP_PUBLIC, HTTP_NO_BODY, splitting, NULL},
    {0},
};

static struct http_server *start(char url[128])
{
    struct http_options options = {
        .listen = "127.0.0.1:0", .routes = routes, .max_sockets = 4, .max_upload = 100000};
    struct http_server *s = NULL;
    struct error err = {0};
    cr_assert_eq(http_server_start(&s, &options, url, &err), STATUS_OK, "%s", err.text);
    return s;
}

/* Sends the bytes with a Host put after the first line; gives the whole answer. */
static char *ask(const char *url, const char *line, const char *rest)
{
    unsigned port = (unsigned)atoi(strrchr(url, ':') + 1);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    size_t size = strlen(line) + strlen(rest) + 128;
    char *request = malloc(size);
    int len = snprintf(request, size, "%s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n%s", line, port, rest);
    cr_assert_eq(write(fd, request, (size_t)len), len);
    free(request);
    char *answer = calloc(1, 1 << 16);
    size_t at = 0;
    ssize_t n;
    while (at < (1 << 16) - 1 && (n = read(fd, answer + at, (1 << 16) - 1 - at)) > 0)
        at += (size_t)n;
    close(fd);
    return answer;
}

static void expect(const char *url, const char *line, const char *rest, const char *part)
{
    char *answer = ask(url, line, rest);
    cr_assert(strstr(answer, part), "%s gave: %s", line, answer);
    free(answer);
}

Test(http_server, gives_handlers_a_stack_that_a_parser_can_use)
{
    char url[128];
    struct http_server *s = start(url);
    cr_assert_geq(atomic_load(&s->worker_stack), (size_t)HTTP_WORKER_STACK);
    expect(url, "GET /hungry", "\r\n", "HTTP/1.1 200 OK");
    http_server_stop(s);
}

Test(http_server, reads_bodies_told_and_chunked)
{
    char url[128];
    struct http_server *s = start(url);
    expect(url, "POST /echo",
           "Content-Type: application/octet-stream\r\nContent-Length: 5\r\n\r\nhello",
           "\r\n\r\nhello");
    expect(url, "POST /echo",
           "Content-Type: application/octet-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
           "3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
           "\r\n\r\nhello");
    expect(url, "POST /echo", "Content-Type: application/octet-stream\r\nContent-Length: 0\r\n\r\n",
           "Content-Length: 0");
    http_server_stop(s);
}

Test(http_server, refuses_json_that_is_too_deep_before_any_parser)
{
    char url[128];
    char rest[400];
    struct http_server *s = start(url);
    char nested[100] = "";
    memset(nested, '[', 64);
    snprintf(rest, sizeof(rest), "Content-Type: application/json\r\nContent-Length: 64\r\n\r\n%s",
             nested);
    expect(url, "POST /json", rest, "HTTP/1.1 200 OK");
    memset(nested, '[', 65);
    snprintf(rest, sizeof(rest), "Content-Type: application/json\r\nContent-Length: 65\r\n\r\n%s",
             nested);
    expect(url, "POST /json", rest, "HTTP/1.1 400 Bad Request");
    http_server_stop(s);
}

Test(http_server, answers_500_when_a_handler_says_nothing)
{
    char url[128];
    struct http_server *s = start(url);
    expect(url, "GET /silent", "\r\n", "HTTP/1.1 500 ");
    http_server_stop(s);
}

Test(http_server, lets_no_value_begin_another_header)
{
    char url[128];
    struct http_server *s = start(url);
    char *answer = ask(url, "GET /splitting?name=a%0d%0aSet-Cookie:%20x=1", "\r\n");
    cr_assert_not(strstr(answer, "\r\nSet-Cookie"), "%s", answer);
    cr_assert(strstr(answer, "X-Name: a__Set-Cookie: x=1"), "%s", answer);
    free(answer);
    http_server_stop(s);
}

Test(http_server, takes_the_next_port_when_one_is_in_use)
{
    char first[128];
    char second[128];
    struct http_server *a = start(first);
    unsigned port = (unsigned)atoi(strrchr(first, ':') + 1);
    struct http_options options = {.routes = routes, .max_sockets = 4};
    struct http_server *b = NULL;
    struct error err = {0};
    char taken[64];
    snprintf(taken, sizeof(taken), "127.0.0.1:%u", port);
    options.listen = taken;
    cr_assert_eq(http_server_start(&b, &options, second, &err), STATUS_BUSY);
    cr_assert(strstr(err.text, "in use"), "%s", err.text);
    cr_assert_eq(http_server_start_free(&b, &options, "127.0.0.1", (uint16_t)port, second, &err),
                 STATUS_OK, "%s", err.text);
    cr_assert_str_neq(first, second);
    expect(second, "GET /hungry", "\r\n", "200 OK");
    http_server_stop(b);
    http_server_stop(a);
}

Test(http_server, does_not_start_on_an_open_address_without_a_token)
{
    struct http_options options = {.listen = "0.0.0.0:0", .routes = routes};
    struct http_server *s = NULL;
    char url[128];
    struct error err = {0};
    cr_assert_eq(http_server_start(&s, &options, url, &err), STATUS_USAGE);
    cr_assert(strstr(err.text, "token"), "%s", err.text);
}

Test(http_server, counts_what_it_answers_and_refuses)
{
    char url[128];
    struct http_server *s = start(url);
    expect(url, "GET /hungry", "\r\n", "200 OK");
    expect(url, "GET /nothing", "\r\n", "404 Not Found");
    struct http_stats stats;
    http_server_stats(s, &stats);
    cr_assert_eq(stats.requests, 2);
    cr_assert_eq(stats.refused, 1);
    cr_assert_eq(stats.by_class[2], 1);
    cr_assert_eq(stats.by_class[4], 1);
    http_server_stop(s);
}
