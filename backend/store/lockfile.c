#include "backend/store/lockfile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LOCK_MODE = 0600 };

/* The whole file, for one writer. */
static const struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

static bool lock_path(char out[PATH_MAX], const char *store_path)
{
    int len = snprintf(out, PATH_MAX, "%s.lock", store_path);
    return len > 0 && len < PATH_MAX;
}

/* "pid url\n", written whole with one pwrite; a reader between truncation and write sees less. */
static void read_owner(int fd, struct library_owner *out)
{
    char text[300];
    ssize_t got = pread(fd, text, sizeof(text) - 1, 0);
    *out = (struct library_owner){0};
    if (got <= 0)
        return;
    text[got] = '\0';
    char *url = NULL;
    out->pid = strtol(text, &url, 10);
    url += *url == ' ';
    size_t len = strcspn(url, "\n");
    if (len < sizeof(out->url))
        memcpy(out->url, url, len);
}

static enum status write_owner(int fd, const char *url, struct error *err)
{
    char text[300];
    int len = snprintf(text, sizeof(text), "%ld %s\n", (long)getpid(), url);
    if (len >= (int)sizeof(text))
        return error_set(err, STATUS_USAGE, "the server's address is too long for the lock file");
    if (pwrite(fd, text, (size_t)len, 0) != len || ftruncate(fd, len) != 0)
        return error_set(err, STATUS_IO, "cannot write the store's lock file: %s", strerror(errno));
    return STATUS_OK;
}

enum status lockfile_take(const char *store_path, int *fd, struct error *err)
{
    char path[PATH_MAX];
    if (!lock_path(path, store_path))
        return error_set(err, STATUS_USAGE, "%.80s...: the path is too long", store_path);
    int lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, LOCK_MODE);
    if (lock < 0)
        return error_set(err, errno == EACCES || errno == EROFS ? STATUS_DENIED : STATUS_IO,
                         "cannot open %s: %s", path, strerror(errno));
    struct flock wanted = whole;
    if (fcntl(lock, F_OFD_SETLK, &wanted) != 0) {
        enum status st = errno == EAGAIN || errno == EACCES ? STATUS_BUSY : STATUS_IO;
        struct library_owner owner;
        read_owner(lock, &owner);
        if (st != STATUS_BUSY)
            error_set(err, st, "cannot lock %s: %s", path, strerror(errno));
        else if (owner.url[0])
            error_set(err, st, "%s is in use by the server at %s (process %ld)", store_path,
                      owner.url, owner.pid);
        else
            error_set(err, st, "%s is in use by process %ld", store_path, owner.pid);
        close(lock);
        return st;
    }
    enum status st = write_owner(lock, "", err);
    if (st != STATUS_OK) {
        close(lock);
        return st;
    }
    *fd = lock;
    return STATUS_OK;
}

enum status lockfile_set_url(int fd, const char *url, struct error *err)
{
    return write_owner(fd, url, err);
}

void lockfile_drop(int fd)
{
    /* The file stays: removing it would let two processes lock two different files. */
    if (fd >= 0) {
        if (ftruncate(fd, 0) != 0) {
            /* An old owner's line is never believed without its lock. */
        }
        close(fd);
    }
}

enum status library_lock_owner(const char *store_path, struct library_owner *out, struct error *err)
{
    char path[PATH_MAX];
    char default_path[PATH_MAX];
    if (!store_path) {
        enum status found = library_default_path(default_path, sizeof(default_path), err);
        if (found != STATUS_OK)
            return found;
        store_path = default_path;
    }
    if (!lock_path(path, store_path))
        return error_set(err, STATUS_USAGE, "%.80s...: the path is too long", store_path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set(err, STATUS_NOT_FOUND, "nobody has %s open", store_path);
    enum status st = STATUS_OK;
    struct flock asked = whole;
    if (fcntl(fd, F_OFD_GETLK, &asked) != 0)
        st = error_set(err, STATUS_IO, "cannot ask for the lock of %s: %s", path, strerror(errno));
    else if (asked.l_type == F_UNLCK)
        st = error_set(err, STATUS_NOT_FOUND, "nobody has %s open", store_path);
    else
        read_owner(fd, out);
    close(fd);
    return st;
}
