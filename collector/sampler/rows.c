#include "collector/sampler/rows.h"

#include <stdlib.h>

#include "common/wire/wire.h"

bool rows_init(struct rows *r, size_t cap)
{
    *r = (struct rows){
        .cap = cap,
        .time_ns = calloc(cap, sizeof(*r->time_ns)),
        .thread = calloc(cap, sizeof(*r->thread)),
        .node = calloc(cap, sizeof(*r->node)),
        .state = calloc(cap, sizeof(*r->state)),
        .wall = calloc(cap, sizeof(*r->wall)),
        .cpu = calloc(cap, sizeof(*r->cpu)),
        .before = calloc(cap, sizeof(*r->before)),
        .owner = calloc(cap, sizeof(*r->owner)),
    };
    if (r->time_ns && r->thread && r->node && r->state && r->wall && r->cpu && r->before &&
        r->owner)
        return true;
    rows_deinit(r);
    return false;
}

void rows_deinit(struct rows *r)
{
    free(r->time_ns);
    free(r->thread);
    free(r->node);
    free(r->state);
    free(r->wall);
    free(r->cpu);
    free(r->before);
    free(r->owner);
    *r = (struct rows){0};
}

void rows_settle(struct rows *r, uint32_t last, uint64_t cpu_ns, uint64_t ready_ns)
{
    uint64_t wall = 0;
    for (uint32_t i = last; i != ROWS_NONE; i = r->before[i])
        wall += (uint64_t)r->wall[i];
    uint64_t left = cpu_ns;
    for (uint32_t i = last; i != ROWS_NONE; i = r->before[i]) {
        double part = wall ? (double)r->wall[i] / (double)wall : 1.0;
        uint64_t share = r->before[i] == ROWS_NONE ? left : (uint64_t)((double)cpu_ns * part);
        if (share > left)
            share = left;
        left -= share;
        r->cpu[i] = (int64_t)share;
        if ((cpu_ns + ready_ns) * 2 >= wall && cpu_ns > 0)
            r->state[i] |= WIRE_ON_CPU;
    }
}

size_t rows_doubt(struct rows *r, size_t from, uint32_t owner, rows_doubt_fn is_doubtful,
                  const void *ctx)
{
    size_t doubted = 0;
    uint32_t last = ROWS_NONE; /* runs of the same stack are common */
    bool is_last_doubtful = false;
    for (size_t i = from; i < r->len; i++) {
        if (r->owner[i] != owner || (r->state[i] & ROWS_DOUBTED))
            continue;
        if (r->node[i] != last) {
            last = r->node[i];
            is_last_doubtful = is_doubtful(ctx, last);
        }
        if (is_last_doubtful) {
            r->state[i] |= ROWS_DOUBTED;
            doubted++;
        }
    }
    return doubted;
}

void rows_compact(struct rows *r, uint32_t required)
{
    size_t kept = 0;
    for (size_t i = 0; i < r->len; i++) {
        if ((r->state[i] & ROWS_DOUBTED) || (r->state[i] & required) != required)
            continue;
        r->time_ns[kept] = r->time_ns[i];
        r->thread[kept] = r->thread[i];
        r->node[kept] = r->node[i];
        r->state[kept] = r->state[i];
        r->wall[kept] = r->wall[i];
        r->cpu[kept] = r->cpu[i];
        r->owner[kept] = r->owner[i];
        kept++;
    }
    r->len = kept;
}
