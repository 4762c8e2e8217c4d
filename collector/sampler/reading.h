#pragma once
/* Reads one thread's stack with one process_vm_readv, at addresses predicted from the last time.
 *
 * The target runs meanwhile, so what counts is read twice with the decisive word between: first
 * copy of the frames, then the pointer to the innermost frame, then second copy. A word that is the
 * same in both copies had that value when the pointer was read; so if all the words of the chain
 * are, the stack existed at that moment. Deep frames and the shims between C and Python are read
 * once: to change, the frames above them, which are read twice, would have to leave first.
 *
 * A word could change and change back in between. That takes the target a while, so the caller
 * rejects reads that lasted long; and where frames lie on the heap (up to 3.10) and so look the
 * same when they are long left, each must say that it runs, and the pointer is read before and
 * after too. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "collector/python/layout.h"
#include "collector/python/unwind.h"
#include "collector/target/memory.h"

enum {
    READING_CHECK_DEPTH = 16, /* innermost frames that are read twice */
    READING_MAX_REGIONS = 4096,
    READING_CFRAMES = 6,
};

enum reading_result {
    READING_OK,
    READING_EMPTY,    /* no Python runs in the thread */
    READING_MISSED,   /* the prediction was wrong and is mended: read again */
    READING_TORN,     /* it changed while it was read */
    READING_BROKEN,   /* the chain cannot be followed: torn too, or not what we think */
    READING_TOO_DEEP, /* more frames than PYTHON_MAX_DEPTH, or a circle: torn if it does not last */
    READING_GONE,     /* the thread state now belongs to another thread, or to none */
};

struct reading_region {
    uint64_t begin, end;
    uint64_t used_end;      /* how far innermost frames, and slack, went since it was trimmed */
    uint64_t check_begin;   /* the second copy begins here; `end` = there is none */
    uint32_t first, second; /* where the copies are in the slice */
    bool is_single;         /* one frame by itself: a generator's, or a shim on the C stack */
    bool is_used;           /* by the last walk */
    uint8_t unused;         /* walks in a row that did not come by */
};

struct reading {
    const struct python_layout *layout;
    struct target_memory *memory; /* for what was not predicted */
    uint64_t tstate;
    uint64_t thread_id; /* what identifies it, as its thread state says */
    uint64_t next;      /* thread state behind it in the list, as of the last read */
    /* 3.11, 3.12: the pointer to the innermost frame lies in a struct on the C stack; where it was
     * lately, newest first. */
    uint64_t cframes[READING_CFRAMES];
    size_t cframes_len;
    bool holds_gil;                 /* where the thread state says so itself */
    uint64_t exception, exc_info;   /* raised now, or 0; the list of those that are handled */
    struct reading_region *regions; /* by address */
    size_t regions_len, regions_cap;
    size_t last_hit;

    struct iovec *iov; /* what to read, in order: one slice of bytes */
    size_t iov_len, iov_cap;
    size_t bytes;
    size_t tstate_at, cframe_again_at;
    size_t top_at[READING_CFRAMES];     /* for each of cframes */
    size_t top_before_at, top_after_at; /* where frames lie on the heap */

    const uint8_t *slice; /* being evaluated */
    struct {
        uint64_t address;
        size_t len;
    } missed[64];
    size_t missed_len;
    bool is_missed;
    unsigned walks;
};

void reading_init(struct reading *r, const struct python_layout *layout,
                  struct target_memory *memory, uint64_t tstate);
void reading_deinit(struct reading *r);

/* Makes `iov` again from the regions; false when memory is short. */
bool reading_compile(struct reading *r);

/* Forgets all predictions, e.g. when a predicted page is no longer mapped. */
void reading_forget(struct reading *r);

/* Evaluates what `iov` brought. Frames come innermost first. After MISSED `iov` is made anew. */
enum reading_result reading_frames(struct reading *r, const uint8_t *slice,
                                   struct python_frame *frames, size_t max, size_t *len);
