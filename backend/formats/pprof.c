/* pprof's profile.proto (github.com/google/pprof, proto/profile.proto): CPU, heap and anything
 * else with stacks and values. The file is read twice: tables first, since strings come last. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/formats/builder.h"
#include "backend/formats/format.h"
#include "backend/formats/pb_in.h"
#include "backend/formats/pprof_write.h"
#include "common/base/array.h"
#include "common/base/map.h"

enum { MAX_LINES = 4096, STACKS_PER_BYTE = 16, MAX_TYPES = 64 };

struct location {
    const uint8_t *data; /* its message, until it is needed */
    size_t len;
    size_t first_frame; /* outermost first */
    uint32_t frames_len;
    bool is_read;
};

struct reader {
    struct pb_in top;
    struct builder build;
    struct text *strings;
    struct pb_field *functions, *mappings, *types;
    struct location *locations;
    uint32_t *frames;
    uint64_t *ids;   /* location ids of the sample being read */
    int64_t *values; /* of the same */
    size_t strings_len, strings_cap, functions_len, functions_cap, mappings_len, mappings_cap;
    size_t types_len, types_cap, locations_len, locations_cap, frames_len, frames_cap;
    size_t ids_len, ids_cap, values_len, values_cap, stacks_max;
    struct map function_by_id, mapping_by_id, location_by_id;
    struct map stack_by_pair; /* parent stack and location -> stack */
    uint64_t default_type, period;
    size_t order[MAX_TYPES]; /* the file's number of each of our value types */
    uint32_t first_set;
};

static bool fail(struct reader *r, enum status status, const char *what)
{
    if (!r->top.failed && !r->build.failed)
        pb_in_fail(&r->top, status, what);
    return false;
}

/* A nested message's fault becomes the file's. */
static bool merge(struct reader *r, const struct pb_in *inner)
{
    if (inner->failed && !r->top.failed)
        r->top.failed = inner->failed;
    return !r->top.failed && !r->build.failed;
}

static bool room(struct reader *r, bool has_room)
{
    return has_room || fail(r, STATUS_NO_MEMORY, "no memory for the tables");
}

static struct text text_at(struct reader *r, uint64_t index)
{
    if (index < r->strings_len)
        return r->strings[index];
    fail(r, STATUS_INVALID, "a string number beyond the string table");
    return (struct text){"", 0};
}

static bool put_id(struct reader *r, struct map *map, const struct pb_field *f, uint32_t row)
{
    struct pb_in in;
    struct pb_field id;
    pb_in_inside(&in, &r->top, f);
    uint64_t value = 0;
    while (pb_in_next(&in, &id)) {
        if (id.number == 1)
            value = id.value;
    }
    if (!merge(r, &in))
        return false;
    if (value == 0)
        return fail(r, STATUS_INVALID, "a location, function or mapping without an id");
    if (map_find(map, value))
        return fail(r, STATUS_INVALID, "two locations, functions or mappings of one id");
    return room(r, map_put(map, value, row));
}

/* ---- pass 1: tables ---- */

static bool keep_field(struct reader *r, struct pb_field **rows, size_t *len, size_t *cap,
                       const struct pb_field *f)
{
    if (!room(r, array_reserve(rows, cap, *len + 1)))
        return false;
    (*rows)[(*len)++] = *f;
    return true;
}

static bool read_table_field(struct reader *r, const struct pb_field *f)
{
    static const char wrong[] = "a field of the wrong kind";
    struct profile *p = r->build.profile;
    bool is_message = f->wire == PB_BYTES;
    switch (f->number) {
    case 1:
        return is_message ? keep_field(r, &r->types, &r->types_len, &r->types_cap, f)
                          : fail(r, STATUS_INVALID, wrong);
    case 3:
        return keep_field(r, &r->mappings, &r->mappings_len, &r->mappings_cap, f) &&
               put_id(r, &r->mapping_by_id, f, (uint32_t)r->mappings_len - 1);
    case 4:
        if (!room(r, array_reserve(&r->locations, &r->locations_cap, r->locations_len + 1)))
            return false;
        r->locations[r->locations_len++] = (struct location){.data = f->data, .len = f->len};
        return put_id(r, &r->location_by_id, f, (uint32_t)r->locations_len - 1);
    case 5:
        return keep_field(r, &r->functions, &r->functions_len, &r->functions_cap, f) &&
               put_id(r, &r->function_by_id, f, (uint32_t)r->functions_len - 1);
    case 6:
        if (!is_message)
            return fail(r, STATUS_INVALID, wrong);
        if (!room(r, array_reserve(&r->strings, &r->strings_cap, r->strings_len + 1)))
            return false;
        r->strings[r->strings_len++] = (struct text){(const char *)f->data, f->len};
        return true;
    case 9:
        p->start_unix_ns = f->value;
        return true;
    case 10:
        p->duration_ns = f->value;
        return true;
    case 12:
        r->period = f->value;
        return true;
    case 14:
        r->default_type = f->value;
        return true;
    default:
        return true;
    }
}

/* What needs the strings: comments and the filters the writer wished for. */
static void read_notes(struct reader *r)
{
    struct pb_in in;
    struct pb_field f;
    pb_in_init(&in, r->top.start, (size_t)(r->top.end - r->top.start), r->top.err);
    while (!r->top.failed && !r->build.failed && pb_in_next(&in, &f)) {
        const char *key = f.number == 7    ? "drop_frames"
                          : f.number == 8  ? "keep_frames"
                          : f.number == 13 ? "comment"
                                           : NULL;
        if (!key)
            continue;
        struct pb_in packed = {.start = in.start, .at = f.data, .end = f.data, .err = in.err};
        if (f.wire == PB_BYTES)
            packed.end += f.len;
        else
            builder_tag(&r->build, (struct text){key, strlen(key)}, text_at(r, f.value));
        uint64_t value;
        while (packed.at < packed.end && pb_in_varint(&packed, &value))
            builder_tag(&r->build, (struct text){key, strlen(key)}, text_at(r, value));
        merge(r, &packed);
    }
}

/* ---- value types ---- */

static void read_type(struct reader *r, const struct pb_field *message, struct text *name,
                      struct text *unit)
{
    struct pb_in in;
    struct pb_field f;
    pb_in_inside(&in, &r->top, message);
    *name = *unit = (struct text){"", 0};
    while (pb_in_next(&in, &f)) {
        if (f.number == 1)
            *name = text_at(r, f.value);
        else if (f.number == 2)
            *unit = text_at(r, f.value);
    }
    merge(r, &in);
}

/* Amounts stay as they are; only the unit's name becomes ours. */
static struct text unit_name(struct text unit)
{
    static const struct {
        const char *theirs;
        struct text ours;
    } names[] = {
        {"nanoseconds", {"ns", 2}}, {"microseconds", {"us", 2}}, {"milliseconds", {"ms", 2}},
        {"seconds", {"s", 1}},      {"\xc2\xb5s", {"us", 2}},    {"\xce\xbcs", {"us", 2}},
        {"byte", {"bytes", 5}},     {"", {"count", 5}},
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (text_equal(unit, names[i].theirs))
            return names[i].ours;
    }
    return unit;
}

/* The default type comes first: the one that is named, otherwise the last, as pprof does. */
static void order_types(struct reader *r)
{
    size_t first = r->types_len - 1;
    struct text wanted = text_at(r, r->default_type);
    for (size_t i = 0; wanted.len && i < r->types_len; i++) {
        struct text name;
        struct text unit;
        read_type(r, &r->types[i], &name, &unit);
        if (name.len == wanted.len && memcmp(name.data, wanted.data, name.len) == 0)
            first = i;
    }
    size_t n = 0;
    r->order[n++] = first;
    for (size_t i = 0; i < r->types_len; i++) {
        if (i != first)
            r->order[n++] = i;
    }
}

static bool add_types(struct reader *r)
{
    if (r->types_len == 0)
        return fail(r, STATUS_INVALID, "no sample types");
    if (r->types_len > MAX_TYPES)
        return fail(r, STATUS_TOO_LARGE, "more than 64 sample types");
    order_types(r);
    uint32_t set = 0;
    for (size_t i = 0; i < r->types_len && !r->top.failed && !r->build.failed; i++) {
        struct text name;
        struct text unit;
        char name_text[128];
        char unit_text[64];
        read_type(r, &r->types[r->order[i]], &name, &unit);
        unit = unit_name(unit);
        snprintf(name_text, sizeof(name_text), "%.*s", (int)(name.len < 127 ? name.len : 127),
                 name.data);
        snprintf(unit_text, sizeof(unit_text), "%.*s", (int)(unit.len < 63 ? unit.len : 63),
                 unit.data);
        if (i % WIRE_MAX_VALUES == 0) {
            char set_name[32] = "samples";
            if (i)
                snprintf(set_name, sizeof(set_name), "samples-%zu", i / WIRE_MAX_VALUES + 1);
            builder_check(&r->build,
                          profile_add_set(r->build.profile, set_name, i ? 0 : r->period, &set));
            r->first_set = i ? r->first_set : set;
        }
        uint32_t column = 0;
        if (!r->build.failed)
            builder_check(&r->build, profile_add_value_type(r->build.profile, set, name_text,
                                                            unit_text, &column));
    }
    return !r->top.failed && !r->build.failed;
}

/* ---- locations ---- */

struct line {
    uint64_t function_id, line, column;
};

static uint32_t clamp_u32(uint64_t value)
{
    return value > UINT32_MAX ? 0 : (uint32_t)value; /* negative lines too */
}

static uint32_t named_frame(struct reader *r, const struct line *line, uint32_t module)
{
    const uint32_t *row = map_find(&r->function_by_id, line->function_id);
    if (!row) {
        fail(r, STATUS_INVALID, "a location names a function that does not exist");
        return 0;
    }
    struct pb_in in;
    struct pb_field f;
    struct text name = {"", 0};
    struct text file = {"", 0};
    struct wire_function function = {.module = module};
    pb_in_inside(&in, &r->top, &r->functions[*row]);
    while (pb_in_next(&in, &f)) {
        if (f.number == 2 || (f.number == 3 && name.len == 0))
            name = text_at(r, f.value);
        else if (f.number == 4)
            file = text_at(r, f.value);
        else if (f.number == 5)
            function.line = clamp_u32(f.value);
    }
    merge(r, &in);
    function.name = builder_string(&r->build, name);
    function.file = builder_string(&r->build, file);
    return builder_frame(&r->build, builder_function(&r->build, function), clamp_u32(line->line),
                         clamp_u32(line->column));
}

static uint32_t unnamed_frame(struct reader *r, uint64_t address, uint32_t module)
{
    char name[24];
    snprintf(name, sizeof(name), "0x%" PRIx64, address);
    struct wire_function f = {
        .name = builder_literal(&r->build, name), .module = module, .kind = WIRE_NATIVE};
    uint32_t function = 0;
    if (!r->build.failed)
        builder_check(&r->build, tables_function(&r->build.profile->tables, &f, &function));
    return builder_frame(&r->build, function, 0, 0);
}

static uint32_t module_of(struct reader *r, uint64_t mapping_id)
{
    const uint32_t *row = mapping_id ? map_find(&r->mapping_by_id, mapping_id) : NULL;
    if (!row)
        return 0;
    struct pb_in in;
    struct pb_field f;
    uint32_t module = 0;
    pb_in_inside(&in, &r->top, &r->mappings[*row]);
    while (pb_in_next(&in, &f)) {
        if (f.number == 5)
            module = builder_string(&r->build, text_at(r, f.value));
    }
    merge(r, &in);
    return module;
}

static void read_line(struct reader *r, const struct pb_field *message, struct line *line)
{
    struct pb_in in;
    struct pb_field f;
    *line = (struct line){0};
    pb_in_inside(&in, &r->top, message);
    while (pb_in_next(&in, &f)) {
        if (f.number == 1)
            line->function_id = f.value;
        else if (f.number == 2)
            line->line = f.value;
        else if (f.number == 3)
            line->column = f.value;
    }
    merge(r, &in);
}

/* The innermost inlined function is the first line; our frames go outermost first. */
static bool read_location(struct reader *r, struct location *location)
{
    struct pb_in in = {.start = r->top.start,
                       .at = location->data,
                       .end = location->data + location->len,
                       .err = r->top.err};
    struct pb_field f;
    uint64_t mapping = 0;
    uint64_t address = 0;
    uint32_t lines_len = 0;
    struct pb_in ahead = in;
    while (pb_in_next(&ahead, &f)) {
        if (f.number == 2)
            mapping = f.value;
        else if (f.number == 3)
            address = f.value;
        else if (f.number == 4 && ++lines_len > MAX_LINES)
            return fail(r, STATUS_TOO_LARGE, "more than 4096 inlined functions at one place");
    }
    uint32_t module = module_of(r, mapping);
    uint32_t n = lines_len ? lines_len : 1;
    if (!merge(r, &ahead) || !room(r, array_reserve(&r->frames, &r->frames_cap, r->frames_len + n)))
        return false;
    location->first_frame = r->frames_len;
    location->frames_len = n;
    location->is_read = true;
    r->frames_len += n;
    uint32_t *frame = &r->frames[location->first_frame + n];
    while (lines_len && pb_in_next(&in, &f)) {
        struct line line;
        if (f.number != 4)
            continue;
        read_line(r, &f, &line);
        *--frame =
            line.function_id ? named_frame(r, &line, module) : unnamed_frame(r, address, module);
    }
    if (!lines_len)
        *--frame = unnamed_frame(r, address, module);
    return merge(r, &in);
}

static bool push_location(struct reader *r, uint64_t id, uint32_t *stack)
{
    const uint32_t *row = map_find(&r->location_by_id, id);
    if (!row)
        return fail(r, STATUS_INVALID, "a sample names a location that does not exist");
    uint64_t pair = map_pair(*stack, *row);
    const uint32_t *known = map_find(&r->stack_by_pair, pair);
    if (known) {
        *stack = *known;
        return true;
    }
    struct location *location = &r->locations[*row];
    if (!location->is_read && !read_location(r, location))
        return false;
    for (uint32_t i = 0; i < location->frames_len; i++)
        *stack = builder_stack(&r->build, *stack, r->frames[location->first_frame + i]);
    if (r->build.profile->tables.stacks_len > r->stacks_max)
        return fail(r, STATUS_TOO_LARGE, "stacks that grow far beyond the file");
    return room(r, map_put(&r->stack_by_pair, pair, *stack)) && !r->build.failed;
}

/* ---- pass 2: samples ---- */

struct labels {
    struct model_label items[TABLES_MAX_LABELS];
    size_t len;
    uint64_t tid, pid;
    bool has_tid, has_pid;
    struct text thread_name;
};

static bool text_is_one_of(struct text t, const char *const *names, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (text_equal(t, names[i]))
            return true;
    }
    return false;
}

/* Threads and processes are labels in pprof; there is no rule for their names. */
static void note_thread(struct labels *labels, struct text key, struct text value, uint64_t number)
{
    static const char *const thread_keys[] = {"thread", "thread id", "thread_id", "Thread ID",
                                              "tid"};
    static const char *const process_keys[] = {"process", "process id", "process_id", "Process ID",
                                               "pid"};
    if (text_equal(key, "thread name") || text_equal(key, "thread_name")) {
        labels->thread_name = value;
        labels->has_tid = true;
    } else if (text_is_one_of(key, thread_keys, 5)) {
        labels->has_tid = true;
        if (value.len && !text_u64(value, &labels->tid))
            labels->thread_name = value;
        else if (!value.len)
            labels->tid = number;
    } else if (text_is_one_of(key, process_keys, 5)) {
        labels->has_pid = value.len == 0 || text_u64(value, &number);
        labels->pid = number;
    }
}

static void read_label(struct reader *r, const struct pb_field *message, struct labels *labels)
{
    struct pb_in in;
    struct pb_field f;
    uint64_t key = 0;
    uint64_t text = 0;
    uint64_t number = 0;
    uint64_t unit = 0;
    pb_in_inside(&in, &r->top, message);
    while (pb_in_next(&in, &f)) {
        uint64_t *to = f.number == 1   ? &key
                       : f.number == 2 ? &text
                       : f.number == 3 ? &number
                       : f.number == 4 ? &unit
                                       : NULL;
        if (to)
            *to = f.value;
    }
    if (!merge(r, &in))
        return;
    if (labels->len == TABLES_MAX_LABELS) {
        fail(r, STATUS_TOO_LARGE, "more than 256 labels on one sample");
        return;
    }
    struct text value = text_at(r, text);
    note_thread(labels, text_at(r, key), value, number);
    struct model_label *label = &labels->items[labels->len++];
    label->key = builder_string(&r->build, text_at(r, key));
    label->unit = 0;
    if (text) {
        label->value = builder_string(&r->build, value);
        return;
    }
    char decimal[24];
    snprintf(decimal, sizeof(decimal), "%" PRId64, (int64_t)number);
    label->value = builder_literal(&r->build, decimal);
    /* a number without a unit has its key as unit, as in pprof */
    label->unit = unit ? builder_string(&r->build, text_at(r, unit)) : label->key;
}

/* Repeated numbers come packed or one by one. */
static bool read_numbers(struct reader *r, const struct pb_field *f, uint64_t **out, size_t *len,
                         size_t *cap)
{
    struct pb_in in = {.start = r->top.start, .at = f->data, .end = f->data, .err = r->top.err};
    uint64_t value = f->value;
    if (f->wire == PB_BYTES)
        in.end += f->len;
    else if (f->wire != PB_VARINT)
        return fail(r, STATUS_INVALID, "a field of the wrong kind");
    while (f->wire == PB_VARINT || (in.at < in.end && pb_in_varint(&in, &value))) {
        if (!room(r, array_reserve(out, cap, *len + 1)))
            return false;
        (*out)[(*len)++] = value;
        if (f->wire == PB_VARINT)
            break;
    }
    return merge(r, &in);
}

static uint32_t thread_of(struct reader *r, const struct labels *labels)
{
    if (!labels->has_tid && !labels->has_pid)
        return 0;
    uint32_t process =
        labels->has_pid ? builder_process(&r->build, labels->pid, (struct text){"", 0}) : 0;
    return builder_thread(&r->build, process, labels->tid, labels->thread_name);
}

static void add_sample(struct reader *r, const struct labels *labels, uint32_t stack)
{
    int64_t values[WIRE_MAX_VALUES] = {0};
    struct profile_sample sample = {.time_ns = UINT64_MAX, .stack = stack, .values = values};
    sample.thread = thread_of(r, labels);
    if (labels->len && !r->build.failed)
        builder_check(&r->build, tables_label_set(&r->build.profile->tables, labels->items,
                                                  labels->len, &sample.label_set));
    for (size_t i = 0; i < r->types_len; i++) {
        values[i % WIRE_MAX_VALUES] = r->values[r->order[i]];
        if (i % WIRE_MAX_VALUES == WIRE_MAX_VALUES - 1 || i + 1 == r->types_len)
            builder_sample(&r->build, r->first_set + (uint32_t)(i / WIRE_MAX_VALUES), &sample);
    }
}

static bool read_sample(struct reader *r, const struct pb_field *message)
{
    struct pb_in in;
    struct pb_field f;
    struct labels labels;
    labels.len = 0;
    labels.tid = labels.pid = 0;
    labels.has_tid = labels.has_pid = false;
    labels.thread_name = (struct text){"", 0};
    r->ids_len = r->values_len = 0;
    pb_in_inside(&in, &r->top, message);
    uint64_t *values = (uint64_t *)r->values; /* int64 travels as its two's complement */
    while (pb_in_next(&in, &f)) {
        if (f.number == 1) {
            if (!read_numbers(r, &f, &r->ids, &r->ids_len, &r->ids_cap))
                return false;
        } else if (f.number == 2) {
            bool is_read = read_numbers(r, &f, &values, &r->values_len, &r->values_cap);
            r->values = (int64_t *)values;
            if (!is_read)
                return false;
        } else if (f.number == 3) {
            read_label(r, &f, &labels);
        }
    }
    if (!merge(r, &in))
        return false;
    if (r->values_len != r->types_len)
        return fail(r, STATUS_INVALID, "a sample whose values do not match the sample types");
    uint32_t stack = 0;
    for (size_t i = r->ids_len; i > 0; i--) {
        if (!push_location(r, r->ids[i - 1], &stack))
            return false;
    }
    add_sample(r, &labels, stack);
    return !r->build.failed;
}

static void read_all(struct reader *r)
{
    struct pb_field f;
    while (pb_in_next(&r->top, &f)) {
        if (!read_table_field(r, &f))
            return;
    }
    if (r->top.failed)
        return;
    if (r->strings_len == 0 || r->strings[0].len) {
        fail(r, STATUS_INVALID, "no string table that begins with the empty string");
        return;
    }
    if (!add_types(r))
        return;
    read_notes(r);
    r->top.at = r->top.start;
    while (!r->top.failed && !r->build.failed && pb_in_next(&r->top, &f)) {
        if (f.number == 2 && !read_sample(r, &f))
            return;
    }
}

static enum status pprof_read(const struct format_input *in, const struct format_options *options,
                              struct profile *out, struct error *err)
{
    (void)options;
    struct reader r = {.build = {.profile = out, .err = err},
                       .stacks_max = 4096 + in->len * STACKS_PER_BYTE};
    pb_in_init(&r.top, in->data, in->len, err);
    map_init(&r.function_by_id);
    map_init(&r.mapping_by_id);
    map_init(&r.location_by_id);
    map_init(&r.stack_by_pair);
    read_all(&r);
    map_deinit(&r.function_by_id);
    map_deinit(&r.mapping_by_id);
    map_deinit(&r.location_by_id);
    map_deinit(&r.stack_by_pair);
    free(r.strings);
    free(r.functions);
    free(r.mappings);
    free(r.types);
    free(r.locations);
    free(r.frames);
    free(r.ids);
    free(r.values);
    return r.top.failed ? r.top.failed : r.build.failed;
}

/* No magic number: the fields at the top must be pprof's, of the right kinds. */
static int pprof_detect(const uint8_t *head, size_t len, bool is_whole_file)
{
    if (text_is_plausible(head, len))
        return 0;
    struct pb_in in;
    struct pb_field f;
    pb_in_init(&in, head, len, NULL);
    size_t known = 0;
    unsigned seen = 0;
    while (pb_in_next(&in, &f)) {
        bool is_message = f.number <= 6;
        bool is_number = f.number >= 7 && f.number <= 15 && f.number != 11 && f.number != 13;
        if ((is_message || f.number == 11) && f.wire != PB_BYTES)
            return 0;
        if (is_number && f.wire != PB_VARINT)
            return 0;
        if (f.number > 4096)
            return 0;
        if (f.number <= 15) {
            known++;
            seen |= 1U << f.number;
        }
    }
    if (in.failed && is_whole_file && known < 2)
        return 0;
    bool has_profile = (seen & (1U << 1)) && (seen & (1U << 2 | 1U << 6));
    bool has_start = (seen & (1U << 1 | 1U << 2)) && !is_whole_file;
    return known >= 2 && (has_profile || has_start) ? 70 : 0;
}

const struct format format_pprof = {
    .name = "pprof",
    .title = "pprof",
    .extensions = "pb.gz pprof pb",
    .detect = pprof_detect,
    .read = pprof_read,
    .write = pprof_write,
};
