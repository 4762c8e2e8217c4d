#include "collector/uplink/outbox.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FIRST_ITEMS = 64, SPOOL_MODE = 0600 };

void outbox_init(struct outbox *o, size_t memory_limit, uint64_t spool_limit, const char *spool_dir)
{
    *o = (struct outbox){.memory_limit = memory_limit,
                         .spool_limit = spool_limit,
                         .spool_fd = -1,
                         .spool_dir = spool_dir};
}

void outbox_deinit(struct outbox *o)
{
    for (size_t i = 0; i < o->len; i++)
        free(o->items[(o->first + i) % o->cap].data);
    free(o->items);
    if (o->spool_fd >= 0)
        close(o->spool_fd);
    *o = (struct outbox){.spool_fd = -1};
}

static struct outbox_item *item_at(const struct outbox *o, size_t i)
{
    return &o->items[(o->first + i) % o->cap];
}

static bool grow(struct outbox *o)
{
    size_t cap = o->cap ? o->cap * 2 : FIRST_ITEMS;
    struct outbox_item *items = calloc(cap, sizeof(*items));
    if (!items)
        return false;
    for (size_t i = 0; i < o->len; i++)
        items[i] = *item_at(o, i);
    free(o->items);
    o->items = items;
    o->cap = cap;
    o->first = 0;
    return true;
}

/* ---- the spool ---- */

/* A file without a name: nobody else can open it, and it cannot be left behind. */
static int open_nameless(const char *dir)
{
    int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, SPOOL_MODE);
    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL))
        return fd;
    char path[PATH_MAX];
    if (snprintf(path, sizeof(path), "%s/heliograph-spool-XXXXXX", dir) >= (int)sizeof(path))
        return -1;
    fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0)
        unlink(path);
    return fd;
}

static enum status open_spool(struct outbox *o, struct error *err)
{
    const char *dir = o->spool_dir;
    if (!dir)
        dir = getenv("TMPDIR");
    if (!dir || !dir[0])
        dir = "/var/tmp";
    o->spool_fd = open_nameless(dir);
    if (o->spool_fd < 0)
        return error_set(err, STATUS_IO, "cannot make a spool file in %s: %s", dir,
                         strerror(errno));
    return STATUS_OK;
}

/* Where the ring has `len` bytes in one piece. */
static bool find_room(const struct outbox *o, size_t len, uint64_t *offset)
{
    if (o->spooled == 0) {
        *offset = 0;
        return len <= o->spool_limit;
    }
    if (o->spool_tail > o->spool_head) {
        *offset = o->spool_tail;
        if (len <= o->spool_limit - o->spool_tail)
            return true;
        *offset = 0;
        return len < o->spool_head;
    }
    *offset = o->spool_tail;
    return len < o->spool_head - o->spool_tail;
}

static enum status write_at(int fd, const uint8_t *data, size_t len, uint64_t offset,
                            struct error *err)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = pwrite(fd, data + done, len - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return error_set(err, STATUS_IO, "the spool file: %s", strerror(errno));
        done += (size_t)n;
    }
    return STATUS_OK;
}

static enum status spool(struct outbox *o, struct outbox_item *item, const uint8_t *data,
                         struct error *err)
{
    if (!find_room(o, item->len, &item->offset))
        return error_set(err, STATUS_TOO_LARGE, "the spool file is full");
    enum status st = o->spool_fd < 0 ? open_spool(o, err) : STATUS_OK;
    if (st == STATUS_OK)
        st = write_at(o->spool_fd, data, item->len, item->offset, err);
    if (st != STATUS_OK)
        return st;
    if (o->spooled++ == 0)
        o->spool_head = item->offset;
    o->spool_tail = item->offset + item->len;
    return STATUS_OK;
}

static void unspool(struct outbox *o)
{
    o->spooled--;
    for (size_t i = 0; i < o->len; i++) {
        if (!item_at(o, i)->data) {
            o->spool_head = item_at(o, i)->offset;
            return;
        }
    }
    /* Empty: what a long outage took goes back to the disk. */
    o->spool_head = o->spool_tail = 0;
    if (ftruncate(o->spool_fd, 0) != 0) {
        /* Then the space comes back when the process ends. */
    }
}

/* ---- messages ---- */

enum status outbox_add(struct outbox *o, uint64_t seq, const uint8_t *data, size_t len,
                       struct error *err)
{
    if (o->len == o->cap && !grow(o))
        return error_set(err, STATUS_NO_MEMORY, "no memory for unsent batches");
    struct outbox_item item = {.seq = seq, .len = len};
    /* An empty outbox takes anything: what never fits would never be sent. */
    bool has_room = o->memory_used < o->memory_limit && len <= o->memory_limit - o->memory_used;
    if (has_room || o->len == 0)
        item.data = malloc(len ? len : 1);
    if (item.data) {
        memcpy(item.data, data, len);
        o->memory_used += len;
    } else {
        enum status st = spool(o, &item, data, err);
        if (st != STATUS_OK)
            return st;
    }
    o->items[(o->first + o->len++) % o->cap] = item;
    return STATUS_OK;
}

enum status outbox_read(struct outbox *o, uint64_t seq, struct buf *out, struct error *err)
{
    uint64_t first = outbox_first_seq(o);
    if (first == 0 || seq < first || seq - first >= o->len)
        return error_set(err, STATUS_NOT_FOUND, "batch %llu is no longer here",
                         (unsigned long long)seq);
    const struct outbox_item *item = item_at(o, (size_t)(seq - first));
    if (item->data) {
        buf_put(out, item->data, item->len);
        return buf_status(out);
    }
    uint8_t *to = buf_grow(out, item->len);
    for (size_t done = 0; to && done < item->len;) {
        ssize_t n = pread(o->spool_fd, to + done, item->len - done, (off_t)(item->offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return error_set(err, STATUS_IO, "the spool file: %s", n ? strerror(errno) : "cut off");
        done += (size_t)n;
    }
    return buf_status(out);
}

void outbox_drop(struct outbox *o, uint64_t seq)
{
    while (o->len > 0 && item_at(o, 0)->seq <= seq) {
        struct outbox_item item = *item_at(o, 0);
        o->first = (o->first + 1) % o->cap;
        o->len--;
        if (item.data)
            o->memory_used -= item.len;
        else
            unspool(o);
        free(item.data);
    }
}

uint64_t outbox_first_seq(const struct outbox *o)
{
    return o->len ? item_at(o, 0)->seq : 0;
}
