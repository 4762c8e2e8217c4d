/* The server itself: the page, health, metrics, the description of the API. */

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/api/inside.h"
#include "backend/assets/assets.h"
#include "common/base/clock.h"

/* ---- page ---- */

static void refuse_token(struct http_request *r, int code)
{
    struct error err;
    error_set(&err, code == 429 ? STATUS_BUSY : STATUS_DENIED,
              code == 429 ? "too many wrong tokens from this address"
                          : "that is not this server's token");
    http_fail_as(r, code, &err, NULL);
}

/* A link with ?token= lets the browser in and is cleaned at once: the token must not stay in the
 * address, the history or a Referer. */
void api_page(struct http_request *r, void *ctx)
{
    (void)ctx;
    const char *token = http_query(r, "token");
    if (token) {
        int code = http_log_in(r, token);
        if (code == 200)
            http_redirect(r, http_path(r));
        else
            refuse_token(r, code);
        return;
    }
    http_reply_asset(r, "/index.html");
}

void api_asset(struct http_request *r, void *ctx)
{
    (void)ctx;
    http_reply_asset(r, http_path(r));
}

/* POST {"token":"..."}: the page's own form. */
void api_session(struct http_request *r, void *ctx)
{
    (void)ctx;
    struct error err = {0};
    const uint8_t *data;
    size_t len;
    if (http_read_body(r, &data, &len, &err) != STATUS_OK) {
        http_fail(r, &err);
        return;
    }
    cJSON *json = cJSON_ParseWithLength((const char *)data, len);
    const cJSON *token = cJSON_GetObjectItemCaseSensitive(json, "token");
    int code = cJSON_IsString(token) ? http_log_in(r, token->valuestring) : 401;
    cJSON_Delete(json);
    if (code == 200)
        http_reply(r, 204, NULL, NULL, 0);
    else
        refuse_token(r, code);
}

/* ---- health ---- */

void api_health(struct http_request *r, void *ctx)
{
    struct api_server *s = ctx;
    struct buf body;
    struct json_out j;
    buf_init(&body, 0);
    json_out_init(&j, &body);
    json_out_object(&j);
    json_out_key(&j, "status");
    json_out_text(&j, "ok");
    json_out_key(&j, "version");
    json_out_text(&j, s->version);
    json_out_key(&j, "build");
    json_out_text(&j, s->build);
    json_out_end(&j);
    http_reply_json(r, 200, &body);
    buf_deinit(&body);
}

/* Ready when the store answers. */
void api_ready(struct http_request *r, void *ctx)
{
    struct api_server *s = ctx;
    struct library_query query = {.limit = 1};
    struct library_row *rows = NULL;
    size_t len = 0;
    char next[64];
    struct error err = {0};
    enum status st = atomic_load(&s->ingest)
                         ? library_list(s->library, &query, &rows, &len, next, &err)
                         : error_set(&err, STATUS_BUSY, "the server is still starting");
    if (st != STATUS_OK) {
        http_fail_as(r, 503, &err, NULL);
        return;
    }
    library_rows_free(rows, len);
    static const char ok[] = "{\"status\":\"ready\"}";
    http_reply(r, 200, "application/json; charset=utf-8", ok, sizeof(ok) - 1);
}

/* ---- metrics: Prometheus text format 0.0.4 ---- */

static void metric(struct buf *b, const char *name, const char *type, const char *help,
                   double value)
{
    buf_printf(b, "# HELP heliograph_%s %s\n# TYPE heliograph_%s %s\nheliograph_%s %.17g\n", name,
               help, name, type, name, value);
}

/* A label's value: backslash, quote and newline are escaped (exposition format, "Line format"). */
static void put_label(struct buf *b, const char *text)
{
    for (; *text; text++) {
        if (*text == '\\' || *text == '"')
            buf_put_byte(b, '\\');
        if (*text == '\n')
            buf_put_text(b, "\\n");
        else
            buf_put_byte(b, (uint8_t)*text);
    }
}

static void http_metrics(struct buf *b, const struct http_stats *h)
{
    metric(b, "http_requests_total", "counter", "Requests answered.", (double)h->requests);
    metric(b, "http_refused_total", "counter", "Requests refused by the gate.", (double)h->refused);
    metric(b, "http_cut_total", "counter", "Answers that were not taken whole.", (double)h->cut);
    metric(b, "http_sent_bytes_total", "counter", "Bytes of answers and websocket messages.",
           (double)h->bytes_out);
    buf_put_text(b, "# HELP heliograph_http_responses_total Answers by class of status.\n"
                    "# TYPE heliograph_http_responses_total counter\n");
    for (int i = 1; i < 6; i++)
        buf_printf(b, "heliograph_http_responses_total{code=\"%dxx\"} %" PRIu64 "\n", i,
                   h->by_class[i]);
    metric(b, "websockets_open", "gauge", "Open websockets of viewers and collectors.",
           (double)h->sockets_open);
    metric(b, "websocket_messages_total", "counter", "Websocket messages received.",
           (double)h->websocket_messages);
}

static void store_metrics(struct buf *b, struct api_server *s)
{
    struct library_stats l = {0};
    library_stats(s->library, &l);
    metric(b, "profiles", "gauge", "Profiles in the store.", (double)l.profiles);
    metric(b, "profiles_live", "gauge", "Profiles being recorded.", (double)l.live);
    metric(b, "store_chunks", "gauge", "Chunks in the store.", (double)l.chunks);
    metric(b, "store_file_bytes", "gauge", "Size of the store's file.", (double)l.file_bytes);
    metric(b, "store_resident_bytes", "gauge", "Decoded profiles held in memory.",
           (double)l.resident_bytes);
    metric(b, "store_commits_total", "counter", "Transactions committed.", (double)l.commits);
    metric(b, "store_batches_total", "counter", "Batches stored.", (double)l.batches);
    metric(b, "store_samples_total", "counter", "Samples stored.", (double)l.samples);
}

static void ingest_metrics(struct buf *b, struct api_server *s)
{
    struct ingest *ingest = atomic_load(&s->ingest);
    struct ingest_stats i = {0};
    if (ingest)
        ingest_stats(ingest, &i);
    metric(b, "collectors", "gauge", "Collectors connected.", (double)i.peers);
    metric(b, "collector_sessions_total", "counter", "Sessions begun or resumed.",
           (double)i.sessions);
    metric(b, "collector_messages_total", "counter", "Messages from collectors.",
           (double)i.messages);
    metric(b, "collector_bytes_total", "counter", "Bytes from collectors.", (double)i.bytes);
    metric(b, "collector_refused_total", "counter", "Messages refused.", (double)i.refused);
}

static void push_metrics(struct buf *b, struct api_server *s)
{
    struct push_stats p;
    push_stats(s->push, &p);
    metric(b, "push_programs", "gauge", "Programs that push profiles themselves.",
           (double)p.streams);
    metric(b, "push_pieces_total", "counter", "Pieces of profiles pushed.", (double)p.pieces);
    metric(b, "push_refused_total", "counter", "Pieces that could not be stored.",
           (double)p.refused);
}

static void alert_metrics(struct buf *b, struct api_server *s)
{
    struct alerts *alerts = atomic_load(&s->alerts);
    struct alerts_stats a = {0};
    if (alerts)
        alerts_stats(alerts, &a);
    metric(b, "alert_rules", "gauge", "Rules over running programs.", (double)a.rules);
    metric(b, "alert_sessions", "gauge", "Running programs that a rule is about.",
           (double)a.watched);
    metric(b, "alerts_total", "counter", "Alerts found and stored.", (double)a.fired);
    metric(b, "alerts_dropped_total", "counter", "Alerts that could not be stored.",
           (double)a.fired_dropped);
    metric(b, "webhooks_delivered_total", "counter", "Webhooks taken.", (double)a.delivered);
    metric(b, "webhooks_failed_total", "counter", "Webhooks given up.",
           (double)(a.failed + a.undelivered));
    metric(b, "webhooks_retries_total", "counter", "Webhooks to be tried again.",
           (double)a.retries);
    metric(b, "webhooks_waiting", "gauge", "Webhooks on their way.", (double)a.waiting);
}

static double resident_bytes(void)
{
    char line[128];
    FILE *f = fopen("/proc/self/statm", "re");
    if (!f)
        return 0;
    const char *resident = fgets(line, sizeof(line), f) ? strchr(line, ' ') : NULL;
    fclose(f);
    long pages = resident ? strtol(resident, NULL, 10) : 0;
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static void own_metrics(struct buf *b, struct api_server *s)
{
    metric(b, "uploads_total", "counter", "Files imported.", (double)atomic_load(&s->uploads));
    metric(b, "uploads_refused_total", "counter", "Files that could not be read.",
           (double)atomic_load(&s->uploads_refused));
    metric(b, "questions_total", "counter", "Questions about profiles.",
           (double)atomic_load(&s->questions));
    metric(b, "viewers", "gauge", "Pages watching live.", (double)atomic_load(&s->viewers));
    metric(b, "query_cache_bytes", "gauge", "Memory of query caches.", (double)api_caches_size(s));
    metric(b, "kept_answer_bytes", "gauge", "Memory of answers that may be asked for again.",
           (double)kept_size(s->kept));
    metric(b, "kept_answers_total", "counter", "Questions answered with what was kept.",
           (double)atomic_load(&s->answered_again));
    metric(b, "process_resident_bytes", "gauge", "Resident memory of the server.",
           resident_bytes());
    metric(b, "process_cpu_seconds_total", "counter", "CPU time of the server.",
           (double)clock_process_cpu_ns() / 1e9);
    metric(b, "process_start_seconds", "gauge", "Start of the server, Unix time.",
           (double)s->start_unix_ns / 1e9);
    buf_put_text(b, "# HELP heliograph_build_info Version and build.\n"
                    "# TYPE heliograph_build_info gauge\nheliograph_build_info{version=\"");
    put_label(b, s->version);
    buf_put_text(b, "\",build=\"");
    put_label(b, s->build);
    buf_put_text(b, "\"} 1\n");
}

/* The targets being watched now: their latest memory, by series. */
static void target_metrics(struct buf *b, struct api_server *s)
{
    struct library_query query = {.limit = 500};
    struct library_row *rows = NULL;
    size_t len = 0;
    char next[64];
    if (library_list(s->library, &query, &rows, &len, next, NULL) != STATUS_OK)
        return;
    buf_put_text(b, "# HELP heliograph_target Latest value of a live profile's series.\n"
                    "# TYPE heliograph_target gauge\n");
    for (size_t i = 0; i < len; i++) {
        struct library_hold hold;
        if (rows[i].state != LIBRARY_LIVE ||
            library_hold(s->library, rows[i].id, &hold, NULL) != STATUS_OK)
            continue;
        const struct profile *p = hold.profile;
        for (size_t k = 0; k < p->series_len; k++) {
            const struct series *series = &p->series[k];
            if (series->has_process || series->len == 0)
                continue;
            buf_printf(b, "heliograph_target{profile=\"%s\",name=\"", rows[i].id);
            put_label(b, rows[i].name ? rows[i].name : "");
            buf_put_text(b, "\",series=\"");
            put_label(b, strtab_text(&p->tables.strings, series->name));
            buf_put_text(b, "\",unit=\"");
            put_label(b, strtab_text(&p->tables.strings, series->unit));
            buf_printf(b, "\"} %.17g\n", series->value[series->len - 1]);
        }
        library_release(s->library, &hold);
    }
    library_rows_free(rows, len);
}

void api_metrics(struct http_request *r, void *ctx)
{
    struct api_server *s = ctx;
    struct http_stats h;
    struct buf body;
    buf_init(&body, 0);
    http_server_stats(s->http, &h);
    http_metrics(&body, &h);
    store_metrics(&body, s);
    ingest_metrics(&body, s);
    push_metrics(&body, s);
    alert_metrics(&body, s);
    own_metrics(&body, s);
    target_metrics(&body, s);
    http_reply(r, 200, "text/plain; version=0.0.4; charset=utf-8", body.data, body.len);
    buf_deinit(&body);
}

/* ---- openapi.json, as it lies in the source tree ---- */

__asm__(".pushsection .rodata\n"
        ".global api_openapi_begin\n"
        ".global api_openapi_end\n"
        "api_openapi_begin:\n"
        ".incbin \"" API_OPENAPI_PATH "\"\n"
        "api_openapi_end:\n"
        ".popsection\n");
extern const char api_openapi_begin[], api_openapi_end[];

void api_openapi(struct http_request *r, void *ctx)
{
    (void)ctx;
    http_reply(r, 200, "application/json; charset=utf-8", api_openapi_begin,
               (size_t)(api_openapi_end - api_openapi_begin));
}
