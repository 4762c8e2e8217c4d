#include "backend/alerts/share.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/array.h"

void share_init(struct share *s, double window_s)
{
    *s = (struct share){.window_ns = (uint64_t)(window_s * 1e9)};
}

void share_deinit(struct share *s)
{
    free(s->has);
    free(s->now_by);
    free(s->before_by);
    *s = (struct share){0};
}

static uint32_t innermost(const struct profile *p, uint32_t stack)
{
    return p->tables.frames[p->tables.stacks[stack].frame].function;
}

/* A stack's parent has a smaller number, so each new one is looked at once. */
static bool know_stacks(struct share *s, const struct profile *p, const char *function)
{
    const struct tables *t = &p->tables;
    if (!array_reserve(&s->has, &s->has_cap, t->stacks_len))
        return false;
    for (size_t i = s->has_len; i < t->stacks_len; i++) {
        uint32_t name = t->functions[innermost(p, (uint32_t)i)].name;
        bool is_it = i > 0 && strcmp(strtab_text(&t->strings, name), function) == 0;
        s->has[i] = is_it || (i > 0 && s->has[t->stacks[i].parent]);
    }
    s->has_len = t->stacks_len;
    return true;
}

static bool know_functions(struct share *s, const struct profile *p)
{
    size_t len = p->tables.functions_len;
    if (!array_reserve(&s->now_by, &s->now_cap, len) ||
        !array_reserve(&s->before_by, &s->before_cap, len))
        return false;
    for (; s->by_len < len; s->by_len++)
        s->now_by[s->by_len] = s->before_by[s->by_len] = 0;
    return true;
}

/* The window is over: how it went against what was before, of which it is a part from now on. */
static bool close_window(struct share *s, bool is_any, struct share_rise *rise)
{
    bool says_something = s->now_rows >= SHARE_LEAST_ROWS && s->before_rows >= SHARE_LEAST_ROWS &&
                          s->now_total > 0 && s->before_total > 0;
    if (says_something && !is_any)
        *rise = (struct share_rise){0, s->now / s->now_total, s->before / s->before_total};
    double most = -2;
    for (size_t f = 0; f < s->by_len; f++) {
        struct share_rise of = {(uint32_t)f, s->now_by[f] / s->now_total,
                                s->before_by[f] / s->before_total};
        if (says_something && of.share - of.baseline > most) {
            most = of.share - of.baseline;
            *rise = of;
        }
        s->before_by[f] += s->now_by[f];
        s->now_by[f] = 0;
    }
    s->before += s->now;
    s->before_total += s->now_total;
    s->before_rows += s->now_rows;
    s->now = s->now_total = 0;
    s->now_rows = 0;
    return says_something;
}

/* Late rows count for the window that is open. True when another one was closed and says something.
 */
static bool enter_window(struct share *s, uint64_t time_ns, bool is_any, struct share_rise *rise)
{
    uint64_t window = time_ns / s->window_ns + 1;
    bool is_closed = s->window != 0 && window > s->window && close_window(s, is_any, rise);
    if (window > s->window)
        s->window = window;
    s->end_ns = s->window * s->window_ns;
    return is_closed;
}

static void count_row(struct share *s, const struct profile *p, uint32_t stack, double weight,
                      bool is_any)
{
    s->now_rows++;
    s->now_total += weight;
    if (is_any)
        s->now_by[innermost(p, stack)] += weight;
    else if (s->has[stack])
        s->now += weight;
}

bool share_add(struct share *s, const struct profile *p, const struct wire_samples *rows,
               const char *function, struct share_rise *rise)
{
    bool is_any = !function || !*function;
    bool is_closed = false;
    if (!rows->time_ns)
        return false; /* nothing to sort by window */
    if (is_any ? !know_functions(s, p) : !know_stacks(s, p, function)) {
        s->rows_lost += rows->len;
        return false;
    }
    const struct wire_column *column = &rows->values[0];
    for (size_t i = 0; i < rows->len; i++) {
        struct share_rise of;
        if (rows->time_ns[i] >= s->end_ns && enter_window(s, rows->time_ns[i], is_any, &of) &&
            (!is_closed || of.share - of.baseline > rise->share - rise->baseline)) {
            is_closed = true;
            *rise = of;
        }
        int64_t weight = rows->values_len == 0 ? 1
                         : column->value       ? column->value[i]
                                               : column->constant;
        uint32_t stack = rows->stack ? rows->stack[i] : 0;
        if (weight > 0 && stack < p->tables.stacks_len)
            count_row(s, p, stack, (double)weight, is_any);
    }
    return is_closed;
}
