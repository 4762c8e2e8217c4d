#pragma once
/* The page, embedded in the program: made from frontend/ and static/ by the build. */

#include <stddef.h>

struct asset {
    const char *path;         /* "/assets/app-3fa2c1d9.js"; "/index.html" is the page itself */
    const char *content_type; /* "text/javascript; charset=utf-8" */
    const unsigned char *data;
    size_t len;
    const unsigned char *gzip; /* the same, compressed; NULL when that is not smaller */
    size_t gzip_len;
    const char *etag; /* quoted */
    int is_immutable; /* its name carries its hash */
};

/* NULL when there is none of that path. */
const struct asset *asset_find(const char *path);

/* Not a path: the page with everything it needs inside, but for the profile, whose place in it is
 * ASSET_DATA_MARK. No server gives it out. */
#define ASSET_SAVED_PAGE "saved page"
#define ASSET_DATA_MARK  "@data@"
