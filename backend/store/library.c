#include "backend/store/library.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "backend/store/db.h"
#include "backend/store/inside.h"
#include "backend/store/lockfile.h"
#include "backend/store/schema.h"
#include "common/base/clock.h"

static const uint64_t default_resident = (uint64_t)1 << 30;
static const uint64_t unseen_after_ns = 5000000000;
static const uint64_t looked_at_ns = 300000000000;

const char *library_state_name(enum library_state state)
{
    static const char *const names[] = {"live", "complete", "interrupted", "imported"};
    return names[state];
}

enum status library_default_path(char *out, size_t size, struct error *err)
{
    const char *data = getenv("XDG_DATA_HOME");
    const char *home = getenv("HOME");
    int len;
    if (data && data[0] == '/') /* the XDG specification has relative ones ignored */
        len = snprintf(out, size, "%s/heliograph/heliograph.db", data);
    else if (home && home[0] == '/')
        len = snprintf(out, size, "%s/.local/share/heliograph/heliograph.db", home);
    else
        return error_set(err, STATUS_USAGE, "neither XDG_DATA_HOME nor HOME is set: say --store");
    if (len < 0 || (size_t)len >= size)
        return error_set(err, STATUS_TOO_LARGE, "the path of the store is too long");
    return STATUS_OK;
}

enum status library_need_writer(const struct library *l, struct error *err)
{
    return l->writer ? STATUS_OK
                     : error_set(err, STATUS_DENIED, "%s is open for reading only", l->path);
}

/* Sessions that a dead server left behind. Their revision grows by two, since a reader may have
 * seen one change that was not yet committed. Imports that were cut off are trash already. */
static enum status settle(sqlite3 *db, struct error *err)
{
    char sql[160];
    snprintf(sql, sizeof(sql),
             "UPDATE profile SET state=%d, revision=revision+2, ended_ms=%lld WHERE state=%d",
             LIBRARY_INTERRUPTED, (long long)(clock_unix_ns() / 1000000), LIBRARY_LIVE);
    return db_exec(db, sql, err);
}

static enum status choose_path(struct library *l, const char *path, struct error *err)
{
    char default_path[PATH_MAX];
    if (!path) {
        enum status st = library_default_path(default_path, sizeof(default_path), err);
        if (st != STATUS_OK)
            return st;
        path = default_path;
    }
    l->path = strdup(path);
    return l->path ? STATUS_OK : error_set(err, STATUS_NO_MEMORY, "no memory for the store");
}

static enum status open_to_write(struct library *l, struct error *err)
{
    enum status st = db_make_place(l->path, err);
    if (st == STATUS_OK)
        st = lockfile_take(l->path, &l->lock_fd, err);
    if (st == STATUS_OK)
        st = db_open(&l->write_db, l->path, DB_WRITE, err);
    if (st == STATUS_OK)
        st = settle(l->write_db, err);
    if (st == STATUS_OK)
        st = writer_start(&l->writer, l->write_db, err);
    if (st == STATUS_OK)
        st = care_start(l, err);
    return st;
}

static enum status open_to_read(struct library *l, struct error *err)
{
    sqlite3 *db = NULL;
    enum status st = reader_take(l, &db, err);
    reader_give(l, db);
    return st;
}

enum status library_open(struct library **out, const struct library_options *options,
                         struct error *err)
{
    struct library *l = calloc(1, sizeof(*l));
    if (!l)
        return error_set(err, STATUS_NO_MEMORY, "no memory for the store");
    l->lock_fd = -1;
    l->is_read_only = options->is_read_only;
    l->resident_limit = options->resident_bytes ? options->resident_bytes : default_resident;
    l->unseen_after_ns = unseen_after_ns;
    l->looked_at_ns = looked_at_ns;
    l->retention = options->retention;
    pthread_mutex_init(&l->lock, NULL);
    pthread_mutex_init(&l->care_lock, NULL);
    pthread_mutex_init(&l->care_order, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&l->care_wake, &attributes);
    pthread_condattr_destroy(&attributes);

    enum status st = choose_path(l, options->path, err);
    if (st == STATUS_OK)
        st = l->is_read_only ? open_to_read(l, err) : open_to_write(l, err);
    if (st != STATUS_OK) {
        library_close(l);
        return st;
    }
    *out = l;
    return STATUS_OK;
}

void library_close(struct library *l)
{
    if (!l)
        return;
    library_wake_all(l);
    care_stop(l);
    writer_stop(l->writer);
    cache_free(l);
    for (size_t i = 0; i < l->readers_len; i++)
        db_close(l->readers[i]);
    if (l->writer) {
        /* An orderly end: the list says at once what the next server would find out. A failure
         * here loses nothing, the next open does it again. */
        settle(l->write_db, NULL);
        sqlite3_wal_checkpoint_v2(l->write_db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    }
    db_close(l->write_db);
    lockfile_drop(l->lock_fd);
    pthread_cond_destroy(&l->care_wake);
    pthread_mutex_destroy(&l->care_order);
    pthread_mutex_destroy(&l->care_lock);
    pthread_mutex_destroy(&l->lock);
    map_deinit(&l->compact_cursors);
    free(l->imports);
    free(l->path);
    free(l);
}

enum status library_set_url(struct library *l, const char *url, struct error *err)
{
    enum status st = library_need_writer(l, err);
    return st == STATUS_OK ? lockfile_set_url(l->lock_fd, url, err) : st;
}

static uint64_t file_size(const char *path, const char *ending)
{
    char name[PATH_MAX];
    struct stat info;
    int len = snprintf(name, sizeof(name), "%s%s", path, ending);
    return len < (int)sizeof(name) && stat(name, &info) == 0 ? (uint64_t)info.st_size : 0;
}

void library_stats(struct library *l, struct library_stats *out)
{
    *out = (struct library_stats){
        .file_bytes = file_size(l->path, "") + file_size(l->path, "-wal"),
        .commits = l->writer ? writer_commits(l->writer) : 0,
        .batches = atomic_load(&l->batches),
        .samples = atomic_load(&l->samples),
    };
    pthread_mutex_lock(&l->lock);
    out->resident_bytes = l->resident;
    pthread_mutex_unlock(&l->lock);

    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    bool has_row = false;
    if (reader_take(l, &db, NULL) != STATUS_OK)
        return;
    if (db_prepare(db, &stmt, "SELECT count(*), sum(state = 0), sum(chunks) FROM profile", NULL) ==
            STATUS_OK &&
        db_step(db, stmt, &has_row, NULL) == STATUS_OK && has_row) {
        out->profiles = db_u64(stmt, 0);
        out->live = db_u64(stmt, 1);
        out->chunks = db_u64(stmt, 2);
    }
    sqlite3_finalize(stmt);
    reader_give(l, db);
}
