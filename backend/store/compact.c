/* Merges the small chunks of sessions, four a second as they come, into ones of some hundred
 * kilobytes: fewer rows, better compression, faster reading. Reading, merging and encoding happen
 * here; the writer only swaps, so that nobody waits for it. */

#include <stdlib.h>
#include <string.h>

#include "backend/store/db.h"
#include "backend/store/inside.h"
#include "backend/store/merge.h"

enum {
    PARTS_MAX = 256,
    TARGET_BYTES = 512 << 10, /* of the parts as stored; a chunk half as large stays alone */
    DECODED_BYTES = 32 << 20, /* memory for the parts of one merge */
    LIVE_CHUNKS_LEFT = 64,    /* the newest ones of a live session stay as they came */
};

struct run {
    int64_t data;
    bool is_live;
    uint64_t next_seq;
    struct arena *arena;
    struct wire_batch *parts;
    size_t len;
    uint64_t bytes;
    int64_t first_key, last_key;
    struct buf message;
    bool is_end; /* nothing behind it */
};

/* Where the merging of this data has come to: a seq. Under care_order. */
static uint64_t cursor_of(const struct library *l, int64_t data)
{
    const uint32_t *seq = map_find(&l->compact_cursors, (uint64_t)data);
    return seq ? *seq : 0;
}

static void set_cursor(struct library *l, int64_t data, uint64_t seq)
{
    /* Without memory for it the work begins again from the front, and finds little to do. */
    (void)map_put(&l->compact_cursors, (uint64_t)data, (uint32_t)seq);
}

/* The profile to go on with: ended ones are finished first; live ones when enough has gathered. */
static enum status choose_profile(struct library *l, struct run *run, struct error *err)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    bool has_row = false;
    enum status st = reader_take(l, &db, err);
    if (st == STATUS_OK)
        st = db_prepare(db, &stmt,
                        "SELECT data, state, next_seq FROM profile WHERE is_compact = 0 "
                        "AND (state != ?1 OR next_seq > ?2) ORDER BY state = ?1, number",
                        err);
    if (st == STATUS_OK) {
        sqlite3_bind_int(stmt, 1, LIBRARY_LIVE);
        sqlite3_bind_int(stmt, 2, PARTS_MAX + LIVE_CHUNKS_LEFT);
    }
    run->data = 0;
    while (st == STATUS_OK && run->data == 0) {
        st = db_step(db, stmt, &has_row, err);
        if (st != STATUS_OK || !has_row)
            break;
        run->data = sqlite3_column_int64(stmt, 0);
        run->is_live = sqlite3_column_int(stmt, 1) == LIBRARY_LIVE;
        run->next_seq = db_u64(stmt, 2);
        /* A live one waits until a whole run has come since it was last looked at. */
        if (run->is_live && run->next_seq < cursor_of(l, run->data) + PARTS_MAX + LIVE_CHUNKS_LEFT)
            run->data = 0;
    }
    sqlite3_finalize(stmt);
    reader_give(l, db);
    return st;
}

static enum status add_part(struct run *run, sqlite3_stmt *stmt, struct error *err)
{
    size_t len = (size_t)sqlite3_column_bytes(stmt, 3);
    const uint8_t *stored = sqlite3_column_blob(stmt, 3);
    if (chunk_crc(stored, len) != (uint32_t)sqlite3_column_int64(stmt, 2))
        return error_set(err, STATUS_CORRUPT, "a chunk's checksum does not fit");
    const char *message = arena_copy(run->arena, (const char *)stored, len);
    if (!message)
        return error_set(err, STATUS_NO_MEMORY, "no memory");
    struct wire_to_server decoded;
    enum status st =
        wire_decode_to_server(&decoded, (const uint8_t *)message, len, run->arena, err);
    if (st == STATUS_OK && decoded.kind != WIRE_BATCH)
        st = error_set(err, STATUS_CORRUPT, "a chunk is no batch");
    if (st != STATUS_OK)
        return st;
    run->parts[run->len++] = decoded.batch;
    run->bytes += len;
    return STATUS_OK;
}

/* The next run of small chunks that follow each other without a gap. */
static enum status read_run(struct library *l, struct run *run, struct error *err)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    bool has_row = true;
    uint64_t until = run->is_live ? run->next_seq - LIVE_CHUNKS_LEFT : UINT32_MAX;
    enum status st = reader_take(l, &db, err);
    if (st == STATUS_OK)
        st = db_prepare(db, &stmt,
                        "SELECT key, last_seq, crc, message, length(message) FROM chunk "
                        "WHERE key BETWEEN ?1 AND ?2 ORDER BY key",
                        err);
    if (st == STATUS_OK) {
        sqlite3_bind_int64(stmt, 1, chunk_key(run->data, cursor_of(l, run->data)));
        sqlite3_bind_int64(stmt, 2, chunk_key(run->data, until));
    }
    uint64_t wanted = 0;
    while (st == STATUS_OK && run->len < PARTS_MAX && run->bytes < TARGET_BYTES &&
           arena_size(run->arena) < DECODED_BYTES) {
        st = db_step(db, stmt, &has_row, err);
        if (st != STATUS_OK || !has_row)
            break;
        int64_t key = sqlite3_column_int64(stmt, 0);
        uint64_t first = (uint64_t)key & UINT32_MAX;
        bool is_small = sqlite3_column_int64(stmt, 4) < TARGET_BYTES / 2;
        if (run->len > 0 && (!is_small || first != wanted))
            break;
        wanted = db_u64(stmt, 1) + 1;
        if (!is_small) {
            set_cursor(l, run->data, wanted);
            continue;
        }
        if (run->len == 0)
            run->first_key = key;
        run->last_key = key;
        st = add_part(run, stmt, err);
    }
    run->is_end = st == STATUS_OK && !has_row;
    if (st == STATUS_OK && wanted > 0)
        set_cursor(l, run->data, wanted);
    sqlite3_finalize(stmt);
    reader_give(l, db);
    return st;
}

/* The merged message, decoded again to be sure that it says as much as its parts. */
static enum status encode_run(struct run *run, struct error *err)
{
    struct wire_batch merged;
    struct wire_to_server again;
    enum status st = merge_batches(&merged, run->parts, run->len, run->arena);
    if (st == STATUS_OK)
        st = wire_encode_batch(&run->message, &merged);
    if (st == STATUS_TOO_LARGE)
        st = STATUS_UNSUPPORTED;
    if (st != STATUS_OK)
        return error_set(err, st, "chunks that cannot be merged");
    st = wire_decode_to_server(&again, run->message.data, run->message.len, run->arena, err);
    if (st == STATUS_OK && (again.kind != WIRE_BATCH || !merge_counts_match(&merged, &again.batch)))
        st = error_set(err, STATUS_UNSUPPORTED, "the merged chunk does not read as its parts do");
    return st;
}

static enum status swap(struct writer *w, void *ctx, struct error *err)
{
    const struct run *run = ctx;
    sqlite3_stmt *stmt = writer_statement(w, WRITE_DELETE_CHUNK, err);
    if (!stmt)
        return err->status;
    sqlite3_bind_int64(stmt, 1, run->first_key);
    sqlite3_bind_int64(stmt, 2, run->last_key);
    enum status st = db_run(writer_db(w), stmt, err);
    if (st != STATUS_OK)
        return st;
    if (sqlite3_changes(writer_db(w)) != (int)run->len) /* deleted meanwhile */
        return error_set(err, STATUS_NOT_FOUND, "the chunks are gone");
    st = chunk_insert(w, run->data, (uint64_t)run->first_key & UINT32_MAX,
                      run->parts[run->len - 1].seq, run->message.data, run->message.len, err);
    if (st == STATUS_OK && !(stmt = writer_statement(w, WRITE_MERGED, err)))
        st = err->status;
    if (st != STATUS_OK)
        return st;
    sqlite3_bind_int64(stmt, 1, run->data);
    sqlite3_bind_int64(stmt, 2, (int64_t)run->len - 1);
    sqlite3_bind_int64(stmt, 3, (int64_t)run->bytes - (int64_t)run->message.len);
    return db_run(writer_db(w), stmt, err);
}

static enum status mark_compact(struct writer *w, void *ctx, struct error *err)
{
    const struct run *run = ctx;
    sqlite3_stmt *stmt = writer_statement(w, WRITE_COMPACT, err);
    if (!stmt)
        return err->status;
    sqlite3_bind_int64(stmt, 1, run->data);
    sqlite3_bind_int64(stmt, 2, db_i64(run->next_seq)); /* unless it goes on meanwhile */
    return db_run(writer_db(w), stmt, err);
}

static enum status merge_run(struct library *l, struct run *run, struct error *err)
{
    enum status st = read_run(l, run, err);
    if (st == STATUS_OK && run->len > 1) {
        st = encode_run(run, err);
        if (st == STATUS_OK)
            st = writer_run(l->writer, swap, run, err);
    }
    /* What cannot be merged stays as it is, and so does what is damaged: reading tells of it. */
    bool is_left = st == STATUS_UNSUPPORTED || st == STATUS_NOT_FOUND;
    bool is_given_up = st == STATUS_CORRUPT || st == STATUS_INVALID || st == STATUS_TOO_LARGE;
    if (st != STATUS_OK && !is_left && !is_given_up)
        return st;
    if (!run->is_end && !is_given_up)
        return STATUS_OK;
    if (run->is_live) { /* looked at again when more has come */
        set_cursor(l, run->data, run->next_seq - LIVE_CHUNKS_LEFT);
        return STATUS_OK;
    }
    set_cursor(l, run->data, 0);
    return writer_run(l->writer, mark_compact, run, err);
}

enum status compact_step(struct library *l, bool *did, struct error *err)
{
    struct run run = {0};
    *did = false;
    enum status st = choose_profile(l, &run, err);
    if (st != STATUS_OK || run.data == 0)
        return st;
    *did = true;
    run.arena = arena_new();
    run.parts = run.arena ? calloc(PARTS_MAX, sizeof(*run.parts)) : NULL;
    buf_init(&run.message, WIRE_MAX_MESSAGE);
    st = run.parts ? merge_run(l, &run, err)
                   : error_set(err, STATUS_NO_MEMORY, "no memory for merging chunks");
    buf_deinit(&run.message);
    free(run.parts);
    arena_free(run.arena);
    return st;
}
