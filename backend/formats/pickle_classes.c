#include <string.h>

#include "backend/formats/pickle_machine.h"

/* Numbers of the classes that old protocols use to make an instance. */
enum { CLASS_RECONSTRUCTOR = -2, CLASS_PLAIN_OBJECT = -3 };

static enum status push_class(struct pickle *p, struct text module, struct text name)
{
    static const struct pickle_class makers[] = {
        {"copy_reg _reconstructor", CLASS_RECONSTRUCTOR},
        {"copyreg _reconstructor", CLASS_RECONSTRUCTOR},
        {"__builtin__ object", CLASS_PLAIN_OBJECT},
        {"builtins object", CLASS_PLAIN_OBJECT},
        {NULL, 0},
    };
    const struct pickle_class *const lists[] = {p->classes, makers};
    for (size_t k = 0; k < 2; k++) {
        for (const struct pickle_class *c = lists[k]; c->name; c++) {
            struct text known = {c->name, strlen(c->name)};
            struct text known_module;
            if (text_cut(&known, ' ', &known_module) && known_module.len == module.len &&
                known.len == name.len && memcmp(known_module.data, module.data, module.len) == 0 &&
                memcmp(known.data, name.data, name.len) == 0)
                return pickle_push_new(p, (struct value){.kind = VALUE_CLASS, .integer = c->id});
        }
    }
    return error_set(p->err, STATUS_INVALID,
                     "byte %zu: the file asks for %.*s.%.*s, which no such profile needs; it may "
                     "be an attack and was not loaded",
                     p->op_at, (int)(module.len < 80 ? module.len : 80), module.data,
                     (int)(name.len < 80 ? name.len : 80), name.data);
}

enum status pickle_op_global(struct pickle *p, uint64_t arg)
{
    (void)arg;
    struct text module;
    struct text name;
    enum status st = pickle_take_line(p, &module);
    if (st == STATUS_OK)
        st = pickle_take_line(p, &name);
    return st == STATUS_OK ? push_class(p, module, name) : st;
}

enum status pickle_op_stack_global(struct pickle *p, uint64_t arg)
{
    (void)arg;
    uint32_t name_id;
    uint32_t module_id;
    enum status st = pickle_pop(p, &name_id);
    if (st == STATUS_OK)
        st = pickle_pop(p, &module_id);
    if (st != STATUS_OK)
        return st;
    const struct value *name = values_get(p->values, name_id);
    const struct value *module = values_get(p->values, module_id);
    if (name->kind != VALUE_TEXT || module->kind != VALUE_TEXT)
        return pickle_bad(p, "a class whose name is no text");
    return push_class(p, (struct text){module->data, module->len},
                      (struct text){name->data, name->len});
}

static enum status push_object(struct pickle *p, uint32_t class_id)
{
    const struct value *class = values_get(p->values, class_id);
    if (class->kind != VALUE_CLASS || class->integer < 0)
        return pickle_bad(p, "an instance of what is no known class");
    uint32_t object;
    uint32_t list;
    uint32_t dict;
    enum status st = values_add(p->values, (struct value){.kind = VALUE_OBJECT}, &object);
    if (st == STATUS_OK)
        st = values_add(p->values, (struct value){.kind = VALUE_LIST}, &list);
    if (st == STATUS_OK)
        st = values_add(p->values, (struct value){.kind = VALUE_DICT}, &dict);
    if (st == STATUS_OK)
        st = values_append(p->values, object, class_id);
    if (st == STATUS_OK)
        st = values_append(p->values, object, list);
    if (st == STATUS_OK)
        st = values_append(p->values, object, dict);
    return st == STATUS_OK ? pickle_push(p, object) : pickle_failed(p, st);
}

enum status pickle_op_newobj(struct pickle *p, uint64_t arg)
{
    (void)arg;
    uint32_t args;
    uint32_t class_id;
    enum status st = pickle_pop(p, &args);
    if (st == STATUS_OK)
        st = pickle_pop(p, &class_id);
    if (st != STATUS_OK)
        return st;
    const struct value *tuple = values_get(p->values, args);
    if (tuple->kind != VALUE_TUPLE || tuple->len != 0)
        return pickle_bad(p, "an instance made with arguments");
    return push_object(p, class_id);
}

/* Protocols 0 and 1 make instances by copyreg._reconstructor(class, object, None): that one call
 * is allowed, and not made. */
enum status pickle_op_reduce(struct pickle *p, uint64_t arg)
{
    (void)arg;
    uint32_t args_id;
    uint32_t function_id;
    enum status st = pickle_pop(p, &args_id);
    if (st == STATUS_OK)
        st = pickle_pop(p, &function_id);
    if (st != STATUS_OK)
        return st;
    const struct values *v = p->values;
    const struct value *function = values_get(v, function_id);
    const struct value *args = values_get(v, args_id);
    const struct value *base = values_item(v, args, 1);
    bool is_known = function->kind == VALUE_CLASS && function->integer == CLASS_RECONSTRUCTOR &&
                    args->kind == VALUE_TUPLE && args->len == 3 && base->kind == VALUE_CLASS &&
                    base->integer == CLASS_PLAIN_OBJECT &&
                    values_item(v, args, 2)->kind == VALUE_NONE;
    if (!is_known)
        return pickle_bad(p, "a call (REDUCE), which is never made here");
    return push_object(p, args->items[0]);
}

enum status pickle_op_build(struct pickle *p, uint64_t arg)
{
    (void)arg;
    uint32_t state;
    uint32_t object;
    enum status st = pickle_pop(p, &state);
    if (st == STATUS_OK)
        st = pickle_top(p, &object);
    if (st != STATUS_OK)
        return st;
    if (values_get(p->values, object)->kind != VALUE_OBJECT)
        return pickle_bad(p, "a state for what is no instance");
    return pickle_failed(p, values_append(p->values, object, state));
}
