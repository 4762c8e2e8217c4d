#include "cli/source_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Python reads UTF-8 unless a file says otherwise; what is not would be shown wrongly. */
static bool is_text(const uint8_t *data, size_t len)
{
    for (size_t i = 0; i < len;) {
        uint8_t c = data[i++];
        size_t more = c < 0x80 ? 0 : c >= 0xc2 && c < 0xe0 ? 1 : (c & 0xf0) == 0xe0 ? 2 : 3;
        if (c == 0 || (c >= 0x80 && c < 0xc2) || c > 0xf4 || more > len - i)
            return false;
        for (; more > 0; more--) {
            if ((data[i++] & 0xc0) != 0x80)
                return false;
        }
    }
    return true;
}

static enum status read_all(int fd, const char *file, size_t max, struct buf *out,
                            struct error *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return error_set(err, STATUS_NOT_FOUND, "%.200s is not a file", file);
    if (st.st_size < 0 || (size_t)st.st_size > max)
        return error_set(err, STATUS_TOO_LARGE, "%.200s has %lld bytes; at most %zu are read", file,
                         (long long)st.st_size, max);
    size_t want = (size_t)st.st_size;
    uint8_t *room = buf_grow(out, want);
    if (!room && want > 0)
        return error_set(err, STATUS_NO_MEMORY, "no memory for %.200s", file);
    size_t len = 0;
    while (len < want) {
        ssize_t got = read(fd, room + len, want - len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        len += (size_t)got;
    }
    out->len -= want - len;
    if (!is_text(out->data + out->len - len, len))
        return error_set(err, STATUS_INVALID, "%.200s is not UTF-8 text", file);
    return STATUS_OK;
}

static enum status read_at(const char *path, const char *file, size_t max, struct buf *out,
                           struct error *err)
{
    /* O_NONBLOCK: a fifo of that name must not hold us. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return error_set(err, errno == EACCES || errno == EPERM ? STATUS_DENIED : STATUS_NOT_FOUND,
                         "%.200s: %s", file, strerror(errno));
    enum status st = read_all(fd, file, max, out, err);
    close(fd);
    return st;
}

enum status source_file_read(pid_t pid, const char *file, size_t max, struct buf *out,
                             struct error *err)
{
    char path[PATH_MAX];
    const char *where = file[0] == '/' ? "root" : "cwd/";
    int len = snprintf(path, sizeof(path), "/proc/%d/%s%s", (int)pid, where, file);
    if (file[0] == '<' || len < 0 || (size_t)len >= sizeof(path))
        return error_set(err, STATUS_NOT_FOUND, "%.200s is not a file", file);
    return read_at(path, file, max, out, err);
}

enum status source_file_read_here(const char *file, size_t max, struct buf *out, struct error *err)
{
    return read_at(file, file, max, out, err);
}
