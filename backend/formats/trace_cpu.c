/* V8 CPU profiles inside a trace: whole, or in chunks. */

#include "backend/formats/trace_read.h"
#include "common/base/array.h"

static struct trace_cpu *find_cpu(struct trace_reader *r, const struct trace_item *e, bool is_new)
{
    struct json_in *j = &r->json;
    uint64_t key = map_pair(e->pid, e->id);
    const uint32_t *known = is_new ? NULL : map_find(&r->cpu_by_id, key);
    if (known)
        return &r->cpus[*known];
    if (!array_reserve(&r->cpus, &r->cpus_cap, r->cpus_len + 1) ||
        !map_put(&r->cpu_by_id, key, (uint32_t)r->cpus_len)) {
        json_in_check(j, STATUS_NO_MEMORY);
        return NULL;
    }
    struct trace_cpu *cpu = &r->cpus[r->cpus_len++];
    *cpu = (struct trace_cpu){.track = trace_tracks_find(&r->tracks, j, e->pid, e->tid)};
    v8_nodes_init(&cpu->nodes);
    cpu->start_us = trace_to_ns(r, e->at) / 1000;
    trace_note_time(r, cpu->start_us * 1000);
    return cpu;
}

static void read_cpu_profile(struct trace_reader *r, struct trace_cpu *cpu)
{
    struct json_in *j = &r->json;
    struct text key;
    if (!json_in_object(j))
        return;
    while (json_in_key(j, &key)) {
        if (text_equal(key, "nodes") && json_in_peek(j) == JSON_ARRAY)
            v8_nodes_read_array(&cpu->nodes, j, &r->build);
        else if (text_equal(key, "samples") && json_in_peek(j) == JSON_ARRAY)
            v8_samples_read_nodes(&cpu->samples, j);
        else if (text_equal(key, "timeDeltas") && json_in_peek(j) == JSON_ARRAY)
            v8_samples_read_deltas(&cpu->samples, j);
        else
            json_in_skip(j);
    }
}

static void set_start(struct trace_reader *r, struct trace_cpu *cpu)
{
    int64_t start_ns = trace_to_ns(r, trace_read_number(&r->json));
    cpu->start_us = start_ns / 1000;
    trace_note_time(r, start_ns);
}

static void read_cpu_data(struct trace_reader *r, struct trace_cpu *cpu)
{
    struct json_in *j = &r->json;
    struct text key;
    if (!json_in_object(j))
        return;
    while (json_in_key(j, &key)) {
        if (text_equal(key, "cpuProfile"))
            read_cpu_profile(r, cpu);
        else if (text_equal(key, "timeDeltas"))
            v8_samples_read_deltas(&cpu->samples, j);
        else if (text_equal(key, "startTime") && cpu->samples.nodes_len == 0)
            set_start(r, cpu);
        else
            json_in_skip(j);
    }
}

void trace_read_cpu_event(struct trace_reader *r, const struct trace_item *e)
{
    struct json_in *j = &r->json;
    struct text name = builder_text(&r->build, e->name);
    bool is_whole = text_equal(name, "CpuProfile");
    if (!is_whole && !text_equal(name, "Profile") && !text_equal(name, "ProfileChunk"))
        return;
    struct trace_cpu *cpu = find_cpu(r, e, is_whole);
    struct text key;
    json_in_return(j, e->args);
    if (!cpu || !json_in_object(j))
        return;
    while (json_in_key(j, &key)) {
        if (text_equal(key, "data"))
            read_cpu_data(r, cpu);
        else
            json_in_skip(j);
    }
}

void trace_add_cpus(struct trace_reader *r)
{
    size_t samples = 0;
    for (size_t i = 0; i < r->cpus_len; i++)
        samples += r->cpus[i].samples.nodes_len;
    if (samples == 0)
        return;
    uint32_t set = builder_set(&r->build, "cpu", "time", "ns");
    for (size_t i = 0; i < r->cpus_len; i++) {
        struct trace_cpu *cpu = &r->cpus[i];
        v8_samples_add(&cpu->samples, &cpu->nodes, &r->build, set, r->threads[cpu->track],
                       cpu->start_us - r->base_ns / 1000);
    }
}
