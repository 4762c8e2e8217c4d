#pragma once
/* Filling a profile from a text or binary reader. Every call gives a row; the first failure is
 * kept and makes the later calls do nothing, so that a reader checks once per line or at its end.
 * (builder.h is the same for the JSON readers, which count positions differently.) */

#include "backend/formats/text.h"
#include "backend/model/profile.h"

struct fill {
    struct profile *profile;
    struct error *err;
    enum status failed;
};

/* Keeps the first failure; true while all is well. */
bool fill_check(struct fill *f, enum status status);

/* Keeps STATUS_INVALID with "byte N: what" or "line N: what"; returns it for a one-line return. */
enum status fill_bad(struct fill *f, const char *unit, size_t position, const char *what);

uint32_t fill_string(struct fill *f, struct text text);
struct text fill_text(const struct fill *f, uint32_t string);

/* A function known by text; kind WIRE_PYTHON unless its name or file says otherwise. */
struct fill_function {
    struct text name, file, module;
    uint32_t line;
    enum wire_function_kind kind;
};
uint32_t fill_function(struct fill *f, const struct fill_function *function);
uint32_t fill_frame(struct fill *f, uint32_t function, uint32_t line, uint32_t column);
uint32_t fill_stack(struct fill *f, uint32_t parent, uint32_t frame);
uint32_t fill_process(struct fill *f, uint64_t pid, struct text command);
uint32_t fill_thread(struct fill *f, uint32_t process, uint64_t tid, struct text name);
uint32_t fill_set(struct fill *f, const char *name, uint64_t period);
void fill_value_type(struct fill *f, uint32_t set, const char *name, const char *unit);
bool fill_sample(struct fill *f, uint32_t set, const struct profile_sample *sample);
uint32_t fill_series(struct fill *f, const char *name, const char *unit, const uint32_t *process);
void fill_point(struct fill *f, uint32_t series, uint64_t time_ns, double value);
void fill_field(struct fill *f, uint32_t *field, struct text text);
void fill_argv(struct fill *f, struct text argument);
void fill_tag(struct fill *f, const char *key, struct text value);

static inline struct text text_of(const char *literal)
{
    return (struct text){literal, __builtin_strlen(literal)};
}
