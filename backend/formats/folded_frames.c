#include "backend/formats/folded_frames.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/array.h"

enum status folded_frames_init(struct folded_frames *f, struct fill *fill)
{
    *f = (struct folded_frames){.fill = fill};
    return text_cache_init(&f->frames) ? STATUS_OK : STATUS_NO_MEMORY;
}

void folded_frames_deinit(struct folded_frames *f)
{
    text_cache_deinit(&f->frames);
    free(f->levels);
    *f = (struct folded_frames){0};
}

/* "file:name:line" is profiling.sampling's: split from the right, files hold colons. */
static void split_tachyon(struct text frame, struct fill_function *function, uint32_t *line)
{
    struct text digits;
    struct text name;
    uint64_t number = 0;
    if (!text_cut_last(&frame, ':', &digits) || !text_cut_last(&frame, ':', &name))
        return;
    if (!text_u64(digits, &number) && !text_equal(digits, "-1"))
        return;
    function->name = name;
    function->file = frame;
    *line = number <= UINT32_MAX ? (uint32_t)number : 0;
}

static bool ends_with(struct text t, const char *literal)
{
    size_t len = strlen(literal);
    return t.len >= len && memcmp(t.data + t.len - len, literal, len) == 0;
}

static uint32_t make_frame(struct folded_frames *f, struct text text)
{
    struct fill_function function = {.name = text};
    uint32_t line = 0;
    if (f->is_tachyon)
        split_tachyon(text, &function, &line);
    else
        text_split_place(text, &function.name, &function.file, &line);
    /* FlameGraph's annotations: kernel, just-in-time compiled, inlined. */
    if (ends_with(text, "_[k]"))
        function.kind = WIRE_KERNEL;
    else if (ends_with(text, "_[j]") || ends_with(text, "_[i]"))
        function.kind = WIRE_NATIVE;
    return fill_frame(f->fill, fill_function(f->fill, &function), line, 0);
}

static enum status frame_of(struct folded_frames *f, struct text text, uint32_t *frame)
{
    const uint32_t *known = text_cache_find(&f->frames, text);
    if (known) {
        *frame = *known;
        return STATUS_OK;
    }
    *frame = make_frame(f, text);
    if (!text_cache_add(&f->frames, text, *frame))
        return STATUS_NO_MEMORY;
    return f->fill->failed;
}

static size_t common_prefix(struct text a, struct text b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    size_t i = 0;
    for (; i + 8 <= len; i += 8) {
        uint64_t x;
        uint64_t y;
        memcpy(&x, a.data + i, 8);
        memcpy(&y, b.data + i, 8);
        if (x != y)
            return i + (size_t)__builtin_ctzll(x ^ y) / 8;
    }
    while (i < len && a.data[i] == b.data[i])
        i++;
    return i;
}

/* How many levels of the last line stand in this one too. */
static size_t shared_levels(const struct folded_frames *f, struct text line, size_t common)
{
    size_t low = 0;
    size_t high = f->levels_len;
    while (low < high) { /* ends grow */
        size_t mid = (low + high) / 2;
        if (f->levels[mid].end <= common)
            low = mid + 1;
        else
            high = mid;
    }
    while (low > 0) {
        size_t end = f->levels[low - 1].end;
        if (end == line.len || (end < line.len && line.data[end] == ';'))
            break;
        low--;
    }
    return low;
}

static void see_first(struct folded_frames *f, struct text line)
{
    struct text head = line;
    uint64_t tid;
    struct text before;
    f->is_first_seen = true;
    f->is_tachyon =
        text_skip(&head, "tid:") && text_cut(&head, ';', &before) && text_u64(before, &tid);
}

/* Takes "tid:N" off; the thread of lines without one is 0. */
static enum status take_thread(struct folded_frames *f, struct text *line, uint32_t *thread)
{
    struct text rest = *line;
    struct text digits;
    uint64_t tid;
    if (!text_skip(&rest, "tid:") || !text_cut(&rest, ';', &digits) || !text_u64(digits, &tid))
        return STATUS_OK;
    *thread = fill_thread(f->fill, fill_process(f->fill, 0, (struct text){"", 0}), tid,
                          (struct text){"", 0});
    *line = rest;
    return f->fill->failed;
}

enum status folded_frames_stack(struct folded_frames *f, struct text line, uint32_t *thread,
                                uint32_t *stack)
{
    if (!f->is_first_seen)
        see_first(f, line);
    if (f->is_tachyon) {
        enum status st = take_thread(f, &line, thread);
        if (st != STATUS_OK)
            return st;
    }
    size_t level = shared_levels(f, line, common_prefix(line, f->last));
    size_t at = level ? f->levels[level - 1].end + 1 : 0;
    uint32_t parent = level ? f->levels[level - 1].stack : 0;
    f->last = line;
    f->levels_len = level;
    while (at <= line.len) {
        const char *semicolon = at < line.len ? memchr(line.data + at, ';', line.len - at) : NULL;
        size_t end = semicolon ? (size_t)(semicolon - line.data) : line.len;
        uint32_t frame;
        enum status st = frame_of(f, (struct text){line.data + at, end - at}, &frame);
        if (st == STATUS_OK)
            st = tables_stack(&f->fill->profile->tables, parent, frame, &parent);
        if (st == STATUS_OK && !array_reserve(&f->levels, &f->levels_cap, f->levels_len + 1))
            st = STATUS_NO_MEMORY;
        if (st != STATUS_OK)
            return st;
        f->levels[f->levels_len++] = (struct folded_level){.end = end, .stack = parent};
        at = end + 1;
    }
    *stack = parent;
    return STATUS_OK;
}
