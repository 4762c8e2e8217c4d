#pragma once
/* Choosing which boxes are drawn, before they are laid out. Internal to query. */

#include <stddef.h>
#include <stdint.h>

#include "backend/query/flame.h"
#include "backend/query/merge.h"

/* Boxes wide enough to keep; parents come first, box 0 is the root. */
struct flame_boxes {
    struct flame_box {
        uint32_t parent, function, flags;
        int64_t width; /* in ticks */
        int64_t base;  /* the base's part of it, of two profiles compared */
    } * items;
    size_t len, cap;
    uint64_t pruned;
    int64_t total;    /* width of the root */
    int64_t negative; /* sum of the selfs below zero: left out */
    int64_t unit;     /* greatest common divisor of all selfs */
};

enum status flame_boxes_top_down(struct flame_boxes *b, const struct merged *m,
                                 const struct flame_options *options);
enum status flame_boxes_inverted(struct flame_boxes *b, const struct merged *m,
                                 const struct flame_options *options, size_t functions_len);
void flame_boxes_free(struct flame_boxes *b);

/* Fills the rows, their scale (`tick`: one tick in the value's unit) and what was left out. */
enum status flame_lay_out(struct flame *f, const struct flame_boxes *b, uint32_t max_depth,
                          double tick);
