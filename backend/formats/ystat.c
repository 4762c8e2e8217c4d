/* yappi's own .ystat: a pickle of (YFuncStats, clock type). YFuncStats is a list of YFuncStat,
 * which are dicts with small integer keys; a function's children (YChildFuncStats of
 * YChildFuncStat) name it by index. Source: yappi 1.6.10, yappi/yappi.py. */

#include <stdlib.h>

#include "backend/formats/fill.h"
#include "backend/formats/format.h"
#include "backend/formats/pickle.h"
#include "common/base/map.h"

enum { CLASS_FUNCTIONS = 1, CLASS_FUNCTION, CLASS_CHILDREN, CLASS_CHILD };

static const struct pickle_class classes[] = {
    {"yappi YFuncStats", CLASS_FUNCTIONS},
    {"yappi YFuncStat", CLASS_FUNCTION},
    {"yappi YChildFuncStats", CLASS_CHILDREN},
    {"yappi YChildFuncStat", CLASS_CHILD},
    {"yappi.yappi YFuncStats", CLASS_FUNCTIONS},
    {"yappi.yappi YFuncStat", CLASS_FUNCTION},
    {"yappi.yappi YChildFuncStats", CLASS_CHILDREN},
    {"yappi.yappi YChildFuncStat", CLASS_CHILD},
    {NULL, 0},
};

enum function_key {
    KEY_NAME,
    KEY_MODULE,
    KEY_LINE,
    KEY_CALLS,
    KEY_PRIMITIVE_CALLS,
    KEY_BUILTIN,
    KEY_TOTAL,
    KEY_SELF,
    KEY_INDEX,
    KEY_CHILDREN,
};

enum child_key { CHILD_INDEX, CHILD_CALLS, CHILD_PRIMITIVE_CALLS, CHILD_TOTAL, CHILD_SELF };

struct ystat {
    struct fill fill;
    struct values values;
    struct map row_of; /* yappi's index -> row */
    size_t edges, lost_edges, len;
};

static enum status wrong(struct ystat *r, size_t at, const char *what)
{
    if (r->fill.failed == STATUS_OK)
        r->fill.failed = error_set(r->fill.err, STATUS_INVALID, "function %zu: %s", at, what);
    return r->fill.failed;
}

static const struct value *dict_of(const struct ystat *r, const struct value *object)
{
    return object->kind == VALUE_OBJECT ? values_item(&r->values, object, PICKLE_DICT) : NULL;
}

/* The i-th function or child of a collection. They are in the dict `_as_dict`, as keys; a list
 * subclass that still holds them itself says the same. */
static size_t member_count(const struct ystat *r, const struct value *object)
{
    const struct value *dict =
        pickle_find(&r->values, pickle_state(&r->values, object), "_as_dict");
    if (dict && dict->kind == VALUE_DICT)
        return dict->len / 2;
    return values_item(&r->values, object, PICKLE_LIST)->len;
}

static const struct value *member(const struct ystat *r, const struct value *object, size_t i)
{
    const struct value *dict =
        pickle_find(&r->values, pickle_state(&r->values, object), "_as_dict");
    if (dict && dict->kind == VALUE_DICT)
        return values_item(&r->values, dict, 2 * i);
    return values_item(&r->values, values_item(&r->values, object, PICKLE_LIST), i);
}

static bool take_count(const struct ystat *r, const struct value *dict, int64_t key, uint64_t *out)
{
    const struct value *value = pickle_find_int(&r->values, dict, key);
    int64_t number;
    if (!value || !value_i64(value, &number) || number < 0)
        return false;
    *out = (uint64_t)number;
    return true;
}

static bool take_time(const struct ystat *r, const struct value *dict, int64_t key, double *out)
{
    const struct value *value = pickle_find_int(&r->values, dict, key);
    return value && value_f64(value, out);
}

static enum status read_function(struct ystat *r, size_t at, const struct value *object)
{
    const struct value *dict = dict_of(r, object);
    const struct value *name = pickle_find_int(&r->values, dict, KEY_NAME);
    const struct value *module = pickle_find_int(&r->values, dict, KEY_MODULE);
    const struct value *builtin = pickle_find_int(&r->values, dict, KEY_BUILTIN);
    uint64_t line = 0;
    uint64_t index;
    struct call_row row = {0};
    if (pickle_class_of(&r->values, object) != CLASS_FUNCTION || !name || !value_is_text(name) ||
        !module || !value_is_text(module))
        return wrong(r, at, "should be a YFuncStat with a name and a module");
    if (!take_count(r, dict, KEY_CALLS, &row.calls) ||
        !take_count(r, dict, KEY_PRIMITIVE_CALLS, &row.primitive_calls) ||
        !take_time(r, dict, KEY_TOTAL, &row.total) || !take_time(r, dict, KEY_SELF, &row.self) ||
        !take_count(r, dict, KEY_INDEX, &index))
        return wrong(r, at, "its calls, times or index are missing or no numbers");
    take_count(r, dict, KEY_LINE, &line);
    struct fill_function f = {.name = {name->data, name->len},
                              .file = {module->data, module->len},
                              .line = line <= UINT32_MAX ? (uint32_t)line : 0};
    if (builtin && builtin->kind == VALUE_BOOL && builtin->integer)
        f.kind = WIRE_BUILTIN;
    row.function = fill_function(&r->fill, &f);
    uint32_t number = 0;
    if (r->fill.failed == STATUS_OK)
        fill_check(&r->fill, profile_add_call_row(r->fill.profile, &row, &number));
    if (r->fill.failed == STATUS_OK && !map_put(&r->row_of, index, number))
        fill_check(&r->fill, STATUS_NO_MEMORY);
    return r->fill.failed;
}

static enum status read_child(struct ystat *r, size_t at, uint32_t caller,
                              const struct value *object)
{
    const struct value *dict = dict_of(r, object);
    struct call_edge edge = {.caller = caller};
    uint64_t index;
    if (pickle_class_of(&r->values, object) != CLASS_CHILD ||
        !take_count(r, dict, CHILD_INDEX, &index) ||
        !take_count(r, dict, CHILD_CALLS, &edge.calls) ||
        !take_count(r, dict, CHILD_PRIMITIVE_CALLS, &edge.primitive_calls) ||
        !take_time(r, dict, CHILD_TOTAL, &edge.total) ||
        !take_time(r, dict, CHILD_SELF, &edge.self))
        return wrong(r, at, "a child should be a YChildFuncStat with index, calls and times");
    if (++r->edges > r->len)
        return error_set(r->fill.err, STATUS_TOO_LARGE,
                         "function %zu: more children than the file has bytes", at);
    const uint32_t *callee = map_find(&r->row_of, index);
    if (!callee) {
        r->lost_edges++;
        return STATUS_OK;
    }
    edge.callee = *callee;
    fill_check(&r->fill, profile_add_call_edge(r->fill.profile, &edge));
    return r->fill.failed;
}

static enum status read_children(struct ystat *r, size_t at, const struct value *object)
{
    const struct value *children = pickle_find_int(&r->values, dict_of(r, object), KEY_CHILDREN);
    if (!children || pickle_class_of(&r->values, children) != CLASS_CHILDREN)
        return STATUS_OK;
    size_t len = member_count(r, children);
    enum status st = STATUS_OK;
    for (size_t i = 0; st == STATUS_OK && i < len; i++)
        st = read_child(r, at, (uint32_t)(at - 1), member(r, children, i));
    return st;
}

static enum status read_root(struct ystat *r, const struct value *root)
{
    const struct value *stats = root;
    if (root->kind == VALUE_TUPLE && root->len >= 1)
        stats = values_item(&r->values, root, 0);
    if (pickle_class_of(&r->values, stats) != CLASS_FUNCTIONS)
        return error_set(r->fill.err, STATUS_INVALID, "should be YFuncStats, is %s",
                         value_kind_name(stats));
    size_t len = member_count(r, stats);
    enum status st = STATUS_OK;
    for (size_t i = 0; st == STATUS_OK && i < len; i++)
        st = read_function(r, i + 1, member(r, stats, i));
    for (size_t i = 0; st == STATUS_OK && i < len; i++)
        st = read_children(r, i + 1, member(r, stats, i));
    struct profile *p = r->fill.profile;
    fill_field(&r->fill, &p->producer, text_of("yappi"));
    fill_field(&r->fill, &p->call_graph.unit, text_of("s"));
    const struct value *clock = values_item(&r->values, root, 1);
    if (root->kind == VALUE_TUPLE && root->len == 2 && value_is_text(clock))
        fill_field(&r->fill, &p->mode, (struct text){clock->data, clock->len});
    if (st == STATUS_OK && r->lost_edges)
        st = profile_add_warning(p, "unknown_callees",
                                 "%zu children name functions that are not there", r->lost_edges);
    return st == STATUS_OK ? r->fill.failed : st;
}

static enum status read_ystat(const struct format_input *in, const struct format_options *options,
                              struct profile *out, struct error *err)
{
    (void)options;
    struct ystat r = {.fill = {.profile = out, .err = err}, .len = in->len};
    uint32_t root;
    map_init(&r.row_of);
    enum status st = values_init(&r.values, in->len);
    if (st != STATUS_OK)
        return error_set(err, st, "no memory for the values");
    st = pickle_read(&r.values, in->data, in->len, classes, &root, err);
    if (st == STATUS_OK)
        st = read_root(&r, values_get(&r.values, root));
    values_deinit(&r.values);
    map_deinit(&r.row_of);
    return st;
}

static int detect_ystat(const uint8_t *head, size_t len, bool is_whole_file)
{
    (void)is_whole_file;
    return pickle_detect(head, len, classes);
}

const struct format format_ystat = {
    .name = "yappi-ystat",
    .title = "yappi",
    .extensions = "ystat",
    .detect = detect_ystat,
    .read = read_ystat,
};
