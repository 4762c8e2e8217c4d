#pragma once
/* What the functions at an address are called: symbols made readable, and where debug information
 * is, source lines and the functions that the compiler put inside others. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/native/space.h"
#include "common/base/buf.h"

enum { NAME_INLINES_MAX = 32, NAME_TEXT_MAX = 1024 };

struct native_name {
    const char *name; /* never empty: "[libfoo.so+0x1234]" where nothing is known */
    const char *file; /* source, or the mapped file */
    uint32_t line;    /* 0 = unknown */
};

struct native_place {
    struct native_name names[NAME_INLINES_MAX]; /* innermost first; the last is the real function */
    size_t len;
    const char *module;  /* "libc.so.6", "" for code of no file */
    bool is_interpreter; /* of the Python interpreter itself */
    bool is_eval;        /* runs Python frames: _PyEval_EvalFrameDefault and its like */
    bool is_start;       /* where programs and threads begin: _start, start_thread */
};

struct namer;

bool namer_new(struct namer **out);
void namer_free(struct namer *n); /* takes NULL */

/* What stands at `pc`. Texts live until the next call. */
void namer_look(struct namer *n, struct space *space, uint64_t pc, struct native_place *out);

/* C++, Rust and Cython names for people; others as they are. */
void native_demangle(const char *symbol, struct buf *out);
