/* What collectors do: begin or resume a session, append its batches, end it. */

#include <string.h>

#include "backend/model/apply.h"
#include "backend/store/db.h"
#include "backend/store/inside.h"
#include "common/base/clock.h"

static uint64_t unix_ms(void)
{
    return clock_unix_ns() / 1000000;
}

/* ---- begin ---- */

struct begin_job {
    const char *id;
    int64_t data;
    uint64_t created_ms;
    struct buf hello, name, tags;
    struct wire_bytes producer;
};

static enum status insert_session(struct writer *w, void *ctx, struct error *err)
{
    struct begin_job *job = ctx;
    enum status st = chunk_new_data(w, false, &job->data, err);
    if (st != STATUS_OK)
        return st;
    struct profile_row row = {
        .id = job->id,
        .data = job->data,
        .state = LIBRARY_LIVE,
        .progress = {.revision = 1, .next_seq = LIBRARY_FIRST_SEQ},
        .created_ms = job->created_ms,
        .name = {.data = (const char *)job->name.data, .len = job->name.len},
        .format = {.data = "heliograph", .len = 10},
        .producer = job->producer,
        .tags = {.data = (const char *)job->tags.data, .len = job->tags.len},
        .hello = {.data = (const char *)job->hello.data, .len = job->hello.len},
    };
    return row_insert(w, &row, err);
}

/* The hello as it is stored: without the token, which is nobody's business but the server's. */
static enum status encode_head(struct begin_job *job, const struct wire_hello *hello)
{
    struct wire_hello kept = *hello;
    kept.token = (struct wire_bytes){.data = "", .len = 0};
    enum status st = wire_encode_hello(&job->hello, &kept);
    return st == STATUS_OK ? describe_hello(&kept, &job->name, &job->tags) : st;
}

static enum status begin_new(struct library *l, const char *id, const struct wire_hello *hello,
                             struct error *err)
{
    struct begin_job job = {.id = id, .created_ms = unix_ms(), .producer = hello->producer};
    struct profile *p = NULL;
    struct entry *e = NULL;
    buf_init(&job.hello, WIRE_MAX_MESSAGE);
    buf_init(&job.name, 0);
    buf_init(&job.tags, 0);
    enum status st = encode_head(&job, hello);
    if (st != STATUS_OK)
        error_set(err, st, "the hello of session %s is too large", id);
    if (st == STATUS_OK && (st = profile_new(&p)) != STATUS_OK)
        error_set(err, st, "no memory for session %s", id);
    if (st == STATUS_OK)
        st = load_head(p, job.hello.data, job.hello.len, "heliograph", err);
    if (st == STATUS_OK)
        st = writer_run(l->writer, insert_session, &job, err);
    if (st == STATUS_OK) {
        struct progress progress = {.revision = 1, .next_seq = LIBRARY_FIRST_SEQ};
        st = cache_add(l, id, job.data, LIBRARY_LIVE, &progress, p, &e, err);
        p = NULL;
    }
    if (st == STATUS_OK) {
        cache_pin(l, e, true);
        cache_put(l, e);
    }
    profile_free(p);
    buf_deinit(&job.hello);
    buf_deinit(&job.name);
    buf_deinit(&job.tags);
    return st;
}

struct state_job {
    const char *id;
    enum library_state state;
    uint64_t revision, ended_ms;
    const uint8_t *bye;
    size_t bye_len;
};

static enum status update_state(struct writer *w, void *ctx, struct error *err)
{
    const struct state_job *job = ctx;
    sqlite3_stmt *stmt = writer_statement(w, WRITE_STATE, err);
    if (!stmt)
        return err->status;
    sqlite3_bind_text(stmt, 1, job->id, -1, SQLITE_STATIC);
    sqlite3_bind_int(stmt, 2, (int)job->state);
    sqlite3_bind_int64(stmt, 3, db_i64(job->revision));
    sqlite3_bind_int64(stmt, 4, db_i64(job->ended_ms));
    enum status st = db_run(writer_db(w), stmt, err);
    if (st != STATUS_OK || job->bye_len == 0)
        return st;
    stmt = writer_statement(w, WRITE_BYE, err);
    if (!stmt)
        return err->status;
    sqlite3_bind_text(stmt, 1, job->id, -1, SQLITE_STATIC);
    sqlite3_bind_blob(stmt, 2, job->bye, (int)job->bye_len, SQLITE_STATIC);
    return db_run(writer_db(w), stmt, err);
}

/* With e->order held. */
static enum status change_state(struct library *l, struct entry *e, enum library_state state,
                                const struct buf *bye, struct error *err)
{
    struct progress progress = e->progress;
    progress.revision++;
    struct state_job job = {
        .id = e->id,
        .state = state,
        .revision = progress.revision,
        .ended_ms = state == LIBRARY_LIVE ? 0 : unix_ms(),
        .bye = bye ? bye->data : NULL,
        .bye_len = bye ? bye->len : 0,
    };
    enum status st = writer_run(l->writer, update_state, &job, err);
    if (st != STATUS_OK)
        return st;
    entry_publish(e, state, &progress);
    cache_pin(l, e, state == LIBRARY_LIVE);
    return STATUS_OK;
}

/* With e->order held: the session goes on where it stopped. */
static enum status resume(struct library *l, struct entry *e, uint64_t *next_seq, struct error *err)
{
    if (e->state == LIBRARY_COMPLETE || e->state == LIBRARY_IMPORTED)
        return error_set(err, STATUS_EXISTS, "session %s has ended", e->id);
    /* What the next batches build on must be there, whole. */
    enum status st = entry_write_lock(l, e, err);
    if (st != STATUS_OK)
        return st;
    bool is_damaged = e->is_damaged;
    entry_write_unlock(e);
    if (is_damaged)
        return error_set(err, STATUS_CORRUPT, "session %s is damaged in the store", e->id);
    if (e->state != LIBRARY_LIVE)
        st = change_state(l, e, LIBRARY_LIVE, NULL, err);
    if (st == STATUS_OK)
        *next_seq = e->progress.next_seq;
    return st;
}

enum status library_begin(struct library *l, const struct wire_hello *hello, uint64_t *next_seq,
                          struct error *err)
{
    char id[IDENT_CHARS + 1] = "";
    enum status st = library_need_writer(l, err);
    if (st != STATUS_OK)
        return st;
    if (hello->session.len == IDENT_CHARS)
        memcpy(id, hello->session.data, IDENT_CHARS);
    if (!ident_is_valid(id, IDENT_CHARS))
        return error_set(err, STATUS_INVALID, "the session id is not %d characters of a-z2-7",
                         IDENT_CHARS);

    struct entry *e = NULL;
    struct error why;
    st = cache_get(l, id, &e, &why);
    if (st == STATUS_NOT_FOUND) {
        st = begin_new(l, id, hello, err);
        if (st == STATUS_OK)
            *next_seq = LIBRARY_FIRST_SEQ;
        return st;
    }
    if (st != STATUS_OK)
        return error_set(err, st, "%s", why.text);
    pthread_mutex_lock(&e->order);
    st = resume(l, e, next_seq, err);
    pthread_mutex_unlock(&e->order);
    cache_put(l, e);
    return st;
}

/* ---- append ---- */

void library_observe(struct library *l, const struct library_observer *observer)
{
    l->observer = observer ? *observer : (struct library_observer){0};
}

struct append_job {
    const char *id;
    int64_t data;
    uint64_t seq;
    const uint8_t *message;
    size_t len;
    struct progress progress;
};

static enum status insert_batch(struct writer *w, void *ctx, struct error *err)
{
    const struct append_job *job = ctx;
    char shapes[96];
    enum status st = chunk_insert(w, job->data, job->seq, job->seq, job->message, job->len, err);
    if (st != STATUS_OK)
        return st;
    sqlite3_stmt *stmt = writer_statement(w, WRITE_PROGRESS, err);
    if (!stmt)
        return err->status;
    sqlite3_bind_text(stmt, 1, job->id, -1, SQLITE_STATIC);
    sqlite3_bind_int64(stmt, 2, db_i64(job->progress.revision));
    sqlite3_bind_int64(stmt, 3, db_i64(job->progress.next_seq));
    sqlite3_bind_int64(stmt, 4, db_i64(job->progress.duration_ns));
    sqlite3_bind_int64(stmt, 5, db_i64(job->progress.samples));
    sqlite3_bind_int64(stmt, 6, db_i64(job->progress.peak_rss_bytes));
    sqlite3_bind_text(stmt, 7, describe_shapes_text(job->progress.shapes, shapes), -1,
                      SQLITE_TRANSIENT);
    sqlite3_bind_int64(stmt, 8, db_i64(job->len));
    return db_run(writer_db(w), stmt, err);
}

/* Takes the batch into the decoded profile: wrong ones are found here, before they are stored. */
static enum status apply(struct library *l, struct entry *e, const struct wire_batch *batch,
                         struct progress *progress, struct error *err)
{
    enum status st = entry_write_lock(l, e, err);
    if (st != STATUS_OK)
        return st;
    st = apply_batch(e->profile, batch, err);
    if (st == STATUS_OK) {
        progress->next_seq++;
        progress->revision++;
        progress->duration_ns = e->profile->duration_ns;
        progress->samples += strip_batch_samples(batch);
        progress->shapes |= describe_shapes(e->profile);
        uint64_t rss = describe_batch_rss(e->profile, batch);
        if (rss > progress->peak_rss_bytes)
            progress->peak_rss_bytes = rss;
        if (l->observer.batch)
            l->observer.batch(l->observer.ctx, e->id, e->profile, batch);
        strip_if_unseen(l, e);
    }
    size_t size = profile_size(e->profile);
    entry_write_unlock(e);
    cache_count_size(l, e, size);
    return st;
}

/* The commit failed: memory is ahead of the disk, so it is read again when somebody asks. */
static void forget_uncommitted(struct library *l, struct entry *e)
{
    if (entry_write_lock(l, e, NULL) != STATUS_OK)
        return;
    profile_free(e->profile);
    pthread_mutex_lock(&e->lock);
    e->profile = NULL;
    e->is_stripped = false;
    e->progress.revision++; /* what readers saw is no longer so */
    pthread_mutex_unlock(&e->lock);
    entry_write_unlock(e);
    cache_count_size(l, e, 0);
}

/* With e->order held. */
static enum status append(struct library *l, struct entry *e, const struct wire_batch *batch,
                          const uint8_t *message, size_t len, struct error *err)
{
    if (e->state != LIBRARY_LIVE)
        return error_set(err, STATUS_GONE, "session %s is not being written", e->id);
    if (batch->seq < e->progress.next_seq)
        return STATUS_OK; /* sent again: it is stored */
    if (batch->seq > e->progress.next_seq)
        return error_set(err, STATUS_INVALID, "batch %llu came where %llu was due",
                         (unsigned long long)batch->seq, (unsigned long long)e->progress.next_seq);

    struct append_job job = {.id = e->id,
                             .data = e->data,
                             .seq = batch->seq,
                             .message = message,
                             .len = len,
                             .progress = e->progress};
    uint64_t samples_before = e->progress.samples;
    enum status st = apply(l, e, batch, &job.progress, err);
    if (st != STATUS_OK)
        return st;
    st = writer_run(l->writer, insert_batch, &job, err);
    if (st != STATUS_OK) {
        forget_uncommitted(l, e);
        return st;
    }
    entry_publish(e, e->state, &job.progress);
    atomic_fetch_add(&l->batches, 1);
    atomic_fetch_add(&l->samples, job.progress.samples - samples_before);
    return STATUS_OK;
}

enum status library_append(struct library *l, const char *id, const struct wire_batch *batch,
                           const uint8_t *message, size_t len, struct error *err)
{
    struct entry *e = NULL;
    enum status st = library_need_writer(l, err);
    if (st == STATUS_OK)
        st = cache_get(l, id, &e, err);
    if (st != STATUS_OK)
        return st;
    pthread_mutex_lock(&e->order);
    st = append(l, e, batch, message, len, err);
    pthread_mutex_unlock(&e->order);
    cache_put(l, e);
    return st;
}

/* ---- end ---- */

enum status library_end(struct library *l, const char *id, enum library_state state,
                        const struct wire_bye *bye, struct error *err)
{
    struct entry *e = NULL;
    struct buf message;
    enum status st = library_need_writer(l, err);
    if (st == STATUS_OK)
        st = cache_get(l, id, &e, err);
    if (st != STATUS_OK)
        return st;
    buf_init(&message, WIRE_MAX_MESSAGE);
    pthread_mutex_lock(&e->order);
    if (bye && (st = wire_encode_bye(&message, bye)) != STATUS_OK)
        error_set(err, st, "the goodbye of session %s is too large", id);
    else if (e->state == LIBRARY_COMPLETE || e->state == LIBRARY_IMPORTED)
        st = error_set(err, STATUS_EXISTS, "session %s has ended already", id);
    else if (e->state != state)
        st = change_state(l, e, state, bye ? &message : NULL, err);
    pthread_mutex_unlock(&e->order);
    buf_deinit(&message);
    cache_put(l, e);
    if (st == STATUS_OK)
        care_wake(l);
    return st;
}
