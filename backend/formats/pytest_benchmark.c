/* pytest-benchmark's JSON (github.com/ionelmc/pytest-benchmark, 2.5 to 5.x): results of benchmarks,
 * of one machine and commit. */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "backend/formats/builder.h"
#include "backend/formats/format.h"
#include "backend/formats/json_head.h"
#include "backend/formats/json_in.h"
#include "common/base/array.h"

struct reader {
    struct json_in json;
    struct builder build;
    double *data;
    size_t data_len, data_cap;
    size_t profiled; /* benchmarks with a cProfile table */
    bool has_benchmarks;
};

static void read_data(struct reader *r)
{
    struct json_in *j = &r->json;
    r->data_len = 0;
    if (!json_in_array(j))
        return;
    while (json_in_item(j)) {
        double value = json_in_f64(j);
        if (!array_reserve(&r->data, &r->data_cap, r->data_len + 1)) {
            json_in_check(j, STATUS_NO_MEMORY);
            return;
        }
        r->data[r->data_len++] = value;
    }
}

static uint64_t read_count(struct json_in *j)
{
    int64_t value = json_in_i64(j);
    if (value < 0)
        json_in_fail(j, STATUS_INVALID, "a negative count");
    return (uint64_t)value;
}

static void read_stats(struct reader *r, struct model_benchmark *b)
{
    struct json_in *j = &r->json;
    struct text key;
    bool has_mean = false;
    if (!json_in_object(j))
        return;
    while (json_in_key(j, &key)) {
        if (text_equal(key, "mean")) {
            b->mean_s = json_in_f64(j);
            has_mean = true;
        } else if (text_equal(key, "median")) {
            b->median_s = json_in_f64(j);
        } else if (text_equal(key, "stddev")) {
            b->stddev_s = json_in_f64(j);
        } else if (text_equal(key, "min")) {
            b->min_s = json_in_f64(j);
        } else if (text_equal(key, "max")) {
            b->max_s = json_in_f64(j);
        } else if (text_equal(key, "rounds")) {
            b->rounds = read_count(j);
        } else if (text_equal(key, "iterations")) {
            b->iterations = read_count(j);
        } else if (text_equal(key, "data") && json_in_peek(j) == JSON_ARRAY) {
            read_data(r);
        } else {
            json_in_skip(j);
        }
    }
    if (!has_mean)
        json_in_fail(j, STATUS_INVALID, "stats without a mean");
}

static void read_benchmark(struct reader *r)
{
    struct json_in *j = &r->json;
    struct text key;
    struct model_benchmark b = {0};
    bool has_name = false;
    bool has_stats = false;
    r->data_len = 0;
    if (!json_in_object(j))
        return;
    while (json_in_key(j, &key)) {
        if (text_equal(key, "fullname") || (text_equal(key, "name") && !has_name)) {
            has_name = text_equal(key, "fullname");
            b.name = builder_string(&r->build, json_in_string(j));
        } else if (text_equal(key, "group") && json_in_peek(j) == JSON_STRING) {
            b.group = builder_string(&r->build, json_in_string(j));
        } else if (text_equal(key, "stats")) {
            has_stats = true;
            read_stats(r, &b);
        } else {
            r->profiled += text_equal(key, "cprofile") && json_in_peek(j) == JSON_ARRAY;
            json_in_skip(j);
        }
    }
    if (!b.name)
        json_in_fail(j, STATUS_INVALID, "a benchmark without a name");
    if (!has_stats)
        json_in_fail(j, STATUS_INVALID, "a benchmark without stats");
    if (!json_in_status(j))
        builder_check(&r->build, profile_add_benchmark(r->build.profile, &b, r->data, r->data_len));
}

/* "2026-11-22T18:16:36.783901+00:00": whole seconds are enough to order runs. */
static void read_datetime(struct reader *r)
{
    struct text t = json_in_string(&r->json);
    char text[20];
    struct tm tm = {0};
    if (t.len < 19)
        return;
    memcpy(text, t.data, 19);
    text[19] = 0;
    if (!strptime(text, "%Y-%m-%dT%H:%M:%S", &tm))
        return;
    time_t at = timegm(&tm);
    if (at > 0)
        r->build.profile->start_unix_ns = (uint64_t)at * 1000000000U;
}

static void tag(struct reader *r, const char *key)
{
    builder_tag(&r->build, (struct text){key, strlen(key)}, json_in_string(&r->json));
}

static void read_commit(struct reader *r)
{
    struct json_in *j = &r->json;
    struct text key;
    if (!json_in_object(j))
        return;
    while (json_in_key(j, &key)) {
        enum json_kind kind = json_in_peek(j);
        if (text_equal(key, "id") && kind == JSON_STRING) {
            tag(r, "commit");
        } else if (text_equal(key, "branch") && kind == JSON_STRING) {
            tag(r, "branch");
        } else if (text_equal(key, "project") && kind == JSON_STRING) {
            tag(r, "project");
        } else if (text_equal(key, "dirty") && kind == JSON_BOOL) {
            if (json_in_bool(j))
                builder_tag(&r->build, (struct text){"dirty", 5}, (struct text){"true", 4});
        } else {
            json_in_skip(j);
        }
    }
}

static void read_machine(struct reader *r)
{
    struct json_in *j = &r->json;
    struct profile *p = r->build.profile;
    struct text key;
    char runtime[128] = "";
    size_t n = 0;
    if (!json_in_object(j))
        return;
    while (json_in_key(j, &key)) {
        enum json_kind kind = json_in_peek(j);
        if (text_equal(key, "node") && kind == JSON_STRING) {
            builder_set_text(&r->build, &p->host, json_in_string(j));
        } else if (text_equal(key, "machine") && kind == JSON_STRING) {
            tag(r, "machine");
        } else if (text_equal(key, "system") && kind == JSON_STRING) {
            tag(r, "system");
        } else if ((text_equal(key, "python_implementation") ||
                    text_equal(key, "python_version")) &&
                   kind == JSON_STRING) {
            struct text word = json_in_string(j);
            int len = word.len < 60 ? (int)word.len : 60;
            n += (size_t)snprintf(runtime + n, sizeof(runtime) - n, n ? " %.*s" : "%.*s", len,
                                  word.data);
            n = n < sizeof(runtime) ? n : sizeof(runtime) - 1;
        } else {
            json_in_skip(j);
        }
    }
    builder_set_text(&r->build, &p->runtime, (struct text){runtime, n});
}

static void read_top(struct reader *r)
{
    struct json_in *j = &r->json;
    struct text key;
    if (!json_in_object(j))
        return;
    while (json_in_key(j, &key)) {
        enum json_kind kind = json_in_peek(j);
        if (text_equal(key, "benchmarks")) {
            r->has_benchmarks = true;
            if (!json_in_array(j))
                return;
            while (json_in_item(j))
                read_benchmark(r);
        } else if (text_equal(key, "datetime") && kind == JSON_STRING) {
            read_datetime(r);
        } else if (text_equal(key, "commit_info") && kind == JSON_OBJECT) {
            read_commit(r);
        } else if (text_equal(key, "machine_info") && kind == JSON_OBJECT) {
            read_machine(r);
        } else if (text_equal(key, "version") && kind == JSON_STRING) {
            char producer[64];
            struct text version = json_in_string(j);
            int n = snprintf(producer, sizeof(producer), "pytest-benchmark %.*s",
                             (int)(version.len < 40 ? version.len : 40), version.data);
            builder_set_text(&r->build, &r->build.profile->producer,
                             (struct text){producer, (size_t)n});
        } else {
            json_in_skip(j);
        }
    }
    json_in_finish(j);
    if (!r->has_benchmarks)
        json_in_fail(j, STATUS_INVALID, "no benchmarks");
    if (r->profiled)
        builder_check(&r->build,
                      profile_add_warning(r->build.profile, "left_out",
                                          "the cProfile tables of %zu benchmarks are left out",
                                          r->profiled));
}

static enum status pytest_benchmark_read(const struct format_input *in,
                                         const struct format_options *options, struct profile *out,
                                         struct error *err)
{
    (void)options;
    struct reader r = {0};
    builder_begin(&r.build, &r.json, in, out, err);
    read_top(&r);
    free(r.data);
    return builder_end(&r.build);
}

static int pytest_benchmark_detect(const struct json_head *h)
{
    bool is_it = json_head_kind(h, "machine_info") == JSON_OBJECT ||
                 (json_head_kind(h, "benchmarks") == JSON_ARRAY &&
                  json_head_kind(h, "commit_info") != JSON_NOTHING);
    return is_it ? 90 : 0;
}

const struct format format_pytest_benchmark = {
    .name = "pytest-benchmark",
    .title = "pytest-benchmark",
    .extensions = "json",
    .detect_json = pytest_benchmark_detect,
    .read = pytest_benchmark_read,
};
