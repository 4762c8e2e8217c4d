/* POST /api/v1/profiles: a saved profile comes in. */

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "backend/api/inside.h"
#include "backend/formats/format.h"

enum { API_MAX_SOURCE = 1 << 20 };

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

/* What came: the profile's file and, of a form, the texts of sources that go with it. */
struct upload {
    const char *name;
    const uint8_t *data;
    size_t len;
    struct http_field fields[HTTP_MAX_FIELDS];
    size_t fields_len;
};

static bool is_source(const struct http_field *field)
{
    return strcmp(field->name, "source") == 0 && field->file_name[0];
}

/* Of a form (curl -F file=@app.prof) the first part that is a file and no source, or the only part.
 */
static enum status take_form(struct http_request *r, struct upload *u, struct error *err)
{
    const char *type = http_header(r, "Content-Type");
    if (!type || strncasecmp(type, "multipart/", 10) != 0)
        return STATUS_OK;
    enum status st = http_read_fields(r, u->data, u->len, u->fields, &u->fields_len, err);
    if (st != STATUS_OK)
        return st;
    const struct http_field *file = u->fields_len == 1 ? &u->fields[0] : NULL;
    for (size_t i = u->fields_len; i > 0; i--) {
        if (u->fields[i - 1].file_name[0] && !is_source(&u->fields[i - 1]))
            file = &u->fields[i - 1];
    }
    if (!file)
        return error_set(err, STATUS_INVALID, "the form has no file");
    u->data = file->data;
    u->len = file->len;
    if (!u->name && file->file_name[0])
        u->name = file->file_name;
    return STATUS_OK;
}

/* A source whose path no function of the profile names, or that it holds already, is left out. */
static enum status add_source(struct profile *p, const struct http_field *field, struct error *err)
{
    if (field->len > API_MAX_SOURCE)
        return error_set(err, STATUS_TOO_LARGE, "the source %.200s has more than %d bytes",
                         field->file_name, API_MAX_SOURCE);
    uint32_t known = (uint32_t)p->tables.strings.len;
    uint32_t file;
    uint32_t text;
    enum status st = tables_string(&p->tables, field->file_name, strlen(field->file_name), &file);
    for (size_t i = 0; i < p->sources_len; i++) {
        if (p->sources[i].file == file)
            return st;
    }
    if (st != STATUS_OK || file >= known)
        return st;
    st = tables_string(&p->tables, (const char *)field->data, field->len, &text);
    return st == STATUS_OK ? profile_add_source(p, file, text) : st;
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

static enum status import(struct api_server *s, const struct upload *u, char *id, struct buf *told,
                          struct error *err)
{
    struct format_options options = {.max_raw_bytes = s->max_raw};
    struct profile *p;
    enum status st = format_load(u->data, u->len, u->name, &options, &p, err);
    if (st != STATUS_OK)
        return st;
    for (size_t i = 0; i < u->fields_len && st == STATUS_OK; i++) {
        if (is_source(&u->fields[i]))
            st = add_source(p, &u->fields[i], err);
    }
    if (st != STATUS_OK) {
        profile_free(p);
        return st;
    }
    const struct strtab *strings = &p->tables.strings;
    struct json_out j;
    json_out_init(&j, told);
    buf_put_text(told, ",");
    json_put_string(&j, "format", strtab_text(strings, p->format), strtab_len(strings, p->format));
    buf_put_text(told, ",");
    put_warnings(&j, p);
    return library_import(s->library, p, u->name ? u->name : "", u->len, id, err);
}

void api_upload(struct http_request *r, void *ctx)
{
    struct api_server *s = ctx;
    struct error err = {0};
    struct upload u = {.name = http_query(r, "name")};
    enum status st = http_read_body(r, &u.data, &u.len, &err);
    if (st == STATUS_OK)
        st = take_form(r, &u, &err);
    if (st != STATUS_OK) {
        http_fail(r, &err);
        return;
    }
    char id[24];
    struct buf told;
    buf_init(&told, 0);
    wait_for_turn(s);
    st = import(s, &u, id, &told, &err);
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
