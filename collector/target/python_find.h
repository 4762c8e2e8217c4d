#pragma once
/* Finds the Python in a process: its runtime's address, its version, its layout. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "collector/target/target.h"

struct python_found {
    enum target_python_state state;
    struct target_python python;    /* when READY */
    char runtime[64];               /* "CPython 3.12.1", "PyPy", or the program's name */
    char reason[TARGET_REASON_MAX]; /* when not READY */
};

/* Looks once. LOOKING = there is, or may come, a Python that is not initialised yet. */
void python_find(pid_t pid, struct python_found *out);

/* The address of a symbol that the program, or its libpython, exports. */
bool python_find_symbol(pid_t pid, const char *name, uint64_t *address);

/* Where the section `section` of a mapped file lies whose name contains `name` (then also of the
 * program itself and its libpython, where the module may be built in); false when there is none. */
bool python_find_section(pid_t pid, const char *name, const char *section, uint64_t *address,
                         uint64_t *size);
