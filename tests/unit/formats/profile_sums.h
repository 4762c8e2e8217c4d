#pragma once
/* What tests of readers ask of a profile. */

#include <string.h>

#include "backend/formats/format.h"

/* NULL when it is refused; the words are in err. */
static inline struct profile *load(const void *data, size_t len, struct error *err)
{
    struct profile *p = NULL;
    *err = (struct error){0};
    return format_load(data, len, "test", NULL, &p, err) == STATUS_OK ? p : NULL;
}

static inline struct profile *load_text(const char *text, struct error *err)
{
    return load(text, strlen(text), err);
}

static inline const char *text_at(const struct profile *p, uint32_t string)
{
    return strtab_text(&p->tables.strings, string);
}

static inline int64_t value_at(const struct sample_set *s, size_t type, size_t row)
{
    return s->values[type].value ? s->values[type].value[row] : s->values[type].constant;
}

static inline int64_t total_of(const struct profile *p, size_t set, size_t type)
{
    int64_t sum = 0;
    for (size_t i = 0; i < p->sets[set].len; i++)
        sum += value_at(&p->sets[set], type, i);
    return sum;
}

/* Of samples whose innermost function has this name (self), or any (total). */
static inline int64_t sum_of(const struct profile *p, size_t set, size_t type, const char *name,
                             int is_self)
{
    const struct tables *t = &p->tables;
    const struct sample_set *s = &p->sets[set];
    int64_t sum = 0;
    for (size_t i = 0; i < s->len; i++) {
        for (uint32_t at = s->stack ? s->stack[i] : 0; at; at = t->stacks[at].parent) {
            const struct wire_function *f = &t->functions[t->frames[t->stacks[at].frame].function];
            if (strcmp(text_at(p, f->name), name) == 0) {
                sum += value_at(s, type, i);
                break;
            }
            if (is_self)
                break;
        }
    }
    return sum;
}

static inline int64_t self_of(const struct profile *p, size_t set, size_t type, const char *name)
{
    return sum_of(p, set, type, name, 1);
}

static inline int64_t total_with(const struct profile *p, size_t set, size_t type, const char *name)
{
    return sum_of(p, set, type, name, 0);
}

static inline int has_warning(const struct profile *p, const char *part)
{
    for (size_t i = 0; i < p->notices_len; i++) {
        if (strstr(text_at(p, p->notices[i].text), part))
            return 1;
    }
    return 0;
}

/* Writes in one format and reads that back. */
static inline struct profile *write_and_read(const struct profile *p, const char *format,
                                             struct buf *lost, struct error *err)
{
    struct buf out;
    buf_init(&out, 0);
    *err = (struct error){0};
    struct profile *again = NULL;
    const struct format *f = format_by_name(format);
    if (f && f->write && f->write(p, &out, lost, err) == STATUS_OK)
        again = load(out.data, out.len, err);
    buf_deinit(&out);
    return again;
}
