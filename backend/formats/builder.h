#pragma once
/* Filling a profile's tables from a reader: every call gives a row; the first failure is kept and
 * makes the later calls do nothing. With a JSON input the failure becomes that input's, so that a
 * reader's loops end and there is one status to check. */

#include <stdint.h>

#include "backend/formats/format.h"
#include "backend/formats/json_in.h"
#include "backend/formats/text.h"
#include "backend/model/profile.h"
#include "common/base/status.h"

struct builder {
    struct profile *profile;
    struct json_in *json; /* may be NULL */
    struct error *err;
    enum status failed;
};

/* What a reader of JSON begins and ends with: its input and its builder, made ready; then the one
 * status of both. */
void builder_begin(struct builder *b, struct json_in *json, const struct format_input *in,
                   struct profile *out, struct error *err);
enum status builder_end(struct builder *b);

/* Keeps the first failure; true when all is well. */
bool builder_check(struct builder *b, enum status status);

uint32_t builder_string(struct builder *b, struct text text);
uint32_t builder_literal(struct builder *b, const char *text);

struct text builder_text(const struct builder *b, uint32_t string);

/* f->kind as the name and the file suggest it: see builder_kind_of. */
uint32_t builder_function(struct builder *b, struct wire_function f);
uint32_t builder_frame(struct builder *b, uint32_t function, uint32_t line, uint32_t column);
uint32_t builder_stack(struct builder *b, uint32_t parent, uint32_t frame);
uint32_t builder_thread(struct builder *b, uint32_t process, uint64_t tid, struct text name);
uint32_t builder_process(struct builder *b, uint64_t pid, struct text command);

/* A set with one value type. */
uint32_t builder_set(struct builder *b, const char *name, const char *value, const char *unit);
bool builder_sample(struct builder *b, uint32_t set, const struct profile_sample *sample);
uint32_t builder_series(struct builder *b, const char *name, const char *unit);
void builder_set_text(struct builder *b, uint32_t *field, struct text text);
void builder_tag(struct builder *b, struct text key, struct text value);

/* WIRE_GC for "(garbage collector)", WIRE_BUILTIN for "<built-in ...>", ... */
enum wire_function_kind builder_kind_of(struct text name, struct text file);

/* ---- amounts ---- */

/* How a file's unit is kept: times as whole nanoseconds; of other units the name, in thousandths
 * ("bytes/1000") when the file has fractions. */
struct amount_unit {
    char name[48];
    int64_t scale; /* kept = the file's amount times this */
    bool is_time;
};
void amount_unit_find(struct amount_unit *unit, struct text name);
void amount_unit_divide(struct amount_unit *unit);

/* The amount in the unit, rounded to the nearest; false when not finite or it does not fit. */
bool amount_scale(const struct amount_unit *unit, const struct json_number *n, int64_t *out);

/* Whether the amount would lose its fraction. */
bool amount_is_broken(const struct amount_unit *unit, const struct json_number *n);
