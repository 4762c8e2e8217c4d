/* Hermes writes samples and their frames beside the events. */

#include "backend/formats/trace_read.h"

static void read_stack_frame(struct trace_reader *r, struct v8_nodes *nodes, uint64_t id)
{
    struct json_in *j = &r->json;
    struct text key;
    struct wire_function f = {0};
    uint64_t parent = 0;
    if (!json_in_object(j))
        return;
    while (json_in_key(j, &key)) {
        if (text_equal(key, "name"))
            f.name = builder_string(&r->build, json_in_string(j));
        else if (text_equal(key, "category") && json_in_peek(j) == JSON_STRING)
            f.module = builder_string(&r->build, json_in_string(j));
        else if (text_equal(key, "parent"))
            parent = (uint64_t)trace_read_number(j).i64;
        else
            json_in_skip(j);
    }
    v8_nodes_put(nodes, j, id, parent,
                 builder_frame(&r->build, builder_function(&r->build, f), 0, 0));
}

static void read_hermes_sample(struct trace_reader *r, struct v8_nodes *nodes, uint32_t set)
{
    struct json_in *j = &r->json;
    struct text key;
    struct profile_sample sample = {0};
    int64_t weight = 1;
    int64_t at_ns = 0;
    uint32_t pid = 0;
    uint32_t tid = 0;
    uint64_t node = 0;
    if (!json_in_object(j))
        return;
    while (json_in_key(j, &key)) {
        if (text_equal(key, "ts"))
            at_ns = trace_to_ns(r, trace_read_number(j));
        else if (text_equal(key, "weight"))
            weight = trace_read_number(j).i64;
        else if (text_equal(key, "sf"))
            node = (uint64_t)trace_read_number(j).i64;
        else if (text_equal(key, "pid"))
            pid = trace_read_id(r);
        else if (text_equal(key, "tid"))
            tid = trace_read_id(r);
        else
            json_in_skip(j);
    }
    sample.values = &weight;
    if (json_in_status(j) || !v8_nodes_stack(nodes, &r->build, node, &sample.stack))
        return;
    uint32_t track = trace_tracks_find(&r->tracks, j, pid, tid);
    sample.thread = trace_tracks_thread(&r->tracks, &r->build, track);
    sample.time_ns = at_ns < r->base_ns ? 0 : (uint64_t)(at_ns - r->base_ns);
    builder_sample(&r->build, set, &sample);
}

void trace_read_hermes(struct trace_reader *r)
{
    struct json_in *j = &r->json;
    struct v8_nodes nodes;
    struct text key;
    v8_nodes_init(&nodes);
    json_in_return(j, r->stack_frames);
    json_in_object(j);
    while (json_in_key(j, &key)) {
        uint64_t id = 0;
        if (!text_u64(key, &id))
            json_in_fail(j, STATUS_INVALID, "a stack frame whose id is not a number");
        read_stack_frame(r, &nodes, id);
    }
    uint32_t set = builder_set(&r->build, "samples", "samples", "count");
    json_in_return(j, r->samples);
    if (json_in_array(j)) {
        while (json_in_item(j))
            read_hermes_sample(r, &nodes, set);
    }
    v8_nodes_deinit(&nodes);
}
