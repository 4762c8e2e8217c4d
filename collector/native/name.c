#include "collector/native/name.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collector/native/cfi.h"
#include "collector/native/debug_info.h"

enum { OPEN_DEBUG_MAX = 64, DEBUG_FILE_MAX = 1 << 30 };

struct namer {
    struct opened {
        uint64_t device, inode;
        struct debug_info *info; /* NULL: it has none */
    } opened[OPEN_DEBUG_MAX];
    size_t opened_len, next;
    struct buf texts; /* names, one after the other, each with a NUL */
};

bool namer_new(struct namer **out)
{
    struct namer *n = calloc(1, sizeof(*n));
    if (!n)
        return false;
    buf_init(&n->texts, 0);
    *out = n;
    return true;
}

void namer_free(struct namer *n)
{
    if (!n)
        return;
    for (size_t i = 0; i < n->opened_len; i++)
        debug_info_close(n->opened[i].info);
    buf_deinit(&n->texts);
    free(n);
}

static struct debug_info *open_debug_info(const struct space *space, const struct module *m)
{
    struct debug_info *info = NULL;
    struct stat st;
    int fd = m->image && m->image->has_debug_info ? space_open_file(space, m)
                                                  : space_open_debug_file(space, m);
    if (fd < 0)
        return NULL;
    if (fstat(fd, &st) != 0 || st.st_size > DEBUG_FILE_MAX) {
        close(fd);
        return NULL;
    }
    return debug_info_open(&info, fd) ? info : NULL;
}

static struct debug_info *find_debug_info(struct namer *n, const struct space *space,
                                          const struct module *m)
{
    if (m->inode == 0)
        return NULL;
    for (size_t i = 0; i < n->opened_len; i++) {
        if (n->opened[i].device == m->device && n->opened[i].inode == m->inode)
            return n->opened[i].info;
    }
    size_t at = n->opened_len < OPEN_DEBUG_MAX ? n->opened_len++ : n->next++ % OPEN_DEBUG_MAX;
    debug_info_close(n->opened[at].info);
    n->opened[at] = (struct opened){m->device, m->inode, open_debug_info(space, m)};
    return n->opened[at].info;
}

/* ---- what kind of function it is ---- */

static bool has_prefix(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* CPython's evaluation loop; up to where gcc split cold parts off it, and, in builds whose
 * instructions are functions that call each other at their end (3.14, clang), those. */
static bool is_eval_name(const char *symbol)
{
    return has_prefix(symbol, "_PyEval_EvalFrameDefault") || has_prefix(symbol, "_TAIL_CALL_");
}

static bool is_start_name(const char *symbol)
{
    static const char *const names[] = {"_start",
                                        "__libc_start_main",
                                        "__libc_start_call_main",
                                        "start_thread",
                                        "__clone3",
                                        "clone3",
                                        "__clone",
                                        "clone"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (has_prefix(symbol, names[i]) && strcspn(symbol, "@.") == strlen(names[i]))
            return true;
    }
    return false;
}

/* ---- texts ---- */

static size_t put_text(struct namer *n, const char *symbol)
{
    size_t at = n->texts.len;
    native_demangle(symbol, &n->texts);
    if (n->texts.len - at > NAME_TEXT_MAX)
        n->texts.len = at + NAME_TEXT_MAX;
    buf_put_byte(&n->texts, 0);
    return at;
}

static void name_unknown(struct namer *n, const struct module *m, uint64_t address,
                         uint64_t function)
{
    char text[IMAGE_NAME_MAX];
    snprintf(text, sizeof(text), "[%.200s+0x%" PRIx64 "]", m->name, function ? function : address);
    buf_put(&n->texts, text, strlen(text) + 1);
}

void namer_look(struct namer *n, struct space *space, uint64_t pc, struct native_place *out)
{
    *out = (struct native_place){.module = "", .len = 1};
    buf_clear(&n->texts);
    out->names[0] = (struct native_name){.name = "[code of no file]", .file = ""};
    const struct code_range *range = space_find(space, pc);
    if (!range || range->module == SPACE_NO_MODULE)
        return;
    struct image *image = space_image(space, range->module);
    const struct module *m = &space->modules[range->module];
    uint64_t address = pc - range->begin + range->offset;
    out->module = m->name;
    if (!image || !image_address(image, address, &address)) {
        name_unknown(n, m, address, 0);
        out->names[0] = (struct native_name){.name = (const char *)n->texts.data, .file = m->path};
        return;
    }
    uint64_t begin;
    uint64_t function = cfi_function(image, address);
    const char *symbol = image_symbol(image, address, function, &begin);
    out->is_interpreter = m->is_interpreter;
    out->is_start = !symbol && image_is_entry(image, address);
    if (symbol) {
        out->is_eval = is_eval_name(symbol);
        out->is_start = is_start_name(symbol);
        /* A program that has the interpreter built in: its own code has other names. */
        if (image->has_python && (has_prefix(symbol, "_Py") || has_prefix(symbol, "Py")))
            out->is_interpreter = true;
    }
    struct debug_frame frames[NAME_INLINES_MAX];
    struct debug_info *info = out->is_interpreter ? NULL : find_debug_info(n, space, m);
    size_t len = info ? debug_info_look(info, address, frames, NAME_INLINES_MAX) : 0;
    if (len == 0)
        frames[len++] = (struct debug_frame){0};

    size_t at[NAME_INLINES_MAX];
    for (size_t i = 0; i < len; i++) {
        bool is_real = i + 1 == len;
        const char *name = is_real && symbol ? symbol : frames[i].name;
        at[i] = n->texts.len;
        if (name)
            at[i] = put_text(n, name);
        else
            name_unknown(n, m, address, function);
    }
    if (buf_status(&n->texts) != STATUS_OK)
        return;
    for (size_t i = 0; i < len; i++)
        out->names[i] =
            (struct native_name){(const char *)n->texts.data + at[i],
                                 frames[i].file ? frames[i].file : m->path, frames[i].line};
    out->len = len;
}
