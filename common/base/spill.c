#include "common/base/spill.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void spill_init(struct spill *s)
{
    *s = (struct spill){.fd = -1};
    buf_init(&s->bytes, 0);
}

void spill_deinit(struct spill *s)
{
    if (s->map)
        munmap(s->map, (size_t)s->in_file);
    if (s->fd >= 0)
        close(s->fd);
    buf_deinit(&s->bytes);
    *s = (struct spill){.fd = -1};
}

uint64_t spill_len(const struct spill *s)
{
    return s->in_file + s->bytes.len;
}

static int open_file(void)
{
    const char *const folders[] = {getenv("TMPDIR"), "/var/tmp"};
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        int fd = folders[i] && folders[i][0]
                     ? open(folders[i], O_TMPFILE | O_RDWR | O_EXCL | O_CLOEXEC, 0600)
                     : -1;
        if (fd >= 0)
            return fd;
    }
    return -1;
}

static enum status flush(struct spill *s, struct error *err)
{
    size_t done = 0;
    while (done < s->bytes.len) {
        ssize_t n = write(s->fd, s->bytes.data + done, s->bytes.len - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return error_set(err, STATUS_IO, "what came cannot be kept in $TMPDIR: %s",
                             strerror(n < 0 ? errno : ENOSPC));
        done += (size_t)n;
    }
    s->in_file += done;
    buf_clear(&s->bytes);
    return STATUS_OK;
}

enum status spill_room(struct spill *s, size_t len, uint8_t **at, struct error *err)
{
    bool is_over = s->bytes.len + len > SPILL_IN_MEMORY;
    if (is_over && s->fd < 0)
        s->fd = open_file();
    enum status st = is_over && s->fd >= 0 ? flush(s, err) : STATUS_OK;
    if (st != STATUS_OK)
        return st;
    *at = buf_grow(&s->bytes, len);
    return *at ? STATUS_OK : error_set(err, buf_status(&s->bytes), "no memory to hold the file");
}

void spill_give_back(struct spill *s, size_t unused)
{
    s->bytes.len -= unused;
}

enum status spill_finish(struct spill *s, const uint8_t **data, size_t *len, bool *is_mapped,
                         struct error *err)
{
    *is_mapped = s->fd >= 0;
    if (!*is_mapped) {
        *data = s->bytes.data;
        *len = s->bytes.len;
        return STATUS_OK;
    }
    enum status st = flush(s, err);
    if (st != STATUS_OK)
        return st;
    buf_deinit(&s->bytes);
    void *map = mmap(NULL, (size_t)s->in_file, PROT_READ, MAP_PRIVATE, s->fd, 0);
    if (map == MAP_FAILED)
        return error_set(err, STATUS_NO_MEMORY, "what came cannot be mapped: %s", strerror(errno));
    (void)madvise(map, (size_t)s->in_file, MADV_SEQUENTIAL);
    s->map = map;
    *data = s->map;
    *len = (size_t)s->in_file;
    return STATUS_OK;
}
