#include "collector/python/module.h"

#include <stdbool.h>
#include <string.h>

struct slice {
    const char *data;
    size_t len;
};

static bool starts_with(struct slice s, const char *text)
{
    size_t len = strlen(text);
    return s.len >= len && memcmp(s.data, text, len) == 0;
}

static struct slice up_to(struct slice s, char end)
{
    const char *at = s.len ? memchr(s.data, end, s.len) : NULL;
    if (at)
        s.len = (size_t)(at - s.data);
    return s;
}

/* What follows the last "/`folder`/", or nothing. */
static struct slice behind(struct slice path, const char *folder)
{
    size_t len = strlen(folder);
    for (size_t i = path.len; i > len + 1; i--) {
        const char *at = path.data + i - len - 2;
        if (at[0] == '/' && at[len + 1] == '/' && memcmp(at + 1, folder, len) == 0)
            return (struct slice){path.data + i, path.len - i};
    }
    return (struct slice){NULL, 0};
}

/* What follows ".../python3.11/" or ".../python3/", or nothing. */
static struct slice behind_library(struct slice path)
{
    static const char word[] = "/python";
    for (size_t i = 0; i + sizeof(word) < path.len; i++) {
        struct slice rest = {path.data + i, path.len - i};
        if (!starts_with(rest, word))
            continue;
        size_t at = sizeof(word) - 1;
        while (at < rest.len && ((rest.data[at] >= '0' && rest.data[at] <= '9') ||
                                 rest.data[at] == '.' || rest.data[at] == 't'))
            at++;
        if (at > sizeof(word) - 1 && at < rest.len && rest.data[at] == '/')
            return (struct slice){rest.data + at + 1, rest.len - at - 1};
    }
    return (struct slice){NULL, 0};
}

/* The file's name without its extension; a package's own files are the package. */
static struct slice stem(struct slice path)
{
    for (;;) {
        size_t begin = path.len;
        while (begin > 0 && path.data[begin - 1] != '/')
            begin--;
        struct slice name = {path.data + begin, path.len - begin};
        name = up_to(name, '.');
        bool is_own = name.len > 4 && starts_with(name, "__") &&
                      (starts_with(name, "__init__") || starts_with(name, "__main__"));
        if (!is_own || begin < 2)
            return name;
        path.len = begin - 1;
    }
}

const char *python_module_of(const char *file, size_t file_len, size_t *len)
{
    static const char *const folders[] = {"site-packages", "dist-packages"};
    struct slice path = {file, file_len};
    struct slice found = {"", 0};
    if (starts_with(path, "<frozen ")) {
        size_t skip = strlen("<frozen ");
        found = up_to(up_to((struct slice){file + skip, file_len - skip}, '>'), '.');
    } else if (path.len > 0 && path.data[0] == '<') {
        found = path;
    } else {
        struct slice rest = {NULL, 0};
        for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]) && !rest.data; i++)
            rest = behind(path, folders[i]);
        if (!rest.data)
            rest = behind_library(path);
        if (rest.data)
            found = up_to(up_to(rest, '/'), '.');
        else
            found = stem(path);
    }
    *len = found.len;
    return found.data;
}
