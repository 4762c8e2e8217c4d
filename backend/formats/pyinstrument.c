/* pyinstrument (github.com/joerick/pyinstrument): saved sessions of 4.0 to 5.x with every sample,
 * the JSON renderer's tree, and the tree inside its HTML report. */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backend/formats/builder.h"
#include "backend/formats/format.h"
#include "backend/formats/json_head.h"
#include "backend/formats/json_in.h"
#include "backend/formats/json_tree.h"
#include "common/base/array.h"

struct node {
    uint32_t name, file, line;
    int64_t time_ns, children_ns;
    int64_t excess_ns; /* of the children, from rounding; still to be taken off them */
};

struct reader {
    struct json_in json;
    struct builder build;
    uint32_t set, thread;
    struct json_tree tree;
    struct node *nodes;
    uint32_t *stacks;
    size_t nodes_cap, stacks_cap;
    double seconds; /* of the records so far */
    int64_t done_ns;
    uint64_t records;
    bool has_duration;
};

/* ---- what a session says of itself ---- */

static bool read_about(struct reader *r, struct text key)
{
    struct json_in *j = &r->json;
    struct profile *p = r->build.profile;
    enum json_kind kind = json_in_peek(j);
    if (text_equal(key, "start_time") && kind == JSON_NUMBER) {
        double start_s = json_in_f64(j);
        if (start_s > 0 && start_s < 1e10)
            p->start_unix_ns = (uint64_t)(start_s * 1e9);
    } else if (text_equal(key, "duration")) {
        double duration_s = json_in_f64(j);
        r->has_duration = true;
        if (duration_s > 0 && duration_s < 1e9)
            p->duration_ns = (uint64_t)llround(duration_s * 1e9);
    } else if ((text_equal(key, "target_description") || text_equal(key, "program")) &&
               kind == JSON_STRING) {
        builder_set_text(&r->build, &p->name, json_in_string(j));
    } else if (text_equal(key, "sample_count") && kind == JSON_NUMBER) {
        double count = json_in_f64(j);
        if (count >= 0 && count < 1e18)
            builder_check(&r->build, profile_set_counter(p, "samples", (uint64_t)count));
    } else if (text_equal(key, "cpu_time") && kind == JSON_NUMBER) {
        double cpu_s = json_in_f64(j);
        if (cpu_s >= 0 && cpu_s < 1e9)
            builder_check(&r->build,
                          profile_set_counter(p, "cpu_ns", (uint64_t)llround(cpu_s * 1e9)));
    } else {
        return false;
    }
    return true;
}

/* "function\0file\0first line", then attributes each behind \x01: "l12" the line being run. */
static void split_identifier(struct text t, struct text parts[3], uint32_t *line)
{
    struct text before;
    struct text attribute;
    struct text attributes = {"", 0};
    uint64_t number = 0;
    *line = 0;
    if (text_cut(&t, '\x01', &before)) {
        attributes = t;
        t = before;
    }
    for (int i = 0; i < 3; i++) {
        parts[i] = t;
        if (!text_cut(&t, 0, &parts[i]))
            t = (struct text){"", 0};
    }
    while (attributes.len) {
        attribute = attributes;
        if (!text_cut(&attributes, '\x01', &attribute))
            attributes.len = 0;
        if (text_skip(&attribute, "l") && text_u64(attribute, &number) && number <= UINT32_MAX)
            *line = (uint32_t)number;
    }
}

static uint32_t frame_of(struct reader *r, struct text identifier)
{
    struct text parts[3];
    uint32_t line;
    uint64_t first_line = 0;
    split_identifier(identifier, parts, &line);
    struct wire_function f = {.name = builder_string(&r->build, parts[0]),
                              .file = builder_string(&r->build, parts[1])};
    if (text_u64(parts[2], &first_line) && first_line <= UINT32_MAX)
        f.line = (uint32_t)first_line;
    return builder_frame(&r->build, builder_function(&r->build, f), line, 0);
}

/* ---- sessions ---- */

static bool take_thread(struct reader *r, struct text identifier)
{
    struct text parts[3];
    uint32_t line;
    uint64_t tid = 0;
    split_identifier(identifier, parts, &line);
    if (!text_equal(parts[1], "<thread>"))
        return false;
    text_u64(parts[2], &tid);
    r->thread = builder_thread(&r->build, 0, tid, parts[0]);
    return true;
}

/* Each time is what is left of the running sum, so that the whole is right to the nanosecond. */
static void add_record(struct reader *r, uint32_t stack, double seconds)
{
    r->seconds += seconds;
    if (seconds < 0 || !(r->seconds < 9e9)) {
        json_in_fail(&r->json, STATUS_INVALID, "a time that cannot be");
        return;
    }
    int64_t now_ns = llround(r->seconds * 1e9);
    int64_t value = now_ns - r->done_ns;
    struct profile_sample sample = {
        .time_ns = (uint64_t)r->done_ns, .thread = r->thread, .stack = stack, .values = &value};
    r->done_ns = now_ns;
    r->records++;
    builder_sample(&r->build, r->set, &sample);
}

static void read_record(struct reader *r)
{
    struct json_in *j = &r->json;
    uint32_t stack = 0;
    r->thread = 0;
    if (!json_in_array(j))
        return;
    if (!json_in_item(j) || !json_in_array(j)) {
        json_in_fail(j, STATUS_INVALID, "a record without a stack");
        return;
    }
    for (bool is_first = true; json_in_item(j); is_first = false) {
        struct text identifier = json_in_string(j);
        if (!is_first || !take_thread(r, identifier))
            stack = builder_stack(&r->build, stack, frame_of(r, identifier));
    }
    if (!json_in_item(j))
        json_in_fail(j, STATUS_INVALID, "a record without a time");
    double seconds = json_in_f64(j);
    if (!json_in_status(j))
        add_record(r, stack, seconds);
    while (json_in_item(j))
        json_in_skip(j);
}

static void read_session(struct reader *r)
{
    struct json_in *j = &r->json;
    struct text key;
    bool has_records = false;
    r->set = builder_set(&r->build, "time", "wall", "ns");
    if (!json_in_object(j))
        return;
    while (json_in_key(j, &key)) {
        if (text_equal(key, "frame_records")) {
            has_records = true;
            if (!json_in_array(j))
                return;
            while (json_in_item(j))
                read_record(r);
        } else if (!read_about(r, key)) {
            json_in_skip(j);
        }
    }
    if (!has_records)
        json_in_fail(j, STATUS_INVALID, "no frame_records");
    else if (!r->has_duration)
        json_in_fail(j, STATUS_INVALID, "no duration");
}

/* ---- trees ---- */

static void read_node_field(void *ctx, uint32_t number, struct text key)
{
    struct reader *r = ctx;
    struct json_in *j = &r->json;
    if (key.len == 0 && number == r->tree.len - 1) {
        if (!array_reserve(&r->nodes, &r->nodes_cap, r->tree.len) ||
            !array_reserve(&r->stacks, &r->stacks_cap, r->tree.len))
            json_in_check(j, STATUS_NO_MEMORY);
        else
            r->nodes[number] = (struct node){0};
        return;
    }
    struct node *node = &r->nodes[number];
    if (text_equal(key, "function") && json_in_peek(j) == JSON_STRING) {
        node->name = builder_string(&r->build, json_in_string(j));
    } else if (text_equal(key, "file_path") && json_in_peek(j) == JSON_STRING) {
        node->file = builder_string(&r->build, json_in_string(j));
    } else if (text_equal(key, "line_no") && json_in_peek(j) == JSON_NUMBER) {
        node->line = json_in_u32(j);
    } else if (text_equal(key, "identifier") && json_in_peek(j) == JSON_STRING) {
        struct text parts[3];
        uint32_t line;
        uint64_t first_line = 0;
        split_identifier(json_in_string(j), parts, &line);
        node->name = builder_string(&r->build, parts[0]);
        node->file = builder_string(&r->build, parts[1]);
        if (text_u64(parts[2], &first_line) && first_line <= UINT32_MAX)
            node->line = (uint32_t)first_line;
    } else if (text_equal(key, "time")) {
        double seconds = json_in_f64(j);
        if (seconds < 0 || seconds > 9e9)
            json_in_fail(j, STATUS_INVALID, "a time that cannot be");
        else
            node->time_ns = llround(seconds * 1e9);
    } else {
        json_in_skip(j);
    }
}

/* Times are rounded to the microsecond each, so that children may add up to more than their parent:
 * the first ones give it back. */
static void fit_into_parent(struct reader *r, size_t i)
{
    struct node *node = &r->nodes[i];
    if (r->tree.parent[i]) {
        struct node *parent = &r->nodes[r->tree.parent[i] - 1];
        int64_t cut = parent->excess_ns < node->time_ns ? parent->excess_ns : node->time_ns;
        parent->excess_ns -= cut;
        node->time_ns -= cut;
    }
    int64_t excess = node->children_ns - node->time_ns;
    node->excess_ns = excess > 0 ? excess : 0;
}

/* The renderer shows what a function spent itself as a child of that name: no function. */
static bool is_own_time(struct reader *r, size_t i)
{
    return r->tree.parent[i] && text_equal(builder_text(&r->build, r->nodes[i].name), "[self]");
}

/* A node's own time is its time less its children's; each node with some is one sample. */
static void add_tree(struct reader *r)
{
    for (size_t i = r->tree.len; i > 1; i--) {
        struct node *parent = &r->nodes[r->tree.parent[i - 1] - 1];
        parent->children_ns += r->nodes[i - 1].time_ns;
    }
    for (size_t i = 0; i < r->tree.len && !json_in_status(&r->json); i++) {
        struct node *node = &r->nodes[i];
        fit_into_parent(r, i);
        struct wire_function f = {.name = node->name, .file = node->file, .line = node->line};
        uint32_t frame = builder_frame(&r->build, builder_function(&r->build, f), 0, 0);
        uint32_t above = r->tree.parent[i] ? r->stacks[r->tree.parent[i] - 1] : 0;
        r->stacks[i] = is_own_time(r, i) ? above : builder_stack(&r->build, above, frame);
        int64_t value = node->time_ns - node->children_ns;
        struct profile_sample sample = {
            .time_ns = UINT64_MAX, .stack = r->stacks[i], .values = &value};
        if (value > 0)
            builder_sample(&r->build, r->set, &sample);
    }
}

static void read_tree(struct reader *r)
{
    if (!json_in_null(&r->json)) {
        json_tree_read(&r->tree, &r->json, read_node_field, r);
        if (!json_in_status(&r->json))
            add_tree(r);
    }
}

static void read_json(struct reader *r)
{
    struct json_in *j = &r->json;
    struct text key;
    bool has_tree = false;
    r->set = builder_set(&r->build, "time", "wall", "ns");
    if (!json_in_object(j))
        return;
    while (json_in_key(j, &key)) {
        if (text_equal(key, "root_frame") || text_equal(key, "frame_tree")) {
            if (has_tree)
                json_in_fail(j, STATUS_INVALID, "two trees");
            has_tree = true;
            read_tree(r);
        } else if (text_equal(key, "session") && json_in_peek(j) == JSON_OBJECT) {
            json_in_object(j);
            while (json_in_key(j, &key)) {
                if (!read_about(r, key))
                    json_in_skip(j);
            }
        } else if (!read_about(r, key)) {
            json_in_skip(j);
        }
    }
    if (!has_tree)
        json_in_fail(j, STATUS_INVALID, "no root_frame");
}

/* ---- all three ---- */

static enum status read_with(void (*read)(struct reader *r), const struct format_input *in,
                             struct profile *out, struct error *err)
{
    struct reader r = {0};
    builder_begin(&r.build, &r.json, in, out, err);
    builder_set_text(&r.build, &out->producer, (struct text){"pyinstrument", 12});
    read(&r);
    if (!json_in_status(&r.json))
        json_in_finish(&r.json);
    json_tree_deinit(&r.tree);
    free(r.nodes);
    free(r.stacks);
    return builder_end(&r.build);
}

static enum status session_read(const struct format_input *in, const struct format_options *options,
                                struct profile *out, struct error *err)
{
    (void)options;
    return read_with(read_session, in, out, err);
}

static enum status json_read(const struct format_input *in, const struct format_options *options,
                             struct profile *out, struct error *err)
{
    (void)options;
    return read_with(read_json, in, out, err);
}

static int session_detect(const struct json_head *h)
{
    bool has_start = json_head_kind(h, "start_call_stack") == JSON_ARRAY;
    return has_start || json_head_kind(h, "frame_records") != JSON_NOTHING ? 95 : 0;
}

static int json_detect(const struct json_head *h)
{
    bool is_it = json_head_kind(h, "root_frame") != JSON_NOTHING &&
                 json_head_kind(h, "sample_count") != JSON_NOTHING;
    return is_it ? 90 : 0;
}

static int html_json_detect(const struct json_head *h)
{
    bool is_it = json_head_kind(h, "session") == JSON_OBJECT &&
                 json_head_kind(h, "frame_tree") != JSON_NOTHING;
    return is_it ? 90 : 0;
}

const struct format format_pyinstrument_session = {
    .name = "pyinstrument-session",
    .title = "pyinstrument session",
    .extensions = "pyisession",
    .detect_json = session_detect,
    .read = session_read,
};

const struct format format_pyinstrument_json = {
    .name = "pyinstrument-json",
    .title = "pyinstrument JSON",
    .extensions = "json",
    .detect_json = json_detect,
    .read = json_read,
};

const struct format format_pyinstrument_html_json = {
    .name = "pyinstrument-html-json",
    .title = "pyinstrument HTML report's data",
    .extensions = "json",
    .detect_json = html_json_detect,
    .read = json_read,
};
