/* cProfile's and profile's dumps: marshal of {(file, line, name): (cc, nc, tt, ct, callers)}.
 * cc primitive calls, nc all calls, tt own and ct cumulative seconds; callers {key: (nc, cc, tt,
 * ct)}, the counts the other way round, or just a count (profile.Profile, Tachyon).
 * Sources: CPython Modules/_lsprof.c, Lib/pstats.py (v3.13.0), yappi (1.6.10), pyinstrument
 * (5.1.2) and profiling.sampling (3.15.0rc1). */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backend/formats/format.h"
#include "backend/formats/marshal.h"
#include "backend/formats/pstats_write.h"
#include "backend/formats/text.h"
#include "common/base/array.h"

enum { NO_ROW = UINT32_MAX };

struct pstats {
    struct values values;
    struct profile *out;
    struct error *err;
    size_t len;       /* of the file */
    uint32_t *row_of; /* function -> row */
    size_t row_of_len, row_of_cap;
    uint32_t *key_function; /* value id of a key tuple -> function + 1, as keys are shared */
    bool is_sampled;
    size_t negative_counts, big_counts, edges, lost_edges, counts_only;
    double total_s;
};

static enum status wrong(const struct pstats *r, size_t row, const char *what,
                         const struct value *is)
{
    return error_set(r->err, STATUS_INVALID, "row %zu: %s, here is %s", row, what,
                     value_kind_name(is));
}

static enum status refused(const struct pstats *r, enum status st)
{
    return error_set(r->err, st, "the profile is too large to hold (%s)", status_name(st));
}

/* Python 2's names are bytes of any encoding: what is no UTF-8 is taken for latin-1. */
static enum status add_name(struct tables *t, const struct value *name, uint32_t *id)
{
    struct text text = {name->data, name->len};
    if (name->kind != VALUE_BYTES || text_is_utf8(text))
        return tables_string(t, name->data, name->len, id);
    struct buf utf8;
    buf_init(&utf8, 0);
    text_put_latin1(&utf8, text);
    enum status st = buf_status(&utf8);
    if (st == STATUS_OK)
        st = tables_string(t, (const char *)utf8.data, utf8.len, id);
    buf_deinit(&utf8);
    return st;
}

static enum status add_function(struct pstats *r, const struct value *key, uint32_t *function)
{
    struct tables *t = &r->out->tables;
    const struct value *file = values_item(&r->values, key, 0);
    const struct value *name = values_item(&r->values, key, 2);
    int64_t line = 0;
    value_i64(values_item(&r->values, key, 1), &line); /* is_key() has seen that it is one */
    struct wire_function f = {.line = line > 0 && line <= UINT32_MAX ? (uint32_t)line : 0};
    if (file->len == 1 && file->data[0] == '~' && line == 0)
        f.kind = WIRE_BUILTIN;
    enum status st = add_name(t, file, &f.file);
    if (st == STATUS_OK)
        st = add_name(t, name, &f.name);
    if (st == STATUS_OK)
        st = tables_function(t, &f, function);
    return st == STATUS_OK ? st : refused(r, st);
}

static bool is_key(const struct pstats *r, const struct value *key)
{
    int64_t line;
    return key->kind == VALUE_TUPLE && key->len == 3 &&
           value_is_text(values_item(&r->values, key, 0)) &&
           value_i64(values_item(&r->values, key, 1), &line) &&
           value_is_text(values_item(&r->values, key, 2));
}

static enum status function_of(struct pstats *r, uint32_t key_id, size_t row, uint32_t *function)
{
    if (r->key_function[key_id]) {
        *function = r->key_function[key_id] - 1;
        return STATUS_OK;
    }
    const struct value *key = values_get(&r->values, key_id);
    if (!is_key(r, key))
        return wrong(r, row, "a function should be (file, line, name)", key);
    enum status st = add_function(r, key, function);
    if (st == STATUS_OK)
        r->key_function[key_id] = *function + 1;
    return st;
}

/* pyinstrument writes -1 for "not known"; Python's integers have no end, ours have. */
static bool take_count(struct pstats *r, const struct value *v, uint64_t *count)
{
    if (v->kind == VALUE_BIG && v->number > 0) {
        r->big_counts += v->number >= 0x1p64;
        *count = v->number >= 0x1p64 ? UINT64_MAX : (uint64_t)v->number;
        return true;
    }
    int64_t n;
    if (!value_i64(v, &n))
        return false;
    r->negative_counts += n < 0;
    *count = n < 0 ? 0 : (uint64_t)n;
    return true;
}

static enum status set_row(struct pstats *r, const struct call_row *row)
{
    struct call_graph *graph = &r->out->call_graph;
    size_t known = r->row_of_len;
    if (row->function >= known) {
        if (!array_reserve(&r->row_of, &r->row_of_cap, (size_t)row->function + 1))
            return refused(r, STATUS_NO_MEMORY);
        r->row_of_len = (size_t)row->function + 1;
        for (size_t i = known; i < r->row_of_len; i++)
            r->row_of[i] = NO_ROW;
    }
    uint32_t at = r->row_of[row->function];
    if (at == NO_ROW) {
        enum status st = profile_add_call_row(r->out, row, &r->row_of[row->function]);
        return st == STATUS_OK ? st : refused(r, st);
    }
    /* Keys that differ only in what we do not keep (a negative line) are one function. */
    struct call_row *old = &graph->rows[at];
    if (__builtin_add_overflow(old->calls, row->calls, &old->calls) ||
        __builtin_add_overflow(old->primitive_calls, row->primitive_calls, &old->primitive_calls))
        return error_set(r->err, STATUS_TOO_LARGE, "the call counts of one function overflow");
    old->self += row->self;
    old->total += row->total;
    return STATUS_OK;
}

static enum status read_row(struct pstats *r, size_t at, uint32_t key_id, const struct value *value)
{
    struct call_row row = {0};
    enum status st = function_of(r, key_id, at, &row.function);
    if (st != STATUS_OK)
        return st;
    if (!value_is_sequence(value) || value->len != 5)
        return wrong(r, at, "a row should be (calls, all calls, own time, total time, callers)",
                     value);
    const struct value *item[5];
    for (size_t i = 0; i < 5; i++)
        item[i] = values_item(&r->values, value, i);
    if (!take_count(r, item[0], &row.primitive_calls))
        return wrong(r, at, "primitive calls should be a count", item[0]);
    if (!take_count(r, item[1], &row.calls))
        return wrong(r, at, "calls should be a count", item[1]);
    if (!value_f64(item[2], &row.self))
        return wrong(r, at, "own time should be a finite number", item[2]);
    if (!value_f64(item[3], &row.total))
        return wrong(r, at, "total time should be a finite number", item[3]);
    if (item[4]->kind != VALUE_DICT)
        return wrong(r, at, "callers should be a dict", item[4]);
    r->total_s += row.self;
    return set_row(r, &row);
}

static bool edge_values(struct pstats *r, const struct value *value, struct call_edge *edge)
{
    if (value->kind == VALUE_INT || value->kind == VALUE_BOOL) {
        r->counts_only++;
        edge->self = NAN; /* not known */
        edge->total = NAN;
        bool is_count = take_count(r, value, &edge->calls);
        edge->primitive_calls = edge->calls;
        return is_count;
    }
    return value_is_sequence(value) && value->len == 4 &&
           take_count(r, values_item(&r->values, value, 0), &edge->calls) &&
           take_count(r, values_item(&r->values, value, 1), &edge->primitive_calls) &&
           value_f64(values_item(&r->values, value, 2), &edge->self) &&
           value_f64(values_item(&r->values, value, 3), &edge->total);
}

static enum status read_edge(struct pstats *r, size_t row, uint32_t callee, uint32_t key_id,
                             const struct value *value)
{
    /* Rows may share one callers dict: without this bound a small file makes billions of edges. */
    if (++r->edges > r->len)
        return error_set(r->err, STATUS_TOO_LARGE, "row %zu: more callers than the file has bytes",
                         row);
    struct call_edge edge = {.callee = callee};
    uint32_t caller;
    enum status st = function_of(r, key_id, row, &caller);
    if (st != STATUS_OK)
        return st;
    if (!edge_values(r, value, &edge))
        return wrong(r, row, "a caller's value should be a count or (calls, ..., total time)",
                     value);
    if (caller >= r->row_of_len || r->row_of[caller] == NO_ROW) {
        r->lost_edges++;
        return STATUS_OK;
    }
    edge.caller = r->row_of[caller];
    st = profile_add_call_edge(r->out, &edge);
    return st == STATUS_OK ? st : refused(r, st);
}

static enum status read_callers(struct pstats *r, size_t row, uint32_t key_id,
                                const struct value *value)
{
    uint32_t function;
    enum status st = function_of(r, key_id, row, &function);
    const struct value *callers = values_item(&r->values, value, 4);
    for (size_t i = 0; st == STATUS_OK && i + 1 < callers->len; i += 2)
        st = read_edge(r, row, r->row_of[function], callers->items[i],
                       values_item(&r->values, callers, i + 1));
    return st;
}

/* Tachyon marks its dumps with ("__sampled__",): True. */
static bool is_sampled_mark(const struct pstats *r, const struct value *key)
{
    if (key->kind != VALUE_TUPLE || key->len != 1)
        return false;
    const struct value *text = values_item(&r->values, key, 0);
    return value_is_text(text) && text->len == 11 && memcmp(text->data, "__sampled__", 11) == 0;
}

static enum status read_rows(struct pstats *r, const struct value *root)
{
    enum status st = STATUS_OK;
    for (size_t i = 0; st == STATUS_OK && i + 1 < root->len; i += 2) {
        if (is_sampled_mark(r, values_item(&r->values, root, i)))
            r->is_sampled = true;
        else
            st = read_row(r, i / 2 + 1, root->items[i], values_item(&r->values, root, i + 1));
    }
    /* Callers may be named before their own row: edges come when all rows are there. */
    for (size_t i = 0; st == STATUS_OK && i + 1 < root->len; i += 2) {
        if (!is_sampled_mark(r, values_item(&r->values, root, i)))
            st = read_callers(r, i / 2 + 1, root->items[i], values_item(&r->values, root, i + 1));
    }
    return st;
}

static enum status add_warnings(struct pstats *r, size_t trailing)
{
    struct profile *p = r->out;
    enum status st = STATUS_OK;
    if (p->call_graph.rows_len == 0)
        st = profile_add_warning(p, "empty",
                                 "the file holds no functions: the profiler was never "
                                 "enabled, or nothing ran");
    if (st == STATUS_OK && r->negative_counts)
        st = profile_add_warning(p, "no_counts",
                                 "the file does not know how often functions were called");
    if (st == STATUS_OK && r->big_counts)
        st = profile_add_warning(p, "big_counts",
                                 "%zu call counts of 2**64 or more are shown as "
                                 "2**64 - 1",
                                 r->big_counts);
    if (st == STATUS_OK && r->counts_only && !r->is_sampled)
        st = profile_add_warning(p, "no_edge_times",
                                 "the file knows how often callers called, but not for how long");
    if (st == STATUS_OK && r->lost_edges)
        st = profile_add_warning(p, "unknown_callers",
                                 "%zu callers have no row of their own and are left out",
                                 r->lost_edges);
    if (st == STATUS_OK && trailing)
        st = profile_add_warning(p, "trailing", "%zu bytes behind the profile were not read",
                                 trailing);
    return st;
}

static enum status describe(struct pstats *r)
{
    struct profile *p = r->out;
    const char *producer = r->is_sampled ? "profiling.sampling" : "cProfile";
    enum status st = profile_set_text(p, &p->producer, producer, strlen(producer));
    if (st == STATUS_OK)
        st = profile_set_text(p, &p->call_graph.unit, "s", 1);
    if (st != STATUS_OK)
        return refused(r, st);
    if (r->total_s > 0 && r->total_s < 1e9)
        p->duration_ns = (uint64_t)(r->total_s * 1e9);
    return STATUS_OK;
}

static enum status read_values(struct pstats *r, const struct format_input *in)
{
    uint32_t root_id;
    size_t used;
    enum status st = marshal_read(&r->values, in->data, in->len, &root_id, &used, r->err);
    if (st != STATUS_OK)
        return st;
    const struct value *root = values_get(&r->values, root_id);
    if (root->kind != VALUE_DICT)
        return error_set(r->err, STATUS_INVALID, "a profile is a dict, this file holds %s",
                         value_kind_name(root));
    r->key_function = calloc(r->values.len, sizeof(*r->key_function));
    if (!r->key_function)
        return refused(r, STATUS_NO_MEMORY);
    st = read_rows(r, root);
    if (st == STATUS_OK)
        st = describe(r);
    return st == STATUS_OK ? add_warnings(r, in->len - used) : st;
}

static enum status read_pstats(const struct format_input *in, const struct format_options *options,
                               struct profile *out, struct error *err)
{
    (void)options;
    struct pstats r = {.out = out, .err = err, .len = in->len};
    enum status st = values_init(&r.values, in->len);
    if (st != STATUS_OK)
        return refused(&r, st);
    st = read_values(&r, in);
    values_deinit(&r.values);
    free(r.row_of);
    free(r.key_function);
    return st;
}

/* A dict, then a tuple of three with text in front; a marshal file has no magic number. */
static int detect_pstats(const uint8_t *head, size_t len, bool is_whole_file)
{
    if (len < 2 || (head[0] & 0x7f) != '{')
        return 0;
    if (head[1] == '0')
        return is_whole_file && len <= 3 ? 90 : 0;
    uint8_t code = head[1] & 0x7f;
    if (code == '(' && len >= 7 && (head[2] == 3 || head[2] == 1) && !head[3] && !head[4] &&
        !head[5])
        return memchr("stuaAzZR", head[6] & 0x7f, 8) ? 90 : 40;
    if (code == ')' && len >= 4 && (head[2] == 3 || head[2] == 1))
        return memchr("stuaAzZr", head[3] & 0x7f, 8) ? 90 : 40;
    /* Not a profile, but marshal: better refused by what it is than as unknown. */
    return head[1] != ' ' && head[1] != '"' && head[1] != '\n' && head[1] != '\r' &&
                   head[1] != '\t' && strchr("N(){[izZust", code) && (head[1] & 0x80)
               ? 20
               : 0;
}

const struct format format_pstats = {
    .name = "pstats",
    .title = "cProfile / pstats",
    .extensions = "prof pstats pstat out",
    .detect = detect_pstats,
    .read = read_pstats,
    .write = pstats_write,
};
