#pragma once
/* Inside of the library: what its .c files share.
 *
 * Locks, in the order in which they may be taken: entry.order, library.lock, entry.lock. The
 * writer's thread takes none of them. */

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>

#include "backend/store/library.h"
#include "backend/store/writer.h"
#include "common/base/ident.h"
#include "common/base/map.h"

enum { LIBRARY_BUCKETS = 1024, LIBRARY_READERS = 4, LIBRARY_FIRST_SEQ = 1 };

/* What the list shows of a profile and changes while it comes in. */
struct progress {
    uint64_t revision, next_seq, duration_ns, samples, peak_rss_bytes;
    unsigned shapes; /* enum shape bits */
};

enum shape {
    SHAPE_STACKS = 1,
    SHAPE_CALL_GRAPH = 2,
    SHAPE_LINES = 4,
    SHAPE_SERIES = 8,
    SHAPE_HEAP = 16,
    SHAPE_BENCHMARKS = 32,
};

/* One profile that somebody uses or that is kept decoded. */
struct entry {
    /* Under library.lock. */
    struct entry *next;                 /* in its bucket */
    struct entry *newer, *older;        /* in the list of the idle, while refs is 0 */
    unsigned refs;                      /* users, and one while it is live */
    size_t size;                        /* of the profile, as counted in library.resident */
    bool is_listed, is_idle, is_pinned; /* in its bucket; in the idle list; refs counts live */

    /* Never changes. */
    char id[IDENT_CHARS + 1];
    int64_t data;

    pthread_mutex_t order; /* one change at a time: begin, append, end */

    pthread_mutex_t lock; /* the rest */
    pthread_cond_t changed;
    struct profile *profile; /* NULL = not read yet */
    unsigned readers, writers_waiting;
    bool is_written, is_loading;
    bool is_damaged;  /* what is stored could only be read in part */
    bool is_stripped; /* its samples and points are on disk only: enough to go on appending */
    uint64_t last_held_ns;
    bool is_deleted;
    enum library_state state;
    struct progress progress;
};

/* A clock that is set wrong, or right again, must not make every profile look old: after a jump
 * of the wall clock against the steady one, ages do not count for an hour. */
struct retain_clock {
    int64_t offset_ms; /* wall minus steady, when last looked at */
    uint64_t steady_ms, not_before_ms;
};
bool retain_clock_is_calm(struct retain_clock *c, uint64_t wall_ms, uint64_t steady_ms);

struct library {
    char *path;
    bool is_read_only;
    uint64_t resident_limit;
    uint64_t unseen_after_ns; /* a live session not held for so long may be stripped */
    uint64_t looked_at_ns;    /* one that has ended, held within so long, stays when it is large */
    struct library_retention retention;
    int lock_fd;
    sqlite3 *write_db;
    struct writer *writer; /* NULL when read-only */
    atomic_bool is_closing;
    atomic_uint_least64_t batches, samples;
    struct library_observer observer; /* set while no session is live */

    pthread_mutex_t lock;
    struct entry *buckets[LIBRARY_BUCKETS];
    struct entry *oldest, *newest; /* idle entries, kept for the next question */
    uint64_t resident;
    uint64_t frees; /* entries freed so far: what was read without the lock may be old */
    sqlite3 *readers[LIBRARY_READERS];
    size_t readers_len;
    int64_t *imports; /* data keys being written: trash that is not to be freed */
    size_t imports_len, imports_cap;

    pthread_mutex_t care_lock; /* care.c */
    pthread_cond_t care_wake;
    pthread_t care_thread;
    bool has_care_thread, care_is_stopping, care_is_wanted;
    pthread_mutex_t care_order;       /* one step of care at a time */
    struct map compact_cursors;       /* data -> seq, under care_order */
    struct retain_clock retain_clock; /* of the care thread */
};

/* ---- readers.c: connections for reading ---- */
enum status reader_take(struct library *l, sqlite3 **out, struct error *err);
void reader_give(struct library *l, sqlite3 *db); /* takes NULL */

/* ---- cache.c ---- */

/* The profile's entry, read from the database when nobody uses it yet; put it back. */
enum status cache_get(struct library *l, const char *id, struct entry **out, struct error *err);
void cache_put(struct library *l, struct entry *e);

/* Adds an entry for a profile that was just stored, with one reference for the caller. Takes the
 * profile, which may be NULL. STATUS_EXISTS when there is one. */
enum status cache_add(struct library *l, const char *id, int64_t data, enum library_state state,
                      const struct progress *progress, struct profile *profile, struct entry **out,
                      struct error *err);
void cache_pin(struct library *l, struct entry *e, bool is_live);
void cache_forget(struct library *l, struct entry *e); /* deleted: nobody gets it any more */
void cache_count_size(struct library *l, struct entry *e, size_t size);
/* Lets go what is above the limit and not looked at any more. */
void cache_evict(struct library *l);
void cache_free(struct library *l);

/* Many readers or one writer. A waiting writer goes before new readers, but not for ever: a thread
 * that already holds one profile and asks for a second cannot be stuck behind it. */
enum status entry_read_lock(struct library *l, struct entry *e, struct error *err);
void entry_read_unlock(struct entry *e);
enum status entry_write_lock(struct library *l, struct entry *e, struct error *err);
void entry_write_unlock(struct entry *e);
/* Both read the profile from the database first when it is not in memory. */

/* Sets state and progress, and wakes those who wait for a change. */
void entry_publish(struct entry *e, enum library_state state, const struct progress *progress);

/* ---- strip.c: live sessions that nobody looks at, when memory is short ---- */

/* With the write lock held, in the course of an append: frees what later batches do not build on,
 * if memory is short and nobody has looked lately. */
void strip_if_unseen(struct library *l, struct entry *e);
/* Reads everything again. Without any lock of the entry. */
enum status unstrip(struct library *l, struct entry *e, struct error *err);
uint64_t strip_batch_samples(const struct wire_batch *batch);

/* ---- load.c ---- */
enum status load_head(struct profile *p, const uint8_t *hello, size_t len, const char *format,
                      struct error *err);
enum status load_profile(struct library *l, const char *id, int64_t data, struct profile **out,
                         bool *is_damaged, struct error *err);

/* ---- rows.c ---- */
struct profile_row {
    const char *id;
    int64_t data;
    enum library_state state;
    struct progress progress;
    uint64_t created_ms, ended_ms, chunks, bytes, source_bytes;
    bool is_compact;
    struct wire_bytes name, format, producer, tags, hello, bye;
};
/* Inside a job. STATUS_EXISTS when the id is taken. */
enum status row_insert(struct writer *w, const struct profile_row *row, struct error *err);

/* ---- describe.c ---- */
unsigned describe_shapes(const struct profile *p);
char *describe_shapes_text(unsigned shapes, char out[96]);
uint64_t describe_peak_rss(const struct profile *p);
uint64_t describe_batch_rss(const struct profile *p, const struct wire_batch *batch);
uint64_t describe_samples(const struct profile *p);
enum status describe_hello(const struct wire_hello *hello, struct buf *name, struct buf *tags);

/* ---- chunks.c: messages in the database, inside a job ---- */
enum { CHUNK_FIRST_SHIFT = 32 };
static inline int64_t chunk_key(int64_t data, uint64_t seq)
{
    return (int64_t)((uint64_t)data << CHUNK_FIRST_SHIFT | seq);
}
uint32_t chunk_crc(const uint8_t *message, size_t len);
enum status chunk_insert(struct writer *w, int64_t data, uint64_t first_seq, uint64_t last_seq,
                         const uint8_t *message, size_t len, struct error *err);
enum status chunk_new_data(struct writer *w, bool is_trash, int64_t *data, struct error *err);

/* ---- care.c, compact.c, retain.c: what happens in the background ---- */
enum status care_start(struct library *l, struct error *err);
void care_stop(struct library *l);
void care_wake(struct library *l);
/* One short step each; `*did` whether there was something to do. */
enum status purge_step(struct library *l, bool *did, struct error *err);
enum status compact_step(struct library *l, bool *did, struct error *err);
enum status retain_in_background(struct library *l, struct error *err);

enum status library_need_writer(const struct library *l, struct error *err);
