#include "collector/native/merge.h"

#include <string.h>

/* Whether `value` stands in the frame's part of the stack or in a register that it keeps. */
static bool holds(const struct merge_native *n, uint64_t value)
{
    for (unsigned i = 0; i < 6; i++) {
        if (n->saved_known >> i & 1 && n->saved[i] == value)
            return true;
    }
    if (!n->words || n->cfa <= n->sp)
        return false;
    for (uint64_t at = 0; at + sizeof(value) <= n->cfa - n->sp; at += sizeof(value)) {
        uint64_t word;
        memcpy(&word, n->words + at, sizeof(word));
        if (word == value)
            return true;
    }
    return false;
}

static bool runs_here(const struct merge_native *n, const struct merge_run *run)
{
    if (run->entry != 0)
        return n->cfa != 0 && run->entry >= n->sp && run->entry < n->cfa;
    return n->is_eval && holds(n, run->frame);
}

static void put(struct merged *out, uint32_t item)
{
    out->items[out->len++] = item;
}

static void put_pythons(struct merged *out, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        put(out, (uint32_t)i | MERGE_PYTHON);
}

struct merging {
    const struct merge_run *runs;
    size_t runs_len;
    size_t run, python; /* the next of each */
    size_t settled;     /* items whose place is sure */
    size_t leaf;        /* items before the innermost loop */
    size_t strangers;   /* loops that are none of the runs */
    struct merged *out;
};

enum step { STEP_ON, STEP_OTHER_GREENLET, STEP_LOST };

static enum step take_native(struct merging *m, const struct merge_native *n, uint32_t number)
{
    bool is_left = m->run < m->runs_len;
    bool is_run = is_left && runs_here(n, &m->runs[m->run]);
    if (is_run) {
        put_pythons(m->out, m->python, m->runs[m->run].end);
        m->python = m->runs[m->run++].end;
    } else if (n->is_eval && m->runs_len > 0) {
        if (!is_left)
            return STEP_OTHER_GREENLET;
        if (m->leaf == SIZE_MAX)
            m->leaf = m->out->len;
        /* The innermost loop may not have entered its frame yet, or have left it already. */
        if (m->runs[m->run].entry == 0 && (m->run > 0 || m->strangers++ > 0))
            return STEP_LOST;
    }
    put(m->out, number);
    if (is_run)
        m->settled = m->out->len;
    return STEP_ON;
}

/* A run was not found. What is sure stays: all up to the last run, or, of the first, what lies
 * inside the innermost loop, whichever it is. */
static void settle(struct merging *m)
{
    size_t sure = m->run > 0 ? m->settled : m->leaf;
    if (m->out->len > sure)
        m->out->len = sure;
}

void merge_stacks(const struct merge_native *natives, size_t natives_len, bool is_whole,
                  const struct merge_run *runs, size_t runs_len, size_t pythons_len,
                  struct merged *out)
{
    struct merging m = {.runs = runs, .runs_len = runs_len, .leaf = SIZE_MAX, .out = out};
    enum step step = STEP_ON;
    *out = (struct merged){.items = out->items};
    for (size_t i = 0; i < natives_len && step == STEP_ON; i++)
        step = take_native(&m, &natives[i], (uint32_t)i);
    if (step == STEP_OTHER_GREENLET) { /* not what called this stack */
        out->len = m.settled;
        return;
    }
    if (m.run == runs_len) {
        put_pythons(out, m.python, pythons_len);
        if (!is_whole && runs_len == 0)
            put(out, MERGE_CUT);
        return;
    }
    out->is_partial = step == STEP_LOST || is_whole;
    if (out->is_partial || (runs[m.run].entry == 0 && m.strangers > 0))
        settle(&m);
    put(out, MERGE_CUT);
    put_pythons(out, m.python, pythons_len);
}
