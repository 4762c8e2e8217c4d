/* tracemalloc snapshots (Snapshot.dump): a pickle of
 *   Snapshot {traces: _Traces {_traces: [trace, ...]}, traceback_limit: int}
 * where a trace is (size, frames) in 3.5, (domain, size, frames) in 3.6 to 3.8 and (domain, size,
 * frames, total_nframe) since 3.9; frames are ((file, line), ...), the most recent first. Equal
 * tracebacks are shared by reference. Source: CPython Lib/tracemalloc.py (v3.5.0 to v3.14.0). */

#include <stdio.h>
#include <stdlib.h>

#include "backend/formats/fill.h"
#include "backend/formats/format.h"
#include "backend/formats/pickle.h"

enum { CLASS_SNAPSHOT = 1, CLASS_TRACES };

static const struct pickle_class classes[] = {
    {"tracemalloc Snapshot", CLASS_SNAPSHOT},
    {"tracemalloc _Traces", CLASS_TRACES},
    {NULL, 0},
};

struct snapshot {
    struct fill fill;
    struct values values;
    uint32_t set;
    uint32_t *stack_of; /* frames tuple's value -> stack + 1 */
    uint32_t *frame_of; /* frame tuple's value -> frame + 1 */
    uint64_t cut_traces;
};

static enum status wrong(struct snapshot *s, size_t trace, const char *what)
{
    if (s->fill.failed == STATUS_OK)
        s->fill.failed = error_set(s->fill.err, STATUS_INVALID, "trace %zu: %s", trace, what);
    return s->fill.failed;
}

static struct text last_part(struct text path)
{
    struct text name;
    struct text rest = path;
    bool has_folder = text_cut_last(&rest, '/', &name) || text_cut_last(&rest, '\\', &name);
    return has_folder ? name : path;
}

static uint32_t frame_of(struct snapshot *s, size_t trace, uint32_t id)
{
    if (s->frame_of[id])
        return s->frame_of[id] - 1;
    const struct value *frame = values_get(&s->values, id);
    const struct value *file = values_item(&s->values, frame, 0);
    int64_t line = 0;
    if (!value_is_sequence(frame) || frame->len != 2 || !value_is_text(file) ||
        !value_i64(values_item(&s->values, frame, 1), &line)) {
        wrong(s, trace, "a frame should be (file, line)");
        return 0;
    }
    /* Functions are not known: a file stands for all of its. */
    struct fill_function f = {.file = {file->data, file->len}};
    f.name = last_part(f.file);
    uint32_t row = fill_frame(&s->fill, fill_function(&s->fill, &f),
                              line > 0 && line <= UINT32_MAX ? (uint32_t)line : 0, 0);
    s->frame_of[id] = row + 1;
    return row;
}

static uint32_t stack_of(struct snapshot *s, size_t trace, uint32_t id)
{
    if (s->stack_of[id])
        return s->stack_of[id] - 1;
    const struct value *frames = values_get(&s->values, id);
    if (!value_is_sequence(frames)) {
        wrong(s, trace, "the traceback should be a tuple of frames");
        return 0;
    }
    uint32_t stack = 0;
    for (size_t i = frames->len; i-- > 0 && s->fill.failed == STATUS_OK;)
        stack = fill_stack(&s->fill, stack, frame_of(s, trace, frames->items[i]));
    s->stack_of[id] = stack + 1;
    return stack;
}

static uint32_t domain_label(struct snapshot *s, int64_t domain)
{
    if (domain == 0)
        return 0;
    char digits[24];
    int len = snprintf(digits, sizeof(digits), "%lld", (long long)domain);
    struct model_label label = {.key = fill_string(&s->fill, text_of("domain")),
                                .value = fill_string(&s->fill, (struct text){digits, (size_t)len})};
    uint32_t set = 0;
    if (s->fill.failed == STATUS_OK)
        fill_check(&s->fill, tables_label_set(&s->fill.profile->tables, &label, 1, &set));
    return set;
}

static enum status read_trace(struct snapshot *s, size_t at, const struct value *trace)
{
    const struct values *v = &s->values;
    if (!value_is_sequence(trace) || trace->len < 2 || trace->len > 4)
        return wrong(s, at, "should be (domain, size, frames, number of frames)");
    size_t size_at = trace->len == 2 ? 0 : 1;
    int64_t domain = 0;
    int64_t total = 0;
    int64_t values[2] = {0, 1};
    if (size_at && !value_i64(values_item(v, trace, 0), &domain))
        return wrong(s, at, "the domain should be a number");
    if (!value_i64(values_item(v, trace, size_at), &values[0]) || values[0] < 0)
        return wrong(s, at, "the size should be a number of bytes below 2**63");
    struct profile_sample sample = {.time_ns = UINT64_MAX,
                                    .stack = stack_of(s, at, trace->items[size_at + 1]),
                                    .label_set = domain_label(s, domain),
                                    .values = values};
    const struct value *frames = values_item(v, trace, size_at + 1);
    if (trace->len == 4 && value_i64(values_item(v, trace, 3), &total))
        s->cut_traces += total > (int64_t)frames->len;
    fill_sample(&s->fill, s->set, &sample);
    return s->fill.failed;
}

static enum status read_traces(struct snapshot *s, const struct value *traces)
{
    s->set = fill_set(&s->fill, "tracemalloc", 0);
    fill_value_type(&s->fill, s->set, "in_use", "bytes");
    fill_value_type(&s->fill, s->set, "blocks", "count");
    s->stack_of = calloc(s->values.len, sizeof(*s->stack_of));
    s->frame_of = calloc(s->values.len, sizeof(*s->frame_of));
    if (!s->stack_of || !s->frame_of)
        fill_check(&s->fill, STATUS_NO_MEMORY);
    enum status st = s->fill.failed;
    for (size_t i = 0; st == STATUS_OK && i < traces->len; i++)
        st = read_trace(s, i + 1, values_item(&s->values, traces, i));
    return st;
}

static enum status read_root(struct snapshot *s, const struct value *root)
{
    const struct values *v = &s->values;
    if (pickle_class_of(v, root) != CLASS_SNAPSHOT)
        return error_set(s->fill.err, STATUS_INVALID, "should be a Snapshot, is %s",
                         value_kind_name(root));
    const struct value *traces = pickle_find(v, pickle_state(v, root), "traces");
    if (traces && pickle_class_of(v, traces) == CLASS_TRACES)
        traces = pickle_find(v, pickle_state(v, traces), "_traces");
    if (!traces || !value_is_sequence(traces))
        return error_set(s->fill.err, STATUS_INVALID, "the snapshot has no list of traces");
    enum status st = read_traces(s, traces);
    if (st != STATUS_OK)
        return st;
    struct profile *p = s->fill.profile;
    fill_field(&s->fill, &p->producer, text_of("tracemalloc"));
    int64_t limit;
    const struct value *limit_value = pickle_find(v, pickle_state(v, root), "traceback_limit");
    if (limit_value && value_i64(limit_value, &limit)) {
        char digits[24];
        int len = snprintf(digits, sizeof(digits), "%lld", (long long)limit);
        fill_tag(&s->fill, "traceback_limit", (struct text){digits, (size_t)len});
    }
    if (s->cut_traces && s->fill.failed == STATUS_OK)
        fill_check(&s->fill, profile_set_counter(p, "truncated_tracebacks", s->cut_traces));
    return s->fill.failed;
}

static enum status read_tracemalloc(const struct format_input *in,
                                    const struct format_options *options, struct profile *out,
                                    struct error *err)
{
    (void)options;
    struct snapshot s = {.fill = {.profile = out, .err = err}};
    uint32_t root;
    enum status st = values_init(&s.values, in->len);
    if (st != STATUS_OK)
        return error_set(err, st, "no memory for the values");
    st = pickle_read(&s.values, in->data, in->len, classes, &root, err);
    if (st == STATUS_OK)
        st = read_root(&s, values_get(&s.values, root));
    values_deinit(&s.values);
    free(s.stack_of);
    free(s.frame_of);
    return st;
}

static int detect_tracemalloc(const uint8_t *head, size_t len, bool is_whole_file)
{
    (void)is_whole_file;
    return pickle_detect(head, len, classes);
}

const struct format format_tracemalloc = {
    .name = "tracemalloc",
    .title = "tracemalloc snapshot",
    .extensions = "tracemalloc pickle",
    .detect = detect_tracemalloc,
    .read = read_tracemalloc,
};
