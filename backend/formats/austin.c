#include "backend/formats/austin.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/array.h"

void austin_init(struct austin *a, struct profile *out, struct error *err)
{
    *a = (struct austin){.fill = {.profile = out, .err = err}};
    map_init(&a->clock_of);
}

void austin_deinit(struct austin *a)
{
    map_deinit(&a->clock_of);
    free(a->clocks);
}

static void set_mode(struct austin *a, struct text value)
{
    static const struct {
        const char *name;
        enum austin_mode mode;
    } modes[] = {{"wall", AUSTIN_WALL},
                 {"cpu", AUSTIN_CPU},
                 {"memory", AUSTIN_MEMORY},
                 {"full", AUSTIN_FULL}};
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        if (text_equal(value, modes[i].name))
            a->mode = modes[i].mode;
    }
    fill_field(&a->fill, &a->fill.profile->mode, value);
}

void austin_meta(struct austin *a, struct text key, struct text value)
{
    struct profile *p = a->fill.profile;
    if (text_equal(key, "mode")) {
        set_mode(a, value);
    } else if (text_equal(key, "interval")) {
        text_u64(value, &a->interval_us); /* anything else leaves it unknown */
    } else if (text_equal(key, "duration")) {
        text_u64(value, &a->duration_us);
    } else if (text_equal(key, "python")) {
        fill_field(&a->fill, &p->runtime, value);
    } else if (text_equal(key, "austin")) {
        char producer[64];
        size_t len = value.len < 40 ? value.len : 40;
        memcpy(producer, "Austin ", 7);
        memcpy(producer + 7, value.data, len);
        fill_field(&a->fill, &p->producer, (struct text){producer, len + 7});
    }
}

uint32_t austin_thread(struct austin *a, uint64_t pid, uint64_t tid, struct text name)
{
    return fill_thread(&a->fill, fill_process(&a->fill, pid, text_of("")), tid, name);
}

uint32_t austin_frame(struct austin *a, struct text file, struct text scope, uint64_t line,
                      uint64_t column)
{
    struct fill_function f = {.name = scope, .file = file};
    if (text_starts(file, "native@")) {
        /* The address is of one instruction, the number the offset in the function. */
        f.kind = WIRE_NATIVE;
        f.file = text_of("");
        line = 0;
    } else if (text_equal(file, "kernel")) {
        f.kind = WIRE_KERNEL;
        f.file = text_of("");
        line = 0;
    }
    uint32_t function = fill_function(&a->fill, &f);
    return fill_frame(&a->fill, function, line <= UINT32_MAX ? (uint32_t)line : 0,
                      column <= UINT32_MAX ? (uint32_t)column : 0);
}

static void add_set(struct austin *a)
{
    static const struct {
        const char *set;
        struct {
            const char *name, *unit;
        } values[AUSTIN_MAX_METRICS];
    } kinds[] = {
        [AUSTIN_WALL] = {"wall", {{"wall", "ns"}}},
        [AUSTIN_CPU] = {"cpu", {{"cpu", "ns"}}},
        [AUSTIN_MEMORY] = {"memory", {{"memory", "bytes"}}},
        [AUSTIN_FULL] = {"full", {{"wall", "ns"}, {"cpu", "ns"}, {"memory", "bytes"}}},
    };
    uint64_t period_ns = a->interval_us < UINT64_MAX / 1000 ? a->interval_us * 1000 : 0;
    a->set = fill_set(&a->fill, kinds[a->mode].set, a->mode == AUSTIN_MEMORY ? 0 : period_ns);
    for (size_t i = 0; i < AUSTIN_MAX_METRICS && kinds[a->mode].values[i].name; i++)
        fill_value_type(&a->fill, a->set, kinds[a->mode].values[i].name,
                        kinds[a->mode].values[i].unit);
    a->has_set = true;
}

/* A thread's samples follow each other without gaps; a new thread starts where the file is. */
static uint64_t advance(struct austin *a, uint32_t thread, uint64_t step_ns)
{
    const uint32_t *known = map_find(&a->clock_of, thread);
    if (!known) {
        if (!array_reserve(&a->clocks, &a->clocks_cap, a->clocks_len + 1) ||
            !map_put(&a->clock_of, thread, (uint32_t)a->clocks_len)) {
            fill_check(&a->fill, STATUS_NO_MEMORY);
            return 0;
        }
        uint64_t start = a->latest_ns > step_ns ? a->latest_ns - step_ns : 0;
        a->clocks[a->clocks_len++] = (struct austin_clock){.thread = thread, .now_ns = start};
        known = map_find(&a->clock_of, thread);
    }
    uint64_t *now = &a->clocks[*known].now_ns;
    uint64_t begin = *now;
    if (__builtin_add_overflow(*now, step_ns, now))
        *now = begin;
    if (*now > a->latest_ns)
        a->latest_ns = *now;
    return begin;
}

void austin_add(struct austin *a, const struct austin_sample *s)
{
    if (!a->has_set)
        add_set(a);
    int64_t time_ns;
    if (__builtin_mul_overflow(s->time_us, 1000, &time_ns)) {
        fill_check(&a->fill, STATUS_TOO_LARGE);
        return;
    }
    int64_t values[AUSTIN_MAX_METRICS] = {time_ns, s->is_idle ? 0 : time_ns, s->memory_bytes};
    if (a->mode == AUSTIN_MEMORY)
        values[0] = s->memory_bytes;
    struct profile_sample row = {
        .time_ns = UINT64_MAX, .thread = s->thread, .stack = s->stack, .values = values};
    if (a->mode == AUSTIN_WALL || a->mode == AUSTIN_FULL)
        row.time_ns = advance(a, s->thread, time_ns > 0 ? (uint64_t)time_ns : 0);
    if (a->mode == AUSTIN_CPU || (a->mode == AUSTIN_FULL && !s->is_idle))
        row.state |= WIRE_ON_CPU;
    if (s->is_gc)
        row.state |= WIRE_IN_GC;
    a->gc_samples += s->is_gc;
    a->idle_samples += s->is_idle;
    a->empty_samples += s->stack == 0;
    fill_sample(&a->fill, a->set, &row);
}

enum status austin_finish(struct austin *a)
{
    struct fill *f = &a->fill;
    struct profile *p = f->profile;
    if (!a->has_set)
        add_set(a);
    if (f->failed != STATUS_OK)
        return f->failed;
    if (p->producer == 0)
        fill_field(f, &p->producer, text_of("Austin"));
    if (a->interval_us)
        p->rate_hz = 1e6 / (double)a->interval_us;
    if (a->duration_us < UINT64_MAX / 1000 && a->duration_us * 1000 > p->duration_ns)
        p->duration_ns = a->duration_us * 1000;
    if (p->sets[a->set].len == 0)
        fill_check(f, profile_add_warning(p, "empty", "the recording holds no samples"));
    if (f->failed == STATUS_OK && a->gc_samples)
        fill_check(f, profile_set_counter(p, "gc_samples", a->gc_samples));
    if (f->failed == STATUS_OK && a->idle_samples)
        fill_check(f, profile_set_counter(p, "idle_samples", a->idle_samples));
    if (f->failed == STATUS_OK && a->empty_samples)
        fill_check(f, profile_set_counter(p, "empty_samples", a->empty_samples));
    return f->failed;
}
