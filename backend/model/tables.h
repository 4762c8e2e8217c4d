#pragma once
/* The tables every shape of profile shares: strings -> functions -> frames -> stacks, beside
 * processes, threads and label sets. Append-only; row 0 of strings, functions, frames, stacks and
 * label sets means "" / unknown / unknown / the empty stack / no labels. A stack's parent always
 * has a smaller number, so one pass from the end sums a tree. */

#include <stddef.h>
#include <stdint.h>

#include "common/base/map.h"
#include "common/base/status.h"
#include "common/base/strtab.h"
#include "common/wire/wire.h"

struct model_process {
    uint64_t pid, parent_pid;
    uint32_t command, runtime; /* strings */
    uint64_t start_ns, end_ns; /* end 0 = still there */
};

struct model_thread {
    uint32_t process;
    uint64_t tid;
    uint32_t name; /* string */
};

struct model_label {
    uint32_t key, value, unit; /* strings; unit 0 = a text label */
};

struct model_label_set {
    uint32_t first, len; /* into labels[] */
};

struct tables {
    struct strtab strings;
    struct wire_function *functions; /* name, file, line, module, kind */
    struct wire_frame *frames;       /* function, line, column, end_line, end_column */
    struct wire_stack *stacks;       /* parent, frame */
    uint32_t *stack_depth;           /* of each stack; 0 for stack 0 */
    struct model_process *processes;
    struct model_thread *threads;
    struct model_label_set *label_sets;
    struct model_label *labels;
    size_t functions_len, frames_len, stacks_len, processes_len, threads_len;
    size_t label_sets_len, labels_len;
    size_t functions_cap, frames_cap, stacks_cap, depth_cap, processes_cap, threads_cap;
    size_t label_sets_cap, labels_cap;
    /* Content -> row, for interning. Rows from `indexed` on are not in them yet: an interning call
     * catches up, so that profiles that are only read never pay for them. */
    struct tables_index {
        struct map map; /* content hash -> row */
        size_t indexed;
    } by_function, by_frame, by_process, by_thread, by_label_set;
    struct stack_index {
        uint32_t *slots; /* rows, 0 = free: millions of stacks want few bytes to look through */
        size_t cap;      /* a power of two, or 0 */
        size_t len, indexed;
        uint64_t seed;
    } by_stack;
};

enum {
    TABLES_MAX_DEPTH = 1 << 16,        /* frames of one stack; deeper is refused */
    TABLES_MAX_ROWS = 1 << 28,         /* of any one table */
    TABLES_MAX_STRING = 8 << 20,       /* bytes of one string: it must fit one message */
    TABLES_MAX_STRING_BYTES = 1 << 30, /* of all strings */
    TABLES_MAX_LABELS = 256,           /* of one label set */
};

enum status tables_init(struct tables *t);
void tables_deinit(struct tables *t);

/* ---- for importers: the same content gives the same row. STATUS_NO_MEMORY, STATUS_TOO_LARGE at
 * a limit, STATUS_INVALID for an index that does not exist; `*id` is written only on success ----
 */
enum status tables_string(struct tables *t, const char *data, size_t len, uint32_t *id);
enum status tables_function(struct tables *t, const struct wire_function *f, uint32_t *id);
enum status tables_frame(struct tables *t, const struct wire_frame *f, uint32_t *id);
enum status tables_stack(struct tables *t, uint32_t parent, uint32_t frame, uint32_t *id);
enum status tables_process(struct tables *t, const struct model_process *p, uint32_t *id);
enum status tables_thread(struct tables *t, const struct model_thread *th, uint32_t *id);
enum status tables_label_set(struct tables *t, const struct model_label *labels, size_t len,
                             uint32_t *id);

/* Forgets the interning maps; the next interning call makes them again. */
void tables_drop_indexes(struct tables *t);

/* Bytes held, for the cache's limit. */
size_t tables_size(const struct tables *t);
