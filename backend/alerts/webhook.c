#include "backend/alerts/webhook.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/json_out.h"
#include "common/base/sha256.h"

/* ---- where it may go ---- */

static bool is_listed(const struct webhook_policy *policy, const char *host, const char *port)
{
    char with_port[300];
    snprintf(with_port, sizeof(with_port), "%s:%s", host, port);
    for (size_t i = 0; i < policy->hosts_len; i++) {
        if (strcasecmp(policy->hosts[i], host) == 0 || strcasecmp(policy->hosts[i], with_port) == 0)
            return true;
    }
    return policy->hosts_len == 0;
}

static enum status check_parts(const struct webhook_policy *policy, CURLU *url, struct error *err)
{
    char *scheme = NULL;
    char *host = NULL;
    char *port = NULL;
    char *user = NULL;
    enum status st = STATUS_OK;
    bool is_whole = curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
                    curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
                    curl_url_get(url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK;
    bool has_user = curl_url_get(url, CURLUPART_USER, &user, 0) == CURLUE_OK;
    if (!is_whole || (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0))
        st = error_set(err, STATUS_INVALID, "a webhook is an address of http:// or https://");
    else if (has_user)
        st = error_set(err, STATUS_INVALID,
                       "a webhook's address has no name and password: sign it with a secret");
    else if (!is_listed(policy, host, port))
        st = error_set(err, STATUS_DENIED,
                       "this server sends webhooks to the hosts of --webhook-host only");
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    curl_free(user);
    return st;
}

enum status webhook_check_url(const struct webhook_policy *policy, const char *url,
                              struct error *err)
{
    for (const char *c = url; *c; c++) {
        if ((unsigned char)*c <= ' ' || *c == 0x7f)
            return error_set(err, STATUS_INVALID, "a webhook's address has no spaces in it");
    }
    CURLU *parts = curl_url();
    if (!parts)
        return error_set(err, STATUS_NO_MEMORY, "no memory for an address");
    enum status st =
        curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK
            ? check_parts(policy, parts, err)
            : error_set(err, STATUS_INVALID, "a webhook is an address of http:// or https://");
    curl_url_cleanup(parts);
    return st;
}

/* RFC 6890's special addresses: of this machine and of private networks, and those nobody needs. */
enum reach { REACH_WORLD, REACH_INSIDE, REACH_NEVER };

static enum reach reach_of_v4(uint32_t ip)
{
    uint32_t first = ip >> 24;
    if (first == 0 || ip >> 16 == 0xa9fe || first >= 224) /* this, link-local, multicast, rest */
        return REACH_NEVER;
    bool is_inside = first == 127 || first == 10 || ip >> 20 == 0xac1 || ip >> 16 == 0xc0a8 ||
                     ip >> 22 == 0x191; /* 100.64.0.0/10: carriers' and clouds' */
    return is_inside ? REACH_INSIDE : REACH_WORLD;
}

static enum reach reach_of_v6(const uint8_t ip[16])
{
    static const uint8_t zeros[16] = {0};
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    static const uint8_t translated[12] = {0, 0x64, 0xff, 0x9b}; /* 64:ff9b::/96 */
    if (memcmp(ip, mapped, sizeof(mapped)) == 0 || memcmp(ip, translated, sizeof(translated)) == 0)
        return reach_of_v4((uint32_t)ip[12] << 24 | (uint32_t)ip[13] << 16 | (uint32_t)ip[14] << 8 |
                           ip[15]);
    if (memcmp(ip, zeros, 15) == 0)
        return ip[15] == 1 ? REACH_INSIDE : REACH_NEVER;
    if (ip[0] == 0xff || (ip[0] == 0xfe && (ip[1] & 0xc0) == 0x80))
        return REACH_NEVER;
    return (ip[0] & 0xfe) == 0xfc ? REACH_INSIDE : REACH_WORLD;
}

bool webhook_may_connect(const struct webhook_policy *policy, const struct sockaddr *address)
{
    enum reach reach = REACH_NEVER;
    if (address->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, address, sizeof(v4));
        reach = reach_of_v4(ntohl(v4.sin_addr.s_addr));
    } else if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, address, sizeof(v6));
        reach = reach_of_v6(v6.sin6_addr.s6_addr);
    }
    /* A host that the list names may be anywhere. */
    bool may_go_inside = policy->may_go_inside || policy->hosts_len > 0;
    return reach == REACH_WORLD || (reach == REACH_INSIDE && may_go_inside);
}

void webhook_mask_url(const char *url, char out[200])
{
    const char *host = strstr(url, "://");
    size_t len = host ? (size_t)(host + 3 - url) + strcspn(host + 3, "/?#") : 0;
    snprintf(out, 200, "%.*s%s", (int)(len > 150 ? 150 : len), url,
             url[len] ? "/\xe2\x80\xa6" : "");
}

/* ---- one post ---- */

static curl_socket_t open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct webhook *w = ctx;
    (void)purpose;
    if (!webhook_may_connect(w->policy, &address->addr)) {
        w->is_forbidden = true;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* NOLINTNEXTLINE(readability-non-const-parameter): the type is libcurl's */
static size_t take_answer(char *data, size_t size, size_t count, void *ctx)
{
    struct webhook *w = ctx;
    (void)data;
    w->answered += size * count;
    return w->answered <= WEBHOOK_MAX_ANSWER ? size * count : 0;
}

void webhook_sign(const char *secret, const struct buf *body, char out[65])
{
    enum { BLOCK = 64 };
    uint8_t key[BLOCK] = {0};
    uint8_t digest[SHA256_BYTES];
    size_t len = strlen(secret);
    if (len > BLOCK)
        sha256(secret, len, key);
    else
        memcpy(key, secret, len);
    struct buf message;
    buf_init(&message, 0);
    for (size_t i = 0; i < BLOCK; i++)
        buf_put_byte(&message, key[i] ^ 0x36);
    buf_put(&message, body->data, body->len);
    sha256(message.data, message.len, digest);
    buf_clear(&message);
    for (size_t i = 0; i < BLOCK; i++)
        buf_put_byte(&message, key[i] ^ 0x5c);
    buf_put(&message, digest, sizeof(digest));
    sha256(message.data, message.len, digest);
    buf_deinit(&message);
    for (size_t i = 0; i < SHA256_BYTES; i++)
        snprintf(out + 2 * i, 3, "%02x", digest[i]);
}

static void add_header(struct webhook *w, const char *line)
{
    struct curl_slist *more = curl_slist_append(w->headers, line);
    if (more)
        w->headers = more;
}

enum status webhook_prepare(struct webhook *w, const struct webhook_policy *policy, const char *url,
                            const char *secret, uint64_t number, const struct buf *body,
                            struct error *err)
{
    *w = (struct webhook){.curl = curl_easy_init(), .policy = policy};
    if (!w->curl)
        return error_set(err, STATUS_NO_MEMORY, "no memory for a webhook");
    char line[128];
    add_header(w, "Expect:");
    add_header(w, "Content-Type: application/json");
    snprintf(line, sizeof(line), "X-Heliograph-Delivery: %llu", (unsigned long long)number);
    add_header(w, line);
    if (*secret) {
        char hex[65];
        webhook_sign(secret, body, hex);
        snprintf(line, sizeof(line), "X-Heliograph-Signature: sha256=%s", hex);
        add_header(w, line);
    }
    /* No redirects (libcurl's default, said again), no proxy of the environment, nothing but HTTP:
     * what is spoken to is the address that was checked. */
    curl_easy_setopt(w->curl, CURLOPT_URL, url);
    curl_easy_setopt(w->curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(w->curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(w->curl, CURLOPT_PROXY, "");
    curl_easy_setopt(w->curl, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(w->curl, CURLOPT_OPENSOCKETDATA, w);
    curl_easy_setopt(w->curl, CURLOPT_WRITEFUNCTION, take_answer);
    curl_easy_setopt(w->curl, CURLOPT_WRITEDATA, w);
    curl_easy_setopt(w->curl, CURLOPT_PRIVATE, w);
    curl_easy_setopt(w->curl, CURLOPT_HTTPHEADER, w->headers);
    curl_easy_setopt(w->curl, CURLOPT_USERAGENT, "heliograph");
    curl_easy_setopt(w->curl, CURLOPT_POSTFIELDS, body->data);
    curl_easy_setopt(w->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body->len);
    curl_easy_setopt(w->curl, CURLOPT_CONNECTTIMEOUT_MS, (long)WEBHOOK_CONNECT_MS);
    curl_easy_setopt(w->curl, CURLOPT_TIMEOUT_MS, (long)WEBHOOK_WHOLE_MS);
    curl_easy_setopt(w->curl, CURLOPT_NOSIGNAL, 1L);
    return STATUS_OK;
}

void webhook_drop(struct webhook *w)
{
    curl_easy_cleanup(w->curl);
    curl_slist_free_all(w->headers);
    *w = (struct webhook){0};
}

bool webhook_judge(const struct webhook *w, CURLcode code, bool *is_final, char words[200])
{
    long status = 0;
    curl_easy_getinfo(w->curl, CURLINFO_RESPONSE_CODE, &status);
    *is_final = false;
    if (w->is_forbidden) {
        *is_final = true;
        snprintf(words, 200, "not sent: the host is at an address webhooks may not go to");
    } else if (status == 0 || code == CURLE_OPERATION_TIMEDOUT) {
        snprintf(words, 200, "%s", curl_easy_strerror(code));
    } else {
        /* Whoever does not want it now will not want it later, except for these. */
        *is_final = status < 500 && status != 408 && status != 429;
        snprintf(words, 200,
                 status >= 300 && status < 400 ? "HTTP %ld: redirects are not followed"
                                               : "HTTP %ld",
                 status);
    }
    return status >= 200 && status < 300 && !w->is_forbidden;
}

/* ---- what is told ---- */

enum status webhook_write(struct buf *body, const char *kind, const char *base_url,
                          const struct library_alert *alert)
{
    struct json_out j;
    char url[256];
    json_out_init(&j, body);
    json_out_object(&j);
    json_put_text(&j, "text", alert->text); /* what chat programs show */
    json_put_text(&j, "event", kind);
    json_out_key(&j, "alert");
    json_out_u64(&j, alert->number);
    json_out_key(&j, "rule");
    json_out_object(&j);
    json_out_key(&j, "number");
    json_out_u64(&j, alert->rule);
    json_put_text(&j, "name", alert->rule_name);
    json_put_text(&j, "kind", library_rule_kind_name(alert->kind));
    json_put_f64(&j, "bound", alert->bound);
    json_out_end(&j);
    if (*alert->profile) {
        snprintf(url, sizeof(url), "%.150s/p/%s", base_url, alert->profile);
        json_put_text(&j, "profile", alert->profile);
        json_put_text(&j, "name", alert->profile_name);
        json_put_text(&j, "url", url);
        json_put_f64(&j, "at_s", alert->at_s);
    }
    json_put_f64(&j, "value", alert->value);
    if (alert->kind == RULE_SHARE) {
        json_put_text(&j, "function", alert->function);
        json_put_f64(&j, "baseline", alert->baseline);
    }
    json_out_key(&j, "created_unix_ms");
    json_out_u64(&j, alert->created_unix_ms);
    json_out_end(&j);
    return buf_status(body);
}
