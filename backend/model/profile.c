#include "backend/model/profile.h"

#include <stdlib.h>
#include <string.h>

#include "backend/model/rows.h"
#include "backend/model/samples.h"

enum status profile_new(struct profile **out)
{
    struct profile *p = calloc(1, sizeof(*p));
    if (!p)
        return STATUS_NO_MEMORY;
    enum status st = tables_init(&p->tables);
    if (st != STATUS_OK) {
        free(p);
        return st;
    }
    *out = p;
    return STATUS_OK;
}

void profile_free(struct profile *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->sets_len; i++)
        samples_deinit(&p->sets[i]);
    for (size_t i = 0; i < p->series_len; i++) {
        free(p->series[i].time_ns);
        free(p->series[i].value);
    }
    for (size_t i = 0; i < p->benchmarks_len; i++)
        free(p->benchmarks[i].data_s);
    free(p->sets);
    free(p->series);
    free(p->spans);
    free(p->notices);
    free(p->counters);
    free(p->call_graph.rows);
    free(p->call_graph.edges);
    free(p->lines);
    free(p->sources);
    free(p->benchmarks);
    free(p->argv);
    free(p->tags);
    free(p->wire_strings);
    map_deinit(&p->open_spans);
    tables_deinit(&p->tables);
    free(p);
}

static size_t set_size(const struct sample_set *set)
{
    size_t row = 0;
    row += set->time_ns ? sizeof(*set->time_ns) : 0;
    row += set->thread ? sizeof(*set->thread) : 0;
    row += set->stack ? sizeof(*set->stack) : 0;
    row += set->label_set ? sizeof(*set->label_set) : 0;
    row += set->state ? sizeof(*set->state) : 0;
    for (size_t i = 0; i < set->values_len; i++)
        row += set->values[i].value ? sizeof(*set->values[i].value) : 0;
    return row * set->cap;
}

size_t profile_size(const struct profile *p)
{
    size_t size = sizeof(*p) + tables_size(&p->tables);
    for (size_t i = 0; i < p->sets_len; i++)
        size += set_size(&p->sets[i]);
    for (size_t i = 0; i < p->series_len; i++)
        size += p->series[i].cap * (sizeof(*p->series->time_ns) + sizeof(*p->series->value));
    for (size_t i = 0; i < p->benchmarks_len; i++)
        size += p->benchmarks[i].data_len * sizeof(*p->benchmarks->data_s);
    size += p->sets_cap * sizeof(*p->sets) + p->series_cap * sizeof(*p->series);
    size += p->spans_cap * sizeof(*p->spans) + p->notices_cap * sizeof(*p->notices);
    size += p->counters_cap * sizeof(*p->counters) + p->lines_cap * sizeof(*p->lines);
    size += p->call_graph.rows_cap * sizeof(*p->call_graph.rows);
    size += p->call_graph.edges_cap * sizeof(*p->call_graph.edges);
    size += p->sources_cap * sizeof(*p->sources) + p->benchmarks_cap * sizeof(*p->benchmarks);
    size += p->argv_cap * sizeof(*p->argv) + p->tags_cap * sizeof(*p->tags);
    size += p->wire_strings_cap * sizeof(*p->wire_strings);
    size += p->open_spans.cap * sizeof(*p->open_spans.slots);
    return size;
}

enum status profile_set_text(struct profile *p, uint32_t *field, const char *data, size_t len)
{
    return tables_string(&p->tables, data, len, field);
}

enum status profile_add_set(struct profile *p, const char *name, uint64_t period, uint32_t *set)
{
    if (p->sets_len >= PROFILE_MAX_SETS)
        return STATUS_TOO_LARGE;
    struct sample_set made = {.period = period};
    enum status st = tables_string(&p->tables, name, strlen(name), &made.name);
    if (st == STATUS_OK)
        st = rows_reserve(&p->sets, &p->sets_cap, p->sets_len);
    if (st != STATUS_OK)
        return st;
    p->sets[p->sets_len] = made;
    *set = (uint32_t)p->sets_len++;
    return STATUS_OK;
}

enum status profile_add_value_type(struct profile *p, uint32_t set, const char *name,
                                   const char *unit, uint32_t *value)
{
    if (set >= p->sets_len || p->sets[set].len > 0)
        return STATUS_INVALID;
    struct sample_set *s = &p->sets[set];
    if (s->values_len >= WIRE_MAX_VALUES)
        return STATUS_TOO_LARGE;
    struct model_value_type type;
    enum status st = tables_string(&p->tables, name, strlen(name), &type.name);
    if (st == STATUS_OK)
        st = tables_string(&p->tables, unit, strlen(unit), &type.unit);
    if (st != STATUS_OK)
        return st;
    s->types[s->values_len] = type;
    *value = (uint32_t)s->values_len++;
    return STATUS_OK;
}

/* Room for one more row, in columns that can hold it. */
static enum status make_room(struct sample_set *s, const struct profile_sample *sample,
                             bool has_time)
{
    enum status st = samples_reserve(s, s->len + 1);
    if (st == STATUS_OK && has_time)
        st = samples_widen_time(s);
    if (st == STATUS_OK && sample->thread)
        st = samples_widen_u32(s, &s->thread);
    if (st == STATUS_OK && sample->stack)
        st = samples_widen_u32(s, &s->stack);
    if (st == STATUS_OK && sample->label_set)
        st = samples_widen_u32(s, &s->label_set);
    if (st == STATUS_OK && sample->state)
        st = samples_widen_state(s);
    for (size_t i = 0; st == STATUS_OK && i < s->values_len; i++)
        st = samples_admit_value(s, i, sample->values[i]);
    return st;
}

static void put_row(struct sample_set *s, const struct profile_sample *sample, uint64_t time_ns)
{
    size_t at = s->len++;
    s->has_time = s->time_ns != NULL;
    if (s->time_ns)
        s->time_ns[at] = time_ns;
    if (s->thread)
        s->thread[at] = sample->thread;
    if (s->stack)
        s->stack[at] = sample->stack;
    if (s->label_set)
        s->label_set[at] = sample->label_set;
    if (s->state)
        s->state[at] = (uint8_t)sample->state;
    for (size_t i = 0; i < s->values_len; i++) {
        if (s->values[i].value)
            s->values[i].value[at] = sample->values[i];
    }
}

enum status profile_add_sample(struct profile *p, uint32_t set, const struct profile_sample *sample)
{
    const struct tables *t = &p->tables;
    if (set >= p->sets_len || sample->stack >= t->stacks_len ||
        sample->label_set >= t->label_sets_len ||
        (sample->thread && sample->thread >= t->threads_len) || sample->state > UINT8_MAX)
        return STATUS_INVALID;
    uint64_t time_ns = sample->time_ns;
    bool has_time = time_ns != UINT64_MAX;
    if (has_time && time_ns > INT64_MAX)
        return STATUS_INVALID;

    struct sample_set *s = &p->sets[set];
    if (!has_time)
        time_ns = s->time_ns && s->len ? s->time_ns[s->len - 1] : 0;
    enum status st = make_room(s, sample, has_time);
    if (st != STATUS_OK)
        return st;
    put_row(s, sample, time_ns);
    if (time_ns > p->duration_ns)
        p->duration_ns = time_ns;
    return STATUS_OK;
}
