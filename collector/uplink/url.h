#pragma once
/* The address of a server as people write it: http://HOST[:PORT][/BASE]. */

#include <stdbool.h>

#include "common/base/status.h"

enum { URL_HOST_MAX = 256, URL_PATH_MAX = 512, URL_DEFAULT_PORT = 7700 };

struct url {
    char host[URL_HOST_MAX]; /* name or IPv4 address */
    int port;
    char base[URL_PATH_MAX]; /* "" or "/base", never with a slash at its end */
};

enum status url_parse(struct url *out, const char *text, struct error *err);
