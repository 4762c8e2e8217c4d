#include "collector/python/layout.h"

#include <string.h>

/* The rows of 3.8 to 3.12, as offsetof() gives them on x86-64 from these headers of each tag's last
 * micro versions (a micro release never moves them):
 *   Include/internal/pycore_runtime.h (3.8: pycore_pystate.h)  _PyRuntimeState
 *   Include/internal/pycore_interp.h (3.8: pycore_pystate.h)   PyInterpreterState
 *   Include/internal/pycore_gil.h                              struct _gil_runtime_state
 *   Include/cpython/pystate.h                                  PyThreadState, _PyCFrame,
 * _PyStackChunk Include/cpython/frameobject.h (3.8: frameobject.h)         PyFrameObject
 *   Include/internal/pycore_frame.h                            _PyInterpreterFrame (3.11, 3.12)
 *   Include/cpython/code.h (3.8: code.h)                       PyCodeObject
 *   Include/cpython/unicodeobject.h                            PyASCIIObject,
 * PyCompactUnicodeObject tests/integration/test_sampler_layouts.py compiles them again wherever the
 * headers are found. */

enum { BUILTIN_FIRST = 8, BUILTIN_LAST = 12 };

/* struct gc_generation_stats generation_stats[3] stands right before `collecting`:
 * Include/internal/pycore_pymem.h @v3.8.18, pycore_gc.h @v3.9.18 .. v3.13.0,
 * pycore_interp_structs.h @v3.14.0 */
enum { GC_STATS = 3 * 3 * 8 };

/* What 3.8, 3.9 and 3.10 share. */
#define FRAME_OBJECTS                                                                              \
    .interp_next = 0, .interp_threads_head = 8, .interp_gil = PYTHON_NO_FIELD,                     \
    .tstate_exception = 88, .tstate_exc_info = 144, .exc_value = 0, .exc_previous = 24,            \
    .generator_frame = PYTHON_NO_FIELD, .generator_state = PYTHON_NO_FIELD,                        \
    .generator_object = 16, .code_variables = 72, .code_variables_kind = PYTHON_NO_FIELD,          \
    .interp_code_generation = PYTHON_NO_FIELD, .gil_last_holder = PYTHON_NO_FIELD,                 \
    .gil_locked = PYTHON_NO_FIELD, .tstate_size = 264, .tstate_next = 8, .tstate_interp = 16,      \
    .tstate_frame = 24, .tstate_cframe = PYTHON_NO_FIELD, .cframe_frame = PYTHON_NO_FIELD,         \
    .tstate_thread_id = 176, .tstate_native_thread_id = PYTHON_NO_FIELD,                           \
    .tstate_status = PYTHON_NO_FIELD, .tstate_chunk = PYTHON_NO_FIELD,                             \
    .tstate_chunk_top = PYTHON_NO_FIELD, .tstate_chunk_limit = PYTHON_NO_FIELD,                    \
    .tstate_base_frame = PYTHON_NO_FIELD, .tstate_holds_gil = PYTHON_NO_FIELD,                     \
    .tstate_gil_requested = PYTHON_NO_FIELD, .chunk_previous = PYTHON_NO_FIELD,                    \
    .chunk_size = PYTHON_NO_FIELD, .chunk_top = PYTHON_NO_FIELD, .chunk_data = PYTHON_NO_FIELD,    \
    .frame_previous = 24, .frame_code = 32, .frame_owner = PYTHON_NO_FIELD,                        \
    .frame_is_entry = PYTHON_NO_FIELD, .frame_tlbc_index = PYTHON_NO_FIELD,                        \
    .frame_owner_shim = 255, .code_size = 128, .code_firstlineno = 40, .code_filename = 104,       \
    .code_name = 112, .code_qualname = PYTHON_NO_FIELD, .code_linetable = 120,                     \
    .code_bytecode = 48, .code_tlbc = PYTHON_NO_FIELD

/* What 3.11 and 3.12 share. */
#define DATA_STACK                                                                                 \
    .ip = PYTHON_IP_POINTER, .lines = PYTHON_LINES_LOCATIONS, .runtime_interpreters_head = 40,     \
    .runtime_finalizing = 24, .runtime_gc_collecting = PYTHON_NO_FIELD, .interp_next = 0,          \
    .interp_code_generation = PYTHON_NO_FIELD, .tstate_next = 8, .tstate_interp = 16,              \
    .tstate_frame = PYTHON_NO_FIELD, .tstate_cframe = 56, .tstate_status = PYTHON_NO_FIELD,        \
    .tstate_base_frame = PYTHON_NO_FIELD, .tstate_holds_gil = PYTHON_NO_FIELD,                     \
    .tstate_gil_requested = PYTHON_NO_FIELD, .chunk_previous = 0, .chunk_size = 8,                 \
    .chunk_top = 16, .chunk_data = 24, .frame_state = PYTHON_NO_FIELD, .frame_size = 72,           \
    .frame_stack = 64, .operands = PYTHON_OPERANDS_INDEX, .generator_object = PYTHON_NO_FIELD,     \
    .frame_generator = PYTHON_NO_FIELD, .exc_value = 0, .exc_previous = 8, .code_variables = 96,   \
    .code_variables_kind = 104, .task_coroutine = 136, .task_name = 144, .frame_ip = 56,           \
    .frame_tlbc_index = PYTHON_NO_FIELD, .code_filename = 112, .code_name = 120,                   \
    .code_qualname = 128, .code_linetable = 136, .code_tlbc = PYTHON_NO_FIELD

/* What all five share. */
#define OBJECTS                                                                                    \
    .object_type = 8, .type_name = 24, .var_size = 16, .bytes_data = 32, .tuple_items = 24,        \
    .unicode_length = 16, .unicode_state = 32, .unicode_kind_shift = 2, .dict_keys = 32,           \
    .dict_values = 40, .long_digit = 24

/* A string had a wchar_t copy beside it until 3.12 (PEP 623). */
#define WIDE_STRINGS   .unicode_ascii_data = 48, .unicode_compact_data = 72
#define NARROW_STRINGS .unicode_ascii_data = 40, .unicode_compact_data = 56

static const struct python_layout builtin[] = {
    [8 - BUILTIN_FIRST] =
        {
            .version = 0x03080000,
            .runtime_gil = 1152,
            .frame_generator = 96,
            .task_coroutine = 112,
            .task_name = 120,
            .type_cached_keys = 872,
            .attributes = PYTHON_ATTRIBUTES_DICT,
            .ip = PYTHON_IP_BYTES,
            .lines = PYTHON_LINES_LNOTAB,
            .runtime_interpreters_head = 32,
            .runtime_finalizing = 16,
            .runtime_tstate_current = 1368,
            .runtime_gc_collecting = 544,
            .interp_id = 16,
            .interp_gc_collecting = PYTHON_NO_FIELD,
            .interp_modules = 56,
            .frame_size = 360,
            .frame_stack = 72,
            .operands = PYTHON_OPERANDS_POINTER,
            .frame_ip = 104,
            .frame_state = 116, /* f_executing */
            .frame_state_runs = 1,
            FRAME_OBJECTS,
            OBJECTS,
            WIDE_STRINGS,
        },
    [9 - BUILTIN_FIRST] =
        {
            .version = 0x03090000,
            .runtime_gil = 352,
            .frame_generator = 96,
            .task_coroutine = 152,
            .task_name = 160,
            .type_cached_keys = 864,
            .attributes = PYTHON_ATTRIBUTES_DICT,
            .ip = PYTHON_IP_BYTES,
            .lines = PYTHON_LINES_LNOTAB,
            .runtime_interpreters_head = 32,
            .runtime_finalizing = 16,
            .runtime_tstate_current = 568,
            .runtime_gc_collecting = PYTHON_NO_FIELD,
            .interp_id = 24,
            .interp_gc_collecting = 816,
            .interp_modules = 856,
            .frame_size = 360,
            .frame_stack = 72,
            .operands = PYTHON_OPERANDS_POINTER,
            .frame_ip = 104,
            .frame_state = 116, /* f_executing */
            .frame_state_runs = 1,
            FRAME_OBJECTS,
            OBJECTS,
            WIDE_STRINGS,
        },
    [10 - BUILTIN_FIRST] =
        {
            .version = 0x030a0000,
            .runtime_gil = 352,
            .frame_generator = 88,
            .task_coroutine = 160,
            .task_name = 168,
            .type_cached_keys = 872,
            .attributes = PYTHON_ATTRIBUTES_DICT,
            .ip = PYTHON_IP_UNITS,
            .lines = PYTHON_LINES_LINETABLE,
            .runtime_interpreters_head = 32,
            .runtime_finalizing = 16,
            .runtime_tstate_current = 568,
            .runtime_gc_collecting = PYTHON_NO_FIELD,
            .interp_id = 24,
            .interp_gc_collecting = 816,
            .interp_modules = 856,
            .frame_size = 352,
            .frame_stack = 80,
            .operands = PYTHON_OPERANDS_DEPTH,
            .frame_ip = 96,
            .frame_state = 108, /* f_state, FRAME_EXECUTING */
            .frame_state_runs = 0,
            FRAME_OBJECTS,
            OBJECTS,
            WIDE_STRINGS,
        },
    [11 - BUILTIN_FIRST] =
        {
            .version = 0x030b0000,
            .runtime_gil = 360,
            .tstate_exception = 96,
            .tstate_exc_info = 120,
            .generator_frame = 80,
            .generator_state = 75,
            .type_cached_keys = 872,
            .attributes = PYTHON_ATTRIBUTES_BEFORE,
            .has_small_dict_keys = true,
            .runtime_tstate_current = 576,
            .interp_id = 48,
            .interp_threads_head = 16,
            .interp_gc_collecting = 848,
            .interp_modules = 888,
            .interp_gil = PYTHON_NO_FIELD,
            .gil_last_holder = PYTHON_NO_FIELD,
            .gil_locked = PYTHON_NO_FIELD,
            .tstate_size = 360,
            .cframe_frame = 8,
            .tstate_thread_id = 152,
            .tstate_native_thread_id = 160,
            .tstate_chunk = 296,
            .tstate_chunk_top = 304,
            .tstate_chunk_limit = 312,
            .frame_previous = 48,
            .frame_code = 32,
            .frame_owner = 69,
            .frame_is_entry = 68,
            .frame_owner_shim = 255,
            .code_size = 184,
            .code_firstlineno = 72,
            .code_bytecode = 184,
            DATA_STACK,
            OBJECTS,
            WIDE_STRINGS,
        },
    [12 - BUILTIN_FIRST] =
        {
            .version = 0x030c0000,
            .runtime_gil = PYTHON_NO_FIELD,
            .tstate_exception = 96,
            .tstate_exc_info = 104,
            .generator_frame = 72,
            .generator_state = 67,
            .type_cached_keys = 880,
            .attributes = PYTHON_ATTRIBUTES_TAGGED,
            .has_small_dict_keys = true,
            .has_long_tag = true,
            .runtime_tstate_current = PYTHON_NO_FIELD,
            .interp_id = 8,
            .interp_threads_head = 72,
            .interp_gc_collecting = 312,
            .interp_modules = 944,
            .interp_gil = 384,
            .gil_last_holder = 8,
            .gil_locked = 16,
            .tstate_size = 288,
            .cframe_frame = 0,
            .tstate_thread_id = 136,
            .tstate_native_thread_id = 144,
            .tstate_chunk = 232,
            .tstate_chunk_top = 240,
            .tstate_chunk_limit = 248,
            .frame_previous = 8,
            .frame_code = 0,
            .frame_owner = 70,
            .frame_is_entry = PYTHON_NO_FIELD,
            .frame_owner_shim = 3,
            .code_size = 192,
            .code_firstlineno = 68,
            .code_bytecode = 192,
            DATA_STACK,
            OBJECTS,
            NARROW_STRINGS,
        },
};

/* _Py_DebugOffsets is an array of 64-bit words: cookie, version, free_threaded, then a group per
 * struct that begins with its size. The order of words is fixed within a minor version:
 *   3.13: Include/internal/pycore_runtime.h @ v3.13.0
 *   3.14: Include/internal/pycore_debug_offsets.h @ v3.14.0
 *   3.15: the same file since 3.15.0b4
 * Adding a version is one more column. */
enum {
    WORD_VERSION = 1,
    WORD_FREE_THREADED = 2,
    DEBUG_FIRST = 13,
    DEBUG_LAST = 15,
    DEBUG_COLUMNS = DEBUG_LAST - DEBUG_FIRST + 1
};

static const char cookie[8] = {'x', 'd', 'e', 'b', 'u', 'g', 'p', 'y'};
static const uint8_t debug_words[DEBUG_COLUMNS] = {73, 95, 111};

enum need {
    ALWAYS,  /* the layout is refused without it */
    NONZERO, /* the word is 0 when this build has no such field */
};

struct debug_field {
    uint16_t at; /* in struct python_layout */
    uint8_t width;
    uint8_t bytes; /* of the field in the target: it must lie inside its struct */
    enum need need;
    uint8_t word[DEBUG_COLUMNS]; /* 0 = not in this version */
    uint8_t size[DEBUG_COLUMNS]; /* the word with its struct's size; 0 = not checked */
};

#define FIELD(name, bytes_, need_, ...)                                                            \
    {                                                                                              \
        .at = offsetof(struct python_layout, name),                                                \
        .width = sizeof(((struct python_layout *)0)->name), .bytes = (bytes_), .need = (need_),    \
        __VA_ARGS__                                                                                \
    }

static const struct debug_field debug_fields[] = {
    FIELD(runtime_finalizing, 8, ALWAYS, .word = {4, 4, 4}, .size = {3, 3, 3}),
    FIELD(runtime_interpreters_head, 8, ALWAYS, .word = {5, 5, 5}, .size = {3, 3, 3}),
    FIELD(interp_id, 8, ALWAYS, .word = {7, 7, 7}, .size = {6, 6, 6}),
    FIELD(interp_next, 8, ALWAYS, .word = {8, 8, 8}, .size = {6, 6, 6}),
    FIELD(interp_threads_head, 8, ALWAYS, .word = {9, 9, 9}, .size = {6, 6, 6}),
    FIELD(interp_gc_collecting, 8, ALWAYS, .word = {10, 11, 11}, .size = {6, 6, 6}),
    FIELD(interp_modules, 8, ALWAYS, .word = {11, 12, 12}, .size = {6, 6, 6}),
    FIELD(interp_gil, 8, ALWAYS, .word = {14, 15, 15}, .size = {6, 6, 6}),
    FIELD(interp_code_generation, 8, NONZERO, .word = {0, 20, 20}, .size = {6, 6, 6}),
    FIELD(tstate_size, 0, ALWAYS, .word = {19, 22, 22}),
    FIELD(tstate_next, 8, ALWAYS, .word = {21, 24, 24}, .size = {19, 22, 22}),
    FIELD(tstate_interp, 8, ALWAYS, .word = {22, 25, 25}, .size = {19, 22, 22}),
    FIELD(tstate_frame, 8, ALWAYS, .word = {23, 26, 26}, .size = {19, 22, 22}),
    FIELD(tstate_base_frame, 8, NONZERO, .word = {0, 0, 27}, .size = {19, 22, 22}),
    FIELD(tstate_thread_id, 8, ALWAYS, .word = {24, 27, 30}, .size = {19, 22, 22}),
    FIELD(tstate_native_thread_id, 8, ALWAYS, .word = {25, 28, 31}, .size = {19, 22, 22}),
    FIELD(tstate_chunk, 24, ALWAYS, .word = {26, 29, 32}, .size = {19, 22, 22}),
    FIELD(tstate_status, 4, ALWAYS, .word = {27, 30, 33}, .size = {19, 22, 22}),
    FIELD(tstate_holds_gil, 4, NONZERO, .word = {0, 0, 34}, .size = {19, 22, 22}),
    FIELD(tstate_gil_requested, 4, NONZERO, .word = {0, 0, 35}, .size = {19, 22, 22}),
    FIELD(frame_previous, 8, ALWAYS, .word = {29, 32, 40}, .size = {28, 31, 39}),
    FIELD(frame_code, 8, ALWAYS, .word = {30, 33, 41}, .size = {28, 31, 39}),
    FIELD(frame_ip, 8, ALWAYS, .word = {31, 34, 42}, .size = {28, 31, 39}),
    FIELD(frame_size, 0, ALWAYS, .word = {32, 35, 43}, .size = {28, 31, 39}),
    FIELD(frame_owner, 1, ALWAYS, .word = {33, 36, 44}, .size = {28, 31, 39}),
    FIELD(frame_tlbc_index, 4, NONZERO, .word = {0, 38, 46}, .size = {28, 31, 39}),
    FIELD(code_filename, 8, ALWAYS, .word = {35, 40, 48}, .size = {34, 39, 47}),
    FIELD(code_name, 8, ALWAYS, .word = {36, 41, 49}, .size = {34, 39, 47}),
    FIELD(code_qualname, 8, ALWAYS, .word = {37, 42, 50}, .size = {34, 39, 47}),
    FIELD(code_linetable, 8, ALWAYS, .word = {38, 43, 51}, .size = {34, 39, 47}),
    FIELD(code_firstlineno, 4, ALWAYS, .word = {39, 44, 52}, .size = {34, 39, 47}),
    FIELD(code_bytecode, 0, ALWAYS, .word = {43, 48, 56}, .size = {34, 39, 47}),
    FIELD(code_variables, 8, ALWAYS, .word = {41, 46, 54}, .size = {34, 39, 47}),
    FIELD(code_variables_kind, 8, ALWAYS, .word = {42, 47, 55}, .size = {34, 39, 47}),
    FIELD(generator_frame, 8, NONZERO, .word = {0, 85, 101}, .size = {0, 83, 99}),
    FIELD(generator_state, 1, NONZERO, .word = {0, 86, 102}, .size = {0, 83, 99}),
    FIELD(frame_stack, 8, NONZERO, .word = {0, 37, 45}, .size = {28, 31, 39}),
    FIELD(tstate_exception, 8, NONZERO, .word = {0, 0, 36}, .size = {19, 22, 22}),
    FIELD(code_tlbc, 8, NONZERO, .word = {0, 49, 57}, .size = {34, 39, 47}),
    FIELD(object_type, 8, ALWAYS, .word = {45, 51, 59}, .size = {44, 50, 58}),
    FIELD(type_name, 8, ALWAYS, .word = {47, 53, 61}, .size = {46, 52, 60}),
    FIELD(tuple_items, 0, ALWAYS, .word = {51, 57, 69}, .size = {50, 56, 68}),
    FIELD(dict_keys, 8, ALWAYS, .word = {57, 67, 79}, .size = {56, 66, 78}),
    FIELD(dict_values, 8, ALWAYS, .word = {58, 68, 80}, .size = {56, 66, 78}),
    FIELD(long_digit, 4, ALWAYS, .word = {63, 73, 85}, .size = {61, 71, 83}),
    FIELD(var_size, 8, ALWAYS, .word = {65, 75, 87}, .size = {64, 74, 86}),
    FIELD(bytes_data, 1, ALWAYS, .word = {66, 76, 88}, .size = {64, 74, 86}),
    FIELD(unicode_state, 4, ALWAYS, .word = {68, 78, 90}, .size = {67, 77, 89}),
    FIELD(unicode_length, 8, ALWAYS, .word = {69, 79, 91}, .size = {67, 77, 89}),
    FIELD(unicode_ascii_data, 0, ALWAYS, .word = {70, 80, 92}, .size = {67, 77, 89}),
};

/* The words that are not a field by themselves. */
enum { SUM_GIL, SUM_GIL_LOCKED, SUM_GIL_HOLDER, SUM_GC_COLLECTING, SUMS };
static const uint8_t sum_words[SUMS][DEBUG_COLUMNS] = {
    [SUM_GIL] = {15, 16, 16},
    [SUM_GIL_LOCKED] = {17, 18, 18},
    [SUM_GIL_HOLDER] = {18, 19, 19},
    [SUM_GC_COLLECTING] = {72, 82, 95},
};

static uint64_t word_at(const uint8_t *runtime, size_t index)
{
    uint64_t word;
    memcpy(&word, runtime + index * sizeof(word), sizeof(word));
    return word;
}

uint32_t python_layout_debug_version(const uint8_t *runtime, size_t len)
{
    if (len < 3 * sizeof(uint64_t) || memcmp(runtime, cookie, sizeof(cookie)) != 0)
        return 0;
    uint64_t version = word_at(runtime, WORD_VERSION);
    return version > UINT32_MAX ? 0 : (uint32_t)version;
}

static void set_field(struct python_layout *layout, const struct debug_field *field, uint32_t value)
{
    uint8_t *at = (uint8_t *)layout + field->at;
    uint16_t narrow = (uint16_t)value;
    if (field->width == sizeof(narrow))
        memcpy(at, &narrow, sizeof(narrow));
    else
        memcpy(at, &value, sizeof(value));
}

static bool take_field(struct python_layout *layout, const struct debug_field *field,
                       const uint8_t *runtime, size_t column)
{
    uint64_t value = field->word[column] ? word_at(runtime, field->word[column]) : 0;
    if (field->need == NONZERO && value == 0) {
        set_field(layout, field, PYTHON_NO_FIELD);
        return true;
    }
    if (field->size[column]) {
        uint64_t size = word_at(runtime, field->size[column]);
        if (size > UINT32_MAX || value > size || size - value < field->bytes)
            return false;
    }
    if (value >= (field->width == sizeof(uint16_t) ? PYTHON_NO_FIELD : UINT32_MAX))
        return false;
    set_field(layout, field, (uint32_t)value);
    return true;
}

/* Fields of 3.13 and 3.14 that later versions list: Include/cpython/pystate.h,
 * Include/internal/pycore_genobject.h, Modules/_asynciomodule.c of v3.13.0 and v3.14.0. An object
 * of a free-threaded build begins with 16 bytes more (Include/object.h). */
static void set_unlisted(struct python_layout *layout, uint32_t version)
{
    uint16_t more = layout->is_free_threaded ? 16 : 0;
    if (layout->tstate_exception == PYTHON_NO_FIELD)
        layout->tstate_exception = 112;
    layout->tstate_exc_info = (uint16_t)(layout->tstate_exception + 8);
    if (layout->generator_frame == PYTHON_NO_FIELD)
        layout->generator_frame = (uint16_t)(72 + more);
    if (layout->generator_state == PYTHON_NO_FIELD)
        layout->generator_state = (uint16_t)(67 + more);
    if (version >= 0x030f0000) { /* enum _framestate and _PyGen_yf @ v3.15.0 */
        layout->generator_runs = 4;
        layout->awaited_below = 1;
    }
    layout->generator_object = PYTHON_NO_FIELD;
    layout->operands = PYTHON_OPERANDS_POINTER;
    if (layout->frame_stack == PYTHON_NO_FIELD) { /* 3.13: stacktop, right before the variables */
        layout->frame_stack = (uint16_t)(layout->frame_size - 8);
        layout->operands = PYTHON_OPERANDS_INDEX;
    }
    bool is_last = layout->version < 0x030e0000;
    layout->task_coroutine = is_last ? (uint16_t)(120 + more) : PYTHON_NO_FIELD;
    layout->task_name = is_last ? (uint16_t)(128 + more) : PYTHON_NO_FIELD;
}

static enum python_layout_result from_debug_offsets(struct python_layout *out, uint32_t version,
                                                    const uint8_t *runtime, size_t len)
{
    size_t column = (version >> 16 & 0xff) - DEBUG_FIRST;
    if (python_layout_debug_version(runtime, len) != version)
        return PYTHON_LAYOUT_NO_COOKIE;
    if (len < debug_words[column] * sizeof(uint64_t))
        return PYTHON_LAYOUT_IMPLAUSIBLE;

    struct python_layout layout = {
        .version = version,
        .is_free_threaded = word_at(runtime, WORD_FREE_THREADED) != 0,
        .ip = PYTHON_IP_POINTER,
        .lines = PYTHON_LINES_LOCATIONS,
        .runtime_tstate_current = PYTHON_NO_FIELD,
        .runtime_gc_collecting = PYTHON_NO_FIELD,
        .runtime_gil = PYTHON_NO_FIELD,
        .tstate_cframe = PYTHON_NO_FIELD,
        .cframe_frame = PYTHON_NO_FIELD,
        .exc_value = 0,
        .exc_previous = 8,
        .frame_generator = PYTHON_NO_FIELD,
        .chunk_previous = 0,
        .chunk_size = 8,
        .chunk_top = 16,
        .chunk_data = 24,
        .frame_is_entry = PYTHON_NO_FIELD,
        .frame_state = PYTHON_NO_FIELD,
        .frame_owner_shim = 3, /* FRAME_OWNED_BY_CSTACK; 3.14: ..._BY_INTERPRETER, then CSTACK */
        .pointer_tag_mask = 7, /* _PyStackRef keeps tags in low bits that an object never has */
    };
    for (size_t i = 0; i < sizeof(debug_fields) / sizeof(debug_fields[0]); i++) {
        if (!take_field(&layout, &debug_fields[i], runtime, column))
            return PYTHON_LAYOUT_IMPLAUSIBLE;
    }

    uint64_t sums[SUMS];
    for (size_t i = 0; i < SUMS; i++)
        sums[i] = word_at(runtime, sum_words[i][column]);
    if (sums[SUM_GIL_LOCKED] < sums[SUM_GIL] || sums[SUM_GIL_HOLDER] < sums[SUM_GIL] ||
        sums[SUM_GIL_LOCKED] - sums[SUM_GIL] > 4096 ||
        sums[SUM_GIL_HOLDER] - sums[SUM_GIL] > 4096 || sums[SUM_GC_COLLECTING] > 4096)
        return PYTHON_LAYOUT_IMPLAUSIBLE;
    layout.gil_locked = (uint16_t)(sums[SUM_GIL_LOCKED] - sums[SUM_GIL]);
    layout.gil_last_holder = (uint16_t)(sums[SUM_GIL_HOLDER] - sums[SUM_GIL]);
    layout.interp_gc_collecting += (uint32_t)sums[SUM_GC_COLLECTING];

    /* Fields that follow one another in every version, but that the target does not list. */
    layout.tstate_chunk_top = (uint16_t)(layout.tstate_chunk + 8);
    layout.tstate_chunk_limit = (uint16_t)(layout.tstate_chunk + 16);
    layout.unicode_compact_data = (uint16_t)(layout.unicode_ascii_data + 16);
    /* The interned flag became a byte of its own in free-threaded 3.14 (unicodeobject.h). */
    layout.unicode_kind_shift = layout.is_free_threaded && version >= 0x030e0000 ? 8 : 2;
    layout.code_size = layout.code_bytecode;
    set_unlisted(&layout, version);

    layout.has_small_dict_keys = true;
    layout.has_long_tag = true;
    layout.values_first = 8;
    layout.type_cached_keys = 880;
    /* From 3.14 on threads give their names to the system, so nobody need look for them. */
    layout.attributes = version < 0x030e0000 && !layout.is_free_threaded ? PYTHON_ATTRIBUTES_INLINE
                                                                         : PYTHON_ATTRIBUTES_OTHER;

    layout.gc_stats_before = version < 0x030f0000 ? GC_STATS : 0;

    *out = layout;
    return PYTHON_LAYOUT_OK;
}

enum python_layout_result python_layout_init(struct python_layout *out, uint32_t version,
                                             const uint8_t *runtime, size_t len)
{
    uint32_t major = version >> 24;
    uint32_t minor = version >> 16 & 0xff;
    uint32_t level = version >> 4 & 0xf; /* 10 alpha, 11 beta, 12 candidate, 15 final */
    if (major < 3 || (major == 3 && minor < BUILTIN_FIRST))
        return PYTHON_LAYOUT_TOO_OLD;
    if (major > 3 || minor > DEBUG_LAST)
        return PYTHON_LAYOUT_TOO_NEW;
    if (level == 10 || level == 11)
        return PYTHON_LAYOUT_PRERELEASE;
    if (minor >= DEBUG_FIRST)
        return from_debug_offsets(out, version, runtime, len);

    *out = builtin[minor - BUILTIN_FIRST];
    out->version = version;
    out->gc_stats_before = GC_STATS;
    return PYTHON_LAYOUT_OK;
}

const char *python_layout_result_text(enum python_layout_result result)
{
    switch (result) {
    case PYTHON_LAYOUT_OK:
        return "supported";
    case PYTHON_LAYOUT_TOO_OLD:
        return "older than 3.8, the first version whose stacks can be read";
    case PYTHON_LAYOUT_TOO_NEW:
        return "newer than 3.15, the last version whose stacks can be read";
    case PYTHON_LAYOUT_PRERELEASE:
        return "an alpha or beta release, whose memory layout is not settled";
    case PYTHON_LAYOUT_NO_COOKIE:
        return "without the debug offsets that this version should have";
    case PYTHON_LAYOUT_IMPLAUSIBLE:
        return "showing debug offsets that contradict themselves";
    }
    return "unknown";
}
