/* Everything a profile holds as one JSON object, tables first: docs/formats.md describes it. Only
 * written; heliograph's own files and the store use the wire protocol. */

#include "backend/formats/format.h"
#include "common/base/json_out.h"

struct writer {
    const struct profile *p;
    struct json_out json;
};

static void put_key(struct writer *w, const char *key)
{
    json_out_key(&w->json, key);
}

static void put_string(struct writer *w, const char *key, uint32_t string)
{
    put_key(w, key);
    json_out_string(&w->json, strtab_text(&w->p->tables.strings, string),
                    strtab_len(&w->p->tables.strings, string));
}

static void put_u64(struct writer *w, const char *key, uint64_t value)
{
    put_key(w, key);
    json_out_u64(&w->json, value);
}

static void put_f64(struct writer *w, const char *key, double value)
{
    put_key(w, key);
    json_out_f64(&w->json, value);
}

static void begin_array(struct writer *w, const char *key)
{
    put_key(w, key);
    json_out_array(&w->json);
}

static void begin_object(struct writer *w, const char *key)
{
    put_key(w, key);
    json_out_object(&w->json);
}

static void end(struct writer *w)
{
    json_out_end(&w->json);
}

/* One column of a table of structs: put_column(w, "name", rows, len, field). */
#define put_column(w, key, rows, len, field)                                                       \
    do {                                                                                           \
        begin_array((w), (key));                                                                   \
        for (size_t column_i = 0; column_i < (len); column_i++)                                    \
            json_out_u64(&(w)->json, (rows)[column_i].field);                                      \
        end(w);                                                                                    \
    } while (0)

static void put_head(struct writer *w)
{
    const struct profile *p = w->p;
    put_string(w, "name", p->name);
    put_string(w, "source_format", p->format);
    put_string(w, "producer", p->producer);
    put_string(w, "host", p->host);
    put_string(w, "runtime", p->runtime);
    put_string(w, "mode", p->mode);
    put_u64(w, "pid", p->pid);
    put_u64(w, "start_unix_ns", p->start_unix_ns);
    put_u64(w, "duration_ns", p->duration_ns);
    put_f64(w, "rate_hz", p->rate_hz);
    begin_array(w, "argv");
    for (size_t i = 0; i < p->argv_len; i++)
        json_out_string(&w->json, strtab_text(&p->tables.strings, p->argv[i]),
                        strtab_len(&p->tables.strings, p->argv[i]));
    end(w);
    begin_array(w, "tags");
    for (size_t i = 0; i < p->tags_len; i++) {
        json_out_object(&w->json);
        put_string(w, "key", p->tags[i].key);
        put_string(w, "value", p->tags[i].value);
        end(w);
    }
    end(w);
}

static void put_tables(struct writer *w)
{
    const struct tables *t = &w->p->tables;
    begin_array(w, "strings");
    for (size_t i = 0; i < t->strings.len; i++)
        json_out_string(&w->json, strtab_text(&t->strings, (uint32_t)i),
                        strtab_len(&t->strings, (uint32_t)i));
    end(w);
    begin_object(w, "functions");
    put_column(w, "name", t->functions, t->functions_len, name);
    put_column(w, "file", t->functions, t->functions_len, file);
    put_column(w, "line", t->functions, t->functions_len, line);
    put_column(w, "module", t->functions, t->functions_len, module);
    put_column(w, "kind", t->functions, t->functions_len, kind);
    end(w);
    begin_object(w, "frames");
    put_column(w, "function", t->frames, t->frames_len, function);
    put_column(w, "line", t->frames, t->frames_len, line);
    put_column(w, "column", t->frames, t->frames_len, column);
    put_column(w, "end_line", t->frames, t->frames_len, end_line);
    put_column(w, "end_column", t->frames, t->frames_len, end_column);
    end(w);
    begin_object(w, "stacks");
    put_column(w, "parent", t->stacks, t->stacks_len, parent);
    put_column(w, "frame", t->stacks, t->stacks_len, frame);
    end(w);
    begin_object(w, "processes");
    put_column(w, "pid", t->processes, t->processes_len, pid);
    put_column(w, "parent_pid", t->processes, t->processes_len, parent_pid);
    put_column(w, "command", t->processes, t->processes_len, command);
    put_column(w, "runtime", t->processes, t->processes_len, runtime);
    put_column(w, "start_ns", t->processes, t->processes_len, start_ns);
    put_column(w, "end_ns", t->processes, t->processes_len, end_ns);
    end(w);
    begin_object(w, "threads");
    put_column(w, "process", t->threads, t->threads_len, process);
    put_column(w, "tid", t->threads, t->threads_len, tid);
    put_column(w, "name", t->threads, t->threads_len, name);
    end(w);
}

static void put_labels(struct writer *w)
{
    const struct tables *t = &w->p->tables;
    begin_array(w, "label_sets");
    for (size_t i = 0; i < t->label_sets_len; i++) {
        const struct model_label_set *set = &t->label_sets[i];
        json_out_array(&w->json);
        for (uint32_t k = 0; k < set->len; k++) {
            const struct model_label *label = &t->labels[set->first + k];
            json_out_object(&w->json);
            put_u64(w, "key", label->key);
            put_u64(w, "value", label->value);
            put_u64(w, "unit", label->unit);
            end(w);
        }
        end(w);
    }
    end(w);
}

static void put_u32_column(struct writer *w, const char *key, const uint32_t *column, size_t len)
{
    if (!column)
        return; /* 0 in every row */
    begin_array(w, key);
    for (size_t i = 0; i < len; i++)
        json_out_u64(&w->json, column[i]);
    end(w);
}

static void put_values(struct writer *w, const struct sample_set *s)
{
    begin_array(w, "values");
    for (size_t type = 0; type < s->values_len; type++) {
        json_out_object(&w->json);
        put_string(w, "name", s->types[type].name);
        put_string(w, "unit", s->types[type].unit);
        if (s->values[type].value) {
            begin_array(w, "value");
            for (size_t i = 0; i < s->len; i++)
                json_out_i64(&w->json, s->values[type].value[i]);
            end(w);
        } else {
            put_key(w, "constant");
            json_out_i64(&w->json, s->values[type].constant);
        }
        end(w);
    }
    end(w);
}

static void put_sets(struct writer *w)
{
    begin_array(w, "samples");
    for (size_t i = 0; i < w->p->sets_len; i++) {
        const struct sample_set *s = &w->p->sets[i];
        json_out_object(&w->json);
        put_string(w, "name", s->name);
        put_u64(w, "period", s->period);
        put_u64(w, "len", s->len);
        if (s->has_time && s->time_ns) {
            begin_array(w, "time_ns");
            for (size_t k = 0; k < s->len; k++)
                json_out_u64(&w->json, s->time_ns[k]);
            end(w);
        }
        put_u32_column(w, "thread", s->thread, s->len);
        put_u32_column(w, "stack", s->stack, s->len);
        put_u32_column(w, "label_set", s->label_set, s->len);
        if (s->state) {
            begin_array(w, "state");
            for (size_t k = 0; k < s->len; k++)
                json_out_u64(&w->json, s->state[k]);
            end(w);
        }
        put_values(w, s);
        end(w);
    }
    end(w);
}

static void put_series(struct writer *w)
{
    begin_array(w, "series");
    for (size_t i = 0; i < w->p->series_len; i++) {
        const struct series *s = &w->p->series[i];
        json_out_object(&w->json);
        put_string(w, "name", s->name);
        put_string(w, "unit", s->unit);
        if (s->has_process)
            put_u64(w, "process", s->process);
        begin_array(w, "time_ns");
        for (size_t k = 0; k < s->len; k++)
            json_out_u64(&w->json, s->time_ns[k]);
        end(w);
        begin_array(w, "value");
        for (size_t k = 0; k < s->len; k++)
            json_out_f64(&w->json, s->value[k]);
        end(w);
        end(w);
    }
    end(w);
    begin_array(w, "spans");
    for (size_t i = 0; i < w->p->spans_len; i++) {
        const struct model_span *s = &w->p->spans[i];
        json_out_object(&w->json);
        put_string(w, "name", s->name);
        put_u64(w, "begin_ns", s->begin_ns);
        put_u64(w, "end_ns", s->end_ns);
        put_u64(w, "process", s->process);
        put_u64(w, "thread", s->thread);
        put_u64(w, "level", s->level);
        put_f64(w, "begin_value", s->begin_value);
        put_f64(w, "end_value", s->end_value);
        end(w);
    }
    end(w);
}

static void put_graph(struct writer *w)
{
    const struct call_graph *g = &w->p->call_graph;
    if (g->rows_len == 0)
        return;
    begin_object(w, "call_graph");
    put_string(w, "unit", g->unit);
    begin_array(w, "rows");
    for (size_t i = 0; i < g->rows_len; i++) {
        json_out_object(&w->json);
        put_u64(w, "function", g->rows[i].function);
        put_u64(w, "calls", g->rows[i].calls);
        put_u64(w, "primitive_calls", g->rows[i].primitive_calls);
        put_f64(w, "self", g->rows[i].self);
        put_f64(w, "total", g->rows[i].total);
        end(w);
    }
    end(w);
    begin_array(w, "edges");
    for (size_t i = 0; i < g->edges_len; i++) {
        json_out_object(&w->json);
        put_u64(w, "caller", g->edges[i].caller);
        put_u64(w, "callee", g->edges[i].callee);
        put_u64(w, "calls", g->edges[i].calls);
        put_u64(w, "primitive_calls", g->edges[i].primitive_calls);
        put_f64(w, "self", g->edges[i].self);
        put_f64(w, "total", g->edges[i].total);
        end(w);
    }
    end(w);
    end(w);
}

static void put_lines(struct writer *w)
{
    begin_array(w, "lines");
    for (size_t i = 0; i < w->p->lines_len; i++) {
        const struct line_row *row = &w->p->lines[i];
        json_out_object(&w->json);
        put_u64(w, "function", row->function);
        put_u64(w, "line", row->line);
        put_u64(w, "hits", row->hits);
        put_f64(w, "time_s", row->time_s); /* null = not known */
        put_f64(w, "memory_bytes", row->memory_bytes);
        put_f64(w, "increment_bytes", row->increment_bytes);
        end(w);
    }
    end(w);
    begin_array(w, "sources");
    for (size_t i = 0; i < w->p->sources_len; i++) {
        json_out_object(&w->json);
        put_string(w, "file", w->p->sources[i].file);
        put_u64(w, "text", w->p->sources[i].text);
        end(w);
    }
    end(w);
}

static void put_benchmarks(struct writer *w)
{
    begin_array(w, "benchmarks");
    for (size_t i = 0; i < w->p->benchmarks_len; i++) {
        const struct model_benchmark *b = &w->p->benchmarks[i];
        json_out_object(&w->json);
        put_string(w, "name", b->name);
        put_string(w, "group", b->group);
        put_f64(w, "mean_s", b->mean_s);
        put_f64(w, "median_s", b->median_s);
        put_f64(w, "stddev_s", b->stddev_s);
        put_f64(w, "min_s", b->min_s);
        put_f64(w, "max_s", b->max_s);
        put_u64(w, "rounds", b->rounds);
        put_u64(w, "iterations", b->iterations);
        begin_array(w, "data_s");
        for (size_t k = 0; k < b->data_len; k++)
            json_out_f64(&w->json, b->data_s[k]);
        end(w);
        end(w);
    }
    end(w);
}

static void put_notes(struct writer *w)
{
    begin_array(w, "notices");
    for (size_t i = 0; i < w->p->notices_len; i++) {
        json_out_object(&w->json);
        put_u64(w, "severity", w->p->notices[i].severity);
        put_string(w, "code", w->p->notices[i].code);
        put_string(w, "text", w->p->notices[i].text);
        put_u64(w, "time_ns", w->p->notices[i].time_ns);
        end(w);
    }
    end(w);
    begin_array(w, "counters");
    for (size_t i = 0; i < w->p->counters_len; i++) {
        json_out_object(&w->json);
        put_string(w, "name", w->p->counters[i].name);
        put_u64(w, "value", w->p->counters[i].value);
        end(w);
    }
    end(w);
}

static enum status json_write(const struct profile *p, struct buf *out, struct buf *lost,
                              struct error *err)
{
    (void)lost; /* it holds everything */
    struct writer w = {.p = p};
    json_out_init(&w.json, out);
    json_out_object(&w.json);
    put_key(&w, "format");
    json_out_text(&w.json, "heliograph-json");
    put_u64(&w, "version", 1);
    put_head(&w);
    put_tables(&w);
    put_labels(&w);
    put_sets(&w);
    put_series(&w);
    put_graph(&w);
    put_lines(&w);
    put_benchmarks(&w);
    put_notes(&w);
    json_out_end(&w.json);
    enum status st = buf_status(out);
    return st == STATUS_OK ? st : error_set(err, st, "no memory for the JSON");
}

const struct format format_json = {
    .name = "json",
    .title = "JSON of everything",
    .extensions = "json",
    .write = json_write,
};
