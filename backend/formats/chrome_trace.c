/* The Trace Event Format (Chrome's about:tracing, Perfetto's JSON, Node, Hermes): an array of
 * events, or an object around it. Begin/end and complete events become a thread's stacks; V8's CPU
 * profiles inside, counters and async events are kept beside them. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/formats/builder.h"
#include "backend/formats/chrome_trace_write.h"
#include "backend/formats/format.h"
#include "backend/formats/json_head.h"
#include "backend/formats/json_in.h"
#include "backend/formats/json_number.h"
#include "backend/formats/trace_slices.h"
#include "backend/formats/trace_tracks.h"
#include "backend/formats/v8_nodes.h"
#include "backend/formats/v8_samples.h"
#include "common/base/array.h"

/* One V8 CPU profile that comes in chunks. */
struct cpu {
    struct v8_nodes nodes;
    struct v8_samples samples;
    uint32_t track;
    int64_t start_us;
};

struct point {
    int64_t at_ns;
    double value;
    uint32_t series;
};

struct async {
    int64_t begin_ns, end_ns;
    uint32_t name, track;
    bool is_closed;
};

struct reader {
    struct json_in json;
    struct builder build;
    struct trace_tracks tracks;
    struct trace_events events;
    struct cpu *cpus;
    struct point *points;
    struct async *asyncs;
    uint32_t *threads; /* of each track */
    size_t cpus_len, cpus_cap, points_len, points_cap, asyncs_len, asyncs_cap, threads_cap;
    struct map cpu_by_id, series_by_name, async_by_key;
    size_t events_seen;
    int64_t base_ns;
    bool has_base, has_events;
    const uint8_t *samples, *stack_frames; /* marks: Hermes */
};

/* An event as it is read. Strings are rows, so that they outlive the next one. */
struct event {
    char phase;
    uint32_t name, category, id, pid, tid;
    struct json_number at, dur;
    bool has_at;
    const uint8_t *args;
};

static const struct amount_unit microseconds = {.name = "ns", .scale = 1000, .is_time = true};

/* Numbers may come as text. */
static struct json_number read_number(struct json_in *j)
{
    struct json_number n = {0};
    if (json_in_peek(j) != JSON_STRING)
        return json_in_number(j);
    struct text t = json_in_string(j);
    const uint8_t *end = (const uint8_t *)t.data + t.len;
    if (!json_in_status(j) && json_number_parse((const uint8_t *)t.data, end, &n) != end)
        json_in_fail(j, STATUS_INVALID, "a text that is not a number");
    return n;
}

static int64_t to_ns(struct reader *r, struct json_number n)
{
    int64_t ns = 0;
    const int64_t limit = INT64_MAX / 4; /* sums and differences of two fit */
    if (!amount_scale(&microseconds, &n, &ns) || ns > limit || ns < -limit)
        json_in_fail(&r->json, STATUS_INVALID, "a time that cannot be");
    return ns;
}

/* Text or number as text: ids, pids, tids. */
static uint32_t read_id(struct reader *r)
{
    struct json_in *j = &r->json;
    if (json_in_peek(j) == JSON_STRING)
        return trace_tracks_string(&r->tracks, j, json_in_string(j));
    const uint8_t *from = j->at;
    json_in_skip(j);
    return trace_tracks_string(&r->tracks, j,
                               (struct text){(const char *)from, (size_t)(j->at - from)});
}

static bool read_event(struct reader *r, struct event *e)
{
    struct json_in *j = &r->json;
    struct text key;
    *e = (struct event){0};
    if (!json_in_object(j))
        return false;
    while (json_in_key(j, &key)) {
        if (text_equal(key, "ph")) {
            struct text phase = json_in_string(j);
            e->phase = phase.len == 1 ? phase.data[0] : '?';
        } else if (text_equal(key, "name") && json_in_peek(j) == JSON_STRING) {
            e->name = builder_string(&r->build, json_in_string(j));
        } else if (text_equal(key, "cat") && json_in_peek(j) == JSON_STRING) {
            e->category = builder_string(&r->build, json_in_string(j));
        } else if (text_equal(key, "ts")) {
            e->at = read_number(j);
            e->has_at = true;
        } else if (text_equal(key, "dur")) {
            e->dur = read_number(j);
        } else if (text_equal(key, "pid")) {
            e->pid = read_id(r);
        } else if (text_equal(key, "tid")) {
            e->tid = read_id(r);
        } else if (text_equal(key, "id") || text_equal(key, "id2")) {
            e->id = read_id(r);
        } else if (text_equal(key, "args")) {
            e->args = json_in_mark(j);
        } else {
            json_in_skip(j);
        }
    }
    return json_in_status(j) == STATUS_OK;
}

static void note_time(struct reader *r, int64_t at_ns)
{
    if (!r->has_base || at_ns < r->base_ns)
        r->base_ns = at_ns;
    r->has_base = true;
}

/* ---- slices ---- */

/* A line as a number or as text; 0 for what is no line. */
static uint32_t read_line_number(struct json_in *j)
{
    if (json_in_peek(j) == JSON_NUMBER) {
        double value = json_in_number(j).f64;
        return value > 0 && value <= UINT32_MAX ? (uint32_t)value : 0;
    }
    uint64_t value = 0;
    return text_u64(json_in_string(j), &value) && value <= UINT32_MAX ? (uint32_t)value : 0;
}

/* Where a function is, for those who say so: Hermes, and our own writer. */
static void read_place(struct reader *r, const struct event *e, struct wire_function *f,
                       uint32_t *line)
{
    struct json_in *j = &r->json;
    struct text key;
    json_in_return(j, e->args);
    if (json_in_peek(j) != JSON_OBJECT || !json_in_object(j))
        return;
    while (json_in_key(j, &key)) {
        enum json_kind kind = json_in_peek(j);
        bool is_number = kind == JSON_NUMBER || kind == JSON_STRING;
        bool is_line = text_equal(key, "line") || text_equal(key, "funcLine");
        if ((text_equal(key, "file") || text_equal(key, "url")) && kind == JSON_STRING) {
            f->file = builder_string(&r->build, json_in_string(j));
        } else if (is_line && is_number) {
            uint32_t *to = text_equal(key, "line") ? line : &f->line;
            *to = read_line_number(j);
        } else {
            json_in_skip(j);
        }
    }
}

static uint32_t slice_frame(struct reader *r, const struct event *e)
{
    struct wire_function f = {.name = e->name, .module = e->category};
    uint32_t line = 0;
    if (e->args)
        read_place(r, e, &f, &line);
    return builder_frame(&r->build, builder_function(&r->build, f), f.file ? line : 0, 0);
}

static void add_slice_event(struct reader *r, const struct event *e, enum trace_phase phase)
{
    struct json_in *j = &r->json;
    if (!e->has_at) {
        json_in_fail(j, STATUS_INVALID, "an event without a time");
        return;
    }
    struct trace_event *item;
    if (r->events.len >= TABLES_MAX_ROWS) {
        json_in_check(j, STATUS_TOO_LARGE);
        return;
    }
    if (!array_reserve(&r->events.items, &r->events.cap, r->events.len + 1)) {
        json_in_check(j, STATUS_NO_MEMORY);
        return;
    }
    item = &r->events.items[r->events.len];
    *item = (struct trace_event){
        .at_ns = to_ns(r, e->at),
        .track = trace_tracks_find(&r->tracks, j, e->pid, e->tid),
        .order = (uint32_t)r->events.len++,
        .phase = (uint8_t)phase,
    };
    if (phase == TRACE_COMPLETE)
        item->dur_ns = to_ns(r, e->dur);
    if (item->dur_ns < 0)
        json_in_fail(j, STATUS_INVALID, "an event that ends before it begins");
    if (phase != TRACE_END)
        item->frame = slice_frame(r, e);
    note_time(r, item->at_ns);
}

/* ---- async events: spans ---- */

static void add_async(struct reader *r, const struct event *e)
{
    struct json_in *j = &r->json;
    uint64_t key = map_mix(map_mix(map_pair(e->pid, e->id)) ^ map_pair(e->name, e->category));
    int64_t at_ns = to_ns(r, e->at);
    const uint32_t *open = map_find(&r->async_by_key, key);
    if (e->phase == 'e') {
        if (open && !r->asyncs[*open].is_closed) {
            r->asyncs[*open].end_ns = at_ns;
            r->asyncs[*open].is_closed = true;
        }
        return;
    }
    if (r->asyncs_len >= TABLES_MAX_ROWS ||
        !array_reserve(&r->asyncs, &r->asyncs_cap, r->asyncs_len + 1)) {
        json_in_check(j, STATUS_NO_MEMORY);
        return;
    }
    struct async a = {.begin_ns = at_ns, .name = e->name};
    a.track = trace_tracks_find(&r->tracks, j, e->pid, e->tid);
    note_time(r, at_ns);
    if (!map_put(&r->async_by_key, key, (uint32_t)r->asyncs_len))
        json_in_check(j, STATUS_NO_MEMORY);
    else
        r->asyncs[r->asyncs_len++] = a;
}

/* ---- counters: series ---- */

/* "counter.key"; one of bytes goes by its own name. Each process counts for itself: those after the
 * first have their pid behind the name. */
static uint32_t counter_series(struct reader *r, const struct event *e, struct text key)
{
    char label[320];
    bool is_bytes = text_equal(key, "bytes");
    struct text event = builder_text(&r->build, e->name);
    int n = snprintf(label, sizeof(label), "%.*s%s%.*s", (int)(event.len < 120 ? event.len : 120),
                     event.data, is_bytes ? "" : ".",
                     is_bytes        ? 0
                     : key.len < 120 ? (int)key.len
                                     : 120,
                     key.data);
    uint32_t id = builder_string(&r->build, (struct text){label, (size_t)n});
    uint64_t own = map_mix(map_pair(e->pid, id));
    const uint32_t *known = map_find(&r->series_by_name, own);
    if (known)
        return *known;
    struct text pid = builder_text(&r->build, e->pid);
    if (map_find(&r->series_by_name, id))
        snprintf(label + n, sizeof(label) - (size_t)n, " [%.*s]",
                 (int)(pid.len < 40 ? pid.len : 40), pid.data);
    uint32_t series = builder_series(&r->build, label, is_bytes ? "bytes" : "count");
    if (!map_put(&r->series_by_name, own, series) || !map_put(&r->series_by_name, id, series))
        json_in_check(&r->json, STATUS_NO_MEMORY);
    return series;
}

static void add_counters(struct reader *r, const struct event *e)
{
    struct json_in *j = &r->json;
    struct text key;
    int64_t at_ns = to_ns(r, e->at);
    json_in_return(j, e->args);
    if (json_in_peek(j) != JSON_OBJECT || !json_in_object(j))
        return;
    while (json_in_key(j, &key)) {
        uint32_t series = counter_series(r, e, key);
        if (json_in_peek(j) != JSON_NUMBER) {
            json_in_skip(j);
            continue;
        }
        struct json_number n = json_in_number(j);
        if (!array_reserve(&r->points, &r->points_cap, r->points_len + 1)) {
            json_in_check(j, STATUS_NO_MEMORY);
            return;
        }
        r->points[r->points_len++] = (struct point){at_ns, n.f64, series};
        note_time(r, at_ns);
    }
}

/* ---- names ---- */

static void read_metadata(struct reader *r, const struct event *e)
{
    struct json_in *j = &r->json;
    struct text event = builder_text(&r->build, e->name);
    bool is_process = text_equal(event, "process_name");
    if (!is_process && !text_equal(event, "thread_name"))
        return;
    struct text key;
    json_in_return(j, e->args);
    if (!json_in_object(j))
        return;
    while (json_in_key(j, &key)) {
        if (!text_equal(key, "name") || json_in_peek(j) != JSON_STRING) {
            json_in_skip(j);
            continue;
        }
        uint32_t name = builder_string(&r->build, json_in_string(j));
        if (is_process)
            trace_tracks_name_process(&r->tracks, j, e->pid, name);
        else
            trace_tracks_name_thread(&r->tracks, j, e->pid, e->tid, name);
    }
}

/* ---- V8 CPU profiles ---- */

static struct cpu *find_cpu(struct reader *r, const struct event *e, bool is_new)
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
    struct cpu *cpu = &r->cpus[r->cpus_len++];
    *cpu = (struct cpu){.track = trace_tracks_find(&r->tracks, j, e->pid, e->tid)};
    v8_nodes_init(&cpu->nodes);
    cpu->start_us = to_ns(r, e->at) / 1000;
    note_time(r, cpu->start_us * 1000);
    return cpu;
}

static void read_cpu_profile(struct reader *r, struct cpu *cpu)
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

static void set_start(struct reader *r, struct cpu *cpu)
{
    int64_t start_ns = to_ns(r, read_number(&r->json));
    cpu->start_us = start_ns / 1000;
    note_time(r, start_ns);
}

static void read_cpu_data(struct reader *r, struct cpu *cpu)
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

static void read_cpu_event(struct reader *r, const struct event *e)
{
    struct json_in *j = &r->json;
    struct text name = builder_text(&r->build, e->name);
    bool is_whole = text_equal(name, "CpuProfile");
    if (!is_whole && !text_equal(name, "Profile") && !text_equal(name, "ProfileChunk"))
        return;
    struct cpu *cpu = find_cpu(r, e, is_whole);
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

/* ---- all events ---- */

static void take_event(struct reader *r, const struct event *e)
{
    struct json_in *j = &r->json;
    const uint8_t *behind = j->at;
    uint32_t depth = j->depth;
    switch (e->phase) {
    case 'B':
        add_slice_event(r, e, TRACE_BEGIN);
        break;
    case 'E':
        add_slice_event(r, e, TRACE_END);
        break;
    case 'X':
        add_slice_event(r, e, TRACE_COMPLETE);
        break;
    case 'b':
    case 'e':
        add_async(r, e);
        break;
    case 'C':
        if (e->args && e->has_at)
            add_counters(r, e);
        break;
    case 'M':
        if (e->args)
            read_metadata(r, e);
        break;
    case 0:
        json_in_fail(j, STATUS_INVALID, "an event without a phase");
        break;
    default:
        break; /* instants, flows, objects, snapshots: no stack and no number */
    }
    if (e->args && (e->phase == 'P' || e->phase == 'I'))
        read_cpu_event(r, e);
    if (!json_in_status(j)) {
        j->at = behind;
        j->depth = depth;
        j->is_fresh = false;
    }
}

static void read_events(struct reader *r)
{
    struct event e;
    r->has_events = true;
    if (!json_in_array(&r->json))
        return;
    while (json_in_item(&r->json) && read_event(r, &e)) {
        r->events_seen++;
        take_event(r, &e);
    }
}

static void read_object(struct reader *r)
{
    struct json_in *j = &r->json;
    struct text key;
    if (!json_in_object(j))
        return;
    while (json_in_key(j, &key)) {
        if (text_equal(key, "traceEvents"))
            read_events(r);
        else if (text_equal(key, "samples") && json_in_peek(j) == JSON_ARRAY)
            r->samples = json_in_mark(j);
        else if (text_equal(key, "stackFrames") && json_in_peek(j) == JSON_OBJECT)
            r->stack_frames = json_in_mark(j);
        else
            json_in_skip(j);
    }
    if (!r->has_events)
        json_in_fail(j, STATUS_INVALID, "no traceEvents");
}

/* ---- Hermes: samples beside the events ---- */

static void read_stack_frame(struct reader *r, struct v8_nodes *nodes, uint64_t id)
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
            parent = (uint64_t)read_number(j).i64;
        else
            json_in_skip(j);
    }
    v8_nodes_put(nodes, j, id, parent,
                 builder_frame(&r->build, builder_function(&r->build, f), 0, 0));
}

static void read_hermes_sample(struct reader *r, struct v8_nodes *nodes, uint32_t set)
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
            at_ns = to_ns(r, read_number(j));
        else if (text_equal(key, "weight"))
            weight = read_number(j).i64;
        else if (text_equal(key, "sf"))
            node = (uint64_t)read_number(j).i64;
        else if (text_equal(key, "pid"))
            pid = read_id(r);
        else if (text_equal(key, "tid"))
            tid = read_id(r);
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

static void read_hermes(struct reader *r)
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

/* ---- all together ---- */

static void add_cpus(struct reader *r)
{
    size_t samples = 0;
    for (size_t i = 0; i < r->cpus_len; i++)
        samples += r->cpus[i].samples.nodes_len;
    if (samples == 0)
        return;
    uint32_t set = builder_set(&r->build, "cpu", "time", "ns");
    for (size_t i = 0; i < r->cpus_len; i++) {
        struct cpu *cpu = &r->cpus[i];
        v8_samples_add(&cpu->samples, &cpu->nodes, &r->build, set, r->threads[cpu->track],
                       cpu->start_us - r->base_ns / 1000);
    }
}

static void add_slices(struct reader *r)
{
    if (r->events.len == 0)
        return;
    struct trace_counts counts = {0};
    uint32_t set = builder_set(&r->build, "slices", "duration", "ns");
    trace_slices_add(&r->events, r->threads, r->base_ns, &r->build, set, &counts);
    struct profile *p = r->build.profile;
    if (counts.unmatched_ends)
        builder_check(&r->build, profile_add_warning(p, "unbalanced",
                                                     "%zu end events without a begin: ignored",
                                                     counts.unmatched_ends));
    if (counts.unclosed_begins)
        builder_check(&r->build, profile_add_warning(p, "unbalanced",
                                                     "%zu begin events without an end: shown until "
                                                     "the last event of their thread",
                                                     counts.unclosed_begins));
}

static void add_beside(struct reader *r)
{
    struct profile *p = r->build.profile;
    for (size_t i = 0; i < r->points_len && !r->build.failed; i++)
        builder_check(&r->build, profile_add_point(p, r->points[i].series,
                                                   (uint64_t)(r->points[i].at_ns - r->base_ns),
                                                   r->points[i].value));
    for (size_t i = 0; i < r->asyncs_len && !r->build.failed; i++) {
        const struct async *a = &r->asyncs[i];
        if (!a->is_closed || a->end_ns < a->begin_ns)
            continue;
        struct model_span span = {
            .name = a->name,
            .begin_ns = (uint64_t)(a->begin_ns - r->base_ns),
            .end_ns = (uint64_t)(a->end_ns - r->base_ns),
            .thread = r->threads[a->track],
        };
        span.process = p->tables.threads_len ? p->tables.threads[span.thread].process : 0;
        builder_check(&r->build, profile_add_span(p, &span));
    }
}

static void build(struct reader *r)
{
    size_t tracks = trace_tracks_len(&r->tracks);
    if (!array_reserve(&r->threads, &r->threads_cap, tracks + 1)) {
        json_in_check(&r->json, STATUS_NO_MEMORY);
        return;
    }
    for (size_t i = 0; i < tracks; i++)
        r->threads[i] = trace_tracks_thread(&r->tracks, &r->build, (uint32_t)i);
    add_cpus(r);
    if (r->samples && r->stack_frames)
        read_hermes(r);
    add_slices(r);
    add_beside(r);
    builder_check(&r->build, profile_set_counter(r->build.profile, "events", r->events_seen));
}

/* A trace is written while the program runs: one that ends in the middle of an event shows what
 * came before. */
static void forgive_cut(struct reader *r)
{
    struct json_in *j = &r->json;
    if (!j->failed || !j->is_cut || r->events_seen == 0 || r->build.failed)
        return;
    j->failed = STATUS_OK;
    builder_check(&r->build,
                  profile_add_warning(r->build.profile, "truncated",
                                      "the file ends in the middle of an event; shown are the %zu "
                                      "events before it",
                                      r->events_seen));
}

static enum status chrome_trace_read(const struct format_input *in,
                                     const struct format_options *options, struct profile *out,
                                     struct error *err)
{
    (void)options;
    struct reader *r = calloc(1, sizeof(*r));
    if (!r)
        return error_set(err, STATUS_NO_MEMORY, "no memory to read it");
    json_in_init(&r->json, in->data, in->len, err);
    r->json.may_be_open = true;
    r->build = (struct builder){.profile = out, .json = &r->json, .err = err};
    enum status st = trace_tracks_init(&r->tracks);
    json_in_check(&r->json, st);
    if (json_in_peek(&r->json) == JSON_ARRAY)
        read_events(r);
    else
        read_object(r);
    if (!json_in_status(&r->json))
        json_in_finish(&r->json);
    forgive_cut(r);
    if (!json_in_status(&r->json))
        build(r);
    st = json_in_status(&r->json);
    for (size_t i = 0; i < r->cpus_len; i++) {
        v8_nodes_deinit(&r->cpus[i].nodes);
        v8_samples_deinit(&r->cpus[i].samples);
    }
    trace_tracks_deinit(&r->tracks);
    map_deinit(&r->cpu_by_id);
    map_deinit(&r->series_by_name);
    map_deinit(&r->async_by_key);
    json_in_deinit(&r->json);
    free(r->events.items);
    free(r->cpus);
    free(r->points);
    free(r->asyncs);
    free(r->threads);
    free(r);
    return st;
}

static int chrome_trace_detect(const uint8_t *head, size_t len, bool is_whole_file)
{
    (void)is_whole_file;
    struct json_head h;
    json_head_read(&h, head, len);
    if (h.top == JSON_OBJECT && json_head_kind(&h, "traceEvents") != JSON_NOTHING)
        return 95;
    bool is_event = h.top == JSON_ARRAY && json_head_kind(&h, "ph") == JSON_STRING;
    return is_event ? 90 : 0;
}

const struct format format_chrome_trace = {
    .name = "chrome-trace",
    .title = "Chrome trace events",
    .extensions = "json",
    .detect = chrome_trace_detect,
    .read = chrome_trace_read,
    .write = chrome_trace_write,
};
