#include "backend/store/writer.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "backend/store/db.h"
#include "common/base/log.h"

enum { GROUP_MAX = 1024 };

struct waiting_job {
    struct waiting_job *next;
    writer_job run;
    void *ctx;
    enum status status;
    struct error error;
    bool is_done;
    pthread_cond_t done;
};

struct writer {
    sqlite3 *db;
    sqlite3_stmt *statements[WRITE_STATEMENTS];
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct waiting_job *first, **last;
    bool is_stopping;
    bool has_told; /* of a disk that takes nothing; of the thread */
    uint64_t commits;
};

static const char *const sql[WRITE_STATEMENTS] = {
    [WRITE_NEW_DATA] = "INSERT INTO data(is_trash) VALUES (?1)",
    [WRITE_CHUNK] = "INSERT INTO chunk(key, last_seq, crc, message) VALUES (?1, ?2, ?3, ?4)",
    [WRITE_PROFILE] =
        "INSERT INTO profile(id, data, state, revision, next_seq, created_ms, ended_ms, "
        "duration_ns, samples, chunks, bytes, source_bytes, peak_rss, is_compact, name, format, "
        "producer, summary, tags, shapes, hello, bye) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, "
        "?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, '', ?18, ?19, ?20, ?21)",
    [WRITE_PROGRESS] =
        "UPDATE profile SET revision=?2, next_seq=?3, duration_ns=?4, samples=?5, peak_rss=?6, "
        "shapes=?7, bytes=bytes+?8, chunks=chunks+1, is_compact=0 WHERE id=?1",
    [WRITE_STATE] = "UPDATE profile SET state=?2, revision=?3, ended_ms=?4 WHERE id=?1",
    [WRITE_BYE] = "UPDATE profile SET bye=?2 WHERE id=?1",
    [WRITE_RENAME] = "UPDATE profile SET name=coalesce(?2, name), tags=coalesce(?3, tags), "
                     "revision=revision+1 WHERE id=?1",
    [WRITE_SUMMARY] = "UPDATE profile SET summary=?2 WHERE id=?1",
    [WRITE_KEEP_DATA] = "UPDATE data SET is_trash=0 WHERE key=?1",
    [WRITE_TRASH_DATA] =
        "UPDATE data SET is_trash=1 WHERE key=(SELECT data FROM profile WHERE id=?1)",
    [WRITE_DELETE_PROFILE] = "DELETE FROM profile WHERE id=?1",
    /* So many chunks, or so many bytes, whichever comes first; at least one. That the data is trash
     * is looked at again here: an import may have been finished since it was found. */
    [WRITE_DELETE_CHUNKS] =
        "DELETE FROM chunk WHERE key IN (SELECT key FROM (SELECT key, "
        "sum(len) OVER (ORDER BY key) - len AS before FROM (SELECT key, length(message) AS len "
        "FROM chunk WHERE key BETWEEN ?1 AND ?2 ORDER BY key LIMIT ?3)) WHERE before < ?4) "
        "AND EXISTS (SELECT 1 FROM data WHERE key=?5 AND is_trash)",
    [WRITE_DELETE_DATA] = "DELETE FROM data WHERE key=?1 AND is_trash=1",
    [WRITE_DELETE_CHUNK] = "DELETE FROM chunk WHERE key BETWEEN ?1 AND ?2",
    [WRITE_MERGED] = "UPDATE profile SET chunks=chunks-?2, bytes=bytes-?3 WHERE data=?1",
    [WRITE_COMPACT] = "UPDATE profile SET is_compact=1 WHERE data=?1 AND next_seq=?2",
    [WRITE_NEW_SHARE] = "INSERT INTO share(hash, view, is_redacted, created_ms, expires_ms, "
                        "profile) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    [WRITE_EXPIRE_SHARES] = "DELETE FROM share WHERE expires_ms BETWEEN 1 AND ?1",
    [WRITE_DELETE_SHARE] = "DELETE FROM share WHERE number=?1",
    [WRITE_DELETE_SHARES] = "DELETE FROM share WHERE profile=?1",
    [WRITE_NEW_TOKEN] = "INSERT INTO token(hash, name, scope, created_ms, expires_ms) "
                        "VALUES (?1, ?2, ?3, ?4, ?5)",
    [WRITE_EXPIRE_TOKENS] = "DELETE FROM token WHERE expires_ms BETWEEN 1 AND ?1",
    [WRITE_DELETE_TOKEN] = "DELETE FROM token WHERE number=?1",
    [WRITE_NEW_NOTE] =
        "INSERT INTO note(profile, text, function, from_s, to_s, created_ms) "
        "SELECT ?1, ?2, ?3, ?4, ?5, ?6 WHERE EXISTS (SELECT 1 FROM profile WHERE id=?1) "
        "AND (SELECT count(*) FROM note WHERE profile=?1) < ?7",
    [WRITE_DELETE_NOTE] = "DELETE FROM note WHERE profile=?1 AND number=?2",
    [WRITE_DELETE_NOTES] = "DELETE FROM note WHERE profile=?1",
    [WRITE_NEW_RULE] = "INSERT INTO rule(kind, name, program, function, url, secret, bound, "
                       "window_s, created_ms) SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9 "
                       "WHERE (SELECT count(*) FROM rule) < ?10",
    [WRITE_DELETE_RULE] = "DELETE FROM rule WHERE number=?1",
    [WRITE_NEW_ALERT] =
        "INSERT INTO alert(rule, profile, kind, rule_name, function, text, at_s, value, baseline, "
        "bound, created_ms, delivery, tries, answer) SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, "
        "?10, ?11, ?12, 0, '' WHERE EXISTS (SELECT 1 FROM profile WHERE id=?2)",
    [WRITE_ALERT_TOLD] = "UPDATE alert SET delivery=?2, tries=?3, answer=?4 WHERE number=?1",
    [WRITE_OLD_ALERTS] = "DELETE FROM alert WHERE number <= "
                         "(SELECT number FROM alert ORDER BY number DESC LIMIT 1 OFFSET ?1)",
    [WRITE_DELETE_ALERTS] = "DELETE FROM alert WHERE profile=?1",
};

sqlite3 *writer_db(struct writer *w)
{
    return w->db;
}

sqlite3_stmt *writer_statement(struct writer *w, enum writer_statement which, struct error *err)
{
    sqlite3_stmt **slot = &w->statements[which];
    if (!*slot && db_prepare(w->db, slot, sql[which], err) != STATUS_OK)
        return NULL;
    return *slot;
}

static void roll_back(struct writer *w)
{
    /* After some failures (disk full) SQLite has rolled back by itself. */
    if (!sqlite3_get_autocommit(w->db))
        sqlite3_exec(w->db, "ROLLBACK", NULL, NULL, NULL);
}

static void finish(struct writer *w, struct waiting_job *job, enum status st,
                   const struct error *err)
{
    pthread_mutex_lock(&w->lock);
    job->status = st;
    if (st != STATUS_OK)
        job->error = *err;
    job->is_done = true;
    pthread_cond_signal(&job->done); /* its waiter frees it: not to be touched any more */
    pthread_mutex_unlock(&w->lock);
}

static void finish_all(struct writer *w, struct waiting_job *group, enum status st,
                       const struct error *err)
{
    while (group) {
        struct waiting_job *next = group->next;
        finish(w, group, st, err);
        group = next;
    }
}

/* Who runs the server hears of a full or broken disk once, and when it is over. */
static void tell(struct writer *w, enum status st, const struct error *err)
{
    if (st == STATUS_IO && !w->has_told)
        log_error("%s", err->text);
    else if (st == STATUS_OK && w->has_told)
        log_info("the store takes profiles again");
    if (st == STATUS_IO || st == STATUS_OK)
        w->has_told = st == STATUS_IO;
}

/* Runs every job of the group in one transaction. A job that fails goes out with its failure, and
 * what is left is given back to be tried again; NULL when all is done. */
static struct waiting_job *try_group(struct writer *w, struct waiting_job *group)
{
    struct error err = {0};
    enum status st = db_exec(w->db, "BEGIN IMMEDIATE", &err);
    if (st != STATUS_OK) {
        tell(w, st, &err);
        finish_all(w, group, st, &err);
        return NULL;
    }
    for (struct waiting_job **at = &group; *at; at = &(*at)->next) {
        st = (*at)->run(w, (*at)->ctx, &err);
        if (st == STATUS_OK)
            continue;
        roll_back(w);
        struct waiting_job *failed = *at;
        *at = failed->next;
        tell(w, st, &err);
        finish(w, failed, st, &err);
        return group;
    }
    st = db_exec(w->db, "COMMIT", &err);
    tell(w, st, &err);
    if (st != STATUS_OK) {
        roll_back(w);
    } else {
        pthread_mutex_lock(&w->lock);
        w->commits++;
        pthread_mutex_unlock(&w->lock);
    }
    finish_all(w, group, st, &err);
    return NULL;
}

static struct waiting_job *next_group(struct writer *w)
{
    pthread_mutex_lock(&w->lock);
    while (!w->first && !w->is_stopping)
        pthread_cond_wait(&w->work, &w->lock);
    struct waiting_job *group = w->first;
    struct waiting_job *end = group;
    for (int n = 1; end && end->next && n < GROUP_MAX; n++)
        end = end->next;
    if (end) {
        w->first = end->next;
        end->next = NULL;
    }
    if (!w->first)
        w->last = &w->first;
    pthread_mutex_unlock(&w->lock);
    return group;
}

static void *write_all(void *arg)
{
    struct writer *w = arg;
    for (;;) {
        struct waiting_job *group = next_group(w);
        if (!group)
            return NULL;
        while (group)
            group = try_group(w, group);
    }
}

enum status writer_start(struct writer **out, sqlite3 *db, struct error *err)
{
    struct writer *w = calloc(1, sizeof(*w));
    if (!w)
        return error_set(err, STATUS_NO_MEMORY, "no memory for the store's writer");
    w->db = db;
    w->last = &w->first;
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->work, NULL);
    if (pthread_create(&w->thread, NULL, write_all, w) != 0) {
        pthread_cond_destroy(&w->work);
        pthread_mutex_destroy(&w->lock);
        free(w);
        return error_set(err, STATUS_NO_MEMORY, "no thread for the store's writer");
    }
    *out = w;
    return STATUS_OK;
}

void writer_stop(struct writer *w)
{
    if (!w)
        return;
    pthread_mutex_lock(&w->lock);
    w->is_stopping = true;
    pthread_cond_signal(&w->work);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    for (int i = 0; i < WRITE_STATEMENTS; i++)
        sqlite3_finalize(w->statements[i]);
    pthread_cond_destroy(&w->work);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

enum status writer_run(struct writer *w, writer_job run, void *ctx, struct error *err)
{
    struct waiting_job job = {.run = run, .ctx = ctx};
    pthread_cond_init(&job.done, NULL);
    pthread_mutex_lock(&w->lock);
    *w->last = &job;
    w->last = &job.next;
    pthread_cond_signal(&w->work);
    while (!job.is_done)
        pthread_cond_wait(&job.done, &w->lock);
    pthread_mutex_unlock(&w->lock);
    pthread_cond_destroy(&job.done);
    if (job.status != STATUS_OK && err)
        *err = job.error;
    return job.status;
}

uint64_t writer_commits(struct writer *w)
{
    pthread_mutex_lock(&w->lock);
    uint64_t commits = w->commits;
    pthread_mutex_unlock(&w->lock);
    return commits;
}
