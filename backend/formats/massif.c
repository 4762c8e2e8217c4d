/* Valgrind massif: snapshots of "key=value" lines, some with a tree of who allocated, most inner
 * first: `n<children>: <bytes> <label>`, one blank deeper a level. The time may be instructions or
 * bytes: then one of them is shown as one nanosecond, and said. Source: valgrind 3.19.0,
 * massif/ms_main.c and ms_print.in. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/formats/fill.h"
#include "backend/formats/format.h"

enum { MAX_DEPTH = 512, COLUMNS = 3 };

struct node {
    uint32_t frame;       /* 0 for the root of the tree */
    int64_t bytes, below; /* own and callees', and what the children have of it */
    uint64_t children;
};

struct massif {
    struct fill fill;
    struct text_lines lines;
    uint64_t time_scale;
    struct text unit;
    uint32_t series[COLUMNS + 1], set;
    struct node path[MAX_DEPTH];
    size_t snapshots;
    bool has_peak;
    uint64_t peak_bytes;
};

static enum status bad(struct massif *m, const char *what)
{
    return fill_bad(&m->fill, "line", m->lines.number, what);
}

/* "0x4C2E0EF: name (file:line)", "0x..: name (in object)", or words. */
static uint32_t frame_of(struct massif *m, struct text label)
{
    struct text address;
    struct text rest = label;
    struct fill_function f = {.name = label, .kind = WIRE_SYNTHETIC};
    uint64_t line = 0;
    if (text_starts(rest, "0x") && text_cut(&rest, ':', &address)) {
        rest = text_trim(rest);
        f.kind = WIRE_NATIVE;
        f.name = rest;
        if (rest.len > 0 && rest.data[rest.len - 1] == ')') {
            struct text place = rest;
            struct text name = rest;
            if (text_cut_last(&name, '(', &place) && name.len > 1) {
                place.len--;
                f.name = text_trim(name);
                struct text digits;
                if (text_skip(&place, "in "))
                    f.module = place;
                else if (text_cut_last(&place, ':', &digits) && text_u64(digits, &line))
                    f.file = place;
            }
        }
    }
    uint32_t function = fill_function(&m->fill, &f);
    return fill_frame(&m->fill, function, line <= UINT32_MAX ? (uint32_t)line : 0, 0);
}

/* The path is from the allocation outwards: a stack's root is its deepest node. */
static void add_own(struct massif *m, size_t depth)
{
    const struct node *node = &m->path[depth];
    int64_t own = node->bytes - node->below;
    if (own <= 0 || m->fill.failed != STATUS_OK)
        return;
    uint32_t stack = 0;
    for (size_t i = depth; i >= 1; i--)
        stack = fill_stack(&m->fill, stack, m->path[i].frame);
    fill_sample(&m->fill, m->set,
                &(struct profile_sample){.time_ns = UINT64_MAX, .stack = stack, .values = &own});
}

static enum status take_node(struct massif *m, size_t depth, bool is_kept)
{
    struct text line;
    struct node *node = &m->path[depth];
    struct text number;
    uint64_t bytes;
    *node = (struct node){0};
    if (!text_lines_next(&m->lines, &line))
        return bad(m, "the file ends inside a tree");
    line = text_trim(line);
    if (!text_skip(&line, "n") || !text_cut(&line, ':', &number) ||
        !text_u64(number, &node->children))
        return bad(m, "a tree's line should be n<children>: <bytes> <label>");
    if (!text_u64(text_word(&line), &bytes) || bytes > INT64_MAX)
        return bad(m, "a tree's bytes should be a number below 2**63");
    node->bytes = (int64_t)bytes;
    node->frame = is_kept && depth ? frame_of(m, text_trim(line)) : 0;
    if (depth)
        m->path[depth - 1].below += node->bytes;
    return STATUS_OK;
}

static enum status take_tree(struct massif *m, bool is_kept)
{
    size_t depth = 0;
    enum status st = take_node(m, 0, is_kept);
    while (st == STATUS_OK) {
        struct node *node = &m->path[depth];
        if (node->children == 0) {
            if (is_kept)
                add_own(m, depth);
            if (depth == 0)
                return m->fill.failed;
            depth--;
            continue;
        }
        node->children--;
        if (++depth == MAX_DEPTH)
            return bad(m, "a tree deeper than 512 levels");
        st = take_node(m, depth, is_kept);
    }
    return st;
}

static enum status take_value(struct massif *m, const char *key, struct text *value)
{
    struct text line;
    do {
        if (!text_lines_next(&m->lines, &line))
            return bad(m, "the file ends inside a snapshot");
    } while (line.len > 0 && line.data[0] == '#');
    if (!text_skip(&line, key) || !text_skip(&line, "="))
        return error_set(m->fill.err, STATUS_INVALID, "line %zu: %s= should stand here",
                         m->lines.number, key);
    *value = text_trim(line);
    return STATUS_OK;
}

static enum status take_number(struct massif *m, const char *key, uint64_t *number)
{
    struct text value = {0};
    enum status st = take_value(m, key, &value);
    if (st == STATUS_OK && !text_u64(value, number))
        st = bad(m, "the value is no number");
    return st;
}

static enum status take_snapshot(struct massif *m)
{
    static const char *const keys[COLUMNS] = {"mem_heap_B", "mem_heap_extra_B", "mem_stacks_B"};
    uint64_t time;
    uint64_t bytes[COLUMNS];
    uint64_t total = 0;
    struct text tree;
    enum status st = take_number(m, "time", &time);
    for (size_t i = 0; st == STATUS_OK && i < COLUMNS; i++) {
        st = take_number(m, keys[i], &bytes[i]);
        if (st == STATUS_OK && __builtin_add_overflow(total, bytes[i], &total))
            st = bad(m, "the bytes overflow");
    }
    if (st == STATUS_OK)
        st = take_value(m, "heap_tree", &tree);
    if (st != STATUS_OK)
        return st;
    if (__builtin_mul_overflow(time, m->time_scale, &time))
        return bad(m, "the time overflows");
    fill_point(&m->fill, m->series[0], time, (double)total);
    for (size_t i = 0; i < COLUMNS; i++)
        fill_point(&m->fill, m->series[i + 1], time, (double)bytes[i]);
    m->snapshots++;
    /* The snapshot called the peak is the largest only within massif's --peak-inaccuracy. */
    if (total > m->peak_bytes)
        m->peak_bytes = total;
    if (text_equal(tree, "empty"))
        return m->fill.failed;
    bool is_peak = text_equal(tree, "peak") && !m->has_peak;
    m->has_peak = m->has_peak || is_peak;
    return take_tree(m, is_peak);
}

static enum status take_head(struct massif *m, struct text line)
{
    static const struct {
        const char *name;
        uint64_t scale;
    } units[] = {{"i", 1}, {"B", 1}, {"ms", 1000000}};
    struct profile *p = m->fill.profile;
    if (text_skip(&line, "cmd:")) {
        fill_argv(&m->fill, text_trim(line));
    } else if (text_skip(&line, "desc:")) {
        fill_tag(&m->fill, "options", text_trim(line));
    } else if (text_skip(&line, "time_unit:")) {
        m->unit = text_trim(line);
        for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
            if (text_equal(m->unit, units[i].name))
                m->time_scale = units[i].scale;
        }
        if (m->time_scale == 0)
            return bad(m, "the unit of time should be i, ms or B");
        fill_tag(&m->fill, "time_unit", m->unit);
        fill_field(&m->fill, &p->producer, text_of("massif"));
    } else {
        return bad(m, "neither desc:, cmd: nor time_unit:");
    }
    return m->fill.failed;
}

static enum status finish(struct massif *m)
{
    struct profile *p = m->fill.profile;
    if (m->fill.failed == STATUS_OK && m->snapshots == 0)
        return bad(m, "the file holds no snapshots");
    if (m->fill.failed == STATUS_OK && m->time_scale == 1)
        fill_check(&m->fill, profile_add_warning(p, "time_unit",
                                                 "time was measured in %s: one is shown as "
                                                 "one nanosecond",
                                                 text_equal(m->unit, "i") ? "instructions"
                                                                          : "allocated bytes"));
    if (m->fill.failed == STATUS_OK)
        fill_check(&m->fill, profile_set_counter(p, "peak_bytes", m->peak_bytes));
    return m->fill.failed;
}

static enum status read_lines(struct massif *m)
{
    static const char *const names[COLUMNS + 1] = {"heap", "heap_useful", "heap_extra", "stacks"};
    struct text line;
    enum status st = STATUS_OK;
    m->set = fill_set(&m->fill, "massif", 0);
    fill_value_type(&m->fill, m->set, "peak", "bytes");
    for (size_t i = 0; i <= COLUMNS; i++)
        m->series[i] = fill_series(&m->fill, names[i], "bytes", NULL);
    while (st == STATUS_OK && text_lines_next(&m->lines, &line)) {
        line = text_trim(line);
        if (line.len == 0 || line.data[0] == '#')
            continue;
        if (!text_starts(line, "snapshot="))
            st = take_head(m, line);
        else if (m->time_scale == 0)
            st = bad(m, "a snapshot before the unit of time");
        else
            st = take_snapshot(m);
    }
    return st == STATUS_OK ? finish(m) : st;
}

static enum status read_massif(const struct format_input *in, const struct format_options *options,
                               struct profile *out, struct error *err)
{
    (void)options;
    struct massif *m = calloc(1, sizeof(*m));
    if (!m)
        return error_set(err, STATUS_NO_MEMORY, "no memory to read the file");
    m->fill = (struct fill){.profile = out, .err = err};
    text_lines_init(&m->lines, in->data, in->len);
    enum status st = read_lines(m);
    free(m);
    return st;
}

static int detect_massif(const uint8_t *head, size_t len, bool is_whole_file)
{
    (void)is_whole_file;
    size_t look = len < 16384 ? len : 16384;
    return len > 20 && memmem(head, look, "time_unit: ", 11) && memmem(head, look, "snapshot=", 9)
               ? 90
               : 0;
}

const struct format format_massif = {
    .name = "massif",
    .title = "Valgrind massif",
    .extensions = "massif",
    .detect = detect_massif,
    .read = read_massif,
};
