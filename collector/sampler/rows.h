#pragma once
/* Samples on their way to the stream, in columns. CPU time is known a little later than a sample
 * (the kernel counts it by the tick), so each thread's rows stay linked until it is shared out. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ROWS_NONE = UINT32_MAX };

/* Beside wire_sample_state: not to be delivered. */
#define ROWS_DOUBTED (UINT32_C(1) << 31)

struct rows {
    size_t len, cap;
    uint64_t *time_ns;
    uint32_t *thread; /* the stream's number */
    uint32_t *node;   /* of the stack table */
    uint32_t *state;
    int64_t *wall, *cpu;
    uint32_t *before; /* the same thread's row before, or ROWS_NONE */
    uint32_t *owner;  /* serial of the process */
};

bool rows_init(struct rows *r, size_t cap);
void rows_deinit(struct rows *r);

/* Shares `cpu_ns` out over the chain of rows that ends at `last`, by their wall time. They count as
 * on CPU when the thread ran, or was ready to (`ready_ns`), for half of their time: on a machine
 * with too much to do, a thread that waits for its turn is not idle. */
void rows_settle(struct rows *r, uint32_t last, uint64_t cpu_ns, uint64_t ready_ns);

/* Marks the rows of process `owner` from row `from` on as doubtful whose stack is; returns how
 * many. */
typedef bool (*rows_doubt_fn)(const void *ctx, uint32_t node);
size_t rows_doubt(struct rows *r, size_t from, uint32_t owner, rows_doubt_fn is_doubtful,
                  const void *ctx);

/* Removes doubtful rows and those that lack one of the states `required`; the links are void then.
 */
void rows_compact(struct rows *r, uint32_t required);
