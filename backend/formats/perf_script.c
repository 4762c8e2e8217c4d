/* Linux perf script's text. A header a sample,
 *   comm pid[/tid] [cpu] time: [period] event[:modifiers]:
 * (pid alone is a thread's; time, cpu and period may be missing, comm may hold blanks), then
 * frames, leaf first, `hex symbol[+0xoffset] [(object)]`, and a blank line. Without -g the one
 * frame stands on the header's line. Source: Linux tools/perf/builtin-script.c (6.1). */

#include <stdlib.h>
#include <string.h>

#include "backend/formats/fill.h"
#include "backend/formats/format.h"
#include "backend/formats/text_cache.h"
#include "common/base/array.h"

enum { MAX_EVENTS = 64 };

struct header {
    struct text comm, event, rest;
    uint64_t pid, tid, time_ns, period;
    bool has_time, has_period;
};

struct event_set {
    struct text name;
    uint32_t set;
};

struct level {
    uint32_t frame, stack;
};

struct perf {
    struct fill fill;
    struct text_cache frames; /* line of a frame -> frame */
    struct event_set events[MAX_EVENTS];
    size_t events_len;
    uint32_t *stack; /* of the sample being read, leaf first */
    size_t stack_len, stack_cap;
    struct level *levels; /* of the sample before, root first */
    size_t levels_len, levels_cap;
    struct header header;
    uint64_t first_ns;
    bool has_first, is_open;
    bool is_cut; /* the last line has no end */
    size_t samples, empty_samples, lost_lines;
};

static bool is_hex_word(struct text word)
{
    uint64_t ignored;
    return text_hex(word, &ignored);
}

/* "123.456789:" in nanoseconds. */
static bool take_time(struct text word, uint64_t *ns)
{
    uint64_t seconds;
    uint64_t part = 0;
    struct text fraction;
    if (word.len < 2 || word.data[word.len - 1] != ':')
        return false;
    word.len--;
    if (!text_cut_last(&word, '.', &fraction) || fraction.len > 9 || !text_u64(word, &seconds) ||
        !text_u64(fraction, &part))
        return false;
    for (size_t i = fraction.len; i < 9; i++)
        part *= 10;
    return !__builtin_mul_overflow(seconds, 1000000000, ns) &&
           !__builtin_add_overflow(*ns, part, ns);
}

static bool take_ids(struct text word, struct header *h)
{
    struct text tid = word;
    struct text pid;
    if (text_equal(word, "-1")) {
        h->pid = 0;
        h->tid = 0;
        return true;
    }
    if (text_cut(&tid, '/', &pid))
        return text_u64(pid, &h->pid) && text_u64(tid, &h->tid);
    bool is_id = text_u64(word, &h->tid);
    h->pid = h->tid;
    return is_id;
}

/* What follows comm and ids; false when it is not the rest of a header. */
static bool take_tail(struct text rest, struct header *h)
{
    struct text word = text_word(&rest);
    if (word.len > 2 && word.data[0] == '[')
        word = text_word(&rest);
    h->has_time = take_time(word, &h->time_ns);
    if (h->has_time)
        word = text_word(&rest);
    h->period = 1;
    h->has_period = text_u64(word, &h->period);
    if (h->has_period)
        word = text_word(&rest);
    if (word.len < 2 || word.data[word.len - 1] != ':')
        return false;
    h->event = (struct text){word.data, word.len - 1};
    h->rest = text_trim(rest);
    return true;
}

/* The name of a command may hold anything: the first number that the rest of a header follows is
 * the id. */
static bool take_header(struct text line, struct header *h)
{
    struct text rest = line;
    struct text first = text_word(&rest);
    if (first.len == 0)
        return false;
    for (;;) {
        struct text word = text_word(&rest);
        if (word.len == 0)
            return false;
        struct header found = {0};
        if (take_ids(word, &found) && take_tail(rest, &found)) {
            found.comm = text_trim((struct text){first.data, (size_t)(word.data - first.data)});
            *h = found;
            return true;
        }
    }
}

/* Modifiers (":u", ":ppp") say how an event was taken, not which it is. */
static struct text event_name(struct text event)
{
    struct text name = event;
    struct text modifiers;
    if (text_cut_last(&name, ':', &modifiers) && modifiers.len <= 6) {
        for (size_t i = 0; i < modifiers.len; i++) {
            if (!strchr("ukhGHpPSDIe", modifiers.data[i]))
                return event;
        }
        return name;
    }
    return event;
}

static bool is_clock(struct text event)
{
    return text_equal(event, "cpu-clock") || text_equal(event, "task-clock");
}

/* Events count different things: each is a set of its own. */
static bool set_of(struct perf *r, const struct header *h, uint32_t *set)
{
    struct text name = event_name(h->event);
    for (size_t i = 0; i < r->events_len; i++) {
        if (r->events[i].name.len == name.len &&
            memcmp(r->events[i].name.data, name.data, name.len) == 0) {
            *set = r->events[i].set;
            return true;
        }
    }
    if (r->events_len == MAX_EVENTS) {
        fill_check(&r->fill, STATUS_TOO_LARGE);
        return false;
    }
    char text[128];
    size_t len = name.len < sizeof(text) - 1 ? name.len : sizeof(text) - 1;
    memcpy(text, name.data, len);
    text[len] = 0;
    *set = fill_set(&r->fill, text, h->has_period ? h->period : 0);
    if (h->has_period)
        fill_value_type(&r->fill, *set, text, is_clock(name) ? "ns" : "count");
    fill_value_type(&r->fill, *set, "samples", "count");
    r->events[r->events_len++] = (struct event_set){name, *set};
    return r->fill.failed == STATUS_OK;
}

/* The tables want the root first; samples that follow each other mostly share it. */
static uint32_t make_stack(struct perf *r)
{
    size_t shared = 0;
    while (shared < r->levels_len && shared < r->stack_len &&
           r->levels[shared].frame == r->stack[r->stack_len - 1 - shared])
        shared++;
    uint32_t stack = shared ? r->levels[shared - 1].stack : 0;
    r->levels_len = shared;
    for (size_t i = shared; i < r->stack_len && r->fill.failed == STATUS_OK; i++) {
        uint32_t frame = r->stack[r->stack_len - 1 - i];
        stack = fill_stack(&r->fill, stack, frame);
        if (!array_reserve(&r->levels, &r->levels_cap, r->levels_len + 1)) {
            fill_check(&r->fill, STATUS_NO_MEMORY);
            return 0;
        }
        r->levels[r->levels_len++] = (struct level){frame, stack};
    }
    return stack;
}

static void end_sample(struct perf *r)
{
    if (!r->is_open)
        return;
    r->is_open = false;
    const struct header *h = &r->header;
    uint32_t set;
    if (!set_of(r, h, &set))
        return;
    if (h->period > INT64_MAX) {
        fill_check(&r->fill, STATUS_TOO_LARGE);
        return;
    }
    if (h->has_time && !r->has_first) {
        r->first_ns = h->time_ns;
        r->has_first = true;
    }
    uint32_t process = fill_process(&r->fill, h->pid, h->comm);
    int64_t values[2] = {(int64_t)h->period, 1};
    bool has_two = r->fill.failed == STATUS_OK && r->fill.profile->sets[set].values_len == 2;
    struct profile_sample sample = {
        .time_ns = h->has_time ? h->time_ns - (r->first_ns < h->time_ns ? r->first_ns : h->time_ns)
                               : UINT64_MAX,
        .thread = fill_thread(&r->fill, process, h->tid, h->comm),
        .stack = make_stack(r),
        .state = WIRE_ON_CPU,
        .values = has_two ? values : values + 1};
    if (!has_two)
        values[1] = (int64_t)h->period;
    r->empty_samples += r->stack_len == 0;
    r->samples++;
    fill_sample(&r->fill, set, &sample);
}

/* ---- frames ---- */

static bool is_kernel(struct text object)
{
    return text_starts(object, "[kernel") || text_starts(object, "[guest.kernel") ||
           (object.len > 7 && memmem(object.data, object.len, "vmlinux", 7)) ||
           (object.len > 3 && memcmp(object.data + object.len - 3, ".ko", 3) == 0);
}

static void drop_offset(struct text *symbol)
{
    struct text offset;
    struct text name = *symbol;
    uint64_t ignored;
    if (text_cut_last(&name, '+', &offset) && text_skip(&offset, "0x") &&
        text_hex(offset, &ignored) && name.len > 0)
        *symbol = name;
}

/* CPython's perf trampoline (-X perf) names its code "py::function:file". */
static void take_python(struct fill_function *f)
{
    struct text rest = f->name;
    struct text name;
    if (!text_skip(&rest, "py::") || !text_cut(&rest, ':', &name))
        return;
    f->name = name;
    f->file = rest;
    f->module = (struct text){"", 0};
    f->kind = WIRE_PYTHON;
}

static bool make_frame(struct perf *r, struct text line, uint32_t *frame)
{
    struct text rest = line;
    if (!is_hex_word(text_word(&rest)))
        return false;
    struct text symbol = text_trim(rest);
    struct fill_function f = {.kind = WIRE_NATIVE};
    if (symbol.len > 0 && symbol.data[symbol.len - 1] == ')') {
        size_t depth = 1; /* a path may hold brackets too: the one that matches the last */
        for (size_t i = symbol.len - 1; i-- > 0 && depth > 0;) {
            depth += symbol.data[i] == ')';
            depth -= symbol.data[i] == '(';
            if (depth == 0 && (i == 0 || symbol.data[i - 1] == ' ')) {
                f.module = (struct text){symbol.data + i + 1, symbol.len - i - 2};
                symbol = text_trim((struct text){symbol.data, i});
            }
        }
    }
    drop_offset(&symbol);
    f.name = symbol;
    if (is_kernel(f.module))
        f.kind = WIRE_KERNEL;
    take_python(&f);
    *frame = fill_frame(&r->fill, fill_function(&r->fill, &f), 0, 0);
    return true;
}

static bool add_frame(struct perf *r, struct text line)
{
    uint32_t frame;
    const uint32_t *known = text_cache_find(&r->frames, line);
    if (known) {
        frame = *known;
    } else {
        if (!make_frame(r, line, &frame))
            return false;
        if (!text_cache_add(&r->frames, line, frame))
            fill_check(&r->fill, STATUS_NO_MEMORY);
    }
    if (r->stack_len >= TABLES_MAX_DEPTH)
        fill_check(&r->fill, STATUS_TOO_LARGE);
    else if (!array_reserve(&r->stack, &r->stack_cap, r->stack_len + 1))
        fill_check(&r->fill, STATUS_NO_MEMORY);
    else
        r->stack[r->stack_len++] = frame;
    return true;
}

static void begin_sample(struct perf *r, const struct header *h)
{
    end_sample(r);
    r->header = *h;
    r->stack_len = 0;
    r->is_open = true;
    if (h->rest.len > 0 && add_frame(r, h->rest))
        end_sample(r);
}

static const char *take_line(struct perf *r, struct text line)
{
    struct header h;
    bool is_indented = line.data[0] == ' ' || line.data[0] == '\t';
    bool is_frame_place = r->is_open && is_indented;
    if (is_frame_place && add_frame(r, text_trim(line)))
        return NULL;
    if (!is_frame_place && take_header(line, &h)) {
        begin_sample(r, &h);
        return NULL;
    }
    /* With +srcline each frame is followed by "  file:line" or "  object[address]". */
    bool is_source = is_frame_place && r->stack_len > 0;
    if (is_source || (r->is_open && add_frame(r, text_trim(line))))
        return NULL;
    struct text rest = line;
    bool is_frame = is_indented && is_hex_word(text_word(&rest)) && rest.len > 0;
    if (is_frame && r->samples == r->empty_samples)
        return "a frame outside a sample";
    r->lost_lines++;
    return NULL;
}

static enum status finish(struct perf *r, bool has_perf_head, size_t lines)
{
    struct profile *p = r->fill.profile;
    /* perf ends each stack with an empty line. */
    bool is_cut = r->is_cut || (r->is_open && r->stack_len > 0 && r->header.rest.len == 0);
    end_sample(r);
    if (r->fill.failed == STATUS_OK && r->samples == 0 && !has_perf_head)
        return fill_bad(&r->fill, "line", lines, "the file ends without a sample");
    fill_field(&r->fill, &p->producer, text_of("perf"));
    if (r->fill.failed == STATUS_OK && r->samples == 0)
        fill_check(&r->fill, profile_add_warning(p, "empty", "the recording holds no samples"));
    if (r->fill.failed == STATUS_OK && is_cut)
        fill_check(&r->fill, profile_add_warning(p, "truncated",
                                                 "the file ends inside the sample at line %zu; "
                                                 "its stack may be cut",
                                                 lines));
    if (r->fill.failed == STATUS_OK && r->empty_samples)
        fill_check(&r->fill, profile_set_counter(p, "empty_samples", r->empty_samples));
    if (r->fill.failed == STATUS_OK && r->lost_lines)
        fill_check(&r->fill, profile_add_warning(p, "bad_lines",
                                                 "%zu lines that are neither a sample nor a frame "
                                                 "are left out",
                                                 r->lost_lines));
    return r->fill.failed;
}

static bool is_perf_head(struct text line)
{
    return text_starts(line, "# perf version") || text_starts(line, "# cmdline :") ||
           text_starts(line, "# event : name") || text_starts(line, "# captured on") ||
           text_starts(line, "# hostname :");
}

/* A last line without its end: half a number looks like a whole one, a frame that has closed the
 * brackets around its object does not. */
static bool is_half(struct text line)
{
    line = text_trim(line);
    size_t depth = 0;
    for (size_t i = 0; i < line.len; i++) {
        depth += line.data[i] == '(';
        depth -= line.data[i] == ')' && depth > 0;
    }
    return depth > 0 || line.len == 0 || line.data[line.len - 1] != ')';
}

static enum status read_lines(struct perf *r, const struct format_input *in)
{
    struct text_lines lines;
    struct text line;
    bool has_perf_head = false;
    text_lines_of(&lines, in);
    while (text_lines_next(&lines, &line) && r->fill.failed == STATUS_OK) {
        const char *wrong = NULL;
        if (line.len > 0 && line.data[0] == '#')
            has_perf_head = has_perf_head || is_perf_head(line);
        else if (lines.at == lines.end && in->data[in->len - 1] != '\n' && lines.number > 1 &&
                 is_half(line))
            r->is_cut = true;
        else if (text_trim(line).len == 0)
            end_sample(r);
        else
            wrong = take_line(r, line);
        if (wrong)
            return fill_bad(&r->fill, "line", lines.number, wrong);
    }
    return finish(r, has_perf_head, lines.number);
}

static enum status read_perf(const struct format_input *in, const struct format_options *options,
                             struct profile *out, struct error *err)
{
    (void)options;
    struct perf r = {.fill = {.profile = out, .err = err}};
    enum status st = STATUS_NO_MEMORY;
    if (text_cache_init(&r.frames))
        st = read_lines(&r, in);
    text_cache_deinit(&r.frames);
    free(r.stack);
    free(r.levels);
    return st;
}

static int detect_perf(const uint8_t *head, size_t len, bool is_whole_file)
{
    if (!text_is_plausible(head, len < 256 ? len : 256))
        return 0;
    struct text_lines lines;
    struct text line;
    bool has_head = false;
    size_t looked = 0;
    struct header h;
    text_lines_init(&lines, head, len);
    while (text_lines_next(&lines, &line) && looked < 400) {
        if (line.len == 0)
            continue;
        looked++;
        if (line.data[0] == '#') {
            has_head = has_head || is_perf_head(line);
            continue;
        }
        bool is_cut = !is_whole_file && lines.at == lines.end;
        if (!is_cut && take_header(line, &h) && (h.has_time || h.event.len > 2))
            return h.has_time || has_head ? 80 : 50;
        if (looked > 20 && !has_head)
            return 0;
    }
    return has_head ? 60 : 0;
}

const struct format format_perf_script = {
    .name = "perf-script",
    .title = "Linux perf script",
    .extensions = "perf txt",
    .detect = detect_perf,
    .read = read_perf,
};
