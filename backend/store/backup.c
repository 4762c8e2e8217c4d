/* A copy of the store while it is in use: SQLite's backup from one read transaction, into a new
 * file that takes the name only when it is complete and on the disk. */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/store/db.h"
#include "backend/store/inside.h"

enum { BACKUP_MODE = 0600 };

static enum status copy_pages(sqlite3 *from, sqlite3 *to, const char *path, struct error *err)
{
    sqlite3_backup *backup = sqlite3_backup_init(to, "main", from, "main");
    if (!backup)
        return db_error(to, err);
    int rc = sqlite3_backup_step(backup, -1);
    int end = sqlite3_backup_finish(backup);
    if (rc == SQLITE_DONE && end == SQLITE_OK)
        return STATUS_OK;
    if ((rc & 0xff) == SQLITE_FULL)
        return error_set(err, STATUS_IO, "%s: the disk is full", path);
    return error_set(err, STATUS_IO, "%s: the backup failed: %s", path,
                     sqlite3_errstr(rc == SQLITE_DONE ? end : rc));
}

static enum status sync_path(const char *path, int flags, struct error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | flags);
    if (fd < 0 || fsync(fd) != 0) {
        enum status st = error_set(err, STATUS_IO, "%s: %s", path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return st;
    }
    close(fd);
    return STATUS_OK;
}

static enum status sync_folder_of(const char *path, struct error *err)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    if (!slash)
        snprintf(folder, sizeof(folder), ".");
    else
        snprintf(folder, sizeof(folder), "%.*s", slash == path ? 1 : (int)(slash - path), path);
    return sync_path(folder, O_DIRECTORY, err);
}

static enum status copy_store(struct library *l, const char *path, struct error *err)
{
    sqlite3 *from = NULL;
    sqlite3 *to = NULL;
    int64_t ignored = 0;
    enum status st = reader_take(l, &from, err);
    /* One transaction around it all, so that what is written meanwhile does not start it anew. */
    if (st == STATUS_OK)
        st = db_exec(from, "BEGIN", err);
    if (st == STATUS_OK)
        st = db_number(from, "SELECT count(*) FROM sqlite_schema", 0, &ignored, err);
    if (st == STATUS_OK &&
        sqlite3_open_v2(path, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
        st = error_set(err, STATUS_IO, "%s: %s", path, to ? sqlite3_errmsg(to) : "no memory");
    if (st == STATUS_OK)
        st = copy_pages(from, to, path, err);
    /* One file that opens anywhere, also read-only: no write-ahead log beside it. */
    if (st == STATUS_OK)
        st = db_exec(to, "PRAGMA journal_mode=DELETE", err);
    db_close(to);
    reader_give(l, from);
    return st;
}

enum status library_backup(struct library *l, const char *path, struct error *err)
{
    char part[PATH_MAX];
    struct stat theirs;
    struct stat ours;
    int len = snprintf(part, sizeof(part), "%s.%ld.part", path, (long)getpid());
    if (len < 0 || len >= (int)sizeof(part))
        return error_set(err, STATUS_USAGE, "%.80s...: the path is too long", path);
    if (stat(path, &theirs) == 0 && stat(l->path, &ours) == 0 && theirs.st_ino == ours.st_ino &&
        theirs.st_dev == ours.st_dev)
        return error_set(err, STATUS_USAGE, "%s is the store itself", path);
    int fd = open(part, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, BACKUP_MODE);
    if (fd < 0)
        return error_set(err, errno == EACCES || errno == EROFS ? STATUS_DENIED : STATUS_IO,
                         "cannot create %s: %s", part, strerror(errno));
    close(fd);
    enum status st = copy_store(l, part, err);
    if (st == STATUS_OK)
        st = sync_path(part, 0, err);
    if (st == STATUS_OK && rename(part, path) != 0)
        st = error_set(err, STATUS_IO, "%s: %s", path, strerror(errno));
    if (st != STATUS_OK) {
        unlink(part);
        return st;
    }
    return sync_folder_of(path, err);
}
