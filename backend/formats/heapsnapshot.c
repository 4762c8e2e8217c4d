/* V8 heap snapshots (Chrome DevTools, node --heapsnapshot-signal): what is alive, by type and name.
 * The edges, which say who holds it, are counted and not kept. */

#include <stdlib.h>
#include <string.h>

#include "backend/formats/builder.h"
#include "backend/formats/format.h"
#include "backend/formats/json_head.h"
#include "backend/formats/json_in.h"
#include "common/base/array.h"
#include "common/base/map.h"

enum { MAX_FIELDS = 32, MAX_TYPES = 64 };

/* All nodes of one type and name. */
struct group {
    uint32_t type, name; /* name: number in the file's strings */
    int64_t bytes, count;
};

struct reader {
    struct json_in json;
    struct builder build;
    const uint8_t *nodes, *edges, *strings;
    size_t fields, edge_fields;
    size_t type_at, name_at, size_at; /* places of the fields in a node */
    uint32_t types[MAX_TYPES];
    size_t types_len;
    struct group *groups;
    size_t groups_len, groups_cap;
    struct map by_key;
    int64_t node_count;
    bool has_count;
};

static void read_node_fields(struct reader *r)
{
    struct json_in *j = &r->json;
    r->type_at = r->name_at = r->size_at = MAX_FIELDS;
    r->fields = 0;
    if (!json_in_array(j))
        return;
    for (; json_in_item(j); r->fields++) {
        struct text name = json_in_string(j);
        if (text_equal(name, "type"))
            r->type_at = r->fields;
        else if (text_equal(name, "name"))
            r->name_at = r->fields;
        else if (text_equal(name, "self_size"))
            r->size_at = r->fields;
    }
    if (r->fields > MAX_FIELDS || r->type_at >= r->fields || r->name_at >= r->fields ||
        r->size_at >= r->fields)
        json_in_fail(j, STATUS_INVALID, "node_fields without type, name and self_size");
}

/* The first of node_types lists the names of the types. */
static void read_node_types(struct reader *r)
{
    struct json_in *j = &r->json;
    if (!json_in_array(j))
        return;
    for (bool is_first = true; json_in_item(j); is_first = false) {
        if (!is_first || json_in_peek(j) != JSON_ARRAY) {
            json_in_skip(j);
            continue;
        }
        json_in_array(j);
        while (json_in_item(j)) {
            uint32_t name = builder_string(&r->build, json_in_string(j));
            if (r->types_len < MAX_TYPES)
                r->types[r->types_len++] = name;
        }
    }
}

static void read_meta(struct reader *r)
{
    struct json_in *j = &r->json;
    struct text key;
    if (!json_in_object(j))
        return;
    while (json_in_key(j, &key)) {
        if (text_equal(key, "node_fields")) {
            read_node_fields(r);
        } else if (text_equal(key, "node_types")) {
            read_node_types(r);
        } else if (text_equal(key, "edge_fields") && json_in_array(j)) {
            for (r->edge_fields = 0; json_in_item(j); r->edge_fields++)
                json_in_skip(j);
        } else {
            json_in_skip(j);
        }
    }
}

static void read_snapshot(struct reader *r)
{
    struct json_in *j = &r->json;
    struct text key;
    if (!json_in_object(j))
        return;
    while (json_in_key(j, &key)) {
        if (text_equal(key, "meta")) {
            read_meta(r);
        } else if (text_equal(key, "node_count")) {
            r->node_count = json_in_i64(j);
            r->has_count = true;
        } else {
            json_in_skip(j);
        }
    }
}

static void read_top(struct reader *r)
{
    struct json_in *j = &r->json;
    struct text key;
    bool has_snapshot = false;
    if (!json_in_object(j))
        return;
    while (json_in_key(j, &key)) {
        if (text_equal(key, "snapshot")) {
            read_snapshot(r);
            has_snapshot = true;
        } else if (text_equal(key, "nodes")) {
            r->nodes = json_in_mark(j);
        } else if (text_equal(key, "edges")) {
            r->edges = json_in_mark(j);
        } else if (text_equal(key, "strings")) {
            r->strings = json_in_mark(j);
        } else {
            json_in_skip(j);
        }
    }
    json_in_finish(j);
    if (!has_snapshot || !r->nodes || !r->strings || !r->fields)
        json_in_fail(j, STATUS_INVALID, "no snapshot with meta, nodes and strings");
}

static struct group *find_group(struct reader *r, uint32_t type, uint32_t name)
{
    uint64_t key = map_pair(type, name);
    const uint32_t *known = map_find(&r->by_key, key);
    if (known)
        return &r->groups[*known];
    if (!array_reserve(&r->groups, &r->groups_cap, r->groups_len + 1) ||
        !map_put(&r->by_key, key, (uint32_t)r->groups_len)) {
        json_in_check(&r->json, STATUS_NO_MEMORY);
        return NULL;
    }
    r->groups[r->groups_len] = (struct group){.type = type, .name = name};
    return &r->groups[r->groups_len++];
}

static uint64_t read_nodes(struct reader *r)
{
    struct json_in *j = &r->json;
    uint32_t node[MAX_FIELDS];
    uint64_t count = 0;
    size_t at = 0;
    json_in_return(j, r->nodes);
    if (!json_in_array(j))
        return 0;
    while (json_in_item(j)) {
        int64_t field = json_in_i64(j);
        if (field < 0 || field > UINT32_MAX)
            json_in_fail(j, STATUS_INVALID, "a node field outside 0..4294967295");
        node[at++] = (uint32_t)field;
        if (at < r->fields || json_in_status(j))
            continue;
        at = 0;
        count++;
        if (node[r->type_at] >= r->types_len) {
            json_in_fail(j, STATUS_INVALID, "a node of unknown type %u", node[r->type_at]);
            return count;
        }
        struct group *g = find_group(r, node[r->type_at], node[r->name_at]);
        if (!g)
            return count;
        g->bytes += node[r->size_at];
        g->count++;
    }
    if (at)
        json_in_fail(j, STATUS_INVALID, "nodes end in the middle of a node");
    else if (r->has_count && r->node_count != (int64_t)count && !json_in_status(j))
        json_in_fail(j, STATUS_INVALID, "%llu nodes where the head says %lld",
                     (unsigned long long)count, (long long)r->node_count);
    return count;
}

static uint64_t count_edges(struct reader *r)
{
    struct json_in *j = &r->json;
    uint64_t count = 0;
    if (!r->edges || !r->edge_fields)
        return 0;
    json_in_return(j, r->edges);
    if (!json_in_array(j))
        return 0;
    for (; json_in_item(j); count++)
        json_in_number(j);
    return count / r->edge_fields;
}

/* Only the names that stand in a group are kept. */
static void add_groups(struct reader *r)
{
    struct json_in *j = &r->json;
    uint32_t *names = NULL;
    size_t len = 0;
    size_t cap = 0;
    json_in_return(j, r->strings);
    if (!json_in_array(j))
        return;
    while (json_in_item(j)) {
        if (!array_reserve(&names, &cap, len + 1)) {
            json_in_check(j, STATUS_NO_MEMORY);
            break;
        }
        names[len++] = builder_string(&r->build, json_in_string(j));
    }
    uint32_t set = 0;
    uint32_t column = 0;
    builder_check(&r->build, profile_add_set(r->build.profile, "heap", 0, &set));
    if (!r->build.failed)
        builder_check(&r->build,
                      profile_add_value_type(r->build.profile, set, "size", "bytes", &column));
    if (!r->build.failed)
        builder_check(&r->build,
                      profile_add_value_type(r->build.profile, set, "objects", "count", &column));
    for (size_t i = 0; i < r->groups_len && !json_in_status(j); i++) {
        const struct group *g = &r->groups[i];
        int64_t values[2] = {g->bytes, g->count};
        struct profile_sample sample = {.time_ns = UINT64_MAX, .values = values};
        if (g->name >= len) {
            json_in_fail(j, STATUS_INVALID, "string %u of %zu", g->name, len);
            break;
        }
        struct wire_function type = {.name = r->types[g->type], .kind = WIRE_SYNTHETIC};
        struct wire_function name = {.name = names[g->name], .module = type.name};
        sample.stack = builder_stack(
            &r->build, 0, builder_frame(&r->build, builder_function(&r->build, type), 0, 0));
        sample.stack =
            builder_stack(&r->build, sample.stack,
                          builder_frame(&r->build, builder_function(&r->build, name), 0, 0));
        builder_sample(&r->build, set, &sample);
    }
    free(names);
}

static enum status heapsnapshot_read(const struct format_input *in,
                                     const struct format_options *options, struct profile *out,
                                     struct error *err)
{
    (void)options;
    struct reader r = {0};
    builder_begin(&r.build, &r.json, in, out, err);
    map_init(&r.by_key);
    read_top(&r);
    if (!json_in_status(&r.json))
        builder_check(&r.build, profile_set_counter(out, "nodes", read_nodes(&r)));
    if (!json_in_status(&r.json))
        builder_check(&r.build, profile_set_counter(out, "edges", count_edges(&r)));
    if (!json_in_status(&r.json))
        add_groups(&r);
    map_deinit(&r.by_key);
    free(r.groups);
    return builder_end(&r.build);
}

static int heapsnapshot_detect(const struct json_head *h)
{
    bool is_it =
        json_head_kind(h, "snapshot") == JSON_OBJECT && json_head_holds(h, "\"node_fields\"");
    return is_it ? 95 : 0;
}

const struct format format_heapsnapshot = {
    .name = "heapsnapshot",
    .title = "V8 heap snapshot",
    .extensions = "heapsnapshot",
    .detect_json = heapsnapshot_detect,
    .read = heapsnapshot_read,
};
