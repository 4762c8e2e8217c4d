/* Uploads. The messages of an import are written in slices, so that no collector waits long for
 * its commit; they hang on a row of `data` that is trash until the last slice makes the profile
 * visible. A crash in between leaves trash and nothing else. */

#include <stdlib.h>
#include <string.h>

#include "backend/model/apply.h"
#include "backend/store/db.h"
#include "backend/store/inside.h"
#include "common/base/array.h"
#include "common/base/clock.h"
#include "common/base/json_out.h"

enum { SLICE_BYTES = 4 << 20 };

/* Field numbers of ToServer: the first byte of a message says its kind. */
enum { KIND_SHIFT = 3 };

struct import {
    struct library *library;
    struct error *err;
    int64_t data;
    char id[IDENT_CHARS + 1];
    struct buf hello, bye;
    struct buf slice; /* messages end to end */
    size_t *ends;     /* of the messages in the slice */
    size_t ends_len, ends_cap;
    uint64_t first_seq; /* of the slice */
    uint64_t bytes;
};

static enum status new_data(struct writer *w, void *ctx, struct error *err)
{
    struct import *im = ctx;
    return chunk_new_data(w, true, &im->data, err);
}

static enum status insert_slice(struct writer *w, void *ctx, struct error *err)
{
    const struct import *im = ctx;
    enum status st = STATUS_OK;
    size_t begin = 0;
    for (size_t i = 0; st == STATUS_OK && i < im->ends_len; i++) {
        uint64_t seq = im->first_seq + i;
        st = chunk_insert(w, im->data, seq, seq, im->slice.data + begin, im->ends[i] - begin, err);
        begin = im->ends[i];
    }
    return st;
}

static enum status flush_slice(struct import *im)
{
    if (im->ends_len == 0)
        return STATUS_OK;
    enum status st = writer_run(im->library->writer, insert_slice, im, im->err);
    im->first_seq += im->ends_len;
    im->ends_len = 0;
    buf_clear(&im->slice);
    return st;
}

static enum status put_message(void *ctx, const uint8_t *message, size_t len)
{
    struct import *im = ctx;
    int kind = len > 0 ? message[0] >> KIND_SHIFT : 0;
    if (kind == WIRE_HELLO || kind == WIRE_BYE) {
        struct buf *head = kind == WIRE_HELLO ? &im->hello : &im->bye;
        buf_clear(head);
        buf_put(head, message, len);
        return buf_status(head);
    }
    buf_put(&im->slice, message, len);
    if (buf_status(&im->slice) != STATUS_OK ||
        !array_reserve(&im->ends, &im->ends_cap, im->ends_len + 1))
        return error_set(im->err, STATUS_NO_MEMORY, "no memory for the import");
    im->ends[im->ends_len++] = im->slice.len;
    im->bytes += len;
    return im->slice.len >= SLICE_BYTES ? flush_slice(im) : STATUS_OK;
}

/* The data row is trash by its mark but not to be freed while it is written. Care is kept out
 * from before the row exists until it is noted. */
static enum status begin_import(struct import *im)
{
    struct library *l = im->library;
    pthread_mutex_lock(&l->care_order);
    enum status st = writer_run(l->writer, new_data, im, im->err);
    pthread_mutex_lock(&l->lock);
    if (st == STATUS_OK && !array_reserve(&l->imports, &l->imports_cap, l->imports_len + 1))
        st = error_set(im->err, STATUS_NO_MEMORY, "no memory for the import");
    if (st == STATUS_OK)
        l->imports[l->imports_len++] = im->data;
    pthread_mutex_unlock(&l->lock);
    pthread_mutex_unlock(&l->care_order);
    return st;
}

static void end_import(struct import *im)
{
    struct library *l = im->library;
    pthread_mutex_lock(&l->lock);
    for (size_t i = 0; i < l->imports_len; i++) {
        if (l->imports[i] == im->data) {
            l->imports[i] = l->imports[--l->imports_len];
            break;
        }
    }
    pthread_mutex_unlock(&l->lock);
}

struct finish_job {
    struct import *import;
    struct profile_row row;
};

static enum status finish_import(struct writer *w, void *ctx, struct error *err)
{
    struct finish_job *job = ctx;
    enum status st = insert_slice(w, job->import, err);
    if (st == STATUS_OK)
        st = row_insert(w, &job->row, err);
    if (st != STATUS_OK)
        return st;
    sqlite3_stmt *stmt = writer_statement(w, WRITE_KEEP_DATA, err);
    if (!stmt)
        return err->status;
    sqlite3_bind_int64(stmt, 1, job->import->data);
    return db_run(writer_db(w), stmt, err);
}

static struct wire_bytes bytes_of(const struct buf *b)
{
    return (struct wire_bytes){.data = (const char *)b->data, .len = b->len};
}

static struct wire_bytes text_of(const struct profile *p, uint32_t string)
{
    return (struct wire_bytes){.data = strtab_text(&p->tables.strings, string),
                               .len = strtab_len(&p->tables.strings, string)};
}

static enum status write_tags(const struct profile *p, struct buf *tags)
{
    struct json_out json;
    json_out_init(&json, tags);
    json_out_object(&json);
    for (size_t i = 0; i < p->tags_len; i++) {
        struct wire_bytes value = text_of(p, p->tags[i].value);
        json_put_string(&json, strtab_text(&p->tables.strings, p->tags[i].key), value.data,
                        value.len);
    }
    json_out_end(&json);
    return buf_status(tags);
}

static enum status write_import(struct import *im, const struct profile *p, const char *name,
                                uint64_t source_bytes, struct progress *progress)
{
    struct buf tags;
    buf_init(&tags, 0);
    enum status st = apply_emit(p, im->id, put_message, im);
    if (st != STATUS_OK && im->err && im->err->status != st)
        error_set(im->err, st, "the profile cannot be stored");
    if (st == STATUS_OK && (st = write_tags(p, &tags)) != STATUS_OK)
        error_set(im->err, st, "no memory for the import");
    if (st == STATUS_OK) {
        uint64_t now = clock_unix_ns() / 1000000;
        struct wire_bytes own = text_of(p, p->name);
        *progress = (struct progress){.revision = 1,
                                      .next_seq = im->first_seq + im->ends_len,
                                      .duration_ns = p->duration_ns,
                                      .samples = describe_samples(p),
                                      .peak_rss_bytes = describe_peak_rss(p),
                                      .shapes = describe_shapes(p)};
        struct finish_job job = {
            .import = im,
            .row = {.id = im->id,
                    .data = im->data,
                    .state = LIBRARY_IMPORTED,
                    .progress = *progress,
                    .created_ms = now,
                    .ended_ms = now,
                    .chunks = progress->next_seq - LIBRARY_FIRST_SEQ,
                    .bytes = im->bytes,
                    .source_bytes = source_bytes,
                    .is_compact = true,
                    .name = name && name[0] ? (struct wire_bytes){name, strlen(name)} : own,
                    .format = text_of(p, p->format),
                    .producer = text_of(p, p->producer),
                    .tags = bytes_of(&tags),
                    .hello = bytes_of(&im->hello),
                    .bye = bytes_of(&im->bye)},
        };
        st = writer_run(im->library->writer, finish_import, &job, im->err);
    }
    buf_deinit(&tags);
    return st;
}

enum status library_import(struct library *l, struct profile *p, const char *name,
                           uint64_t source_bytes, char *id, struct error *err)
{
    struct error own;
    struct import im = {.library = l, .err = err ? err : &own, .first_seq = LIBRARY_FIRST_SEQ};
    struct progress progress;
    struct entry *e = NULL;
    im.err->status = STATUS_OK;
    enum status st = library_need_writer(l, im.err);
    if (st == STATUS_OK && !ident_random(im.id, IDENT_CHARS))
        st = error_set(im.err, STATUS_IO, "the system gives no random numbers");
    if (st == STATUS_OK)
        st = begin_import(&im);
    if (st != STATUS_OK) {
        profile_free(p);
        return st;
    }
    buf_init(&im.hello, WIRE_MAX_MESSAGE);
    buf_init(&im.bye, WIRE_MAX_MESSAGE);
    buf_init(&im.slice, 0);
    st = write_import(&im, p, name, source_bytes, &progress);
    end_import(&im);
    buf_deinit(&im.hello);
    buf_deinit(&im.bye);
    buf_deinit(&im.slice);
    free(im.ends);
    if (st != STATUS_OK) {
        profile_free(p);
        care_wake(l);
        return st;
    }
    memcpy(id, im.id, sizeof(im.id));
    /* Kept decoded for the page that opens next. It is stored, so failing to keep it is no error.
     */
    if (cache_add(l, im.id, im.data, LIBRARY_IMPORTED, &progress, p, &e, NULL) == STATUS_OK)
        cache_put(l, e);
    return STATUS_OK;
}
