/* speedscope's JSON (https://www.speedscope.app/file-format-schema.json, 0.0.1 to 1.x): frames
 * shared by any number of profiles, each sampled or evented, each with a unit of its own. */

#include <stdlib.h>
#include <string.h>

#include "backend/formats/format.h"
#include "backend/formats/json_head.h"
#include "backend/formats/speedscope_read.h"
#include "backend/formats/speedscope_write.h"
#include "common/base/array.h"

bool speedscope_reserve(struct speedscope_reader *r, bool has_room)
{
    return has_room || json_in_check(&r->json, STATUS_NO_MEMORY);
}

/* ---- frames ---- */

static void read_frame(struct speedscope_reader *r)
{
    struct json_in *j = &r->json;
    struct text key;
    uint32_t name = 0;
    uint32_t file = 0;
    uint32_t line = 0;
    uint32_t column = 0;
    bool has_name = false;
    if (!json_in_object(j))
        return;
    while (json_in_key(j, &key)) {
        if (text_equal(key, "name")) {
            name = builder_string(&r->build, json_in_string(j));
            has_name = true;
        } else if (json_in_null(j)) {
            continue;
        } else if (text_equal(key, "file")) {
            file = builder_string(&r->build, json_in_string(j));
        } else if (text_equal(key, "line")) {
            line = json_in_u32(j);
        } else if (text_equal(key, "col")) {
            column = json_in_u32(j);
        } else {
            json_in_skip(j);
        }
    }
    if (!has_name)
        json_in_fail(j, STATUS_INVALID, "a frame without a name");
    if (json_in_status(j) ||
        !speedscope_reserve(r, array_reserve(&r->frames, &r->frames_cap, r->frames_len + 1)))
        return;
    struct wire_function f = {.name = name, .file = file};
    uint32_t function = builder_function(&r->build, f);
    r->frames[r->frames_len++] = builder_frame(&r->build, function, line, column);
}

static void read_shared(struct speedscope_reader *r)
{
    struct json_in *j = &r->json;
    struct text key;
    if (!json_in_object(j))
        return;
    while (json_in_key(j, &key)) {
        if (!text_equal(key, "frames")) {
            json_in_skip(j);
            continue;
        }
        r->has_frames = true;
        r->frames_len = 0;
        if (!json_in_array(j))
            return;
        while (json_in_item(j))
            read_frame(r);
    }
}

/* ---- the list of profiles ---- */

static const char *missing_in(const struct speedscope_part *part, bool has_type)
{
    if (!has_type)
        return "a profile without a type";
    if (part->is_evented && !part->events)
        return "an evented profile without events";
    if (!part->is_evented && (!part->samples || !part->weights))
        return "a sampled profile without samples or weights";
    return NULL;
}

static void read_part(struct speedscope_reader *r)
{
    struct json_in *j = &r->json;
    struct speedscope_part part = {.start.is_integer = true};
    struct text key;
    bool has_type = false;
    if (!json_in_object(j))
        return;
    while (json_in_key(j, &key)) {
        if (text_equal(key, "type")) {
            struct text type = json_in_string(j);
            part.is_evented = text_equal(type, "evented");
            has_type = true;
            if (!part.is_evented && !text_equal(type, "sampled"))
                json_in_fail(j, STATUS_UNSUPPORTED, "a profile neither evented nor sampled");
        } else if (text_equal(key, "name")) {
            part.name_id = json_in_null(j) ? 0 : builder_string(&r->build, json_in_string(j));
        } else if (text_equal(key, "unit")) {
            part.unit_id = builder_string(&r->build, json_in_string(j));
        } else if (text_equal(key, "startValue")) {
            part.start = json_in_number(j);
        } else if (text_equal(key, "samples")) {
            part.samples = json_in_mark(j);
        } else if (text_equal(key, "weights")) {
            part.weights = json_in_mark(j);
        } else if (text_equal(key, "events")) {
            part.events = json_in_mark(j);
        } else {
            json_in_skip(j);
        }
    }
    if (json_in_status(j))
        return;
    const char *missing = missing_in(&part, has_type);
    if (missing)
        json_in_fail(j, STATUS_INVALID, "%s", missing);
    else if (speedscope_reserve(r, array_reserve(&r->parts, &r->parts_cap, r->parts_len + 1)))
        r->parts[r->parts_len++] = part;
}

static void read_top(struct speedscope_reader *r)
{
    struct json_in *j = &r->json;
    struct profile *p = r->build.profile;
    struct text key;
    if (!json_in_object(j))
        return;
    while (json_in_key(j, &key)) {
        if (text_equal(key, "shared")) {
            read_shared(r);
        } else if (text_equal(key, "profiles")) {
            r->has_profiles = true;
            r->parts_len = 0;
            if (!json_in_array(j))
                return;
            while (json_in_item(j))
                read_part(r);
        } else if (text_equal(key, "name") && json_in_peek(j) == JSON_STRING) {
            builder_set_text(&r->build, &p->name, json_in_string(j));
        } else if (text_equal(key, "exporter") && json_in_peek(j) == JSON_STRING) {
            builder_set_text(&r->build, &p->producer, json_in_string(j));
        } else {
            json_in_skip(j);
        }
    }
    json_in_finish(j);
    if (!r->has_frames)
        json_in_fail(j, STATUS_INVALID, "no shared frames");
    if (!r->has_profiles)
        json_in_fail(j, STATUS_INVALID, "no profiles");
}

/* ---- amounts and groups ---- */

int64_t speedscope_scaled(struct speedscope_reader *r, const struct amount_unit *unit,
                          struct json_number n)
{
    int64_t value = 0;
    if (!amount_scale(unit, &n, &value))
        json_in_fail(&r->json, STATUS_INVALID, "a weight or time that does not fit 64 bits");
    return value;
}

/* Times are rounded to the nanosecond; other amounts are kept in thousandths when one of them has
 * a fraction. */
static bool has_fraction(struct speedscope_reader *r, const struct speedscope_part *part,
                         const struct amount_unit *unit)
{
    struct json_in *j = &r->json;
    bool is_broken = amount_is_broken(unit, &part->start);
    json_in_return(j, part->is_evented ? part->events : part->weights);
    if (unit->is_time || !json_in_array(j))
        return false;
    struct text key;
    while (json_in_item(j)) {
        if (!part->is_evented) {
            struct json_number n = json_in_number(j);
            is_broken = is_broken || amount_is_broken(unit, &n);
            continue;
        }
        if (!json_in_object(j))
            return false;
        while (json_in_key(j, &key)) {
            if (!text_equal(key, "at")) {
                json_in_skip(j);
                continue;
            }
            struct json_number n = json_in_number(j);
            is_broken = is_broken || amount_is_broken(unit, &n);
        }
    }
    return is_broken;
}

static uint32_t find_group(struct speedscope_reader *r, const struct speedscope_part *part,
                           uint32_t metric, const struct amount_unit *unit)
{
    for (size_t i = 0; i < r->groups_len; i++) {
        struct speedscope_group *g = &r->groups[i];
        if (g->unit_id == part->unit_id && g->metric_id == metric &&
            strcmp(g->unit, unit->name) == 0)
            return g->set;
    }
    if (!speedscope_reserve(r, array_reserve(&r->groups, &r->groups_cap, r->groups_len + 1)))
        return 0;
    struct speedscope_group *g = &r->groups[r->groups_len++];
    *g = (struct speedscope_group){.unit_id = part->unit_id, .metric_id = metric};
    memcpy(g->unit, unit->name, sizeof(g->unit));
    struct text unit_text = builder_text(&r->build, part->unit_id);
    struct text metric_text = builder_text(&r->build, metric);
    const char *value = unit->is_time                          ? "time"
                        : strncmp(unit->name, "bytes", 5) == 0 ? "memory"
                                                               : "weight";
    g->set = builder_set(&r->build, metric ? metric_text.data : unit_text.data,
                         metric ? metric_text.data : value, unit->name);
    return g->set;
}

/* Austin's converter puts the metric, process and thread into the name:
 * "Wall time profile for 17053:0:17055" (austin-python, speedscope.py). */
static uint32_t find_thread(struct speedscope_reader *r, const struct speedscope_part *part,
                            uint32_t *metric)
{
    static const char middle[] = " profile for ";
    struct text name = builder_text(&r->build, part->name_id);
    const char *at = memmem(name.data, name.len, middle, sizeof(middle) - 1);
    uint64_t tid = (uint64_t)(part - r->parts) + 1;
    uint64_t pid = 0;
    struct text rest = {at ? at + sizeof(middle) - 1 : "", 0};
    struct text first;
    struct text second;
    if (at) {
        rest.len = (size_t)(name.data + name.len - rest.data);
        if (text_cut(&rest, ':', &first) && text_cut(&rest, ':', &second) &&
            text_u64(first, &pid) && text_u64(rest, &tid)) {
            *metric = builder_string(&r->build, (struct text){name.data, (size_t)(at - name.data)});
            uint32_t process = builder_process(&r->build, pid, (struct text){"", 0});
            return builder_thread(&r->build, process, tid, (struct text){"", 0});
        }
    }
    return builder_thread(&r->build, 0, (uint64_t)(part - r->parts) + 1, name);
}

/* ---- all together ---- */

static void find_base(struct speedscope_reader *r)
{
    bool is_first = true;
    for (size_t i = 0; i < r->parts_len; i++) {
        struct amount_unit unit;
        amount_unit_find(&unit, builder_text(&r->build, r->parts[i].unit_id));
        if (!unit.is_time)
            continue;
        int64_t start = speedscope_scaled(r, &unit, r->parts[i].start);
        if (is_first || start < r->base_ns)
            r->base_ns = start;
        is_first = false;
    }
}

static void read_data(struct speedscope_reader *r)
{
    find_base(r);
    for (size_t i = 0; i < r->parts_len && !json_in_status(&r->json); i++) {
        const struct speedscope_part *part = &r->parts[i];
        struct speedscope_target to = {0};
        uint32_t metric = 0;
        amount_unit_find(&to.unit, builder_text(&r->build, part->unit_id));
        if (has_fraction(r, part, &to.unit))
            amount_unit_divide(&to.unit);
        to.thread = find_thread(r, part, &metric);
        to.set = find_group(r, part, metric, &to.unit);
        to.start = speedscope_scaled(r, &to.unit, part->start);
        if (json_in_status(&r->json))
            return;
        if (part->is_evented)
            speedscope_read_evented(r, part, &to);
        else
            speedscope_read_sampled(r, part, &to);
    }
}

static enum status speedscope_read(const struct format_input *in,
                                   const struct format_options *options, struct profile *out,
                                   struct error *err)
{
    (void)options;
    struct speedscope_reader r = {0};
    builder_begin(&r.build, &r.json, in, out, err);
    read_top(&r);
    if (!json_in_status(&r.json))
        read_data(&r);
    free(r.frames);
    free(r.parts);
    free(r.groups);
    free(r.path_frame);
    free(r.path_stack);
    free(r.stacks);
    return builder_end(&r.build);
}

static int speedscope_detect(const struct json_head *h)
{
    if (h->top != JSON_OBJECT)
        return 0;
    if (json_head_holds(h, "speedscope.app/file-format-schema"))
        return 100;
    bool has_shared = json_head_kind(h, "shared") == JSON_OBJECT;
    return has_shared && json_head_kind(h, "profiles") == JSON_ARRAY ? 90 : 0;
}

const struct format format_speedscope = {
    .name = "speedscope",
    .title = "speedscope",
    .extensions = "speedscope.json",
    .detect_json = speedscope_detect,
    .read = speedscope_read,
    .write = speedscope_write,
};
