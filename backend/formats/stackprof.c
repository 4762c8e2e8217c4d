/* stackprof's JSON (github.com/tmm1/stackprof, Ruby): frames by id, and stacks as one long list
 * "depth, ids from the outermost, how often". */

#include <stdlib.h>
#include <string.h>

#include "backend/formats/builder.h"
#include "backend/formats/format.h"
#include "backend/formats/json_head.h"
#include "backend/formats/json_in.h"
#include "common/base/array.h"
#include "common/base/map.h"

struct reader {
    struct json_in json;
    struct builder build;
    struct map by_id; /* the file's id -> frame */
    const uint8_t *frames, *raw, *deltas;
    int64_t *deltas_us;
    size_t deltas_len, deltas_cap;
    int64_t interval;
    bool is_time;
    uint32_t set;
};

static void read_frame(struct reader *r, struct text id_text, bool with_samples)
{
    struct json_in *j = &r->json;
    struct text key;
    struct wire_function f = {0};
    uint64_t id = 0;
    int64_t samples = 0;
    if (!text_u64(id_text, &id))
        json_in_fail(j, STATUS_INVALID, "a frame whose id is not a number");
    if (!json_in_object(j))
        return;
    while (json_in_key(j, &key)) {
        if (json_in_null(j))
            continue;
        if (text_equal(key, "name"))
            f.name = builder_string(&r->build, json_in_string(j));
        else if (text_equal(key, "file"))
            f.file = builder_string(&r->build, json_in_string(j));
        else if (text_equal(key, "line"))
            f.line = json_in_u32(j);
        else if (text_equal(key, "samples"))
            samples = json_in_u32(j);
        else
            json_in_skip(j);
    }
    uint32_t frame = builder_frame(&r->build, builder_function(&r->build, f), 0, 0);
    if (!json_in_status(j) && !map_put(&r->by_id, id, frame))
        json_in_check(j, STATUS_NO_MEMORY);
    if (with_samples && samples) {
        int64_t values[2] = {samples, samples * r->interval};
        struct profile_sample sample = {.time_ns = UINT64_MAX, .values = values};
        sample.stack = builder_stack(&r->build, 0, frame);
        builder_sample(&r->build, r->set, &sample);
    }
}

static void read_frames(struct reader *r)
{
    struct json_in *j = &r->json;
    struct text key;
    json_in_return(j, r->frames);
    if (!json_in_object(j))
        return;
    while (json_in_key(j, &key))
        read_frame(r, key, r->raw == NULL);
}

static void read_deltas(struct reader *r)
{
    struct json_in *j = &r->json;
    json_in_return(j, r->deltas);
    if (!json_in_array(j))
        return;
    while (json_in_item(j)) {
        int64_t delta = json_in_u32(j);
        if (!array_reserve(&r->deltas_us, &r->deltas_cap, r->deltas_len + 1)) {
            json_in_check(j, STATUS_NO_MEMORY);
            return;
        }
        r->deltas_us[r->deltas_len++] = delta;
    }
}

/* The time of `count` samples, from their own clock where the file has it. */
static int64_t time_of(const struct reader *r, size_t first, uint32_t count)
{
    if (first >= r->deltas_len || count > r->deltas_len - first)
        return (int64_t)count * r->interval;
    int64_t sum_us = 0;
    for (size_t i = 0; i < count; i++)
        sum_us += r->deltas_us[first + i];
    return sum_us * 1000;
}

static void read_raw(struct reader *r)
{
    struct json_in *j = &r->json;
    size_t done = 0;
    uint64_t now_ns = 0;
    json_in_return(j, r->raw);
    if (!json_in_array(j))
        return;
    while (json_in_item(j)) {
        uint32_t depth = json_in_u32(j);
        uint32_t stack = 0;
        for (uint32_t i = 0; i < depth && json_in_item(j); i++) {
            int64_t id = json_in_i64(j);
            const uint32_t *frame = map_find(&r->by_id, (uint64_t)id);
            if (!frame)
                json_in_fail(j, STATUS_INVALID, "a stack with frame %lld, which is not there",
                             (long long)id);
            else
                stack = builder_stack(&r->build, stack, *frame);
        }
        if (json_in_status(j))
            return;
        if (!json_in_item(j)) {
            json_in_fail(j, STATUS_INVALID, "raw ends in the middle of a stack");
            return;
        }
        uint32_t count = json_in_u32(j);
        int64_t values[2] = {count, r->is_time ? time_of(r, done, count) : 0};
        struct profile_sample sample = {
            .time_ns = r->is_time ? now_ns : UINT64_MAX, .stack = stack, .values = values};
        now_ns += (uint64_t)values[1];
        done += count;
        builder_sample(&r->build, r->set, &sample);
    }
}

static void read_top(struct reader *r)
{
    struct json_in *j = &r->json;
    struct profile *p = r->build.profile;
    struct text key;
    if (!json_in_object(j))
        return;
    while (json_in_key(j, &key)) {
        enum json_kind kind = json_in_peek(j);
        if (text_equal(key, "mode") && kind == JSON_STRING) {
            struct text mode = json_in_string(j);
            r->is_time = text_equal(mode, "cpu") || text_equal(mode, "wall");
            builder_set_text(&r->build, &p->mode, mode);
        } else if (text_equal(key, "interval") && kind == JSON_NUMBER) {
            r->interval = (int64_t)json_in_u32(j) * 1000; /* microseconds, when it is a time */
        } else if (text_equal(key, "gc_samples") && kind == JSON_NUMBER) {
            builder_check(&r->build, profile_set_counter(p, "gc_samples", json_in_u32(j)));
        } else if (text_equal(key, "missed_samples") && kind == JSON_NUMBER) {
            builder_check(&r->build, profile_set_counter(p, "missed", json_in_u32(j)));
        } else if (text_equal(key, "frames")) {
            r->frames = json_in_mark(j);
        } else if (text_equal(key, "raw") && kind == JSON_ARRAY) {
            r->raw = json_in_mark(j);
        } else if (text_equal(key, "raw_timestamp_deltas") && kind == JSON_ARRAY) {
            r->deltas = json_in_mark(j);
        } else {
            json_in_skip(j);
        }
    }
    json_in_finish(j);
    if (!r->frames)
        json_in_fail(j, STATUS_INVALID, "no frames");
}

static void read_data(struct reader *r)
{
    uint32_t column = 0;
    r->set = builder_set(&r->build, "samples", "samples", "count");
    if (r->is_time && !r->build.failed)
        builder_check(&r->build,
                      profile_add_value_type(r->build.profile, r->set, "time", "ns", &column));
    read_frames(r);
    if (r->deltas && r->is_time && !json_in_status(&r->json))
        read_deltas(r);
    if (r->raw && !json_in_status(&r->json))
        read_raw(r);
}

static enum status stackprof_read(const struct format_input *in,
                                  const struct format_options *options, struct profile *out,
                                  struct error *err)
{
    (void)options;
    struct reader r = {0};
    builder_begin(&r.build, &r.json, in, out, err);
    map_init(&r.by_id);
    read_top(&r);
    if (!json_in_status(&r.json))
        read_data(&r);
    map_deinit(&r.by_id);
    free(r.deltas_us);
    return builder_end(&r.build);
}

static int stackprof_detect(const struct json_head *h)
{
    bool is_it = json_head_kind(h, "mode") == JSON_STRING &&
                 json_head_kind(h, "missed_samples") == JSON_NUMBER &&
                 json_head_kind(h, "gc_samples") == JSON_NUMBER;
    return is_it ? 90 : 0;
}

const struct format format_stackprof = {
    .name = "stackprof",
    .title = "stackprof",
    .extensions = "json",
    .detect_json = stackprof_detect,
    .read = stackprof_read,
};
