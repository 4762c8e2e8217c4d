#include "common/wire/fields.h"

/* How many items a list may have: what bounds the memory of a message made of empty items. */
enum {
    MAX_STRINGS = WIRE_MAX_BATCH,
    MAX_LARGE = 1 << 16, /* items of some hundred bytes in memory */
    MAX_SMALL = 1 << 18,
};

#define LEN_OF(a) (sizeof(a) / sizeof((a)[0]))
#define ONE(n, k, type, member)                                                                    \
    {                                                                                              \
        .name = #member, .number = (n), .kind = (k), .shape = FIELD_ONE,                           \
        .offset = offsetof(struct type, member)                                                    \
    }
#define OPTIONAL(n, k, type, member, has)                                                          \
    {                                                                                              \
        .name = #member, .number = (n), .kind = (k), .shape = FIELD_OPTIONAL,                      \
        .offset = offsetof(struct type, member), .len_offset = offsetof(struct type, has)          \
    }
#define COLUMN(n, k, type, member, count, required)                                                \
    {                                                                                              \
        .name = #member, .number = (n), .kind = (k), .shape = FIELD_COLUMN,                        \
        .is_required = (required), .offset = offsetof(struct type, member),                        \
        .len_offset = offsetof(struct type, count)                                                 \
    }
#define ROWS(n, singular, member, required)                                                        \
    {                                                                                              \
        .name = #singular "_" #member, .number = (n), .kind = FIELD_U32, .shape = FIELD_ROWS,      \
        .is_required = (required), .offset = offsetof(struct wire_batch, singular##s),             \
        .len_offset = offsetof(struct wire_batch, singular##s_len),                                \
        .item_offset = offsetof(struct wire_##singular, member),                                   \
        .item_size = sizeof(struct wire_##singular)                                                \
    }
#define BYTES_LIST(n, type, member, limit)                                                         \
    {                                                                                              \
        .name = #member, .number = (n), .kind = FIELD_BYTES, .shape = FIELD_LIST,                  \
        .offset = offsetof(struct type, member),                                                   \
        .len_offset = offsetof(struct type, member##_len), .item_size = sizeof(struct wire_bytes), \
        .max = (limit)                                                                             \
    }
#define LIST(n, label, type, member, sub, limit)                                                   \
    {                                                                                              \
        .name = #label, .number = (n), .kind = FIELD_MESSAGE, .shape = FIELD_LIST,                 \
        .offset = offsetof(struct type, member),                                                   \
        .len_offset = offsetof(struct type, member##_len), .item_size = sizeof(struct wire_##sub), \
        .max = (limit), .message = &message_##sub                                                  \
    }
#define MESSAGE(type)                                                                              \
    {                                                                                              \
        .name = #type, .size = sizeof(struct wire_##type), .fields = fields_##type,                \
        .fields_len = LEN_OF(fields_##type)                                                        \
    }

static const struct field fields_tag[] = {
    ONE(1, FIELD_BYTES, wire_tag, key),
    ONE(2, FIELD_BYTES, wire_tag, value),
};
static const struct message message_tag = MESSAGE(tag);

static const struct field fields_hello[] = {
    ONE(1, FIELD_U32, wire_hello, protocol),
    ONE(2, FIELD_BYTES, wire_hello, session),
    ONE(3, FIELD_BYTES, wire_hello, token),
    ONE(4, FIELD_BYTES, wire_hello, name),
    ONE(5, FIELD_BYTES, wire_hello, host),
    ONE(6, FIELD_U64, wire_hello, pid),
    BYTES_LIST(7, wire_hello, argv, MAX_SMALL),
    ONE(8, FIELD_BYTES, wire_hello, runtime),
    ONE(9, FIELD_U64, wire_hello, start_unix_ns),
    ONE(10, FIELD_BYTES, wire_hello, producer),
    LIST(11, tags, wire_hello, tags, tag, MAX_LARGE),
    ONE(12, FIELD_DOUBLE, wire_hello, rate_hz),
    ONE(13, FIELD_BYTES, wire_hello, mode),
    ONE(14, FIELD_BYTES, wire_hello, format),
};
const struct message message_hello = MESSAGE(hello);

static const struct field fields_welcome[] = {
    ONE(1, FIELD_BYTES, wire_welcome, url),
    ONE(2, FIELD_U64, wire_welcome, next_seq),
};
const struct message message_welcome = MESSAGE(welcome);

static const struct field fields_refused[] = {
    ONE(1, FIELD_BYTES, wire_refused, code),
    ONE(2, FIELD_BYTES, wire_refused, message),
    {.name = "final",
     .number = 3,
     .kind = FIELD_BOOL,
     .offset = offsetof(struct wire_refused, is_final)},
};
const struct message message_refused = MESSAGE(refused);

static const struct field fields_control[] = {
    OPTIONAL(1, FIELD_BOOL, wire_control, paused, has_paused),
    OPTIONAL(2, FIELD_DOUBLE, wire_control, rate_hz, has_rate),
    OPTIONAL(3, FIELD_BOOL, wire_control, stop, has_stop),
    ONE(4, FIELD_BYTES, wire_control, source),
};
const struct message message_control = MESSAGE(control);

static const struct field fields_bye[] = {
    ONE(1, FIELD_U64, wire_bye, last_seq),
    ONE(2, FIELD_I32, wire_bye, exit_status),
    ONE(3, FIELD_BYTES, wire_bye, reason),
};
const struct message message_bye = MESSAGE(bye);

static const struct field fields_process[] = {
    ONE(1, FIELD_U32, wire_process, index),      ONE(2, FIELD_U64, wire_process, pid),
    ONE(3, FIELD_U64, wire_process, parent_pid), ONE(4, FIELD_BYTES, wire_process, command),
    ONE(5, FIELD_BYTES, wire_process, runtime),  ONE(6, FIELD_U64, wire_process, start_ns),
    ONE(7, FIELD_U64, wire_process, end_ns),
};
static const struct message message_process = MESSAGE(process);

static const struct field fields_thread[] = {
    ONE(1, FIELD_U32, wire_thread, index),
    ONE(2, FIELD_U32, wire_thread, process),
    ONE(3, FIELD_U64, wire_thread, tid),
    ONE(4, FIELD_BYTES, wire_thread, name),
};
static const struct message message_thread = MESSAGE(thread);

static const struct field fields_label_set[] = {
    COLUMN(1, FIELD_U32, wire_label_set, key, len, true),
    COLUMN(2, FIELD_U32, wire_label_set, value, len, true),
    COLUMN(3, FIELD_U32, wire_label_set, unit, len, false),
};
static const struct message message_label_set = MESSAGE(label_set);

static const struct field fields_value_type[] = {
    ONE(1, FIELD_BYTES, wire_value_type, name),
    ONE(2, FIELD_BYTES, wire_value_type, unit),
};
static const struct message message_value_type = MESSAGE(value_type);

static const struct field fields_sample_set[] = {
    ONE(1, FIELD_U32, wire_sample_set, set),
    ONE(2, FIELD_BYTES, wire_sample_set, name),
    {.name = "values",
     .number = 3,
     .kind = FIELD_MESSAGE,
     .shape = FIELD_INLINE,
     .offset = offsetof(struct wire_sample_set, values),
     .len_offset = offsetof(struct wire_sample_set, values_len),
     .item_size = sizeof(struct wire_value_type),
     .max = WIRE_MAX_VALUES,
     .message = &message_value_type},
    ONE(4, FIELD_U64, wire_sample_set, period),
};
static const struct message message_sample_set = MESSAGE(sample_set);

static const struct field fields_samples[] = {
    ONE(1, FIELD_U32, wire_samples, set),
    {.name = "first_time_ns",
     .number = 2,
     .kind = FIELD_FIRST_TIME,
     .shape = FIELD_ONE,
     .offset = offsetof(struct wire_samples, time_ns),
     .len_offset = offsetof(struct wire_samples, len)},
    COLUMN(3, FIELD_TIME_DELTAS, wire_samples, time_ns, len, false),
    COLUMN(4, FIELD_U32, wire_samples, thread, len, false),
    COLUMN(5, FIELD_U32, wire_samples, stack, len, true),
    COLUMN(6, FIELD_U32, wire_samples, state, len, false),
    COLUMN(7, FIELD_U32, wire_samples, label_set, len, false),
    {.name = "values",
     .number = 8,
     .kind = FIELD_VALUE_COLUMNS,
     .shape = FIELD_INLINE,
     .offset = offsetof(struct wire_samples, values),
     .len_offset = offsetof(struct wire_samples, values_len),
     .item_size = sizeof(struct wire_column),
     .max = WIRE_MAX_VALUES},
};
static const struct message message_samples = MESSAGE(samples);

static const struct field fields_metric[] = {
    ONE(1, FIELD_U32, wire_metric, metric),  ONE(2, FIELD_BYTES, wire_metric, name),
    ONE(3, FIELD_BYTES, wire_metric, unit),  ONE(4, FIELD_BOOL, wire_metric, has_process),
    ONE(5, FIELD_U32, wire_metric, process),
};
static const struct message message_metric = MESSAGE(metric);

static const struct field fields_points[] = {
    ONE(1, FIELD_U32, wire_points, metric),
    {.name = "first_time_ns",
     .number = 2,
     .kind = FIELD_FIRST_TIME,
     .shape = FIELD_ONE,
     .offset = offsetof(struct wire_points, time_ns),
     .len_offset = offsetof(struct wire_points, len)},
    COLUMN(3, FIELD_TIME_DELTAS, wire_points, time_ns, len, true),
    COLUMN(4, FIELD_POINT_DELTAS, wire_points, value, len, false),
    COLUMN(5, FIELD_POINT_VALUES, wire_points, value, len, false),
};
static const struct message message_points = MESSAGE(points);

static const struct field fields_span[] = {
    ONE(1, FIELD_U32, wire_span, name),         ONE(2, FIELD_U64, wire_span, begin_ns),
    ONE(3, FIELD_U64, wire_span, end_ns),       ONE(4, FIELD_U32, wire_span, process),
    ONE(5, FIELD_U32, wire_span, thread),       ONE(6, FIELD_DOUBLE, wire_span, begin_value),
    ONE(7, FIELD_DOUBLE, wire_span, end_value), ONE(8, FIELD_U32, wire_span, level),
};
static const struct message message_span = MESSAGE(span);

static const struct field fields_notice[] = {
    ONE(1, FIELD_U32, wire_notice, severity),
    ONE(2, FIELD_BYTES, wire_notice, code),
    ONE(3, FIELD_BYTES, wire_notice, text),
    ONE(4, FIELD_U64, wire_notice, time_ns),
};
static const struct message message_notice = MESSAGE(notice);

static const struct field fields_counter[] = {
    ONE(1, FIELD_BYTES, wire_counter, name),
    ONE(2, FIELD_U64, wire_counter, value),
};
static const struct message message_counter = MESSAGE(counter);

static const struct field fields_call_graph[] = {
    ONE(1, FIELD_BYTES, wire_call_graph, unit),
    COLUMN(2, FIELD_U32, wire_call_graph, function, rows_len, true),
    COLUMN(3, FIELD_U64, wire_call_graph, calls, rows_len, false),
    COLUMN(4, FIELD_U64, wire_call_graph, primitive_calls, rows_len, false),
    COLUMN(5, FIELD_DOUBLE, wire_call_graph, self, rows_len, false),
    COLUMN(6, FIELD_DOUBLE, wire_call_graph, total, rows_len, false),
    COLUMN(7, FIELD_U32, wire_call_graph, edge_caller, edges_len, true),
    COLUMN(8, FIELD_U32, wire_call_graph, edge_callee, edges_len, true),
    COLUMN(9, FIELD_U64, wire_call_graph, edge_calls, edges_len, false),
    COLUMN(10, FIELD_U64, wire_call_graph, edge_primitive_calls, edges_len, false),
    COLUMN(11, FIELD_DOUBLE, wire_call_graph, edge_self, edges_len, false),
    COLUMN(12, FIELD_DOUBLE, wire_call_graph, edge_total, edges_len, false),
};
static const struct message message_call_graph = MESSAGE(call_graph);

static const struct field fields_lines[] = {
    ONE(1, FIELD_U32, wire_lines, function),
    COLUMN(2, FIELD_U32, wire_lines, line, len, true),
    COLUMN(3, FIELD_U64, wire_lines, hits, len, false),
    COLUMN(4, FIELD_DOUBLE, wire_lines, time_s, len, false),
    COLUMN(5, FIELD_DOUBLE, wire_lines, memory_bytes, len, false),
    COLUMN(6, FIELD_DOUBLE, wire_lines, increment_bytes, len, false),
};
static const struct message message_lines = MESSAGE(lines);

static const struct field fields_source[] = {
    ONE(1, FIELD_U32, wire_source, file),
    ONE(2, FIELD_BYTES, wire_source, text),
};
static const struct message message_source = MESSAGE(source);

static const struct field fields_benchmark[] = {
    ONE(1, FIELD_BYTES, wire_benchmark, name),
    ONE(2, FIELD_BYTES, wire_benchmark, group),
    ONE(3, FIELD_DOUBLE, wire_benchmark, mean_s),
    ONE(4, FIELD_DOUBLE, wire_benchmark, median_s),
    ONE(5, FIELD_DOUBLE, wire_benchmark, stddev_s),
    ONE(6, FIELD_DOUBLE, wire_benchmark, min_s),
    ONE(7, FIELD_DOUBLE, wire_benchmark, max_s),
    ONE(8, FIELD_U64, wire_benchmark, rounds),
    ONE(9, FIELD_U64, wire_benchmark, iterations),
    COLUMN(10, FIELD_DOUBLE, wire_benchmark, data_s, data_len, false),
};
static const struct message message_benchmark = MESSAGE(benchmark);

static const struct field fields_batch[] = {
    ONE(1, FIELD_U64, wire_batch, seq),
    ONE(2, FIELD_U64, wire_batch, begin_ns),
    ONE(3, FIELD_U64, wire_batch, end_ns),
    ONE(4, FIELD_U64, wire_batch, first_string),
    BYTES_LIST(5, wire_batch, strings, MAX_STRINGS),
    ONE(6, FIELD_U64, wire_batch, first_function),
    ROWS(7, function, name, true),
    ROWS(8, function, file, false),
    ROWS(9, function, line, false),
    ROWS(10, function, module, false),
    ROWS(11, function, kind, false),
    ONE(12, FIELD_U64, wire_batch, first_frame),
    ROWS(13, frame, function, true),
    ROWS(14, frame, line, false),
    ROWS(15, frame, column, false),
    ONE(16, FIELD_U64, wire_batch, first_stack),
    ROWS(17, stack, parent, true),
    ROWS(18, stack, frame, true),
    ONE(19, FIELD_U64, wire_batch, first_process),
    LIST(20, processes, wire_batch, processes, process, MAX_LARGE),
    ONE(21, FIELD_U64, wire_batch, first_thread),
    LIST(22, threads, wire_batch, threads, thread, MAX_SMALL),
    ONE(23, FIELD_U64, wire_batch, first_label_set),
    LIST(24, label_sets, wire_batch, label_sets, label_set, MAX_SMALL),
    LIST(25, declare_sets, wire_batch, sets, sample_set, MAX_LARGE),
    LIST(26, samples, wire_batch, samples, samples, MAX_LARGE),
    LIST(27, declare_metrics, wire_batch, metrics, metric, MAX_LARGE),
    LIST(28, points, wire_batch, points, points, MAX_SMALL),
    LIST(29, spans, wire_batch, spans, span, MAX_SMALL),
    LIST(30, notices, wire_batch, notices, notice, MAX_LARGE),
    LIST(31, counters, wire_batch, counters, counter, MAX_LARGE),
    {.name = "call_graph",
     .number = 32,
     .kind = FIELD_MESSAGE,
     .shape = FIELD_POINTER,
     .offset = offsetof(struct wire_batch, call_graph),
     .message = &message_call_graph},
    LIST(33, lines, wire_batch, lines, lines, MAX_SMALL),
    LIST(34, sources, wire_batch, sources, source, MAX_LARGE),
    LIST(35, benchmarks, wire_batch, benchmarks, benchmark, MAX_LARGE),
    ROWS(36, frame, end_line, false),
    ROWS(37, frame, end_column, false),
};
const struct message message_batch = MESSAGE(batch);

_Static_assert(LEN_OF(fields_batch) <= FIELDS_MAX,
               "a message has more fields than a decoder holds");
