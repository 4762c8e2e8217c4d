#pragma once
/* What is true of every profile that a reader has made and profile_finish has finished. */

#include <stdbool.h>
#include <stdlib.h>

#include "backend/model/profile.h"

static inline void check(bool is_true)
{
    if (!is_true)
        abort();
}

static inline void check_profile(const struct profile *p)
{
    const struct tables *t = &p->tables;
    for (size_t i = 1; i < t->stacks_len; i++) {
        check(t->stacks[i].parent < i);
        check(t->stacks[i].frame < t->frames_len);
    }
    for (size_t i = 0; i < t->frames_len; i++)
        check(t->frames[i].function < t->functions_len);
    for (size_t i = 0; i < p->sets_len; i++) {
        const struct sample_set *s = &p->sets[i];
        check(s->values_len > 0);
        for (size_t k = 0; k < s->len; k++) {
            check(!s->stack || s->stack[k] < t->stacks_len);
            check(!s->thread || s->thread[k] == 0 || s->thread[k] < t->threads_len);
            check(!s->has_time || k == 0 || s->time_ns[k] >= s->time_ns[k - 1]);
        }
    }
}
