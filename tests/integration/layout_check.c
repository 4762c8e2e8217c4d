/* Compares the built-in layouts with the headers of a Python 3.8 to 3.12: compiled against them,
 * with collector/python/layout.c, by test_sampler_layouts.py. Prints what differs. */
#define Py_BUILD_CORE 1
#include <Python.h>
#include <stddef.h>
#include <stdio.h>
#if PY_VERSION_HEX >= 0x03090000
#include "internal/pycore_interp.h"
#include "internal/pycore_runtime.h"
#else
#include "internal/pycore_pystate.h"
#endif
#if PY_VERSION_HEX >= 0x030b0000
#include "internal/pycore_dict.h"
#include "internal/pycore_frame.h"
#else
#include "frameobject.h"
#endif

#include "collector/python/layout.h"

static struct python_layout layout;
static int differing;

static void compare(const char *name, unsigned long have, unsigned long want)
{
    if (have == want)
        return;
    printf("%s is %lu, not %lu\n", name, want, have);
    differing++;
}

#define SAME(field, type, member) compare(#field, layout.field, offsetof(type, member))

int main(void)
{
    if (python_layout_init(&layout, PY_VERSION_HEX, NULL, 0) != PYTHON_LAYOUT_OK)
        return 2;
    SAME(runtime_interpreters_head, _PyRuntimeState, interpreters.head);
#if PY_VERSION_HEX >= 0x03090000
    SAME(runtime_finalizing, _PyRuntimeState, _finalizing);
    SAME(interp_gc_collecting, PyInterpreterState, gc.collecting);
#else
    SAME(runtime_finalizing, _PyRuntimeState, finalizing);
    SAME(runtime_gc_collecting, _PyRuntimeState, gc.collecting);
#endif
    compare("gc_stats_before", layout.gc_stats_before,
            offsetof(struct _gc_runtime_state, collecting) -
                offsetof(struct _gc_runtime_state, generation_stats));
    SAME(interp_next, PyInterpreterState, next);
    SAME(interp_id, PyInterpreterState, id);
#if PY_VERSION_HEX >= 0x030c0000
    SAME(interp_modules, PyInterpreterState, imports.modules);
    SAME(interp_gil, PyInterpreterState, ceval.gil);
    SAME(gil_last_holder, struct _gil_runtime_state, last_holder);
    SAME(gil_locked, struct _gil_runtime_state, locked);
#else
    SAME(interp_modules, PyInterpreterState, modules);
    SAME(runtime_tstate_current, _PyRuntimeState, gilstate.tstate_current);
#endif
    SAME(tstate_next, PyThreadState, next);
    SAME(tstate_interp, PyThreadState, interp);
    SAME(tstate_thread_id, PyThreadState, thread_id);
#if PY_VERSION_HEX >= 0x030b0000
    SAME(interp_threads_head, PyInterpreterState, threads.head);
    SAME(tstate_native_thread_id, PyThreadState, native_thread_id);
    SAME(tstate_cframe, PyThreadState, cframe);
    SAME(cframe_frame, _PyCFrame, current_frame);
    SAME(tstate_chunk, PyThreadState, datastack_chunk);
    SAME(tstate_chunk_top, PyThreadState, datastack_top);
    SAME(tstate_chunk_limit, PyThreadState, datastack_limit);
    SAME(chunk_previous, _PyStackChunk, previous);
    SAME(chunk_size, _PyStackChunk, size);
    SAME(chunk_top, _PyStackChunk, top);
    SAME(chunk_data, _PyStackChunk, data);
    SAME(frame_size, _PyInterpreterFrame, localsplus);
    SAME(frame_stack, _PyInterpreterFrame, stacktop);
    SAME(generator_state, PyGenObject, gi_frame_state);
    SAME(frame_previous, _PyInterpreterFrame, previous);
    SAME(frame_code, _PyInterpreterFrame, f_code);
    SAME(frame_ip, _PyInterpreterFrame, prev_instr);
    SAME(frame_owner, _PyInterpreterFrame, owner);
    SAME(code_qualname, PyCodeObject, co_qualname);
    SAME(code_linetable, PyCodeObject, co_linetable);
    SAME(code_bytecode, PyCodeObject, co_code_adaptive);
    SAME(values_first, struct _dictvalues, values);
#else
    SAME(interp_threads_head, PyInterpreterState, tstate_head);
    SAME(tstate_frame, PyThreadState, frame);
    SAME(frame_size, PyFrameObject, f_localsplus);
    SAME(generator_object, PyGenObject, gi_frame);
#if PY_VERSION_HEX >= 0x030a0000
    SAME(frame_stack, PyFrameObject, f_stackdepth);
    compare("f_valuestack", layout.frame_stack - 16, offsetof(PyFrameObject, f_valuestack));
#else
    SAME(frame_stack, PyFrameObject, f_stacktop);
#endif
    SAME(frame_previous, PyFrameObject, f_back);
    SAME(frame_code, PyFrameObject, f_code);
    SAME(frame_ip, PyFrameObject, f_lasti);
    SAME(code_bytecode, PyCodeObject, co_code);
#if PY_VERSION_HEX >= 0x030a0000
    SAME(frame_state, PyFrameObject, f_state);
    compare("frame_state_runs", layout.frame_state_runs, FRAME_EXECUTING);
    SAME(code_linetable, PyCodeObject, co_linetable);
#else
    SAME(frame_state, PyFrameObject, f_executing);
    SAME(code_linetable, PyCodeObject, co_lnotab);
#endif
#endif
    SAME(code_firstlineno, PyCodeObject, co_firstlineno);
    SAME(code_filename, PyCodeObject, co_filename);
    SAME(code_name, PyCodeObject, co_name);
    SAME(object_type, PyObject, ob_type);
    SAME(type_name, PyTypeObject, tp_name);
    SAME(type_cached_keys, PyHeapTypeObject, ht_cached_keys);
    SAME(var_size, PyVarObject, ob_size);
    SAME(bytes_data, PyBytesObject, ob_sval);
    SAME(tuple_items, PyTupleObject, ob_item);
    SAME(unicode_length, PyASCIIObject, length);
    SAME(unicode_state, PyASCIIObject, state);
    compare("unicode_ascii_data", layout.unicode_ascii_data, sizeof(PyASCIIObject));
    compare("unicode_compact_data", layout.unicode_compact_data, sizeof(PyCompactUnicodeObject));
    SAME(dict_keys, PyDictObject, ma_keys);
    SAME(dict_values, PyDictObject, ma_values);
    return differing ? 1 : 0;
}
