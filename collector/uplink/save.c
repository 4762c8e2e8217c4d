#include "collector/uplink/save.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SAVE_MODE = 0666 /* the user's umask decides */ };

static enum status write_all(struct save *s, const uint8_t *data, size_t len, struct error *err)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = write(s->fd, data + done, len - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            enum status st = error_set(err, STATUS_IO, "%s: %s", s->path, strerror(errno));
            /* A pipe cannot be cut back; its reader sees the end in the middle of a message. */
            if (ftruncate(s->fd, (off_t)s->size) == 0)
                (void)lseek(s->fd, (off_t)s->size, SEEK_SET);
            return st;
        }
        done += (size_t)n;
    }
    s->size += len;
    return STATUS_OK;
}

enum status save_put(struct save *s, const uint8_t *message, size_t len, struct error *err)
{
    buf_clear(&s->frame);
    buf_put_u32(&s->frame, (uint32_t)len);
    buf_put(&s->frame, message, len);
    if (buf_status(&s->frame) != STATUS_OK)
        return error_set(err, buf_status(&s->frame), "%s: no memory", s->path);
    return write_all(s, s->frame.data, s->frame.len, err);
}

static enum status put_hello(struct save *s, const struct wire_hello *hello, struct error *err)
{
    struct buf message;
    struct wire_hello kept = *hello;
    kept.token = (struct wire_bytes){.data = "", .len = 0}; /* files are passed on to people */
    buf_init(&message, WIRE_MAX_MESSAGE);
    enum status st = wire_encode_hello(&message, &kept);
    st = st == STATUS_OK ? save_put(s, message.data, message.len, err)
                         : error_set(err, st, "%s: the hello cannot be written", s->path);
    buf_deinit(&message);
    return st;
}

enum status save_open(struct save *s, const char *path, const struct wire_hello *hello,
                      struct error *err)
{
    *s = (struct save){.fd = -1, .path = strdup(path)};
    if (!s->path)
        return error_set(err, STATUS_NO_MEMORY, "no memory");
    s->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, SAVE_MODE);
    enum status st = STATUS_OK;
    if (s->fd < 0)
        st = error_set(err, errno == EACCES || errno == EROFS ? STATUS_DENIED : STATUS_IO,
                       "cannot write %s: %s", path, strerror(errno));
    if (st == STATUS_OK)
        st = write_all(s, (const uint8_t *)SAVE_MAGIC, sizeof(SAVE_MAGIC) - 1, err);
    if (st == STATUS_OK)
        st = put_hello(s, hello, err);
    if (st != STATUS_OK)
        (void)save_close(s, NULL, NULL);
    return st;
}

enum status save_close(struct save *s, const struct wire_bye *bye, struct error *err)
{
    enum status st = STATUS_OK;
    if (s->fd >= 0 && bye) {
        struct buf message;
        buf_init(&message, WIRE_MAX_MESSAGE);
        st = wire_encode_bye(&message, bye);
        if (st == STATUS_OK)
            st = save_put(s, message.data, message.len, err);
        buf_deinit(&message);
    }
    /* Not every file can be synced (a pipe); what a write could not store has been reported. */
    if (s->fd >= 0 && fsync(s->fd) != 0 && errno != EINVAL && errno != EROFS && st == STATUS_OK)
        st = error_set(err, STATUS_IO, "%s: %s", s->path, strerror(errno));
    if (s->fd >= 0)
        close(s->fd);
    free(s->path);
    buf_deinit(&s->frame);
    *s = (struct save){.fd = -1};
    return st;
}
