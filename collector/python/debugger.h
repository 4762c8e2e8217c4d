#pragma once
/* Where a Python takes a script that another process asks it to run (PEP 768, from 3.14 on). */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct python_debugger {
    /* PyInterpreterState */
    uint32_t interp_main_thread; /* PyThreadState * */
    uint32_t interp_enabled;     /* int: 1 = it may be asked */
    /* PyThreadState */
    uint32_t tstate_breaker; /* word of bits */
    uint32_t tstate_pending; /* int32: 1 = there is a script */
    uint32_t tstate_script;  /* its path, `script_bytes` with the NUL */
    uint32_t script_bytes;
};

#define PYTHON_DEBUGGER_STOP_BIT (UINT64_C(1) << 5) /* _PY_EVAL_PLEASE_STOP_BIT */

/* `runtime` as for python_layout_init. False when this version cannot be asked, or its offsets are
 * none that can be. */
bool python_debugger_init(struct python_debugger *out, const uint8_t *runtime, size_t len);
