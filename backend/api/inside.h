#pragma once
/* What the files of the API share. */

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "backend/alerts/alerts.h"
#include "backend/api/api.h"
#include "backend/api/kept.h"
#include "backend/http/request.h"
#include "backend/http/server.h"
#include "backend/ingest/ingest.h"
#include "backend/model/redact.h"
#include "backend/push/push.h"
#include "backend/query/ask.h"
#include "backend/query/cache.h"
#include "backend/query/filter.h"
#include "common/base/ident.h"
#include "common/base/json_out.h"

enum { API_CACHES = 64 };

/* A profile's query cache and what was said of it last. One question at a time uses it. */
struct api_cache {
    char id[24];
    pthread_mutex_t lock;
    struct query_cache *query;
    size_t bytes;
    uint64_t used;
    unsigned users; /* waiting for it or holding it */
    uint64_t summary_revision;
    struct buf summary;
};

struct api_server {
    struct library *library;
    struct http_server *http;
    _Atomic(struct ingest *) ingest;
    struct push *push;
    struct alerts *watching;         /* from before the first batch */
    _Atomic(struct alerts *) alerts; /* the same, when it can be asked */
    char url[128];
    char *token, *version, *build;
    uint64_t max_raw, cache_bytes;
    uint64_t start_unix_ns;
    sem_t imports; /* how many more uploads may be read now */
    pthread_mutex_t caches_lock;
    struct api_cache caches[API_CACHES];
    uint64_t clock;
    struct kept *kept;
    atomic_uint_fast64_t uploads, uploads_refused, questions, answered_again;
    atomic_uint viewers, pulls;
};

/* ---- caches.c ---- */
enum status api_caches_init(struct api_server *s);
void api_caches_deinit(struct api_server *s);
/* The profile's cache, locked; NULL when all are in use (ask without one). */
struct api_cache *api_cache_take(struct api_server *s, const char *id);
void api_cache_give(struct api_server *s, struct api_cache *c);
uint64_t api_caches_size(struct api_server *s);

/* One sentence about the profile, from the cache when nothing changed. */
enum status api_summary(struct api_cache *c, const struct library_hold *hold, struct buf *out);

/* ---- profiles.c ---- */
/* Keeps the sentence of a profile that has ended for the list; a live one has none yet. */
void api_note_summary(struct api_server *s, const char *id);

/* ---- question.c: one question about one profile ---- */
struct api_question {
    struct api_server *s;
    struct http_request *r;
    const char *id;
    struct api_cache *cache;
    struct library_hold hold;
    struct query_filter filter;
    struct redacted redacted; /* what hold.profile is then, for a redacted share */
    bool is_redacted;
};
/* Reads the filter, takes cache and profile; false when the request is answered (an error, or
 * 304). */
bool api_question_begin(struct api_question *q, struct http_request *r, void *ctx);
/* True when the client has the answer already: 304 was sent. A profile that grows no more gives the
 * same answer to the same question, from this program. */
bool api_question_is_unchanged(struct api_server *s, struct http_request *r,
                               const struct library_hold *hold);
void api_question_end(struct api_question *q);
struct query_cache *api_question_cache(struct api_question *q);
/* One sentence about the profile as this question may see it. */
enum status api_question_summary(struct api_question *q, struct buf *out);
/* Sends `body` as JSON, or what failed; frees the body. */
void api_question_reply(struct api_question *q, enum status st, struct buf *body,
                        const struct error *err);
/* A whole number of the query; the default when absent. STATUS_INVALID else. */
enum status api_param_u64(struct http_request *r, const char *name, uint64_t max, uint64_t *value,
                          struct error *err);

/* The request's parameters for ask.h; profile and filter are the caller's to set. */
struct ask api_ask_params(struct http_request *r);

/* NULL when the request is answered: the server is still starting. */
struct alerts *api_alerts(struct http_request *r, struct api_server *s);

/* ---- answer.c: small things that handlers read and answer ---- */
/* The body as a JSON object (cJSON_Delete it), or NULL when the request is answered. */
struct cJSON *api_read_json(struct http_request *r);
/* 404 for what cannot be an id, or a number (in that part of the path). */
bool api_check_id(struct http_request *r, const char *id);
bool api_read_number(struct http_request *r, size_t part, uint64_t *number);
/* `text` is JSON of our own making. */
void api_put_raw(struct json_out *j, const char *key, const char *text);
/* An array of objects; `put` writes the members of one item. */
typedef void (*api_put_item)(struct json_out *j, const void *item, void *ctx);
struct api_items {
    const void *items;
    size_t len, item_size;
    api_put_item put;
    void *ctx;
};
void api_put_items(struct json_out *j, const char *key, const struct api_items *items);
/* An object is begun; the answer ends it, and frees the body. */
void api_answer_begin(struct buf *body, struct json_out *j);
void api_answer(struct http_request *r, int code, struct buf *body, struct json_out *j);
void api_answer_empty(struct http_request *r, enum status st, const struct error *err); /* 204 */

/* ---- handlers ---- */
void api_list(struct http_request *r, void *ctx);
void api_get(struct http_request *r, void *ctx);
void api_patch(struct http_request *r, void *ctx);
void api_delete(struct http_request *r, void *ctx);

/* uploads.c */
enum status api_imports_init(struct api_server *s);
void api_imports_deinit(struct api_server *s);
void api_upload(struct http_request *r, void *ctx);

void api_ask(struct http_request *r, void *ctx); /* flame, table, ... */
void api_export(struct http_request *r, void *ctx);
void api_diff(struct http_request *r, void *ctx);
void api_benchmarks(struct http_request *r, void *ctx);
void api_diff_flame(struct http_request *r, void *ctx);
void api_control(struct http_request *r, void *ctx);

/* notes.c */
void api_note_list(struct http_request *r, void *ctx);
void api_note_add(struct http_request *r, void *ctx);
void api_note_remove(struct http_request *r, void *ctx);

/* alerts.c */
void api_rule_list(struct http_request *r, void *ctx);
void api_rule_add(struct http_request *r, void *ctx);
void api_rule_remove(struct http_request *r, void *ctx);
void api_rule_test(struct http_request *r, void *ctx);
void api_alert_list(struct http_request *r, void *ctx);
void api_profile_alerts(struct http_request *r, void *ctx);

/* collect.c */
enum status api_may_collect(void *ctx, const void *peer, const char *token, size_t len,
                            struct error *err);

/* shares.c */
bool api_judge(void *ctx, const char *secret, size_t len, bool is_share, struct http_grant *out);
void api_share_add(struct http_request *r, void *ctx);
void api_share_list(struct http_request *r, void *ctx);
void api_share_revoke(struct http_request *r, void *ctx);
void api_share_get(struct http_request *r, void *ctx);
void api_share_page(struct http_request *r, void *ctx);
void api_token_add(struct http_request *r, void *ctx);
void api_token_list(struct http_request *r, void *ctx);
void api_token_revoke(struct http_request *r, void *ctx);

/* pushes.c */
void api_ingest(struct http_request *r, void *ctx);
void api_push(struct http_request *r, void *ctx);
void api_otlp(struct http_request *r, void *ctx);

/* pprof_pull.c */
void api_pprof_index(struct http_request *r, void *ctx);
void api_pprof_profile(struct http_request *r, void *ctx);
void api_pprof_heap(struct http_request *r, void *ctx);

void api_page(struct http_request *r, void *ctx);
void api_asset(struct http_request *r, void *ctx);
void api_session(struct http_request *r, void *ctx);
void api_health(struct http_request *r, void *ctx);
void api_ready(struct http_request *r, void *ctx);
void api_metrics(struct http_request *r, void *ctx);
void api_openapi(struct http_request *r, void *ctx);

extern struct http_socket api_live_socket, api_collect_socket;
