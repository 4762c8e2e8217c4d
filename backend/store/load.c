/* From the database into memory: a profile is its hello and its messages, applied in order. */

#include <string.h>

#include "backend/model/apply.h"
#include "backend/store/db.h"
#include "backend/store/inside.h"

/* One message. Anything wrong with it is damage: it was checked before it was stored. */
static enum status apply_chunk(struct profile *p, sqlite3_stmt *stmt, struct error *err)
{
    const uint8_t *message = sqlite3_column_blob(stmt, 3);
    size_t len = (size_t)sqlite3_column_bytes(stmt, 3);
    if (chunk_crc(message, len) != (uint32_t)sqlite3_column_int64(stmt, 2))
        return error_set(err, STATUS_CORRUPT, "its checksum does not fit");
    struct arena *arena = arena_new();
    if (!arena)
        return error_set(err, STATUS_NO_MEMORY, "no memory");
    struct wire_to_server decoded;
    enum status st = wire_decode_to_server(&decoded, message, len, arena, err);
    if (st == STATUS_OK && decoded.kind != WIRE_BATCH)
        st = error_set(err, STATUS_CORRUPT, "it is no batch");
    if (st == STATUS_OK)
        st = apply_batch(p, &decoded.batch, err);
    arena_free(arena);
    return st == STATUS_OK || st == STATUS_NO_MEMORY ? st : STATUS_CORRUPT;
}

static enum status apply_chunks(struct profile *p, sqlite3 *db, int64_t data, uint64_t next_seq,
                                struct error *err)
{
    sqlite3_stmt *stmt = NULL;
    enum status st = db_prepare(db, &stmt,
                                "SELECT key, last_seq, crc, message FROM chunk "
                                "WHERE key BETWEEN ?1 AND ?2 ORDER BY key",
                                err);
    uint64_t wanted = LIBRARY_FIRST_SEQ;
    bool has_row = st == STATUS_OK;
    if (has_row) {
        sqlite3_bind_int64(stmt, 1, chunk_key(data, 0));
        sqlite3_bind_int64(stmt, 2, chunk_key(data, UINT32_MAX));
    }
    while (st == STATUS_OK) {
        st = db_step(db, stmt, &has_row, err);
        if (st != STATUS_OK || !has_row)
            break;
        uint64_t first = (uint64_t)sqlite3_column_int64(stmt, 0) & UINT32_MAX;
        struct error why;
        if (first != wanted) {
            st =
                error_set(err, STATUS_CORRUPT, "batch %llu is missing", (unsigned long long)wanted);
            break;
        }
        st = apply_chunk(p, stmt, &why);
        if (st != STATUS_OK)
            error_set(err, st, "batch %llu: %s", (unsigned long long)first, why.text);
        wanted = db_u64(stmt, 1) + 1;
    }
    if (st == STATUS_OK && wanted != next_seq) {
        st = error_set(err, STATUS_CORRUPT, "batch %llu is missing", (unsigned long long)wanted);
    }
    sqlite3_finalize(stmt);
    return st;
}

enum status load_head(struct profile *p, const uint8_t *hello, size_t len, const char *format,
                      struct error *err)
{
    struct arena *arena = arena_new();
    if (!arena)
        return error_set(err, STATUS_NO_MEMORY, "no memory");
    struct wire_to_server decoded;
    enum status st = wire_decode_to_server(&decoded, hello, len, arena, err);
    if (st == STATUS_OK && decoded.kind != WIRE_HELLO)
        st = error_set(err, STATUS_CORRUPT, "its head is no hello");
    if (st == STATUS_OK)
        st = apply_hello(p, &decoded.hello, err);
    if (st == STATUS_OK && format)
        st = profile_set_text(p, &p->format, format, strlen(format));
    arena_free(arena);
    return st;
}

static enum status note_damage(struct profile *p, const struct error *why)
{
    size_t before = p->notices_len;
    enum status st = profile_add_warning(p, "damaged",
                                         "The store is damaged here and the rest of this profile "
                                         "cannot be read: %s",
                                         why->text);
    if (st == STATUS_OK && p->notices_len > before)
        p->notices[before].severity = 2;
    return st;
}

static enum status load_from(sqlite3 *db, const char *id, int64_t data, struct profile *p,
                             bool *is_damaged, struct error *err)
{
    sqlite3_stmt *stmt = NULL;
    bool has_row = false;
    /* One view of the database for both statements, whatever is written meanwhile. */
    enum status st = db_exec(db, "BEGIN", err);
    if (st == STATUS_OK)
        st =
            db_prepare(db, &stmt, "SELECT hello, next_seq, format FROM profile WHERE id = ?1", err);
    if (st == STATUS_OK) {
        sqlite3_bind_text(stmt, 1, id, -1, SQLITE_STATIC);
        st = db_step(db, stmt, &has_row, err);
    }
    if (st == STATUS_OK && !has_row)
        st = error_set(err, STATUS_NOT_FOUND, "no profile %s", id);
    if (st == STATUS_OK)
        st = load_head(p, sqlite3_column_blob(stmt, 0), (size_t)sqlite3_column_bytes(stmt, 0),
                       (const char *)sqlite3_column_text(stmt, 2), err);
    if (st == STATUS_OK) {
        struct error why;
        st = apply_chunks(p, db, data, db_u64(stmt, 1), &why);
        if (st == STATUS_CORRUPT) {
            /* The rest is still worth looking at. */
            *is_damaged = true;
            st = note_damage(p, &why);
        } else if (st != STATUS_OK) {
            error_set(err, st, "%s", why.text);
        }
    }
    sqlite3_finalize(stmt);
    if (!sqlite3_get_autocommit(db))
        sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
    return st;
}

enum status load_profile(struct library *l, const char *id, int64_t data, struct profile **out,
                         bool *is_damaged, struct error *err)
{
    struct profile *p = NULL;
    sqlite3 *db = NULL;
    struct error why = {0};
    enum status st = profile_new(&p);
    if (st != STATUS_OK)
        return error_set(err, st, "no memory for profile %s", id);
    st = reader_take(l, &db, &why);
    if (st == STATUS_OK)
        st = load_from(db, id, data, p, is_damaged, &why);
    reader_give(l, db);
    if (st != STATUS_OK) {
        profile_free(p);
        return error_set(err, st, "profile %s cannot be read: %s", id, why.text);
    }
    *out = p;
    return STATUS_OK;
}
