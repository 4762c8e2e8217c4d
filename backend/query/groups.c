#include "backend/query/groups.h"

#include <stdlib.h>
#include <string.h>

#include "backend/query/names.h"

struct text {
    const char *at;
    size_t len;
};

static bool is_text(struct text t, const char *other)
{
    return t.len == strlen(other) && memcmp(t.at, other, t.len) == 0;
}

static bool starts_with(struct text t, const char *start)
{
    size_t len = strlen(start);
    return t.len >= len && memcmp(t.at, start, len) == 0;
}

/* Up to the first dot: the outermost package. */
static struct text first_name(struct text t)
{
    const char *dot = t.len ? memchr(t.at, '.', t.len) : NULL;
    if (dot && dot > t.at)
        t.len = (size_t)(dot - t.at);
    return t;
}

static struct text last_part(struct text path)
{
    const char *slash = path.len ? memrchr(path.at, '/', path.len) : NULL;
    if (slash) {
        path.len -= (size_t)(slash + 1 - path.at);
        path.at = slash + 1;
    }
    return path;
}

/* "python3.11", not "python-apt". */
static bool is_python_folder(struct text part)
{
    if (!starts_with(part, "python") || part.len < 7)
        return false;
    for (size_t i = 6; i < part.len; i++) {
        if (part.at[i] != '.' && (part.at[i] < '0' || part.at[i] > '9'))
            return false;
    }
    return true;
}

/* What follows the innermost folder that packages are installed into; "" when there is none. */
static struct text installed_part(struct text path)
{
    struct text found = {path.at, 0};
    const char *end = path.at + path.len;
    for (const char *at = path.at; at < end;) {
        const char *slash = memchr(at, '/', (size_t)(end - at));
        if (!slash)
            break;
        struct text part = {at, (size_t)(slash - at)};
        if (is_text(part, "site-packages") || is_text(part, "dist-packages") ||
            is_python_folder(part))
            found = (struct text){slash + 1, (size_t)(end - slash - 1)};
        at = slash + 1;
    }
    return found;
}

/* "<frozen importlib._bootstrap>" -> "importlib._bootstrap" */
static struct text frozen_module(struct text file)
{
    static const char mark[] = "<frozen ";
    enum { MARK = sizeof(mark) - 1 };
    if (starts_with(file, mark) && file.len > MARK + 1)
        return (struct text){file.at + MARK, file.len - MARK - 1};
    return (struct text){file.at, 0};
}

static struct text without_ending(struct text name)
{
    const char *dot = name.len ? memchr(name.at, '.', name.len) : NULL;
    if (dot && dot > name.at)
        name.len = (size_t)(dot - name.at);
    return name;
}

static const struct text builtins = {"builtins", 8};
static const struct text nowhere = {"(no file)", 9};

static struct text label_of(const struct profile *p, uint32_t function, enum group_by by)
{
    struct text file;
    struct text module;
    file.at = names_file(p, function, &file.len);
    module.at = names_module(p, function, &module.len);
    if (by == GROUP_BY_FILE)
        return file.len == 0 ? nowhere : is_text(file, "~") ? builtins : file;
    if (module.len)
        return by == GROUP_BY_PACKAGE ? first_name(module) : module;
    if (is_text(file, "~"))
        return builtins;
    if (file.len == 0)
        return nowhere;
    module = frozen_module(file);
    if (module.len)
        return by == GROUP_BY_PACKAGE ? first_name(module) : module;
    if (by == GROUP_BY_MODULE)
        return file; /* two files may have one name, and modules are not known */
    struct text inside = installed_part(file);
    if (inside.len == 0)
        return without_ending(last_part(file));
    const char *slash = memchr(inside.at, '/', inside.len);
    if (slash)
        inside.len = (size_t)(slash - inside.at);
    return without_ending(inside);
}

enum status groups_build(struct groups *g, const struct profile *p, enum group_by by)
{
    *g = (struct groups){.by = by, .len = p->tables.functions_len};
    size_t n = g->len ? g->len : 1;
    uint32_t *first = NULL; /* by label: lowest function + 1 */
    g->of = calloc(n, sizeof(*g->of));
    g->label = calloc(n, sizeof(*g->label));
    first = calloc(n + 1, sizeof(*first));
    enum status st =
        g->of && g->label && first && strtab_init(&g->labels) ? STATUS_OK : STATUS_NO_MEMORY;
    for (uint32_t f = 0; f < g->len && st == STATUS_OK; f++) {
        struct text label = label_of(p, f, by);
        uint32_t id = 0;
        if (!strtab_add(&g->labels, label.at, label.len, &id)) {
            st = STATUS_NO_MEMORY;
            break;
        }
        if (!first[id])
            first[id] = f + 1;
        g->label[f] = id;
        g->of[f] = first[id] - 1;
    }
    free(first);
    if (st != STATUS_OK)
        groups_deinit(g);
    return st;
}

void groups_deinit(struct groups *g)
{
    free(g->of);
    free(g->label);
    if (g->labels.arena)
        strtab_deinit(&g->labels);
    *g = (struct groups){0};
}

const char *groups_label(const struct groups *g, uint32_t function, size_t *len)
{
    uint32_t id = function < g->len ? g->label[function] : 0;
    *len = strtab_len(&g->labels, id);
    return strtab_text(&g->labels, id);
}
