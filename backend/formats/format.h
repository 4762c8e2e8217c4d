#pragma once
/* The registry of file formats: one row a format, one file a row.
 *
 * Detection looks at content only. Readers take foreign bytes: every length, depth and count is
 * checked, nothing is executed, and memory is bounded by a stated multiple of the input. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend/model/profile.h"
#include "common/base/buf.h"
#include "common/base/status.h"

/* The file as a run of bytes, after gunzip/unzstd. */
struct format_input {
    const uint8_t *data;
    size_t len;
    const char *name; /* file name for messages and the profile's name; may be NULL */
    bool is_mapped;   /* a file's own pages: what was read can be dropped and comes again */
};

struct format_options {
    uint64_t max_raw_bytes; /* after decompression; 0 = 1 GiB */
};

struct json_head;

struct format {
    const char *name;       /* "pstats": stable, in --to, the API and the corpus */
    const char *title;      /* "cProfile / pstats" */
    const char *extensions; /* "prof pstats", the first is used for writing */
    /* 0 = no; 100 = surely; looks at the head only (at most FORMAT_HEAD bytes). */
    int (*detect)(const uint8_t *head, size_t len, bool is_whole_file);
    /* The same of a file that is JSON by what its head shows; one of the two is NULL. */
    int (*detect_json)(const struct json_head *head);
    enum status (*read)(const struct format_input *in, const struct format_options *options,
                        struct profile *out, struct error *err); /* NULL = not readable */
    /* What the format cannot hold goes into `lost`, a line each. NULL = not writable. */
    enum status (*write)(const struct profile *p, struct buf *out, struct buf *lost,
                         struct error *err);
};

enum { FORMAT_HEAD = 64 * 1024 };

/* All formats, ended by a row without a name. */
const struct format *format_all(void);
const struct format *format_by_name(const char *name);

/* The surest match; table order breaks ties. NULL when nothing fits. */
const struct format *format_detect(const uint8_t *head, size_t len, bool is_whole_file);

/* Unpacks (gzip, zstd, lz4 frame), detects, reads, finishes: the one way in for files from
 * anywhere. Errors name the format, the position and what to do: STATUS_INVALID for a damaged file,
 * STATUS_UNSUPPORTED for one of no known format or version, STATUS_TOO_LARGE over a limit,
 * STATUS_CORRUPT for a broken archive around it. On error there is no profile. */
enum status format_load(const uint8_t *data, size_t len, const char *name,
                        const struct format_options *options, struct profile **out,
                        struct error *err);

/* format_load of a file by path; "-" is stdin. A file is mapped, not copied: who cuts it short
 * meanwhile stops the program by SIGBUS. */
enum status format_load_path(const char *path, const struct format_options *options,
                             struct profile **out, struct error *err);
