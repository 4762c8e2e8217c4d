#include "backend/formats/pyroscope.h"

#include <string.h>

#include "backend/formats/pb_in.h"

/* Texts of others become C strings here: what is not printable is replaced. */
static const char *copy(struct arena *arena, const char *data, size_t len)
{
    char *text = arena_copy(arena, data ? data : "", len);
    for (size_t i = 0; text && i < len; i++) {
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            text[i] = '?';
    }
    return text;
}

static enum status no_memory(struct error *err)
{
    return error_set(err, STATUS_NO_MEMORY, "no memory for the request");
}

/* service_name is the program; names with two underscores are the SDK's own (__name__ = the kind of
 * profile), so that CPU and memory of one program come together. */
static enum status add_label(struct pyroscope_labels *l, const char *key, const char *value,
                             struct error *err)
{
    if (!key || !value)
        return no_memory(err);
    if (strcmp(key, "service_name") == 0) {
        l->name = value;
        return STATUS_OK;
    }
    if (strncmp(key, "__", 2) == 0 || !*key)
        return STATUS_OK;
    if (l->len == PYROSCOPE_MAX_LABELS)
        return error_set(err, STATUS_TOO_LARGE, "more than %d labels", PYROSCOPE_MAX_LABELS);
    l->items[l->len].key = key;
    l->items[l->len++].value = value;
    return STATUS_OK;
}

enum status pyroscope_read_name(struct pyroscope_labels *out, const char *text, struct arena *arena,
                                struct error *err)
{
    size_t name_len = strcspn(text, "{");
    *out = (struct pyroscope_labels){.name = copy(arena, text, name_len)};
    enum status st = out->name ? STATUS_OK : no_memory(err);
    if (name_len == 0 || name_len > 1000)
        return error_set(err, STATUS_INVALID, "name is a text such as shop.cpu{region=eu}");
    const char *at = text + name_len + (text[name_len] == '{');
    while (st == STATUS_OK && *at && *at != '}') {
        size_t len = strcspn(at, ",}");
        const char *equals = memchr(at, '=', len);
        if (!equals)
            return error_set(err, STATUS_INVALID, "a label of the name has no value");
        size_t key_len = (size_t)(equals - at);
        st = add_label(out, copy(arena, at, key_len), copy(arena, equals + 1, len - key_len - 1),
                       err);
        at += len + (at[len] == ',');
    }
    return st;
}

/* ---- push.v1.PushRequest ---- */

struct reader {
    struct pb_in top;
    struct arena *arena;
    struct error *err;
    struct pyroscope_sample *samples;
    size_t len;
    enum status failed;
};

static bool fail(struct reader *r, enum status status)
{
    if (!r->failed)
        r->failed = status;
    return false;
}

static bool read_label(struct reader *r, const struct pb_in *outer, const struct pb_field *message,
                       struct pyroscope_labels *labels)
{
    struct pb_in in;
    struct pb_field f;
    const char *key = "";
    const char *value = "";
    pb_in_inside(&in, outer, message);
    while (pb_in_next(&in, &f)) {
        if (f.number == 1 && f.wire == PB_BYTES)
            key = copy(r->arena, (const char *)f.data, f.len);
        else if (f.number == 2 && f.wire == PB_BYTES)
            value = copy(r->arena, (const char *)f.data, f.len);
    }
    if (in.failed)
        return fail(r, in.failed);
    enum status st = add_label(labels, key, value, r->err);
    return st == STATUS_OK || fail(r, st);
}

static bool read_sample(struct reader *r, const struct pb_in *outer, const struct pb_field *message,
                        const struct pyroscope_labels *labels)
{
    struct pb_in in;
    struct pb_field f;
    pb_in_inside(&in, outer, message);
    while (pb_in_next(&in, &f)) {
        if (f.number != 1 || f.wire != PB_BYTES)
            continue;
        if (r->len == PYROSCOPE_MAX_SAMPLES)
            return fail(r, error_set(r->err, STATUS_TOO_LARGE, "more than %d profiles at once",
                                     PYROSCOPE_MAX_SAMPLES));
        r->samples[r->len++] = (struct pyroscope_sample){labels, f.data, f.len};
    }
    return !in.failed || fail(r, in.failed);
}

static bool read_series(struct reader *r, const struct pb_field *message)
{
    struct pb_in in;
    struct pb_field f;
    struct pyroscope_labels *labels = arena_alloc(r->arena, sizeof(*labels));
    if (!labels)
        return fail(r, no_memory(r->err));
    labels->name = "";
    pb_in_inside(&in, &r->top, message);
    while (pb_in_next(&in, &f)) {
        bool is_well = true;
        if (f.number == 1 && f.wire == PB_BYTES)
            is_well = read_label(r, &in, &f, labels);
        else if (f.number == 2 && f.wire == PB_BYTES)
            is_well = read_sample(r, &in, &f, labels);
        if (!is_well)
            return false;
    }
    return !in.failed || fail(r, in.failed);
}

enum status pyroscope_read_push(const struct pyroscope_sample **samples, size_t *samples_len,
                                const uint8_t *data, size_t len, struct arena *arena,
                                struct error *err)
{
    struct reader r = {.arena = arena, .err = err};
    struct pb_field f;
    pb_in_init(&r.top, data, len, err);
    r.samples = arena_take(arena, PYROSCOPE_MAX_SAMPLES * sizeof(*r.samples));
    if (!r.samples)
        return no_memory(err);
    while (!r.failed && pb_in_next(&r.top, &f)) {
        if (f.number == 1 && f.wire == PB_BYTES)
            read_series(&r, &f);
    }
    enum status st = r.failed ? r.failed : r.top.failed;
    if (st != STATUS_OK)
        return st;
    *samples = r.samples;
    *samples_len = r.len;
    return STATUS_OK;
}
