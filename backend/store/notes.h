#pragma once
/* Notes that people pin to a profile: to a function, to a window of time, or to both. They live as
 * long as the profile; a share link carries them, a redacted one does not (a text may name
 * anything). */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend/store/library.h"
#include "common/base/status.h"

enum { NOTES_MAX = 500 /* of a profile */, NOTE_MAX_BYTES = 4096 };

struct library_note {
    uint64_t number;
    char *text;
    bool has_function, has_window;
    uint32_t function;   /* its id in the profile's tables */
    double from_s, to_s; /* session time */
    uint64_t created_unix_ms;
};
void library_notes_free(struct library_note *notes, size_t len);

/* `note` gets its number and time. STATUS_NOT_FOUND without such a profile, STATUS_TOO_LARGE above
 * the limits. */
enum status library_note_add(struct library *l, const char *profile, struct library_note *note,
                             struct error *err);

/* Oldest first. */
enum status library_note_list(struct library *l, const char *profile, struct library_note **notes,
                              size_t *len, struct error *err);

/* STATUS_NOT_FOUND when this profile has no note of that number. */
enum status library_note_remove(struct library *l, const char *profile, uint64_t number,
                                struct error *err);
