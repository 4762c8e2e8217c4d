#include <stdlib.h>
#include <string.h>

#include "backend/query/diff_flame.h"
#include "backend/query/diff_parts.h"
#include "backend/query/names.h"
#include "common/base/json_out.h"
#include "common/base/strtab.h"

/* Functions that only the base has go by their number there, far above all others. */
#define BASE_ONLY (1U << 31)

/* The rows of the diff that boxes name, in the order they are met; position 0 is the root. */
struct cast {
    uint32_t *position; /* of each row, +1; 0 = not met */
    uint32_t *rows;
    size_t len;
    struct strtab files, modules;
    uint32_t *file, *module; /* of each position */
};

static void cast_deinit(struct cast *c)
{
    free(c->position);
    free(c->rows);
    free(c->file);
    free(c->module);
    strtab_deinit(&c->files);
    strtab_deinit(&c->modules);
}

static enum status cast_init(struct cast *c, const struct flame *f, const struct diff *d)
{
    *c = (struct cast){.len = 1};
    c->position = calloc(d->len + 1, sizeof(*c->position));
    c->rows = calloc(d->len + 1, sizeof(*c->rows));
    c->file = calloc(d->len + 1, sizeof(*c->file));
    c->module = calloc(d->len + 1, sizeof(*c->module));
    if (!c->position || !c->rows || !c->file || !c->module || !strtab_init(&c->files) ||
        !strtab_init(&c->modules))
        return STATUS_NO_MEMORY;
    for (size_t i = 1; i < f->nodes; i++) {
        uint32_t row = f->function[i];
        if (c->position[row])
            continue;
        uint32_t function;
        const struct profile *who = diff_row_who(d, &d->rows[row], &function);
        size_t len;
        const char *text = names_file(who, function, &len);
        if (!strtab_add(&c->files, text, len, &c->file[c->len]))
            return STATUS_NO_MEMORY;
        text = names_module(who, function, &len);
        if (!strtab_add(&c->modules, text, len, &c->module[c->len]))
            return STATUS_NO_MEMORY;
        c->rows[c->len++] = row;
        c->position[row] = (uint32_t)c->len;
    }
    return STATUS_OK;
}

static uint32_t cast_position(const struct cast *c, const struct flame *f, size_t node)
{
    return node == 0 ? 0 : c->position[f->function[node]] - 1;
}

/* ---- head ---- */

enum column { ID, BASE_ID, TARGET_ID, NAME, FILE_AT, LINE, KIND, MODULE, STATE, COLUMNS };

static uint64_t number_of(const struct diff *d, const struct cast *c, size_t i, enum column column)
{
    if (i == 0)
        return column == KIND ? WIRE_SYNTHETIC : column < NAME ? (uint32_t)NAMES_ROOT : 0;
    const struct diff_row *r = &d->rows[c->rows[i]];
    uint32_t function;
    const struct profile *who = diff_row_who(d, r, &function);
    const struct wire_function *f = &who->tables.functions[function];
    switch (column) {
    case ID:
        return r->target_function != (uint32_t)DIFF_NONE ? r->target_function
                                                         : BASE_ONLY + r->base_function;
    case BASE_ID:
        return r->base_function;
    case TARGET_ID:
        return r->target_function;
    case FILE_AT:
        return c->file[i];
    case MODULE:
        return c->module[i];
    case LINE:
        return f->line;
    case KIND:
        return f->kind;
    default:
        return r->state;
    }
}

static void put_functions(struct json_out *j, const struct diff *d, const struct cast *c)
{
    static const char *const names[COLUMNS] = {"id",   "base_id", "target_id", "name", "file",
                                               "line", "kind",    "module",    "state"};
    json_out_key(j, "functions");
    json_out_object(j);
    for (enum column column = ID; column < COLUMNS; column++) {
        json_out_key(j, names[column]);
        json_out_array(j);
        for (size_t i = 0; i < c->len; i++) {
            uint32_t function = (uint32_t)NAMES_ROOT;
            const struct profile *who = d->target;
            size_t len = 3;
            if (column != NAME) {
                json_out_u64(j, number_of(d, c, i, column));
                continue;
            }
            if (i)
                who = diff_row_who(d, &d->rows[c->rows[i]], &function);
            const char *text = i ? names_function(who, function, &len) : "all";
            json_out_string(j, text, len);
        }
        json_out_end(j);
    }
    json_out_end(j);
}

static void put_texts(struct json_out *j, const char *key, const struct strtab *t)
{
    json_out_key(j, key);
    json_out_array(j);
    for (uint32_t i = 0; i < t->len; i++)
        json_out_string(j, strtab_text(t, i), strtab_len(t, i));
    json_out_end(j);
}

static void put_whole(struct json_out *j, const char *key, double total, uint64_t samples)
{
    json_out_key(j, key);
    json_out_object(j);
    json_put_f64(j, "total", total);
    if (samples)
        json_put_u64(j, "samples", samples);
    json_out_end(j);
}

static bool has_flags(const struct flame *f)
{
    uint32_t any = 0;
    for (size_t i = 0; i < f->nodes; i++)
        any |= f->flags[i];
    return any != 0;
}

static void put_head(const struct flame *f, const struct diff *d, const struct cast *c,
                     const struct diff_flame_names *names, struct buf *out)
{
    struct json_out j;
    json_out_init(&j, out);
    json_out_object(&j);
    json_put_text(&j, "base_profile", names->base);
    json_put_text(&j, "target_profile", names->target);
    json_put_u64(&j, "base_rev", names->base_revision);
    json_put_u64(&j, "target_rev", names->target_revision);
    json_put_text(&j, "value", f->value.name);
    json_put_text(&j, "unit", f->value.unit);
    json_put_text(&j, "normalise", diff_normalise_name(d->normalise));
    json_out_key(&j, "is_tested");
    json_out_bool(&j, d->is_tested);
    json_put_f64(&j, "total", f->total);
    json_put_f64(&j, "scale", f->scale);
    put_whole(&j, "base", d->base_total, d->base_samples);
    put_whole(&j, "target", d->target_total, d->target_samples);
    json_put_f64(&j, "target_scale", d->target_scale);
    json_out_key(&j, "rows");
    json_out_array(&j);
    for (size_t i = 0; i < f->rows_len; i++)
        json_out_u64(&j, f->row_start[i + 1] - f->row_start[i]);
    json_out_end(&j);
    json_put_u64(&j, "nodes", f->nodes);
    json_put_u64(&j, "pruned", f->pruned);
    json_put_u64(&j, "truncated_depth", f->truncated_depth);
    json_out_key(&j, "estimated");
    json_out_bool(&j, f->is_estimated);
    json_out_key(&j, "flags");
    json_out_bool(&j, has_flags(f));
    put_functions(&j, d, c);
    put_texts(&j, "files", &c->files);
    put_texts(&j, "modules", &c->modules);
    json_out_end(&j);
}

/* ---- rows ---- */

struct columns {
    const uint32_t *items[5];
    const char *names[5];
    size_t len;
};

static struct columns columns_of(const struct flame *f, const uint32_t *position)
{
    return (struct columns){
        .items = {f->x0, f->x1, position, f->base, f->flags},
        .names = {"x0", "x1", "function", "base", "flags"},
        .len = has_flags(f) ? 5 : 4,
    };
}

static void put_binary(const struct flame *f, const struct columns *c, const struct buf *head,
                       struct buf *out)
{
    buf_put(out, "HGD1", 4);
    buf_put_u32(out, (uint32_t)head->len);
    buf_put(out, head->data, head->len);
    for (size_t r = 0; r < f->rows_len; r++) {
        size_t begin = f->row_start[r];
        for (size_t i = 0; i < c->len; i++)
            buf_put(out, c->items[i] + begin, (f->row_start[r + 1] - begin) * sizeof(*c->items[i]));
    }
}

static void put_json(const struct flame *f, const struct columns *c, const struct buf *head,
                     struct buf *out)
{
    buf_put_text(out, "{\"head\":");
    buf_put(out, head->data, head->len);
    buf_put_text(out, ",\"rows\":");
    struct json_out j;
    json_out_init(&j, out);
    json_out_array(&j);
    for (size_t r = 0; r < f->rows_len; r++) {
        json_out_object(&j);
        for (size_t i = 0; i < c->len; i++) {
            json_out_key(&j, c->names[i]);
            json_out_array(&j);
            for (size_t k = f->row_start[r]; k < f->row_start[r + 1]; k++)
                json_out_u64(&j, c->items[i][k]);
            json_out_end(&j);
        }
        json_out_end(&j);
    }
    json_out_end(&j);
    buf_put_byte(out, '}');
}

enum status diff_flame_write(const struct flame *f, const struct diff *d,
                             const struct diff_flame_names *names, bool is_json, struct buf *out)
{
    struct cast cast;
    struct buf head;
    buf_init(&head, 0);
    uint32_t *position = malloc((f->nodes ? f->nodes : 1) * sizeof(*position));
    enum status st = cast_init(&cast, f, d);
    if (!position)
        st = STATUS_NO_MEMORY;
    if (st == STATUS_OK) {
        put_head(f, d, &cast, names, &head);
        while (head.len % 8 != 0 && !head.failed)
            buf_put_byte(&head, ' ');
        st = buf_status(&head);
    }
    if (st == STATUS_OK) {
        for (size_t i = 0; i < f->nodes; i++)
            position[i] = cast_position(&cast, f, i);
        struct columns columns = columns_of(f, position);
        if (is_json)
            put_json(f, &columns, &head, out);
        else
            put_binary(f, &columns, &head, out);
        st = buf_status(out);
    }
    free(position);
    cast_deinit(&cast);
    buf_deinit(&head);
    return st;
}
