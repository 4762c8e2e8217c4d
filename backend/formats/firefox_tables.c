#include "backend/formats/firefox_tables.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backend/formats/json_table.h"
#include "common/base/array.h"

bool firefox_marks_take(struct firefox_marks *m, struct json_in *j, struct text key)
{
    enum json_kind kind = json_in_peek(j);
    const uint8_t **to = NULL;
    if (text_equal(key, "stringArray") || text_equal(key, "stringTable"))
        to = kind == JSON_ARRAY ? &m->strings : NULL;
    else if (kind != JSON_OBJECT)
        return false;
    else if (text_equal(key, "sources"))
        to = &m->sources;
    else if (text_equal(key, "resourceTable"))
        to = &m->resources;
    else if (text_equal(key, "funcTable"))
        to = &m->functions;
    else if (text_equal(key, "frameTable"))
        to = &m->frames;
    else if (text_equal(key, "stackTable"))
        to = &m->stacks;
    if (!to)
        return false;
    *to = json_in_mark(j);
    return true;
}

bool firefox_marks_any(const struct firefox_marks *m)
{
    return m->strings || m->sources || m->resources || m->functions || m->frames || m->stacks;
}

void firefox_tables_deinit(struct firefox_tables *t)
{
    free(t->strings);
    free(t->files);
    free(t->modules);
    free(t->functions);
    free(t->frames);
    free(t->stacks);
}

/* What is read, and where what is not marked comes from. */
struct view {
    struct firefox_tables *own;
    const struct firefox_tables *shared;
    struct builder *build;
    struct json_in *json;
};

static uint32_t *reserve(struct view *v, uint32_t **items, size_t *cap, size_t len)
{
    if (!array_reserve(items, cap, len ? len : 1))
        json_in_check(v->json, STATUS_NO_MEMORY);
    return *items;
}

static void read_strings(struct view *v, const uint8_t *mark)
{
    struct firefox_tables *t = v->own;
    json_in_return(v->json, mark);
    if (!json_in_array(v->json))
        return;
    while (json_in_item(v->json)) {
        if (!reserve(v, &t->strings, &t->strings_cap, t->strings_len + 1))
            return;
        uint32_t id = json_in_null(v->json) ? 0 : builder_string(v->build, json_in_string(v->json));
        t->strings[t->strings_len++] = id;
    }
}

static uint32_t string_at(struct view *v, const struct json_column *c, size_t row)
{
    bool is_own = v->own->strings || !v->shared;
    const struct firefox_tables *t = is_own ? v->own : v->shared;
    uint32_t index;
    bool has_one = json_column_index(c, row, t->strings_len, v->json, &index) && t->strings;
    return has_one ? t->strings[index] : 0;
}

/* A table with one column of strings. */
static size_t read_names(struct view *v, const uint8_t *mark, const char *column, uint32_t **items,
                         size_t *cap)
{
    struct json_column c = {.name = column};
    size_t n = 0;
    json_in_return(v->json, mark);
    json_table_read(v->json, &c, 1);
    if (!json_in_status(v->json) && reserve(v, items, cap, c.len)) {
        for (; n < c.len; n++)
            (*items)[n] = string_at(v, &c, n);
    }
    json_table_free(&c, 1);
    return n;
}

static uint32_t number_at(const struct json_column *c, size_t row)
{
    double value = json_column_at(c, row);
    return value >= 0 && value <= UINT32_MAX ? (uint32_t)value : 0;
}

static void read_functions(struct view *v, const uint8_t *mark)
{
    enum { NAME, FILE_NAME, SOURCE, RESOURCE, LINE, LEN };
    struct json_column c[LEN] = {[NAME] = {.name = "name"},
                                 [FILE_NAME] = {.name = "fileName"},
                                 [SOURCE] = {.name = "source"},
                                 [RESOURCE] = {.name = "resource"},
                                 [LINE] = {.name = "lineNumber"}};
    struct firefox_tables *t = v->own;
    const struct firefox_tables *files = t->files || !v->shared ? t : v->shared;
    const struct firefox_tables *modules = t->modules || !v->shared ? t : v->shared;
    json_in_return(v->json, mark);
    json_table_read(v->json, c, LEN);
    if (json_in_status(v->json) || !reserve(v, &t->functions, &t->functions_cap, c[NAME].len))
        c[NAME].len = 0;
    for (size_t i = 0; i < c[NAME].len; i++) {
        uint32_t index;
        struct wire_function f = {.name = string_at(v, &c[NAME], i),
                                  .file = string_at(v, &c[FILE_NAME], i),
                                  .line = number_at(&c[LINE], i)};
        if (json_column_index(&c[SOURCE], i, files->files_len, v->json, &index))
            f.file = files->files[index];
        if (modules->modules_len &&
            json_column_index(&c[RESOURCE], i, modules->modules_len, v->json, &index))
            f.module = modules->modules[index];
        t->functions[t->functions_len++] = builder_function(v->build, f);
    }
    json_table_free(c, LEN);
}

/* Raw Gecko: "name (url:line:column)", an address, or just a label. */
static uint32_t function_of_location(struct view *v, uint32_t location)
{
    struct text name = builder_text(v->build, location);
    struct text inner = name;
    struct text rest;
    struct text file = {"", 0};
    uint64_t line = 0;
    uint64_t number = 0;
    if (inner.len && inner.data[inner.len - 1] == ')') {
        inner.len--;
        const char *at = memrchr(inner.data, '(', inner.len);
        if (at && at > inner.data && at[-1] == ' ') {
            file = (struct text){at + 1, (size_t)(inner.data + inner.len - at) - 1};
            name.len = (size_t)(at - inner.data) - 1;
        }
    }
    struct text cut = file;
    if (text_cut_last(&cut, ':', &rest) && text_u64(rest, &number)) {
        file = cut;
        line = number;
        if (text_cut_last(&cut, ':', &rest) && text_u64(rest, &number)) {
            file = cut;
            line = number;
        }
    }
    struct wire_function f = {.line = line <= UINT32_MAX ? (uint32_t)line : 0};
    f.name = builder_string(v->build, name);
    f.file = builder_string(v->build, file);
    return builder_function(v->build, f);
}

static void read_frames(struct view *v, const uint8_t *mark)
{
    enum { FUNC, LOCATION, LINE, COLUMN, LEN };
    struct json_column c[LEN] = {[FUNC] = {.name = "func"},
                                 [LOCATION] = {.name = "location"},
                                 [LINE] = {.name = "line"},
                                 [COLUMN] = {.name = "column"}};
    struct firefox_tables *t = v->own;
    const struct firefox_tables *functions = t->functions || !v->shared ? t : v->shared;
    json_in_return(v->json, mark);
    json_table_read(v->json, c, LEN);
    bool is_raw = c[FUNC].len == 0;
    size_t rows = is_raw ? c[LOCATION].len : c[FUNC].len;
    if (json_in_status(v->json) || !reserve(v, &t->frames, &t->frames_cap, rows))
        rows = 0;
    for (size_t i = 0; i < rows; i++) {
        uint32_t function = 0;
        uint32_t index;
        if (is_raw)
            function = function_of_location(v, string_at(v, &c[LOCATION], i));
        else if (json_column_index(&c[FUNC], i, functions->functions_len, v->json, &index))
            function = functions->functions[index];
        t->frames[t->frames_len++] =
            builder_frame(v->build, function, number_at(&c[LINE], i), number_at(&c[COLUMN], i));
    }
    json_table_free(c, LEN);
}

static void read_stacks(struct view *v, const uint8_t *mark)
{
    enum { FRAME, PREFIX, OFFSET, LEN };
    struct json_column c[LEN] = {[FRAME] = {.name = "frame"},
                                 [PREFIX] = {.name = "prefix"},
                                 [OFFSET] = {.name = "prefixOffset"}};
    struct firefox_tables *t = v->own;
    const struct firefox_tables *frames = t->frames || !v->shared ? t : v->shared;
    json_in_return(v->json, mark);
    json_table_read(v->json, c, LEN);
    size_t rows = c[FRAME].len;
    if (json_in_status(v->json) || !reserve(v, &t->stacks, &t->stacks_cap, rows))
        rows = 0;
    for (size_t i = 0; i < rows && !json_in_status(v->json); i++) {
        uint32_t frame = 0;
        uint32_t prefix = 0;
        uint32_t parent = 0;
        if (json_column_index(&c[FRAME], i, frames->frames_len, v->json, &frame))
            frame = frames->frames[frame];
        else
            json_in_fail(v->json, STATUS_INVALID, "a stack without a frame");
        if (json_column_index(&c[PREFIX], i, i, v->json, &prefix))
            parent = t->stacks[prefix];
        else if (json_column_index(&c[OFFSET], i, i + 1, v->json, &prefix) && prefix)
            parent = t->stacks[i - prefix];
        t->stacks[t->stacks_len++] = builder_stack(v->build, parent, frame);
    }
    json_table_free(c, LEN);
}

void firefox_tables_read(struct firefox_tables *t, const struct firefox_marks *m,
                         const struct firefox_tables *shared, struct builder *b)
{
    struct view v = {.own = t, .shared = shared, .build = b, .json = b->json};
    if (m->strings)
        read_strings(&v, m->strings);
    if (m->sources && !json_in_status(v.json))
        t->files_len = read_names(&v, m->sources, "filename", &t->files, &t->files_cap);
    if (m->resources && !json_in_status(v.json))
        t->modules_len = read_names(&v, m->resources, "name", &t->modules, &t->modules_cap);
    if (m->functions && !json_in_status(v.json))
        read_functions(&v, m->functions);
    if (m->frames && !json_in_status(v.json))
        read_frames(&v, m->frames);
    if (m->stacks && !json_in_status(v.json))
        read_stacks(&v, m->stacks);
}
