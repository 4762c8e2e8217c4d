/* What is done with a profile beside reading it: export, control of a live session. */

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "backend/api/inside.h"
#include "backend/formats/format.h"

/* ---- export ---- */

static const struct format *find_format(struct http_request *r, struct error *err)
{
    const char *name = http_query(r, "format");
    if (name && strcmp(name, "folded") == 0)
        name = "collapsed"; /* as most tools call it */
    const struct format *f = name ? format_by_name(name) : NULL;
    if (f && f->write)
        return f;
    struct buf known;
    buf_init(&known, 300);
    for (const struct format *each = format_all(); each->name; each++) {
        if (each->write)
            buf_printf(&known, "%s%s", known.len ? ", " : "", each->name);
    }
    buf_put_byte(&known, 0);
    error_set(err, STATUS_INVALID, "format=: profiles are written as %s",
              known.failed ? "many formats" : (const char *)known.data);
    buf_deinit(&known);
    return NULL;
}

static size_t count_lines(const struct buf *text)
{
    size_t n = 0;
    for (size_t i = 0; i < text->len; i++)
        n += text->data[i] == '\n';
    return n;
}

void api_export(struct http_request *r, void *ctx)
{
    struct api_question q;
    struct error err = {0};
    if (!api_question_begin(&q, r, ctx))
        return;
    struct buf out;
    struct buf lost;
    buf_init(&out, 0);
    buf_init(&lost, 1 << 20);
    const struct format *f = find_format(r, &err);
    enum status st = f ? f->write(q.hold.profile, &out, &lost, &err) : err.status;
    api_question_end(&q);
    if (st == STATUS_OK)
        st = buf_status(&out);
    if (f && st == STATUS_OK) {
        char name[96];
        char count[24];
        /* Only what we chose ourselves stands in the header: the id and our extension. */
        int extension = (int)strcspn(f->extensions, " ");
        snprintf(name, sizeof(name), "attachment; filename=\"%s.%.*s\"", q.id, extension,
                 f->extensions);
        http_add_header(r, "Content-Disposition", name);
        snprintf(count, sizeof(count), "%zu", count_lines(&lost));
        http_add_header(r, "Heliograph-Lost", count);
        http_reply(r, 200, "application/octet-stream", out.data, out.len);
    } else {
        if (err.status == STATUS_OK)
            error_set(&err, st, "no memory for the file");
        http_fail(r, &err);
    }
    buf_deinit(&out);
    buf_deinit(&lost);
}

/* ---- control ---- */

/* `function`: whose source file is wanted; -1 = none. */
static enum status read_control(const cJSON *json, struct wire_control *c, double *function,
                                struct error *err)
{
    const cJSON *paused = cJSON_GetObjectItemCaseSensitive(json, "paused");
    const cJSON *rate = cJSON_GetObjectItemCaseSensitive(json, "rate_hz");
    const cJSON *stop = cJSON_GetObjectItemCaseSensitive(json, "stop");
    const cJSON *source = cJSON_GetObjectItemCaseSensitive(json, "source");
    if ((paused && !cJSON_IsBool(paused)) || (stop && !cJSON_IsBool(stop)) ||
        (rate && !cJSON_IsNumber(rate)) || (source && !cJSON_IsNumber(source)) ||
        (!paused && !rate && !stop && !source))
        return error_set(err, STATUS_INVALID,
                         "expected {\"paused\":bool}, {\"rate_hz\":number}, {\"stop\":true} or "
                         "{\"source\":FUNCTION}");
    *function = source ? source->valuedouble : -1;
    if (rate && !(rate->valuedouble > 0 && rate->valuedouble <= 1e6))
        return error_set(err, STATUS_INVALID, "rate_hz is from above 0 to 1,000,000");
    c->has_paused = paused != NULL;
    c->paused = cJSON_IsTrue(paused);
    c->has_rate = rate != NULL;
    c->rate_hz = rate ? rate->valuedouble : 0;
    c->has_stop = stop != NULL;
    c->stop = cJSON_IsTrue(stop);
    return STATUS_OK;
}

static enum status name_source(const struct profile *p, double function, struct wire_control *c,
                               struct error *err)
{
    if (function < 0)
        return STATUS_OK;
    if (!(function < (double)p->tables.functions_len))
        return error_set(err, STATUS_NOT_FOUND, "no function %.0f in this profile", function);
    uint32_t file = p->tables.functions[(size_t)function].file;
    size_t len = strtab_len(&p->tables.strings, file);
    if (len == 0)
        return error_set(err, STATUS_NOT_FOUND, "that function's file is not known");
    c->source = (struct wire_bytes){.data = strtab_text(&p->tables.strings, file), .len = len};
    return STATUS_OK;
}

void api_control(struct http_request *r, void *ctx)
{
    struct api_server *s = ctx;
    struct error err = {0};
    const uint8_t *data;
    size_t len;
    const char *id = http_part(r, 0);
    if (!api_check_id(r, id))
        return;
    enum status st = http_read_body(r, &data, &len, &err);
    struct wire_control control = {0};
    double function = -1;
    if (st == STATUS_OK) {
        cJSON *json = cJSON_ParseWithLength((const char *)data, len);
        st = cJSON_IsObject(json)
                 ? read_control(json, &control, &function, &err)
                 : error_set(&err, STATUS_INVALID, "the body is not a JSON object");
        cJSON_Delete(json);
    }
    struct library_hold hold;
    struct ingest *ingest = atomic_load(&s->ingest);
    if (st == STATUS_OK)
        st = library_hold(s->library, id, &hold, &err); /* 404 before 409 */
    if (st == STATUS_OK) {
        st = name_source(hold.profile, function, &control, &err);
        if (st == STATUS_OK)
            st = ingest ? ingest_control(ingest, id, &control, &err)
                        : error_set(&err, STATUS_GONE, "no collector is connected");
        library_release(s->library, &hold);
    }
    if (st == STATUS_OK)
        http_reply(r, 204, NULL, NULL, 0);
    else
        http_fail(r, &err);
}
