#pragma once
/* Profiles by path or id, for the commands that read: a file is read, an id is looked up in the
 * store (also beside a running server), or fetched from --server. */

#include "backend/model/profile.h"
#include "backend/store/library.h"
#include "cli/options.h"
#include "common/base/status.h"

struct local_profile {
    const struct profile *profile;
    struct profile *owned; /* from a file */
    struct library *library;
    struct library_hold hold;
};

/* `name` is a path, "-" for stdin, or an id of the store at `store` (NULL = the default). */
enum status local_profile_open(struct local_profile *out, const char *name, const char *store,
                               struct error *err);
void local_profile_close(struct local_profile *p);

/* The URL of the server that has the store open, or "". */
void local_server_url(const char *store, char *url, size_t size);

/* Writes `data` to `path` ("-" = stdout). */
enum status local_write(const char *path, const void *data, size_t len, struct error *err);

/* Logs the error; its exit code. */
int local_fail(enum status st, const struct error *err);
