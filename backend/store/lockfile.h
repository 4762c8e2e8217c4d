#pragma once
/* One writer for each store: a locked file beside it, which says who and where. The lock belongs
 * to the open file (fcntl's F_OFD locks), so the kernel lets go of it when the process dies,
 * however it dies, and asking who has it disturbs nobody. */

#include "backend/store/library.h"
#include "common/base/status.h"

/* STATUS_BUSY, with the owner's address, when another process has it. Gives a descriptor. */
enum status lockfile_take(const char *store_path, int *fd, struct error *err);
void lockfile_drop(int fd); /* takes -1 */
enum status lockfile_set_url(int fd, const char *url, struct error *err);
