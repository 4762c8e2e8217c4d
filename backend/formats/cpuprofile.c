/* V8 CPU profiles (Chrome DevTools Protocol, Profiler.Profile), today's flat shape and the nested
 * one of before Chrome 58. */

#include <stdlib.h>

#include "backend/formats/builder.h"
#include "backend/formats/format.h"
#include "backend/formats/json_head.h"
#include "backend/formats/json_in.h"
#include "backend/formats/v8_nodes.h"
#include "backend/formats/v8_samples.h"

struct reader {
    struct json_in json;
    struct builder build;
    struct v8_nodes nodes;
    struct v8_samples samples;
    bool has_nodes, has_samples, has_deltas;
    const uint8_t *timestamps; /* mark */
    double start, end;
    bool is_in_seconds; /* the nested shape */
};

static void read_top(struct reader *r)
{
    struct json_in *j = &r->json;
    struct text key;
    if (!json_in_object(j))
        return;
    while (json_in_key(j, &key)) {
        if (text_equal(key, "nodes")) {
            v8_nodes_read_array(&r->nodes, j, &r->build);
            r->has_nodes = true;
        } else if (text_equal(key, "head")) {
            v8_nodes_read(&r->nodes, j, &r->build);
            r->has_nodes = true;
            r->is_in_seconds = true;
        } else if (text_equal(key, "startTime")) {
            r->start = json_in_f64(j);
        } else if (text_equal(key, "endTime")) {
            r->end = json_in_f64(j);
        } else if (text_equal(key, "samples") && json_in_peek(j) == JSON_ARRAY) {
            v8_samples_read_nodes(&r->samples, j);
            r->has_samples = true;
        } else if (text_equal(key, "timeDeltas") && json_in_peek(j) == JSON_ARRAY) {
            v8_samples_read_deltas(&r->samples, j);
            r->has_deltas = true;
        } else if (text_equal(key, "timestamps") && json_in_peek(j) == JSON_ARRAY) {
            r->timestamps = json_in_mark(j);
        } else {
            json_in_skip(j);
        }
    }
    json_in_finish(j);
    if (!r->has_nodes || r->nodes.len == 0)
        json_in_fail(j, STATUS_INVALID, "no nodes");
}

/* Without times the counts at the nodes are all there is. */
static void add_hits(struct reader *r)
{
    uint32_t set = builder_set(&r->build, "cpu", "samples", "count");
    for (size_t i = 0; i < r->nodes.len && !json_in_status(&r->json); i++) {
        struct profile_sample sample = {.time_ns = UINT64_MAX};
        int64_t hits = r->nodes.items[i].hits;
        sample.values = &hits;
        if (hits && v8_nodes_place(&r->nodes, &r->build, (uint32_t)i, &sample.stack))
            builder_sample(&r->build, set, &sample);
    }
}

static void add_samples(struct reader *r)
{
    struct json_in *j = &r->json;
    double scale = r->is_in_seconds ? 1e9 : 1e3;
    if (r->timestamps && !r->has_deltas && r->start > -1e15 && r->start < 1e15) {
        json_in_return(j, r->timestamps);
        v8_samples_read_timestamps(&r->samples, j, (int64_t)(r->start * scale / 1e3));
        r->has_deltas = true;
    }
    if (!r->has_samples || !r->has_deltas) {
        add_hits(r);
        return;
    }
    if (r->samples.deltas_len != r->samples.nodes_len)
        builder_check(&r->build,
                      profile_add_warning(r->build.profile, "times",
                                          "%zu times for %zu samples: missing ones count as 0",
                                          r->samples.deltas_len, r->samples.nodes_len));
    uint32_t set = builder_set(&r->build, "cpu", "time", "ns");
    v8_samples_add(&r->samples, &r->nodes, &r->build, set, 0, 0);
    double duration = (r->end - r->start) * scale;
    if (duration > 0 && duration < 9e18)
        r->build.profile->duration_ns = (uint64_t)duration;
}

static enum status cpuprofile_read(const struct format_input *in,
                                   const struct format_options *options, struct profile *out,
                                   struct error *err)
{
    (void)options;
    struct reader r = {0};
    builder_begin(&r.build, &r.json, in, out, err);
    v8_nodes_init(&r.nodes);
    read_top(&r);
    if (!json_in_status(&r.json))
        add_samples(&r);
    v8_nodes_deinit(&r.nodes);
    v8_samples_deinit(&r.samples);
    return builder_end(&r.build);
}

static int cpuprofile_detect(const struct json_head *h)
{
    if (json_head_kind(h, "nodes") == JSON_ARRAY) {
        if (json_head_kind(h, "timeDeltas") == JSON_ARRAY || json_head_holds(h, "\"callFrame\"") ||
            json_head_kind(h, "startTime") == JSON_NUMBER)
            return 90;
    }
    bool is_old = json_head_kind(h, "head") == JSON_OBJECT && json_head_holds(h, "\"hitCount\"");
    return is_old ? 90 : 0;
}

const struct format format_cpuprofile = {
    .name = "cpuprofile",
    .title = "V8 CPU profile",
    .extensions = "cpuprofile",
    .detect_json = cpuprofile_detect,
    .read = cpuprofile_read,
};
