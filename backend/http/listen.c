#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backend/http/inside.h"

enum status http_address_parse(struct http_address *out, const char *text, struct error *err)
{
    struct http_address a = {0};
    const char *colon = strrchr(text, ':');
    if (text[0] == '[' || (colon && memchr(text, ':', (size_t)(colon - text))))
        return error_set(err, STATUS_UNSUPPORTED,
                         "\"%.80s\": civetweb listens on IPv4 only; use 127.0.0.1 or 0.0.0.0",
                         text);
    if (!colon || colon == text || (size_t)(colon - text) >= sizeof(a.host))
        return error_set(err, STATUS_USAGE, "\"%.80s\" is not HOST:PORT", text);
    memcpy(a.host, text, (size_t)(colon - text));
    if (strcmp(a.host, "localhost") == 0)
        strcpy(a.host, "127.0.0.1");
    char *end;
    errno = 0;
    unsigned long port = colon[1] >= '0' && colon[1] <= '9' ? strtoul(colon + 1, &end, 10) : 65536;
    if (port > 65535 || *end)
        return error_set(err, STATUS_USAGE, "\"%.80s\": the port is a number up to 65535", text);
    struct in_addr ip;
    if (inet_pton(AF_INET, a.host, &ip) != 1)
        return error_set(err, STATUS_USAGE, "\"%.80s\": give an IPv4 address, such as 127.0.0.1",
                         text);
    a.port = (uint16_t)port;
    a.is_loopback = (ntohl(ip.s_addr) >> 24) == 127;
    *out = a;
    return STATUS_OK;
}

enum status http_address_probe(const struct http_address *a, struct error *err)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(a->port)};
    inet_pton(AF_INET, a->host, &address.sin_addr);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return error_set(err, STATUS_IO, "no socket: %s", strerror(errno));
    int yes = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)); /* as civetweb does */
    enum status st = STATUS_OK;
    if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) != 0 || listen(fd, 1) != 0) {
        int why = errno;
        if (why == EADDRINUSE)
            st =
                error_set(err, STATUS_BUSY, "%s:%u is in use by another program", a->host, a->port);
        else if (why == EACCES)
            st =
                error_set(err, STATUS_DENIED, "not permitted to listen on %s:%u", a->host, a->port);
        else
            st = error_set(err, STATUS_USAGE, "cannot listen on %s:%u: %s", a->host, a->port,
                           strerror(why));
    }
    close(fd);
    return st;
}
