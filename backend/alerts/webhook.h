#pragma once
/* One POST of JSON to an address that an administrator gave. The only thing the server ever says
 * to others by itself, so where it may go is decided here (docs/security.md). */

#include <curl/curl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

#include "backend/store/alerts.h"
#include "common/base/buf.h"
#include "common/base/status.h"

enum {
    WEBHOOK_CONNECT_MS = 3000,
    WEBHOOK_WHOLE_MS = 5000,
    WEBHOOK_MAX_ANSWER = 64 << 10, /* bytes; nobody reads them */
    WEBHOOK_SECONDS = WEBHOOK_WHOLE_MS / 1000,
};

struct webhook_policy {
    bool may_go_inside;
    char **hosts; /* "name" or "name:port"; none = every host */
    size_t hosts_len;
};

/* Whether this address may be given at all: http or https, a host, no name and password, and a host
 * of the list if there is one. STATUS_INVALID, STATUS_DENIED. */
enum status webhook_check_url(const struct webhook_policy *policy, const char *url,
                              struct error *err);

/* Whether to speak to what a name turned out to be: asked again at every connection, so that a
 * name that later stands for something else gains nothing. */
bool webhook_may_connect(const struct webhook_policy *policy, const struct sockaddr *address);

/* "https://host/..." : the path of an address is a secret of its own. `out` holds 200 bytes. */
void webhook_mask_url(const char *url, char out[200]);

/* One post. The body and the policy stay the caller's until webhook_drop. */
struct webhook {
    CURL *curl;
    struct curl_slist *headers;
    const struct webhook_policy *policy;
    bool is_forbidden; /* the address it turned out to be */
    size_t answered;   /* bytes */
};
enum status webhook_prepare(struct webhook *w, const struct webhook_policy *policy, const char *url,
                            const char *secret, uint64_t number, const struct buf *body,
                            struct error *err);
void webhook_drop(struct webhook *w);

/* How it went: words for people. `*is_final`: another try would go the same way. */
bool webhook_judge(const struct webhook *w, CURLcode code, bool *is_final, char words[200]);

/* The body of one alert; `kind` is "alert" or "test". */
enum status webhook_write(struct buf *body, const char *kind, const char *base_url,
                          const struct library_alert *alert);

/* Lower-case hex of HMAC-SHA-256 (RFC 2104). `out` holds 65 bytes. */
void webhook_sign(const char *secret, const struct buf *body, char out[65]);
