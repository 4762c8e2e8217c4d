/* Collapsed ("folded") stacks: `frame;frame;...;leaf count` a line, root first, as FlameGraph's
 * stackcollapse-*.pl, py-spy's raw format and Python 3.15's profiling.sampling write them. Lines
 * without a count and lines of comment are skipped and counted, as flamegraph.pl does. */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backend/formats/fill.h"
#include "backend/formats/folded_frames.h"
#include "backend/formats/folded_write.h"
#include "backend/formats/format.h"
#include "common/base/array.h"

struct stack_line {
    struct text stack, count;
};

enum line_kind { LINE_EMPTY, LINE_BAD, LINE_WEAK, LINE_GOOD };

static bool looks_like_number(struct text t)
{
    bool has_digit = false;
    for (size_t i = 0; i < t.len; i++) {
        unsigned char c = (unsigned char)t.data[i];
        if (c >= '0' && c <= '9')
            has_digit = true;
        else if (c != '.' && c != '-' && c != '+' && c != 'e' && c != 'E')
            return false;
    }
    return has_digit && t.data[0] != 'e' && t.data[0] != 'E';
}

/* "name (file:12)": a stack of one frame, as folded_write.c and py-spy have it. */
static bool ends_in_place(struct text stack)
{
    size_t at = stack.len;
    if (at < 2 || stack.data[--at] != ')')
        return false;
    size_t digits = at;
    while (at > 0 && stack.data[at - 1] >= '0' && stack.data[at - 1] <= '9')
        at--;
    return at < digits && at > 0 && stack.data[at - 1] == ':' && memmem(stack.data, at, " (", 2);
}

/* A line of prose may end in a number too: without a ';' only a single word is a sure stack. */
static enum line_kind split_line(struct text line, struct stack_line *out)
{
    while (line.len > 0 && (line.data[line.len - 1] == ' ' || line.data[line.len - 1] == '\t' ||
                            line.data[line.len - 1] == '\r'))
        line.len--;
    if (line.len == 0 || line.data[0] == '#' || text_starts(line, "// "))
        return LINE_EMPTY;
    size_t at = line.len;
    while (at > 0 && line.data[at - 1] != ' ' && line.data[at - 1] != '\t')
        at--;
    out->count = (struct text){line.data + at, line.len - at};
    if (at == 0 || !looks_like_number(out->count))
        return LINE_BAD;
    out->stack = (struct text){line.data, at - 1};
    if (memchr(line.data, ';', at - 1))
        return LINE_GOOD;
    if (ends_in_place(out->stack))
        return LINE_GOOD;
    return memchr(line.data, ' ', at - 1) ? LINE_WEAK : LINE_GOOD;
}

/* ---- weights: one row for each stack of each thread ---- */

struct row {
    uint32_t thread, stack;
    int64_t weight;
};

struct collapsed {
    struct fill fill;
    struct folded_frames frames;
    struct row *rows;
    size_t rows_len, rows_cap;
    struct map by_stack;
    int64_t scale; /* weights are counts times this */
    uint32_t set;
    size_t bad_lines;
};

static enum status line_error(struct collapsed *r, size_t number, const char *what)
{
    return error_set(r->fill.err, STATUS_INVALID, "line %zu: %s", number, what);
}

static bool emit(struct collapsed *r, const struct row *row)
{
    struct profile_sample sample = {
        .time_ns = UINT64_MAX, .thread = row->thread, .stack = row->stack, .values = &row->weight};
    return fill_check(&r->fill, profile_add_sample(r->fill.profile, r->set, &sample));
}

/* Sums past 63 bits go on in a second row of the same stack. */
static bool add_weight(struct collapsed *r, uint32_t thread, uint32_t stack, int64_t weight)
{
    uint64_t key = map_pair(thread, stack);
    const uint32_t *known = map_find(&r->by_stack, key);
    if (known) {
        struct row *row = &r->rows[*known];
        int64_t sum;
        if (__builtin_add_overflow(row->weight, weight, &sum)) {
            if (!emit(r, row))
                return false;
            sum = weight;
        }
        row->weight = sum;
        return true;
    }
    if (!array_reserve(&r->rows, &r->rows_cap, r->rows_len + 1) ||
        !map_put(&r->by_stack, key, (uint32_t)r->rows_len))
        return fill_check(&r->fill, STATUS_NO_MEMORY);
    r->rows[r->rows_len++] = (struct row){thread, stack, weight};
    return true;
}

static bool rescale(struct collapsed *r, int64_t scale)
{
    for (size_t i = 0; i < r->rows_len; i++) {
        if (__builtin_mul_overflow(r->rows[i].weight, scale / r->scale, &r->rows[i].weight))
            return false;
    }
    r->scale = scale;
    return true;
}

/* Fractions make all weights thousandths, millionths or billionths: as many as they need. */
static bool make_room_for_fraction(struct collapsed *r, struct text count)
{
    const char *dot = memchr(count.data, '.', count.len);
    size_t digits = dot ? (size_t)(count.data + count.len - dot) - 1 : 0;
    while (digits > 0 && dot[digits] == '0')
        digits--;
    int64_t scale = digits == 0 ? 1 : digits <= 3 ? 1000 : digits <= 6 ? 1000000 : 1000000000;
    return scale <= r->scale || rescale(r, scale);
}

static enum status add_fraction(struct collapsed *r, size_t number, struct text count,
                                uint32_t thread, uint32_t stack)
{
    double value;
    if (!text_f64(count, &value))
        return line_error(r, number, "the count is no finite number");
    if (value < 0)
        return line_error(r, number, "the count is negative");
    if (!make_room_for_fraction(r, count) || !(value * (double)r->scale < 0x1p63))
        return line_error(r, number, "the count is too large");
    if (!add_weight(r, thread, stack, llround(value * (double)r->scale)))
        return r->fill.failed;
    return STATUS_OK;
}

static enum status add_count(struct collapsed *r, size_t number, struct text count, uint32_t thread,
                             uint32_t stack)
{
    uint64_t whole;
    if (!text_u64(count, &whole))
        return add_fraction(r, number, count, thread, stack);
    /* An unsigned count over 63 bits is two rows of the half and what is left. */
    bool is_half = whole > INT64_MAX;
    for (int i = 0; is_half && i < 2; i++) {
        if (!add_weight(r, thread, stack, INT64_MAX))
            return r->fill.failed;
        whole -= i == 0 ? INT64_MAX : 0;
        if (whole <= INT64_MAX)
            break;
        whole -= INT64_MAX;
    }
    int64_t scaled;
    if (__builtin_mul_overflow((int64_t)whole, r->scale, &scaled))
        return line_error(r, number, "the count is too large");
    return add_weight(r, thread, stack, scaled) ? STATUS_OK : r->fill.failed;
}

static enum status read_lines(struct collapsed *r, const struct format_input *in)
{
    struct text_lines lines;
    struct text line;
    size_t good = 0;
    text_lines_of(&lines, in);
    while (text_lines_next(&lines, &line)) {
        struct stack_line parts;
        enum line_kind kind = split_line(line, &parts);
        if (kind <= LINE_BAD) {
            r->bad_lines += kind == LINE_BAD;
            continue;
        }
        uint32_t thread = 0;
        uint32_t stack = 0;
        enum status st = STATUS_OK;
        if (parts.stack.len) /* else samples without frames */
            st = folded_frames_stack(&r->frames, parts.stack, &thread, &stack);
        if (st == STATUS_TOO_LARGE)
            return error_set(r->fill.err, st, "line %zu: the stack is deeper than %d frames",
                             lines.number, TABLES_MAX_DEPTH);
        if (st == STATUS_OK)
            st = add_count(r, lines.number, parts.count, thread, stack);
        if (st != STATUS_OK)
            return st;
        good++;
    }
    if (good == 0 && r->bad_lines > 0)
        return error_set(r->fill.err, STATUS_INVALID, "none of the %zu lines ends in a count",
                         lines.number);
    return STATUS_OK;
}

static enum status finish(struct collapsed *r)
{
    static const struct {
        int64_t scale;
        const char *unit;
    } units[] = {{1, "count"},
                 {1000, "count/1000"},
                 {1000000, "count/1000000"},
                 {1000000000, "count/1000000000"}};
    size_t unit = 0;
    while (units[unit].scale != r->scale)
        unit++;
    struct profile *p = r->fill.profile;
    struct model_value_type *type = &p->sets[r->set].types[0];
    type->unit = fill_string(&r->fill, text_of(units[unit].unit));
    for (size_t i = 0; i < r->rows_len && emit(r, &r->rows[i]); i++) {
    }
    if (r->fill.failed == STATUS_OK && r->bad_lines)
        fill_check(&r->fill,
                   profile_add_warning(p, "bad_lines", "%zu lines without a count are left out",
                                       r->bad_lines));
    if (r->fill.failed == STATUS_OK && r->rows_len == 0)
        fill_check(&r->fill, profile_add_warning(p, "empty", "the file holds no stacks"));
    return r->fill.failed;
}

static enum status read_collapsed(const struct format_input *in,
                                  const struct format_options *options, struct profile *out,
                                  struct error *err)
{
    (void)options;
    struct collapsed r = {.fill = {.profile = out, .err = err}, .scale = 1};
    map_init(&r.by_stack);
    r.set = fill_set(&r.fill, "samples", 0);
    fill_value_type(&r.fill, r.set, "samples", "count");
    enum status st = r.fill.failed;
    if (st == STATUS_OK)
        st = folded_frames_init(&r.frames, &r.fill);
    if (st == STATUS_OK)
        st = read_lines(&r, in);
    if (st == STATUS_OK)
        st = finish(&r);
    folded_frames_deinit(&r.frames);
    map_deinit(&r.by_stack);
    free(r.rows);
    return st;
}

static int detect_collapsed(const uint8_t *head, size_t len, bool is_whole_file)
{
    if (!text_is_plausible(head, len))
        return 0;
    struct text_lines lines;
    struct text line;
    size_t good = 0;
    size_t weak = 0;
    size_t bad = 0;
    text_lines_init(&lines, head, len);
    while (text_lines_next(&lines, &line)) {
        bool is_cut = !is_whole_file && lines.at == lines.end;
        struct stack_line parts;
        enum line_kind kind = is_cut ? LINE_EMPTY : split_line(line, &parts);
        good += kind == LINE_GOOD;
        weak += kind == LINE_WEAK;
        bad += kind == LINE_BAD;
    }
    if (good == 0 && bad == 0 && !is_whole_file && memchr(head, ';', len))
        return 5; /* one line longer than the head */
    if (good > bad + weak)
        return 30;
    /* Stacks of one frame whose name has spaces: words and a count in every line of the file. */
    return bad == 0 && weak > 0 && is_whole_file ? 5 : 0;
}

const struct format format_collapsed = {
    .name = "collapsed",
    .title = "collapsed stacks (FlameGraph, py-spy raw)",
    .extensions = "folded collapsed txt",
    .detect = detect_collapsed,
    .read = read_collapsed,
    .write = folded_write,
};
