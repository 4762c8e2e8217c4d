/* The first half of a take: everything that waits moves out of the stream, under its lock. Tables
 * are copied (what is new since the last take, usually little), samples and points change owner. */

#include <stdlib.h>
#include <string.h>

#include "collector/stream/state.h"

void stream_delivery_free(struct stream_delivery *d)
{
    free(d->strings);
    free(d->functions);
    free(d->frames);
    free(d->stacks);
    free(d->processes);
    free(d->threads);
    free(d->sets);
    free(d->metrics);
    free(d->samples);
    for (size_t i = 0; i < d->samples_len; i++)
        stream_rows_free(&d->rows[i]);
    free(d->rows);
    free(d->points);
    for (size_t i = 0; i < d->points_len; i++) {
        free(d->point_rows[i].time_ns);
        free(d->point_rows[i].value);
    }
    free(d->point_rows);
    free(d->spans);
    free(d->notices);
    free(d->counters);
    free(d->sources);
    for (size_t i = 0; i < d->source_texts_len; i++)
        free(d->source_texts[i]);
    free(d->source_texts);
    *d = (struct stream_delivery){0};
}

/* malloc that gives a pointer for nothing, too: NULL means failure and only that. */
static void *copy_rows(const void *from, size_t len, size_t row_size)
{
    void *to = malloc(len * row_size + 1);
    if (to && len)
        memcpy(to, from, len * row_size);
    return to;
}

static bool copy_tables(struct stream *s, struct stream_delivery *d)
{
    size_t strings = s->strings.len - s->strings_sent;
    d->strings = malloc((strings + 1) * sizeof(*d->strings));
    d->functions = copy_rows(s->function + s->functions.sent, s->functions.len - s->functions.sent,
                             sizeof(*d->functions));
    d->frames =
        copy_rows(s->frame + s->frames.sent, s->frames.len - s->frames.sent, sizeof(*d->frames));
    d->stacks =
        copy_rows(s->stack + s->stacks.sent, s->stacks.len - s->stacks.sent, sizeof(*d->stacks));
    if (!d->strings || !d->functions || !d->frames || !d->stacks)
        return false;
    for (size_t i = 0; i < strings; i++) {
        /* The bytes themselves live as long as the stream and never move. */
        const struct strtab_item *item = &s->strings.items[s->strings_sent + i];
        d->strings[i] = (struct wire_bytes){.data = item->data, .len = item->len};
    }
    struct wire_batch *all = &d->all;
    all->first_string = s->strings_sent;
    all->first_function = s->functions.sent;
    all->first_frame = s->frames.sent;
    all->first_stack = s->stacks.sent;
    all->first_label_set = 1; /* the empty set exists from the start, and there is no other */
    all->strings = d->strings;
    all->functions = d->functions;
    all->frames = d->frames;
    all->stacks = d->stacks;
    all->strings_len = strings;
    all->functions_len = s->functions.len - s->functions.sent;
    all->frames_len = s->frames.len - s->frames.sent;
    all->stacks_len = s->stacks.len - s->stacks.sent;
    return true;
}

/* New rows first: a row that comes again is told from a new one by its number being known. */
static bool copy_actors(struct stream *s, struct stream_delivery *d)
{
    d->processes = malloc((s->processes.len + 1) * sizeof(*d->processes));
    d->threads = malloc((s->threads.len + 1) * sizeof(*d->threads));
    if (!d->processes || !d->threads)
        return false;
    struct wire_batch *all = &d->all;
    for (size_t i = s->processes.sent; i < s->processes.len; i++)
        d->processes[all->processes_len++] = s->process[i].row;
    for (size_t i = 0; i < s->processes.sent; i++) {
        if (s->process[i].is_changed)
            d->processes[all->processes_len++] = s->process[i].row;
    }
    for (size_t i = s->threads.sent; i < s->threads.len; i++)
        d->threads[all->threads_len++] = s->thread[i].row;
    for (size_t i = 0; i < s->threads.sent; i++) {
        if (s->thread[i].is_changed)
            d->threads[all->threads_len++] = s->thread[i].row;
    }
    all->first_process = s->processes.sent;
    all->first_thread = s->threads.sent;
    all->processes = d->processes;
    all->threads = d->threads;
    return true;
}

static bool copy_declarations(struct stream *s, struct stream_delivery *d)
{
    struct wire_batch *all = &d->all;
    all->sets_len = s->sets.len - s->sets.sent;
    all->metrics_len = s->metrics.len - s->metrics.sent;
    d->sets = malloc((all->sets_len + 1) * sizeof(*d->sets));
    d->metrics = malloc((all->metrics_len + 1) * sizeof(*d->metrics));
    d->samples = calloc(s->sets.len + 1, sizeof(*d->samples));
    d->rows = calloc(s->sets.len + 1, sizeof(*d->rows));
    d->points = calloc(s->metrics.len + 1, sizeof(*d->points));
    d->point_rows = calloc(s->metrics.len + 1, sizeof(*d->point_rows));
    if (!d->sets || !d->metrics || !d->samples || !d->rows || !d->points || !d->point_rows)
        return false;
    for (size_t i = 0; i < all->sets_len; i++)
        d->sets[i] = s->set[s->sets.sent + i].declaration;
    for (size_t i = 0; i < all->metrics_len; i++)
        d->metrics[i] = s->series[s->metrics.sent + i].declaration;
    all->sets = d->sets;
    all->metrics = d->metrics;
    return true;
}

static bool is_dropped_counter(const struct stream_counter *c)
{
    return c->name.len == 7 && memcmp(c->name.data, "dropped", 7) == 0;
}

/* "dropped" counts what producers say they dropped and what this stream dropped. */
static void add_drops(struct stream *s, struct stream_delivery *d)
{
    const struct stream_drops *now = &s->drops;
    const struct stream_drops *told = &s->drops_told;
    uint64_t said = 0;
    bool is_changed = false;
    for (size_t i = 0; i < s->counters_len; i++) {
        if (is_dropped_counter(&s->counter[i])) {
            said = s->counter[i].value;
            is_changed = s->counter[i].is_changed;
        }
    }
    const struct {
        const char *name;
        uint64_t value;
        bool is_changed;
    } rows[] = {
        {"dropped", now->samples + said, is_changed || now->samples != told->samples},
        {"dropped_points", now->points, now->points != told->points},
        {"dropped_spans", now->spans, now->spans != told->spans},
        {"dropped_notices", now->notices, now->notices != told->notices},
        {"table_full", now->table_full, now->table_full != told->table_full},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].is_changed)
            d->counters[d->all.counters_len++] =
                (struct wire_counter){.name = {.data = rows[i].name, .len = strlen(rows[i].name)},
                                      .value = rows[i].value};
    }
}

enum { DROP_COUNTERS = 5 };

static bool copy_events(struct stream *s, struct stream_delivery *d)
{
    struct wire_batch *all = &d->all;
    d->spans = copy_rows(s->span, s->spans_len, sizeof(*d->spans));
    d->notices = copy_rows(s->notice, s->notices_len, sizeof(*d->notices));
    d->counters = malloc((s->counters_len + DROP_COUNTERS) * sizeof(*d->counters));
    if (!d->spans || !d->notices || !d->counters)
        return false;
    for (size_t i = 0; i < s->counters_len; i++) {
        const struct stream_counter *c = &s->counter[i];
        if (c->is_changed && !is_dropped_counter(c))
            d->counters[all->counters_len++] =
                (struct wire_counter){.name = c->name, .value = c->value};
    }
    add_drops(s, d);
    all->spans = d->spans;
    all->spans_len = s->spans_len;
    all->notices = d->notices;
    all->notices_len = s->notices_len;
    all->counters = d->counters;
    return true;
}

static bool copy_sources(struct stream *s, struct stream_delivery *d)
{
    d->sources = calloc(s->sources_len + 1, sizeof(*d->sources));
    d->source_texts = calloc(s->sources_len + 1, sizeof(*d->source_texts));
    if (!d->sources || !d->source_texts)
        return false;
    size_t len = 0;
    for (size_t i = 0; i < s->sources_len; i++) {
        const struct stream_source_row *row = &s->source[i];
        if (row->text)
            d->sources[len++] = (struct wire_source){.file = row->file,
                                                     .text = {.data = row->text, .len = row->len}};
    }
    d->all.sources = d->sources;
    d->all.sources_len = len;
    return true;
}

/* Nothing below can fail: from here on it is the delivery's. */
static void hand_over(struct stream *s, struct stream_delivery *d)
{
    s->strings_sent = s->strings.len;
    s->functions.sent = s->functions.len;
    s->frames.sent = s->frames.len;
    s->stacks.sent = s->stacks.len;
    s->processes.sent = s->processes.len;
    s->threads.sent = s->threads.len;
    s->sets.sent = s->sets.len;
    s->metrics.sent = s->metrics.len;
    for (size_t i = 0; i < s->processes.len; i++)
        s->process[i].is_changed = false;
    for (size_t i = 0; i < s->threads.len; i++)
        s->thread[i].is_changed = false;
    for (size_t i = 0; i < s->counters_len; i++)
        s->counter[i].is_changed = false;
    s->drops_told = s->drops;
    s->spans_len = 0;
    s->notices_len = 0;
    for (size_t i = 0; i < s->sources_len; i++) {
        if (s->source[i].text)
            d->source_texts[d->source_texts_len++] = s->source[i].text;
        s->source[i].text = NULL;
    }
    for (size_t i = 0; i < s->sets.len; i++) {
        struct stream_set *set = &s->set[i];
        if (set->rows.len == 0)
            continue;
        d->samples[d->samples_len] =
            (struct wire_samples){.set = (uint32_t)i, .values_len = set->declaration.values_len};
        d->rows[d->samples_len++] = set->rows;
        set->rows = (struct stream_rows){0};
    }
    for (size_t i = 0; i < s->metrics.len; i++) {
        struct stream_series *series = &s->series[i];
        if (series->rows.len == 0)
            continue;
        d->points[d->points_len] = (struct wire_points){.metric = (uint32_t)i};
        d->point_rows[d->points_len++] = series->rows;
        series->rows = (struct stream_point_rows){0};
    }
    s->pending_samples = 0;
    s->pending_points = 0;
}

static bool has_anything(const struct stream_delivery *d)
{
    const struct wire_batch *b = &d->all;
    return b->strings_len || b->functions_len || b->frames_len || b->stacks_len ||
           b->processes_len || b->threads_len || b->sets_len || b->metrics_len || b->spans_len ||
           b->notices_len || b->counters_len || b->sources_len || d->samples_len || d->points_len;
}

enum status stream_collect(struct stream *s, uint64_t now_ns)
{
    struct stream_delivery d = {0};
    if (!copy_tables(s, &d) || !copy_actors(s, &d) || !copy_declarations(s, &d) ||
        !copy_events(s, &d) || !copy_sources(s, &d)) {
        stream_delivery_free(&d);
        return STATUS_NO_MEMORY;
    }
    hand_over(s, &d);
    d.all.begin_ns = s->taken_until_ns;
    d.all.end_ns = stream_relative(s, now_ns);
    d.is_open = has_anything(&d);
    if (!d.is_open) {
        stream_delivery_free(&d);
        return STATUS_OK;
    }
    s->taken_until_ns = d.all.end_ns;
    s->delivery = d;
    return STATUS_OK;
}
