#pragma once
/* Processes and threads of a trace: ids are numbers or text, names come in any order. */

#include <stddef.h>
#include <stdint.h>

#include "backend/formats/builder.h"
#include "common/base/map.h"
#include "common/base/strtab.h"

struct trace_tracks {
    struct strtab strings; /* ids as they are written */
    struct trace_track {
        uint32_t pid, tid; /* strings of ours */
        uint32_t name;     /* a string of the profile */
    } * items;
    size_t len, cap;
    struct map by_ids;       /* pid and tid -> track */
    struct map process_name; /* pid -> string of the profile */
};

enum status trace_tracks_init(struct trace_tracks *t);
void trace_tracks_deinit(struct trace_tracks *t); /* takes a zeroed one */

uint32_t trace_tracks_string(struct trace_tracks *t, struct json_in *j, struct text text);
uint32_t trace_tracks_find(struct trace_tracks *t, struct json_in *j, uint32_t pid, uint32_t tid);
void trace_tracks_name_process(struct trace_tracks *t, struct json_in *j, uint32_t pid,
                               uint32_t name);
void trace_tracks_name_thread(struct trace_tracks *t, struct json_in *j, uint32_t pid, uint32_t tid,
                              uint32_t name);
size_t trace_tracks_len(const struct trace_tracks *t);

/* The thread's row in the profile. */
uint32_t trace_tracks_thread(const struct trace_tracks *t, struct builder *b, uint32_t track);
