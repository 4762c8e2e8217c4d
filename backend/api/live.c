/* Viewers: the page asks for what is newer than what it has, and the connection's own thread waits
 * for it. Nobody pushes: a viewer that stops reading holds up only itself. */

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/api/inside.h"
#include "backend/query/summary.h"
#include "backend/store/access.h"
#include "common/base/clock.h"
#include "common/base/ident.h"

enum {
    LEAST_PAUSE_MS = 200,
    LONGEST_WAIT_MS = 10000,
    WAIT_STEP_MS = 500, /* how soon a closing server is noticed */
};

struct viewer {
    struct api_server *s;
    char id[IDENT_CHARS + 1];
    char share[IDENT_TOKEN_CHARS + 1]; /* of the link it came by, looked at again each time */
    bool is_redacted;
    uint64_t sent_ns;
};

static enum status open_viewer(struct http_request *r, void *ctx, void **state, struct error *err)
{
    struct api_server *s = ctx;
    const char *id = http_part(r, 0);
    struct library_hold hold;
    if (!ident_is_valid(id, IDENT_CHARS))
        return error_set(err, STATUS_NOT_FOUND, "there is no profile \"%.40s\"", id);
    enum status st = library_hold(s->library, id, &hold, err);
    if (st != STATUS_OK)
        return st;
    library_release(s->library, &hold);
    struct viewer *v = calloc(1, sizeof(*v));
    if (!v)
        return error_set(err, STATUS_NO_MEMORY, "no memory for a viewer");
    v->s = s;
    memcpy(v->id, id, sizeof(v->id));
    if (http_share(r))
        snprintf(v->share, sizeof(v->share), "%s", http_share(r));
    v->is_redacted = http_granted(r)->is_redacted;
    atomic_fetch_add(&s->viewers, 1);
    *state = v;
    return STATUS_OK;
}

static void close_viewer(void *state)
{
    struct viewer *v = state;
    atomic_fetch_sub(&v->s->viewers, 1);
    free(v);
}

static bool read_next(const uint8_t *data, size_t len, uint64_t *next)
{
    if (len > 1024)
        return false;
    cJSON *json = cJSON_ParseWithLength((const char *)data, len);
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, "next");
    bool is_ok = cJSON_IsNumber(item) && item->valuedouble >= 0 && item->valuedouble < 9e15;
    if (is_ok)
        *next = (uint64_t)item->valuedouble;
    cJSON_Delete(json);
    return is_ok;
}

/* Waits for something newer; in steps, so that a closing server is not kept. */
static enum status wait_for(struct viewer *v, uint64_t next, struct error *err)
{
    uint64_t now_ns = clock_monotonic_ns();
    uint64_t soonest_ns = v->sent_ns + LEAST_PAUSE_MS * 1000000ULL;
    if (v->sent_ns && now_ns < soonest_ns)
        clock_sleep_until(soonest_ns);
    uint64_t until_ns = clock_monotonic_ns() + LONGEST_WAIT_MS * 1000000ULL;
    uint64_t revision = 0;
    enum library_state state = LIBRARY_LIVE;
    do {
        enum status st =
            library_wait(v->s->library, v->id, next, WAIT_STEP_MS, &revision, &state, err);
        if (st != STATUS_OK)
            return st;
        if (http_is_stopping(v->s->http))
            return error_set(err, STATUS_GONE, "the server is closing");
    } while (revision <= next && clock_monotonic_ns() < until_ns);
    return STATUS_OK;
}

/* A revoked or expired link ends also for those who are watching. */
static enum status check_share(struct viewer *v, struct error *err)
{
    struct library_share share;
    if (!v->share[0])
        return STATUS_OK;
    enum status st = library_share_find(v->s->library, v->share, strlen(v->share), &share, err);
    if (st == STATUS_OK)
        library_share_deinit(&share);
    return st;
}

static const struct series *find_series(const struct profile *p, const char *name)
{
    for (size_t i = 0; i < p->series_len; i++) {
        const struct series *s = &p->series[i];
        if (!s->has_process && s->len &&
            strcmp(strtab_text(&p->tables.strings, s->name), name) == 0)
            return s;
    }
    return NULL;
}

static void put_counters(struct json_out *j, const struct profile *p)
{
    json_out_key(j, "counters");
    json_out_object(j);
    for (size_t i = 0; i < p->counters_len; i++) {
        json_put_u64(j, strtab_text(&p->tables.strings, p->counters[i].name), p->counters[i].value);
    }
    json_out_end(j);
}

/* The counters' names are the only texts here beside the sentence. */
static enum status write_news(struct api_cache *cache, const struct library_hold *hold,
                              bool is_redacted, struct buf *out)
{
    const struct profile *p = hold->profile;
    struct buf summary;
    struct json_out j;
    uint64_t samples = 0;
    for (size_t i = 0; i < p->sets_len; i++)
        samples += p->sets[i].len;
    buf_init(&summary, 0);
    enum status st = is_redacted ? summary_write(p, cache ? cache->query : NULL, &summary)
                                 : api_summary(cache, hold, &summary);
    json_out_init(&j, out);
    json_out_object(&j);
    json_put_u64(&j, "rev", hold->revision);
    json_out_key(&j, "state");
    json_out_text(&j, library_state_name(hold->state));
    json_put_f64(&j, "duration_s", (double)p->duration_ns / 1e9);
    json_put_u64(&j, "samples", samples);
    json_put_u64(&j, "threads", p->tables.threads_len);
    put_counters(&j, p);
    json_put_string(&j, "summary", (const char *)summary.data, summary.len);
    const struct series *rss = find_series(p, "rss");
    json_out_key(&j, "rss_bytes");
    if (rss)
        json_out_f64(&j, rss->value[rss->len - 1]);
    else
        json_out_null(&j);
    json_out_end(&j);
    buf_deinit(&summary);
    return st == STATUS_OK ? buf_status(out) : st;
}

static enum status tell(struct viewer *v, struct api_cache *cache, const struct library_hold *hold,
                        struct buf *out)
{
    if (!v->is_redacted)
        return write_news(cache, hold, false, out);
    struct redacted redacted;
    struct library_hold shown = *hold;
    enum status st = redact_profile(&redacted, hold->profile);
    if (st != STATUS_OK)
        return st;
    shown.profile = &redacted.profile;
    st = write_news(cache, &shown, true, out);
    redacted_free(&redacted);
    return st;
}

static bool take_message(struct http_socket_io *io, void *state, const uint8_t *data, size_t len)
{
    struct viewer *v = state;
    struct error err = {0};
    uint64_t next;
    if (!read_next(data, len, &next)) {
        http_socket_refuse(io, 1008, "expected {\"next\":REV}");
        return false;
    }
    enum status st = wait_for(v, next, &err);
    if (st == STATUS_OK)
        st = check_share(v, &err);
    struct buf news;
    buf_init(&news, 0);
    if (st == STATUS_OK) {
        struct library_hold hold;
        struct api_cache *cache = api_cache_take(v->s, v->id);
        st = library_hold(v->s->library, v->id, &hold, &err);
        if (st == STATUS_OK) {
            st = tell(v, cache, &hold, &news);
            library_release(v->s->library, &hold);
        }
        api_cache_give(v->s, cache);
    }
    bool is_sent = st == STATUS_OK && http_socket_send(io, news.data, news.len);
    if (st != STATUS_OK)
        http_socket_refuse(io, st == STATUS_NOT_FOUND ? 1008 : 1001,
                           err.text[0] ? err.text : "no memory");
    v->sent_ns = clock_monotonic_ns();
    buf_deinit(&news);
    return is_sent;
}

struct http_socket api_live_socket = {
    .max_message = 1024,
    .is_text = true,
    .open = open_viewer,
    .message = take_message,
    .close = close_viewer,
};
