#include <stdlib.h>
#include <string.h>

#include "backend/query/flame.h"
#include "backend/query/names.h"
#include "backend/query/timeline.h"
#include "common/base/strtab.h"

/* The functions that the boxes name, in the order they are first met: position 0 is the root. */
struct cast {
    uint32_t *position; /* of each function, +1; 0 = not met */
    uint32_t *ids;
    size_t len;
};

static enum status cast_init(struct cast *c, const struct flame *f, const struct profile *p)
{
    size_t functions = p->tables.functions_len ? p->tables.functions_len : 1;
    c->position = calloc(functions, sizeof(*c->position));
    c->ids = calloc(functions + 1, sizeof(*c->ids));
    if (!c->position || !c->ids) {
        free(c->position);
        free(c->ids);
        return STATUS_NO_MEMORY;
    }
    c->ids[0] = (uint32_t)NAMES_ROOT;
    c->len = 1;
    for (size_t i = f->in_time ? 0 : 1; i < f->nodes; i++) {
        uint32_t function = f->function[i];
        if (function != (uint32_t)NAMES_ROOT && !c->position[function]) {
            c->ids[c->len++] = function;
            c->position[function] = (uint32_t)c->len;
        }
    }
    return STATUS_OK;
}

static void cast_deinit(struct cast *c)
{
    free(c->position);
    free(c->ids);
}

static uint32_t cast_position(const struct cast *c, const struct flame *f, size_t node)
{
    if ((node == 0 && !f->in_time) || f->function[node] == (uint32_t)NAMES_ROOT)
        return 0;
    return c->position[f->function[node]] - 1;
}

/* ---- what is said of a function ---- */

struct words {
    const char *name, *file, *module;
    size_t name_len, file_len, module_len;
    uint32_t line, kind;
};

/* A group is called by what its functions have in common. */
static void describe(struct words *w, const struct flame *f, const struct profile *p, uint32_t id)
{
    static const struct wire_function none = {0};
    bool is_known = id < p->tables.functions_len;
    const struct wire_function *row = is_known ? &p->tables.functions[id] : &none;
    w->name = names_function(p, id, &w->name_len);
    w->file = names_file(p, id, &w->file_len);
    w->module = names_module(p, id, &w->module_len);
    w->line = row->line;
    w->kind = id == (uint32_t)NAMES_ROOT ? WIRE_SYNTHETIC : row->kind;
    if (!f->groups.of || id == (uint32_t)NAMES_ROOT)
        return;
    w->name = groups_label(&f->groups, id, &w->name_len);
    w->line = 0;
    if (f->groups.by == GROUP_BY_PACKAGE)
        w->file_len = 0;
    if (f->groups.by != GROUP_BY_FILE) {
        w->module = w->name;
        w->module_len = w->name_len;
    }
}

enum column { COLUMN_ID, COLUMN_NAME, COLUMN_FILE, COLUMN_LINE, COLUMN_KIND, COLUMN_MODULE };

/* Texts that many functions share are listed once. */
static enum status put_shared(struct json_out *j, struct strtab *shared, const char *text,
                              size_t len)
{
    uint32_t at = 0;
    if (!strtab_add(shared, text, len, &at))
        return STATUS_NO_MEMORY;
    json_out_u64(j, at);
    return STATUS_OK;
}

static enum status write_column(struct json_out *j, const struct flame *f, const struct profile *p,
                                const struct cast *c, enum column column, struct strtab *shared)
{
    static const char *const names[] = {"id", "name", "file", "line", "kind", "module"};
    enum status st = STATUS_OK;
    json_out_key(j, names[column]);
    json_out_array(j);
    for (size_t i = 0; i < c->len && st == STATUS_OK; i++) {
        struct words w;
        describe(&w, f, p, c->ids[i]);
        switch (column) {
        case COLUMN_ID:
            json_out_u64(j, c->ids[i]);
            break;
        case COLUMN_NAME:
            json_out_string(j, w.name, w.name_len);
            break;
        case COLUMN_FILE:
            st = put_shared(j, shared, w.file, w.file_len);
            break;
        case COLUMN_LINE:
            json_out_u64(j, w.line);
            break;
        case COLUMN_KIND:
            json_out_u64(j, w.kind);
            break;
        case COLUMN_MODULE:
            st = put_shared(j, shared, w.module, w.module_len);
            break;
        }
    }
    json_out_end(j);
    return st;
}

static void write_texts(struct json_out *j, const char *key, const struct strtab *t)
{
    json_out_key(j, key);
    json_out_array(j);
    for (uint32_t i = 0; i < t->len; i++)
        json_out_string(j, strtab_text(t, i), strtab_len(t, i));
    json_out_end(j);
}

static enum status write_functions(struct json_out *j, const struct flame *f,
                                   const struct profile *p, const struct cast *c)
{
    struct strtab files = {0};
    struct strtab modules = {0};
    enum status st = strtab_init(&files) && strtab_init(&modules) ? STATUS_OK : STATUS_NO_MEMORY;
    if (st == STATUS_OK) {
        json_out_key(j, "functions");
        json_out_object(j);
        for (int column = COLUMN_ID; column <= COLUMN_MODULE && st == STATUS_OK; column++)
            st = write_column(j, f, p, c, (enum column)column,
                              column == COLUMN_FILE ? &files : &modules);
        json_out_end(j);
        write_texts(j, "files", &files);
        write_texts(j, "modules", &modules);
    }
    strtab_deinit(&files);
    strtab_deinit(&modules);
    return st;
}

static void number(struct json_out *j, const char *key, double value)
{
    json_put_f64(j, key, value);
}

static void write_in_time(struct json_out *j, const struct timeline_head *t)
{
    json_out_key(j, "order");
    json_out_text(j, "time");
    number(j, "cutoff", (double)t->cutoff_ns);
    if (t->assumed_ns)
        number(j, "assumed", (double)t->assumed_ns);
    number(j, "lanes_left_out", (double)t->lanes_left_out);
    json_out_key(j, "lanes");
    json_out_array(j);
    for (size_t i = 0; i < t->lanes_len; i++) {
        const struct timeline_lane *l = &t->lanes[i];
        json_out_object(j);
        number(j, "thread", l->thread);
        number(j, "rows", (double)l->rows);
        number(j, "samples", (double)l->samples);
        number(j, "covered", (double)l->covered_ns);
        json_out_end(j);
    }
    json_out_end(j);
}

static enum status write_head(const struct flame *f, const struct profile *p, const struct cast *c,
                              const struct flame_options *options, struct buf *out)
{
    struct json_out j;
    json_out_init(&j, out);
    json_out_object(&j);
    json_put_u64(&j, "rev", options->revision);
    json_out_key(&j, "value");
    json_out_text(&j, f->value.name);
    json_out_key(&j, "unit");
    json_out_text(&j, f->value.unit);
    number(&j, "total", f->total);
    number(&j, "scale", f->scale);
    json_put_u64(&j, "samples", f->samples);
    number(&j, "from_s", f->from_s);
    number(&j, "to_s", f->to_s);
    json_out_key(&j, "rows");
    json_out_array(&j);
    for (size_t i = 0; i < f->rows_len; i++)
        json_out_u64(&j, f->row_start[i + 1] - f->row_start[i]);
    json_out_end(&j);
    json_put_u64(&j, "nodes", f->nodes);
    json_put_u64(&j, "pruned", f->pruned);
    json_put_u64(&j, "truncated_depth", f->truncated_depth);
    if (f->left_out < 0)
        number(&j, "left_out", f->left_out);
    json_put_bool(&j, "estimated", f->is_estimated);
    json_put_bool(&j, "flags", f->flags != NULL);
    if (f->in_time)
        write_in_time(&j, f->in_time);
    enum status st = write_functions(&j, f, p, c);
    json_out_end(&j);
    return st;
}

/* The boxes' own columns are little endian as they lie in memory on every machine we build for. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "columns are sent as they lie in memory");

static void put_rows(const struct flame *f, const struct cast *c, struct buf *out)
{
    for (size_t r = 0; r < f->rows_len; r++) {
        size_t begin = f->row_start[r];
        size_t n = f->row_start[r + 1] - begin;
        buf_put(out, f->x0 + begin, n * sizeof(*f->x0));
        buf_put(out, f->x1 + begin, n * sizeof(*f->x1));
        uint8_t *at = buf_grow(out, n * sizeof(uint32_t));
        for (size_t i = 0; at && i < n; i++) {
            uint32_t position = cast_position(c, f, begin + i);
            memcpy(at + i * sizeof(position), &position, sizeof(position));
        }
        if (f->flags)
            buf_put(out, f->flags + begin, n * sizeof(*f->flags));
    }
}

enum status flame_write_binary(const struct flame *f, const struct profile *p,
                               const struct flame_options *options, struct buf *out)
{
    struct cast cast;
    enum status st = cast_init(&cast, f, p);
    if (st != STATUS_OK)
        return st;
    struct buf head;
    buf_init(&head, 0);
    st = write_head(f, p, &cast, options, &head);
    while (head.len % 8 != 0 && !head.failed)
        buf_put_byte(&head, ' ');
    if (st == STATUS_OK)
        st = buf_status(&head);
    if (st == STATUS_OK) {
        buf_put(out, "HGF1", 4);
        buf_put_u32(out, (uint32_t)head.len);
        buf_put(out, head.data, head.len);
        put_rows(f, &cast, out);
        st = buf_status(out);
    }
    buf_deinit(&head);
    cast_deinit(&cast);
    return st;
}

static void write_row_column(struct json_out *j, const char *key, const uint32_t *items, size_t n)
{
    json_out_key(j, key);
    json_out_array(j);
    for (size_t i = 0; i < n; i++)
        json_out_u64(j, items[i]);
    json_out_end(j);
}

enum status flame_write_json(const struct flame *f, const struct profile *p,
                             const struct flame_options *options, struct buf *out)
{
    struct cast cast;
    enum status st = cast_init(&cast, f, p);
    if (st != STATUS_OK)
        return st;
    buf_put_text(out, "{\"head\":");
    st = write_head(f, p, &cast, options, out);
    buf_put_text(out, ",\"rows\":");
    struct json_out j;
    json_out_init(&j, out);
    json_out_array(&j);
    for (size_t r = 0; r < f->rows_len; r++) {
        size_t begin = f->row_start[r];
        size_t n = f->row_start[r + 1] - begin;
        json_out_object(&j);
        write_row_column(&j, "x0", f->x0 + begin, n);
        write_row_column(&j, "x1", f->x1 + begin, n);
        json_out_key(&j, "function");
        json_out_array(&j);
        for (size_t i = 0; i < n; i++)
            json_out_u64(&j, cast_position(&cast, f, begin + i));
        json_out_end(&j);
        if (f->flags)
            write_row_column(&j, "flags", f->flags + begin, n);
        json_out_end(&j);
    }
    json_out_end(&j);
    buf_put_byte(out, '}');
    cast_deinit(&cast);
    return st == STATUS_OK ? buf_status(out) : st;
}
