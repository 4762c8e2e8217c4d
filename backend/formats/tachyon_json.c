/* Two of the outputs of Python 3.15's sampling profiler (Lib/profiling/sampling): JSON lines, which
 * keep sums by frame but no stacks, and the flame graph page, which keeps the merged tree. */

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "backend/formats/builder.h"
#include "backend/formats/format.h"
#include "backend/formats/json_head.h"
#include "backend/formats/json_in.h"
#include "backend/formats/json_tree.h"
#include "common/base/array.h"

/* ---- JSON lines ---- */

struct lines_reader {
    struct json_in json;
    struct builder build;
    uint32_t *strings, *functions; /* by the file's ids */
    size_t strings_len, strings_cap, functions_len, functions_cap;
    bool has_meta, has_end;
};

enum line_kind { LINE_OTHER, LINE_META, LINE_STRINGS, LINE_FRAMES, LINE_AGGREGATE, LINE_END };

struct line {
    enum line_kind kind;
    const uint8_t *items;
    int64_t version;
};

static enum line_kind kind_of(struct text type)
{
    static const struct {
        const char *name;
        enum line_kind kind;
    } kinds[] = {{"meta", LINE_META},
                 {"string_table", LINE_STRINGS},
                 {"frame_table", LINE_FRAMES},
                 {"agg", LINE_AGGREGATE},
                 {"end", LINE_END}};
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (text_equal(type, kinds[i].name))
            return kinds[i].kind;
    }
    return LINE_OTHER;
}

static void read_line(struct lines_reader *r, struct line *line)
{
    struct json_in *j = &r->json;
    struct text key;
    *line = (struct line){0};
    if (!json_in_object(j))
        return;
    while (json_in_key(j, &key)) {
        if (text_equal(key, "type"))
            line->kind = kind_of(json_in_string(j));
        else if (text_equal(key, "v"))
            line->version = json_in_i64(j);
        else if (text_equal(key, "strings") || text_equal(key, "frames") ||
                 text_equal(key, "entries"))
            line->items = json_in_mark(j);
        else if (text_equal(key, "sample_interval_usec") && json_in_peek(j) == JSON_NUMBER) {
            double interval_us = json_in_f64(j);
            r->build.profile->rate_hz = interval_us > 0 ? 1e6 / interval_us : 0;
        } else
            json_in_skip(j);
    }
}

/* Ids are dense but need not come in order. */
static bool put(struct lines_reader *r, uint32_t **items, size_t *len, size_t *cap, uint32_t at,
                uint32_t value)
{
    struct json_in *j = &r->json;
    if (at > (size_t)(j->end - j->start)) {
        json_in_fail(j, STATUS_INVALID, "id %u is beyond anything the file can hold", at);
        return false;
    }
    if (!array_reserve(items, cap, (size_t)at + 1))
        return json_in_check(j, STATUS_NO_MEMORY);
    while (*len <= at)
        (*items)[(*len)++] = UINT32_MAX;
    (*items)[at] = value;
    return true;
}

static void read_strings(struct lines_reader *r)
{
    struct json_in *j = &r->json;
    struct text key;
    if (!json_in_array(j))
        return;
    while (json_in_item(j)) {
        uint32_t id = 0;
        uint32_t string = 0;
        if (!json_in_object(j))
            return;
        while (json_in_key(j, &key)) {
            if (text_equal(key, "str_id"))
                id = json_in_u32(j);
            else if (text_equal(key, "value"))
                string = builder_string(&r->build, json_in_string(j));
            else
                json_in_skip(j);
        }
        if (json_in_status(j) || !put(r, &r->strings, &r->strings_len, &r->strings_cap, id, string))
            return;
    }
}

static uint32_t find(struct lines_reader *r, const uint32_t *items, size_t len, uint32_t id,
                     const char *what)
{
    if (id < len && items[id] != UINT32_MAX)
        return items[id];
    json_in_fail(&r->json, STATUS_INVALID, "%s %u is not there", what, id);
    return 0;
}

/* The line of a frame is the line being run: sums are by function and line. */
static void read_frames(struct lines_reader *r)
{
    struct json_in *j = &r->json;
    struct text key;
    if (!json_in_array(j))
        return;
    while (json_in_item(j)) {
        uint32_t id = 0;
        uint32_t path = 0;
        uint32_t name = 0;
        struct wire_function f = {0};
        if (!json_in_object(j))
            return;
        while (json_in_key(j, &key)) {
            if (text_equal(key, "frame_id"))
                id = json_in_u32(j);
            else if (text_equal(key, "path_str_id"))
                path = json_in_u32(j);
            else if (text_equal(key, "func_str_id"))
                name = json_in_u32(j);
            else if (text_equal(key, "line") && json_in_peek(j) == JSON_NUMBER)
                f.line = json_in_u32(j);
            else
                json_in_skip(j);
        }
        if (json_in_status(j))
            return;
        f.name = find(r, r->strings, r->strings_len, name, "string");
        f.file = find(r, r->strings, r->strings_len, path, "string");
        uint32_t function = builder_function(&r->build, f);
        if (json_in_status(j) ||
            !put(r, &r->functions, &r->functions_len, &r->functions_cap, id, function))
            return;
    }
}

static void read_entries(struct lines_reader *r)
{
    struct json_in *j = &r->json;
    struct text key;
    if (!json_in_array(j))
        return;
    while (json_in_item(j)) {
        uint32_t id = 0;
        struct call_row row = {0};
        if (!json_in_object(j))
            return;
        while (json_in_key(j, &key)) {
            if (text_equal(key, "frame_id"))
                id = json_in_u32(j);
            else if (text_equal(key, "self"))
                row.self = (double)json_in_u32(j);
            else if (text_equal(key, "cumulative"))
                row.total = (double)json_in_u32(j);
            else
                json_in_skip(j);
        }
        if (json_in_status(j))
            return;
        uint32_t index;
        row.function = find(r, r->functions, r->functions_len, id, "frame");
        if (!json_in_status(j))
            builder_check(&r->build, profile_add_call_row(r->build.profile, &row, &index));
    }
}

static void take_line(struct lines_reader *r, const struct line *line)
{
    struct json_in *j = &r->json;
    const uint8_t *behind = j->at;
    if (line->version != 0) {
        json_in_fail(j, STATUS_UNSUPPORTED, "version %lld of these lines is not known",
                     (long long)line->version);
        return;
    }
    r->has_end = r->has_end || line->kind == LINE_END;
    if (line->kind == LINE_META) {
        r->has_meta = true; /* a new run has tables of its own */
        r->strings_len = r->functions_len = 0;
    }
    if (!line->items)
        return;
    json_in_return(j, line->items);
    if (line->kind == LINE_STRINGS)
        read_strings(r);
    else if (line->kind == LINE_FRAMES)
        read_frames(r);
    else if (line->kind == LINE_AGGREGATE)
        read_entries(r);
    else
        json_in_skip(j);
    if (!json_in_status(j))
        json_in_return(j, behind);
}

static enum status jsonl_read(const struct format_input *in, const struct format_options *options,
                              struct profile *out, struct error *err)
{
    (void)options;
    struct lines_reader r = {0};
    struct json_in *j = &r.json;
    builder_begin(&r.build, &r.json, in, out, err);
    out->call_graph.unit = builder_literal(&r.build, "samples");
    struct line line;
    while (json_in_peek(j) == JSON_OBJECT) {
        read_line(&r, &line);
        if (!json_in_status(j))
            take_line(&r, &line);
    }
    if (!json_in_status(j))
        json_in_finish(j);
    if (!r.has_meta)
        json_in_fail(j, STATUS_INVALID, "no meta line");
    if (!r.has_end)
        json_in_fail(j, STATUS_INVALID, "no end line: the file is cut off");
    free(r.strings);
    free(r.functions);
    return builder_end(&r.build);
}

static int jsonl_detect(const struct json_head *h)
{
    bool is_it =
        json_head_kind(h, "type") == JSON_STRING && json_head_kind(h, "v") == JSON_NUMBER &&
        (json_head_kind(h, "run_id") == JSON_STRING || json_head_holds(h, "\"string_table\""));
    return is_it ? 85 : 0;
}

const struct format format_tachyon_jsonl = {
    .name = "tachyon-jsonl",
    .title = "Tachyon JSON lines",
    .extensions = "jsonl",
    .detect_json = jsonl_detect,
    .read = jsonl_read,
};

/* ---- the flame graph page ---- */

struct node {
    double name, file; /* numbers of strings; NaN = none: the root above several */
    uint32_t line;
    int64_t value, self, children;
    bool has_self;
};

struct page_reader {
    struct json_in json;
    struct builder build;
    struct json_tree tree;
    struct node *nodes;
    uint32_t *strings, *stacks;
    size_t nodes_cap, strings_len, strings_cap, stacks_cap;
};

static void read_page_strings(struct page_reader *r)
{
    struct json_in *j = &r->json;
    r->strings_len = 0;
    if (!json_in_array(j))
        return;
    while (json_in_item(j)) {
        if (!array_reserve(&r->strings, &r->strings_cap, r->strings_len + 1)) {
            json_in_check(j, STATUS_NO_MEMORY);
            return;
        }
        r->strings[r->strings_len++] = builder_string(&r->build, json_in_string(j));
    }
}

static void read_page_field(void *ctx, uint32_t number, struct text key)
{
    struct page_reader *r = ctx;
    struct json_in *j = &r->json;
    if (key.len == 0 && number == r->tree.len - 1) {
        if (!array_reserve(&r->nodes, &r->nodes_cap, r->tree.len) ||
            !array_reserve(&r->stacks, &r->stacks_cap, r->tree.len))
            json_in_check(j, STATUS_NO_MEMORY);
        else
            r->nodes[number] = (struct node){.name = -1, .file = -1};
        return;
    }
    struct node *node = &r->nodes[number];
    bool is_number = json_in_peek(j) == JSON_NUMBER;
    if (text_equal(key, "funcname") && is_number) {
        node->name = json_in_f64(j);
    } else if (text_equal(key, "filename") && is_number) {
        node->file = json_in_f64(j);
    } else if (text_equal(key, "lineno") && is_number) {
        int64_t line = json_in_i64(j);
        node->line = line > 0 && line <= UINT32_MAX ? (uint32_t)line : 0;
    } else if (text_equal(key, "value") && is_number) {
        node->value = json_in_u32(j);
    } else if (text_equal(key, "self") && is_number) {
        node->self = json_in_u32(j);
        node->has_self = true;
    } else if (number == 0 && text_equal(key, "strings")) {
        read_page_strings(r);
    } else {
        json_in_skip(j);
    }
}

static uint32_t page_string(struct page_reader *r, double index)
{
    if (index >= 0 && index < (double)r->strings_len)
        return r->strings[(size_t)index];
    if (index >= 0)
        json_in_fail(&r->json, STATUS_INVALID, "string %.0f of %zu", index, r->strings_len);
    return 0;
}

static void add_page_sample(struct page_reader *r, uint32_t set, uint32_t stack, int64_t value)
{
    struct profile_sample sample = {.time_ns = UINT64_MAX, .stack = stack, .values = &value};
    if (value > 0)
        builder_sample(&r->build, set, &sample);
}

static void add_page(struct page_reader *r)
{
    uint32_t set = builder_set(&r->build, "samples", "samples", "count");
    struct wire_function left_out = {.name = builder_literal(&r->build, "(pruned)")};
    uint32_t pruned = builder_frame(&r->build, builder_function(&r->build, left_out), 0, 0);
    for (size_t i = r->tree.len; i > 1; i--)
        r->nodes[r->tree.parent[i - 1] - 1].children += r->nodes[i - 1].value;
    for (size_t i = 0; i < r->tree.len && !json_in_status(&r->json); i++) {
        const struct node *node = &r->nodes[i];
        uint32_t above = r->tree.parent[i] ? r->stacks[r->tree.parent[i] - 1] : 0;
        r->stacks[i] = above;
        if (node->name >= 0) {
            struct wire_function f = {.name = page_string(r, node->name),
                                      .file = page_string(r, node->file)};
            uint32_t frame =
                builder_frame(&r->build, builder_function(&r->build, f), node->line, 0);
            r->stacks[i] = builder_stack(&r->build, above, frame);
        }
        int64_t rest = node->value - node->children;
        add_page_sample(r, set, r->stacks[i], node->has_self ? node->self : rest);
        /* the page leaves out what is too narrow to be seen */
        if (node->has_self && rest > node->self)
            add_page_sample(r, set, builder_stack(&r->build, r->stacks[i], pruned),
                            rest - node->self);
    }
}

static const char page_start[] = "const EMBEDDED_DATA = {";

static enum status page_read(const struct format_input *in, const struct format_options *options,
                             struct profile *out, struct error *err)
{
    (void)options;
    const uint8_t *at = memmem(in->data, in->len, page_start, strlen(page_start));
    if (!at)
        return error_set(err, STATUS_INVALID, "the page has no EMBEDDED_DATA");
    struct page_reader r = {0};
    builder_begin(&r.build, &r.json, in, out, err);
    r.json.at = at + strlen(page_start) - 1;
    json_tree_read(&r.tree, &r.json, read_page_field, &r);
    if (!json_in_status(&r.json))
        add_page(&r);
    json_tree_deinit(&r.tree);
    free(r.nodes);
    free(r.strings);
    free(r.stacks);
    return builder_end(&r.build);
}

/* The data stands behind half a megabyte of scripts: the head tells the page by its title. */
static int page_detect(const uint8_t *head, size_t len, bool is_whole_file)
{
    (void)is_whole_file;
    static const char doctype[] = "<!doctype html>";
    if (len < strlen(doctype) || strncasecmp((const char *)head, doctype, strlen(doctype)) != 0)
        return 0;
    bool is_it = memmem(head, len, "Tachyon", 7) && memmem(head, len, "lamegraph", 9);
    return is_it ? 80 : 0;
}

const struct format format_tachyon_flamegraph_html = {
    .name = "tachyon-flamegraph-html",
    .title = "Tachyon flame graph",
    .extensions = "html",
    .detect = page_detect,
    .read = page_read,
};
