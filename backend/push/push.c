#include "backend/push/push.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "backend/push/flow.h"
#include "common/base/clock.h"
#include "common/base/ident.h"

enum { CARE_S = 5 };

struct push {
    struct library *library;
    pthread_mutex_t lock; /* pieces go one after another */
    pthread_cond_t wake;
    pthread_t thread;
    bool is_stopping;
    struct flow *streams;
    struct push_stats stats;
};

static void drop(struct push *p, struct flow **at)
{
    struct flow *s = *at;
    *at = s->next;
    library_end(p->library, s->id, LIBRARY_COMPLETE, NULL, NULL);
    flow_free(s);
    p->stats.streams--;
}

static void drop_idle(struct push *p, uint64_t now_ns, uint64_t idle_ns)
{
    struct flow **at = &p->streams;
    while (*at) {
        if (now_ns - (*at)->touched_ns >= idle_ns)
            drop(p, at);
        else
            at = &(*at)->next;
    }
}

static void *care(void *ctx)
{
    struct push *p = ctx;
    pthread_mutex_lock(&p->lock);
    while (!p->is_stopping) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += CARE_S;
        pthread_cond_timedwait(&p->wake, &p->lock, &until);
        drop_idle(p, clock_monotonic_ns(), PUSH_IDLE_S * 1000000000ULL);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

enum status push_new(struct push **out, struct library *library, struct error *err)
{
    struct push *p = calloc(1, sizeof(*p));
    if (!p)
        return error_set(err, STATUS_NO_MEMORY, "no memory for pushed profiles");
    p->library = library;
    pthread_condattr_t steady;
    pthread_condattr_init(&steady);
    pthread_condattr_setclock(&steady, CLOCK_MONOTONIC);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->wake, &steady);
    pthread_condattr_destroy(&steady);
    if (pthread_create(&p->thread, NULL, care, p) != 0) {
        pthread_cond_destroy(&p->wake);
        pthread_mutex_destroy(&p->lock);
        free(p);
        return error_set(err, STATUS_NO_MEMORY, "no thread for pushed profiles");
    }
    *out = p;
    return STATUS_OK;
}

void push_free(struct push *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    p->is_stopping = true;
    pthread_cond_signal(&p->wake);
    pthread_mutex_unlock(&p->lock);
    pthread_join(p->thread, NULL);
    while (p->streams)
        drop(p, &p->streams);
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

/* ---- pieces ---- */

static struct flow **find(struct push *p, const char *key)
{
    struct flow **at = &p->streams;
    while (*at && strcmp((*at)->key, key) != 0)
        at = &(*at)->next;
    return at;
}

static enum status begin(struct push *p, const struct push_piece *piece, char *key,
                         struct flow **out, struct error *err)
{
    if (p->stats.streams >= PUSH_MAX_STREAMS)
        return error_set(err, STATUS_BUSY, "%d programs push profiles already", PUSH_MAX_STREAMS);
    enum status st = flow_begin(out, p->library, piece, key, err);
    if (st != STATUS_OK)
        return st;
    (*out)->next = p->streams;
    p->streams = *out;
    p->stats.streams++;
    return STATUS_OK;
}

static enum status add(struct push *p, const struct push_piece *piece, char id[24],
                       struct error *err)
{
    char *key = flow_key(piece);
    if (!key)
        return error_set(err, STATUS_NO_MEMORY, "no memory for a pushed profile");
    struct flow **at = find(p, key);
    if (*at && flow_is_full(*at, piece))
        drop(p, at);
    at = find(p, key);
    struct flow *s = *at;
    enum status st = s ? STATUS_OK : begin(p, piece, key, &s, err);
    free(key);
    if (st != STATUS_OK)
        return st;
    st = flow_append(s, p->library, piece, err);
    if (st == STATUS_OK) {
        s->touched_ns = clock_monotonic_ns();
        memcpy(id, s->id, IDENT_CHARS + 1);
        return STATUS_OK;
    }
    /* What was numbered and not stored would be missing from all that follows. */
    at = &p->streams;
    while (*at != s)
        at = &(*at)->next;
    drop(p, at);
    return st;
}

enum status push_add(struct push *p, const struct push_piece *piece, char id[24], struct error *err)
{
    pthread_mutex_lock(&p->lock);
    enum status st = add(p, piece, id, err);
    if (st == STATUS_OK)
        p->stats.pieces++;
    else
        p->stats.refused++;
    pthread_mutex_unlock(&p->lock);
    return st;
}

void push_stats(struct push *p, struct push_stats *out)
{
    pthread_mutex_lock(&p->lock);
    *out = p->stats;
    pthread_mutex_unlock(&p->lock);
}
