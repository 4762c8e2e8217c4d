/* DHAT's JSON (valgrind --tool=dhat, version 2; also Rust's dhat crate): program points with what
 * was allocated, alive at the peak and at the end, read and written. */

#include <stdlib.h>
#include <string.h>

#include "backend/formats/builder.h"
#include "backend/formats/format.h"
#include "backend/formats/json_head.h"
#include "backend/formats/json_in.h"
#include "common/base/array.h"

/* The value types, in order; "tb" and so on are the file's names for them. */
static const struct {
    const char *key, *name, *unit;
} amounts[] = {
    {"tb", "allocated", "bytes"}, {"tbk", "allocations", "count"},
    {"gb", "at peak", "bytes"},   {"gbk", "blocks at peak", "count"},
    {"eb", "at end", "bytes"},    {"ebk", "blocks at end", "count"},
    {"rb", "read", "bytes"},      {"wb", "written", "bytes"},
};
enum { AMOUNTS = sizeof(amounts) / sizeof(amounts[0]) };

struct reader {
    struct json_in json;
    struct builder build;
    uint32_t *frames, *path;
    size_t frames_len, frames_cap, path_cap;
    const uint8_t *points, *table;
    bool has_version;
    char unit[32];
};

/* "0x109357: keep (work.c:11)", "0x48417B4: malloc (in /usr/lib/x.so)", "[0x55..]: f (a.rs:1:2)" */
static uint32_t parse_frame(struct reader *r, struct text t)
{
    struct builder *b = &r->build;
    struct wire_function f = {.kind = WIRE_NATIVE};
    struct text rest = t;
    struct text place = {"", 0};
    uint64_t number = 0;
    uint64_t line = 0;
    const char *colon = memmem(t.data, t.len, ": ", 2);
    if (colon && (text_starts(t, "0x") || text_starts(t, "[0x")))
        rest = (struct text){colon + 2, (size_t)(t.data + t.len - colon) - 2};
    const char *open =
        rest.len && rest.data[rest.len - 1] == ')' ? memrchr(rest.data, '(', rest.len) : NULL;
    if (open && open > rest.data) {
        place = (struct text){open + 1, (size_t)(rest.data + rest.len - open) - 2};
        rest.len = (size_t)(open - rest.data) - 1;
    }
    if (text_skip(&place, "in ")) {
        f.module = builder_string(b, place);
    } else {
        struct text behind;
        struct text cut = place;
        while (text_cut_last(&cut, ':', &behind) && text_u64(behind, &number)) {
            line = number;
            place = cut;
        }
        f.file = builder_string(b, place);
    }
    f.name = builder_string(b, rest);
    uint32_t function = 0;
    if (!b->failed)
        builder_check(b, tables_function(&b->profile->tables, &f, &function));
    return builder_frame(b, function, line <= UINT32_MAX ? (uint32_t)line : 0, 0);
}

static void read_frames(struct reader *r)
{
    struct json_in *j = &r->json;
    json_in_return(j, r->table);
    if (!json_in_array(j))
        return;
    while (json_in_item(j)) {
        if (!array_reserve(&r->frames, &r->frames_cap, r->frames_len + 1)) {
            json_in_check(j, STATUS_NO_MEMORY);
            return;
        }
        r->frames[r->frames_len++] = parse_frame(r, json_in_string(j));
    }
}

/* fs: frame numbers, innermost first. */
static uint32_t read_stack(struct reader *r)
{
    struct json_in *j = &r->json;
    size_t depth = 0;
    if (!json_in_array(j))
        return 0;
    while (json_in_item(j)) {
        uint32_t index = json_in_u32(j);
        if (index >= r->frames_len)
            json_in_fail(j, STATUS_INVALID, "frame %u of %zu", index, r->frames_len);
        else if (!array_reserve(&r->path, &r->path_cap, depth + 1))
            json_in_check(j, STATUS_NO_MEMORY);
        else
            r->path[depth++] = r->frames[index];
    }
    uint32_t stack = 0;
    while (depth > 0 && !json_in_status(j))
        stack = builder_stack(&r->build, stack, r->path[--depth]);
    return stack;
}

static void read_point(struct reader *r, uint32_t set)
{
    struct json_in *j = &r->json;
    struct text key;
    int64_t values[AMOUNTS] = {0};
    struct profile_sample sample = {.time_ns = UINT64_MAX, .values = values};
    bool has_total = false;
    bool has_stack = false;
    if (!json_in_object(j))
        return;
    while (json_in_key(j, &key)) {
        size_t i = 0;
        while (i < AMOUNTS && !text_equal(key, amounts[i].key))
            i++;
        if (i < AMOUNTS) {
            values[i] = json_in_i64(j);
            has_total = has_total || i == 0;
            if (values[i] < 0)
                json_in_fail(j, STATUS_INVALID, "a negative amount");
        } else if (text_equal(key, "fs")) {
            sample.stack = read_stack(r);
            has_stack = true;
        } else {
            json_in_skip(j);
        }
    }
    if (!has_total || !has_stack)
        json_in_fail(j, STATUS_INVALID, "a program point without tb or fs");
    if (!json_in_status(j))
        builder_sample(&r->build, set, &sample);
}

static void read_points(struct reader *r)
{
    struct json_in *j = &r->json;
    uint32_t set = 0;
    uint32_t column = 0;
    builder_check(&r->build, profile_add_set(r->build.profile, "heap", 0, &set));
    for (size_t i = 0; i < AMOUNTS && !r->build.failed; i++) {
        bool is_ad_hoc = i == 0 && r->unit[0];
        builder_check(&r->build, profile_add_value_type(
                                     r->build.profile, set, is_ad_hoc ? r->unit : amounts[i].name,
                                     is_ad_hoc ? "count" : amounts[i].unit, &column));
    }
    json_in_return(j, r->points);
    if (!json_in_array(j))
        return;
    while (json_in_item(j))
        read_point(r, set);
}

static void add_argument(struct reader *r, struct text text)
{
    struct profile *p = r->build.profile;
    if (!array_reserve(&p->argv, &p->argv_cap, p->argv_len + 1))
        json_in_check(&r->json, STATUS_NO_MEMORY);
    else
        p->argv[p->argv_len++] = builder_string(&r->build, text);
}

static void read_top(struct reader *r)
{
    struct json_in *j = &r->json;
    struct profile *p = r->build.profile;
    struct text key;
    if (!json_in_object(j))
        return;
    while (json_in_key(j, &key)) {
        if (text_equal(key, "dhatFileVersion")) {
            int64_t version = json_in_i64(j);
            r->has_version = true;
            if (version != 2)
                json_in_fail(j, STATUS_UNSUPPORTED, "version %lld is not known",
                             (long long)version);
        } else if (text_equal(key, "mode") && json_in_peek(j) == JSON_STRING) {
            builder_set_text(&r->build, &p->mode, json_in_string(j));
        } else if (text_equal(key, "cmd") && json_in_peek(j) == JSON_STRING) {
            add_argument(r, json_in_string(j));
        } else if (text_equal(key, "pid") && json_in_peek(j) == JSON_NUMBER) {
            p->pid = json_in_u32(j);
        } else if (text_equal(key, "pps")) {
            r->points = json_in_mark(j);
        } else if (text_equal(key, "ftbl")) {
            r->table = json_in_mark(j);
        } else if (text_equal(key, "bsu") && json_in_peek(j) == JSON_STRING) {
            struct text unit = json_in_string(j); /* ad hoc profiles name what they count */
            size_t n = unit.len < sizeof(r->unit) ? unit.len : sizeof(r->unit) - 1;
            memcpy(r->unit, unit.data, n);
        } else {
            json_in_skip(j);
        }
    }
    json_in_finish(j);
    if (!r->has_version || !r->points || !r->table)
        json_in_fail(j, STATUS_INVALID, "no dhatFileVersion, pps or ftbl");
}

static enum status dhat_read(const struct format_input *in, const struct format_options *options,
                             struct profile *out, struct error *err)
{
    (void)options;
    struct reader r = {0};
    builder_begin(&r.build, &r.json, in, out, err);
    read_top(&r);
    if (!json_in_status(&r.json))
        read_frames(&r);
    if (!json_in_status(&r.json))
        read_points(&r);
    free(r.frames);
    free(r.path);
    return builder_end(&r.build);
}

static int dhat_detect(const struct json_head *h)
{
    return json_head_kind(h, "dhatFileVersion") == JSON_NUMBER ? 100 : 0;
}

const struct format format_dhat = {
    .name = "dhat",
    .title = "DHAT heap profile",
    .extensions = "json",
    .detect_json = dhat_detect,
    .read = dhat_read,
};
