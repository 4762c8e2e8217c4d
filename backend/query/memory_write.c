#include <stdio.h>

#include "backend/query/leaks.h"
#include "backend/query/memory.h"
#include "backend/query/memory_parts.h"
#include "backend/query/names.h"
#include "common/base/json_out.h"

enum { CALLERS = 3 }; /* functions above the place that are told with it */

static bool is_told(const struct memory *m, int measure)
{
    switch (measure) {
    case MEMORY_BASE:
    case MEMORY_GROWN:
        return m->options.has_base;
    case MEMORY_TEMPORARY:
        return m->has_temporary;
    default:
        return true;
    }
}

static void key(struct json_out *j, int measure, const char *suffix)
{
    char text[48];
    snprintf(text, sizeof(text), "%s%s", memory_measure_name((enum memory_measure)measure), suffix);
    json_out_key(j, text);
}

static void write_totals(struct json_out *j, const struct memory *m)
{
    json_out_key(j, "totals");
    json_out_object(j);
    for (int k = 0; k < MEMORY_MEASURES; k++) {
        if (!is_told(m, k))
            continue;
        key(j, k, "");
        json_out_i64(j, m->total[k].bytes);
        if (m->has_counts) {
            key(j, k, "_count");
            json_out_i64(j, m->total[k].count);
        }
        if (m->every_bytes) {
            key(j, k, "_error");
            json_out_f64(j, memory_standard_error(m->total[k], m->every_bytes));
        }
    }
    json_out_end(j);
}

static void write_measure(struct json_out *j, const struct memory *m, int measure)
{
    key(j, measure, "");
    json_out_array(j);
    for (size_t i = 0; i < m->len; i++)
        json_out_i64(j, m->rows[i].of[measure].bytes);
    json_out_end(j);
    if (m->has_counts) {
        key(j, measure, "_count");
        json_out_array(j);
        for (size_t i = 0; i < m->len; i++)
            json_out_i64(j, m->rows[i].of[measure].count);
        json_out_end(j);
    }
    if (m->every_bytes) {
        key(j, measure, "_error");
        json_out_array(j);
        for (size_t i = 0; i < m->len; i++)
            json_out_f64(j, memory_standard_error(m->rows[i].of[measure], m->every_bytes));
        json_out_end(j);
    }
}

void memory_write_callers(struct json_out *j, const struct profile *p, uint32_t stack)
{
    json_out_array(j);
    uint32_t up = stack ? p->tables.stacks[stack].parent : 0;
    for (int i = 0; i < CALLERS && up; i++, up = p->tables.stacks[up].parent) {
        size_t len;
        const char *text =
            names_function(p, p->tables.frames[p->tables.stacks[up].frame].function, &len);
        json_out_string(j, text, len);
    }
    json_out_end(j);
}

static void write_texts(struct json_out *j, const struct memory *m, const struct profile *p)
{
    static const struct {
        const char *name;
        const char *(*text)(const struct profile *, uint32_t, size_t *);
    } columns[] = {{"name", names_function}, {"file", names_file}, {"module", names_module}};
    for (size_t c = 0; c < sizeof(columns) / sizeof(columns[0]); c++) {
        json_out_key(j, columns[c].name);
        json_out_array(j);
        for (size_t i = 0; i < m->len; i++) {
            size_t len;
            const char *text = columns[c].text(p, m->rows[i].function, &len);
            json_out_string(j, text, len);
        }
        json_out_end(j);
    }
}

static void write_columns(struct json_out *j, const struct memory *m, const struct profile *p)
{
    json_out_key(j, "columns");
    json_out_object(j);
    json_out_key(j, "id");
    json_out_array(j);
    for (size_t i = 0; i < m->len; i++)
        json_out_u64(j, m->rows[i].function);
    json_out_end(j);
    write_texts(j, m, p);
    json_out_key(j, "line");
    json_out_array(j);
    for (size_t i = 0; i < m->len; i++) {
        uint32_t f = m->rows[i].function;
        uint32_t first = f < p->tables.functions_len ? p->tables.functions[f].line : 0;
        json_out_u64(j, m->options.by == MEMORY_BY_FUNCTION ? first : m->rows[i].line);
    }
    json_out_end(j);
    json_out_key(j, "callers");
    json_out_array(j);
    for (size_t i = 0; i < m->len; i++)
        memory_write_callers(j, p, m->rows[i].stack);
    json_out_end(j);
    for (int k = 0; k < MEMORY_MEASURES; k++) {
        if (is_told(m, k))
            write_measure(j, m, k);
    }
    json_out_end(j);
}

enum status memory_write_json(const struct memory *m, const struct profile *p, uint64_t revision,
                              struct buf *out)
{
    static const char *const by[] = {"line", "function", "stack"};
    struct json_out j;
    json_out_init(&j, out);
    json_out_object(&j);
    json_put_u64(&j, "rev", revision);
    json_out_key(&j, "by");
    json_out_text(&j, by[m->options.by]);
    json_put_u64(&j, "every_bytes", m->every_bytes);
    json_out_key(&j, "base_s");
    if (m->options.has_base)
        json_out_f64(&j, (double)m->options.base_ns / 1e9);
    else
        json_out_null(&j);
    json_out_key(&j, "peak_s");
    if (m->peak_ns < UINT64_MAX - 1)
        json_out_f64(&j, (double)m->peak_ns / 1e9);
    else
        json_out_null(&j);
    write_totals(&j, m);
    json_put_u64(&j, "places", m->places);
    write_columns(&j, m, p);
    json_out_end(&j);
    return buf_status(out);
}

/* ---- leaks ---- */

static void number(struct json_out *j, const char *name, double value)
{
    json_put_f64(j, name, value);
}

static void write_leak(struct json_out *j, const struct leak *k, const struct profile *p,
                       size_t windows)
{
    json_out_object(j);
    json_put_u64(j, "id", k->function);
    names_members(j, p, k->function);
    json_out_key(j, "at_line");
    if (k->line)
        json_out_u64(j, k->line);
    else
        json_out_null(j);
    json_out_key(j, "callers");
    memory_write_callers(j, p, k->stack);
    number(j, "bytes_per_min", k->bytes_per_min);
    number(j, "grown_bytes", k->grown_bytes);
    number(j, "error_bytes", k->error_bytes);
    number(j, "confidence", k->confidence);
    json_put_u64(j, "rises", k->rises);
    json_put_u64(j, "steps", k->steps);
    json_out_key(j, "in_use");
    json_out_array(j);
    for (size_t i = 0; i < windows; i++)
        json_out_f64(j, k->in_use[i]);
    json_out_end(j);
    json_out_end(j);
}

void leaks_write(struct json_out *j, const struct leaks *l, const struct profile *p, size_t limit)
{
    json_out_object(j);
    number(j, "from_s", (double)l->from_ns / 1e9);
    number(j, "to_s", (double)l->to_ns / 1e9);
    json_put_u64(j, "windows", l->windows);
    json_put_bool(j, "too_short", l->is_too_short);
    json_put_u64(j, "found", l->len);
    json_out_key(j, "items");
    json_out_array(j);
    for (size_t i = 0; i < l->len && (limit == 0 || i < limit); i++)
        write_leak(j, &l->items[i], p, l->windows);
    json_out_end(j);
    json_out_end(j);
}
