/* The background thread: frees what was deleted, merges small chunks, keeps to the retention.
 * Always in short steps, each a job of its own, so that no collector waits long for its commit. */

#include <stdio.h>

#include "backend/store/db.h"
#include "backend/store/inside.h"
#include "common/base/clock.h"
#include "common/base/log.h"

enum { CARE_EVERY_MS = 60000, PURGE_CHUNKS = 256, PURGE_BYTES = 4 << 20, VACUUM_PAGES = 256 };

/* ---- freeing ---- */

static bool is_import(struct library *l, int64_t data)
{
    bool found = false;
    pthread_mutex_lock(&l->lock);
    for (size_t i = 0; i < l->imports_len; i++)
        found |= l->imports[i] == data;
    pthread_mutex_unlock(&l->lock);
    return found;
}

static enum status find_trash(struct library *l, int64_t *data, struct error *err)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    bool has_row = true;
    *data = 0;
    enum status st = reader_take(l, &db, err);
    if (st == STATUS_OK)
        st = db_prepare(db, &stmt, "SELECT key FROM data WHERE is_trash ORDER BY key", err);
    while (st == STATUS_OK && has_row && *data == 0) {
        st = db_step(db, stmt, &has_row, err);
        if (st == STATUS_OK && has_row && !is_import(l, sqlite3_column_int64(stmt, 0)))
            *data = sqlite3_column_int64(stmt, 0);
    }
    sqlite3_finalize(stmt);
    reader_give(l, db);
    return st;
}

static enum status purge(struct writer *w, void *ctx, struct error *err)
{
    int64_t data = *(const int64_t *)ctx;
    sqlite3_stmt *stmt = writer_statement(w, WRITE_DELETE_CHUNKS, err);
    if (!stmt)
        return err->status;
    sqlite3_bind_int64(stmt, 1, chunk_key(data, 0));
    sqlite3_bind_int64(stmt, 2, chunk_key(data, UINT32_MAX));
    sqlite3_bind_int(stmt, 3, PURGE_CHUNKS);
    sqlite3_bind_int(stmt, 4, PURGE_BYTES);
    sqlite3_bind_int64(stmt, 5, data);
    enum status st = db_run(writer_db(w), stmt, err);
    if (st != STATUS_OK || sqlite3_changes(writer_db(w)) > 0)
        return st;
    stmt = writer_statement(w, WRITE_DELETE_DATA, err);
    if (!stmt)
        return err->status;
    sqlite3_bind_int64(stmt, 1, data);
    return db_run(writer_db(w), stmt, err);
}

static enum status give_back_pages(struct writer *w, void *ctx, struct error *err)
{
    (void)ctx;
    char sql[48];
    snprintf(sql, sizeof(sql), "PRAGMA incremental_vacuum(%d)", VACUUM_PAGES);
    return db_exec(writer_db(w), sql, err);
}

static enum status free_pages(struct library *l, int64_t *pages, struct error *err)
{
    sqlite3 *db = NULL;
    enum status st = reader_take(l, &db, err);
    if (st == STATUS_OK)
        st = db_number(db, "PRAGMA freelist_count", 0, pages, err);
    reader_give(l, db);
    return st;
}

enum status purge_step(struct library *l, bool *did, struct error *err)
{
    int64_t data = 0;
    *did = false;
    enum status st = find_trash(l, &data, err);
    if (st != STATUS_OK)
        return st;
    if (data == 0)
        return STATUS_OK;
    *did = true;
    return writer_run(l->writer, purge, &data, err);
}

/* Gives free pages back to the system; some stay for what comes next. */
static enum status vacuum_step(struct library *l, bool *did, struct error *err)
{
    int64_t pages = 0;
    *did = false;
    enum status st = free_pages(l, &pages, err);
    if (st != STATUS_OK || pages <= 4 * VACUUM_PAGES)
        return st;
    *did = true;
    return writer_run(l->writer, give_back_pages, NULL, err);
}

/* ---- the thread ---- */

static bool is_stopping(struct library *l)
{
    pthread_mutex_lock(&l->care_lock);
    bool stopping = l->care_is_stopping;
    pthread_mutex_unlock(&l->care_lock);
    return stopping;
}

typedef enum status (*care_step)(struct library *l, bool *did, struct error *err);
static const care_step steps[] = {purge_step, compact_step, vacuum_step};

/* Each step until it has nothing to do. */
static enum status take_care(struct library *l, bool may_stop, struct error *err)
{
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        bool did = true;
        while (did && !(may_stop && is_stopping(l))) {
            pthread_mutex_lock(&l->care_order);
            enum status st = steps[i](l, &did, err);
            pthread_mutex_unlock(&l->care_order);
            if (st != STATUS_OK)
                return st;
        }
    }
    return STATUS_OK;
}

enum status library_compact(struct library *l, struct error *err)
{
    enum status st = library_need_writer(l, err);
    return st == STATUS_OK ? take_care(l, false, err) : st;
}

/* Waits for a call or a minute; false when it is time to go. */
static bool wait_for_work(struct library *l)
{
    uint64_t until = clock_monotonic_ns() + (uint64_t)CARE_EVERY_MS * 1000000;
    struct timespec ts = {.tv_sec = (time_t)(until / 1000000000),
                          .tv_nsec = (long)(until % 1000000000)};
    pthread_mutex_lock(&l->care_lock);
    int rc = 0;
    while (rc == 0 && !l->care_is_wanted && !l->care_is_stopping)
        rc = pthread_cond_timedwait(&l->care_wake, &l->care_lock, &ts);
    l->care_is_wanted = false;
    bool goes_on = !l->care_is_stopping;
    pthread_mutex_unlock(&l->care_lock);
    return goes_on;
}

static void *care(void *arg)
{
    struct library *l = arg;
    struct error err;
    do {
        cache_evict(l);
        enum status st = retain_in_background(l, &err);
        if (st == STATUS_OK)
            st = take_care(l, true, &err);
        if (st != STATUS_OK)
            log_warn("the store's background work: %s", err.text);
    } while (wait_for_work(l));
    return NULL;
}

void care_wake(struct library *l)
{
    pthread_mutex_lock(&l->care_lock);
    l->care_is_wanted = true;
    pthread_cond_signal(&l->care_wake);
    pthread_mutex_unlock(&l->care_lock);
}

enum status care_start(struct library *l, struct error *err)
{
    if (pthread_create(&l->care_thread, NULL, care, l) != 0)
        return error_set(err, STATUS_NO_MEMORY, "no thread for the store's background work");
    l->has_care_thread = true;
    return STATUS_OK;
}

void care_stop(struct library *l)
{
    if (!l->has_care_thread)
        return;
    pthread_mutex_lock(&l->care_lock);
    l->care_is_stopping = true;
    pthread_cond_signal(&l->care_wake);
    pthread_mutex_unlock(&l->care_lock);
    pthread_join(l->care_thread, NULL);
    l->has_care_thread = false;
}
