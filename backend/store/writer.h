#pragma once
/* The one thread that writes: jobs of many threads share a transaction and its fsync.
 *
 * While a commit waits for the disk, new jobs gather and go into the next one (group commit). A
 * job that fails is taken out and the others are done again without it, so a job changes nothing
 * but the database and its own results, and can run twice. */

#include <sqlite3.h>
#include <stdint.h>

#include "common/base/status.h"

struct writer;

/* Prepared statements of the write connection. */
enum writer_statement {
    WRITE_NEW_DATA,
    WRITE_CHUNK,
    WRITE_PROFILE,
    WRITE_PROGRESS,
    WRITE_STATE,
    WRITE_BYE,
    WRITE_RENAME,
    WRITE_SUMMARY,
    WRITE_KEEP_DATA,
    WRITE_TRASH_DATA,
    WRITE_DELETE_PROFILE,
    WRITE_DELETE_CHUNKS,
    WRITE_DELETE_DATA,
    WRITE_DELETE_CHUNK,
    WRITE_MERGED,
    WRITE_COMPACT,
    WRITE_NEW_SHARE,
    WRITE_EXPIRE_SHARES,
    WRITE_DELETE_SHARE,
    WRITE_DELETE_SHARES,
    WRITE_NEW_TOKEN,
    WRITE_EXPIRE_TOKENS,
    WRITE_DELETE_TOKEN,
    WRITE_NEW_NOTE,
    WRITE_DELETE_NOTE,
    WRITE_DELETE_NOTES,
    WRITE_NEW_RULE,
    WRITE_DELETE_RULE,
    WRITE_NEW_ALERT,
    WRITE_ALERT_TOLD,
    WRITE_OLD_ALERTS,
    WRITE_DELETE_ALERTS,
    WRITE_STATEMENTS,
};

/* Inside a job: the statement, ready to bind; NULL (and err) when it cannot be prepared. */
sqlite3_stmt *writer_statement(struct writer *w, enum writer_statement which, struct error *err);
sqlite3 *writer_db(struct writer *w);

/* `db` stays its owner's, but nobody else uses it until writer_stop. */
enum status writer_start(struct writer **out, sqlite3 *db, struct error *err);
void writer_stop(struct writer *w); /* finishes what waits; takes NULL */

/* Runs the job on the writer's thread and returns after its COMMIT (or after it has failed). */
typedef enum status (*writer_job)(struct writer *w, void *ctx, struct error *err);
enum status writer_run(struct writer *w, writer_job run, void *ctx, struct error *err);

uint64_t writer_commits(struct writer *w);
