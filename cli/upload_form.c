#include "cli/upload_form.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/formats/format.h"
#include "cli/source_file.h"
#include "common/base/ident.h"
#include "common/base/log.h"

struct path {
    uint32_t string;
    uint32_t functions;
};

static bool ends_with(const char *text, size_t len, const char *end)
{
    size_t n = strlen(end);
    return len > n && memcmp(text + len - n, end, n) == 0;
}

/* Nothing else is read, whatever a profile names; nor what cannot stand in a form's head. */
static bool is_code(const char *text, size_t len)
{
    static const char *const ends[] = {".py", ".pyw", ".pyx", ".pxd"};
    bool is_it = false;
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
        is_it = is_it || ends_with(text, len, ends[i]);
    return is_it && text[0] != '<' && strlen(text) == len && !strpbrk(text, "\"\\\r\n");
}

static int by_functions(const void *a, const void *b)
{
    const struct path *x = a;
    const struct path *y = b;
    if (x->functions != y->functions)
        return x->functions > y->functions ? -1 : 1;
    return x->string < y->string ? -1 : x->string > y->string;
}

/* The files that functions name, those with most functions first; the caller frees them. */
static struct path *list_paths(const struct profile *p, size_t *len)
{
    const struct tables *t = &p->tables;
    uint32_t *functions = calloc(t->strings.len, sizeof(*functions));
    struct path *paths = calloc(t->strings.len, sizeof(*paths));
    *len = 0;
    for (size_t i = 0; functions && paths && i < t->functions_len; i++)
        functions[t->functions[i].file]++;
    for (uint32_t i = 0; functions && paths && i < t->strings.len; i++) {
        if (functions[i] && is_code(strtab_text(&t->strings, i), strtab_len(&t->strings, i)))
            paths[(*len)++] = (struct path){.string = i, .functions = functions[i]};
    }
    free(functions);
    if (paths)
        qsort(paths, *len, sizeof(*paths), by_functions);
    return paths;
}

static void put_part(struct buf *out, const char *boundary, const char *name, const char *file_name,
                     const struct buf *data)
{
    buf_printf(out, "--%s\r\nContent-Disposition: form-data; name=\"%s\"; filename=\"%s\"\r\n\r\n",
               boundary, name, file_name);
    if (data->len)
        buf_put(out, data->data, data->len);
    buf_put_text(out, "\r\n");
}

static void put_sources(struct buf *out, const char *boundary, const struct profile *p)
{
    size_t len;
    size_t sent = 0;
    size_t bytes = 0;
    struct path *paths = list_paths(p, &len);
    for (size_t i = 0; paths && i < len; i++) {
        const char *path = strtab_text(&p->tables.strings, paths[i].string);
        struct buf text;
        struct error why = {0};
        if (sent == UPLOAD_MAX_SOURCES || bytes >= UPLOAD_SOURCES_BYTES)
            break;
        buf_init(&text, 0);
        if (source_file_read_here(path, UPLOAD_SOURCE_BYTES, &text, &why) == STATUS_OK) {
            put_part(out, boundary, "source", path, &text);
            bytes += text.len;
            sent++;
        }
        buf_deinit(&text);
    }
    free(paths);
    log_info("%zu of %zu source files go along", sent, len);
}

enum status upload_form(struct buf *out, char type[80], const struct buf *file, const char *name,
                        struct error *err)
{
    struct profile *p = NULL;
    struct error why = {0};
    char boundary[IDENT_CHARS + 1];
    if (!ident_random(boundary, IDENT_CHARS))
        return error_set(err, STATUS_IO, "the kernel gives no random numbers");
    snprintf(type, 80, "multipart/form-data; boundary=%s", boundary);
    buf_init(out, 0);
    put_part(out, boundary, "file", strpbrk(name, "\"\\\r\n") ? "profile" : name, file);
    if (format_load(file->data, file->len, name, NULL, &p, &why) == STATUS_OK)
        put_sources(out, boundary, p);
    profile_free(p);
    buf_printf(out, "--%s--\r\n", boundary);
    enum status st = buf_status(out);
    if (st != STATUS_OK) {
        buf_deinit(out);
        error_set(err, st, "no memory for the sources");
    }
    return st;
}
