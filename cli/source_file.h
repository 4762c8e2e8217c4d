#pragma once
/* The text of a source file as the watched program sees it: a person at the page asked for it. */

#include <stddef.h>
#include <sys/types.h>

#include "common/base/buf.h"
#include "common/base/status.h"

/* Reads `file`, as the functions of process `pid` name it: relative names count from that process's
 * folder, and both are looked up under its root, so that a container's files are its own. Regular
 * files of text (UTF-8) of at most `max` bytes. STATUS_NOT_FOUND, STATUS_DENIED, STATUS_TOO_LARGE
 * or STATUS_INVALID (not text) with the reason in words. */
enum status source_file_read(pid_t pid, const char *file, size_t max, struct buf *out,
                             struct error *err);

/* The same of a file of ours, as `file` names it from here. */
enum status source_file_read_here(const char *file, size_t max, struct buf *out, struct error *err);
