#include "backend/formats/v8_samples.h"

#include <stdlib.h>

#include "common/base/array.h"

void v8_samples_deinit(struct v8_samples *s)
{
    free(s->nodes);
    free(s->deltas_us);
}

void v8_samples_read_nodes(struct v8_samples *s, struct json_in *j)
{
    if (!json_in_array(j))
        return;
    while (json_in_item(j)) {
        if (!array_reserve(&s->nodes, &s->nodes_cap, s->nodes_len + 1)) {
            json_in_check(j, STATUS_NO_MEMORY);
            return;
        }
        s->nodes[s->nodes_len++] = (uint64_t)json_in_i64(j);
    }
}

static bool put_delta(struct v8_samples *s, struct json_in *j, int64_t delta)
{
    const int64_t limit = (int64_t)1 << 52; /* 142 years; keeps sums and nanoseconds in range */
    if (delta > limit || delta < -limit) {
        json_in_fail(j, STATUS_INVALID, "a time that cannot be");
        return false;
    }
    if (!array_reserve(&s->deltas_us, &s->deltas_cap, s->deltas_len + 1))
        return json_in_check(j, STATUS_NO_MEMORY);
    s->deltas_us[s->deltas_len++] = delta;
    return true;
}

void v8_samples_read_deltas(struct v8_samples *s, struct json_in *j)
{
    if (!json_in_array(j))
        return;
    while (json_in_item(j)) {
        if (!put_delta(s, j, json_in_i64(j)))
            return;
    }
}

void v8_samples_read_timestamps(struct v8_samples *s, struct json_in *j, int64_t start_us)
{
    if (!json_in_array(j))
        return;
    while (json_in_item(j)) {
        int64_t at = json_in_i64(j);
        int64_t delta;
        if (__builtin_sub_overflow(at, start_us, &delta)) {
            json_in_fail(j, STATUS_INVALID, "a time that cannot be");
            return;
        }
        if (!put_delta(s, j, delta))
            return;
        start_us = at;
    }
}

void v8_samples_add(const struct v8_samples *s, struct v8_nodes *nodes, struct builder *b,
                    uint32_t set, uint32_t thread, int64_t start_us)
{
    int64_t now_us = start_us;
    for (size_t i = 0; i < s->nodes_len && !b->failed; i++) {
        int64_t own = i < s->deltas_len ? s->deltas_us[i] : 0;
        int64_t value = i + 1 < s->deltas_len && i + 1 < s->nodes_len ? s->deltas_us[i + 1] : 0;
        uint32_t stack;
        if (!v8_nodes_stack(nodes, b, s->nodes[i], &stack))
            return;
        if (__builtin_add_overflow(now_us, own, &now_us) || now_us > INT64_MAX / 1000) {
            json_in_fail(b->json, STATUS_INVALID, "times that do not fit");
            return;
        }
        if (value > INT64_MAX / 1000 || value < INT64_MIN / 1000) {
            json_in_fail(b->json, STATUS_INVALID, "times that do not fit");
            return;
        }
        value *= 1000;
        struct profile_sample sample = {
            .time_ns = now_us < 0 ? 0 : (uint64_t)now_us * 1000,
            .thread = thread,
            .stack = stack,
            .values = &value,
        };
        builder_sample(b, set, &sample);
    }
}
