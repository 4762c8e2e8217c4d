#include "collector/uplink/url.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char scheme[] = "http://";

static enum status parse_port(int *out, const char *text, size_t len, const char *whole,
                              struct error *err)
{
    int port = 0;
    for (size_t i = 0; i < len && port <= 65535; i++)
        port = isdigit((unsigned char)text[i]) ? port * 10 + (text[i] - '0') : 65536;
    if (len == 0 || port == 0 || port > 65535)
        return error_set(err, STATUS_USAGE, "'%s': the port is not 1 to 65535", whole);
    *out = port;
    return STATUS_OK;
}

static bool is_host_text(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (!isalnum(c) && c != '.' && c != '-' && c != '_')
            return false;
    }
    return len > 0;
}

/* The path goes into a request line as it is. */
static bool is_path_text(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c <= ' ' || c >= 0x7f || c == '?' || c == '#')
            return false;
    }
    return true;
}

enum status url_parse(struct url *out, const char *text, struct error *err)
{
    struct url url = {.port = URL_DEFAULT_PORT};
    if (strncasecmp(text, "https://", 8) == 0)
        return error_set(err, STATUS_UNSUPPORTED,
                         "'%s': collectors do not speak TLS; use an SSH tunnel or a proxy on this "
                         "machine",
                         text);
    if (strncasecmp(text, scheme, sizeof(scheme) - 1) != 0)
        return error_set(err, STATUS_USAGE, "'%s': a server is written http://HOST:PORT", text);
    const char *host = text + sizeof(scheme) - 1;
    size_t authority = strcspn(host, "/");
    const char *path = host + authority;
    if (memchr(host, '@', authority))
        return error_set(err, STATUS_USAGE, "a server's address holds no user name; use --token");
    if (host[0] == '[')
        return error_set(err, STATUS_UNSUPPORTED, "'%s': IPv6 addresses are not supported", text);

    const char *colon = memchr(host, ':', authority);
    size_t host_len = colon ? (size_t)(colon - host) : authority;
    if (host_len >= sizeof(url.host) || !is_host_text(host, host_len))
        return error_set(err, STATUS_USAGE, "'%s' has no host name", text);
    memcpy(url.host, host, host_len);
    if (colon) {
        enum status st = parse_port(&url.port, colon + 1, authority - host_len - 1, text, err);
        if (st != STATUS_OK)
            return st;
    }

    size_t path_len = strlen(path);
    while (path_len > 0 && path[path_len - 1] == '/')
        path_len--;
    if (path_len >= sizeof(url.base) || !is_path_text(path, path_len))
        return error_set(err, STATUS_USAGE, "'%s': not a usable path on the server", text);
    memcpy(url.base, path, path_len);
    *out = url;
    return STATUS_OK;
}
