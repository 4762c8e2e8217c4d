#pragma once
/* Inside of the pprof reader: what its files share. pprof.c reads the tables and the samples,
 * pprof_types.c the value types, pprof_locations.c places, when a sample needs them. */

#include "backend/formats/builder.h"
#include "backend/formats/pb_in.h"
#include "common/base/map.h"

enum { PPROF_MAX_TYPES = 64 };

struct pprof_location {
    const uint8_t *data; /* its message, until it is needed */
    size_t len;
    size_t first_frame; /* outermost first */
    uint32_t frames_len;
    bool is_read;
};

struct pprof_reader {
    struct pb_in top;
    struct builder build;
    struct text *strings;
    struct pb_field *functions, *mappings, *types;
    struct pprof_location *locations;
    uint32_t *frames;
    uint64_t *ids;   /* location ids of the sample being read */
    int64_t *values; /* of the same */
    size_t strings_len, strings_cap, functions_len, functions_cap, mappings_len, mappings_cap;
    size_t types_len, types_cap, locations_len, locations_cap, frames_len, frames_cap;
    size_t ids_len, ids_cap, values_len, values_cap, stacks_max;
    struct map function_by_id, mapping_by_id, location_by_id;
    struct map stack_by_pair; /* parent stack and location -> stack */
    uint64_t default_type, period;
    size_t order[PPROF_MAX_TYPES]; /* the file's number of each of our value types */
    uint32_t first_set;
};

/* The first failure stays; all of these are false when there is one. A nested message's fault
 * becomes the file's. */
bool pprof_fail(struct pprof_reader *r, enum status status, const char *what);
bool pprof_merge(struct pprof_reader *r, const struct pb_in *inner);
bool pprof_room(struct pprof_reader *r, bool has_room);

/* Empty, and a failure, beyond the table. */
struct text pprof_text_at(struct pprof_reader *r, uint64_t index);

/* The sample sets with their value types, the default one first. */
bool pprof_add_types(struct pprof_reader *r);

/* Puts the place, with what was inlined there, onto a stack. */
bool pprof_push_location(struct pprof_reader *r, uint64_t id, uint32_t *stack);
