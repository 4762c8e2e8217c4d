#include "backend/api/api.h"

#include <stdlib.h>
#include <string.h>

#include "backend/api/inside.h"
#include "backend/store/access.h"
#include "common/base/clock.h"
#include "common/base/ident.h"

enum { FIRST_PORT = 7700, DEFAULT_VIEWERS = 128, DEFAULT_COLLECTORS = 64, KEPT_PART = 8 };

#define PROFILE "/api/v1/profiles/{}"

static const struct http_route routes[] = {
    {"GET", "/api/v1/profiles", HTTP_READ, HTTP_NO_BODY, api_list, NULL},
    {"POST", "/api/v1/profiles", HTTP_SEND, HTTP_UPLOAD_BODY, api_upload, NULL},
    {"GET", PROFILE, HTTP_PROFILE, HTTP_NO_BODY, api_get, NULL},
    {"PATCH", PROFILE, HTTP_WRITE, HTTP_JSON_BODY, api_patch, NULL},
    {"DELETE", PROFILE, HTTP_WRITE, HTTP_NO_BODY, api_delete, NULL},
    {"GET", PROFILE "/flame", HTTP_PROFILE, HTTP_NO_BODY, api_ask, NULL},
    {"GET", PROFILE "/table", HTTP_PROFILE, HTTP_NO_BODY, api_ask, NULL},
    {"GET", PROFILE "/callers", HTTP_PROFILE, HTTP_NO_BODY, api_ask, NULL},
    {"GET", PROFILE "/lines", HTTP_PROFILE, HTTP_NO_BODY, api_ask, NULL},
    {"GET", PROFILE "/source", HTTP_PROFILE, HTTP_NO_BODY, api_ask, NULL},
    {"GET", PROFILE "/series", HTTP_PROFILE, HTTP_NO_BODY, api_ask, NULL},
    {"GET", PROFILE "/spans", HTTP_PROFILE, HTTP_NO_BODY, api_ask, NULL},
    {"GET", PROFILE "/activity", HTTP_PROFILE, HTTP_NO_BODY, api_ask, NULL},
    {"GET", PROFILE "/memory", HTTP_PROFILE, HTTP_NO_BODY, api_ask, NULL},
    {"GET", PROFILE "/leaks", HTTP_PROFILE, HTTP_NO_BODY, api_ask, NULL},
    {"GET", PROFILE "/stats", HTTP_PROFILE, HTTP_NO_BODY, api_ask, NULL},
    {"GET", PROFILE "/export", HTTP_PROFILE, HTTP_NO_BODY, api_export, NULL},
    {"POST", PROFILE "/control", HTTP_WRITE, HTTP_JSON_BODY, api_control, NULL},
    {"GET", PROFILE "/notes", HTTP_PROFILE, HTTP_NO_BODY, api_note_list, NULL},
    {"POST", PROFILE "/notes", HTTP_WRITE, HTTP_JSON_BODY, api_note_add, NULL},
    {"DELETE", PROFILE "/notes/{}", HTTP_WRITE, HTTP_NO_BODY, api_note_remove, NULL},
    {"GET", PROFILE "/alerts", HTTP_PROFILE, HTTP_NO_BODY, api_profile_alerts, NULL},
    {"POST", PROFILE "/shares", HTTP_WRITE, HTTP_JSON_BODY, api_share_add, NULL},
    {"GET", "/api/v1/shares", HTTP_WRITE, HTTP_NO_BODY, api_share_list, NULL},
    {"DELETE", "/api/v1/shares/{}", HTTP_WRITE, HTTP_NO_BODY, api_share_revoke, NULL},
    {"GET", "/api/v1/share", HTTP_SHARED, HTTP_NO_BODY, api_share_get, NULL},
    {"POST", "/api/v1/tokens", HTTP_WRITE, HTTP_JSON_BODY, api_token_add, NULL},
    {"GET", "/api/v1/tokens", HTTP_WRITE, HTTP_NO_BODY, api_token_list, NULL},
    {"DELETE", "/api/v1/tokens/{}", HTTP_WRITE, HTTP_NO_BODY, api_token_revoke, NULL},
    {"GET", "/api/v1/rules", HTTP_WRITE, HTTP_NO_BODY, api_rule_list, NULL},
    {"POST", "/api/v1/rules", HTTP_WRITE, HTTP_JSON_BODY, api_rule_add, NULL},
    {"DELETE", "/api/v1/rules/{}", HTTP_WRITE, HTTP_NO_BODY, api_rule_remove, NULL},
    {"POST", "/api/v1/rules/{}/test", HTTP_WRITE, HTTP_NO_BODY, api_rule_test, NULL},
    {"GET", "/api/v1/alerts", HTTP_READ, HTTP_NO_BODY, api_alert_list, NULL},
    {"GET", "/api/v1/benchmarks", HTTP_READ, HTTP_NO_BODY, api_benchmarks, NULL},
    {"GET", "/api/v1/diff", HTTP_READ, HTTP_NO_BODY, api_diff, NULL},
    {"GET", "/api/v1/diff/flame", HTTP_READ, HTTP_NO_BODY, api_diff_flame, NULL},
    {"WS", "/api/v1/live/{}", HTTP_PROFILE, HTTP_NO_BODY, NULL, &api_live_socket},
    {"WS", "/api/v1/collect", HTTP_COLLECT, HTTP_NO_BODY, NULL, &api_collect_socket},
    /* Where Pyroscope's SDKs and OpenTelemetry's exporters send to. */
    {"POST", "/ingest", HTTP_SEND, HTTP_ANY_BODY, api_ingest, NULL},
    {"POST", "/push.v1.PusherService/Push", HTTP_SEND, HTTP_PROTOBUF_BODY, api_push, NULL},
    {"POST", "/v1development/profiles", HTTP_SEND, HTTP_PROTOBUF_BODY, api_otlp, NULL},
    {"GET", "/debug/pprof/", HTTP_READ, HTTP_NO_BODY, api_pprof_index, NULL},
    {"GET", "/debug/pprof/profile", HTTP_READ, HTTP_NO_BODY, api_pprof_profile, NULL},
    {"GET", "/debug/pprof/heap", HTTP_READ, HTTP_NO_BODY, api_pprof_heap, NULL},
    {"POST", "/api/v1/session", HTTP_PUBLIC, HTTP_JSON_BODY, api_session, NULL},
    {"GET", "/healthz", HTTP_PUBLIC, HTTP_NO_BODY, api_health, NULL},
    {"GET", "/readyz", HTTP_PUBLIC, HTTP_NO_BODY, api_ready, NULL},
    {"GET", "/metrics", HTTP_READ, HTTP_NO_BODY, api_metrics, NULL},
    {"GET", "/openapi.json", HTTP_PUBLIC, HTTP_NO_BODY, api_openapi, NULL},
    /* The page is the same for everybody; what it shows asks for the token. */
    {"GET", "/", HTTP_PUBLIC, HTTP_NO_BODY, api_page, NULL},
    {"GET", "/p/{}", HTTP_PUBLIC, HTTP_NO_BODY, api_page, NULL},
    {"GET", "/alerts", HTTP_PUBLIC, HTTP_NO_BODY, api_page, NULL},
    {"GET", "/benchmarks", HTTP_PUBLIC, HTTP_NO_BODY, api_page, NULL},
    {"GET", "/d/{}", HTTP_PUBLIC, HTTP_NO_BODY, api_page, NULL},
    {"GET", "/s/{}", HTTP_PUBLIC, HTTP_NO_BODY, api_share_page, NULL},
    {"GET", "/assets/{*}", HTTP_PUBLIC, HTTP_NO_BODY, api_asset, NULL},
    {"GET", "/{}", HTTP_PUBLIC, HTTP_NO_BODY, api_asset, NULL}, /* icon, manifest */
    {0},
};

static char *copy_or(const char *text, const char *otherwise)
{
    return strdup(text && *text ? text : otherwise);
}

static void free_server(struct api_server *s)
{
    api_imports_deinit(s);
    api_caches_deinit(s);
    kept_free(s->kept);
    free(s->token);
    free(s->version);
    free(s->build);
    free(s);
}

static enum status new_server(struct api_server **out, const struct api_options *o,
                              struct error *err)
{
    struct api_server *s = calloc(1, sizeof(*s));
    if (!s || api_imports_init(s) != STATUS_OK || api_caches_init(s) != STATUS_OK) {
        free(s);
        return error_set(err, STATUS_NO_MEMORY, "no memory for the server");
    }
    s->cache_bytes = o->cache_bytes ? o->cache_bytes : 512ULL << 20;
    if (kept_new(&s->kept, s->cache_bytes / KEPT_PART) != STATUS_OK) {
        free_server(s);
        return error_set(err, STATUS_NO_MEMORY, "no memory for the server");
    }
    s->library = o->library;
    s->max_raw = o->max_raw ? o->max_raw : 1ULL << 30;
    s->start_unix_ns = clock_unix_ns();
    s->version = copy_or(o->version, "unknown");
    s->build = copy_or(o->build, "unknown");
    s->token = o->token && *o->token ? strdup(o->token) : NULL;
    if (!s->version || !s->build || (o->token && *o->token && !s->token)) {
        free_server(s);
        return error_set(err, STATUS_NO_MEMORY, "no memory for the server");
    }
    *out = s;
    return STATUS_OK;
}

static enum status serve(struct api_server *s, const struct api_options *o, struct error *err)
{
    uint32_t viewers = o->max_viewers ? o->max_viewers : DEFAULT_VIEWERS;
    uint32_t collectors = o->max_collectors ? o->max_collectors : DEFAULT_COLLECTORS;
    api_live_socket.max_open = viewers;
    api_collect_socket.max_open = collectors;
    struct http_options http = {
        .listen = o->listen,
        .allow_hosts = o->allow_hosts,
        .allow_hosts_len = o->allow_hosts_len,
        .token = o->token,
        .max_upload = o->max_upload,
        .max_sockets = viewers + collectors,
        .routes = routes,
        .ctx = s,
        .judge = api_judge,
        .trust_proxy = o->trust_proxy,
        .uploads_per_minute = o->uploads_per_minute,
    };
    if (!o->listen)
        return http_server_start_free(&s->http, &http, "127.0.0.1", FIRST_PORT, s->url, err);
    return http_server_start(&s->http, &http, s->url, err);
}

/* Both name our address in what they send, which is known only when we listen. */
static enum status start_watching(struct api_server *s, const struct api_options *o,
                                  struct error *err)
{
    struct alerts_options alerts = {
        .base_url = s->url,
        .may_go_inside = http_is_local(s->http),
        .hosts = o->webhook_hosts,
        .hosts_len = o->webhook_hosts_len,
    };
    struct ingest_options options = {
        .library = s->library,
        .base_url = s->url,
        .may_collect = api_may_collect,
        .ctx = s,
        .max_peers = o->max_collectors ? o->max_collectors : DEFAULT_COLLECTORS,
    };
    struct ingest *ingest;
    enum status st = alerts_begin(s->watching, &alerts, err);
    if (st == STATUS_OK)
        st = ingest_new(&ingest, &options, err);
    if (st != STATUS_OK)
        return st;
    atomic_store(&s->alerts, s->watching);
    atomic_store(&s->ingest, ingest);
    return STATUS_OK;
}

enum status api_server_start(struct api_server **out, const struct api_options *options,
                             char url[128], struct error *err)
{
    struct api_server *s;
    enum status st = new_server(&s, options, err);
    if (st != STATUS_OK)
        return st;
    st = push_new(&s->push, s->library, err);
    if (st == STATUS_OK)
        st = alerts_new(&s->watching, s->library, err);
    if (st == STATUS_OK)
        st = serve(s, options, err);
    if (st == STATUS_OK)
        st = start_watching(s, options, err);
    if (st != STATUS_OK) {
        api_server_stop(s);
        return st;
    }
    memcpy(url, s->url, sizeof(s->url));
    *out = s;
    return STATUS_OK;
}

void api_server_stop(struct api_server *s)
{
    if (!s)
        return;
    library_wake_all(s->library);
    http_server_stop(s->http);
    ingest_free(atomic_load(&s->ingest));
    push_free(s->push);
    alerts_free(s->watching);
    free_server(s);
}
