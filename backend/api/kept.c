#include "backend/api/kept.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct item {
    struct kept_answer answer; /* first: what callers have is the item */
    uint8_t *data;
    char *question;
    size_t question_len, bytes;
    uint64_t revision, used;
    unsigned users; /* those who have it, and the list */
};

struct kept {
    pthread_mutex_t lock;
    struct item *items[KEPT_MOST]; /* in no order, without gaps */
    size_t len;
    uint64_t bytes, max_bytes, clock;
};

enum status kept_new(struct kept **out, uint64_t max_bytes)
{
    struct kept *k = calloc(1, sizeof(*k));
    if (!k || pthread_mutex_init(&k->lock, NULL) != 0) {
        free(k);
        return STATUS_NO_MEMORY;
    }
    k->max_bytes = max_bytes;
    *out = k;
    return STATUS_OK;
}

static void item_free(struct item *i)
{
    free(i->data);
    free(i->question);
    free(i);
}

/* ---- with kept.lock held ---- */

static void drop(struct item *i)
{
    if (--i->users == 0)
        item_free(i);
}

static void forget(struct kept *k, size_t at)
{
    struct item *i = k->items[at];
    k->items[at] = k->items[--k->len];
    k->bytes -= i->bytes;
    drop(i);
}

/* Of any revision; k->len when there is none. */
static size_t find(const struct kept *k, const struct kept_key *key)
{
    size_t at = 0;
    while (at < k->len && !(k->items[at]->question_len == key->len &&
                            memcmp(k->items[at]->question, key->question, key->len) == 0))
        at++;
    return at;
}

static void make_room(struct kept *k, size_t bytes)
{
    while (k->len == KEPT_MOST || (k->len && k->bytes + bytes > k->max_bytes)) {
        size_t oldest = 0;
        for (size_t at = 1; at < k->len; at++) {
            if (k->items[at]->used < k->items[oldest]->used)
                oldest = at;
        }
        forget(k, oldest);
    }
}

/* ---- for all ---- */

void kept_free(struct kept *k)
{
    if (!k)
        return;
    while (k->len)
        forget(k, k->len - 1);
    pthread_mutex_destroy(&k->lock);
    free(k);
}

struct kept_answer *kept_find(struct kept *k, const struct kept_key *key)
{
    struct item *i = NULL;
    pthread_mutex_lock(&k->lock);
    size_t at = find(k, key);
    if (at < k->len && k->items[at]->revision == key->revision) {
        i = k->items[at];
        i->users++;
        i->used = ++k->clock;
    }
    pthread_mutex_unlock(&k->lock);
    return i ? &i->answer : NULL;
}

static struct item *item_new(const struct kept_key *key)
{
    struct item *i = calloc(1, sizeof(*i));
    if (!i || !(i->question = malloc(key->len ? key->len : 1))) {
        free(i);
        return NULL;
    }
    memcpy(i->question, key->question, key->len);
    i->question_len = key->len;
    i->revision = key->revision;
    i->users = 2;
    return i;
}

struct kept_answer *kept_take(struct kept *k, const struct kept_key *key, struct buf *body,
                              bool is_binary)
{
    struct item *i = NULL;
    size_t bytes = sizeof(*i) + key->len + body->len;
    if (buf_status(body) != STATUS_OK || bytes > k->max_bytes / 2 || !(i = item_new(key)))
        return NULL;
    i->data = buf_take(body, &i->answer.len);
    uint8_t *shrunk = i->answer.len ? realloc(i->data, i->answer.len) : NULL;
    if (shrunk)
        i->data = shrunk;
    i->answer.data = i->data;
    i->answer.is_binary = is_binary;
    i->bytes = bytes;
    pthread_mutex_lock(&k->lock);
    size_t at = find(k, key);
    if (at < k->len)
        forget(k, at);
    make_room(k, bytes);
    i->used = ++k->clock;
    k->items[k->len++] = i;
    k->bytes += bytes;
    pthread_mutex_unlock(&k->lock);
    return &i->answer;
}

void kept_give(struct kept *k, struct kept_answer *answer)
{
    if (!answer)
        return;
    pthread_mutex_lock(&k->lock);
    drop((struct item *)answer);
    pthread_mutex_unlock(&k->lock);
}

uint64_t kept_size(struct kept *k)
{
    pthread_mutex_lock(&k->lock);
    uint64_t bytes = k->bytes;
    pthread_mutex_unlock(&k->lock);
    return bytes;
}
