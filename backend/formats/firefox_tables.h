#pragma once
/* The tables of a Firefox profile: strings, functions, frames and stacks, of one thread or shared
 * by all; as rows of the profile that is being read. */

#include <stdbool.h>
#include <stdint.h>

#include "backend/formats/builder.h"
#include "backend/formats/json_in.h"

/* Where each table stands in the file; NULL = not here. */
struct firefox_marks {
    const uint8_t *strings, *sources, *resources, *functions, *frames, *stacks;
};

/* Notes the next value when the key names a table; false (and nothing taken) otherwise. */
bool firefox_marks_take(struct firefox_marks *m, struct json_in *j, struct text key);
bool firefox_marks_any(const struct firefox_marks *m);

struct firefox_tables {
    uint32_t *strings, *files, *modules, *functions, *frames, *stacks;
    size_t strings_len, files_len, modules_len, functions_len, frames_len, stacks_len;
    size_t strings_cap, files_cap, modules_cap, functions_cap, frames_cap, stacks_cap;
};

/* Reads what is marked; `shared` (may be NULL) gives what is not. */
void firefox_tables_read(struct firefox_tables *t, const struct firefox_marks *m,
                         const struct firefox_tables *shared, struct builder *b);
void firefox_tables_deinit(struct firefox_tables *t);
