#include <limits.h>
#include <zlib.h>

#include "backend/store/db.h"
#include "backend/store/inside.h"

uint32_t chunk_crc(const uint8_t *message, size_t len)
{
    return (uint32_t)crc32_z(0, message, len);
}

enum status chunk_insert(struct writer *w, int64_t data, uint64_t first_seq, uint64_t last_seq,
                         const uint8_t *message, size_t len, struct error *err)
{
    if (first_seq > UINT32_MAX || len > INT_MAX)
        return error_set(err, STATUS_TOO_LARGE, "the session has too many batches for the store");
    sqlite3_stmt *stmt = writer_statement(w, WRITE_CHUNK, err);
    if (!stmt)
        return err ? err->status : STATUS_IO;
    sqlite3_bind_int64(stmt, 1, chunk_key(data, first_seq));
    sqlite3_bind_int64(stmt, 2, db_i64(last_seq));
    sqlite3_bind_int64(stmt, 3, chunk_crc(message, len));
    sqlite3_bind_blob(stmt, 4, message, (int)len, SQLITE_STATIC);
    return db_run(writer_db(w), stmt, err);
}

enum status chunk_new_data(struct writer *w, bool is_trash, int64_t *data, struct error *err)
{
    sqlite3_stmt *stmt = writer_statement(w, WRITE_NEW_DATA, err);
    if (!stmt)
        return err ? err->status : STATUS_IO;
    sqlite3_bind_int(stmt, 1, is_trash);
    enum status st = db_run(writer_db(w), stmt, err);
    if (st == STATUS_OK && sqlite3_last_insert_rowid(writer_db(w)) > INT32_MAX)
        return error_set(err, STATUS_TOO_LARGE, "the store has had too many profiles");
    if (st == STATUS_OK)
        *data = sqlite3_last_insert_rowid(writer_db(w));
    return st;
}
