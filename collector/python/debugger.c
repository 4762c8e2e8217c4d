#include "collector/python/debugger.h"

#include <string.h>

#include "collector/python/layout.h"

/* struct _debugger_support is the last group of _Py_DebugOffsets, which has so many words:
 * Include/internal/pycore_debug_offsets.h @v3.14.0, and since 3.15.0b4. */
enum {
    WORDS_3_14 = 95,
    WORDS_3_15 = 111,
    GROUP = 6,
    MAIN_THREAD = 10,   /* interpreter_state.threads_main */
    INTERP_SIZE = 6,    /* interpreter_state.size */
    TSTATE_SIZE = 22,   /* thread_state.size */
    SCRIPT_BYTES = 512, /* _Py_MAX_SCRIPT_PATH_SIZE */
    PENDING_BYTES = 4,
};

enum { BREAKER, SUPPORT, ENABLED, PENDING, SCRIPT, SCRIPT_SIZE };

static uint64_t word_at(const uint8_t *runtime, size_t index)
{
    uint64_t word;
    memcpy(&word, runtime + index * sizeof(word), sizeof(word));
    return word;
}

bool python_debugger_init(struct python_debugger *out, const uint8_t *runtime, size_t len)
{
    uint32_t version = python_layout_debug_version(runtime, len);
    size_t words = version >> 16 == 0x030e ? WORDS_3_14 : version >> 16 == 0x030f ? WORDS_3_15 : 0;
    if (words == 0 || len < words * sizeof(uint64_t))
        return false;
    uint64_t group[GROUP];
    for (size_t i = 0; i < GROUP; i++)
        group[i] = word_at(runtime, words - GROUP + i);
    uint64_t interp = word_at(runtime, INTERP_SIZE);
    uint64_t tstate = word_at(runtime, TSTATE_SIZE);
    uint64_t main_thread = word_at(runtime, MAIN_THREAD);
    /* What is written to must lie where it says: a wrong guess would harm the program. */
    if (group[PENDING] != 0 || group[SCRIPT] != PENDING_BYTES ||
        group[SCRIPT_SIZE] != SCRIPT_BYTES || tstate > UINT32_MAX || interp > UINT32_MAX ||
        group[SUPPORT] == 0 || group[SUPPORT] > tstate ||
        tstate - group[SUPPORT] < PENDING_BYTES + SCRIPT_BYTES || group[BREAKER] == 0 ||
        group[BREAKER] > tstate - sizeof(uint64_t) || main_thread == 0 ||
        main_thread > interp - sizeof(uint64_t) || group[ENABLED] == 0 ||
        group[ENABLED] > interp - sizeof(int))
        return false;
    *out = (struct python_debugger){
        .interp_main_thread = (uint32_t)main_thread,
        .interp_enabled = (uint32_t)group[ENABLED],
        .tstate_breaker = (uint32_t)group[BREAKER],
        .tstate_pending = (uint32_t)(group[SUPPORT] + group[PENDING]),
        .tstate_script = (uint32_t)(group[SUPPORT] + group[SCRIPT]),
        .script_bytes = (uint32_t)group[SCRIPT_SIZE],
    };
    return true;
}
