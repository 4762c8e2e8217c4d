#include "backend/formats/fill.h"

#include <string.h>

#include "common/base/array.h"

bool fill_check(struct fill *f, enum status status)
{
    if (f->failed != STATUS_OK || status == STATUS_OK)
        return f->failed == STATUS_OK;
    f->failed = status;
    error_set(f->err, status, "%s",
              status == STATUS_NO_MEMORY   ? "no memory for the profile"
              : status == STATUS_TOO_LARGE ? "more than a profile may hold, or a stack too deep"
                                           : "the profile could not be built");
    return false;
}

enum status fill_bad(struct fill *f, const char *unit, size_t position, const char *what)
{
    if (f->failed == STATUS_OK)
        f->failed = error_set(f->err, STATUS_INVALID, "%s %zu: %s", unit, position, what);
    return f->failed;
}

uint32_t fill_string(struct fill *f, struct text text)
{
    uint32_t id = 0;
    if (f->failed == STATUS_OK && text.len > 0)
        fill_check(f, tables_string(&f->profile->tables, text.data, text.len, &id));
    return id;
}

struct text fill_text(const struct fill *f, uint32_t string)
{
    const struct strtab *strings = &f->profile->tables.strings;
    return (struct text){strtab_text(strings, string), strtab_len(strings, string)};
}

uint32_t fill_function(struct fill *f, const struct fill_function *function)
{
    struct wire_function row = {.name = fill_string(f, function->name),
                                .file = fill_string(f, function->file),
                                .module = fill_string(f, function->module),
                                .line = function->line,
                                .kind = (uint32_t)function->kind};
    if (row.kind == WIRE_PYTHON &&
        (text_starts(function->name, "<built-in ") || text_equal(function->file, "~")))
        row.kind = WIRE_BUILTIN;
    uint32_t id = 0;
    if (f->failed == STATUS_OK)
        fill_check(f, tables_function(&f->profile->tables, &row, &id));
    return id;
}

uint32_t fill_frame(struct fill *f, uint32_t function, uint32_t line, uint32_t column)
{
    struct wire_frame row = {.function = function, .line = line, .column = column};
    uint32_t id = 0;
    if (f->failed == STATUS_OK)
        fill_check(f, tables_frame(&f->profile->tables, &row, &id));
    return id;
}

uint32_t fill_stack(struct fill *f, uint32_t parent, uint32_t frame)
{
    uint32_t id = 0;
    if (f->failed == STATUS_OK)
        fill_check(f, tables_stack(&f->profile->tables, parent, frame, &id));
    return id;
}

uint32_t fill_process(struct fill *f, uint64_t pid, struct text command)
{
    struct model_process row = {.pid = pid, .command = fill_string(f, command)};
    uint32_t id = 0;
    if (f->failed == STATUS_OK)
        fill_check(f, tables_process(&f->profile->tables, &row, &id));
    return id;
}

uint32_t fill_thread(struct fill *f, uint32_t process, uint64_t tid, struct text name)
{
    struct model_thread row = {.process = process, .tid = tid, .name = fill_string(f, name)};
    uint32_t id = 0;
    if (f->failed == STATUS_OK)
        fill_check(f, tables_thread(&f->profile->tables, &row, &id));
    return id;
}

uint32_t fill_set(struct fill *f, const char *name, uint64_t period)
{
    uint32_t set = 0;
    if (f->failed == STATUS_OK)
        fill_check(f, profile_add_set(f->profile, name, period, &set));
    return set;
}

void fill_value_type(struct fill *f, uint32_t set, const char *name, const char *unit)
{
    uint32_t value = 0;
    if (f->failed == STATUS_OK)
        fill_check(f, profile_add_value_type(f->profile, set, name, unit, &value));
}

bool fill_sample(struct fill *f, uint32_t set, const struct profile_sample *sample)
{
    return f->failed == STATUS_OK && fill_check(f, profile_add_sample(f->profile, set, sample));
}

uint32_t fill_series(struct fill *f, const char *name, const char *unit, const uint32_t *process)
{
    uint32_t series = 0;
    if (f->failed == STATUS_OK)
        fill_check(f, profile_add_series(f->profile, name, unit, process, &series));
    return series;
}

void fill_point(struct fill *f, uint32_t series, uint64_t time_ns, double value)
{
    if (f->failed == STATUS_OK)
        fill_check(f, profile_add_point(f->profile, series, time_ns, value));
}

void fill_field(struct fill *f, uint32_t *field, struct text text)
{
    if (f->failed == STATUS_OK)
        fill_check(f, profile_set_text(f->profile, field, text.data, text.len));
}

void fill_argv(struct fill *f, struct text argument)
{
    struct profile *p = f->profile;
    uint32_t id = fill_string(f, argument);
    if (f->failed != STATUS_OK)
        return;
    if (!array_reserve(&p->argv, &p->argv_cap, p->argv_len + 1))
        fill_check(f, STATUS_NO_MEMORY);
    else
        p->argv[p->argv_len++] = id;
}

void fill_tag(struct fill *f, const char *key, struct text value)
{
    struct profile *p = f->profile;
    struct model_label tag = {.key = fill_string(f, text_of(key)), .value = fill_string(f, value)};
    if (f->failed != STATUS_OK || value.len == 0)
        return;
    if (!array_reserve(&p->tags, &p->tags_cap, p->tags_len + 1))
        fill_check(f, STATUS_NO_MEMORY);
    else
        p->tags[p->tags_len++] = tag;
}
