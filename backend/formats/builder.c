#include "backend/formats/builder.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/base/array.h"

void builder_begin(struct builder *b, struct json_in *json, const struct format_input *in,
                   struct profile *out, struct error *err)
{
    json_in_init(json, in->data, in->len, err);
    *b = (struct builder){.profile = out, .json = json, .err = err};
}

enum status builder_end(struct builder *b)
{
    enum status st = json_in_status(b->json);
    json_in_deinit(b->json);
    return st;
}

bool builder_check(struct builder *b, enum status status)
{
    if (b->failed || status == STATUS_OK)
        return !b->failed;
    b->failed = status;
    const char *words = status == STATUS_TOO_LARGE
                            ? "more strings, frames, stacks or samples than can be kept"
                            : "the profile could not be built";
    if (b->json)
        json_in_fail(b->json, status, "%s", words);
    else
        error_set(b->err, status, "%s", words);
    return false;
}

uint32_t builder_string(struct builder *b, struct text text)
{
    uint32_t id = 0;
    if (!b->failed)
        builder_check(b, tables_string(&b->profile->tables, text.data, text.len, &id));
    return id;
}

uint32_t builder_literal(struct builder *b, const char *text)
{
    return builder_string(b, (struct text){text, strlen(text)});
}

struct text builder_text(const struct builder *b, uint32_t string)
{
    const struct strtab *strings = &b->profile->tables.strings;
    return (struct text){strtab_text(strings, string), strtab_len(strings, string)};
}

uint32_t builder_function(struct builder *b, struct wire_function f)
{
    uint32_t id = 0;
    f.kind = (uint32_t)builder_kind_of(builder_text(b, f.name), builder_text(b, f.file));
    if (!b->failed)
        builder_check(b, tables_function(&b->profile->tables, &f, &id));
    return id;
}

uint32_t builder_frame(struct builder *b, uint32_t function, uint32_t line, uint32_t column)
{
    struct wire_frame row = {.function = function, .line = line, .column = column};
    uint32_t id = 0;
    if (!b->failed)
        builder_check(b, tables_frame(&b->profile->tables, &row, &id));
    return id;
}

uint32_t builder_stack(struct builder *b, uint32_t parent, uint32_t frame)
{
    uint32_t id = 0;
    if (!b->failed)
        builder_check(b, tables_stack(&b->profile->tables, parent, frame, &id));
    return id;
}

uint32_t builder_thread(struct builder *b, uint32_t process, uint64_t tid, struct text name)
{
    struct model_thread row = {.process = process, .tid = tid, .name = builder_string(b, name)};
    uint32_t id = 0;
    if (!b->failed)
        builder_check(b, tables_thread(&b->profile->tables, &row, &id));
    return id;
}

uint32_t builder_process(struct builder *b, uint64_t pid, struct text command)
{
    struct model_process row = {.pid = pid, .command = builder_string(b, command)};
    uint32_t id = 0;
    if (!b->failed)
        builder_check(b, tables_process(&b->profile->tables, &row, &id));
    return id;
}

uint32_t builder_set(struct builder *b, const char *name, const char *value, const char *unit)
{
    uint32_t set = 0;
    uint32_t column = 0;
    if (!b->failed)
        builder_check(b, profile_add_set(b->profile, name, 0, &set));
    if (!b->failed)
        builder_check(b, profile_add_value_type(b->profile, set, value, unit, &column));
    return set;
}

bool builder_sample(struct builder *b, uint32_t set, const struct profile_sample *sample)
{
    return !b->failed && builder_check(b, profile_add_sample(b->profile, set, sample));
}

uint32_t builder_series(struct builder *b, const char *name, const char *unit)
{
    uint32_t series = 0;
    if (!b->failed)
        builder_check(b, profile_add_series(b->profile, name, unit, NULL, &series));
    return series;
}

void builder_set_text(struct builder *b, uint32_t *field, struct text text)
{
    if (!b->failed)
        builder_check(b, profile_set_text(b->profile, field, text.data, text.len));
}

void builder_tag(struct builder *b, struct text key, struct text value)
{
    struct profile *p = b->profile;
    if (b->failed || value.len == 0)
        return;
    if (!array_reserve(&p->tags, &p->tags_cap, p->tags_len + 1)) {
        builder_check(b, STATUS_NO_MEMORY);
        return;
    }
    struct model_label tag = {.key = builder_string(b, key), .value = builder_string(b, value)};
    if (!b->failed)
        p->tags[p->tags_len++] = tag;
}

enum wire_function_kind builder_kind_of(struct text name, struct text file)
{
    if (text_equal(name, "(garbage collector)") || text_equal(name, "<GC>"))
        return WIRE_GC;
    if (text_equal(name, "(idle)"))
        return WIRE_IDLE;
    if (text_equal(name, "(root)") || text_equal(name, "(program)") || text_equal(name, "(pruned)"))
        return WIRE_SYNTHETIC;
    if (text_equal(file, "~") || text_equal(file, "<built-in>") || text_starts(name, "<built-in "))
        return WIRE_BUILTIN;
    static const char *const native[] = {".c", ".cc", ".cpp", ".h", ".rs", ".so"};
    for (size_t i = 0; i < sizeof(native) / sizeof(native[0]); i++) {
        size_t n = strlen(native[i]);
        if (file.len > n && memcmp(file.data + file.len - n, native[i], n) == 0)
            return WIRE_NATIVE;
    }
    return WIRE_PYTHON;
}

/* ---- amounts ---- */

void amount_unit_find(struct amount_unit *unit, struct text name)
{
    static const struct {
        const char *name, *kept;
        int64_t scale;
    } units[] = {
        {"nanoseconds", "ns", 1},
        {"nanosecond", "ns", 1},
        {"ns", "ns", 1},
        {"microseconds", "ns", 1000},
        {"microsecond", "ns", 1000},
        {"us", "ns", 1000},
        {"\xc2\xb5s", "ns", 1000}, /* micro sign */
        {"\xce\xbcs", "ns", 1000}, /* Greek mu */
        {"milliseconds", "ns", 1000000},
        {"millisecond", "ns", 1000000},
        {"ms", "ns", 1000000},
        {"seconds", "ns", 1000000000},
        {"second", "ns", 1000000000},
        {"s", "ns", 1000000000},
        {"byte", "bytes", 1},
        {"bytes", "bytes", 1},
        {"none", "count", 1},
        {"", "count", 1},
        {"count", "count", 1},
    };
    *unit = (struct amount_unit){.scale = 1};
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (!text_equal(name, units[i].name))
            continue;
        snprintf(unit->name, sizeof(unit->name), "%s", units[i].kept);
        unit->scale = units[i].scale;
        unit->is_time = strcmp(units[i].kept, "ns") == 0;
        return;
    }
    size_t n = name.len < 32 ? name.len : 32;
    memcpy(unit->name, name.data, n);
    unit->name[n] = 0;
}

void amount_unit_divide(struct amount_unit *unit)
{
    size_t n = strlen(unit->name);
    snprintf(unit->name + n, sizeof(unit->name) - n, "/1000");
    unit->scale *= 1000;
}

bool amount_scale(const struct amount_unit *unit, const struct json_number *n, int64_t *out)
{
    if (n->is_integer)
        return !__builtin_mul_overflow(n->i64, unit->scale, out);
    double scaled = n->f64 * (double)unit->scale;
    const double limit = 9223372036854775808.0;
    if (!(scaled > -limit && scaled < limit))
        return false;
    *out = llround(scaled);
    return true;
}

bool amount_is_broken(const struct amount_unit *unit, const struct json_number *n)
{
    return !n->is_integer && !unit->is_time && n->f64 != floor(n->f64);
}
