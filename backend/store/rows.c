/* The row of a profile: written whole. */

#include "backend/store/db.h"
#include "backend/store/inside.h"

static void bind_text(sqlite3_stmt *stmt, int at, struct wire_bytes text)
{
    sqlite3_bind_text(stmt, at, text.data ? text.data : "", (int)text.len, SQLITE_STATIC);
}

enum status row_insert(struct writer *w, const struct profile_row *row, struct error *err)
{
    char shapes[96];
    sqlite3_stmt *stmt = writer_statement(w, WRITE_PROFILE, err);
    if (!stmt)
        return err->status;
    sqlite3_bind_text(stmt, 1, row->id, -1, SQLITE_STATIC);
    sqlite3_bind_int64(stmt, 2, row->data);
    sqlite3_bind_int(stmt, 3, (int)row->state);
    sqlite3_bind_int64(stmt, 4, db_i64(row->progress.revision));
    sqlite3_bind_int64(stmt, 5, db_i64(row->progress.next_seq));
    sqlite3_bind_int64(stmt, 6, db_i64(row->created_ms));
    sqlite3_bind_int64(stmt, 7, db_i64(row->ended_ms));
    sqlite3_bind_int64(stmt, 8, db_i64(row->progress.duration_ns));
    sqlite3_bind_int64(stmt, 9, db_i64(row->progress.samples));
    sqlite3_bind_int64(stmt, 10, db_i64(row->chunks));
    sqlite3_bind_int64(stmt, 11, db_i64(row->bytes));
    sqlite3_bind_int64(stmt, 12, db_i64(row->source_bytes));
    sqlite3_bind_int64(stmt, 13, db_i64(row->progress.peak_rss_bytes));
    sqlite3_bind_int(stmt, 14, row->is_compact);
    bind_text(stmt, 15, row->name);
    bind_text(stmt, 16, row->format);
    bind_text(stmt, 17, row->producer);
    bind_text(stmt, 18, row->tags);
    sqlite3_bind_text(stmt, 19, describe_shapes_text(row->progress.shapes, shapes), -1,
                      SQLITE_TRANSIENT);
    sqlite3_bind_blob(stmt, 20, row->hello.data, (int)row->hello.len, SQLITE_STATIC);
    if (row->bye.len)
        sqlite3_bind_blob(stmt, 21, row->bye.data, (int)row->bye.len, SQLITE_STATIC);
    enum status st = db_run(writer_db(w), stmt, err);
    if (st == STATUS_IO && (sqlite3_errcode(writer_db(w)) & 0xff) == SQLITE_CONSTRAINT)
        return error_set(err, STATUS_EXISTS, "profile %s exists already", row->id);
    return st;
}
