/* Firefox profiles (github.com/firefox-devtools/profiler, docs-developer/CHANGELOG-formats.md):
 * processed ones of every version up to 70 as JSON, raw Gecko ones with schemas, and the wrapper
 * of the old developer tools. Tables stand in each thread or, since 60, in "shared". */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backend/formats/builder.h"
#include "backend/formats/firefox_tables.h"
#include "backend/formats/format.h"
#include "backend/formats/json_head.h"
#include "backend/formats/json_in.h"
#include "backend/formats/json_table.h"
#include "common/base/array.h"

enum { MAX_NESTED = 4 }; /* processes inside processes */

struct reader {
    struct json_in json;
    struct builder build;
    struct firefox_tables shared;
    bool has_set;
    uint32_t set;
    double start_ms, min_ns; /* unix time of zero; the earliest sample */
    size_t threads, nested;
    char unit[8];
};

/* What stands at the top of a profile, or of one process in it. */
struct parts {
    const uint8_t *meta, *threads, *shared, *processes, *profile;
};

static void read_parts(struct json_in *j, struct parts *parts)
{
    struct text key;
    *parts = (struct parts){0};
    if (!json_in_object(j))
        return;
    while (json_in_key(j, &key)) {
        enum json_kind kind = json_in_peek(j);
        if (text_equal(key, "meta") && kind == JSON_OBJECT)
            parts->meta = json_in_mark(j);
        else if (text_equal(key, "threads") && kind == JSON_ARRAY)
            parts->threads = json_in_mark(j);
        else if (text_equal(key, "shared") && kind == JSON_OBJECT)
            parts->shared = json_in_mark(j);
        else if (text_equal(key, "processes") && kind == JSON_ARRAY)
            parts->processes = json_in_mark(j);
        else if (text_equal(key, "profile") && kind == JSON_OBJECT)
            parts->profile = json_in_mark(j);
        else
            json_in_skip(j);
    }
}

static void read_meta(struct reader *r, double *start_ms)
{
    struct json_in *j = &r->json;
    struct profile *p = r->build.profile;
    struct text key;
    if (!json_in_object(j))
        return;
    while (json_in_key(j, &key)) {
        enum json_kind kind = json_in_peek(j);
        if (text_equal(key, "startTime") && kind == JSON_NUMBER)
            *start_ms = json_in_f64(j);
        else if (text_equal(key, "product") && kind == JSON_STRING)
            builder_set_text(&r->build, &p->runtime, json_in_string(j));
        else if (text_equal(key, "importedFrom") && kind == JSON_STRING)
            builder_set_text(&r->build, &p->producer, json_in_string(j));
        else
            json_in_skip(j);
    }
}

/* ---- threads ---- */

struct thread {
    struct firefox_marks marks;
    const uint8_t *samples;
    uint32_t name, process_name;
    uint64_t pid, tid;
};

static uint64_t read_number_or_text(struct json_in *j)
{
    uint64_t value = 0;
    if (json_in_peek(j) == JSON_STRING)
        text_u64(json_in_string(j), &value);
    else if (json_in_peek(j) == JSON_NUMBER)
        value = (uint64_t)json_in_i64(j);
    else
        json_in_skip(j);
    return value;
}

static void read_thread_parts(struct reader *r, struct thread *t)
{
    struct json_in *j = &r->json;
    struct text key;
    *t = (struct thread){0};
    if (!json_in_object(j))
        return;
    while (json_in_key(j, &key)) {
        enum json_kind kind = json_in_peek(j);
        if (firefox_marks_take(&t->marks, j, key))
            continue;
        if (text_equal(key, "samples") && kind == JSON_OBJECT)
            t->samples = json_in_mark(j);
        else if (text_equal(key, "name") && kind == JSON_STRING)
            t->name = builder_string(&r->build, json_in_string(j));
        else if (text_equal(key, "processName") && kind == JSON_STRING)
            t->process_name = builder_string(&r->build, json_in_string(j));
        else if (text_equal(key, "pid"))
            t->pid = read_number_or_text(j);
        else if (text_equal(key, "tid"))
            t->tid = read_number_or_text(j);
        else
            json_in_skip(j);
    }
}

enum { COLUMN_STACK, COLUMN_TIME, COLUMN_DELTAS, COLUMN_WEIGHT, COLUMNS };

/* samples.weightType stands beside the columns. */
static void read_weight_type(struct reader *r, const uint8_t *samples, char *unit, size_t size)
{
    struct json_in *j = &r->json;
    struct text key;
    const char *found = "count";
    json_in_return(j, samples);
    if (!json_in_object(j))
        return;
    while (json_in_key(j, &key)) {
        if (!text_equal(key, "weightType") || json_in_peek(j) != JSON_STRING) {
            json_in_mark(j);
            continue;
        }
        struct text type = json_in_string(j);
        found = text_equal(type, "bytes") ? "bytes" : text_equal(type, "tracing-ms") ? "ns" : found;
    }
    size_t n = strlen(found);
    memcpy(unit, found, n < size ? n + 1 : size);
}

static void add_samples(struct reader *r, const struct firefox_tables *tables,
                        const struct json_column *c, uint32_t thread, double offset_ms,
                        bool is_time)
{
    struct json_in *j = &r->json;
    double now_ms = 0;
    size_t rows =
        c[COLUMN_STACK].len > c[COLUMN_TIME].len ? c[COLUMN_STACK].len : c[COLUMN_TIME].len;
    for (size_t i = 0; i < rows && !json_in_status(j); i++) {
        uint32_t stack = 0;
        struct profile_sample sample = {.thread = thread};
        if (json_column_index(&c[COLUMN_STACK], i, tables->stacks_len, j, &stack))
            sample.stack = tables->stacks[stack];
        double at_ms = json_column_at(&c[COLUMN_TIME], i);
        double delta_ms = json_column_at(&c[COLUMN_DELTAS], i);
        now_ms = isfinite(at_ms) ? at_ms : now_ms + (isfinite(delta_ms) ? delta_ms : 0);
        double at_ns = (now_ms + offset_ms) * 1e6;
        if (!(at_ns > -9e18 && at_ns < 9e18)) {
            json_in_fail(j, STATUS_INVALID, "a time that cannot be");
            return;
        }
        sample.time_ns = at_ns < 0 ? 0 : (uint64_t)llround(at_ns);
        r->min_ns = at_ns < r->min_ns ? (double)sample.time_ns : r->min_ns;
        double weight = json_column_at(&c[COLUMN_WEIGHT], i);
        weight = isfinite(weight) ? weight * (is_time ? 1e6 : 1) : 1;
        if (!(weight > -9e18 && weight < 9e18)) {
            json_in_fail(j, STATUS_INVALID, "a weight that cannot be");
            return;
        }
        int64_t value = llround(weight);
        sample.values = &value;
        builder_sample(&r->build, r->set, &sample);
    }
}

static void read_samples(struct reader *r, const struct thread *t,
                         const struct firefox_tables *tables, double offset_ms)
{
    struct json_column columns[COLUMNS] = {
        [COLUMN_STACK] = {.name = "stack"},
        [COLUMN_TIME] = {.name = "time"},
        [COLUMN_DELTAS] = {.name = "timeDeltas"},
        [COLUMN_WEIGHT] = {.name = "weight"},
    };
    char unit[8] = "count";
    read_weight_type(r, t->samples, unit, sizeof(unit));
    if (!r->has_set) {
        r->set = builder_set(&r->build, "samples", "samples", unit);
        memcpy(r->unit, unit, sizeof(unit));
        r->has_set = true;
    } else if (strcmp(unit, r->unit) != 0) {
        json_in_fail(&r->json, STATUS_UNSUPPORTED, "threads whose weights have different units");
    }
    json_in_return(&r->json, t->samples);
    json_table_read(&r->json, columns, COLUMNS);
    struct text no_name = {"", 0};
    uint32_t process = builder_process(
        &r->build, t->pid, t->process_name ? builder_text(&r->build, t->process_name) : no_name);
    uint32_t thread = builder_thread(&r->build, process, t->tid, builder_text(&r->build, t->name));
    if (!json_in_status(&r->json))
        add_samples(r, tables, columns, thread, offset_ms, strcmp(unit, "ns") == 0);
    json_table_free(columns, COLUMNS);
}

static void read_thread(struct reader *r, double offset_ms)
{
    struct thread t;
    read_thread_parts(r, &t);
    const uint8_t *behind = r->json.at;
    r->threads++;
    if (!t.samples || json_in_status(&r->json))
        return;
    struct firefox_tables own = {0};
    const struct firefox_tables *tables = &r->shared;
    if (firefox_marks_any(&t.marks)) {
        firefox_tables_read(&own, &t.marks, &r->shared, &r->build);
        tables = &own;
    }
    if (!json_in_status(&r->json))
        read_samples(r, &t, tables, offset_ms);
    firefox_tables_deinit(&own);
    if (!json_in_status(&r->json))
        json_in_return(&r->json, behind);
}

/* ---- a profile, and the processes in it ---- */

static void read_shared(struct reader *r, const uint8_t *mark)
{
    struct json_in *j = &r->json;
    struct firefox_marks marks = {0};
    struct text key;
    json_in_return(j, mark);
    if (!json_in_object(j))
        return;
    while (json_in_key(j, &key)) {
        if (!firefox_marks_take(&marks, j, key))
            json_in_skip(j);
    }
    if (!json_in_status(j))
        firefox_tables_read(&r->shared, &marks, NULL, &r->build);
}

static void read_profile(struct reader *r);

static void read_threads(struct reader *r, const uint8_t *mark, double later_ms)
{
    struct json_in *j = &r->json;
    json_in_return(j, mark);
    if (!json_in_array(j))
        return;
    while (json_in_item(j)) {
        if (json_in_peek(j) == JSON_OBJECT)
            read_thread(r, later_ms);
        else if (json_in_peek(j) == JSON_STRING)
            json_in_skip(j); /* a nested profile as text: Firefox of before 2017 */
        else
            json_in_fail(j, STATUS_INVALID, "a thread that is not an object");
    }
}

static void read_processes(struct reader *r, const uint8_t *mark)
{
    struct json_in *j = &r->json;
    json_in_return(j, mark);
    if (!json_in_array(j))
        return;
    while (json_in_item(j)) {
        if (json_in_peek(j) != JSON_OBJECT) {
            json_in_skip(j);
        } else if (r->nested >= MAX_NESTED) {
            json_in_fail(j, STATUS_TOO_LARGE, "processes inside processes");
        } else {
            r->nested++;
            read_profile(r);
            r->nested--;
        }
    }
}

static void read_profile(struct reader *r)
{
    struct json_in *j = &r->json;
    struct parts parts;
    read_parts(j, &parts);
    const uint8_t *behind = j->at;
    if (json_in_status(j))
        return;
    if (parts.profile && !parts.threads) {
        json_in_return(j, parts.profile);
        if (r->nested++ >= MAX_NESTED)
            json_in_fail(j, STATUS_TOO_LARGE, "profiles inside profiles");
        else
            read_profile(r);
        j->at = behind;
        return;
    }
    if (!parts.threads) {
        json_in_fail(j, STATUS_INVALID, "no threads");
        return;
    }
    double start_ms = r->start_ms;
    if (parts.meta) {
        json_in_return(j, parts.meta);
        read_meta(r, &start_ms);
    }
    if (r->threads == 0)
        r->start_ms = start_ms;
    if (parts.shared)
        read_shared(r, parts.shared);
    read_threads(r, parts.threads, start_ms - r->start_ms);
    if (parts.processes && !json_in_status(j))
        read_processes(r, parts.processes);
    if (!json_in_status(j))
        json_in_return(j, behind);
}

/* Session time begins with the first sample. */
static void shift_times(struct reader *r)
{
    struct profile *p = r->build.profile;
    if (!r->has_set || !isfinite(r->min_ns))
        return;
    struct sample_set *set = &p->sets[r->set];
    uint64_t base_ns = (uint64_t)r->min_ns;
    for (size_t i = 0; set->time_ns && i < set->len; i++)
        set->time_ns[i] -= base_ns;
    double start_ns = r->start_ms * 1e6 + r->min_ns;
    if (r->start_ms > 0 && start_ns < 1.8e19)
        p->start_unix_ns = (uint64_t)start_ns;
}

static enum status firefox_read(const struct format_input *in, const struct format_options *options,
                                struct profile *out, struct error *err)
{
    (void)options;
    struct reader r = {0};
    builder_begin(&r.build, &r.json, in, out, err);
    r.min_ns = INFINITY;
    read_profile(&r);
    if (!json_in_status(&r.json))
        json_in_finish(&r.json);
    if (!json_in_status(&r.json))
        shift_times(&r);
    firefox_tables_deinit(&r.shared);
    return builder_end(&r.build);
}

static int firefox_detect(const struct json_head *h)
{
    if (h->top != JSON_OBJECT)
        return 0;
    if (json_head_holds(h, "\"preprocessedProfileVersion\""))
        return 95;
    bool is_gecko =
        json_head_kind(h, "meta") == JSON_OBJECT &&
        (json_head_kind(h, "threads") == JSON_ARRAY || json_head_kind(h, "libs") == JSON_ARRAY);
    if (is_gecko)
        return 85;
    bool is_recording = json_head_kind(h, "label") != JSON_NOTHING &&
                        json_head_kind(h, "duration") == JSON_NUMBER &&
                        json_head_kind(h, "markers") == JSON_ARRAY;
    return is_recording ? 80 : 0;
}

const struct format format_firefox = {
    .name = "firefox",
    .title = "Firefox Profiler",
    .extensions = "json",
    .detect_json = firefox_detect,
    .read = firefox_read,
};
