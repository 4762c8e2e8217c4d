/* Scalene's JSON (github.com/plasma-umass/scalene, 1.5 to 2.3): per line shares of CPU time and
 * memory, with the source; stacks where they were asked for; the footprint over time. */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backend/formats/builder.h"
#include "backend/formats/format.h"
#include "backend/formats/json_head.h"
#include "backend/formats/json_in.h"
#include "common/base/array.h"

static const double MIB = 1048576;

/* A line with something to say. */
struct row {
    uint32_t line, function_line; /* function_line 0 = not in a function */
    double percent, malloc_mb, peak_mb;
    uint64_t hits;
};

struct reader {
    struct json_in json;
    struct builder build;
    const uint8_t *files, *stacks, *memory_stacks, *samples;
    double elapsed_s;
    bool has_elapsed;
    /* of the file being read */
    struct row *rows;
    struct named {
        uint32_t line, name;
    } * functions;
    size_t rows_len, rows_cap, functions_len, functions_cap;
    struct buf source;
};

/* ---- lines ---- */

static void read_source(struct reader *r)
{
    struct text line = json_in_string(&r->json);
    buf_put(&r->source, line.data, line.len);
    if (line.len == 0 || line.data[line.len - 1] != '\n')
        buf_put_byte(&r->source, '\n');
}

static void read_line(struct reader *r)
{
    struct json_in *j = &r->json;
    struct text key;
    struct row row = {0};
    bool has_line = false;
    if (!json_in_object(j))
        return;
    while (json_in_key(j, &key)) {
        if (text_equal(key, "lineno")) {
            row.line = json_in_u32(j);
            has_line = true;
        } else if (text_equal(key, "n_cpu_percent_python") || text_equal(key, "n_cpu_percent_c") ||
                   text_equal(key, "n_sys_percent")) {
            row.percent += json_in_f64(j);
        } else if (text_equal(key, "n_malloc_mb")) {
            row.malloc_mb = json_in_f64(j);
        } else if (text_equal(key, "n_peak_mb")) {
            row.peak_mb = json_in_f64(j);
        } else if (text_equal(key, "cpu_samples_list") && json_in_peek(j) == JSON_ARRAY) {
            json_in_array(j);
            for (; json_in_item(j); row.hits++)
                json_in_skip(j);
        } else if (text_equal(key, "start_function_line") && json_in_peek(j) == JSON_NUMBER) {
            row.function_line = json_in_u32(j);
        } else if (text_equal(key, "line") && json_in_peek(j) == JSON_STRING) {
            read_source(r);
        } else {
            json_in_skip(j);
        }
    }
    if (!has_line)
        json_in_fail(j, STATUS_INVALID, "a line without a number");
    if (json_in_status(j) || (row.percent == 0 && row.malloc_mb == 0 && row.peak_mb == 0))
        return;
    if (!array_reserve(&r->rows, &r->rows_cap, r->rows_len + 1))
        json_in_check(j, STATUS_NO_MEMORY);
    else
        r->rows[r->rows_len++] = row;
}

/* The functions' amounts are their lines' again: only names are taken. */
static void read_function(struct reader *r)
{
    struct json_in *j = &r->json;
    struct text key;
    struct named f = {0};
    if (!json_in_object(j))
        return;
    while (json_in_key(j, &key)) {
        if (text_equal(key, "line") && json_in_peek(j) == JSON_STRING)
            f.name = builder_string(&r->build, json_in_string(j));
        else if (text_equal(key, "lineno"))
            f.line = json_in_u32(j);
        else
            json_in_skip(j);
    }
    if (!array_reserve(&r->functions, &r->functions_cap, r->functions_len + 1))
        json_in_check(j, STATUS_NO_MEMORY);
    else
        r->functions[r->functions_len++] = f;
}

static uint32_t function_of(const struct reader *r, const struct row *row, uint32_t *line)
{
    *line = 0;
    for (size_t i = 0; row->function_line && i < r->functions_len; i++) {
        if (r->functions[i].line == row->function_line) {
            *line = row->function_line;
            return r->functions[i].name;
        }
    }
    return 0;
}

static void add_file(struct reader *r, uint32_t file)
{
    struct profile *p = r->build.profile;
    for (size_t i = 0; i < r->rows_len && !json_in_status(&r->json); i++) {
        const struct row *row = &r->rows[i];
        struct wire_function f = {.file = file};
        f.name = function_of(r, row, &f.line);
        struct line_row out = {
            .function = builder_function(&r->build, f),
            .line = row->line,
            .hits = row->hits,
            .time_s = r->elapsed_s * row->percent / 100,
            .memory_bytes = row->peak_mb * MIB,
            .increment_bytes = row->malloc_mb * MIB,
        };
        if (!r->build.failed)
            builder_check(&r->build, profile_add_line(p, &out));
    }
    if (r->source.len && !r->build.failed) {
        struct text text = {(const char *)r->source.data, r->source.len};
        uint32_t id = builder_string(&r->build, text);
        if (!r->build.failed)
            builder_check(&r->build, profile_add_source(p, file, id));
    }
}

static void read_file(struct reader *r, struct text path)
{
    struct json_in *j = &r->json;
    struct text key;
    uint32_t file = builder_string(&r->build, path);
    r->rows_len = r->functions_len = 0;
    buf_clear(&r->source);
    if (!json_in_object(j))
        return;
    while (json_in_key(j, &key)) {
        bool is_lines = text_equal(key, "lines");
        if (!is_lines && !text_equal(key, "functions")) {
            json_in_skip(j);
            continue;
        }
        if (!json_in_array(j))
            return;
        while (json_in_item(j)) {
            if (is_lines)
                read_line(r);
            else
                read_function(r);
        }
    }
    json_in_check(j, buf_status(&r->source));
    if (!json_in_status(j))
        add_file(r, file);
}

static void read_files(struct reader *r)
{
    struct json_in *j = &r->json;
    struct text key;
    json_in_return(j, r->files);
    if (!json_in_object(j))
        return;
    while (json_in_key(j, &key))
        read_file(r, key);
}

/* ---- stacks ---- */

/* "/path/file.py name:12;" */
static uint32_t parse_frame(struct reader *r, struct text t)
{
    struct wire_function f = {0};
    struct text behind;
    uint64_t line = 0;
    if (t.len && t.data[t.len - 1] == ';')
        t.len--;
    if (text_cut_last(&t, ':', &behind))
        text_u64(behind, &line);
    struct text file = t;
    if (text_cut_last(&file, ' ', &behind)) {
        f.file = builder_string(&r->build, file);
        f.name = builder_string(&r->build, behind);
    } else {
        f.name = builder_string(&r->build, t);
    }
    return builder_frame(&r->build, builder_function(&r->build, f),
                         line <= UINT32_MAX ? (uint32_t)line : 0, 0);
}

/* {"display_name", "filename_or_module", "line", ...} */
static uint32_t read_frame_object(struct reader *r)
{
    struct json_in *j = &r->json;
    struct text key;
    struct wire_function f = {0};
    uint32_t line = 0;
    if (!json_in_object(j))
        return 0;
    while (json_in_key(j, &key)) {
        enum json_kind kind = json_in_peek(j);
        if (text_equal(key, "display_name") && kind == JSON_STRING)
            f.name = builder_string(&r->build, json_in_string(j));
        else if (text_equal(key, "filename_or_module") && kind == JSON_STRING)
            f.file = builder_string(&r->build, json_in_string(j));
        else if (text_equal(key, "line") && kind == JSON_NUMBER)
            line = json_in_u32(j);
        else
            json_in_skip(j);
    }
    return builder_frame(&r->build, builder_function(&r->build, f), line, 0);
}

static uint32_t read_stack(struct reader *r)
{
    struct json_in *j = &r->json;
    uint32_t stack = 0;
    if (!json_in_array(j))
        return 0;
    while (json_in_item(j)) {
        uint32_t frame = json_in_peek(j) == JSON_STRING ? parse_frame(r, json_in_string(j))
                                                        : read_frame_object(r);
        stack = builder_stack(&r->build, stack, frame);
    }
    return stack;
}

/* The counts are samples; cpu_samples is the stack's share of the time. */
static void read_counts(struct reader *r, int64_t values[2])
{
    struct json_in *j = &r->json;
    struct text key;
    if (!json_in_object(j))
        return;
    while (json_in_key(j, &key)) {
        if (text_equal(key, "count")) {
            values[1] = json_in_i64(j);
        } else if (text_equal(key, "cpu_samples")) {
            double share_s = json_in_f64(j) * r->elapsed_s;
            values[0] = fabs(share_s) < 9e9 ? llround(share_s * 1e9) : 0;
        } else {
            json_in_skip(j);
        }
    }
}

static void read_stacks(struct reader *r)
{
    struct json_in *j = &r->json;
    uint32_t column = 0;
    bool has_set = false;
    uint32_t set = 0;
    json_in_return(j, r->stacks);
    if (!json_in_array(j))
        return;
    while (json_in_item(j) && json_in_array(j)) {
        int64_t values[2] = {0, 0};
        struct profile_sample sample = {.time_ns = UINT64_MAX, .values = values};
        if (!has_set) {
            set = builder_set(&r->build, "cpu", "time", "ns");
            if (!r->build.failed)
                builder_check(&r->build, profile_add_value_type(r->build.profile, set, "samples",
                                                                "count", &column));
            has_set = true;
        }
        if (json_in_item(j))
            sample.stack = read_stack(r);
        if (json_in_item(j))
            read_counts(r, values);
        while (json_in_item(j))
            json_in_skip(j);
        builder_sample(&r->build, set, &sample);
    }
}

static void read_memory_stacks(struct reader *r)
{
    struct json_in *j = &r->json;
    bool has_set = false;
    uint32_t set = 0;
    json_in_return(j, r->memory_stacks);
    if (!json_in_array(j))
        return;
    while (json_in_item(j) && json_in_array(j)) {
        int64_t value = 0;
        struct profile_sample sample = {.time_ns = UINT64_MAX, .values = &value};
        if (!has_set)
            set = builder_set(&r->build, "memory", "allocated", "bytes");
        has_set = true;
        if (json_in_item(j))
            sample.stack = read_stack(r);
        if (json_in_item(j)) {
            double bytes = json_in_f64(j) * MIB;
            value = fabs(bytes) < 9e18 ? llround(bytes) : 0;
        }
        while (json_in_item(j))
            json_in_skip(j);
        builder_sample(&r->build, set, &sample);
    }
}

/* [[nanoseconds, MB], ...]: the footprint. */
static void read_samples(struct reader *r)
{
    struct json_in *j = &r->json;
    bool has_series = false;
    uint32_t series = 0;
    json_in_return(j, r->samples);
    if (!json_in_array(j))
        return;
    while (json_in_item(j)) {
        if (json_in_peek(j) != JSON_ARRAY) {
            json_in_skip(j);
            continue;
        }
        double pair[2] = {0, 0};
        size_t n = 0;
        json_in_array(j);
        for (; json_in_item(j); n++) {
            double value = json_in_f64(j);
            if (n < 2)
                pair[n] = value;
        }
        if (!has_series)
            series = builder_series(&r->build, "heap", "bytes");
        has_series = true;
        if (n == 2 && pair[0] >= 0 && pair[0] < 9e18 && !r->build.failed)
            builder_check(&r->build, profile_add_point(r->build.profile, series, (uint64_t)pair[0],
                                                       pair[1] * MIB));
    }
}

/* ---- all together ---- */

static void read_arguments(struct reader *r)
{
    struct json_in *j = &r->json;
    struct profile *p = r->build.profile;
    if (!json_in_array(j))
        return;
    while (json_in_item(j)) {
        if (json_in_peek(j) != JSON_STRING) {
            json_in_skip(j);
        } else if (!array_reserve(&p->argv, &p->argv_cap, p->argv_len + 1)) {
            json_in_check(j, STATUS_NO_MEMORY);
        } else {
            p->argv[p->argv_len] = builder_string(&r->build, json_in_string(j));
            p->argv_len++;
        }
    }
}

static void read_top(struct reader *r)
{
    struct json_in *j = &r->json;
    struct profile *p = r->build.profile;
    struct text key;
    if (!json_in_object(j))
        return;
    while (json_in_key(j, &key)) {
        enum json_kind kind = json_in_peek(j);
        if (text_equal(key, "files")) {
            r->files = json_in_mark(j);
        } else if (text_equal(key, "stacks") && kind == JSON_ARRAY) {
            r->stacks = json_in_mark(j);
        } else if (text_equal(key, "memory_stacks") && kind == JSON_ARRAY) {
            r->memory_stacks = json_in_mark(j);
        } else if (text_equal(key, "samples") && kind == JSON_ARRAY) {
            r->samples = json_in_mark(j);
        } else if (text_equal(key, "elapsed_time_sec")) {
            r->elapsed_s = json_in_f64(j);
            r->has_elapsed = true;
        } else if (text_equal(key, "args") && kind == JSON_ARRAY) {
            read_arguments(r);
        } else if (text_equal(key, "program") && kind == JSON_STRING) {
            builder_set_text(&r->build, &p->name, json_in_string(j));
        } else if (text_equal(key, "start_time_absolute") && kind == JSON_NUMBER) {
            double start_s = json_in_f64(j);
            p->start_unix_ns = start_s > 0 && start_s < 1e10 ? (uint64_t)(start_s * 1e9) : 0;
        } else {
            json_in_skip(j);
        }
    }
    json_in_finish(j);
    if (!r->files)
        json_in_fail(j, STATUS_INVALID, "no files");
    else if (!r->has_elapsed || r->elapsed_s < 0 || r->elapsed_s > 1e9)
        json_in_fail(j, STATUS_INVALID, "no elapsed_time_sec");
}

static enum status scalene_read(const struct format_input *in, const struct format_options *options,
                                struct profile *out, struct error *err)
{
    (void)options;
    struct reader r = {0};
    struct json_in *j = &r.json;
    builder_begin(&r.build, &r.json, in, out, err);
    buf_init(&r.source, 0);
    builder_set_text(&r.build, &out->producer, (struct text){"Scalene", 7});
    read_top(&r);
    if (!json_in_status(j))
        read_files(&r);
    if (r.stacks && !json_in_status(j))
        read_stacks(&r);
    if (r.memory_stacks && !json_in_status(j))
        read_memory_stacks(&r);
    if (r.samples && !json_in_status(j))
        read_samples(&r);
    /* What no run can have lasted says nothing. */
    out->duration_ns = r.elapsed_s > 0 && r.elapsed_s < 9e9 ? (uint64_t)(r.elapsed_s * 1e9) : 0;
    buf_deinit(&r.source);
    free(r.rows);
    free(r.functions);
    return builder_end(&r.build);
}

static int scalene_detect(const struct json_head *h)
{
    bool is_it = json_head_kind(h, "alloc_samples") == JSON_NUMBER ||
                 (json_head_kind(h, "elapsed_time_sec") == JSON_NUMBER &&
                  json_head_kind(h, "files") != JSON_NOTHING) ||
                 json_head_kind(h, "growth_rate") == JSON_NUMBER;
    return is_it ? 90 : 0;
}

const struct format format_scalene = {
    .name = "scalene",
    .title = "Scalene",
    .extensions = "json",
    .detect_json = scalene_detect,
    .read = scalene_read,
};
