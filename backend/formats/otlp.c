#include "backend/formats/otlp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/formats/otlp_read.h"
#include "common/base/array.h"

enum { STACKS_PER_BYTE = 16, MAX_NUMBERS = 1 << 20 };

bool otlp_fail(struct otlp_reader *r, enum status status, const char *what)
{
    if (!r->top.failed)
        pb_in_fail(&r->top, status, what);
    return false;
}

bool otlp_is_well(struct otlp_reader *r, const struct pb_in *inner)
{
    if (inner->failed && !r->top.failed)
        r->top.failed = inner->failed;
    if (r->build.failed && !r->top.failed)
        r->top.failed = r->build.failed;
    return !r->top.failed;
}

struct text otlp_string_at(struct otlp_reader *r, uint64_t index)
{
    const struct otlp_rows *strings = &r->tables[OTLP_STRINGS];
    if (index < strings->len)
        return (struct text){(const char *)strings->items[index].data, strings->items[index].len};
    otlp_fail(r, STATUS_INVALID, "a string number beyond the string table");
    return (struct text){"", 0};
}

/* A repeated number: packed, or one of many fields. */
bool otlp_read_numbers(struct otlp_reader *r, const struct pb_in *in, const struct pb_field *f,
                       uint64_t **list, size_t *len, size_t *cap)
{
    struct pb_in inner;
    pb_in_inside(&inner, in, f);
    bool is_packed = f->wire == PB_BYTES;
    do {
        uint64_t value = f->value;
        if (is_packed && (inner.at == inner.end || !pb_in_varint(&inner, &value)))
            break;
        if (*len == MAX_NUMBERS)
            return otlp_fail(r, STATUS_TOO_LARGE, "a list of more than 1,048,576 numbers");
        if (!array_reserve(list, cap, *len + 1))
            return otlp_fail(r, STATUS_NO_MEMORY, "no memory for a list");
        (*list)[(*len)++] = value;
    } while (is_packed);
    return !is_packed || otlp_is_well(r, &inner);
}

/* A number field of a row, 0 when absent. */
uint64_t otlp_number_of(struct otlp_reader *r, enum otlp_table table, uint64_t row, uint32_t number)
{
    struct pb_in in;
    struct pb_field f;
    uint64_t value = 0;
    if (row >= r->tables[table].len) {
        otlp_fail(r, STATUS_INVALID, "a row number beyond its table");
        return 0;
    }
    pb_in_inside(&in, &r->top, &r->tables[table].items[row]);
    while (pb_in_next(&in, &f)) {
        if (f.number == number)
            value = f.value;
    }
    otlp_is_well(r, &in);
    return value;
}

static void copy_text(char out[OTLP_MAX_TEXT], struct text text)
{
    size_t len = text.len < OTLP_MAX_TEXT - 1 ? text.len : OTLP_MAX_TEXT - 1;
    if (len)
        memcpy(out, text.data, len);
    out[len] = '\0';
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)out[i] < 0x20)
            out[i] = '?';
    }
}

static bool read_times(struct otlp_reader *r, const struct pb_field *f)
{
    size_t n = f->wire == PB_BYTES ? f->len / 8 : 1;
    if (f->wire == PB_BYTES && f->len % 8)
        return otlp_fail(r, STATUS_INVALID, "a list of times that is no list of 64-bit numbers");
    if (n > MAX_NUMBERS - r->times_len)
        return otlp_fail(r, STATUS_TOO_LARGE, "a list of more than 1,048,576 times");
    if (!array_reserve(&r->times, &r->times_cap, r->times_len + n))
        return otlp_fail(r, STATUS_NO_MEMORY, "no memory for a list");
    for (size_t i = 0; i < n; i++) {
        uint64_t value = f->value;
        for (size_t k = 0; f->wire == PB_BYTES && k < 8; k++)
            value = k ? value | (uint64_t)f->data[i * 8 + k] << 8 * k : f->data[i * 8];
        r->times[r->times_len++] = value;
    }
    return true;
}

/* ---- dictionary ---- */

static bool read_dictionary(struct otlp_reader *r, const struct pb_field *message)
{
    static const int table_of[] = {[1] = OTLP_MAPPINGS, [2] = OTLP_LOCATIONS,  [3] = OTLP_FUNCTIONS,
                                   [5] = OTLP_STRINGS,  [6] = OTLP_ATTRIBUTES, [7] = OTLP_STACKS};
    struct pb_in in;
    struct pb_field f;
    pb_in_inside(&in, &r->top, message);
    while (pb_in_next(&in, &f)) {
        if (f.number < 1 || f.number > 7 || f.number == 4 || f.wire != PB_BYTES)
            continue;
        struct otlp_rows *rows = &r->tables[table_of[f.number]];
        if (!array_reserve(&rows->items, &rows->cap, rows->len + 1))
            return otlp_fail(r, STATUS_NO_MEMORY, "no memory for the dictionary");
        rows->items[rows->len++] = f;
    }
    return otlp_is_well(r, &in);
}

/* ---- samples ---- */

static bool add(struct otlp_reader *r, uint32_t set, uint32_t stack, uint64_t unix_ns,
                int64_t value)
{
    struct profile_sample sample = {.stack = stack, .values = &value};
    sample.time_ns = unix_ns > r->begin_unix_ns ? unix_ns - r->begin_unix_ns : 0;
    builder_sample(&r->build, set, &sample);
    return otlp_is_well(r, &r->top);
}

/* Values are sums, or one for each time; times alone count one each. */
static bool read_sample(struct otlp_reader *r, const struct pb_in *outer,
                        const struct pb_field *message, uint32_t set, uint64_t profile_ns)
{
    struct pb_in in;
    struct pb_field f;
    uint64_t stack_row = 0;
    uint64_t *values = NULL;
    size_t len = 0;
    size_t cap = 0;
    r->times_len = 0;
    pb_in_inside(&in, outer, message);
    while (!r->top.failed && pb_in_next(&in, &f)) {
        if (f.number == 1)
            stack_row = f.value;
        else if (f.number == 4)
            otlp_read_numbers(r, &in, &f, &values, &len, &cap);
        else if (f.number == 5)
            read_times(r, &f);
    }
    uint32_t stack = otlp_is_well(r, &in) ? otlp_stack_of(r, stack_row) : 0;
    bool is_each = r->times_len > 0 && (len == 0 || len == r->times_len);
    for (size_t i = 0; i < (is_each ? r->times_len : len) && !r->top.failed; i++)
        add(r, set, stack, r->times_len ? r->times[is_each ? i : 0] : profile_ns,
            len ? (int64_t)values[i] : 1);
    free(values);
    return !r->top.failed;
}

static bool read_type(struct otlp_reader *r, const struct pb_in *outer,
                      const struct pb_field *message, char name[OTLP_MAX_TEXT],
                      char unit[OTLP_MAX_TEXT])
{
    struct pb_in in;
    struct pb_field f;
    pb_in_inside(&in, outer, message);
    while (pb_in_next(&in, &f)) {
        if (f.number == 1)
            copy_text(name, otlp_string_at(r, f.value));
        else if (f.number == 2)
            copy_text(unit, otlp_string_at(r, f.value));
    }
    return otlp_is_well(r, &in);
}

struct head {
    char name[OTLP_MAX_TEXT], unit[OTLP_MAX_TEXT];
    uint64_t unix_ns, period;
};

static bool read_head(struct otlp_reader *r, const struct pb_field *message, struct head *head)
{
    struct pb_in in;
    struct pb_field f;
    *head = (struct head){.name = "samples", .unit = "count"};
    pb_in_inside(&in, &r->top, message);
    while (!r->top.failed && pb_in_next(&in, &f)) {
        if (f.number == 1 && f.wire == PB_BYTES)
            read_type(r, &in, &f, head->name, head->unit);
        else if (f.number == 3)
            head->unix_ns = f.value;
        else if (f.number == 6)
            head->period = f.value;
    }
    return otlp_is_well(r, &in);
}

static uint32_t find_set(struct otlp_reader *r, const struct head *head)
{
    const struct profile *p = r->build.profile;
    for (size_t i = 0; i < p->sets_len; i++) {
        const struct sample_set *set = &p->sets[i];
        if (strcmp(strtab_text(&p->tables.strings, set->types[0].name), head->name) == 0 &&
            strcmp(strtab_text(&p->tables.strings, set->types[0].unit), head->unit) == 0)
            return (uint32_t)i;
    }
    return builder_set(&r->build, head->name, head->name, head->unit);
}

static bool read_profile(struct otlp_reader *r, const struct pb_field *message)
{
    struct pb_in in;
    struct pb_field f;
    struct head head;
    if (!read_head(r, message, &head))
        return false;
    if (r->begin_unix_ns == 0)
        r->begin_unix_ns = head.unix_ns;
    uint32_t set = find_set(r, &head);
    if (!otlp_is_well(r, &r->top))
        return false;
    pb_in_inside(&in, &r->top, message);
    while (pb_in_next(&in, &f)) {
        if (f.number == 2 && f.wire == PB_BYTES && !read_sample(r, &in, &f, set, head.unix_ns))
            return false;
    }
    return otlp_is_well(r, &in);
}

static bool read_scope(struct otlp_reader *r, const struct pb_field *message)
{
    struct pb_in in;
    struct pb_field f;
    pb_in_inside(&in, &r->top, message);
    while (pb_in_next(&in, &f)) {
        if (f.number == 2 && f.wire == PB_BYTES && !read_profile(r, &f))
            return false;
    }
    return otlp_is_well(r, &in);
}

/* ---- resources ---- */

/* A KeyValue whose value is a text. */
static bool read_attribute(struct otlp_reader *r, const struct pb_in *outer,
                           const struct pb_field *message, struct otlp_attribute *out,
                           bool *is_text)
{
    struct pb_in in;
    struct pb_field f;
    *out = (struct otlp_attribute){0};
    *is_text = false;
    pb_in_inside(&in, outer, message);
    while (!r->top.failed && pb_in_next(&in, &f)) {
        if (f.number == 1 && f.wire == PB_BYTES)
            copy_text(out->key, (struct text){(const char *)f.data, f.len});
        else if (f.number == 3 && f.wire == PB_VARINT)
            copy_text(out->key, otlp_string_at(r, f.value));
        if (f.number != 2 || f.wire != PB_BYTES)
            continue;
        struct pb_in value;
        struct pb_field v;
        pb_in_inside(&value, &in, &f);
        while (pb_in_next(&value, &v)) {
            if ((v.number == 1 && v.wire == PB_BYTES) || (v.number == 8 && v.wire == PB_VARINT)) {
                copy_text(out->value, v.number == 1 ? (struct text){(const char *)v.data, v.len}
                                                    : otlp_string_at(r, v.value));
                *is_text = true;
            }
        }
        otlp_is_well(r, &value);
    }
    return otlp_is_well(r, &in);
}

static bool read_resource_attributes(struct otlp_reader *r, const struct pb_in *outer,
                                     const struct pb_field *message, struct otlp_resource *out)
{
    struct pb_in in;
    struct pb_field f;
    pb_in_inside(&in, outer, message);
    while (pb_in_next(&in, &f)) {
        struct otlp_attribute attribute;
        bool is_text = false;
        if (f.number != 1 || f.wire != PB_BYTES)
            continue;
        if (!read_attribute(r, &in, &f, &attribute, &is_text))
            return false;
        if (is_text && strcmp(attribute.key, "service.name") == 0 && attribute.value[0])
            memcpy(out->name, attribute.value, sizeof(out->name));
        else if (is_text && out->attributes_len < OTLP_MAX_ATTRIBUTES)
            out->attributes[out->attributes_len++] = attribute;
    }
    return otlp_is_well(r, &in);
}

/* Rows of the dictionary are made anew for each resource: its profile has tables of its own. */
static bool begin_resource(struct otlp_reader *r, struct otlp_request *request,
                           struct otlp_resource **out)
{
    if (request->resources_len == OTLP_MAX_RESOURCES)
        return otlp_fail(r, STATUS_TOO_LARGE, "more than 256 resources in one request");
    if (!array_reserve(&request->resources, &request->resources_cap, request->resources_len + 1))
        return otlp_fail(r, STATUS_NO_MEMORY, "no memory for a resource");
    struct otlp_resource *resource = &request->resources[request->resources_len];
    *resource = (struct otlp_resource){.name = "unknown_service"};
    resource->attributes = calloc(OTLP_MAX_ATTRIBUTES, sizeof(*resource->attributes));
    if (!resource->attributes || profile_new(&resource->profile) != STATUS_OK) {
        free(resource->attributes);
        return otlp_fail(r, STATUS_NO_MEMORY, "no memory for a resource");
    }
    request->resources_len++;
    free(r->function_of);
    free(r->stack_of);
    r->function_of = calloc(r->tables[OTLP_FUNCTIONS].len + 1, sizeof(*r->function_of));
    r->stack_of = calloc(r->tables[OTLP_STACKS].len + 1, sizeof(*r->stack_of));
    if (!r->function_of || !r->stack_of)
        return otlp_fail(r, STATUS_NO_MEMORY, "no memory for a resource");
    r->build = (struct builder){.profile = resource->profile, .err = r->top.err};
    r->begin_unix_ns = 0;
    *out = resource;
    return true;
}

static bool read_resource(struct otlp_reader *r, const struct pb_field *message,
                          struct otlp_request *request)
{
    struct pb_in in;
    struct pb_field f;
    struct otlp_resource *resource = NULL;
    if (!begin_resource(r, request, &resource))
        return false;
    pb_in_inside(&in, &r->top, message);
    while (!r->top.failed && pb_in_next(&in, &f)) {
        if (f.number == 1 && f.wire == PB_BYTES)
            read_resource_attributes(r, &in, &f, resource);
        else if (f.number == 2 && f.wire == PB_BYTES)
            read_scope(r, &f);
    }
    resource->begin_unix_ns = r->begin_unix_ns;
    if (!otlp_is_well(r, &in))
        return false;
    if (profile_finish(resource->profile) != STATUS_OK)
        return otlp_fail(r, STATUS_NO_MEMORY, "no memory for a resource");
    return true;
}

enum status otlp_read(struct otlp_request *out, const uint8_t *data, size_t len, struct error *err)
{
    struct otlp_reader r = {0};
    struct pb_field f;
    struct otlp_request request = {0};
    pb_in_init(&r.top, data, len, err);
    r.stacks_left = len * STACKS_PER_BYTE;
    while (pb_in_next(&r.top, &f)) {
        if (f.number == 2 && f.wire == PB_BYTES && !read_dictionary(&r, &f))
            break;
    }
    r.top.at = r.top.start;
    while (!r.top.failed && pb_in_next(&r.top, &f)) {
        if (f.number == 1 && f.wire == PB_BYTES)
            read_resource(&r, &f, &request);
    }
    for (size_t i = 0; i < OTLP_TABLES; i++)
        free(r.tables[i].items);
    free(r.numbers);
    free(r.times);
    free(r.function_of);
    free(r.stack_of);
    if (r.top.failed) {
        otlp_free(&request);
        if (err && err->status == STATUS_OK)
            error_set(err, r.top.failed, "the request cannot be read");
        return r.top.failed;
    }
    *out = request;
    return STATUS_OK;
}

void otlp_free(struct otlp_request *r)
{
    for (size_t i = 0; i < r->resources_len; i++) {
        free(r->resources[i].attributes);
        profile_free(r->resources[i].profile);
    }
    free(r->resources);
    *r = (struct otlp_request){0};
}
