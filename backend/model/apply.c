#include "backend/model/apply.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backend/model/apply_parts.h"
#include "backend/model/rows.h"
#include "backend/model/samples.h"

/* ---- the head ---- */

static enum status set_head_texts(struct profile *p, const struct wire_hello *hello)
{
    const struct {
        uint32_t *to;
        const struct wire_bytes *from;
    } texts[] = {
        {&p->name, &hello->name},         {&p->host, &hello->host}, {&p->runtime, &hello->runtime},
        {&p->producer, &hello->producer}, {&p->mode, &hello->mode}, {&p->format, &hello->format},
    };
    uint32_t ids[sizeof(texts) / sizeof(texts[0])];
    enum status st = STATUS_OK;
    for (size_t i = 0; st == STATUS_OK && i < sizeof(texts) / sizeof(texts[0]); i++)
        st = tables_string(&p->tables, texts[i].from->data, texts[i].from->len, &ids[i]);
    for (size_t i = 0; st == STATUS_OK && i < sizeof(texts) / sizeof(texts[0]); i++)
        *texts[i].to = ids[i];
    return st;
}

enum status apply_hello(struct profile *p, const struct wire_hello *hello, struct error *err)
{
    struct tables *t = &p->tables;
    size_t argv_cap = 0;
    size_t tags_cap = 0;
    uint32_t *argv = NULL;
    struct model_label *tags = NULL;
    enum status st = rows_room(&argv, &argv_cap, hello->argv_len);
    if (st == STATUS_OK)
        st = rows_room(&tags, &tags_cap, hello->tags_len);
    for (size_t i = 0; st == STATUS_OK && i < hello->argv_len; i++)
        st = tables_string(t, hello->argv[i].data, hello->argv[i].len, &argv[i]);
    for (size_t i = 0; st == STATUS_OK && i < hello->tags_len; i++) {
        const struct wire_tag *tag = &hello->tags[i];
        tags[i] = (struct model_label){0};
        st = tables_string(t, tag->key.data, tag->key.len, &tags[i].key);
        if (st == STATUS_OK)
            st = tables_string(t, tag->value.data, tag->value.len, &tags[i].value);
    }
    if (st == STATUS_OK)
        st = set_head_texts(p, hello);
    if (st != STATUS_OK) {
        free(argv);
        free(tags);
        return error_set(err, st, "hello: %s",
                         st == STATUS_NO_MEMORY ? "no memory" : "a text is too long");
    }
    free(p->argv);
    free(p->tags);
    p->argv = argv;
    p->argv_len = hello->argv_len;
    p->argv_cap = argv_cap;
    p->tags = tags;
    p->tags_len = hello->tags_len;
    p->tags_cap = tags_cap;
    p->pid = hello->pid;
    p->start_unix_ns = hello->start_unix_ns;
    p->rate_hz = isfinite(hello->rate_hz) && hello->rate_hz > 0 ? hello->rate_hz : 0;
    return STATUS_OK;
}

/* ---- commit: everything was checked and has its place ---- */

/* Staging has interned it. */
static uint32_t known_string(const struct profile *p, const struct wire_bytes *bytes)
{
    uint32_t id = 0;
    bool is_known = strtab_find(&p->tables.strings, bytes->data, bytes->len, &id);
    assert(is_known);
    (void)is_known;
    return id;
}

static void commit_who(struct profile *p, const struct wire_batch *b)
{
    struct tables *t = &p->tables;
    for (size_t i = 0; i < b->processes_len; i++) {
        const struct wire_process *from = &b->processes[i];
        t->processes[from->index] = (struct model_process){
            .pid = from->pid,
            .parent_pid = from->parent_pid,
            .command = known_string(p, &from->command),
            .runtime = known_string(p, &from->runtime),
            .start_ns = from->start_ns,
            .end_ns = from->end_ns,
        };
        t->processes_len += from->index == t->processes_len;
    }
    for (size_t i = 0; i < b->threads_len; i++) {
        const struct wire_thread *from = &b->threads[i];
        t->threads[from->index] = (struct model_thread){
            .process = from->process, .tid = from->tid, .name = known_string(p, &from->name)};
        t->threads_len += from->index == t->threads_len;
    }
    for (size_t i = 0; i < b->label_sets_len; i++) {
        const struct wire_label_set *from = &b->label_sets[i];
        t->label_sets[t->label_sets_len++] =
            (struct model_label_set){.first = (uint32_t)t->labels_len, .len = (uint32_t)from->len};
        for (size_t k = 0; k < from->len; k++) {
            t->labels[t->labels_len++] = (struct model_label){
                .key = p->wire_strings[from->key[k]],
                .value = p->wire_strings[from->value[k]],
                .unit = from->unit ? p->wire_strings[from->unit[k]] : 0,
            };
        }
    }
}

void apply_commit_tables(struct profile *p, const struct wire_batch *b,
                         const struct apply_counts *after)
{
    struct tables *t = &p->tables;
    p->wire_strings_len = after->strings;
    for (size_t i = 0; i < b->functions_len; i++) {
        struct wire_function *to = &t->functions[t->functions_len + i];
        *to = b->functions[i];
        to->name = p->wire_strings[to->name];
        to->file = p->wire_strings[to->file];
        to->module = p->wire_strings[to->module];
    }
    if (b->frames_len)
        memcpy(t->frames + t->frames_len, b->frames, b->frames_len * sizeof(*t->frames));
    if (b->stacks_len)
        memcpy(t->stacks + t->stacks_len, b->stacks, b->stacks_len * sizeof(*t->stacks));
    t->functions_len = after->functions;
    t->frames_len = after->frames;
    t->stacks_len = after->stacks;
    commit_who(p, b);
}

static void append_points(struct series *s, const struct wire_points *block, const uint32_t *order)
{
    size_t old = s->len;
    for (size_t added = block->len, to = old + added; added > 0;) {
        size_t row = order ? order[added - 1] : added - 1;
        to--;
        if (old > 0 && s->time_ns[old - 1] > block->time_ns[row]) {
            old--;
            s->time_ns[to] = s->time_ns[old];
            s->value[to] = s->value[old];
        } else {
            s->time_ns[to] = block->time_ns[row];
            s->value[to] = block->value[row];
            added--;
        }
    }
    s->len += block->len;
}

static void commit_call_graph(struct profile *p, const struct wire_call_graph *from)
{
    struct call_graph *to = &p->call_graph;
    if (from->unit.len)
        to->unit = known_string(p, &from->unit);
    for (size_t i = 0; i < from->rows_len; i++) {
        to->rows[to->rows_len++] = (struct call_row){
            .function = from->function[i],
            .calls = from->calls ? from->calls[i] : 0,
            .primitive_calls = from->primitive_calls ? from->primitive_calls[i] : 0,
            .self = from->self ? from->self[i] : 0,
            .total = from->total ? from->total[i] : 0,
        };
    }
    for (size_t i = 0; i < from->edges_len; i++) {
        to->edges[to->edges_len++] = (struct call_edge){
            .caller = from->edge_caller[i],
            .callee = from->edge_callee[i],
            .calls = from->edge_calls ? from->edge_calls[i] : 0,
            .primitive_calls = from->edge_primitive_calls ? from->edge_primitive_calls[i] : 0,
            .self = from->edge_self ? from->edge_self[i] : 0,
            .total = from->edge_total ? from->edge_total[i] : 0,
        };
    }
}

static double number_or_nan(const double *column, size_t row)
{
    return column ? column[row] : (double)NAN;
}

static void commit_texts(struct profile *p, const struct wire_batch *b)
{
    for (size_t i = 0; i < b->lines_len; i++) {
        const struct wire_lines *from = &b->lines[i];
        for (size_t k = 0; k < from->len; k++) {
            p->lines[p->lines_len++] = (struct line_row){
                .function = from->function,
                .line = from->line[k],
                .hits = from->hits ? from->hits[k] : 0,
                .time_s = number_or_nan(from->time_s, k),
                .memory_bytes = number_or_nan(from->memory_bytes, k),
                .increment_bytes = number_or_nan(from->increment_bytes, k),
            };
        }
    }
    for (size_t i = 0; i < b->sources_len; i++) {
        p->sources[p->sources_len++] =
            (struct model_source){.file = p->wire_strings[b->sources[i].file],
                                  .text = known_string(p, &b->sources[i].text)};
    }
    for (size_t i = 0; i < b->benchmarks_len; i++) {
        const struct wire_benchmark *from = &b->benchmarks[i];
        struct model_benchmark *to = &p->benchmarks[p->benchmarks_len++];
        double *data_s = to->data_s; /* staging has copied it */
        *to = (struct model_benchmark){
            .name = known_string(p, &from->name),
            .group = known_string(p, &from->group),
            .mean_s = from->mean_s,
            .median_s = from->median_s,
            .stddev_s = from->stddev_s,
            .min_s = from->min_s,
            .max_s = from->max_s,
            .rounds = from->rounds,
            .iterations = from->iterations,
            .data_s = data_s,
            .data_len = from->data_len,
        };
    }
}

/* What staging has made room for goes through the same doors that importers use. */
static void commit_messages(struct profile *p, const struct wire_batch *b)
{
    enum status st = STATUS_OK;
    for (size_t i = 0; st == STATUS_OK && i < b->spans_len; i++) {
        const struct wire_span *from = &b->spans[i];
        struct model_span span = {
            .name = p->wire_strings[from->name],
            .begin_ns = from->begin_ns,
            .end_ns = from->end_ns,
            .process = from->process,
            .thread = from->thread,
            .level = from->level,
            .begin_value = from->begin_value,
            .end_value = from->end_value,
        };
        st = profile_add_span(p, &span);
    }
    for (size_t i = 0; st == STATUS_OK && i < b->counters_len; i++)
        st = profile_set_counter_bytes(p, b->counters[i].name.data, b->counters[i].name.len,
                                       b->counters[i].value);
    for (size_t i = 0; st == STATUS_OK && i < b->notices_len; i++) {
        const struct wire_notice *from = &b->notices[i];
        st = profile_add_notice(p, from->severity, from->code.data, from->code.len, from->text.data,
                                from->text.len, from->time_ns);
    }
    assert(st == STATUS_OK);
}

static void saw_time(struct profile *p, uint64_t time_ns)
{
    if (time_ns > p->duration_ns)
        p->duration_ns = time_ns;
}

void apply_commit_shapes(struct profile *p, const struct wire_batch *b,
                         const struct apply_stage *stage)
{
    p->sets_len = stage->after->sets;
    p->series_len = stage->after->series;
    for (size_t i = 0; i < b->samples_len; i++) {
        struct sample_set *set = &p->sets[b->samples[i].set];
        samples_append(set, &b->samples[i], stage->sample_order[i]);
        if (set->has_time && set->len)
            saw_time(p, set->time_ns[set->len - 1]);
    }
    for (size_t i = 0; i < b->points_len; i++) {
        struct series *series = &p->series[b->points[i].metric];
        append_points(series, &b->points[i], stage->point_order[i]);
        if (series->len)
            saw_time(p, series->time_ns[series->len - 1]);
    }
    if (b->call_graph)
        commit_call_graph(p, b->call_graph);
    commit_texts(p, b);
    commit_messages(p, b);
    saw_time(p, b->end_ns);
}

enum status apply_batch(struct profile *p, const struct wire_batch *b, struct error *err)
{
    struct apply_counts after;
    enum status st = apply_check(p, b, &after, err);
    if (st == STATUS_OK)
        st = apply_check_shapes(p, b, &after, err);
    if (st != STATUS_OK)
        return st;

    struct apply_stage stage = {.after = &after};
    st = apply_stage_tables(p, b, &after);
    if (st == STATUS_OK)
        st = apply_stage_shapes(p, b, &stage);
    if (st == STATUS_OK) {
        apply_commit_tables(p, b, &after);
        apply_commit_shapes(p, b, &stage);
    } else {
        apply_stage_drop(p, b, &stage);
        error_set(err, st, "batch %" PRIu64 ": %s", b->seq,
                  st == STATUS_NO_MEMORY ? "no memory"
                                         : "over a limit of the profile's rows, depth or texts");
    }
    apply_stage_free(b, &stage);
    return st;
}
