/* Austin's text output. 3.x: "# key: value" lines, then
 *   P<pid>;T[<interpreter>:]<thread>;file:function:line;... <metric>
 * leaf last, metric in microseconds or bytes, "time,idle,memory" in full mode. 2.x has no metadata
 * and two fields a frame: `function (file);L<line>`. Source: Austin 2.1.1 to 3.7.0, src/py_proc.c
 * and src/logging; a ';' in a path cannot be told from a separator. */

#include <string.h>

#include "backend/formats/austin.h"
#include "backend/formats/format.h"

struct austin_text {
    struct austin austin;
    bool is_version_2;
};

static const char *take_head(struct text *line, uint64_t *pid, struct text *thread)
{
    struct text field;
    if (!text_skip(line, "P"))
        return "a sample should begin with P and the process id";
    if (!text_cut(line, ';', &field))
        return "a sample should go on with ;T and the thread";
    if (!text_u64(field, pid))
        return "the process id is no number";
    if (!text_skip(line, "T"))
        return "a sample should go on with T and the thread";
    if (!text_cut(line, ';', thread)) {
        *thread = *line;
        *line = (struct text){line->data + line->len, 0};
    }
    return thread->len ? NULL : "the thread has no id";
}

static uint64_t thread_number(struct text thread, bool is_version_2)
{
    uint64_t tid = 0;
    bool is_hex = text_skip(&thread, "0x") || text_skip(&thread, "x") || is_version_2;
    if (is_hex || !text_u64(thread, &tid))
        text_hex(thread, &tid); /* what is no number stays 0: the name tells threads apart */
    return tid;
}

static bool is_version_2_line(struct text line)
{
    for (size_t i = 0; i + 3 < line.len; i++) {
        if (memcmp(line.data + i, ");L", 3) == 0 && line.data[i + 3] >= '0' &&
            line.data[i + 3] <= '9')
            return true;
    }
    return false;
}

static const char *take_metrics(struct text metric, struct austin *a, struct austin_sample *s)
{
    int64_t values[AUSTIN_MAX_METRICS];
    size_t n = 0;
    struct text field;
    while (n < AUSTIN_MAX_METRICS && text_cut(&metric, ',', &field)) {
        if (!text_i64(field, &values[n++]))
            return "a metric is no whole number";
    }
    if (n == AUSTIN_MAX_METRICS || !text_i64(metric, &values[n++]))
        return "the metric is no whole number";
    if (n == 2 || (n == 3 && a->has_set && a->mode != AUSTIN_FULL))
        return "a sample has one metric, or three in full mode";
    if (n == 3) {
        a->mode = AUSTIN_FULL; /* recordings of 2.x do not say their mode */
        *s = (struct austin_sample){
            .time_us = values[0], .is_idle = values[1] != 0, .memory_bytes = values[2]};
    } else if (a->mode == AUSTIN_MEMORY) {
        s->memory_bytes = values[0];
    } else {
        s->time_us = values[0];
    }
    return NULL;
}

/* "file:function:line" from the right, as a path may hold colons. */
static const char *take_frame(struct austin *a, struct text frame, uint32_t *id)
{
    struct text digits;
    struct text scope;
    uint64_t line = 0;
    struct text whole = frame;
    if (!text_cut_last(&frame, ':', &digits) || !text_cut_last(&frame, ':', &scope))
        return "a frame should be file:function:line";
    if (!text_u64(digits, &line)) { /* some other tool's idea of a frame */
        scope = whole;
        frame.len = 0;
    }
    *id = austin_frame(a, frame, scope, line, 0);
    return NULL;
}

/* "function (file)", then "L<line>". */
static const char *take_frame_2(struct austin *a, struct text frame, struct text *rest,
                                uint32_t *id)
{
    struct text digits;
    uint64_t line = 0;
    struct text scope = frame;
    if (!text_cut(rest, ';', &digits)) {
        digits = *rest;
        rest->len = 0;
    }
    if (!text_skip(&digits, "L") || !text_u64(digits, &line))
        return "a frame should be followed by L and its line";
    const char *open = memmem(frame.data, frame.len, " (", 2);
    if (!open || frame.data[frame.len - 1] != ')')
        return "a frame should be `function (file)`";
    scope.len = (size_t)(open - frame.data);
    struct text file = {open + 2, frame.len - scope.len - 3};
    *id = austin_frame(a, file, scope, line, 0);
    return NULL;
}

/* ":GC:", ":INVALID:" */
static bool is_mark(struct text frame)
{
    return frame.len > 2 && frame.data[0] == ':' && frame.data[frame.len - 1] == ':' &&
           !memchr(frame.data + 1, ':', frame.len - 2);
}

static uint32_t mark_frame(struct fill *f, struct text frame)
{
    struct fill_function function = {.name = {frame.data + 1, frame.len - 2},
                                     .kind = text_equal(frame, ":GC:") ? WIRE_GC : WIRE_SYNTHETIC};
    return fill_frame(f, fill_function(f, &function), 0, 0);
}

static const char *take_stack(struct austin_text *r, struct text rest, struct austin_sample *s)
{
    while (rest.len > 0) {
        struct text frame;
        if (!text_cut(&rest, ';', &frame)) {
            frame = rest;
            rest.len = 0;
        }
        uint32_t id = 0;
        const char *wrong = NULL;
        s->is_gc = s->is_gc || text_equal(frame, ":GC:");
        if (is_mark(frame))
            id = mark_frame(&r->austin.fill, frame);
        else if (r->is_version_2)
            wrong = take_frame_2(&r->austin, frame, &rest, &id);
        else
            wrong = take_frame(&r->austin, frame, &id);
        if (wrong)
            return wrong;
        s->stack = fill_stack(&r->austin.fill, s->stack, id);
    }
    return NULL;
}

static const char *take_sample(struct austin_text *r, struct text line)
{
    struct austin_sample s = {0};
    struct text metric;
    struct text thread;
    uint64_t pid = 0;
    if (!text_cut_last(&line, ' ', &metric))
        return "a sample should end in its metric";
    const char *wrong = take_metrics(metric, &r->austin, &s);
    if (!wrong)
        wrong = take_head(&line, &pid, &thread);
    if (wrong)
        return wrong;
    r->is_version_2 = r->is_version_2 || is_version_2_line(line);
    struct text interpreter;
    struct text tid = thread;
    struct text name = thread;
    if (text_cut(&tid, ':', &interpreter) && text_equal(interpreter, "0"))
        name = tid;
    s.thread = austin_thread(&r->austin, pid, thread_number(tid, r->is_version_2), name);
    wrong = take_stack(r, line, &s);
    if (!wrong)
        austin_add(&r->austin, &s);
    return wrong;
}

static void take_meta(struct austin_text *r, struct text line)
{
    struct text key;
    text_skip(&line, "#");
    if (text_cut(&line, ':', &key))
        austin_meta(&r->austin, text_trim(key), text_trim(line));
}

static enum status read_lines(struct austin_text *r, const struct format_input *in)
{
    struct text_lines lines;
    struct text line;
    size_t bad_lines = 0;
    size_t first_bad = 0;
    const char *first_wrong = NULL;
    text_lines_of(&lines, in);
    while (text_lines_next(&lines, &line) && r->austin.fill.failed == STATUS_OK) {
        line = text_trim(line);
        if (line.len == 0)
            continue;
        if (line.data[0] == '#') {
            take_meta(r, line);
            continue;
        }
        const char *wrong = take_sample(r, line);
        if (wrong && bad_lines++ == 0) {
            first_bad = lines.number;
            first_wrong = wrong;
        }
    }
    if (bad_lines && !r->austin.has_set)
        return fill_bad(&r->austin.fill, "line", first_bad, first_wrong);
    if (bad_lines && r->austin.fill.failed == STATUS_OK)
        fill_check(&r->austin.fill,
                   profile_add_warning(r->austin.fill.profile, "bad_lines",
                                       "%zu lines are left out, the first is line %zu: %s",
                                       bad_lines, first_bad, first_wrong));
    return austin_finish(&r->austin);
}

static enum status read_austin(const struct format_input *in, const struct format_options *options,
                               struct profile *out, struct error *err)
{
    (void)options;
    struct austin_text r = {0};
    austin_init(&r.austin, out, err);
    enum status st = read_lines(&r, in);
    austin_deinit(&r.austin);
    return st;
}

static bool is_sample(struct text line)
{
    uint64_t pid;
    struct text thread;
    return take_head(&line, &pid, &thread) == NULL;
}

static int detect_austin(const uint8_t *head, size_t len, bool is_whole_file)
{
    (void)is_whole_file;
    struct text_lines lines;
    struct text line;
    bool has_meta = false;
    text_lines_init(&lines, head, len);
    while (text_lines_next(&lines, &line)) {
        line = text_trim(line);
        if (text_starts(line, "# austin: "))
            return 95;
        if (line.len == 0)
            continue;
        if (line.data[0] != '#')
            return is_sample(line) ? (has_meta ? 85 : 75) : 0;
        has_meta = has_meta || text_starts(line, "# interval: ") || text_starts(line, "# mode: ") ||
                   text_starts(line, "# map: ");
    }
    return 0;
}

const struct format format_austin_text = {
    .name = "austin-text",
    .title = "Austin (text)",
    .extensions = "austin",
    .detect = detect_austin,
    .read = read_austin,
};
