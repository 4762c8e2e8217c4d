#pragma once
/* What code is mapped into a process, and the images behind it.
 *
 * Images are shared by all processes that map the same file (by device and inode). Files are opened
 * as the process sees them: through /proc/PID/root, or by /proc/PID/map_files when they were
 * replaced on disk since. The vdso is copied from its memory. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "collector/native/image.h"
#include "common/base/map.h"

enum { SPACE_PATH_MAX = 4096, SPACE_MODULES_MAX = 8192 };

/* Images by file. Not for several threads at once. */
struct image_store {
    struct stored_image {
        uint64_t device, inode;
        struct image *image; /* NULL: could not be read */
        uint32_t users;
    } * *items;
    size_t len, cap;
};

void image_store_init(struct image_store *s);
void image_store_deinit(struct image_store *s);

/* A file (or the vdso) in one process. */
struct module {
    uint64_t device, inode;
    char *path;       /* as the process names it */
    const char *name; /* its last part; "[vdso]" */
    struct stored_image *stored;
    struct image *image; /* NULL: not looked at yet, or not readable */
    bool is_opened, is_interpreter, is_deleted;
};

struct code_range {
    uint64_t begin, end, offset;
    uint32_t module; /* SPACE_NO_MODULE: code that a program wrote itself (JIT) */
};

enum { SPACE_NO_MODULE = UINT32_MAX };

struct space {
    struct image_store *store;
    pid_t pid;
    struct code_range *ranges; /* executable, by address */
    size_t ranges_len, ranges_cap;
    struct module *modules;
    size_t modules_len, modules_cap;
    uint64_t maps_hash, read_ns;
    size_t dropped; /* modules beyond the limit */
};

void space_init(struct space *s, struct image_store *store, pid_t pid);
void space_deinit(struct space *s);

/* Reads the map again if it is older than `max_age_ns`. True when it changed: what was derived
 * from addresses is void then. */
bool space_update(struct space *s, uint64_t now, uint64_t max_age_ns);

/* The range that holds `pc`; NULL when none does. */
const struct code_range *space_find(const struct space *s, uint64_t pc);

/* The module's image, opened at first use; NULL when it has none. */
struct image *space_image(struct space *s, uint32_t module);

/* Opens the module's file, or its separate debug file; -1 when there is none. */
int space_open_file(const struct space *s, const struct module *m);
int space_open_debug_file(const struct space *s, const struct module *m);
