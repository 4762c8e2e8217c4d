#include "backend/store/listing.h"

#include <string.h>

#include "backend/store/db.h"
#include "backend/store/inside.h"
#include "common/base/array.h"

char *listing_text(sqlite3_stmt *stmt, int column)
{
    const char *text = (const char *)sqlite3_column_text(stmt, column);
    return strdup(text ? text : "");
}

static enum status read_rows(sqlite3 *db, sqlite3_stmt *stmt, const struct listing *listing,
                             void **items, size_t *len, struct error *err)
{
    size_t cap = 0;
    for (;;) {
        bool has_row = false;
        enum status st = db_step(db, stmt, &has_row, err);
        if (st != STATUS_OK || !has_row)
            return st;
        if (!array_reserve_raw(items, &cap, *len + 1, listing->item_size))
            return error_set(err, STATUS_NO_MEMORY, "no memory for the list of %s", listing->what);
        bool is_read = listing->read(stmt, (char *)*items + *len * listing->item_size);
        (*len)++; /* also a half-read one: it is freed with the others */
        if (!is_read)
            return error_set(err, STATUS_NO_MEMORY, "no memory for the list of %s", listing->what);
    }
}

enum status listing_take(struct library *l, const struct listing *listing,
                         const struct listing_of *of, void *items, size_t *len, struct error *err)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    void *found = NULL;
    size_t found_len = 0;
    enum status st = reader_take(l, &db, err);
    if (st == STATUS_OK)
        st = db_prepare(db, &stmt, listing->sql, err);
    if (st == STATUS_OK) {
        if (of->text)
            sqlite3_bind_text(stmt, 1, of->text, -1, SQLITE_STATIC);
        if (of->has_number)
            sqlite3_bind_int64(stmt, 2, of->number);
        st = read_rows(db, stmt, listing, &found, &found_len, err);
    }
    sqlite3_finalize(stmt);
    reader_give(l, db);
    if (st != STATUS_OK) {
        listing->free_items(found, found_len);
        return st;
    }
    memcpy(items, &found, sizeof(found));
    *len = found_len;
    return STATUS_OK;
}
