#include "collector/python/variables.h"

#include <string.h>

#include "collector/python/objects.h"

enum {
    NAMES_MAX = 65536, /* of one code object; more is no code object */
    HIDDEN = 0x10,     /* CO_FAST_HIDDEN, Include/internal/pycore_code.h since v3.12.0 */
    TYPE_NAME_ROOM = 8,
};

struct names {
    uint64_t items; /* address of the first */
    uint64_t len;
};

static bool open_tuple(const struct python_layout *layout, const struct memory_reader *reader,
                       uint64_t tuple, struct names *out)
{
    out->items = tuple + layout->tuple_items;
    return tuple != 0 && memory_read_u64(reader, tuple + layout->var_size, &out->len) &&
           out->len <= NAMES_MAX;
}

/* What a variable that closures share holds; other values are as they are. */
static bool open_cell(const struct python_layout *layout, const struct memory_reader *reader,
                      uint64_t *value)
{
    char type[TYPE_NAME_ROOM];
    if (!python_type_name(layout, reader, *value, type, sizeof(type)))
        return false;
    return strcmp(type, "cell") != 0 ||
           memory_read_u64(reader, *value + layout->object_type + sizeof(uint64_t), value);
}

struct collected {
    struct python_variable *out;
    size_t len, max, left_out;
};

/* Adds the variables whose names these are; their values stand side by side from `values` on. */
static void add(const struct python_layout *layout, const struct memory_reader *reader,
                const struct names *names, uint64_t values, uint64_t kinds, struct collected *all)
{
    for (uint64_t i = 0; i < names->len; i++) {
        struct python_variable v;
        uint8_t kind = 0;
        if (!memory_read_u64(reader, values + 8 * i, &v.value))
            return;
        v.value &= ~(uint64_t)layout->pointer_tag_mask;
        if (v.value == 0 ||
            (kinds != 0 && memory_read(reader, kinds + i, &kind, 1) && (kind & HIDDEN) != 0))
            continue;
        if (!memory_read_u64(reader, names->items + 8 * i, &v.name) ||
            !open_cell(layout, reader, &v.value) || v.value == 0)
            continue;
        if (all->len < all->max)
            all->out[all->len++] = v;
        else
            all->left_out++;
    }
}

size_t python_variables(const struct python_layout *layout, const struct memory_reader *reader,
                        const struct python_frame *frame, struct python_variable *out, size_t max,
                        size_t *left_out)
{
    struct collected all = {.out = out, .max = max};
    uint64_t values = frame->address + layout->frame_size;
    bool is_one_tuple = layout->code_variables_kind != PYTHON_NO_FIELD;
    /* Up to 3.10 three tuples: co_varnames, co_freevars, co_cellvars, side by side in the code
     * object; the values of cells come before those of free variables (Include/cpython/code.h @
     * v3.10.13). */
    static const uint16_t order[] = {0, 16, 8};
    for (size_t i = 0; i < (is_one_tuple ? 1 : sizeof(order) / sizeof(order[0])); i++) {
        uint64_t tuple;
        uint64_t kinds = 0;
        struct names names;
        if (!memory_read_u64(reader, frame->code + layout->code_variables + order[i], &tuple) ||
            !open_tuple(layout, reader, tuple, &names))
            break;
        if (is_one_tuple &&
            memory_read_u64(reader, frame->code + layout->code_variables_kind, &kinds) &&
            kinds != 0)
            kinds += layout->bytes_data;
        add(layout, reader, &names, values, kinds, &all);
        values += 8 * names.len;
    }
    *left_out = all.left_out;
    return all.len;
}
