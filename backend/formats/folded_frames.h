#pragma once
/* Text stacks into the tables, fast: a line usually shares most of its frames with the line before
 * it, and each distinct frame text is taken apart once. */

#include "backend/formats/fill.h"
#include "backend/formats/text_cache.h"

struct folded_level {
    size_t end; /* offset in the last line where this frame ends */
    uint32_t stack;
};

struct folded_frames {
    struct fill *fill;
    struct text_cache frames;
    struct folded_level *levels; /* of the last line */
    size_t levels_len, levels_cap;
    struct text last;
    uint32_t thread;
    bool is_tachyon, is_first_seen;
};

enum status folded_frames_init(struct folded_frames *f, struct fill *fill);
void folded_frames_deinit(struct folded_frames *f);

/* The row of `root;...;leaf`; a leading "tid:N" (profiling.sampling) is the thread. Lines must
 * stay where they are until deinit. */
enum status folded_frames_stack(struct folded_frames *f, struct text line, uint32_t *thread,
                                uint32_t *stack);
