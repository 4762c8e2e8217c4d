#pragma once
/* Where CPython keeps what a profiler wants to know: the offsets of fields, per version.
 *
 * 3.8 to 3.12 have a row each, compiled from their headers; 3.13 and later describe themselves
 * (_Py_DebugOffsets at the start of _PyRuntime) and are checked against sanity bounds. Everything
 * else in this folder is free of version numbers: it asks the layout. x86-64 Linux only.
 *
 * layout.c needs nothing but libc's memcpy and memcmp, so that the agent may compile it in. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PYTHON_NO_FIELD = 0xffff,        /* this version has no such field */
    PYTHON_DEBUG_OFFSETS_MAX = 1024, /* bytes to read at _PyRuntime for python_layout_init */
};

/* What a frame's `frame_ip` holds. */
enum python_ip {
    PYTHON_IP_BYTES,   /* int f_lasti, in bytes (3.8, 3.9) */
    PYTHON_IP_UNITS,   /* int f_lasti, in 2-byte instructions (3.10) */
    PYTHON_IP_POINTER, /* address of the last instruction run (3.11+) */
};

/* How the code object's line table is written. */
enum python_lines {
    PYTHON_LINES_LNOTAB,    /* 3.8, 3.9 co_lnotab */
    PYTHON_LINES_LINETABLE, /* 3.10 co_linetable */
    PYTHON_LINES_LOCATIONS, /* 3.11+ PEP 657 location table */
};

/* Where the attributes of a plain instance are kept. */
enum python_attributes {
    PYTHON_ATTRIBUTES_DICT,   /* a dict right behind the header (up to 3.10) */
    PYTHON_ATTRIBUTES_BEFORE, /* pointers before the object: dict at -24, values at -32 (3.11) */
    PYTHON_ATTRIBUTES_TAGGED, /* one pointer at -24: odd = values, one less than them (3.12) */
    PYTHON_ATTRIBUTES_INLINE, /* dict at -24, else values behind the header (3.13) */
    PYTHON_ATTRIBUTES_OTHER,  /* not looked at */
};

/* How a frame says where its stack of operands ends; who waits has what it waits for on top. */
enum python_operands {
    PYTHON_OPERANDS_POINTER, /* 3.8, 3.9, 3.14+ */
    PYTHON_OPERANDS_DEPTH,   /* 3.10: int, behind f_valuestack, which stands 16 bytes before it */
    PYTHON_OPERANDS_INDEX,   /* 3.11 to 3.13: int, counted from the first variable */
};

struct python_layout {
    uint32_t version; /* PY_VERSION_HEX of the target, or of the row: 0x030c0000 */
    bool is_free_threaded;
    enum python_ip ip;
    enum python_lines lines;

    /* _PyRuntimeState */
    uint16_t runtime_interpreters_head;
    uint16_t runtime_finalizing;     /* PyThreadState *, set when the interpreter shuts down */
    uint16_t runtime_tstate_current; /* gilstate.tstate_current: who runs (up to 3.11) */
    uint16_t runtime_gc_collecting;  /* 3.8 */

    /* PyInterpreterState. interp_gil points at a struct with gil_locked and gil_last_holder. */
    uint32_t interp_next, interp_id, interp_threads_head;
    uint32_t interp_gc_collecting, interp_modules;
    uint32_t interp_gil;             /* ceval.gil, a pointer (3.12+) */
    uint32_t interp_code_generation; /* changes when a code object is freed (3.14+) */
    uint16_t gil_last_holder, gil_locked;
    uint16_t runtime_gil; /* the struct itself, in the runtime (up to 3.11) */
    /* The statistics of the three generations begin so many bytes before the flag `collecting`; 0 =
     * they are elsewhere (3.15+). */
    uint16_t gc_stats_before;

    /* PyThreadState. The frame is at tstate_frame, or behind tstate_cframe at cframe_frame. */
    uint16_t tstate_size;
    uint16_t tstate_next, tstate_interp;
    uint16_t tstate_frame;
    uint16_t tstate_cframe, cframe_frame;
    uint16_t tstate_thread_id;        /* pthread_t */
    uint16_t tstate_native_thread_id; /* gettid(), 3.11+ */
    uint16_t tstate_status;           /* bit field: has it the GIL, is it attached (3.13+) */
    uint16_t tstate_chunk, tstate_chunk_top, tstate_chunk_limit; /* data stack, 3.11+ */
    uint16_t tstate_base_frame;                                  /* the chain ends here (3.15+) */
    uint16_t tstate_holds_gil, tstate_gil_requested;             /* 3.15+ */
    uint16_t tstate_exception; /* the one being raised: curexc_type, or current_exception (3.12+) */
    uint16_t tstate_exc_info;  /* those being handled: a list of _PyErr_StackItem ... */
    uint8_t exc_value, exc_previous; /* ... whose fields these are; exc_type up to 3.10 */

    /* _PyStackChunk */
    uint16_t chunk_previous, chunk_size, chunk_top, chunk_data;

    /* PyFrameObject up to 3.10, _PyInterpreterFrame from 3.11 */
    uint16_t frame_size; /* the fixed part; the variables follow, tagged pointers from 3.14 on */
    uint16_t frame_previous, frame_code, frame_ip;
    uint16_t frame_owner;      /* 3.11+ */
    uint16_t frame_is_entry;   /* 3.11: bool, called from C */
    uint16_t frame_tlbc_index; /* free-threaded 3.14+: which copy of the bytecode runs */
    uint16_t frame_generator;  /* up to 3.10: the generator or coroutine it belongs to, or NULL */
    uint16_t frame_state;      /* up to 3.10: a byte that says whether the frame runs ... */
    uint8_t frame_state_runs;  /* ... and its value then */
    uint8_t frame_owner_shim;  /* owners of at least this value are no Python frame; 255 = none */
    uint8_t pointer_tag_mask;  /* low bits of frame_code to clear */

    /* PyCodeObject. code_bytecode: PyObject * bytes up to 3.10, the bytecode itself from 3.11. */
    uint16_t code_size;
    uint16_t code_firstlineno, code_filename, code_name, code_qualname, code_linetable;
    uint16_t code_bytecode;
    uint16_t code_tlbc;           /* free-threaded 3.14+ */
    uint16_t code_variables;      /* tuple of names: co_varnames, or co_localsplusnames (3.11+) */
    uint16_t code_variables_kind; /* 3.11+: bytes, a kind for each */

    /* Generators and coroutines hold their frame from 3.11 on; asyncio's tasks, up to 3.13 (later
     * ones tell by themselves, see tasks.h). */
    uint16_t generator_frame;
    uint16_t generator_state;  /* a signed byte, 3.11+ */
    int8_t generator_runs;     /* its first value that says it runs or has ended; below, it waits */
    uint8_t awaited_below;     /* words on top of what is awaited, on the stack of operands */
    uint16_t generator_object; /* up to 3.10: its frame object, NULL when it has ended */
    uint16_t frame_stack;      /* where its stack of operands ends, as `operands` says */
    enum python_operands operands;
    uint16_t task_coroutine, task_name;

    /* Objects */
    uint16_t object_type, type_name, var_size;
    uint16_t bytes_data, tuple_items;
    uint16_t unicode_length, unicode_state;
    uint16_t unicode_ascii_data;   /* text of compact ASCII strings */
    uint16_t unicode_compact_data; /* text of other compact strings */
    uint8_t unicode_kind_shift;    /* state >> shift: 3 bits kind, 1 compact, 1 ascii */
    uint16_t dict_keys, dict_values;
    uint16_t long_digit;
    uint16_t type_cached_keys; /* PyHeapTypeObject.ht_cached_keys: names of the values */
    uint16_t values_first;     /* PyDictValues.values */
    enum python_attributes attributes;
    bool has_small_dict_keys; /* 3.11+: PyDictKeysObject with its sizes as logarithms */
    bool has_long_tag;        /* 3.12+: an int's size is in the upper bits of its tag */
};

enum python_layout_result {
    PYTHON_LAYOUT_OK,
    PYTHON_LAYOUT_TOO_OLD,     /* before 3.8 */
    PYTHON_LAYOUT_TOO_NEW,     /* after the last version whose debug offsets are known */
    PYTHON_LAYOUT_PRERELEASE,  /* an alpha or beta: its debug offsets still move */
    PYTHON_LAYOUT_NO_COOKIE,   /* 3.13+ without debug offsets where they should be */
    PYTHON_LAYOUT_IMPLAUSIBLE, /* debug offsets that contradict themselves */
};

/* Fills `out` for the Python whose PY_VERSION_HEX is `version`. `runtime` holds the first `len`
 * bytes of its _PyRuntime (only looked at from 3.13 on, where PYTHON_DEBUG_OFFSETS_MAX bytes are
 * always enough). `out` is written only on PYTHON_LAYOUT_OK. */
enum python_layout_result python_layout_init(struct python_layout *out, uint32_t version,
                                             const uint8_t *runtime, size_t len);

/* The version that debug offsets name, or 0 when `runtime` does not begin with the cookie. */
uint32_t python_layout_debug_version(const uint8_t *runtime, size_t len);

/* What to tell a person, e.g. "its debug offsets contradict themselves". */
const char *python_layout_result_text(enum python_layout_result result);
