/* Callgrind's profiles, and those of yappi, pyprof2calltree, pprof and xdebug in its format: names
 * compressed per kind, lines relative to the last, a cost line of a function's own and, behind
 * calls=, one of what it called. Source: valgrind 3.19.0 docs/cl-format.html,
 * callgrind/callgrind_annotate.in. Of several events the call graph shows the first; own costs of
 * all are kept by line as samples. */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/formats/callgrind_totals.h"
#include "backend/formats/callgrind_write.h"
#include "backend/formats/fill.h"
#include "backend/formats/format.h"
#include "common/base/array.h"
#include "common/base/map.h"

enum { NAME_KINDS = 3, MAX_POSITIONS = 2, MAX_SETS = 3, MAX_EVENTS = MAX_SETS * WIRE_MAX_VALUES };
enum name_kind { NAME_FUNCTION, NAME_FILE, NAME_OBJECT };

struct callgrind {
    struct fill fill;
    struct map names[NAME_KINDS]; /* id -> string */
    struct map row_of;            /* function -> row */
    struct map edge_of;           /* caller, callee -> edge */
    size_t events, positions;     /* how many of each */
    bool has_instr, has_set, has_function, has_callee, after_calls;
    uint32_t sets[MAX_SETS]; /* WIRE_MAX_VALUES events each */
    uint64_t last[MAX_POSITIONS];
    uint32_t object, file, code_file; /* strings: ob=, fl=, fi= or fe= */
    uint32_t callee_object, callee_file, callee_name;
    uint32_t row, callee_row;
    uint64_t calls;
    double total;
    bool is_time;      /* the first event counts nanoseconds */
    bool has_too_many; /* calls, to be counted */
};

static struct text key_of(struct text *line)
{
    struct text key = {0};
    text_cut(line, '=', &key);
    return key;
}

/* "(12) name" defines, "(12)" refers, "name" is itself. */
static const char *take_name(struct callgrind *r, enum name_kind kind, struct text t, uint32_t *id)
{
    struct text digits;
    struct text rest = text_trim(t);
    uint64_t number;
    if (!text_skip(&rest, "(") || !text_cut(&rest, ')', &digits) || !text_u64(digits, &number)) {
        *id = fill_string(&r->fill, text_trim(t));
        return NULL;
    }
    rest = text_trim(rest);
    if (rest.len > 0) {
        *id = fill_string(&r->fill, rest);
        if (!map_put(&r->names[kind], number, *id))
            fill_check(&r->fill, STATUS_NO_MEMORY);
        return NULL;
    }
    /* yappi names callees that it left out: their number is all there is. */
    const uint32_t *known = map_find(&r->names[kind], number);
    char text[32];
    int len = snprintf(text, sizeof(text), "?(%llu)", (unsigned long long)number);
    *id = known ? *known : fill_string(&r->fill, (struct text){text, (size_t)len});
    return NULL;
}

static uint32_t row_for(struct callgrind *r, uint32_t name, uint32_t file, uint32_t object)
{
    struct wire_function f = {.name = name, .file = file, .module = object, .kind = WIRE_NATIVE};
    struct text path = fill_text(&r->fill, file);
    if (path.len > 3 && memcmp(path.data + path.len - 3, ".py", 3) == 0)
        f.kind = WIRE_PYTHON;
    uint32_t function = 0;
    if (r->fill.failed == STATUS_OK)
        fill_check(&r->fill, tables_function(&r->fill.profile->tables, &f, &function));
    const uint32_t *known = map_find(&r->row_of, function);
    if (known)
        return *known;
    uint32_t row = 0;
    struct call_row made = {.function = function};
    if (r->fill.failed == STATUS_OK)
        fill_check(&r->fill, profile_add_call_row(r->fill.profile, &made, &row));
    if (r->fill.failed == STATUS_OK && !map_put(&r->row_of, function, row))
        fill_check(&r->fill, STATUS_NO_MEMORY);
    return row;
}

static struct call_edge *edge_for(struct callgrind *r)
{
    uint64_t key = map_pair(r->row, r->callee_row);
    const uint32_t *known = map_find(&r->edge_of, key);
    struct call_graph *g = &r->fill.profile->call_graph;
    if (known)
        return &g->edges[*known];
    struct call_edge made = {.caller = r->row, .callee = r->callee_row};
    fill_check(&r->fill, profile_add_call_edge(r->fill.profile, &made));
    if (r->fill.failed == STATUS_OK && !map_put(&r->edge_of, key, (uint32_t)g->edges_len - 1))
        fill_check(&r->fill, STATUS_NO_MEMORY);
    return r->fill.failed == STATUS_OK ? &g->edges[g->edges_len - 1] : NULL;
}

static const char *on_events(struct callgrind *r, struct text value)
{
    if (r->has_set)
        return "a second events: line";
    struct text name;
    while ((name = text_word(&value)).len > 0) {
        if (r->events == MAX_EVENTS)
            return "more events than a profile can hold";
        uint32_t *set = &r->sets[r->events / WIRE_MAX_VALUES];
        if (r->events % WIRE_MAX_VALUES == 0)
            *set = fill_set(&r->fill, "callgrind", 0);
        char text[64];
        size_t len = name.len < sizeof(text) - 1 ? name.len : sizeof(text) - 1;
        memcpy(text, name.data, len);
        text[len] = 0;
        /* What others call so, and what is written here: a time, not an event. */
        r->is_time = r->is_time || (r->events == 0 && strcmp(text, "Nanoseconds") == 0);
        bool is_ns = strcmp(text, "Nanoseconds") == 0;
        fill_value_type(&r->fill, *set, is_ns ? "time" : text, is_ns ? "ns" : "count");
        r->events++;
    }
    if (r->events == 0)
        return "events: should name at least one event";
    r->has_set = true;
    return NULL;
}

static const char *on_positions(struct callgrind *r, struct text value)
{
    r->positions = 0;
    struct text name;
    while ((name = text_word(&value)).len > 0) {
        if (r->positions == MAX_POSITIONS)
            return "more than two kinds of positions";
        r->has_instr = r->has_instr || text_equal(name, "instr");
        r->positions++;
    }
    return r->positions ? NULL : "positions: should name one";
}

static const char *on_version(struct callgrind *r, struct text value)
{
    (void)r;
    return text_equal(value, "1") ? NULL : "a version other than 1";
}

static const char *on_creator(struct callgrind *r, struct text value)
{
    fill_field(&r->fill, &r->fill.profile->producer, value);
    return NULL;
}

static const char *on_cmd(struct callgrind *r, struct text value)
{
    fill_argv(&r->fill, value);
    return NULL;
}

static const char *on_pid(struct callgrind *r, struct text value)
{
    text_u64(value, &r->fill.profile->pid); /* several parts of one run may say it again */
    return NULL;
}

typedef const char *(*value_fn)(struct callgrind *r, struct text value);

static const struct {
    const char *key;
    value_fn run;
} heads[] = {{"events:", on_events},   {"positions:", on_positions},
             {"version:", on_version}, {"creator:", on_creator},
             {"cmd:", on_cmd},         {"pid:", on_pid}};

static bool is_head(struct text line, value_fn *run, struct text *value)
{
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        struct text rest = line;
        if (text_skip(&rest, heads[i].key)) {
            *run = heads[i].run;
            *value = text_trim(rest);
            return true;
        }
    }
    return false;
}

static const char *on_function(struct callgrind *r, struct text value)
{
    uint32_t name;
    const char *wrong = take_name(r, NAME_FUNCTION, value, &name);
    if (wrong)
        return wrong;
    r->code_file = r->file;
    r->row = row_for(r, name, r->file, r->object);
    r->has_function = true;
    r->callee_file = r->file;
    r->callee_object = r->object;
    return NULL;
}

static const char *on_file(struct callgrind *r, struct text value)
{
    const char *wrong = take_name(r, NAME_FILE, value, &r->file);
    r->callee_file = r->code_file = r->file;
    return wrong;
}

static const char *on_code_file(struct callgrind *r, struct text value)
{
    return take_name(r, NAME_FILE, value, &r->code_file);
}

static const char *on_object(struct callgrind *r, struct text value)
{
    const char *wrong = take_name(r, NAME_OBJECT, value, &r->object);
    r->callee_object = r->object;
    return wrong;
}

static const char *on_callee(struct callgrind *r, struct text value)
{
    r->has_callee = true;
    return take_name(r, NAME_FUNCTION, value, &r->callee_name);
}

static const char *on_callee_file(struct callgrind *r, struct text value)
{
    return take_name(r, NAME_FILE, value, &r->callee_file);
}

static const char *on_callee_object(struct callgrind *r, struct text value)
{
    return take_name(r, NAME_OBJECT, value, &r->callee_object);
}

static const char *on_calls(struct callgrind *r, struct text value)
{
    if (!r->has_callee || !r->has_function)
        return "calls= without the function that is called";
    if (!text_u64(text_word(&value), &r->calls))
        return "calls= should begin with a count";
    r->callee_row = row_for(r, r->callee_name, r->callee_file, r->callee_object);
    r->after_calls = true;
    r->has_callee = false;
    r->callee_file = r->file;
    r->callee_object = r->object;
    return NULL;
}

/* Where jumps go is not kept, but names may be defined there. */
static const char *on_jump_file(struct callgrind *r, struct text value)
{
    uint32_t ignored;
    return take_name(r, NAME_FILE, value, &ignored);
}

static const char *on_jump_function(struct callgrind *r, struct text value)
{
    uint32_t ignored;
    return take_name(r, NAME_FUNCTION, value, &ignored);
}

static const char *on_nothing(struct callgrind *r, struct text value)
{
    (void)r;
    (void)value;
    return NULL;
}

static const struct {
    const char *key;
    value_fn run;
} assignments[] = {{"fn", on_function},     {"fl", on_file},         {"fi", on_code_file},
                   {"fe", on_code_file},    {"ob", on_object},       {"cfn", on_callee},
                   {"cfl", on_callee_file}, {"cfi", on_callee_file}, {"cob", on_callee_object},
                   {"calls", on_calls},     {"jfi", on_jump_file},   {"jfn", on_jump_function},
                   {"jump", on_nothing},    {"jcnd", on_nothing}};

static bool take_number(struct text t, uint64_t *number)
{
    return text_skip(&t, "0x") ? text_hex(t, number) : text_u64(t, number);
}

static const char *take_position(struct text word, uint64_t *last)
{
    uint64_t step;
    if (text_equal(word, "*"))
        return NULL;
    bool is_plus = text_skip(&word, "+");
    bool is_minus = !is_plus && text_skip(&word, "-");
    if (!take_number(word, &step))
        return "a position that is no number";
    *last = is_plus ? *last + step : is_minus ? (*last > step ? *last - step : 0) : step;
    return NULL;
}

/* Costs missing at the end of a line are 0. */
static const char *take_costs(struct callgrind *r, struct text line, int64_t *costs)
{
    size_t n = 0;
    struct text word;
    while ((word = text_word(&line)).len > 0) {
        uint64_t cost;
        if (n == r->events)
            return "more costs than events";
        if (!take_number(word, &cost) || cost > INT64_MAX)
            return "a cost that is no number below 2**63";
        costs[n++] = (int64_t)cost;
    }
    return NULL;
}

/* Own costs are samples too, one a line: what all events and the source view are made of. */
static void add_self(struct callgrind *r, const int64_t *costs)
{
    struct profile *p = r->fill.profile;
    if (r->fill.failed != STATUS_OK)
        return;
    struct call_row *row = &p->call_graph.rows[r->row];
    row->self += (double)costs[0];
    r->total += (double)costs[0];
    uint64_t line = r->code_file == r->file ? r->last[r->has_instr && r->positions > 1 ? 1 : 0] : 0;
    if (r->has_instr && r->positions == 1)
        line = 0;
    uint32_t frame =
        fill_frame(&r->fill, row->function, line <= UINT32_MAX ? (uint32_t)line : 0, 0);
    uint32_t stack = fill_stack(&r->fill, 0, frame);
    for (size_t i = 0; i < r->events; i += WIRE_MAX_VALUES)
        fill_sample(
            &r->fill, r->sets[i / WIRE_MAX_VALUES],
            &(struct profile_sample){.time_ns = UINT64_MAX, .stack = stack, .values = costs + i});
}

static void add_calls(struct callgrind *r, uint64_t *calls)
{
    if (!__builtin_add_overflow(*calls, r->calls, calls))
        return;
    *calls = UINT64_MAX;
    r->has_too_many = true;
}

static void add_call(struct callgrind *r, const int64_t *costs)
{
    struct call_edge *edge = r->fill.failed == STATUS_OK ? edge_for(r) : NULL;
    if (!edge)
        return;
    struct call_row *callee = &r->fill.profile->call_graph.rows[r->callee_row];
    edge->total += (double)costs[0];
    add_calls(r, &edge->calls);
    add_calls(r, &callee->calls);
    edge->primitive_calls = edge->calls;
}

static const char *take_cost_line(struct callgrind *r, struct text line)
{
    int64_t costs[MAX_EVENTS] = {0};
    if (!r->has_set)
        return "a cost before the events: line";
    if (!r->has_function)
        return "a cost before the first fn=";
    const char *wrong = NULL;
    for (size_t i = 0; i < r->positions && !wrong; i++)
        wrong = take_position(text_word(&line), &r->last[i]);
    if (!wrong)
        wrong = take_costs(r, line, costs);
    if (wrong)
        return wrong;
    if (r->after_calls)
        add_call(r, costs);
    else
        add_self(r, costs);
    r->after_calls = false;
    return NULL;
}

static const char *take_line(struct callgrind *r, struct text line)
{
    value_fn run;
    struct text value;
    char c = line.data[0];
    if ((c >= '0' && c <= '9') || c == '+' || c == '-' || c == '*')
        return take_cost_line(r, line);
    if (is_head(line, &run, &value))
        return run(r, value);
    struct text rest = line;
    struct text key = key_of(&rest);
    for (size_t i = 0; i < sizeof(assignments) / sizeof(assignments[0]); i++) {
        if (text_equal(key, assignments[i].key))
            return assignments[i].run(r, rest);
    }
    bool is_other = memchr(line.data, ':', line.len) || key.len > 0;
    return is_other ? NULL : "neither a cost nor a key";
}

static enum status finish(struct callgrind *r, size_t lines)
{
    struct profile *p = r->fill.profile;
    if (r->fill.failed != STATUS_OK)
        return r->fill.failed;
    if (!r->has_set)
        return fill_bad(&r->fill, "line", lines, "the file has no events: line");
    if (r->after_calls)
        return fill_bad(&r->fill, "line", lines, "the file ends behind calls=");
    p->call_graph.unit = p->sets[r->sets[0]].types[0].name;
    if (callgrind_totals(&p->call_graph, r->total))
        fill_check(&r->fill, profile_add_warning(p, "recursion",
                                                 "inclusive costs of recursive functions are "
                                                 "counted more than once in this file and are "
                                                 "shown as at most the whole run"));
    if (r->is_time) {
        callgrind_to_seconds(&p->call_graph);
        p->call_graph.unit = fill_string(&r->fill, text_of("s"));
    }
    if (r->has_too_many)
        fill_check(&r->fill,
                   profile_add_warning(p, "calls", "more than %llu calls are shown as that",
                                       (unsigned long long)UINT64_MAX));
    return r->fill.failed;
}

static enum status read_lines(struct callgrind *r, const struct format_input *in)
{
    struct text_lines lines;
    struct text line;
    text_lines_of(&lines, in);
    while (text_lines_next(&lines, &line) && r->fill.failed == STATUS_OK) {
        line = text_trim(line);
        if (line.len == 0 || line.data[0] == '#')
            continue;
        const char *wrong = take_line(r, line);
        if (wrong)
            return fill_bad(&r->fill, "line", lines.number, wrong);
    }
    return finish(r, lines.number);
}

static enum status read_callgrind(const struct format_input *in,
                                  const struct format_options *options, struct profile *out,
                                  struct error *err)
{
    (void)options;
    struct callgrind r = {.fill = {.profile = out, .err = err}, .positions = 1};
    for (size_t i = 0; i < NAME_KINDS; i++)
        map_init(&r.names[i]);
    map_init(&r.row_of);
    map_init(&r.edge_of);
    enum status st = read_lines(&r, in);
    for (size_t i = 0; i < NAME_KINDS; i++)
        map_deinit(&r.names[i]);
    map_deinit(&r.row_of);
    map_deinit(&r.edge_of);
    return st;
}

static int detect_callgrind(const uint8_t *head, size_t len, bool is_whole_file)
{
    (void)is_whole_file;
    if (!text_is_plausible(head, len < 256 ? len : 256))
        return 0;
    struct text_lines lines;
    struct text line;
    int score = 0;
    text_lines_init(&lines, head, len < 65536 ? len : 65536);
    for (int i = 0; i < 200 && text_lines_next(&lines, &line); i++) {
        if (text_starts(line, "# callgrind format"))
            return 95;
        bool is_event = text_starts(line, "events:") || text_starts(line, "positions:");
        bool is_name = text_starts(line, "fn=") || text_starts(line, "fl=");
        score += is_event ? 50 : is_name ? 30 : 0;
        if (i == 0 && text_starts(line, "version: "))
            score += 20;
    }
    return score >= 50 ? 85 : 0;
}

const struct format format_callgrind = {
    .name = "callgrind",
    .title = "Callgrind",
    .extensions = "callgrind",
    .detect = detect_callgrind,
    .read = read_callgrind,
    .write = callgrind_write,
};
