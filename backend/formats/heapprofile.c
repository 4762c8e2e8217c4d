/* V8 sampling heap profiles (Chrome DevTools Protocol, HeapProfiler.SamplingHeapProfile): a tree of
 * nodes with the bytes that are still in use. */

#include "backend/formats/builder.h"
#include "backend/formats/format.h"
#include "backend/formats/json_head.h"
#include "backend/formats/json_in.h"
#include "backend/formats/v8_nodes.h"

struct reader {
    struct json_in json;
    struct builder build;
    struct v8_nodes nodes;
    bool has_nodes;
};

static void read_heap(struct reader *r)
{
    struct json_in *j = &r->json;
    struct text key;
    if (!json_in_object(j))
        return;
    while (json_in_key(j, &key)) {
        if (text_equal(key, "head")) {
            v8_nodes_read(&r->nodes, j, &r->build);
            r->has_nodes = true;
        } else {
            json_in_skip(j); /* "samples" say the same again, without what was freed meanwhile */
        }
    }
    json_in_finish(j);
    if (!r->has_nodes)
        json_in_fail(j, STATUS_INVALID, "no head");
    uint32_t set = builder_set(&r->build, "heap", "in_use", "bytes");
    for (size_t i = 0; i < r->nodes.len && !json_in_status(j); i++) {
        struct profile_sample sample = {.time_ns = UINT64_MAX};
        sample.values = &r->nodes.items[i].self_bytes;
        if (r->nodes.items[i].self_bytes &&
            v8_nodes_place(&r->nodes, &r->build, (uint32_t)i, &sample.stack))
            builder_sample(&r->build, set, &sample);
    }
}

static enum status heapprofile_read(const struct format_input *in,
                                    const struct format_options *options, struct profile *out,
                                    struct error *err)
{
    (void)options;
    struct reader r = {0};
    builder_begin(&r.build, &r.json, in, out, err);
    v8_nodes_init(&r.nodes);
    read_heap(&r);
    v8_nodes_deinit(&r.nodes);
    return builder_end(&r.build);
}

static int heapprofile_detect(const struct json_head *h)
{
    bool is_heap = json_head_kind(h, "head") == JSON_OBJECT &&
                   json_head_holds(h, "\"callFrame\"") && json_head_holds(h, "\"selfSize\"");
    return is_heap ? 95 : 0;
}

const struct format format_heapprofile = {
    .name = "heapprofile",
    .title = "V8 sampling heap profile",
    .extensions = "heapprofile",
    .detect_json = heapprofile_detect,
    .read = heapprofile_read,
};
