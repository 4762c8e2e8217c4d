#include "bench/server_load/peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READ_AT_ONCE = 64 << 10, PING = 9, PONG = 10, MASKED = 0x80, FINAL = 0x80 };

bool peer_connect(struct peer *p, uint16_t port)
{
    *p = (struct peer){.port = port,
                       .fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
    if (p->fd < 0)
        return false;
    buf_init(&p->in, 0);
    buf_init(&p->out, 0);
    int on = 1;
    (void)setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(p->fd, (struct sockaddr *)&to, sizeof(to)) == 0 || errno == EINPROGRESS)
        return true;
    peer_close(p);
    return false;
}

void peer_close(struct peer *p)
{
    if (p->fd >= 0)
        close(p->fd);
    p->fd = -1;
    buf_deinit(&p->in);
    buf_deinit(&p->out);
}

/* Moves what is not dealt with to the front. */
static void forget(struct buf *b, size_t *at)
{
    if (*at == 0)
        return;
    memmove(b->data, b->data + *at, b->len - *at);
    b->len -= *at;
    *at = 0;
}

static bool is_later(ssize_t done)
{
    return done < 0 && (errno == EAGAIN || errno == EINTR || errno == ENOTCONN);
}

bool peer_flush(struct peer *p)
{
    while (p->out_at < p->out.len) {
        ssize_t done = send(p->fd, p->out.data + p->out_at, p->out.len - p->out_at, MSG_NOSIGNAL);
        if (done < 0 && !is_later(done))
            return false;
        if (done <= 0)
            break;
        p->out_at += (size_t)done;
    }
    forget(&p->out, &p->out_at);
    return true;
}

bool peer_fill(struct peer *p)
{
    forget(&p->in, &p->in_at);
    for (;;) {
        size_t before = p->in.len;
        uint8_t *room = buf_grow(&p->in, READ_AT_ONCE);
        if (!room)
            return false;
        ssize_t done = recv(p->fd, room, READ_AT_ONCE, 0);
        p->in.len = before + (done > 0 ? (size_t)done : 0);
        if (done == 0)
            p->is_at_end = true;
        if (done < READ_AT_ONCE)
            return done >= 0 || is_later(done);
    }
}

bool peer_has_output(const struct peer *p)
{
    return p->out.len > p->out_at;
}

void peer_get(struct peer *p, const char *path, bool is_upgrade)
{
    buf_printf(&p->out, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n", path, p->port);
    if (is_upgrade)
        buf_printf(&p->out,
                   "Origin: http://127.0.0.1:%u\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                   "Sec-WebSocket-Version: 13\r\n"
                   "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
                   p->port);
    buf_put_text(&p->out, "\r\n");
}

void peer_send(struct peer *p, int opcode, const uint8_t *data, size_t len)
{
    buf_put_byte(&p->out, (uint8_t)(FINAL | opcode));
    if (len < 126) {
        buf_put_byte(&p->out, (uint8_t)(MASKED | len));
    } else if (len < 65536) {
        buf_put_byte(&p->out, MASKED | 126);
        buf_put_byte(&p->out, (uint8_t)(len >> 8));
        buf_put_byte(&p->out, (uint8_t)len);
    } else {
        buf_put_byte(&p->out, MASKED | 127);
        for (int shift = 56; shift >= 0; shift -= 8)
            buf_put_byte(&p->out, (uint8_t)((uint64_t)len >> shift));
    }
    /* A mask of zeros leaves the bytes as they are. */
    buf_put_u32(&p->out, 0);
    buf_put(&p->out, data, len);
}

/* Length of the head with its empty line, 0 while it is not all there. */
static size_t head_len(const struct peer *p)
{
    const uint8_t *end = p->in.len > p->in_at
                             ? memmem(p->in.data + p->in_at, p->in.len - p->in_at, "\r\n\r\n", 4)
                             : NULL;
    return end ? (size_t)(end - (p->in.data + p->in_at)) + 4 : 0;
}

static int status_of(const struct peer *p)
{
    return (int)strtol((const char *)p->in.data + p->in_at + 9, NULL, 10);
}

int peer_upgraded(struct peer *p)
{
    size_t head = head_len(p);
    if (head == 0)
        return 0;
    int status = status_of(p);
    p->in_at += head;
    return status;
}

bool peer_answer(struct peer *p, int *status, size_t *body_len)
{
    size_t head = head_len(p);
    if (head == 0)
        return false;
    static const char name[] = "Content-Length: ";
    const char *text = (const char *)p->in.data + p->in_at;
    const char *at = memmem(text, head, name, sizeof(name) - 1);
    size_t have = p->in.len - p->in_at - head;
    *body_len = at ? strtoul(at + sizeof(name) - 1, NULL, 10) : have;
    if (at ? have < *body_len : !p->is_at_end)
        return false;
    *status = status_of(p);
    p->in_at += head + *body_len;
    return true;
}

bool peer_message(struct peer *p, int *opcode, const uint8_t **data, size_t *len)
{
    for (;;) {
        const uint8_t *at = p->in.data + p->in_at;
        size_t have = p->in.len - p->in_at;
        if (have < 2)
            return false;
        size_t head = 2;
        uint64_t size = at[1] & 0x7fU;
        size_t extra = size == 126 ? 2 : size == 127 ? 8 : 0;
        if (have < head + extra)
            return false;
        if (extra > 0) {
            size = 0;
            for (size_t i = 0; i < extra; i++)
                size = size << 8 | at[head + i];
        }
        head += extra;
        if (have - head < size)
            return false;
        p->in_at += head + size;
        *opcode = at[0] & 0x0f;
        *data = at + head;
        *len = size;
        if (*opcode != PING)
            return true;
        peer_send(p, PONG, *data, *len);
    }
}
