#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backend/store/db.h"
#include "backend/store/inside.h"
#include "common/base/clock.h"

enum { YIELD_MS = 100 };

static unsigned bucket_of(const char *id)
{
    uint32_t h = 2166136261u; /* FNV-1a */
    for (; *id; id++)
        h = (h ^ (unsigned char)*id) * 16777619u;
    return h % LIBRARY_BUCKETS;
}

/* ---- with library.lock held ---- */

static struct entry *find(const struct library *l, const char *id)
{
    struct entry *e = l->buckets[bucket_of(id)];
    while (e && strcmp(e->id, id) != 0)
        e = e->next;
    return e;
}

static void unlist(struct library *l, struct entry *e)
{
    if (!e->is_listed)
        return;
    struct entry **at = &l->buckets[bucket_of(e->id)];
    while (*at && *at != e)
        at = &(*at)->next;
    if (*at)
        *at = e->next;
    e->is_listed = false;
}

static void leave_idle(struct library *l, struct entry *e)
{
    if (!e->is_idle)
        return;
    *(e->older ? &e->older->newer : &l->oldest) = e->newer;
    *(e->newer ? &e->newer->older : &l->newest) = e->older;
    e->newer = e->older = NULL;
    e->is_idle = false;
}

static void join_idle(struct library *l, struct entry *e)
{
    e->older = l->newest;
    *(l->newest ? &l->newest->newer : &l->oldest) = e;
    l->newest = e;
    e->is_idle = true;
}

/* Nobody refers to it: gone at once, whatever it holds. */
static void entry_free(struct library *l, struct entry *e)
{
    leave_idle(l, e);
    unlist(l, e);
    l->frees++;
    l->resident -= e->size;
    profile_free(e->profile);
    pthread_cond_destroy(&e->changed);
    pthread_mutex_destroy(&e->lock);
    pthread_mutex_destroy(&e->order);
    free(e);
}

/* Somebody is looking at a session of days: reading it takes seconds, so it stays between two
 * questions though it is larger than what may be kept; two do, since they may be compared. */
static bool is_looked_at(const struct library *l, const struct entry *e)
{
    bool is_of_last_two = e == l->newest || e->newer == l->newest;
    return is_of_last_two && e->last_held_ns &&
           clock_monotonic_ns() - e->last_held_ns < l->looked_at_ns;
}

static void evict(struct library *l)
{
    struct entry *next = NULL;
    for (struct entry *e = l->oldest; e && l->resident > l->resident_limit; e = next) {
        next = e->newer;
        if (!is_looked_at(l, e))
            entry_free(l, e);
    }
}

static void add_ref(struct library *l, struct entry *e)
{
    leave_idle(l, e);
    e->refs++;
}

static void drop_ref(struct library *l, struct entry *e)
{
    if (--e->refs > 0)
        return;
    if (e->is_listed && e->size > 0) {
        join_idle(l, e);
        evict(l);
    } else {
        entry_free(l, e);
    }
}

/* ---- entries ---- */

static struct entry *entry_new(const char *id, int64_t data, enum library_state state,
                               const struct progress *progress)
{
    struct entry *e = calloc(1, sizeof(*e));
    if (!e)
        return NULL;
    memcpy(e->id, id, strnlen(id, IDENT_CHARS));
    e->data = data;
    e->state = state;
    e->progress = *progress;
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&e->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&e->lock, NULL);
    pthread_mutex_init(&e->order, NULL);
    return e;
}

static enum status read_entry(struct library *l, const char *id, struct entry **out,
                              struct error *err)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    bool has_row = false;
    enum status st = reader_take(l, &db, err);
    if (st != STATUS_OK)
        return st;
    st = db_prepare(db, &stmt,
                    "SELECT data, state, revision, next_seq, duration_ns, samples, peak_rss "
                    "FROM profile WHERE id = ?1",
                    err);
    if (st == STATUS_OK) {
        sqlite3_bind_text(stmt, 1, id, -1, SQLITE_STATIC);
        st = db_step(db, stmt, &has_row, err);
    }
    if (st == STATUS_OK && !has_row)
        st = error_set(err, STATUS_NOT_FOUND, "no profile %s", id);
    if (st == STATUS_OK) {
        struct progress progress = {
            .revision = db_u64(stmt, 2),
            .next_seq = db_u64(stmt, 3),
            .duration_ns = db_u64(stmt, 4),
            .samples = db_u64(stmt, 5),
            .peak_rss_bytes = db_u64(stmt, 6),
        };
        int state = sqlite3_column_int(stmt, 1);
        if (state < LIBRARY_LIVE || state > LIBRARY_IMPORTED)
            st = error_set(err, STATUS_CORRUPT, "profile %s has a state that does not exist", id);
        else if (!(*out = entry_new(id, sqlite3_column_int64(stmt, 0), (enum library_state)state,
                                    &progress)))
            st = error_set(err, STATUS_NO_MEMORY, "no memory for profile %s", id);
    }
    sqlite3_finalize(stmt);
    reader_give(l, db);
    return st;
}

static void list_entry(struct library *l, struct entry *e)
{
    struct entry **bucket = &l->buckets[bucket_of(e->id)];
    e->next = *bucket;
    *bucket = e;
    e->is_listed = true;
    e->refs = 1;
}

enum status cache_get(struct library *l, const char *id, struct entry **out, struct error *err)
{
    if (!ident_is_valid(id, IDENT_CHARS))
        return error_set(err, STATUS_NOT_FOUND, "no profile %.40s", id);
    for (;;) {
        pthread_mutex_lock(&l->lock);
        uint64_t frees = l->frees;
        struct entry *e = find(l, id);
        if (e)
            add_ref(l, e);
        pthread_mutex_unlock(&l->lock);
        if (e) {
            *out = e;
            return STATUS_OK;
        }

        struct entry *read = NULL;
        enum status st = read_entry(l, id, &read, err);
        if (st != STATUS_OK)
            return st;
        pthread_mutex_lock(&l->lock);
        /* What was read may be old: another thread may have listed the profile, changed it and
         * even let it go again meanwhile. */
        bool is_current = !find(l, id) && l->frees == frees;
        if (is_current)
            list_entry(l, read);
        else
            entry_free(l, read);
        pthread_mutex_unlock(&l->lock);
        if (is_current) {
            *out = read;
            return STATUS_OK;
        }
    }
}

void cache_put(struct library *l, struct entry *e)
{
    pthread_mutex_lock(&l->lock);
    drop_ref(l, e);
    pthread_mutex_unlock(&l->lock);
}

enum status cache_add(struct library *l, const char *id, int64_t data, enum library_state state,
                      const struct progress *progress, struct profile *profile, struct entry **out,
                      struct error *err)
{
    struct entry *e = entry_new(id, data, state, progress);
    if (!e) {
        profile_free(profile);
        return error_set(err, STATUS_NO_MEMORY, "no memory for profile %s", id);
    }
    e->profile = profile;
    pthread_mutex_lock(&l->lock);
    if (find(l, id)) {
        entry_free(l, e);
        pthread_mutex_unlock(&l->lock);
        return error_set(err, STATUS_EXISTS, "profile %s exists already", id);
    }
    list_entry(l, e);
    pthread_mutex_unlock(&l->lock);
    if (profile)
        cache_count_size(l, e, profile_size(profile));
    *out = e;
    return STATUS_OK;
}

void cache_pin(struct library *l, struct entry *e, bool is_live)
{
    pthread_mutex_lock(&l->lock);
    bool was_pinned = e->is_pinned;
    e->is_pinned = is_live;
    if (is_live && !was_pinned)
        add_ref(l, e);
    if (!is_live && was_pinned)
        drop_ref(l, e); /* the caller has a reference of its own: not the last */
    pthread_mutex_unlock(&l->lock);
}

void cache_forget(struct library *l, struct entry *e)
{
    pthread_mutex_lock(&e->lock);
    e->is_deleted = true;
    pthread_cond_broadcast(&e->changed);
    pthread_mutex_unlock(&e->lock);
    pthread_mutex_lock(&l->lock);
    unlist(l, e);
    pthread_mutex_unlock(&l->lock);
}

void cache_count_size(struct library *l, struct entry *e, size_t size)
{
    pthread_mutex_lock(&l->lock);
    l->resident += size;
    l->resident -= e->size;
    e->size = size;
    evict(l);
    pthread_mutex_unlock(&l->lock);
}

void cache_evict(struct library *l)
{
    pthread_mutex_lock(&l->lock);
    evict(l);
    pthread_mutex_unlock(&l->lock);
}

void cache_free(struct library *l)
{
    for (size_t i = 0; i < LIBRARY_BUCKETS; i++) {
        while (l->buckets[i])
            entry_free(l, l->buckets[i]);
    }
}

/* ---- reading and writing one profile ---- */

/* With e->lock held. Reads the profile unless it is there; several who ask wait for one. */
static enum status make_present(struct library *l, struct entry *e, struct error *err)
{
    while (e->is_loading)
        pthread_cond_wait(&e->changed, &e->lock);
    if (e->is_deleted)
        return error_set(err, STATUS_NOT_FOUND, "profile %s was deleted", e->id);
    if (e->profile)
        return STATUS_OK;

    e->is_loading = true;
    pthread_mutex_unlock(&e->lock);
    struct profile *p = NULL;
    bool is_damaged = false;
    enum status st = load_profile(l, e->id, e->data, &p, &is_damaged, err);
    if (st == STATUS_OK)
        cache_count_size(l, e, profile_size(p));
    pthread_mutex_lock(&e->lock);
    e->is_loading = false;
    if (st == STATUS_OK) {
        e->profile = p;
        e->is_damaged = is_damaged;
    }
    pthread_cond_broadcast(&e->changed);
    return st;
}

static struct timespec deadline_in(uint64_t ns)
{
    uint64_t at = clock_monotonic_ns() + ns;
    return (struct timespec){.tv_sec = (time_t)(at / 1000000000),
                             .tv_nsec = (long)(at % 1000000000)};
}

/* With e->lock held. Everything there, samples and points too; nobody writing. */
static bool is_readable(const struct entry *e, bool may_pass)
{
    return e->profile && !e->is_stripped && !e->is_written && (e->writers_waiting == 0 || may_pass);
}

enum status entry_read_lock(struct library *l, struct entry *e, struct error *err)
{
    struct timespec patience = deadline_in((uint64_t)YIELD_MS * 1000000);
    bool may_pass = false;
    pthread_mutex_lock(&e->lock);
    e->last_held_ns = clock_monotonic_ns();
    enum status st = make_present(l, e, err);
    while (st == STATUS_OK && !is_readable(e, may_pass)) {
        if (!e->profile) {
            st = make_present(l, e, err); /* a failed commit has taken it away */
        } else if (e->is_stripped) {
            e->last_held_ns = clock_monotonic_ns();
            pthread_mutex_unlock(&e->lock);
            st = unstrip(l, e, err);
            pthread_mutex_lock(&e->lock);
        } else if (e->is_written) {
            pthread_cond_wait(&e->changed, &e->lock);
        } else {
            may_pass = pthread_cond_timedwait(&e->changed, &e->lock, &patience) == ETIMEDOUT;
        }
    }
    if (st == STATUS_OK)
        e->readers++;
    pthread_mutex_unlock(&e->lock);
    return st;
}

void entry_read_unlock(struct entry *e)
{
    pthread_mutex_lock(&e->lock);
    if (--e->readers == 0)
        pthread_cond_broadcast(&e->changed);
    pthread_mutex_unlock(&e->lock);
}

enum status entry_write_lock(struct library *l, struct entry *e, struct error *err)
{
    pthread_mutex_lock(&e->lock);
    enum status st = make_present(l, e, err);
    if (st == STATUS_OK) {
        e->writers_waiting++;
        while (e->readers > 0 || e->is_written)
            pthread_cond_wait(&e->changed, &e->lock);
        e->writers_waiting--;
        e->is_written = true;
    }
    pthread_mutex_unlock(&e->lock);
    return st;
}

void entry_write_unlock(struct entry *e)
{
    pthread_mutex_lock(&e->lock);
    e->is_written = false;
    pthread_cond_broadcast(&e->changed);
    pthread_mutex_unlock(&e->lock);
}

void entry_publish(struct entry *e, enum library_state state, const struct progress *progress)
{
    pthread_mutex_lock(&e->lock);
    e->state = state;
    e->progress = *progress;
    pthread_cond_broadcast(&e->changed);
    pthread_mutex_unlock(&e->lock);
}

/* ---- the public half ---- */

enum status library_hold(struct library *l, const char *id, struct library_hold *out,
                         struct error *err)
{
    struct entry *e = NULL;
    enum status st = cache_get(l, id, &e, err);
    if (st != STATUS_OK)
        return st;
    st = entry_read_lock(l, e, err);
    if (st != STATUS_OK) {
        cache_put(l, e);
        return st;
    }
    pthread_mutex_lock(&e->lock);
    *out = (struct library_hold){
        .profile = e->profile, .revision = e->progress.revision, .state = e->state, .entry = e};
    pthread_mutex_unlock(&e->lock);
    return STATUS_OK;
}

void library_release(struct library *l, struct library_hold *hold)
{
    struct entry *e = hold->entry;
    if (!e)
        return;
    entry_read_unlock(e);
    cache_put(l, e);
    *hold = (struct library_hold){0};
}

enum status library_wait(struct library *l, const char *id, uint64_t revision, int timeout_ms,
                         uint64_t *now, enum library_state *state, struct error *err)
{
    struct entry *e = NULL;
    enum status st = cache_get(l, id, &e, err);
    if (st != STATUS_OK)
        return st;
    struct timespec until = deadline_in((uint64_t)(timeout_ms > 0 ? timeout_ms : 0) * 1000000);
    pthread_mutex_lock(&e->lock);
    /* "Not the same" instead of "past": after a crash of the server the client may be ahead. */
    int rc = timeout_ms > 0 ? 0 : ETIMEDOUT;
    while (rc != ETIMEDOUT && e->progress.revision == revision && !e->is_deleted &&
           !atomic_load(&l->is_closing))
        rc = pthread_cond_timedwait(&e->changed, &e->lock, &until);
    if (e->is_deleted) {
        st = error_set(err, STATUS_NOT_FOUND, "profile %s was deleted", id);
    } else {
        *now = e->progress.revision;
        *state = e->state;
    }
    pthread_mutex_unlock(&e->lock);
    cache_put(l, e);
    return st;
}

void library_wake_all(struct library *l)
{
    atomic_store(&l->is_closing, true);
    pthread_mutex_lock(&l->lock);
    for (size_t i = 0; i < LIBRARY_BUCKETS; i++) {
        for (struct entry *e = l->buckets[i]; e; e = e->next) {
            pthread_mutex_lock(&e->lock);
            pthread_cond_broadcast(&e->changed);
            pthread_mutex_unlock(&e->lock);
        }
    }
    pthread_mutex_unlock(&l->lock);
}
