/* What stands beside the stacks: counters as series, async events as spans. */

#include <stdio.h>

#include "backend/formats/trace_read.h"
#include "common/base/array.h"

void trace_add_async(struct trace_reader *r, const struct trace_item *e)
{
    struct json_in *j = &r->json;
    uint64_t key = map_mix(map_mix(map_pair(e->pid, e->id)) ^ map_pair(e->name, e->category));
    int64_t at_ns = trace_to_ns(r, e->at);
    const uint32_t *open = map_find(&r->async_by_key, key);
    if (e->phase == 'e') {
        if (open && !r->asyncs[*open].is_closed) {
            r->asyncs[*open].end_ns = at_ns;
            r->asyncs[*open].is_closed = true;
        }
        return;
    }
    if (r->asyncs_len >= TABLES_MAX_ROWS ||
        !array_reserve(&r->asyncs, &r->asyncs_cap, r->asyncs_len + 1)) {
        json_in_check(j, STATUS_NO_MEMORY);
        return;
    }
    struct trace_async a = {.begin_ns = at_ns, .name = e->name};
    a.track = trace_tracks_find(&r->tracks, j, e->pid, e->tid);
    trace_note_time(r, at_ns);
    if (!map_put(&r->async_by_key, key, (uint32_t)r->asyncs_len))
        json_in_check(j, STATUS_NO_MEMORY);
    else
        r->asyncs[r->asyncs_len++] = a;
}

/* "counter.key"; one of bytes goes by its own name. Each process counts for itself: those after the
 * first have their pid behind the name. */
static uint32_t counter_series(struct trace_reader *r, const struct trace_item *e, struct text key)
{
    char label[320];
    bool is_bytes = text_equal(key, "bytes");
    struct text event = builder_text(&r->build, e->name);
    int n = snprintf(label, sizeof(label), "%.*s%s%.*s", (int)(event.len < 120 ? event.len : 120),
                     event.data, is_bytes ? "" : ".",
                     is_bytes        ? 0
                     : key.len < 120 ? (int)key.len
                                     : 120,
                     key.data);
    uint32_t id = builder_string(&r->build, (struct text){label, (size_t)n});
    uint64_t own = map_mix(map_pair(e->pid, id));
    const uint32_t *known = map_find(&r->series_by_name, own);
    if (known)
        return *known;
    struct text pid = builder_text(&r->build, e->pid);
    if (map_find(&r->series_by_name, id))
        snprintf(label + n, sizeof(label) - (size_t)n, " [%.*s]",
                 (int)(pid.len < 40 ? pid.len : 40), pid.data);
    uint32_t series = builder_series(&r->build, label, is_bytes ? "bytes" : "count");
    if (!map_put(&r->series_by_name, own, series) || !map_put(&r->series_by_name, id, series))
        json_in_check(&r->json, STATUS_NO_MEMORY);
    return series;
}

void trace_add_counters(struct trace_reader *r, const struct trace_item *e)
{
    struct json_in *j = &r->json;
    struct text key;
    int64_t at_ns = trace_to_ns(r, e->at);
    json_in_return(j, e->args);
    if (json_in_peek(j) != JSON_OBJECT || !json_in_object(j))
        return;
    while (json_in_key(j, &key)) {
        uint32_t series = counter_series(r, e, key);
        if (json_in_peek(j) != JSON_NUMBER) {
            json_in_skip(j);
            continue;
        }
        struct json_number n = json_in_number(j);
        if (!array_reserve(&r->points, &r->points_cap, r->points_len + 1)) {
            json_in_check(j, STATUS_NO_MEMORY);
            return;
        }
        r->points[r->points_len++] = (struct trace_point){at_ns, n.f64, series};
        trace_note_time(r, at_ns);
    }
}

void trace_add_beside(struct trace_reader *r)
{
    struct profile *p = r->build.profile;
    for (size_t i = 0; i < r->points_len && !r->build.failed; i++)
        builder_check(&r->build, profile_add_point(p, r->points[i].series,
                                                   (uint64_t)(r->points[i].at_ns - r->base_ns),
                                                   r->points[i].value));
    for (size_t i = 0; i < r->asyncs_len && !r->build.failed; i++) {
        const struct trace_async *a = &r->asyncs[i];
        if (!a->is_closed || a->end_ns < a->begin_ns)
            continue;
        struct model_span span = {
            .name = a->name,
            .begin_ns = (uint64_t)(a->begin_ns - r->base_ns),
            .end_ns = (uint64_t)(a->end_ns - r->base_ns),
            .thread = r->threads[a->track],
        };
        span.process = p->tables.threads_len ? p->tables.threads[span.thread].process : 0;
        builder_check(&r->build, profile_add_span(p, &span));
    }
}
