#include <libiberty/demangle.h>
#include <stdlib.h>
#include <string.h>

#include "collector/native/name.h"

enum { SYMBOL_MAX = 64 << 10 };

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Cython names a C function __pyx_pf_<length><part>_...[<number>]<name>, the parts being package,
 * module and class (Scope.__init__ in Cython/Compiler/Symtab.py, 0.29 to 3.1): "module.Class.name".
 */
static bool put_cython(const char *symbol, struct buf *out)
{
    static const char *const prefixes[] = {"__pyx_pf_", "__pyx_pw_", "__pyx_f_", "__pyx_gb_",
                                           "__pyx_fuse_"};
    const char *at = NULL;
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]) && !at; i++) {
        if (strncmp(symbol, prefixes[i], strlen(prefixes[i])) == 0)
            at = symbol + strlen(prefixes[i]);
    }
    if (!at || !is_digit(*at))
        return false;
    const char *end = at + strlen(at);
    struct buf name;
    buf_init(&name, NAME_TEXT_MAX);
    while (is_digit(*at)) {
        char *after;
        unsigned long len = strtoul(at, &after, 10);
        if (len == 0 || len >= (size_t)(end - after) || after[len] != '_')
            break;
        buf_put(&name, after, len);
        buf_put_byte(&name, '.');
        at = after + len + 1;
    }
    while (is_digit(*at)) /* which of the functions so named */
        at++;
    if (*at == '\0' || name.len == 0 || buf_status(&name) != STATUS_OK) {
        buf_deinit(&name);
        return false;
    }
    buf_put(out, name.data, name.len);
    buf_put(out, at, (size_t)(end - at));
    buf_deinit(&name);
    return true;
}

void native_demangle(const char *symbol, struct buf *out)
{
    /* glibc's names for its own calls of what it exports: __GI___libc_read */
    if (strncmp(symbol, "__GI_", 5) == 0 && symbol[5] != '\0')
        symbol += 5;
    /* Parameters are left out: names stay readable, and overloads of one place in one box. */
    size_t len = strnlen(symbol, SYMBOL_MAX);
    bool is_mangled = symbol[0] == '_' && (symbol[1] == 'Z' || symbol[1] == 'R');
    char *plain = is_mangled && len < SYMBOL_MAX ? cplus_demangle(symbol, DMGL_AUTO) : NULL;
    if (plain)
        buf_put_text(out, plain);
    else if (!put_cython(symbol, out))
        buf_put(out, symbol, len);
    free(plain);
}
