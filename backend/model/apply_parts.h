#pragma once
/* The three steps of apply_batch: check (nothing changes), stage (memory is taken, nothing can be
 * seen), commit (cannot fail). */

#include "backend/model/apply.h"

/* Rows of each table with the batch's own. */
struct apply_counts {
    size_t strings, functions, frames, stacks, processes, threads, label_sets;
    size_t sets, series, call_rows, call_edges;
};

enum status apply_check(const struct profile *p, const struct wire_batch *b,
                        struct apply_counts *after, struct error *err);
enum status apply_check_shapes(const struct profile *p, const struct wire_batch *b,
                               struct apply_counts *after, struct error *err);

/* "column: row N: no such ... I (K known)". */
enum status apply_no_row(struct error *err, const struct wire_batch *b, const char *column,
                         size_t row, uint64_t index, size_t known);

/* What staging made; it lives behind the profile's last rows until commit counts it in. */
struct apply_stage {
    const struct apply_counts *after;
    bool has_sets, has_series, has_benchmarks; /* the new rows are at least zeroed */
    /* For each Samples (Points) whose rows are not in order of time: the order to take them in. */
    uint32_t **sample_order, **point_order;
};
enum status apply_stage_tables(struct profile *p, const struct wire_batch *b,
                               const struct apply_counts *after);
enum status apply_stage_shapes(struct profile *p, const struct wire_batch *b,
                               struct apply_stage *stage);
/* Takes back what will not be committed. */
void apply_stage_drop(struct profile *p, const struct wire_batch *b, struct apply_stage *stage);
void apply_stage_free(const struct wire_batch *b, struct apply_stage *stage);

void apply_commit_tables(struct profile *p, const struct wire_batch *b,
                         const struct apply_counts *after);
void apply_commit_shapes(struct profile *p, const struct wire_batch *b,
                         const struct apply_stage *stage);
