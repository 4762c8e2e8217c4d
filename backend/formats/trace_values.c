/* Numbers, times and ids as the many writers of traces put them. */

#include "backend/formats/trace_read.h"

static const struct amount_unit microseconds = {.name = "ns", .scale = 1000, .is_time = true};

/* Numbers may come as text. */
struct json_number trace_read_number(struct json_in *j)
{
    struct json_number n = {0};
    if (json_in_peek(j) != JSON_STRING)
        return json_in_number(j);
    struct text t = json_in_string(j);
    const uint8_t *end = (const uint8_t *)t.data + t.len;
    if (!json_in_status(j) && json_number_parse((const uint8_t *)t.data, end, &n) != end)
        json_in_fail(j, STATUS_INVALID, "a text that is not a number");
    return n;
}

int64_t trace_to_ns(struct trace_reader *r, struct json_number n)
{
    int64_t ns = 0;
    const int64_t limit = INT64_MAX / 4; /* sums and differences of two fit */
    if (!amount_scale(&microseconds, &n, &ns) || ns > limit || ns < -limit)
        json_in_fail(&r->json, STATUS_INVALID, "a time that cannot be");
    return ns;
}

/* Text or number as text: ids, pids, tids. */
uint32_t trace_read_id(struct trace_reader *r)
{
    struct json_in *j = &r->json;
    if (json_in_peek(j) == JSON_STRING)
        return trace_tracks_string(&r->tracks, j, json_in_string(j));
    const uint8_t *from = j->at;
    json_in_skip(j);
    return trace_tracks_string(&r->tracks, j,
                               (struct text){(const char *)from, (size_t)(j->at - from)});
}

void trace_note_time(struct trace_reader *r, int64_t at_ns)
{
    if (!r->has_base || at_ns < r->base_ns)
        r->base_ns = at_ns;
    r->has_base = true;
}
