/* POST /api/v1/profiles: a saved profile comes in. */

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "backend/api/inside.h"
#include "backend/formats/format.h"

/* What is true of files: a broken archive is no profile at all (400), a profile that cannot be
 * read is understood as a request but not as content (422). */
static int upload_code(enum status st)
{
    switch (st) {
    case STATUS_CORRUPT:
        return 400;
    case STATUS_INVALID:
    case STATUS_UNSUPPORTED:
        return 422;
    default:
        return http_code(st);
    }
}

static void put_warnings(struct json_out *j, const struct profile *p)
{
    json_out_key(j, "warnings");
    json_out_array(j);
    for (size_t i = 0; i < p->notices_len; i++) {
        if (p->notices[i].severity >= 1)
            json_out_string(j, strtab_text(&p->tables.strings, p->notices[i].text),
                            strtab_len(&p->tables.strings, p->notices[i].text));
    }
    json_out_end(j);
}

/* Of a form (curl -F file=@app.prof) the first part that is a file, or the only part. */
static enum status take_file(struct http_request *r, const uint8_t **data, size_t *len,
                             const char **name, struct error *err)
{
    struct http_field fields[HTTP_MAX_FIELDS];
    size_t n = 0;
    const char *type = http_header(r, "Content-Type");
    if (!type || strncasecmp(type, "multipart/", 10) != 0)
        return STATUS_OK;
    enum status st = http_read_fields(r, *data, *len, fields, &n, err);
    if (st != STATUS_OK)
        return st;
    const struct http_field *file = n == 1 ? &fields[0] : NULL;
    for (size_t i = n; i > 0; i--) {
        if (fields[i - 1].file_name[0])
            file = &fields[i - 1];
    }
    if (!file)
        return error_set(err, STATUS_INVALID, "the form has no file");
    *data = file->data;
    *len = file->len;
    if (!*name && file->file_name[0])
        *name = file->file_name;
    return STATUS_OK;
}

/* ---- one after the other ---- */

/* Reading a profile takes a processor for as long as it takes. Twenty at once on two processors
 * would be ready no sooner, and everybody else would wait in the crowd; the rest wait here. Two at
 * the least, so that a small one does not wait for a large one. */
enum status api_imports_init(struct api_server *s)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned at_once = processors > 4 ? (unsigned)processors / 2 : 2;
    return sem_init(&s->imports, 0, at_once) == 0 ? STATUS_OK : STATUS_NO_MEMORY;
}

void api_imports_deinit(struct api_server *s)
{
    sem_destroy(&s->imports);
}

static void wait_for_turn(struct api_server *s)
{
    while (sem_wait(&s->imports) != 0 && errno == EINTR)
        ;
}

static enum status import(struct api_server *s, const char *name, const uint8_t *data, size_t len,
                          char *id, struct buf *told, struct error *err)
{
    struct format_options options = {.max_raw_bytes = s->max_raw};
    struct profile *p;
    enum status st = format_load(data, len, name, &options, &p, err);
    if (st != STATUS_OK)
        return st;
    const struct strtab *strings = &p->tables.strings;
    struct json_out j;
    json_out_init(&j, told);
    buf_put_text(told, ",");
    json_put_string(&j, "format", strtab_text(strings, p->format), strtab_len(strings, p->format));
    buf_put_text(told, ",");
    put_warnings(&j, p);
    return library_import(s->library, p, name ? name : "", len, id, err);
}

void api_upload(struct http_request *r, void *ctx)
{
    struct api_server *s = ctx;
    struct error err = {0};
    const uint8_t *data;
    size_t len;
    enum status st = http_read_body(r, &data, &len, &err);
    if (st != STATUS_OK) {
        http_fail(r, &err);
        return;
    }
    const char *name = http_query(r, "name");
    st = take_file(r, &data, &len, &name, &err);
    if (st != STATUS_OK) {
        http_fail(r, &err);
        return;
    }
    char id[24];
    struct buf told;
    buf_init(&told, 0);
    wait_for_turn(s);
    st = import(s, name, data, len, id, &told, &err);
    if (st == STATUS_OK)
        api_note_summary(s, id);
    sem_post(&s->imports);
    if (st != STATUS_OK) {
        atomic_fetch_add(&s->uploads_refused, 1);
        buf_deinit(&told);
        http_fail_as(r, upload_code(st), &err, NULL);
        return;
    }
    atomic_fetch_add(&s->uploads, 1);
    struct buf body;
    buf_init(&body, 0);
    buf_printf(&body, "{\"id\":\"%s\",\"url\":\"/p/%s\"", id, id);
    buf_put(&body, told.data, told.len);
    buf_put_byte(&body, '}');
    buf_deinit(&told);
    http_reply_json(r, 201, &body);
    buf_deinit(&body);
}
