#include "backend/query/about.h"

#include <stdlib.h>

#include "backend/query/stats.h"
#include "backend/query/values.h"
#include "common/base/json_out.h"

static const char *text_of(const struct profile *p, uint32_t string)
{
    return strtab_text(&p->tables.strings, string);
}

static void put_string(struct json_out *j, const char *key, const struct profile *p, uint32_t id)
{
    json_put_string(j, key, text_of(p, id), strtab_len(&p->tables.strings, id));
}

static uint64_t samples_of(const struct profile *p, const struct query_value *v)
{
    return v->source == QUERY_SAMPLES      ? p->sets[v->set].len
           : v->source == QUERY_CALL_GRAPH ? p->call_graph.rows_len
                                           : p->lines_len;
}

static enum status put_values(struct json_out *j, const struct profile *p)
{
    struct query_values values;
    enum status st = query_values_list(p, &values);
    if (st != STATUS_OK)
        return st;
    json_out_key(j, "values");
    json_out_array(j);
    for (size_t i = 0; i < values.len; i++) {
        const struct query_value *v = &values.items[i];
        json_out_object(j);
        json_put_text(j, "key", v->key);
        json_put_text(j, "set", v->set_name);
        json_put_text(j, "name", v->name);
        json_put_text(j, "unit", v->unit);
        json_put_f64(j, "total", query_value_total(p, v));
        json_put_u64(j, "samples", samples_of(p, v));
        json_put_bool(j, "default", i == 0);
        json_put_bool(j, "estimated", v->source == QUERY_CALL_GRAPH);
        json_out_end(j);
    }
    json_out_end(j);
    query_values_free(&values);
    return STATUS_OK;
}

static void put_processes(struct json_out *j, const struct profile *p)
{
    json_out_key(j, "processes");
    json_out_array(j);
    for (size_t i = 0; i < p->tables.processes_len; i++) {
        const struct model_process *m = &p->tables.processes[i];
        json_out_object(j);
        json_put_u64(j, "index", i);
        json_put_u64(j, "pid", m->pid);
        json_put_u64(j, "parent_pid", m->parent_pid);
        put_string(j, "command", p, m->command);
        put_string(j, "runtime", p, m->runtime);
        json_put_f64(j, "start_s", (double)m->start_ns / 1e9);
        json_out_key(j, "end_s");
        if (m->end_ns)
            json_out_f64(j, (double)m->end_ns / 1e9);
        else
            json_out_null(j);
        json_out_end(j);
    }
    json_out_end(j);
}

static enum status put_threads(struct json_out *j, const struct profile *p)
{
    size_t n = p->tables.threads_len;
    uint64_t *samples = calloc(n ? n : 1, sizeof(*samples));
    if (!samples)
        return STATUS_NO_MEMORY;
    /* Of the first set, which is the default. */
    const struct sample_set *set = p->sets_len ? &p->sets[0] : NULL;
    for (size_t i = 0; set && n && i < set->len; i++) {
        uint32_t thread = set->thread ? set->thread[i] : 0;
        if (thread < n)
            samples[thread]++;
    }
    json_out_key(j, "threads");
    json_out_array(j);
    for (size_t i = 0; i < n; i++) {
        const struct model_thread *t = &p->tables.threads[i];
        json_out_object(j);
        json_put_u64(j, "index", i);
        json_put_u64(j, "process", t->process);
        json_put_u64(j, "tid", t->tid);
        put_string(j, "name", p, t->name);
        json_put_u64(j, "samples", samples[i]);
        json_out_end(j);
    }
    json_out_end(j);
    free(samples);
    return STATUS_OK;
}

static void put_counters(struct json_out *j, const struct profile *p)
{
    json_out_key(j, "counters");
    json_out_object(j);
    for (size_t i = 0; i < p->counters_len; i++)
        json_put_u64(j, text_of(p, p->counters[i].name), p->counters[i].value);
    json_out_end(j);
}

static void put_notices(struct json_out *j, const struct profile *p)
{
    json_out_key(j, "notices");
    json_out_array(j);
    for (size_t i = 0; i < p->notices_len; i++) {
        json_out_object(j);
        json_put_u64(j, "severity", p->notices[i].severity);
        put_string(j, "code", p, p->notices[i].code);
        put_string(j, "text", p, p->notices[i].text);
        json_put_f64(j, "time_s", (double)p->notices[i].time_ns / 1e9);
        json_out_end(j);
    }
    json_out_end(j);
}

static void put_head(struct json_out *j, const struct about *a, const struct profile *p)
{
    json_put_text(j, "id", a->id);
    json_put_text(j, "name", a->name);
    json_put_text(j, "state", a->state);
    json_put_u64(j, "rev", a->revision);
    put_string(j, "format", p, p->format);
    put_string(j, "producer", p, p->producer);
    put_string(j, "mode", p, p->mode);
    put_string(j, "host", p, p->host);
    json_put_u64(j, "pid", p->pid);
    json_out_key(j, "argv");
    json_out_array(j);
    for (size_t i = 0; i < p->argv_len; i++)
        json_out_string(j, text_of(p, p->argv[i]), strtab_len(&p->tables.strings, p->argv[i]));
    json_out_end(j);
    put_string(j, "runtime", p, p->runtime);
    json_put_u64(j, "created_unix_ms", a->created_unix_ms);
    json_put_u64(j, "start_unix_ms", p->start_unix_ns / 1000000);
    json_put_f64(j, "duration_s", (double)p->duration_ns / 1e9);
    json_put_f64(j, "rate_hz", p->rate_hz);
    const char *shapes[6];
    size_t n = stats_shapes(p, shapes);
    json_out_key(j, "shapes");
    json_out_array(j);
    for (size_t i = 0; i < n; i++)
        json_out_text(j, shapes[i]);
    json_out_end(j);
}

static void put_tags(struct json_out *j, const struct about *a, const struct profile *p)
{
    json_out_key(j, "tags");
    if (a->tags) {
        buf_put_text(j->out, *a->tags ? a->tags : "{}");
        j->after_key = false;
        return;
    }
    json_out_object(j);
    for (size_t i = 0; i < p->tags_len; i++)
        put_string(j, text_of(p, p->tags[i].key), p, p->tags[i].value);
    json_out_end(j);
}

enum status about_write_json(const struct about *a, const struct profile *p, struct buf *out)
{
    struct json_out j;
    json_out_init(&j, out);
    json_out_object(&j);
    put_head(&j, a, p);
    json_put_string(&j, "summary", a->summary ? a->summary : "", a->summary_len);
    enum status st = put_values(&j, p);
    put_processes(&j, p);
    if (st == STATUS_OK)
        st = put_threads(&j, p);
    put_counters(&j, p);
    put_notices(&j, p);
    put_tags(&j, a, p);
    json_out_end(&j);
    return st == STATUS_OK ? buf_status(out) : st;
}
