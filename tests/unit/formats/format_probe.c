/* Reads a profile and prints what the model then holds, as JSON for tests/integration/
 * conformance.py: every number of every frame, where the report keeps to a readable few.
 *   format_probe FILE                     exit 0, or 2 with one line on stderr
 *   format_probe FILE --to FORMAT OUT     also writes the profile */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/formats/format.h"
#include "common/base/json_out.h"

static const struct profile *profile;
static struct json_out json;

static void key_string(const char *key, uint32_t string)
{
    json_out_key(&json, key);
    json_out_string(&json, strtab_text(&profile->tables.strings, string),
                    strtab_len(&profile->tables.strings, string));
}

static void key_u64(const char *key, uint64_t value)
{
    json_out_key(&json, key);
    json_out_u64(&json, value);
}

static void key_f64(const char *key, double value)
{
    json_out_key(&json, key);
    json_out_f64(&json, value);
}

static void begin_array(const char *key)
{
    json_out_key(&json, key);
    json_out_array(&json);
}

/* 64 bits of mantissa: sums of int64 stay exact well past overflow. */
struct sums {
    long double *self, *total;
    size_t *hits;
};

static void print_sum(long double value)
{
    if (value >= -9e18L && value <= 9e18L)
        json_out_i64(&json, (int64_t)value);
    else
        json_out_f64(&json, (double)value);
}

static int64_t value_at(const struct sample_set *set, size_t type, size_t row)
{
    return set->values[type].value ? set->values[type].value[row] : set->values[type].constant;
}

/* Frames that differ in their column only are one here: a recursion may hold both. */
static uint32_t *frames_by_line(const struct tables *t)
{
    uint32_t *same = calloc(t->frames_len, sizeof(*same));
    struct map seen;
    map_init(&seen);
    if (!same)
        exit(3);
    for (uint32_t i = 0; i < t->frames_len; i++) {
        uint64_t key = map_pair(t->frames[i].function, t->frames[i].line);
        const uint32_t *first = map_find(&seen, key);
        same[i] = first ? *first : i;
        if (!first && !map_put(&seen, key, i))
            exit(3);
    }
    map_deinit(&seen);
    return same;
}

static void sum_frames(const struct sample_set *set, size_t type, struct sums *frames)
{
    const struct tables *t = &profile->tables;
    long double *by_stack = calloc(t->stacks_len, sizeof(*by_stack));
    size_t *hits = calloc(t->stacks_len, sizeof(*hits));
    uint32_t *seen = calloc(t->frames_len, sizeof(*seen));
    if (!by_stack || !hits || !seen)
        exit(3);
    uint32_t *same = frames_by_line(t);
    for (size_t i = 0; i < set->len; i++) {
        uint32_t stack = set->stack ? set->stack[i] : 0;
        by_stack[stack] += value_at(set, type, i);
        hits[stack]++;
    }
    for (uint32_t s = 1; s < t->stacks_len; s++) {
        if (!hits[s])
            continue;
        frames->self[same[t->stacks[s].frame]] += by_stack[s];
        frames->hits[same[t->stacks[s].frame]] += hits[s];
        for (uint32_t at = s; at; at = t->stacks[at].parent) {
            uint32_t frame = same[t->stacks[at].frame];
            if (seen[frame] != s)
                frames->total[frame] += by_stack[s];
            seen[frame] = s;
        }
    }
    free(by_stack);
    free(hits);
    free(seen);
    free(same);
}

static void print_frames(const struct sample_set *set, size_t type)
{
    const struct tables *t = &profile->tables;
    struct sums frames = {calloc(t->frames_len, sizeof(long double)),
                          calloc(t->frames_len, sizeof(long double)),
                          calloc(t->frames_len, sizeof(size_t))};
    if (!frames.self || !frames.total || !frames.hits)
        exit(3);
    sum_frames(set, type, &frames);
    begin_array("frames");
    for (size_t i = 0; i < t->frames_len; i++) {
        const struct wire_function *f = &t->functions[t->frames[i].function];
        json_out_array(&json);
        json_out_string(&json, strtab_text(&t->strings, f->name), strtab_len(&t->strings, f->name));
        json_out_string(&json, strtab_text(&t->strings, f->file), strtab_len(&t->strings, f->file));
        json_out_u64(&json, t->frames[i].line);
        print_sum(frames.self[i]);
        print_sum(frames.total[i]);
        json_out_u64(&json, frames.hits[i]);
        json_out_u64(&json, f->line);
        json_out_string(&json, strtab_text(&t->strings, f->module),
                        strtab_len(&t->strings, f->module));
        json_out_end(&json);
    }
    json_out_end(&json);
    free(frames.self);
    free(frames.total);
    free(frames.hits);
}

static void print_threads(const struct sample_set *set, size_t type)
{
    const struct tables *t = &profile->tables;
    begin_array("threads");
    long double *sum = calloc(t->threads_len + 1, sizeof(*sum));
    size_t *count = calloc(t->threads_len + 1, sizeof(*count));
    if (!sum || !count)
        exit(3);
    for (size_t i = 0; i < set->len; i++) {
        uint32_t thread = set->thread ? set->thread[i] : 0;
        sum[thread] += value_at(set, type, i);
        count[thread]++;
    }
    for (size_t i = 0; i < t->threads_len; i++) {
        json_out_object(&json);
        key_u64("pid", t->processes_len ? t->processes[t->threads[i].process].pid : 0);
        key_u64("tid", t->threads[i].tid);
        key_string("name", t->threads[i].name);
        key_u64("samples", count[i]);
        json_out_key(&json, "total");
        print_sum(sum[i]);
        json_out_end(&json);
    }
    free(sum);
    free(count);
    json_out_end(&json);
}

static void print_labels(const struct sample_set *set)
{
    const struct tables *t = &profile->tables;
    begin_array("label_sets");
    for (size_t i = 1; i < t->label_sets_len; i++) {
        size_t count = 0;
        for (size_t k = 0; set->label_set && k < set->len; k++)
            count += set->label_set[k] == i;
        json_out_object(&json);
        key_u64("samples", count);
        begin_array("labels");
        for (uint32_t k = 0; k < t->label_sets[i].len; k++) {
            const struct model_label *label = &t->labels[t->label_sets[i].first + k];
            json_out_array(&json);
            json_out_text(&json, strtab_text(&t->strings, label->key));
            json_out_string(&json, strtab_text(&t->strings, label->value),
                            strtab_len(&t->strings, label->value));
            json_out_end(&json);
        }
        json_out_end(&json);
        json_out_end(&json);
    }
    json_out_end(&json);
}

static void print_set(const struct sample_set *set)
{
    const struct tables *t = &profile->tables;
    json_out_object(&json);
    key_string("name", set->name);
    key_u64("samples", set->len);
    key_u64("period", set->period);
    uint32_t depth = 0;
    size_t empty = 0;
    for (size_t i = 0; i < set->len; i++) {
        uint32_t d = set->stack ? t->stack_depth[set->stack[i]] : 0;
        depth = d > depth ? d : depth;
        empty += d == 0;
    }
    key_u64("max_depth", depth);
    key_u64("empty", empty);
    if (set->has_time && set->len) {
        key_u64("first_ns", set->time_ns[0]);
        key_u64("last_ns", set->time_ns[set->len - 1]);
    }
    print_labels(set);
    begin_array("values");
    for (size_t type = 0; type < set->values_len; type++) {
        long double total = 0;
        for (size_t i = 0; i < set->len; i++)
            total += value_at(set, type, i);
        json_out_object(&json);
        key_string("name", set->types[type].name);
        key_string("unit", set->types[type].unit);
        json_out_key(&json, "total");
        print_sum(total);
        print_frames(set, type);
        print_threads(set, type);
        json_out_end(&json);
    }
    json_out_end(&json);
    json_out_end(&json);
}

static void print_function(uint32_t function)
{
    const struct wire_function *f = &profile->tables.functions[function];
    key_string("name", f->name);
    key_string("file", f->file);
    key_u64("line", f->line);
    if (f->module)
        key_string("module", f->module);
}

static void print_graph(const struct call_graph *g)
{
    json_out_key(&json, "graph");
    json_out_object(&json);
    key_string("unit", g->unit);
    begin_array("rows");
    for (size_t i = 0; i < g->rows_len; i++) {
        json_out_object(&json);
        print_function(g->rows[i].function);
        key_u64("ncalls", g->rows[i].calls);
        key_u64("primitive_calls", g->rows[i].primitive_calls);
        key_f64("self", g->rows[i].self);
        key_f64("total", g->rows[i].total);
        json_out_end(&json);
    }
    json_out_end(&json);
    begin_array("edges");
    for (size_t i = 0; i < g->edges_len; i++) {
        const struct call_edge *e = &g->edges[i];
        json_out_array(&json);
        json_out_u64(&json, e->caller);
        json_out_u64(&json, e->callee);
        json_out_u64(&json, e->calls);
        json_out_u64(&json, e->primitive_calls);
        json_out_f64(&json, e->self);
        json_out_f64(&json, e->total);
        json_out_end(&json);
    }
    json_out_end(&json);
    json_out_end(&json);
}

static void print_lines(void)
{
    begin_array("lines");
    for (size_t i = 0; i < profile->lines_len; i++) {
        const struct line_row *row = &profile->lines[i];
        json_out_object(&json);
        print_function(row->function);
        key_u64("at", row->line);
        key_u64("hits", row->hits);
        key_f64("time_s", row->time_s);
        key_f64("memory", row->memory_bytes);
        key_f64("increment", row->increment_bytes);
        json_out_end(&json);
    }
    json_out_end(&json);
}

static void print_series(void)
{
    begin_array("series");
    for (size_t i = 0; i < profile->series_len; i++) {
        const struct series *s = &profile->series[i];
        json_out_object(&json);
        key_string("name", s->name);
        key_string("unit", s->unit);
        if (s->has_process)
            key_u64("pid", profile->tables.processes[s->process].pid);
        begin_array("points");
        for (size_t k = 0; k < s->len; k++) {
            json_out_array(&json);
            json_out_u64(&json, s->time_ns[k]);
            json_out_f64(&json, s->value[k]);
            json_out_end(&json);
        }
        json_out_end(&json);
        json_out_end(&json);
    }
    json_out_end(&json);
    begin_array("spans");
    for (size_t i = 0; i < profile->spans_len; i++) {
        const struct model_span *s = &profile->spans[i];
        json_out_object(&json);
        key_string("name", s->name);
        key_u64("begin_ns", s->begin_ns);
        key_u64("end_ns", s->end_ns);
        key_u64("level", s->level);
        key_f64("begin_value", s->begin_value);
        key_f64("end_value", s->end_value);
        json_out_end(&json);
    }
    json_out_end(&json);
}

static void print_benchmarks(void)
{
    begin_array("benchmarks");
    for (size_t i = 0; i < profile->benchmarks_len; i++) {
        const struct model_benchmark *b = &profile->benchmarks[i];
        json_out_object(&json);
        key_string("name", b->name);
        key_string("group", b->group);
        key_f64("mean_s", b->mean_s);
        key_f64("median_s", b->median_s);
        key_f64("stddev_s", b->stddev_s);
        key_f64("min_s", b->min_s);
        key_f64("max_s", b->max_s);
        key_u64("rounds", b->rounds);
        key_u64("iterations", b->iterations);
        key_u64("data", b->data_len);
        json_out_end(&json);
    }
    json_out_end(&json);
}

static void print_head(void)
{
    key_string("format", profile->format);
    key_string("producer", profile->producer);
    key_string("mode", profile->mode);
    key_string("runtime", profile->runtime);
    key_u64("start_unix_ns", profile->start_unix_ns);
    key_u64("duration_ns", profile->duration_ns);
    key_u64("pid", profile->pid);
    begin_array("argv");
    for (size_t i = 0; i < profile->argv_len; i++)
        json_out_text(&json, strtab_text(&profile->tables.strings, profile->argv[i]));
    json_out_end(&json);
    json_out_key(&json, "tags");
    json_out_object(&json);
    for (size_t i = 0; i < profile->tags_len; i++)
        key_string(strtab_text(&profile->tables.strings, profile->tags[i].key),
                   profile->tags[i].value);
    json_out_end(&json);
    json_out_key(&json, "counters");
    json_out_object(&json);
    for (size_t i = 0; i < profile->counters_len; i++)
        key_u64(strtab_text(&profile->tables.strings, profile->counters[i].name),
                profile->counters[i].value);
    json_out_end(&json);
    begin_array("warnings");
    for (size_t i = 0; i < profile->notices_len; i++)
        json_out_text(&json, strtab_text(&profile->tables.strings, profile->notices[i].text));
    json_out_end(&json);
    key_u64("sources", profile->sources_len);
    key_u64("processes", profile->tables.processes_len);
    key_u64("size_bytes", profile_size(profile));
}

static int print_profile(void)
{
    struct buf out;
    buf_init(&out, 0);
    json_out_init(&json, &out);
    json_out_object(&json);
    print_head();
    begin_array("sets");
    for (size_t i = 0; i < profile->sets_len; i++)
        print_set(&profile->sets[i]);
    json_out_end(&json);
    print_graph(&profile->call_graph);
    print_lines();
    print_series();
    print_benchmarks();
    json_out_end(&json);
    int rc = fwrite(out.data, 1, out.len, stdout) == out.len ? 0 : 3;
    buf_deinit(&out);
    return rc;
}

static int write_as(const char *format_name, const char *path)
{
    const struct format *format = format_by_name(format_name);
    if (!format || !format->write)
        return 3;
    struct buf out;
    struct buf lost;
    struct error err = {0};
    buf_init(&out, 0);
    buf_init(&lost, 0);
    int rc = 3;
    if (format->write(profile, &out, &lost, &err) == STATUS_OK) {
        FILE *file = fopen(path, "wb");
        if (file) {
            rc = fwrite(out.data, 1, out.len, file) == out.len ? 0 : 3;
            rc = fclose(file) == 0 ? rc : 3;
        }
        fprintf(stderr, "%.*s", (int)lost.len, lost.data ? (const char *)lost.data : "");
    } else {
        fprintf(stderr, "%s\n", err.text);
    }
    buf_deinit(&out);
    buf_deinit(&lost);
    return rc;
}

int main(int argc, char **argv)
{
    if (argc != 2 && !(argc == 5 && strcmp(argv[2], "--to") == 0) &&
        !(argc == 3 && strcmp(argv[2], "--quiet") == 0)) {
        fputs("usage: format_probe FILE [--quiet | --to FORMAT OUT]\n", stderr);
        return 2;
    }
    struct profile *loaded = NULL;
    struct error err = {0};
    enum status st = format_load_path(argv[1], NULL, &loaded, &err);
    if (st != STATUS_OK) {
        fprintf(stderr, "%s: %s\n", status_name(st), err.text);
        return status_exit_code(st);
    }
    profile = loaded;
    int rc = argc == 5 ? write_as(argv[3], argv[4]) : argc == 3 ? 0 : print_profile();
    profile_free(loaded);
    return rc;
}
