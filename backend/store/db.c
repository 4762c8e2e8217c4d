#include "backend/store/db.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/store/schema.h"

enum { BUSY_TIMEOUT_MS = 5000, STORE_MODE = 0600, FOLDER_MODE = 0700 };

static enum status status_of(int code)
{
    switch (code & 0xff) {
    case SQLITE_NOMEM:
        return STATUS_NO_MEMORY;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return STATUS_BUSY;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return STATUS_DENIED;
    case SQLITE_CORRUPT:
        return STATUS_CORRUPT;
    case SQLITE_NOTADB:
        return STATUS_INVALID;
    case SQLITE_TOOBIG:
        return STATUS_TOO_LARGE;
    default:
        return STATUS_IO;
    }
}

enum status db_error(sqlite3 *db, struct error *err)
{
    int code = sqlite3_extended_errcode(db);
    int system_error = sqlite3_system_errno(db);
    enum status st = status_of(code);
    const char *path = sqlite3_db_filename(db, "main");
    if (!path)
        path = "the store";
    if ((code & 0xff) == SQLITE_FULL || (st == STATUS_IO && system_error == ENOSPC))
        return error_set(err, STATUS_IO,
                         "%s: the disk is full; nothing new is stored until there "
                         "is room",
                         path);
    if (st == STATUS_CORRUPT)
        return error_set(err, st,
                         "%s: the store is damaged (%s); restore a backup, or move the "
                         "file away to start a new store",
                         path, sqlite3_errmsg(db));
    if (st == STATUS_INVALID)
        return error_set(err, st, "%s: not a Heliograph store", path);
    if (st == STATUS_DENIED)
        return error_set(err, st, "%s: the store is read-only here (%s)", path, sqlite3_errmsg(db));
    if (st == STATUS_IO && system_error)
        return error_set(err, st, "%s: %s (%s)", path, sqlite3_errmsg(db), strerror(system_error));
    return error_set(err, st, "%s: %s", path, sqlite3_errmsg(db));
}

enum status db_exec(sqlite3 *db, const char *sql, struct error *err)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK ? STATUS_OK : db_error(db, err);
}

enum status db_prepare(sqlite3 *db, sqlite3_stmt **out, const char *sql, struct error *err)
{
    return sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL) == SQLITE_OK
               ? STATUS_OK
               : db_error(db, err);
}

enum status db_run(sqlite3 *db, sqlite3_stmt *stmt, struct error *err)
{
    int rc = sqlite3_step(stmt);
    while (rc == SQLITE_ROW)
        rc = sqlite3_step(stmt);
    enum status st = rc == SQLITE_DONE ? STATUS_OK : db_error(db, err);
    sqlite3_reset(stmt);
    sqlite3_clear_bindings(stmt);
    return st;
}

enum status db_step(sqlite3 *db, sqlite3_stmt *stmt, bool *has_row, struct error *err)
{
    int rc = sqlite3_step(stmt);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        return db_error(db, err);
    *has_row = rc == SQLITE_ROW;
    return STATUS_OK;
}

enum status db_number(sqlite3 *db, const char *sql, int64_t fallback, int64_t *out,
                      struct error *err)
{
    sqlite3_stmt *stmt = NULL;
    bool has_row = false;
    enum status st = db_prepare(db, &stmt, sql, err);
    if (st == STATUS_OK)
        st = db_step(db, stmt, &has_row, err);
    if (st == STATUS_OK)
        *out = has_row ? sqlite3_column_int64(stmt, 0) : fallback;
    sqlite3_finalize(stmt);
    return st;
}

static enum status make_folders(const char *path, struct error *err)
{
    char folder[PATH_MAX];
    size_t len = strlen(path);
    if (len >= sizeof(folder))
        return error_set(err, STATUS_USAGE, "%.80s...: the path is too long", path);
    for (size_t i = 1; i < len; i++) {
        if (path[i] != '/')
            continue;
        memcpy(folder, path, i);
        folder[i] = '\0';
        if (mkdir(folder, FOLDER_MODE) != 0 && errno != EEXIST)
            return error_set(err, errno == EACCES ? STATUS_DENIED : STATUS_IO,
                             "cannot create the folder %s: %s", folder, strerror(errno));
    }
    return STATUS_OK;
}

/* SQLite would create it readable for all; its -wal and -shm take over this file's mode. */
static enum status make_file(const char *path, struct error *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, STORE_MODE);
    if (fd >= 0)
        return close(fd) == 0 ? STATUS_OK
                              : error_set(err, STATUS_IO, "%s: %s", path, strerror(errno));
    if (errno == EEXIST)
        return STATUS_OK;
    bool is_denied = errno == EACCES || errno == EROFS || errno == EPERM;
    return error_set(err, is_denied ? STATUS_DENIED : STATUS_IO, "cannot create the store %s: %s",
                     path, strerror(errno));
}

enum status db_make_place(const char *path, struct error *err)
{
    enum status st = make_folders(path, err);
    return st == STATUS_OK ? make_file(path, err) : st;
}

/* FULL: a commit has reached the disk when it returns, as far as fsync goes. secure_delete FAST
 * overwrites deleted content where that costs no extra writes. */
static const char write_pragmas[] = "PRAGMA journal_mode=WAL;"
                                    "PRAGMA synchronous=FULL;"
                                    "PRAGMA foreign_keys=ON;"
                                    "PRAGMA secure_delete=FAST;"
                                    "PRAGMA journal_size_limit=67108864;"
                                    "PRAGMA cache_size=-16384;"
                                    "PRAGMA temp_store=MEMORY;";

/* Cheap protections that every connection to a file from elsewhere should have. */
static void harden(sqlite3 *db)
{
    sqlite3_extended_result_codes(db, 1);
    sqlite3_busy_timeout(db, BUSY_TIMEOUT_MS);
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
}

static enum status prepare_for_writing(sqlite3 *db, const char *path, struct error *err)
{
    /* Looked at first, so that a file that is no store of ours stays as it is. */
    enum status st = schema_check(db, path, err);
    if (st != STATUS_OK)
        return st;
    if (sqlite3_db_readonly(db, "main") == 1)
        return error_set(err, STATUS_DENIED, "%s: the store is read-only here", path);
    st = schema_before_first_table(db, err);
    if (st == STATUS_OK)
        st = db_exec(db, write_pragmas, err);
    if (st == STATUS_OK)
        st = schema_migrate(db, path, err);
    return st;
}

static enum status check_for_reading(sqlite3 *db, const char *path, struct error *err)
{
    int64_t version = 0;
    enum status st = schema_check(db, path, err);
    if (st == STATUS_OK)
        st = db_number(db, "PRAGMA user_version", 0, &version, err);
    if (st == STATUS_OK && version < SCHEMA_READABLE)
        return error_set(err, STATUS_UNSUPPORTED,
                         "%s: a store of the older version %lld; open it once for writing", path,
                         (long long)version);
    return st;
}

/* A store nobody writes, in a folder where SQLite may not make its -shm file: read as it is. */
static enum status open_immutable(sqlite3 **out, const char *path, struct error *err)
{
    char wal[PATH_MAX];
    struct stat info;
    int len = snprintf(wal, sizeof(wal), "%s-wal", path);
    bool has_wal = len < (int)sizeof(wal) && stat(wal, &info) == 0 && info.st_size > 0;
    char uri[3 * PATH_MAX + 32];
    size_t at = (size_t)snprintf(uri, sizeof(uri), "file:");
    for (const char *c = path; *c && at < sizeof(uri) - 24; c++)
        at += (size_t)snprintf(uri + at, sizeof(uri) - at, strchr("%?#", *c) ? "%%%02x" : "%c",
                               (unsigned char)*c);
    snprintf(uri + at, sizeof(uri) - at, "?immutable=1");
    if (has_wal)
        return error_set(err, STATUS_DENIED,
                         "%s: cannot be read here while its write-ahead log is not empty", path);
    if (sqlite3_open_v2(uri, out, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX,
                        NULL) != SQLITE_OK)
        return error_set(err, STATUS_IO, "%s: %s", path, *out ? sqlite3_errmsg(*out) : "no memory");
    harden(*out);
    return check_for_reading(*out, path, err);
}

static enum status open_read_only(sqlite3 **out, const char *path, struct error *err)
{
    struct error first;
    if (access(path, F_OK) != 0)
        return error_set(err, errno == ENOENT ? STATUS_NOT_FOUND : STATUS_DENIED,
                         "no store at %s: %s", path, strerror(errno));
    if (access(path, R_OK) != 0)
        return error_set(err, STATUS_DENIED, "%s: %s", path, strerror(errno));
    if (sqlite3_open_v2(path, out, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL) == SQLITE_OK) {
        harden(*out);
        enum status st = check_for_reading(*out, path, &first);
        int code = sqlite3_errcode(*out) & 0xff;
        bool may_be_folder =
            st != STATUS_OK && (code == SQLITE_CANTOPEN || code == SQLITE_READONLY);
        if (!may_be_folder) {
            if (st != STATUS_OK)
                error_set(err, st, "%s", first.text);
            return st;
        }
    }
    sqlite3_close(*out);
    *out = NULL;
    return open_immutable(out, path, err);
}

static enum status open_to_write(sqlite3 **out, const char *path, struct error *err)
{
    if (sqlite3_open_v2(path, out, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
        return *out ? db_error(*out, err) : error_set(err, STATUS_NO_MEMORY, "no memory");
    harden(*out);
    return prepare_for_writing(*out, path, err);
}

enum status db_open(sqlite3 **out, const char *path, enum db_mode mode, struct error *err)
{
    sqlite3 *db = NULL;
    enum status st;
    if (mode == DB_WRITE) {
        st = open_to_write(&db, path, err);
    } else if (mode == DB_READ_ONLY) {
        st = open_read_only(&db, path, err);
    } else if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL) ==
               SQLITE_OK) {
        harden(db);
        st = STATUS_OK;
    } else {
        st = db ? db_error(db, err) : error_set(err, STATUS_NO_MEMORY, "no memory");
    }
    if (st != STATUS_OK) {
        db_close(db);
        return st;
    }
    *out = db;
    return STATUS_OK;
}

void db_close(sqlite3 *db)
{
    sqlite3_close_v2(db);
}
