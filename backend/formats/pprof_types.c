#include <stdio.h>
#include <string.h>

#include "backend/formats/pprof_read.h"

static void read_type(struct pprof_reader *r, const struct pb_field *message, struct text *name,
                      struct text *unit)
{
    struct pb_in in;
    struct pb_field f;
    pb_in_inside(&in, &r->top, message);
    *name = *unit = (struct text){"", 0};
    while (pb_in_next(&in, &f)) {
        if (f.number == 1)
            *name = pprof_text_at(r, f.value);
        else if (f.number == 2)
            *unit = pprof_text_at(r, f.value);
    }
    pprof_merge(r, &in);
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
static void order_types(struct pprof_reader *r)
{
    size_t first = r->types_len - 1;
    struct text wanted = pprof_text_at(r, r->default_type);
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

bool pprof_add_types(struct pprof_reader *r)
{
    if (r->types_len == 0)
        return pprof_fail(r, STATUS_INVALID, "no sample types");
    if (r->types_len > PPROF_MAX_TYPES)
        return pprof_fail(r, STATUS_TOO_LARGE, "more than 64 sample types");
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
