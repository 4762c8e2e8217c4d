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

/* No further run was found where it should be. What is sure stays: all up to the last run, or, of
 * the first, what lies inside the innermost loop, whichever it is. */
static void settle(struct merged *out, size_t settled, size_t leaf, size_t run)
{
    size_t sure = run > 0 ? settled : leaf;
    if (out->len > sure)
        out->len = sure;
}

void merge_stacks(const struct merge_native *natives, size_t natives_len, bool is_whole,
                  const struct merge_run *runs, size_t runs_len, size_t pythons_len,
                  struct merged *out)
{
    size_t run = 0;
    size_t python = 0;
    size_t settled = 0;
    size_t leaf = SIZE_MAX; /* items before the innermost loop */
    size_t strangers = 0;   /* loops that are none of the runs */
    bool is_lost = false;
    *out = (struct merged){.items = out->items};
    for (size_t i = 0; i < natives_len && !is_lost; i++) {
        const struct merge_native *n = &natives[i];
        bool is_run = run < runs_len && runs_here(n, &runs[run]);
        if (is_run) {
            put_pythons(out, python, runs[run].end);
            python = runs[run++].end;
        } else if (n->is_eval && runs_len > 0) {
            if (run == runs_len) { /* another greenlet's: not what called this stack */
                out->len = settled;
                return;
            }
            leaf = leaf == SIZE_MAX ? out->len : leaf;
            /* The innermost loop may not have entered its frame yet, or have left it already. */
            is_lost = runs[run].entry == 0 && (run > 0 || strangers++ > 0);
        }
        if (!is_lost)
            put(out, (uint32_t)i);
        if (is_run)
            settled = out->len;
    }
    if (run < runs_len) {
        out->is_partial = is_lost || is_whole;
        if (out->is_partial || (runs[run].entry == 0 && strangers > 0))
            settle(out, settled, leaf, run);
        put(out, MERGE_CUT);
        put_pythons(out, python, pythons_len);
    } else {
        put_pythons(out, python, pythons_len);
        if (!is_whole && runs_len == 0)
            put(out, MERGE_CUT);
    }
}
