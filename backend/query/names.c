#include "backend/query/names.h"

#include <string.h>

static const char *string(const struct profile *p, uint32_t id, size_t *len)
{
    *len = strtab_len(&p->tables.strings, id);
    return strtab_text(&p->tables.strings, id);
}

static const struct wire_function *row(const struct profile *p, uint32_t function)
{
    static const struct wire_function unknown = {0};
    return function < p->tables.functions_len ? &p->tables.functions[function] : &unknown;
}

const char *names_function(const struct profile *p, uint32_t function, size_t *len)
{
    if (function == (uint32_t)NAMES_ROOT) {
        *len = 3;
        return "all";
    }
    const char *name = string(p, row(p, function)->name, len);
    if (*len == 0 && row(p, function)->file == 0) {
        *len = 9;
        return "(unknown)";
    }
    return name;
}

const char *names_file(const struct profile *p, uint32_t function, size_t *len)
{
    return string(p, row(p, function)->file, len);
}

const char *names_module(const struct profile *p, uint32_t function, size_t *len)
{
    return string(p, row(p, function)->module, len);
}

void names_members(struct json_out *j, const struct profile *p, uint32_t function)
{
    size_t len;
    const char *text = names_function(p, function, &len);
    json_put_string(j, "name", text, len);
    text = names_file(p, function, &len);
    json_put_string(j, "file", text, len);
    json_put_u64(j, "line", row(p, function)->line);
}

void names_place(struct buf *out, const struct profile *p, uint32_t function)
{
    size_t len;
    const char *text = names_function(p, function, &len);
    buf_put(out, text, len);
    text = names_file(p, function, &len);
    if (len == 0 || (len == 1 && *text == '~')) /* nowhere: cProfile's sign for what is built in */
        return;
    const char *slash = memrchr(text, '/', len);
    if (slash) {
        len -= (size_t)(slash + 1 - text);
        text = slash + 1;
    }
    buf_put_text(out, " (");
    buf_put(out, text, len);
    if (row(p, function)->line)
        buf_printf(out, ":%u", row(p, function)->line);
    buf_put_byte(out, ')');
}
