/* The Trace Event Format (Chrome's about:tracing, Perfetto's JSON, Node, Hermes): an array of
 * events, or an object around it. Begin/end and complete events become a thread's stacks; V8's CPU
 * profiles inside, counters and async events are kept beside them. */

#include <stdlib.h>

#include "backend/formats/chrome_trace_write.h"
#include "backend/formats/format.h"
#include "backend/formats/json_head.h"
#include "backend/formats/trace_read.h"
#include "common/base/array.h"

static bool read_event(struct trace_reader *r, struct trace_item *e)
{
    struct json_in *j = &r->json;
    struct text key;
    *e = (struct trace_item){0};
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
            e->at = trace_read_number(j);
            e->has_at = true;
        } else if (text_equal(key, "dur")) {
            e->dur = trace_read_number(j);
        } else if (text_equal(key, "pid")) {
            e->pid = trace_read_id(r);
        } else if (text_equal(key, "tid")) {
            e->tid = trace_read_id(r);
        } else if (text_equal(key, "id") || text_equal(key, "id2")) {
            e->id = trace_read_id(r);
        } else if (text_equal(key, "args")) {
            e->args = json_in_mark(j);
        } else {
            json_in_skip(j);
        }
    }
    return json_in_status(j) == STATUS_OK;
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

/* Where a function is, for those who say so: Hermes, py-spy, and our own writer. */
static void read_place(struct trace_reader *r, const struct trace_item *e, struct wire_function *f,
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
        } else if (text_equal(key, "filename") && kind == JSON_STRING) {
            f->file = builder_string(&r->build, json_in_string(j));
            f->module = 0; /* py-spy: its category is its own name */
        } else if (is_line && is_number) {
            uint32_t *to = text_equal(key, "line") ? line : &f->line;
            *to = read_line_number(j);
        } else {
            json_in_skip(j);
        }
    }
}

/* VizTracer's events of functions: "name (file:line)", the line being the function's first. */
static void read_viztracer(struct trace_reader *r, struct wire_function *f)
{
    struct text category = builder_text(&r->build, f->module);
    struct text name;
    struct text file;
    if (!text_equal(category, "fee") && !text_equal(category, "FEE"))
        return;
    f->module = 0;
    if (text_split_place(builder_text(&r->build, f->name), &name, &file, &f->line)) {
        f->name = builder_string(&r->build, name);
        f->file = builder_string(&r->build, file);
    }
}

static uint32_t slice_frame(struct trace_reader *r, const struct trace_item *e)
{
    struct wire_function f = {.name = e->name, .module = e->category};
    uint32_t line = 0;
    read_viztracer(r, &f);
    if (e->args)
        read_place(r, e, &f, &line);
    return builder_frame(&r->build, builder_function(&r->build, f), f.file ? line : 0, 0);
}

static void add_slice_event(struct trace_reader *r, const struct trace_item *e,
                            enum trace_phase phase)
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
        .at_ns = trace_to_ns(r, e->at),
        .track = trace_tracks_find(&r->tracks, j, e->pid, e->tid),
        .order = (uint32_t)r->events.len++,
        .phase = (uint8_t)phase,
    };
    if (phase == TRACE_COMPLETE)
        item->dur_ns = trace_to_ns(r, e->dur);
    if (item->dur_ns < 0)
        json_in_fail(j, STATUS_INVALID, "an event that ends before it begins");
    if (phase != TRACE_END)
        item->frame = slice_frame(r, e);
    trace_note_time(r, item->at_ns);
}

/* ---- names ---- */

static void read_metadata(struct trace_reader *r, const struct trace_item *e)
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

/* ---- all events ---- */

static void take_event(struct trace_reader *r, const struct trace_item *e)
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
        trace_add_async(r, e);
        break;
    case 'C':
        if (e->args && e->has_at)
            trace_add_counters(r, e);
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
        trace_read_cpu_event(r, e);
    if (!json_in_status(j)) {
        j->at = behind;
        j->depth = depth;
        j->is_fresh = false;
    }
}

static void read_events(struct trace_reader *r)
{
    struct trace_item e;
    r->has_events = true;
    if (!json_in_array(&r->json))
        return;
    while (json_in_item(&r->json) && read_event(r, &e)) {
        r->events_seen++;
        take_event(r, &e);
    }
}

static void read_object(struct trace_reader *r)
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

/* ---- all together ---- */

static void add_slices(struct trace_reader *r)
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

static void build(struct trace_reader *r)
{
    size_t tracks = trace_tracks_len(&r->tracks);
    if (!array_reserve(&r->threads, &r->threads_cap, tracks + 1)) {
        json_in_check(&r->json, STATUS_NO_MEMORY);
        return;
    }
    for (size_t i = 0; i < tracks; i++)
        r->threads[i] = trace_tracks_thread(&r->tracks, &r->build, (uint32_t)i);
    trace_add_cpus(r);
    if (r->samples && r->stack_frames)
        trace_read_hermes(r);
    add_slices(r);
    trace_add_beside(r);
    builder_check(&r->build, profile_set_counter(r->build.profile, "events", r->events_seen));
}

/* A trace is written while the program runs: one that ends in the middle of an event shows what
 * came before. */
static void forgive_cut(struct trace_reader *r)
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
    struct trace_reader r = {0};
    builder_begin(&r.build, &r.json, in, out, err);
    r.json.may_be_open = true;
    json_in_check(&r.json, trace_tracks_init(&r.tracks));
    if (json_in_peek(&r.json) == JSON_ARRAY)
        read_events(&r);
    else
        read_object(&r);
    if (!json_in_status(&r.json))
        json_in_finish(&r.json);
    forgive_cut(&r);
    if (!json_in_status(&r.json))
        build(&r);
    for (size_t i = 0; i < r.cpus_len; i++) {
        v8_nodes_deinit(&r.cpus[i].nodes);
        v8_samples_deinit(&r.cpus[i].samples);
    }
    trace_tracks_deinit(&r.tracks);
    map_deinit(&r.cpu_by_id);
    map_deinit(&r.series_by_name);
    map_deinit(&r.async_by_key);
    free(r.events.items);
    free(r.cpus);
    free(r.points);
    free(r.asyncs);
    free(r.threads);
    return builder_end(&r.build);
}

static int chrome_trace_detect(const struct json_head *h)
{
    if (h->top == JSON_OBJECT && json_head_kind(h, "traceEvents") != JSON_NOTHING)
        return 95;
    bool is_event = h->top == JSON_ARRAY && json_head_kind(h, "ph") == JSON_STRING;
    return is_event ? 90 : 0;
}

const struct format format_chrome_trace = {
    .name = "chrome-trace",
    .title = "Chrome trace events",
    .extensions = "json",
    .detect_json = chrome_trace_detect,
    .read = chrome_trace_read,
    .write = chrome_trace_write,
};
