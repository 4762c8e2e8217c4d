#pragma once
/* What a saved page calls in its WebAssembly: a profile goes into the room, then questions do. */

#include <stddef.h>
#include <stdint.h>

enum saved_result { SAVED_JSON, SAVED_BINARY, SAVED_REFUSED, SAVED_NOT_FOUND };

#ifdef __wasm__
#define SAVED_EXPORT(name) __attribute__((export_name(name)))
#else
#define SAVED_EXPORT(name)
#endif

/* `len` bytes to write what comes next into; NULL without memory. */
SAVED_EXPORT("room") uint8_t *saved_room(size_t len);
/* The room holds a .heliograph file. */
SAVED_EXPORT("open") enum saved_result saved_open(void);
/* The room holds a question: "flame", or "profile", then names and values, each ended by a NUL. */
SAVED_EXPORT("ask") enum saved_result saved_ask(void);
/* Of the last call: JSON, or the binary answer, or {"code","message"}. Valid until the next. */
SAVED_EXPORT("answer") const uint8_t *saved_answer(void);
SAVED_EXPORT("answer_len") size_t saved_answer_len(void);
