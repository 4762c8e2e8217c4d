/* A live session is checked against its tables with every batch, so these stay in memory. Its
 * samples and points are only for those who look: when all profiles together take more memory than
 * allowed, sessions that nobody has looked at lately keep them on disk alone, and read them back
 * when somebody asks. So memory stays bounded however many collectors stream for however long. */

#include <stdlib.h>

#include "backend/store/inside.h"
#include "common/base/clock.h"

static void drop_samples(struct sample_set *set)
{
    free(set->time_ns);
    free(set->thread);
    free(set->stack);
    free(set->label_set);
    free(set->state);
    set->time_ns = NULL;
    set->thread = set->stack = set->label_set = NULL;
    set->state = NULL;
    for (size_t v = 0; v < set->values_len; v++) {
        free(set->values[v].value);
        set->values[v].value = NULL;
    }
    set->len = set->cap = 0;
}

static void drop_points(struct series *series)
{
    free(series->time_ns);
    free(series->value);
    series->time_ns = NULL;
    series->value = NULL;
    series->len = series->cap = 0;
}

void strip_if_unseen(struct library *l, struct entry *e)
{
    pthread_mutex_lock(&l->lock);
    bool is_short = l->resident > l->resident_limit;
    pthread_mutex_unlock(&l->lock);
    pthread_mutex_lock(&e->lock);
    bool is_seen = clock_monotonic_ns() - e->last_held_ns < l->unseen_after_ns;
    if (is_short && !is_seen)
        e->is_stripped = true;
    pthread_mutex_unlock(&e->lock);
    if (!is_short || is_seen)
        return;
    for (size_t i = 0; i < e->profile->sets_len; i++)
        drop_samples(&e->profile->sets[i]);
    for (size_t i = 0; i < e->profile->series_len; i++)
        drop_points(&e->profile->series[i]);
}

/* With e->order held: nothing is on its way to the disk, which has everything. */
static enum status read_again(struct library *l, struct entry *e, struct error *err)
{
    struct profile *p = NULL;
    bool is_damaged = false;
    pthread_mutex_lock(&e->lock);
    bool is_wanted = e->is_stripped;
    pthread_mutex_unlock(&e->lock);
    if (!is_wanted)
        return STATUS_OK; /* somebody else has done it */
    enum status st = load_profile(l, e->id, e->data, &p, &is_damaged, err);
    if (st == STATUS_OK && (st = entry_write_lock(l, e, err)) != STATUS_OK)
        profile_free(p);
    if (st != STATUS_OK)
        return st;
    profile_free(e->profile);
    pthread_mutex_lock(&e->lock);
    e->profile = p;
    e->is_stripped = false;
    e->is_damaged = is_damaged;
    e->last_held_ns = clock_monotonic_ns(); /* reading may have taken longer than being unseen */
    pthread_mutex_unlock(&e->lock);
    size_t size = profile_size(p);
    entry_write_unlock(e);
    cache_count_size(l, e, size);
    return STATUS_OK;
}

enum status unstrip(struct library *l, struct entry *e, struct error *err)
{
    pthread_mutex_lock(&e->order);
    enum status st = read_again(l, e, err);
    pthread_mutex_unlock(&e->order);
    return st;
}

uint64_t strip_batch_samples(const struct wire_batch *batch)
{
    uint64_t samples = 0;
    for (size_t i = 0; i < batch->samples_len; i++)
        samples += batch->samples[i].len;
    return samples;
}
