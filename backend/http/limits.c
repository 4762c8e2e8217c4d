#include "backend/http/limits.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { WAYS = 8 };

void limit_init(struct limit *l, double per_second, double burst)
{
    memset(l, 0, sizeof(*l));
    pthread_mutex_init(&l->lock, NULL);
    l->per_second = per_second;
    l->burst = burst;
}

void limit_deinit(struct limit *l)
{
    pthread_mutex_destroy(&l->lock);
}

/* FNV-1a. An address cannot choose its place without having it. */
static uint32_t hash(const char *text)
{
    uint32_t h = 2166136261u;
    for (; *text; text++)
        h = (h ^ (uint8_t)*text) * 16777619u;
    return h;
}

static struct limit_slot *find(struct limit *l, const char *address, uint64_t now_ns)
{
    uint32_t first = hash(address) % (LIMIT_SLOTS - WAYS);
    struct limit_slot *oldest = &l->slots[first];
    for (uint32_t i = first; i < first + WAYS; i++) {
        struct limit_slot *s = &l->slots[i];
        if (strcmp(s->address, address) == 0)
            return s;
        if (s->at_ns < oldest->at_ns)
            oldest = s;
    }
    snprintf(oldest->address, sizeof(oldest->address), "%s", address);
    oldest->left = l->burst;
    oldest->at_ns = now_ns;
    return oldest;
}

bool limit_check(struct limit *l, const char *address, uint64_t now_ns, bool take, unsigned *wait_s)
{
    if (l->burst <= 0)
        return true;
    pthread_mutex_lock(&l->lock);
    struct limit_slot *s = find(l, address, now_ns);
    double passed = now_ns > s->at_ns ? (double)(now_ns - s->at_ns) / 1e9 : 0;
    s->left = fmin(l->burst, s->left + passed * l->per_second);
    s->at_ns = now_ns;
    bool is_left = s->left >= 1;
    if (is_left && take)
        s->left -= 1;
    *wait_s = is_left ? 0 : (unsigned)ceil((1 - s->left) / l->per_second);
    pthread_mutex_unlock(&l->lock);
    return is_left;
}
