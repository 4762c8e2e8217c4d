/* The list of profiles, and what people change about one: name, tags, summary, its end. */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/store/db.h"
#include "backend/store/inside.h"
#include "backend/store/lockfile.h"
#include "common/base/array.h"

enum { LIST_MAX = 500, TEXT_MAX_BYTES = 64 << 10 };

#define ROW_COLUMNS                                                                                \
    "number, id, name, format, producer, summary, tags, state, created_ms, duration_ns, samples, " \
    "bytes, peak_rss, shapes "

void library_rows_free(struct library_row *rows, size_t len)
{
    for (size_t i = 0; i < len; i++)
        library_row_deinit(&rows[i]);
    free(rows);
}

void library_row_deinit(struct library_row *row)
{
    free(row->name);
    free(row->format);
    free(row->producer);
    free(row->summary);
    free(row->tags);
    free(row->shapes);
    *row = (struct library_row){0};
}

static char *column_copy(sqlite3_stmt *stmt, int column)
{
    const char *text = (const char *)sqlite3_column_text(stmt, column);
    return strdup(text ? text : "");
}

/* A store that is only looked at shows a session as live while its server lives. */
static enum library_state seen_state(const struct library *l, int stored)
{
    struct library_owner owner;
    if (stored < LIBRARY_LIVE || stored > LIBRARY_IMPORTED)
        return LIBRARY_INTERRUPTED;
    if (stored == LIBRARY_LIVE && l->is_read_only &&
        library_lock_owner(l->path, &owner, NULL) != STATUS_OK)
        return LIBRARY_INTERRUPTED;
    return (enum library_state)stored;
}

static enum status read_row(const struct library *l, sqlite3_stmt *stmt, struct library_row *row)
{
    *row = (struct library_row){
        .name = column_copy(stmt, 2),
        .format = column_copy(stmt, 3),
        .producer = column_copy(stmt, 4),
        .summary = column_copy(stmt, 5),
        .tags = column_copy(stmt, 6),
        .state = seen_state(l, sqlite3_column_int(stmt, 7)),
        .created_unix_ms = db_u64(stmt, 8),
        .duration_ns = db_u64(stmt, 9),
        .samples = db_u64(stmt, 10),
        .bytes = db_u64(stmt, 11),
        .peak_rss_bytes = db_u64(stmt, 12),
        .shapes = column_copy(stmt, 13),
    };
    const char *id = (const char *)sqlite3_column_text(stmt, 1);
    snprintf(row->id, sizeof(row->id), "%s", id ? id : "");
    if (row->name && row->format && row->producer && row->summary && row->tags && row->shapes)
        return STATUS_OK;
    library_row_deinit(row);
    return STATUS_NO_MEMORY;
}

/* instr() instead of LIKE: what people type has no wildcards. Both sides in lower case. */
static const char list_sql[] =
    "SELECT " ROW_COLUMNS "FROM profile WHERE number < ?1 "
    "AND (?2 IS NULL OR instr(lower(name), lower(?2)) OR instr(id, lower(?2))) "
    "AND (?3 IS NULL OR EXISTS(SELECT 1 FROM json_each(tags) AS t WHERE t.key = ?3 "
    "     AND (?4 IS NULL OR CAST(t.atom AS TEXT) = ?4))) "
    "ORDER BY number DESC LIMIT ?5";

static enum status bind_query(sqlite3_stmt *stmt, const struct library_query *query,
                              struct error *err)
{
    int64_t before = INT64_MAX;
    if (query->cursor && query->cursor[0]) {
        char *end = NULL;
        errno = 0;
        before = strtoll(query->cursor, &end, 10);
        if (errno != 0 || *end != '\0' || before <= 0)
            return error_set(err, STATUS_INVALID, "the cursor is none of ours");
    }
    sqlite3_bind_int64(stmt, 1, before);
    if (query->text && query->text[0])
        sqlite3_bind_text(stmt, 2, query->text, -1, SQLITE_STATIC);
    if (query->tag && query->tag[0]) {
        const char *equals = strchr(query->tag, '=');
        size_t key_len = equals ? (size_t)(equals - query->tag) : strlen(query->tag);
        sqlite3_bind_text(stmt, 3, query->tag, (int)key_len, SQLITE_STATIC);
        if (equals)
            sqlite3_bind_text(stmt, 4, equals + 1, -1, SQLITE_STATIC);
    }
    /* One more than asked for tells whether there is a next page. */
    sqlite3_bind_int64(stmt, 5, (int64_t)query->limit + 1);
    return STATUS_OK;
}

static enum status read_rows(struct library *l, sqlite3 *db, sqlite3_stmt *stmt, size_t limit,
                             struct library_row **rows, size_t *len, char next[64],
                             struct error *err)
{
    size_t cap = 0;
    int64_t last = 0;
    for (;;) {
        bool has_row = false;
        enum status st = db_step(db, stmt, &has_row, err);
        if (st != STATUS_OK || !has_row)
            return st;
        if (*len == limit) {
            snprintf(next, 64, "%" PRId64, last);
            return STATUS_OK;
        }
        if (!array_reserve(rows, &cap, *len + 1) || read_row(l, stmt, &(*rows)[*len]) != STATUS_OK)
            return error_set(err, STATUS_NO_MEMORY, "no memory for the list of profiles");
        last = sqlite3_column_int64(stmt, 0);
        (*len)++;
    }
}

enum status library_list(struct library *l, const struct library_query *query,
                         struct library_row **rows, size_t *len, char next[64], struct error *err)
{
    if (query->limit < 1 || query->limit > LIST_MAX)
        return error_set(err, STATUS_INVALID, "the limit is not 1 to %d", LIST_MAX);
    if ((query->text && strlen(query->text) > TEXT_MAX_BYTES) ||
        (query->tag && strlen(query->tag) > TEXT_MAX_BYTES))
        return error_set(err, STATUS_TOO_LARGE, "the text to search for is too long");
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    struct library_row *found = NULL;
    size_t found_len = 0;
    char cursor[64] = "";
    enum status st = reader_take(l, &db, err);
    if (st == STATUS_OK)
        st = db_prepare(db, &stmt, list_sql, err);
    if (st == STATUS_OK)
        st = bind_query(stmt, query, err);
    if (st == STATUS_OK)
        st = read_rows(l, db, stmt, query->limit, &found, &found_len, cursor, err);
    sqlite3_finalize(stmt);
    reader_give(l, db);
    if (st != STATUS_OK) {
        library_rows_free(found, found_len);
        return st;
    }
    *rows = found;
    *len = found_len;
    memcpy(next, cursor, sizeof(cursor));
    return STATUS_OK;
}

enum status library_row(struct library *l, const char *id, struct library_row *out,
                        struct error *err)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    bool has_row = false;
    enum status st = reader_take(l, &db, err);
    if (st == STATUS_OK)
        st = db_prepare(db, &stmt, "SELECT " ROW_COLUMNS "FROM profile WHERE id = ?1", err);
    if (st == STATUS_OK) {
        sqlite3_bind_text(stmt, 1, id, -1, SQLITE_STATIC);
        st = db_step(db, stmt, &has_row, err);
    }
    if (st == STATUS_OK && !has_row)
        st = error_set(err, STATUS_NOT_FOUND, "no profile %.40s", id);
    if (st == STATUS_OK && read_row(l, stmt, out) != STATUS_OK)
        st = error_set(err, STATUS_NO_MEMORY, "no memory for profile %s", id);
    sqlite3_finalize(stmt);
    reader_give(l, db);
    return st;
}

/* ---- changes ---- */

struct text_job {
    const char *id, *name, *tags;
};

/* Tags are one flat JSON object of texts and numbers: what json_each can search. */
static enum status check_tags(sqlite3 *db, const char *tags, struct error *err)
{
    sqlite3_stmt *stmt = NULL;
    bool has_row = false;
    enum status st =
        db_prepare(db, &stmt,
                   "SELECT CASE WHEN json_valid(?1) THEN json_type(?1) = 'object' AND NOT EXISTS("
                   "SELECT 1 FROM json_each(?1) WHERE type IN ('object', 'array')) ELSE 0 END",
                   err);
    if (st == STATUS_OK) {
        sqlite3_bind_text(stmt, 1, tags, -1, SQLITE_STATIC);
        st = db_step(db, stmt, &has_row, err);
    }
    if (st == STATUS_OK && sqlite3_column_int(stmt, 0) != 1)
        st = error_set(err, STATUS_INVALID, "the tags are not a flat JSON object");
    sqlite3_finalize(stmt);
    return st;
}

static enum status rename_profile(struct writer *w, void *ctx, struct error *err)
{
    const struct text_job *job = ctx;
    enum status st = job->tags ? check_tags(writer_db(w), job->tags, err) : STATUS_OK;
    if (st != STATUS_OK)
        return st;
    sqlite3_stmt *stmt = writer_statement(w, WRITE_RENAME, err);
    if (!stmt)
        return err->status;
    sqlite3_bind_text(stmt, 1, job->id, -1, SQLITE_STATIC);
    if (job->name)
        sqlite3_bind_text(stmt, 2, job->name, -1, SQLITE_STATIC);
    if (job->tags)
        sqlite3_bind_text(stmt, 3, job->tags, -1, SQLITE_STATIC);
    return db_run(writer_db(w), stmt, err);
}

enum status library_rename(struct library *l, const char *id, const char *name,
                           const char *tags_json, struct error *err)
{
    struct entry *e = NULL;
    enum status st = library_need_writer(l, err);
    if (st == STATUS_OK && ((name && strlen(name) > TEXT_MAX_BYTES) ||
                            (tags_json && strlen(tags_json) > TEXT_MAX_BYTES)))
        st =
            error_set(err, STATUS_TOO_LARGE, "name and tags may have %d KiB", TEXT_MAX_BYTES >> 10);
    if (st == STATUS_OK)
        st = cache_get(l, id, &e, err);
    if (st != STATUS_OK)
        return st;
    struct text_job job = {.id = id, .name = name, .tags = tags_json};
    pthread_mutex_lock(&e->order);
    st = writer_run(l->writer, rename_profile, &job, err);
    if (st == STATUS_OK) {
        struct progress progress = e->progress;
        progress.revision++;
        entry_publish(e, e->state, &progress);
    }
    pthread_mutex_unlock(&e->order);
    cache_put(l, e);
    return st;
}

static enum status set_summary(struct writer *w, void *ctx, struct error *err)
{
    const struct text_job *job = ctx;
    sqlite3_stmt *stmt = writer_statement(w, WRITE_SUMMARY, err);
    if (!stmt)
        return err->status;
    sqlite3_bind_text(stmt, 1, job->id, -1, SQLITE_STATIC);
    sqlite3_bind_text(stmt, 2, job->name, -1, SQLITE_STATIC);
    enum status st = db_run(writer_db(w), stmt, err);
    if (st == STATUS_OK && sqlite3_changes(writer_db(w)) == 0)
        return error_set(err, STATUS_NOT_FOUND, "no profile %.40s", job->id);
    return st;
}

enum status library_set_summary(struct library *l, const char *id, const char *text,
                                struct error *err)
{
    struct text_job job = {.id = id, .name = text};
    enum status st = library_need_writer(l, err);
    if (st == STATUS_OK && strlen(text) > TEXT_MAX_BYTES)
        st = error_set(err, STATUS_TOO_LARGE, "a summary may have %d KiB", TEXT_MAX_BYTES >> 10);
    return st == STATUS_OK ? writer_run(l->writer, set_summary, &job, err) : st;
}

/* ---- deletion ---- */

static enum status delete_profile(struct writer *w, void *ctx, struct error *err)
{
    const struct text_job *job = ctx;
    static const enum writer_statement steps[] = {WRITE_TRASH_DATA, WRITE_DELETE_PROFILE,
                                                  WRITE_DELETE_SHARES, WRITE_DELETE_NOTES,
                                                  WRITE_DELETE_ALERTS};
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        sqlite3_stmt *stmt = writer_statement(w, steps[i], err);
        if (!stmt)
            return err->status;
        sqlite3_bind_text(stmt, 1, job->id, -1, SQLITE_STATIC);
        enum status st = db_run(writer_db(w), stmt, err);
        if (st != STATUS_OK)
            return st;
    }
    return STATUS_OK;
}

enum status library_delete(struct library *l, const char *id, struct error *err)
{
    struct entry *e = NULL;
    struct text_job job = {.id = id};
    enum status st = library_need_writer(l, err);
    if (st == STATUS_OK)
        st = cache_get(l, id, &e, err);
    if (st != STATUS_OK)
        return st;
    pthread_mutex_lock(&e->order);
    if (e->state == LIBRARY_LIVE)
        st = error_set(err, STATUS_BUSY, "profile %s is being recorded", id);
    else
        st = writer_run(l->writer, delete_profile, &job, err);
    if (st == STATUS_OK)
        cache_forget(l, e);
    pthread_mutex_unlock(&e->order);
    cache_put(l, e);
    if (st == STATUS_OK)
        care_wake(l);
    return st;
}
