/* pprof's profile.proto (github.com/google/pprof, proto/profile.proto): CPU, heap and anything
 * else with stacks and values. The file is read twice: tables first, since strings come last. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/formats/format.h"
#include "backend/formats/pprof_read.h"
#include "backend/formats/pprof_write.h"
#include "common/base/array.h"

enum { STACKS_PER_BYTE = 16 };

bool pprof_fail(struct pprof_reader *r, enum status status, const char *what)
{
    if (!r->top.failed && !r->build.failed)
        pb_in_fail(&r->top, status, what);
    return false;
}

/* A nested message's fault becomes the file's. */
bool pprof_merge(struct pprof_reader *r, const struct pb_in *inner)
{
    if (inner->failed && !r->top.failed)
        r->top.failed = inner->failed;
    return !r->top.failed && !r->build.failed;
}

bool pprof_room(struct pprof_reader *r, bool has_room)
{
    return has_room || pprof_fail(r, STATUS_NO_MEMORY, "no memory for the tables");
}

struct text pprof_text_at(struct pprof_reader *r, uint64_t index)
{
    if (index < r->strings_len)
        return r->strings[index];
    pprof_fail(r, STATUS_INVALID, "a string number beyond the string table");
    return (struct text){"", 0};
}

static bool put_id(struct pprof_reader *r, struct map *map, const struct pb_field *f, uint32_t row)
{
    struct pb_in in;
    struct pb_field id;
    pb_in_inside(&in, &r->top, f);
    uint64_t value = 0;
    while (pb_in_next(&in, &id)) {
        if (id.number == 1)
            value = id.value;
    }
    if (!pprof_merge(r, &in))
        return false;
    if (value == 0)
        return pprof_fail(r, STATUS_INVALID, "a location, function or mapping without an id");
    if (map_find(map, value))
        return pprof_fail(r, STATUS_INVALID, "two locations, functions or mappings of one id");
    return pprof_room(r, map_put(map, value, row));
}

/* ---- pass 1: tables ---- */

static bool keep_field(struct pprof_reader *r, struct pb_field **rows, size_t *len, size_t *cap,
                       const struct pb_field *f)
{
    if (!pprof_room(r, array_reserve(rows, cap, *len + 1)))
        return false;
    (*rows)[(*len)++] = *f;
    return true;
}

static bool read_table_field(struct pprof_reader *r, const struct pb_field *f)
{
    static const char wrong[] = "a field of the wrong kind";
    struct profile *p = r->build.profile;
    bool is_message = f->wire == PB_BYTES;
    switch (f->number) {
    case 1:
        return is_message ? keep_field(r, &r->types, &r->types_len, &r->types_cap, f)
                          : pprof_fail(r, STATUS_INVALID, wrong);
    case 3:
        return keep_field(r, &r->mappings, &r->mappings_len, &r->mappings_cap, f) &&
               put_id(r, &r->mapping_by_id, f, (uint32_t)r->mappings_len - 1);
    case 4:
        if (!pprof_room(r, array_reserve(&r->locations, &r->locations_cap, r->locations_len + 1)))
            return false;
        r->locations[r->locations_len++] = (struct pprof_location){.data = f->data, .len = f->len};
        return put_id(r, &r->location_by_id, f, (uint32_t)r->locations_len - 1);
    case 5:
        return keep_field(r, &r->functions, &r->functions_len, &r->functions_cap, f) &&
               put_id(r, &r->function_by_id, f, (uint32_t)r->functions_len - 1);
    case 6:
        if (!is_message)
            return pprof_fail(r, STATUS_INVALID, wrong);
        if (!pprof_room(r, array_reserve(&r->strings, &r->strings_cap, r->strings_len + 1)))
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
static void read_notes(struct pprof_reader *r)
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
            builder_tag(&r->build, (struct text){key, strlen(key)}, pprof_text_at(r, f.value));
        uint64_t value;
        while (packed.at < packed.end && pb_in_varint(&packed, &value))
            builder_tag(&r->build, (struct text){key, strlen(key)}, pprof_text_at(r, value));
        pprof_merge(r, &packed);
    }
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

static void read_label(struct pprof_reader *r, const struct pb_field *message,
                       struct labels *labels)
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
    if (!pprof_merge(r, &in))
        return;
    if (labels->len == TABLES_MAX_LABELS) {
        pprof_fail(r, STATUS_TOO_LARGE, "more than 256 labels on one sample");
        return;
    }
    struct text value = pprof_text_at(r, text);
    note_thread(labels, pprof_text_at(r, key), value, number);
    struct model_label *label = &labels->items[labels->len++];
    label->key = builder_string(&r->build, pprof_text_at(r, key));
    label->unit = 0;
    if (text) {
        label->value = builder_string(&r->build, value);
        return;
    }
    char decimal[24];
    snprintf(decimal, sizeof(decimal), "%" PRId64, (int64_t)number);
    label->value = builder_literal(&r->build, decimal);
    /* a number without a unit has its key as unit, as in pprof */
    label->unit = unit ? builder_string(&r->build, pprof_text_at(r, unit)) : label->key;
}

/* Repeated numbers come packed or one by one. */
static bool read_numbers(struct pprof_reader *r, const struct pb_field *f, uint64_t **out,
                         size_t *len, size_t *cap)
{
    struct pb_in in = {.start = r->top.start, .at = f->data, .end = f->data, .err = r->top.err};
    uint64_t value = f->value;
    if (f->wire == PB_BYTES)
        in.end += f->len;
    else if (f->wire != PB_VARINT)
        return pprof_fail(r, STATUS_INVALID, "a field of the wrong kind");
    while (f->wire == PB_VARINT || (in.at < in.end && pb_in_varint(&in, &value))) {
        if (!pprof_room(r, array_reserve(out, cap, *len + 1)))
            return false;
        (*out)[(*len)++] = value;
        if (f->wire == PB_VARINT)
            break;
    }
    return pprof_merge(r, &in);
}

static uint32_t thread_of(struct pprof_reader *r, const struct labels *labels)
{
    if (!labels->has_tid && !labels->has_pid)
        return 0;
    uint32_t process =
        labels->has_pid ? builder_process(&r->build, labels->pid, (struct text){"", 0}) : 0;
    return builder_thread(&r->build, process, labels->tid, labels->thread_name);
}

static void add_sample(struct pprof_reader *r, const struct labels *labels, uint32_t stack)
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

static bool read_sample(struct pprof_reader *r, const struct pb_field *message)
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
    if (!pprof_merge(r, &in))
        return false;
    if (r->values_len != r->types_len)
        return pprof_fail(r, STATUS_INVALID, "a sample whose values do not match the sample types");
    uint32_t stack = 0;
    for (size_t i = r->ids_len; i > 0; i--) {
        if (!pprof_push_location(r, r->ids[i - 1], &stack))
            return false;
    }
    add_sample(r, &labels, stack);
    return !r->build.failed;
}

static void read_all(struct pprof_reader *r)
{
    struct pb_field f;
    while (pb_in_next(&r->top, &f)) {
        if (!read_table_field(r, &f))
            return;
    }
    if (r->top.failed)
        return;
    if (r->strings_len == 0 || r->strings[0].len) {
        pprof_fail(r, STATUS_INVALID, "no string table that begins with the empty string");
        return;
    }
    if (!pprof_add_types(r))
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
    struct pprof_reader r = {.build = {.profile = out, .err = err},
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
