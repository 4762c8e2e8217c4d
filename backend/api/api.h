#pragma once
/* The HTTP API of docs/api.md and the page, over a library of profiles. */

#include <stddef.h>
#include <stdint.h>

#include "backend/store/library.h"
#include "common/base/status.h"

struct api_server;

struct api_options {
    struct library *library; /* borrowed until api_server_stop */
    const char *listen;      /* "HOST:PORT"; port 0 = any free one; NULL = 127.0.0.1, first free
                                port from 7700 on */
    const char *token;       /* NULL = none; an address that is not loopback needs one */
    const char *const *allow_hosts;
    size_t allow_hosts_len;
    const char *const *webhook_hosts; /* the only ones that webhooks go to; none = see alerts.h */
    size_t webhook_hosts_len;
    const char *trust_proxy;     /* the address of a reverse proxy before us; NULL = none */
    uint32_t uploads_per_minute; /* from one address; 0 = 600 */
    uint64_t max_upload;         /* bytes as sent; 0 = 256 MiB */
    uint64_t max_raw;            /* bytes after unpacking; 0 = 1 GiB */
    uint32_t max_viewers;        /* live websockets; 0 = 128 */
    uint32_t max_collectors;     /* 0 = 64 */
    uint64_t cache_bytes;        /* of query caches; 0 = 512 MiB; an eighth more for answers */
    const char *version, *build; /* told by /healthz; NULL = "unknown" */
};

/* `url` holds at least 128 bytes: "http://127.0.0.1:7700". */
enum status api_server_start(struct api_server **out, const struct api_options *options,
                             char url[128], struct error *err);

/* Closes all connections; sessions of collectors that are still there become interrupted. The
 * library stays open. Takes NULL. */
void api_server_stop(struct api_server *s);
