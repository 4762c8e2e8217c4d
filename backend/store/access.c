#include "backend/store/access.h"

#include <stdlib.h>
#include <string.h>

#include "backend/store/db.h"
#include "backend/store/inside.h"
#include "backend/store/listing.h"
#include "common/base/clock.h"
#include "common/base/sha256.h"

/* ---- what shares and tokens have in common ---- */

static int64_t now_ms(void)
{
    return (int64_t)(clock_unix_ns() / 1000000);
}

static void hash_of(const char *secret, size_t len, uint8_t out[SHA256_BYTES])
{
    sha256(secret, len, out);
}

/* A new row, with the hash of its secret first. */
struct new_row {
    enum writer_statement expire, insert;
    const char *count_sql;
    int64_t max;
    uint8_t hash[SHA256_BYTES];
    const char *text;    /* profile and view, or name */
    const char *profile; /* NULL for a token */
    int kind;            /* is_redacted, or scope */
    int64_t created_ms, expires_ms;
    uint64_t number;
};

static enum status check_profile(sqlite3 *db, const char *id, struct error *err)
{
    sqlite3_stmt *stmt = NULL;
    bool has_row = false;
    enum status st = db_prepare(db, &stmt, "SELECT 1 FROM profile WHERE id=?1", err);
    if (st == STATUS_OK) {
        sqlite3_bind_text(stmt, 1, id, -1, SQLITE_STATIC);
        st = db_step(db, stmt, &has_row, err);
    }
    sqlite3_finalize(stmt);
    if (st == STATUS_OK && !has_row)
        return error_set(err, STATUS_NOT_FOUND, "no profile %.40s", id);
    return st;
}

static enum status make_room(struct writer *w, const struct new_row *row, struct error *err)
{
    sqlite3_stmt *stmt = writer_statement(w, row->expire, err);
    if (!stmt)
        return err->status;
    sqlite3_bind_int64(stmt, 1, row->created_ms);
    int64_t count = 0;
    enum status st = db_run(writer_db(w), stmt, err);
    if (st == STATUS_OK)
        st = db_number(writer_db(w), row->count_sql, 0, &count, err);
    if (st == STATUS_OK && count >= row->max)
        return error_set(err, STATUS_TOO_LARGE, "there are %lld already: revoke some first",
                         (long long)count);
    return st;
}

static enum status insert_row(struct writer *w, void *ctx, struct error *err)
{
    struct new_row *row = ctx;
    enum status st = row->profile ? check_profile(writer_db(w), row->profile, err) : STATUS_OK;
    if (st == STATUS_OK)
        st = make_room(w, row, err);
    if (st != STATUS_OK)
        return st;
    sqlite3_stmt *stmt = writer_statement(w, row->insert, err);
    if (!stmt)
        return err->status;
    sqlite3_bind_blob(stmt, 1, row->hash, SHA256_BYTES, SQLITE_STATIC);
    sqlite3_bind_text(stmt, 2, row->text, -1, SQLITE_STATIC);
    sqlite3_bind_int(stmt, 3, row->kind);
    sqlite3_bind_int64(stmt, 4, row->created_ms);
    sqlite3_bind_int64(stmt, 5, row->expires_ms);
    if (row->profile)
        sqlite3_bind_text(stmt, 6, row->profile, -1, SQLITE_STATIC);
    st = db_run(writer_db(w), stmt, err);
    if (st == STATUS_OK)
        row->number = (uint64_t)sqlite3_last_insert_rowid(writer_db(w));
    return st;
}

static enum status add_row(struct library *l, struct new_row *row,
                           char secret[IDENT_TOKEN_CHARS + 1], struct error *err)
{
    enum status st = library_need_writer(l, err);
    if (st != STATUS_OK)
        return st;
    if (!ident_random(secret, IDENT_TOKEN_CHARS))
        return error_set(err, STATUS_IO, "the system gives no random numbers");
    hash_of(secret, IDENT_TOKEN_CHARS, row->hash);
    row->created_ms = now_ms();
    if (row->expires_ms && row->expires_ms <= row->created_ms)
        return error_set(err, STATUS_INVALID, "it would have expired already");
    return writer_run(l->writer, insert_row, row, err);
}

/* The one row of this secret that holds now; `*stmt` (finalize it) stands at it. Rows are found by
 * the hash: what the time of the search tells is about the hash, which tells nothing of a secret.
 */
static enum status find_row(sqlite3 *db, sqlite3_stmt **stmt, const char *sql, const char *secret,
                            size_t len, struct error *err)
{
    uint8_t hash[SHA256_BYTES];
    bool has_row = false;
    hash_of(secret, len, hash);
    enum status st = db_prepare(db, stmt, sql, err);
    if (st != STATUS_OK)
        return st;
    sqlite3_bind_blob(*stmt, 1, hash, SHA256_BYTES, SQLITE_TRANSIENT);
    sqlite3_bind_int64(*stmt, 2, now_ms());
    st = db_step(db, *stmt, &has_row, err);
    const char *found = st == STATUS_OK && has_row ? sqlite3_column_blob(*stmt, 0) : NULL;
    bool is_it = found && sqlite3_column_bytes(*stmt, 0) == SHA256_BYTES &&
                 ident_equal_secret(found, SHA256_BYTES, (const char *)hash, SHA256_BYTES);
    if (st == STATUS_OK && !is_it)
        return error_set(err, STATUS_NOT_FOUND, "this link or token is not valid");
    return st;
}

struct number_job {
    enum writer_statement statement;
    uint64_t number;
};

static enum status delete_row(struct writer *w, void *ctx, struct error *err)
{
    const struct number_job *job = ctx;
    sqlite3_stmt *stmt = writer_statement(w, job->statement, err);
    if (!stmt)
        return err->status;
    sqlite3_bind_int64(stmt, 1, db_i64(job->number));
    enum status st = db_run(writer_db(w), stmt, err);
    if (st == STATUS_OK && sqlite3_changes(writer_db(w)) == 0)
        return error_set(err, STATUS_NOT_FOUND, "there is no number %llu",
                         (unsigned long long)job->number);
    return st;
}

static enum status revoke(struct library *l, enum writer_statement statement, uint64_t number,
                          struct error *err)
{
    struct number_job job = {statement, number};
    enum status st = library_need_writer(l, err);
    return st == STATUS_OK ? writer_run(l->writer, delete_row, &job, err) : st;
}

/* ---- shares ---- */

#define SHARE_COLUMNS                                                                              \
    "SELECT hash, number, profile, view, is_redacted, created_ms, expires_ms FROM share WHERE "
#define IS_VALID "(expires_ms = 0 OR expires_ms > ?2) "

void library_share_deinit(struct library_share *share)
{
    free(share->view);
    *share = (struct library_share){0};
}

void library_shares_free(struct library_share *shares, size_t len)
{
    for (size_t i = 0; i < len; i++)
        library_share_deinit(&shares[i]);
    free(shares);
}

static bool read_share(sqlite3_stmt *stmt, void *item)
{
    struct library_share *out = item;
    *out = (struct library_share){
        .number = db_u64(stmt, 1),
        .view = listing_text(stmt, 3),
        .is_redacted = sqlite3_column_int(stmt, 4) != 0,
        .created_unix_ms = db_u64(stmt, 5),
        .expires_unix_ms = db_u64(stmt, 6),
    };
    const char *profile = (const char *)sqlite3_column_text(stmt, 2);
    strncpy(out->profile, profile ? profile : "", sizeof(out->profile) - 1);
    return out->view != NULL;
}

enum status library_share_add(struct library *l, struct library_share *share,
                              char secret[IDENT_TOKEN_CHARS + 1], struct error *err)
{
    if (strlen(share->view) > ACCESS_MAX_VIEW)
        return error_set(err, STATUS_TOO_LARGE, "a view may have %d KiB", ACCESS_MAX_VIEW >> 10);
    struct new_row row = {
        .expire = WRITE_EXPIRE_SHARES,
        .insert = WRITE_NEW_SHARE,
        .count_sql = "SELECT count(*) FROM share",
        .max = ACCESS_MAX_SHARES,
        .text = share->view,
        .profile = share->profile,
        .kind = share->is_redacted,
        .expires_ms = db_i64(share->expires_unix_ms),
    };
    enum status st = add_row(l, &row, secret, err);
    if (st == STATUS_OK) {
        share->number = row.number;
        share->created_unix_ms = (uint64_t)row.created_ms;
    }
    return st;
}

enum status library_share_find(struct library *l, const char *secret, size_t len,
                               struct library_share *out, struct error *err)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    enum status st = reader_take(l, &db, err);
    if (st == STATUS_OK)
        st = find_row(db, &stmt, SHARE_COLUMNS "hash = ?1 AND " IS_VALID, secret, len, err);
    if (st == STATUS_OK && !read_share(stmt, out))
        st = error_set(err, STATUS_NO_MEMORY, "no memory for a share");
    sqlite3_finalize(stmt);
    reader_give(l, db);
    return st;
}

static void free_shares(void *shares, size_t len)
{
    library_shares_free(shares, len);
}

enum status library_share_list(struct library *l, const char *profile,
                               struct library_share **shares, size_t *len, struct error *err)
{
    static const struct listing listing = {
        SHARE_COLUMNS "(?1 IS NULL OR profile = ?1) AND " IS_VALID "ORDER BY number DESC", "shares",
        sizeof(**shares), read_share, free_shares};
    struct listing_of of = {profile, true, now_ms()};
    return listing_take(l, &listing, &of, shares, len, err);
}

enum status library_share_revoke(struct library *l, uint64_t number, struct error *err)
{
    return revoke(l, WRITE_DELETE_SHARE, number, err);
}

/* ---- tokens ---- */

static const char *const scope_names[] = {
    [LIBRARY_SCOPE_READ] = "read",
    [LIBRARY_SCOPE_SEND] = "send",
    [LIBRARY_SCOPE_ADMIN] = "admin",
};

const char *library_scope_name(enum library_scope scope)
{
    return scope >= LIBRARY_SCOPE_READ && scope <= LIBRARY_SCOPE_ADMIN ? scope_names[scope] : "";
}

enum status library_scope_find(const char *name, enum library_scope *out, struct error *err)
{
    for (int i = LIBRARY_SCOPE_READ; i <= LIBRARY_SCOPE_ADMIN; i++) {
        if (name && strcmp(name, scope_names[i]) == 0) {
            *out = (enum library_scope)i;
            return STATUS_OK;
        }
    }
    return error_set(err, STATUS_INVALID, "a scope is read, send or admin");
}

void library_tokens_free(struct library_token *tokens, size_t len)
{
    for (size_t i = 0; i < len; i++)
        free(tokens[i].name);
    free(tokens);
}

enum status library_token_add(struct library *l, struct library_token *token,
                              char secret[IDENT_TOKEN_CHARS + 1], struct error *err)
{
    if (strlen(token->name) > ACCESS_MAX_NAME)
        return error_set(err, STATUS_TOO_LARGE, "a token's name may have %d bytes",
                         ACCESS_MAX_NAME);
    struct new_row row = {
        .expire = WRITE_EXPIRE_TOKENS,
        .insert = WRITE_NEW_TOKEN,
        .count_sql = "SELECT count(*) FROM token",
        .max = ACCESS_MAX_TOKENS,
        .text = token->name,
        .kind = (int)token->scope,
        .expires_ms = db_i64(token->expires_unix_ms),
    };
    enum status st = add_row(l, &row, secret, err);
    if (st == STATUS_OK) {
        token->number = row.number;
        token->created_unix_ms = (uint64_t)row.created_ms;
    }
    return st;
}

enum status library_token_find(struct library *l, const char *secret, size_t len,
                               enum library_scope *scope, struct error *err)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    enum status st = reader_take(l, &db, err);
    if (st == STATUS_OK)
        st = find_row(db, &stmt, "SELECT hash, scope FROM token WHERE hash = ?1 AND " IS_VALID,
                      secret, len, err);
    int found = st == STATUS_OK ? sqlite3_column_int(stmt, 1) : 0;
    if (st == STATUS_OK && (found < LIBRARY_SCOPE_READ || found > LIBRARY_SCOPE_ADMIN))
        st = error_set(err, STATUS_NOT_FOUND, "this link or token is not valid");
    if (st == STATUS_OK)
        *scope = (enum library_scope)found;
    sqlite3_finalize(stmt);
    reader_give(l, db);
    return st;
}

static bool read_token(sqlite3_stmt *stmt, void *item)
{
    struct library_token *token = item;
    *token = (struct library_token){
        .number = db_u64(stmt, 0),
        .name = listing_text(stmt, 1),
        .scope = (enum library_scope)sqlite3_column_int(stmt, 2),
        .created_unix_ms = db_u64(stmt, 3),
        .expires_unix_ms = db_u64(stmt, 4),
    };
    return token->name != NULL;
}

static void free_tokens(void *tokens, size_t len)
{
    library_tokens_free(tokens, len);
}

enum status library_token_list(struct library *l, struct library_token **tokens, size_t *len,
                               struct error *err)
{
    static const struct listing listing = {
        "SELECT number, name, scope, created_ms, expires_ms FROM token WHERE " IS_VALID
        "ORDER BY number",
        "tokens", sizeof(**tokens), read_token, free_tokens};
    struct listing_of of = {NULL, true, now_ms()};
    return listing_take(l, &listing, &of, tokens, len, err);
}

enum status library_token_revoke(struct library *l, uint64_t number, struct error *err)
{
    return revoke(l, WRITE_DELETE_TOKEN, number, err);
}
