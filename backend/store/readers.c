#include "backend/store/db.h"
#include "backend/store/inside.h"

enum status reader_take(struct library *l, sqlite3 **out, struct error *err)
{
    sqlite3 *db = NULL;
    pthread_mutex_lock(&l->lock);
    if (l->readers_len > 0)
        db = l->readers[--l->readers_len];
    pthread_mutex_unlock(&l->lock);
    if (!db) {
        enum status st = db_open(&db, l->path, l->is_read_only ? DB_READ_ONLY : DB_READ, err);
        if (st != STATUS_OK)
            return st;
    }
    *out = db;
    return STATUS_OK;
}

void reader_give(struct library *l, sqlite3 *db)
{
    if (!db)
        return;
    /* A transaction left open would keep the write-ahead log from being emptied. */
    if (!sqlite3_get_autocommit(db))
        sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    pthread_mutex_lock(&l->lock);
    if (l->readers_len < LIBRARY_READERS) {
        l->readers[l->readers_len++] = db;
        db = NULL;
    }
    pthread_mutex_unlock(&l->lock);
    db_close(db);
}
