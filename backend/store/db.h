#pragma once
/* SQLite as this store uses it: opening, pragmas, migrations, and what its failures are in our
 * words. One connection belongs to one thread at a time. */

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/base/status.h"

enum db_mode {
    DB_WRITE,     /* creates and migrates */
    DB_READ,      /* beside a writer of this process */
    DB_READ_ONLY, /* by itself: on a read-only disk, or beside another process */
};

/* Creates the file (0600) and its folders (0700) where missing. */
enum status db_make_place(const char *path, struct error *err);

/* DB_WRITE wants db_make_place before, and brings an older store to this version. Errors:
 * STATUS_INVALID (not a store), STATUS_UNSUPPORTED (newer version, or older and read-only),
 * STATUS_DENIED (read-only file), STATUS_CORRUPT, STATUS_IO. */
enum status db_open(sqlite3 **out, const char *path, enum db_mode mode, struct error *err);
void db_close(sqlite3 *db); /* takes NULL */

/* The latest failure of this connection, as a status and words: "PATH: what SQLite says". */
enum status db_error(sqlite3 *db, struct error *err);

enum status db_exec(sqlite3 *db, const char *sql, struct error *err);
enum status db_prepare(sqlite3 *db, sqlite3_stmt **out, const char *sql, struct error *err);

/* Runs a statement that gives no rows, and makes it ready for the next time. */
enum status db_run(sqlite3 *db, sqlite3_stmt *stmt, struct error *err);

/* One row more? STATUS_OK and `*has_row`. */
enum status db_step(sqlite3 *db, sqlite3_stmt *stmt, bool *has_row, struct error *err);

/* The first number of the first row; `fallback` when there is none. */
enum status db_number(sqlite3 *db, const char *sql, int64_t fallback, int64_t *out,
                      struct error *err);

static inline int64_t db_i64(uint64_t value)
{
    return value > INT64_MAX ? INT64_MAX : (int64_t)value;
}

static inline uint64_t db_u64(sqlite3_stmt *stmt, int column)
{
    int64_t value = sqlite3_column_int64(stmt, column);
    return value < 0 ? 0 : (uint64_t)value;
}
