#include <stdlib.h>
#include <string.h>

#include "backend/api/inside.h"
#include "backend/query/summary.h"

enum status api_caches_init(struct api_server *s)
{
    if (pthread_mutex_init(&s->caches_lock, NULL) != 0)
        return STATUS_NO_MEMORY;
    for (size_t i = 0; i < API_CACHES; i++)
        pthread_mutex_init(&s->caches[i].lock, NULL);
    return STATUS_OK;
}

static void forget(struct api_cache *c)
{
    query_cache_free(c->query);
    buf_deinit(&c->summary);
    c->query = NULL;
    c->bytes = 0;
    c->summary_revision = 0;
    c->id[0] = '\0';
}

void api_caches_deinit(struct api_server *s)
{
    for (size_t i = 0; i < API_CACHES; i++) {
        forget(&s->caches[i]);
        pthread_mutex_destroy(&s->caches[i].lock);
    }
    pthread_mutex_destroy(&s->caches_lock);
}

/* The one of this id, else one that is free, else the one not used for longest that nobody has. */
static struct api_cache *choose(struct api_server *s, const char *id)
{
    struct api_cache *oldest = NULL;
    for (size_t i = 0; i < API_CACHES; i++) {
        struct api_cache *c = &s->caches[i];
        if (strcmp(c->id, id) == 0)
            return c;
        if (c->users == 0 && (!oldest || c->used < oldest->used))
            oldest = c;
    }
    if (oldest) {
        forget(oldest);
        strncpy(oldest->id, id, sizeof(oldest->id) - 1);
    }
    return oldest;
}

static void shrink(struct api_server *s)
{
    uint64_t total = 0;
    for (size_t i = 0; i < API_CACHES; i++)
        total += s->caches[i].bytes;
    while (total > s->cache_bytes) {
        struct api_cache *oldest = NULL;
        for (size_t i = 0; i < API_CACHES; i++) {
            struct api_cache *c = &s->caches[i];
            if (c->users == 0 && c->bytes > 0 && (!oldest || c->used < oldest->used))
                oldest = c;
        }
        if (!oldest)
            return;
        total -= oldest->bytes;
        forget(oldest);
    }
}

struct api_cache *api_cache_take(struct api_server *s, const char *id)
{
    pthread_mutex_lock(&s->caches_lock);
    struct api_cache *c = choose(s, id);
    if (c) {
        c->users++;
        c->used = ++s->clock;
    }
    pthread_mutex_unlock(&s->caches_lock);
    if (!c)
        return NULL;
    pthread_mutex_lock(&c->lock);
    if (!c->query)
        c->query = query_cache_new();
    return c;
}

void api_cache_give(struct api_server *s, struct api_cache *c)
{
    if (!c)
        return;
    size_t bytes = c->query ? query_cache_size(c->query) : 0;
    pthread_mutex_unlock(&c->lock);
    pthread_mutex_lock(&s->caches_lock);
    c->bytes = bytes;
    c->users--;
    shrink(s);
    pthread_mutex_unlock(&s->caches_lock);
}

uint64_t api_caches_size(struct api_server *s)
{
    uint64_t total = 0;
    pthread_mutex_lock(&s->caches_lock);
    for (size_t i = 0; i < API_CACHES; i++)
        total += s->caches[i].bytes;
    pthread_mutex_unlock(&s->caches_lock);
    return total;
}

enum status api_summary(struct api_cache *c, const struct library_hold *hold, struct buf *out)
{
    if (!c)
        return summary_write(hold->profile, NULL, out);
    if (c->summary_revision != hold->revision || !c->summary.data) {
        buf_clear(&c->summary);
        enum status st = summary_write(hold->profile, c->query, &c->summary);
        if (st != STATUS_OK)
            return st;
        c->summary_revision = hold->revision;
    }
    buf_put(out, c->summary.data, c->summary.len);
    return buf_status(out);
}
