#include "backend/store/notes.h"

#include <stdlib.h>
#include <string.h>

#include "backend/store/db.h"
#include "backend/store/inside.h"
#include "backend/store/listing.h"
#include "common/base/clock.h"

struct note_job {
    const char *profile;
    struct library_note *note;
    uint64_t number;
};

static enum status why_not(sqlite3 *db, const char *profile, struct error *err)
{
    sqlite3_stmt *stmt = NULL;
    bool has_row = false;
    enum status st = db_prepare(db, &stmt, "SELECT 1 FROM profile WHERE id=?1", err);
    if (st == STATUS_OK) {
        sqlite3_bind_text(stmt, 1, profile, -1, SQLITE_STATIC);
        st = db_step(db, stmt, &has_row, err);
    }
    sqlite3_finalize(stmt);
    if (st != STATUS_OK)
        return st;
    return has_row ? error_set(err, STATUS_TOO_LARGE, "a profile takes at most %d notes", NOTES_MAX)
                   : error_set(err, STATUS_NOT_FOUND, "no profile %.40s", profile);
}

static enum status insert_note(struct writer *w, void *ctx, struct error *err)
{
    struct note_job *job = ctx;
    struct library_note *note = job->note;
    sqlite3_stmt *stmt = writer_statement(w, WRITE_NEW_NOTE, err);
    if (!stmt)
        return err->status;
    sqlite3_bind_text(stmt, 1, job->profile, -1, SQLITE_STATIC);
    sqlite3_bind_text(stmt, 2, note->text, -1, SQLITE_STATIC);
    if (note->has_function)
        sqlite3_bind_int64(stmt, 3, note->function);
    else
        sqlite3_bind_null(stmt, 3);
    if (note->has_window) {
        sqlite3_bind_double(stmt, 4, note->from_s);
        sqlite3_bind_double(stmt, 5, note->to_s);
    } else {
        sqlite3_bind_null(stmt, 4);
        sqlite3_bind_null(stmt, 5);
    }
    sqlite3_bind_int64(stmt, 6, db_i64(note->created_unix_ms));
    sqlite3_bind_int(stmt, 7, NOTES_MAX);
    enum status st = db_run(writer_db(w), stmt, err);
    if (st != STATUS_OK)
        return st;
    if (sqlite3_changes(writer_db(w)) == 0)
        return why_not(writer_db(w), job->profile, err);
    note->number = (uint64_t)sqlite3_last_insert_rowid(writer_db(w));
    return STATUS_OK;
}

enum status library_note_add(struct library *l, const char *profile, struct library_note *note,
                             struct error *err)
{
    struct note_job job = {.profile = profile, .note = note};
    enum status st = library_need_writer(l, err);
    if (st == STATUS_OK && strlen(note->text) > NOTE_MAX_BYTES)
        st = error_set(err, STATUS_TOO_LARGE, "a note may have %d bytes", NOTE_MAX_BYTES);
    note->created_unix_ms = clock_unix_ns() / 1000000;
    return st == STATUS_OK ? writer_run(l->writer, insert_note, &job, err) : st;
}

static enum status delete_note(struct writer *w, void *ctx, struct error *err)
{
    const struct note_job *job = ctx;
    sqlite3_stmt *stmt = writer_statement(w, WRITE_DELETE_NOTE, err);
    if (!stmt)
        return err->status;
    sqlite3_bind_text(stmt, 1, job->profile, -1, SQLITE_STATIC);
    sqlite3_bind_int64(stmt, 2, db_i64(job->number));
    enum status st = db_run(writer_db(w), stmt, err);
    if (st == STATUS_OK && sqlite3_changes(writer_db(w)) == 0)
        return error_set(err, STATUS_NOT_FOUND, "this profile has no note %llu",
                         (unsigned long long)job->number);
    return st;
}

enum status library_note_remove(struct library *l, const char *profile, uint64_t number,
                                struct error *err)
{
    struct note_job job = {.profile = profile, .number = number};
    enum status st = library_need_writer(l, err);
    return st == STATUS_OK ? writer_run(l->writer, delete_note, &job, err) : st;
}

void library_notes_free(struct library_note *notes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        free(notes[i].text);
    free(notes);
}

static void free_notes(void *notes, size_t len)
{
    library_notes_free(notes, len);
}

static bool read_note(sqlite3_stmt *stmt, void *item)
{
    struct library_note *out = item;
    *out = (struct library_note){
        .number = db_u64(stmt, 0),
        .text = listing_text(stmt, 1),
        .has_function = sqlite3_column_type(stmt, 2) != SQLITE_NULL,
        .function = (uint32_t)sqlite3_column_int64(stmt, 2),
        .has_window = sqlite3_column_type(stmt, 3) != SQLITE_NULL,
        .from_s = sqlite3_column_double(stmt, 3),
        .to_s = sqlite3_column_double(stmt, 4),
        .created_unix_ms = db_u64(stmt, 5),
    };
    return out->text != NULL;
}

enum status library_note_list(struct library *l, const char *profile, struct library_note **notes,
                              size_t *len, struct error *err)
{
    static const struct listing listing = {
        "SELECT number, text, function, from_s, to_s, created_ms FROM note WHERE profile=?1 "
        "ORDER BY number",
        "notes", sizeof(**notes), read_note, free_notes};
    struct listing_of of = {.text = profile};
    return listing_take(l, &listing, &of, notes, len, err);
}
