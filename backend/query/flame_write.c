#include <stdlib.h>
#include <string.h>

#include "backend/query/flame.h"
#include "backend/query/names.h"

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
    for (size_t i = 1; i < f->nodes; i++) {
        uint32_t function = f->function[i];
        if (!c->position[function]) {
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
    return node == 0 ? 0 : c->position[f->function[node]] - 1;
}

/* ---- texts that many functions share: listed once ---- */

struct shared {
    uint32_t *position; /* of each string, +1 */
    uint32_t *strings;
    size_t len;
};

static bool shared_init(struct shared *s, const struct profile *p, const struct cast *c)
{
    s->position = calloc(p->tables.strings.len + 1, sizeof(*s->position));
    s->strings = calloc(c->len + 1, sizeof(*s->strings));
    s->len = 0;
    return s->position && s->strings;
}

static uint32_t shared_position(struct shared *s, uint32_t string)
{
    if (!s->position[string]) {
        s->strings[s->len++] = string;
        s->position[string] = (uint32_t)s->len;
    }
    return s->position[string] - 1;
}

static void shared_write(struct json_out *j, const struct profile *p, const struct shared *s)
{
    json_out_array(j);
    for (size_t i = 0; i < s->len; i++)
        json_out_string(j, strtab_text(&p->tables.strings, s->strings[i]),
                        strtab_len(&p->tables.strings, s->strings[i]));
    json_out_end(j);
}

static void shared_deinit(struct shared *s)
{
    free(s->position);
    free(s->strings);
}

static struct wire_function function_of(const struct profile *p, uint32_t id)
{
    return id < p->tables.functions_len ? p->tables.functions[id] : (struct wire_function){0};
}

enum column { COLUMN_ID, COLUMN_NAME, COLUMN_FILE, COLUMN_LINE, COLUMN_KIND, COLUMN_MODULE };

static void write_column(struct json_out *j, const struct profile *p, const struct cast *c,
                         enum column column, struct shared *shared)
{
    static const char *const names[] = {"id", "name", "file", "line", "kind", "module"};
    json_out_key(j, names[column]);
    json_out_array(j);
    for (size_t i = 0; i < c->len; i++) {
        struct wire_function f = function_of(p, c->ids[i]);
        size_t len;
        const char *text;
        switch (column) {
        case COLUMN_ID:
            json_out_u64(j, c->ids[i]);
            break;
        case COLUMN_NAME:
            text = names_function(p, c->ids[i], &len);
            json_out_string(j, text, len);
            break;
        case COLUMN_FILE:
            json_out_u64(j, shared_position(shared, f.file));
            break;
        case COLUMN_LINE:
            json_out_u64(j, f.line);
            break;
        case COLUMN_KIND:
            json_out_u64(j, c->ids[i] == (uint32_t)NAMES_ROOT ? WIRE_SYNTHETIC : f.kind);
            break;
        case COLUMN_MODULE:
            json_out_u64(j, shared_position(shared, f.module));
            break;
        }
    }
    json_out_end(j);
}

static enum status write_functions(struct json_out *j, const struct profile *p,
                                   const struct cast *c)
{
    struct shared files = {0};
    struct shared modules = {0};
    enum status st = STATUS_NO_MEMORY;
    if (shared_init(&files, p, c) && shared_init(&modules, p, c)) {
        json_out_key(j, "functions");
        json_out_object(j);
        write_column(j, p, c, COLUMN_ID, NULL);
        write_column(j, p, c, COLUMN_NAME, NULL);
        write_column(j, p, c, COLUMN_FILE, &files);
        write_column(j, p, c, COLUMN_LINE, NULL);
        write_column(j, p, c, COLUMN_KIND, NULL);
        write_column(j, p, c, COLUMN_MODULE, &modules);
        json_out_end(j);
        json_out_key(j, "files");
        shared_write(j, p, &files);
        json_out_key(j, "modules");
        shared_write(j, p, &modules);
        st = STATUS_OK;
    }
    shared_deinit(&files);
    shared_deinit(&modules);
    return st;
}

static void number(struct json_out *j, const char *key, double value)
{
    json_out_key(j, key);
    json_out_f64(j, value);
}

static enum status write_head(const struct flame *f, const struct profile *p, const struct cast *c,
                              const struct flame_options *options, struct buf *out)
{
    struct json_out j;
    json_out_init(&j, out);
    json_out_object(&j);
    json_out_key(&j, "rev");
    json_out_u64(&j, options->revision);
    json_out_key(&j, "value");
    json_out_text(&j, f->value.name);
    json_out_key(&j, "unit");
    json_out_text(&j, f->value.unit);
    number(&j, "total", f->total);
    number(&j, "scale", f->scale);
    json_out_key(&j, "samples");
    json_out_u64(&j, f->samples);
    number(&j, "from_s", f->from_s);
    number(&j, "to_s", f->to_s);
    json_out_key(&j, "rows");
    json_out_array(&j);
    for (size_t i = 0; i < f->rows_len; i++)
        json_out_u64(&j, f->row_start[i + 1] - f->row_start[i]);
    json_out_end(&j);
    json_out_key(&j, "nodes");
    json_out_u64(&j, f->nodes);
    json_out_key(&j, "pruned");
    json_out_u64(&j, f->pruned);
    json_out_key(&j, "truncated_depth");
    json_out_u64(&j, f->truncated_depth);
    if (f->left_out < 0)
        number(&j, "left_out", f->left_out);
    json_out_key(&j, "estimated");
    json_out_bool(&j, f->is_estimated);
    json_out_key(&j, "flags");
    json_out_bool(&j, f->flags != NULL);
    enum status st = write_functions(&j, p, c);
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
