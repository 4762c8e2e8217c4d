/* Programs that profile themselves and send a piece every few seconds: Pyroscope's two ways, and
 * OpenTelemetry's. */

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "backend/api/inside.h"
#include "backend/formats/format.h"
#include "backend/formats/otlp.h"
#include "backend/formats/pyroscope.h"
#include "backend/formats/unpack.h"

/* A piece is of seconds: it needs no such room as a file has. */
static uint64_t max_raw(const struct api_server *s)
{
    static const uint64_t most = 64 << 20;
    return s->max_raw < most ? s->max_raw : most;
}

/* A piece that is no profile was understood as a request, but not as content. */
static void fail_push(struct http_request *r, enum status st, const struct error *err)
{
    http_fail_as(r,
                 st == STATUS_INVALID || st == STATUS_UNSUPPORTED ? 422
                 : st == STATUS_CORRUPT                           ? 400
                                                                  : http_code(st),
                 err, NULL);
}

/* Content-Encoding: gzip. A body that is packed without saying so is left to its reader. */
static enum status read_packed(struct api_server *s, struct http_request *r, struct unpacked *out,
                               struct error *err)
{
    const uint8_t *data;
    size_t len;
    enum status st = http_read_body(r, &data, &len, err);
    if (st != STATUS_OK)
        return st;
    const char *encoding = http_header(r, "Content-Encoding");
    *out = (struct unpacked){.data = data, .len = len};
    if (!encoding || strcasecmp(encoding, "identity") == 0)
        return STATUS_OK;
    if (strcasecmp(encoding, "gzip") != 0 && strcasecmp(encoding, "zstd") != 0)
        return error_set(err, STATUS_UNSUPPORTED, "Content-Encoding is gzip, zstd or none");
    st = unpack(out, data, len, max_raw(s), err);
    if (st == STATUS_OK && out->is_cut) {
        *err = out->why;
        unpack_deinit(out);
        return error_set(err, STATUS_CORRUPT, "the packed body breaks off");
    }
    return st;
}

static const char *sender(struct http_request *r)
{
    const char *agent = http_header(r, "User-Agent");
    return agent && strlen(agent) < 200 ? agent : "";
}

/* ---- Pyroscope ---- */

static enum status push_pyroscope(struct api_server *s, struct http_request *r,
                                  const struct pyroscope_labels *labels, const uint8_t *data,
                                  size_t len, uint64_t begin_unix_ns, struct error *err)
{
    struct format_options options = {.max_raw_bytes = max_raw(s)};
    struct push_label copies[PYROSCOPE_MAX_LABELS];
    struct profile *profile;
    char id[24];
    enum status st = format_load(data, len, labels->name, &options, &profile, err);
    if (st != STATUS_OK)
        return st;
    for (size_t i = 0; i < labels->len; i++)
        copies[i] = (struct push_label){labels->items[i].key, labels->items[i].value};
    struct push_piece piece = {
        .name = *labels->name ? labels->name : "unknown_service",
        .producer = sender(r),
        .format = "pyroscope",
        .labels = copies,
        .labels_len = labels->len,
        .begin_unix_ns = begin_unix_ns ? begin_unix_ns : profile->start_unix_ns,
        .profile = profile,
    };
    st = push_add(s->push, &piece, id, err);
    profile_free(profile);
    return st;
}

/* Seconds, or as many digits more as finer units have. */
static uint64_t read_time(const char *text)
{
    size_t len = text ? strlen(text) : 0;
    if (len == 0 || len > 19 || strspn(text, "0123456789") != len)
        return 0;
    uint64_t value = strtoull(text, NULL, 10);
    for (size_t digits = len <= 10 ? 9 : len <= 13 ? 6 : len <= 16 ? 3 : 0; digits > 0; digits--)
        value *= 10;
    return value;
}

/* "a;b\n" once for each sample: as folded, each counting one. */
static enum status count_lines(struct http_request *r, const uint8_t **data, size_t *len,
                               struct error *err)
{
    struct buf folded;
    buf_init(&folded, 0);
    for (const uint8_t *at = *data, *end = *data + *len; at < end;) {
        const uint8_t *newline = memchr(at, '\n', (size_t)(end - at));
        size_t n = newline ? (size_t)(newline - at) : (size_t)(end - at);
        if (n > 0) {
            buf_put(&folded, at, n);
            buf_put_text(&folded, " 1\n");
        }
        at += n + (newline != NULL);
    }
    char *copy = buf_status(&folded) == STATUS_OK
                     ? arena_copy(http_arena(r), (const char *)folded.data, folded.len)
                     : NULL;
    *len = folded.len;
    buf_deinit(&folded);
    if (!copy)
        return error_set(err, STATUS_NO_MEMORY, "no memory for the profile");
    *data = (const uint8_t *)copy;
    return STATUS_OK;
}

/* The part "profile" of a form, else the body. */
static enum status choose_profile(struct http_request *r, struct unpacked *body, struct error *err)
{
    const char *type = http_header(r, "Content-Type");
    const char *format = http_query(r, "format");
    const uint8_t *data = body->data;
    size_t len = body->len;
    enum status st = STATUS_OK;
    if (type && strncasecmp(type, "multipart/", 10) == 0) {
        struct http_field fields[HTTP_MAX_FIELDS];
        size_t n = 0;
        const struct http_field *found = NULL;
        st = http_read_fields(r, body->data, body->len, fields, &n, err);
        for (size_t i = 0; i < n; i++) {
            if (strcmp(fields[i].name, "prev_profile") == 0)
                return error_set(err, STATUS_UNSUPPORTED,
                                 "prev_profile: only profiles of what is new are taken");
            if (strcmp(fields[i].name, "profile") == 0)
                found = &fields[i];
        }
        if (st == STATUS_OK && !found)
            st = error_set(err, STATUS_INVALID, "the form has no part \"profile\"");
        if (st == STATUS_OK) {
            data = found->data;
            len = found->len;
        }
    }
    if (st == STATUS_OK && format &&
        (strcmp(format, "trie") == 0 || strcmp(format, "tree") == 0 || strcmp(format, "jfr") == 0))
        st = error_set(err, STATUS_UNSUPPORTED, "format=%s is not read", format);
    if (st == STATUS_OK && format && strcmp(format, "lines") == 0)
        st = count_lines(r, &data, &len, err);
    body->data = data;
    body->len = len;
    return st;
}

/* POST /ingest?name=shop.cpu{region=eu}&from=...&format=pprof */
void api_ingest(struct http_request *r, void *ctx)
{
    struct api_server *s = ctx;
    struct error err = {0};
    struct pyroscope_labels labels;
    struct unpacked body = {0};
    const char *name = http_query(r, "name");
    enum status st = pyroscope_read_name(&labels, name ? name : "", http_arena(r), &err);
    if (st != STATUS_OK) {
        http_fail(r, &err);
        return;
    }
    st = read_packed(s, r, &body, &err);
    if (st == STATUS_OK)
        st = choose_profile(r, &body, &err);
    if (st == STATUS_OK)
        st = push_pyroscope(s, r, &labels, body.data, body.len, read_time(http_query(r, "from")),
                            &err);
    unpack_deinit(&body);
    if (st == STATUS_OK)
        http_reply(r, 200, NULL, NULL, 0);
    else
        fail_push(r, st, &err);
}

/* POST /push.v1.PusherService/Push: what the SDKs of today send (Connect, unary). */
void api_push(struct http_request *r, void *ctx)
{
    struct api_server *s = ctx;
    struct error err = {0};
    struct unpacked body = {0};
    const struct pyroscope_sample *samples = NULL;
    size_t len = 0;
    enum status st = read_packed(s, r, &body, &err);
    if (st == STATUS_OK)
        st = pyroscope_read_push(&samples, &len, body.data, body.len, http_arena(r), &err);
    for (size_t i = 0; i < len && st == STATUS_OK; i++)
        st = push_pyroscope(s, r, samples[i].labels, samples[i].data, samples[i].len, 0, &err);
    unpack_deinit(&body);
    if (st == STATUS_OK)
        http_reply(r, 200, "application/proto", NULL, 0);
    else
        fail_push(r, st, &err);
}

/* ---- OpenTelemetry ---- */

static enum status push_resource(struct api_server *s, struct http_request *r,
                                 const struct otlp_resource *resource, struct error *err)
{
    struct push_label labels[OTLP_MAX_ATTRIBUTES];
    char id[24];
    for (size_t i = 0; i < resource->attributes_len; i++)
        labels[i] = (struct push_label){resource->attributes[i].key, resource->attributes[i].value};
    struct push_piece piece = {
        .name = resource->name,
        .producer = sender(r),
        .format = "otlp",
        .labels = labels,
        .labels_len = resource->attributes_len,
        .begin_unix_ns = resource->begin_unix_ns,
        .profile = resource->profile,
    };
    return push_add(s->push, &piece, id, err);
}

/* POST /v1development/profiles */
void api_otlp(struct http_request *r, void *ctx)
{
    struct api_server *s = ctx;
    struct error err = {0};
    struct unpacked body = {0};
    struct otlp_request request = {0};
    enum status st = read_packed(s, r, &body, &err);
    if (st == STATUS_OK)
        st = otlp_read(&request, body.data, body.len, &err);
    for (size_t i = 0; i < request.resources_len && st == STATUS_OK; i++)
        st = push_resource(s, r, &request.resources[i], &err);
    otlp_free(&request);
    unpack_deinit(&body);
    if (st == STATUS_OK)
        http_reply(r, 200, "application/x-protobuf", NULL, 0);
    else
        http_fail_as(r, st == STATUS_CORRUPT ? 400 : http_code(st), &err, NULL);
}
