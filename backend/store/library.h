#pragma once
/* The profiles of one store, as the rest of the server sees them.
 *
 * On disk each profile is a row of what it is and its accepted messages as they came (chunks), in
 * SQLite: WAL, synchronous=FULL, one writer thread, group commit. In memory the profiles in use
 * are kept decoded (struct profile), the live ones always, the others up to a bound. Many threads
 * may call. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend/model/profile.h"
#include "common/base/buf.h"
#include "common/base/status.h"

struct library;

struct library_options {
    const char *path;        /* NULL = library_default_path() */
    uint64_t resident_bytes; /* decoded profiles kept when not live, beside the two that were asked
                              * last; 0 = 1 GiB */
    bool is_read_only;       /* looks only; works beside a server, and on a read-only disk */
    /* Ended profiles older than this, or the oldest ones above this size of all together, are
     * deleted in the background; 0 = kept for ever (library_parse_retention). */
    struct library_retention {
        uint64_t age_ms, bytes;
    } retention;
};

/* $XDG_DATA_HOME/heliograph/heliograph.db, or ~/.local/share/... */
enum status library_default_path(char *out, size_t size, struct error *err);

/* "30d", "12h", "10GB", or both as "30d,10GB". */
enum status library_parse_retention(const char *text, struct library_retention *out,
                                    struct error *err);

/* Errors say what to do: another server has it (STATUS_BUSY, with its URL), read-only file,
 * not a store, a store of a newer version. */
enum status library_open(struct library **out, const struct library_options *options,
                         struct error *err);
void library_close(struct library *l); /* commits what waits; takes NULL */

/* Notes the address this process serves the store at, so that whoever finds the store in use
 * learns where to go. */
enum status library_set_url(struct library *l, const char *url, struct error *err);

/* Who has the store of this path (NULL = the default one) open for writing. STATUS_NOT_FOUND when
 * nobody has. `url` is "" while the owner serves at no address. */
struct library_owner {
    long pid;
    char url[256];
};
enum status library_lock_owner(const char *path, struct library_owner *out, struct error *err);

enum library_state { LIBRARY_LIVE, LIBRARY_COMPLETE, LIBRARY_INTERRUPTED, LIBRARY_IMPORTED };
const char *library_state_name(enum library_state state);

/* ---- collectors ---- */

/* A new session, or the same one again (resume): gives the next seq wanted. STATUS_EXISTS when the
 * id belongs to a finished or imported profile. */
enum status library_begin(struct library *l, const struct wire_hello *hello, uint64_t *next_seq,
                          struct error *err);

/* Stores one batch message: returns after COMMIT. A seq already stored is STATUS_OK and changes
 * nothing; a seq from the future is STATUS_INVALID. `batch` is the decoded `message`. */
enum status library_append(struct library *l, const char *id, const struct wire_batch *batch,
                           const uint8_t *message, size_t len, struct error *err);

/* Who watches what comes in: called for every batch of a live session that is taken in, in its
 * order, with the profile as it is then. The profile is locked meanwhile and its collector waits:
 * be short, and call nothing of the library. One that could not be stored comes once more with the
 * same seq. Set before the first collector and taken away (NULL) after the last. */
struct library_observer {
    void (*batch)(void *ctx, const char *id, const struct profile *p,
                  const struct wire_batch *batch);
    void *ctx;
};
void library_observe(struct library *l, const struct library_observer *observer);

/* The collector said goodbye (COMPLETE) or its connection ended (INTERRUPTED, may resume). */
enum status library_end(struct library *l, const char *id, enum library_state state,
                        const struct wire_bye *bye, struct error *err);

/* ---- uploads ---- */

/* Stores an imported profile whole or not at all and takes it (also on failure). `id` holds
 * IDENT_CHARS + 1 bytes. `source_bytes` is the size of the file it came from. */
enum status library_import(struct library *l, struct profile *p, const char *name,
                           uint64_t source_bytes, char *id, struct error *err);

/* ---- reading ---- */

struct library_row {
    char id[24];
    char *name, *format, *producer, *summary; /* freed by library_rows_free */
    char *tags;                               /* JSON object */
    enum library_state state;
    uint64_t created_unix_ms, duration_ns, samples, bytes, peak_rss_bytes;
    char *shapes; /* "stacks,series" */
};
void library_rows_free(struct library_row *rows, size_t len);
void library_row_deinit(struct library_row *row);

struct library_query {
    const char *text; /* part of the name or id; NULL = all */
    const char *tag;  /* "key" or "key=value" */
    const char *cursor;
    size_t limit; /* 1..500 */
};
/* Newest first. `next` gets the cursor of the next page or "". */
enum status library_list(struct library *l, const struct library_query *query,
                         struct library_row **rows, size_t *len, char next[64], struct error *err);
/* Free its texts with library_row_deinit. */
enum status library_row(struct library *l, const char *id, struct library_row *out,
                        struct error *err);
enum status library_rename(struct library *l, const char *id, const char *name,
                           const char *tags_json, struct error *err);
/* One sentence of what matters in it, for the list; its revision stays. */
enum status library_set_summary(struct library *l, const char *id, const char *text,
                                struct error *err);
/* Gone from every list at once; its bytes are freed in small steps behind. STATUS_BUSY while a
 * collector is writing it. */
enum status library_delete(struct library *l, const char *id, struct error *err);

/* A profile held for reading: it does not change until released. Hold it for one question only:
 * a live profile's next batch waits for it. A profile whose end cannot be read (damaged store) is
 * given as far as it goes, with a notice of severity 2 and code "damaged". */
struct library_hold {
    const struct profile *profile;
    uint64_t revision; /* grows with each change */
    enum library_state state;
    void *entry;
};
enum status library_hold(struct library *l, const char *id, struct library_hold *out,
                         struct error *err);
void library_release(struct library *l, struct library_hold *hold);

/* Waits until the profile's revision is past `revision` or `timeout_ms` went by; gives the
 * revision and state now. */
enum status library_wait(struct library *l, const char *id, uint64_t revision, int timeout_ms,
                         uint64_t *now, enum library_state *state, struct error *err);
/* Wakes every library_wait at once: the server is closing. */
void library_wake_all(struct library *l);

/* ---- care ---- */

/* A consistent copy of the whole store while everything goes on; whole or not at all. An existing
 * file is replaced only by a complete copy. */
enum status library_backup(struct library *l, const char *path, struct error *err);

/* Deletes ended profiles as `retention` says, now; `deleted` (may be NULL) says how many. */
enum status library_retain(struct library *l, const struct library_retention *retention,
                           uint64_t *deleted, struct error *err);

/* Merges the small chunks of profiles and frees deleted bytes, in short transactions, until there
 * is nothing to do. The library does the same by itself in the background. */
enum status library_compact(struct library *l, struct error *err);

struct library_stats {
    uint64_t profiles, live, chunks, file_bytes, resident_bytes;
    uint64_t commits, batches, samples; /* since this process opened it */
};
void library_stats(struct library *l, struct library_stats *out);
