#include "backend/formats/speedscope_read.h"
#include "common/base/array.h"

struct event {
    struct json_number at;
    uint32_t frame;
    bool is_open, has_at, has_frame;
};

static void path_put(struct speedscope_reader *r, size_t depth, uint32_t index)
{
    if (index >= r->frames_len) {
        json_in_fail(&r->json, STATUS_INVALID, "frame %u of %zu", index, r->frames_len);
        return;
    }
    if (depth < r->path_len && r->path_frame[depth] == index)
        return;
    if (!speedscope_reserve(r, array_reserve(&r->path_frame, &r->path_cap, depth + 1)) ||
        !speedscope_reserve(r, array_reserve(&r->path_stack, &r->path_stack_cap, depth + 1)))
        return;
    r->path_frame[depth] = index;
    r->path_stack[depth] =
        builder_stack(&r->build, depth ? r->path_stack[depth - 1] : 0, r->frames[index]);
    r->path_len = depth + 1;
}

static void read_stacks(struct speedscope_reader *r, const uint8_t *mark)
{
    struct json_in *j = &r->json;
    r->stacks_len = 0;
    json_in_return(j, mark);
    if (!json_in_array(j))
        return;
    while (json_in_item(j)) {
        size_t depth = 0;
        if (!json_in_array(j))
            return;
        for (; json_in_item(j); depth++)
            path_put(r, depth, json_in_u32(j));
        if (json_in_status(j) ||
            !speedscope_reserve(r, array_reserve(&r->stacks, &r->stacks_cap, r->stacks_len + 1)))
            return;
        r->path_len = depth;
        r->stacks[r->stacks_len++] = depth ? r->path_stack[depth - 1] : 0;
    }
}

static void add(struct speedscope_reader *r, const struct speedscope_target *to, int64_t at,
                uint32_t stack, int64_t value)
{
    struct profile_sample sample = {
        .time_ns = to->unit.is_time ? (uint64_t)at - (uint64_t)r->base_ns : UINT64_MAX,
        .thread = to->thread,
        .stack = stack,
        .values = &value,
    };
    builder_sample(&r->build, to->set, &sample);
}

static bool advance(struct speedscope_reader *r, const struct speedscope_target *to, int64_t *at,
                    int64_t by)
{
    if (__builtin_add_overflow(*at, by, at) || (to->unit.is_time && *at < r->base_ns)) {
        json_in_fail(&r->json, STATUS_INVALID, "weights whose sum does not fit");
        return false;
    }
    return true;
}

void speedscope_read_sampled(struct speedscope_reader *r, const struct speedscope_part *part,
                             const struct speedscope_target *to)
{
    struct json_in *j = &r->json;
    read_stacks(r, part->samples);
    if (json_in_status(j))
        return;
    json_in_return(j, part->weights);
    if (!json_in_array(j))
        return;
    size_t n = 0;
    int64_t at = to->start;
    for (; json_in_item(j); n++) {
        if (n == r->stacks_len) {
            json_in_fail(j, STATUS_INVALID, "more weights than the %zu samples", n);
            return;
        }
        int64_t value = speedscope_scaled(r, &to->unit, json_in_number(j));
        if (json_in_status(j))
            return;
        add(r, to, at, r->stacks[n], value);
        if (to->unit.is_time && !advance(r, to, &at, value))
            return;
    }
    if (n < r->stacks_len)
        json_in_fail(j, STATUS_INVALID, "%zu weights for %zu samples", n, r->stacks_len);
}

static bool read_event(struct speedscope_reader *r, struct event *e)
{
    struct json_in *j = &r->json;
    struct text key;
    bool has_type = false;
    *e = (struct event){0};
    if (!json_in_object(j))
        return false;
    while (json_in_key(j, &key)) {
        if (text_equal(key, "type")) {
            struct text type = json_in_string(j);
            e->is_open = text_equal(type, "O");
            has_type = true;
            if (!e->is_open && !text_equal(type, "C"))
                json_in_fail(j, STATUS_INVALID, "an event neither O nor C");
        } else if (text_equal(key, "at")) {
            e->at = json_in_number(j);
            e->has_at = true;
        } else if (text_equal(key, "frame")) {
            e->frame = json_in_u32(j);
            e->has_frame = true;
        } else {
            json_in_skip(j);
        }
    }
    if (!has_type || !e->has_at || !e->has_frame)
        json_in_fail(j, STATUS_INVALID, "an event without type, time or frame");
    return json_in_status(j) == STATUS_OK;
}

/* A stack's sample is the time until the next event. A frame that was open for no time at all
 * gets one of no weight, so that it is not forgotten. */
void speedscope_read_evented(struct speedscope_reader *r, const struct speedscope_part *part,
                             const struct speedscope_target *to)
{
    struct json_in *j = &r->json;
    json_in_return(j, part->events);
    if (!json_in_array(j))
        return;
    r->path_len = 0;
    bool is_new = false;
    int64_t last = to->start;
    struct event e;
    while (json_in_item(j) && read_event(r, &e)) {
        int64_t now = speedscope_scaled(r, &to->unit, e.at);
        if (json_in_status(j))
            return;
        if (now < last) {
            json_in_fail(j, STATUS_INVALID, "an event earlier than the one before it");
            return;
        }
        bool is_due = now > last || (is_new && !e.is_open);
        if (is_due && r->path_len) {
            add(r, to, last, r->path_stack[r->path_len - 1], now - last);
            is_new = false;
        }
        last = now;
        if (e.is_open) {
            size_t depth = r->path_len;
            path_put(r, depth, e.frame);
            is_new = true;
        } else if (r->path_len == 0 || r->path_frame[r->path_len - 1] != e.frame) {
            json_in_fail(j, STATUS_INVALID, "frame %u closes but is not the innermost open one",
                         e.frame);
            return;
        } else {
            r->path_len--;
        }
    }
    if (r->path_len)
        json_in_fail(j, STATUS_INVALID, "%zu frames are left open at the end", r->path_len);
}
