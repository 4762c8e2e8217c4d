#include "collector/native/unwind.h"

#include "collector/native/cfi.h"
#include "collector/native/expression.h"

const char *unwind_end_text(enum unwind_end end)
{
    static const char *const texts[UNWIND_ENDS] = {
        [UNWIND_WHOLE] = "whole",
        [UNWIND_NO_CODE] = "code of no file",
        [UNWIND_NO_RULE] = "no unwind information",
        [UNWIND_UNKNOWN] = "needs a register that is not known",
        [UNWIND_SHORT] = "deeper than what was copied",
        [UNWIND_BROKEN] = "broken",
        [UNWIND_TOO_DEEP] = "too deep",
    };
    return texts[end];
}

struct walk {
    const struct stack_copy *copy;
    const struct image *image;
    struct registers now, next;
    uint64_t cfa;
    enum unwind_end end; /* WHOLE while it goes on */
};

static enum unwind_end why(enum expression_result result)
{
    switch (result) {
    case EXPRESSION_NO_REGISTER:
        return UNWIND_UNKNOWN;
    case EXPRESSION_NO_MEMORY:
        return UNWIND_SHORT;
    default:
        return UNWIND_BROKEN;
    }
}

static bool evaluate(struct walk *w, const struct cfi_rule *rule, const uint64_t *first,
                     uint64_t *out)
{
    enum expression_result result = expression_run(w->image->frames.data + rule->value, rule->len,
                                                   &w->now, w->copy, first, out);
    if (result != EXPRESSION_OK)
        w->end = why(result);
    return result == EXPRESSION_OK;
}

static bool find_cfa(struct walk *w, const struct cfi_row *row)
{
    if (row->cfa.kind == CFI_IS_EXPRESSION)
        return evaluate(w, &row->cfa, NULL, &w->cfa);
    if (!register_is_known(&w->now, row->cfa_register)) {
        w->end = UNWIND_UNKNOWN;
        return false;
    }
    w->cfa = w->now.value[row->cfa_register] + (uint64_t)(int64_t)row->cfa.value;
    return true;
}

static bool load(struct walk *w, uint64_t address, uint64_t *out)
{
    if (stack_copy_load(w->copy, address, sizeof(*out), out))
        return true;
    w->end = UNWIND_SHORT;
    return false;
}

/* The caller's register `number`. A value that cannot be had leaves it unknown; only the return
 * address is needed for sure. */
static void restore(struct walk *w, const struct cfi_rule *rule, unsigned number)
{
    uint64_t value = 0;
    bool is_known = true;
    switch (rule->kind) {
    case CFI_SAME:
        is_known = number != REGISTER_IP && register_is_known(&w->now, number);
        value = w->now.value[number];
        break;
    case CFI_UNDEFINED:
        is_known = false;
        break;
    case CFI_AT:
        is_known = load(w, w->cfa + (uint64_t)(int64_t)rule->value, &value);
        break;
    case CFI_IS:
        value = w->cfa + (uint64_t)(int64_t)rule->value;
        break;
    case CFI_REGISTER:
        is_known = register_is_known(&w->now, (unsigned)rule->value);
        value = is_known ? w->now.value[rule->value] : 0;
        break;
    case CFI_AT_EXPRESSION:
    case CFI_IS_EXPRESSION:
        is_known = evaluate(w, rule, &w->cfa, &value);
        if (is_known && rule->kind == CFI_AT_EXPRESSION)
            is_known = load(w, value, &value);
        break;
    }
    if (is_known)
        register_set(&w->next, number, value);
}

/* From `now` to its caller; false at the end, whose reason is set (WHOLE: there is no caller). */
static bool step(struct walk *w, const struct cfi_row *row)
{
    const struct cfi_rule *ip = &row->rules[REGISTER_IP];
    if (ip->kind == CFI_UNDEFINED || !find_cfa(w, row))
        return false;
    if (w->cfa <= w->now.value[REGISTER_SP] && !row->is_signal) {
        w->end = UNWIND_BROKEN;
        return false;
    }
    w->next.known = 0;
    register_set(&w->next, REGISTER_SP, w->cfa);
    for (unsigned i = 0; i < REGISTERS; i++) {
        if (i == REGISTER_SP && row->rules[i].kind == CFI_SAME)
            continue;
        restore(w, &row->rules[i], i);
    }
    if (!register_is_known(&w->next, REGISTER_IP)) {
        if (w->end == UNWIND_WHOLE)
            w->end = UNWIND_UNKNOWN;
        return false;
    }
    if (!register_is_known(&w->next, REGISTER_SP)) {
        w->end = UNWIND_UNKNOWN;
        return false;
    }
    w->end = UNWIND_WHOLE; /* another register that was not found does not matter yet */
    return w->next.value[REGISTER_IP] != 0;
}

static void note(struct native_frame *f, const struct registers *r, uint64_t pc)
{
    static const uint8_t numbers[6] = {REGISTER_BX, REGISTER_BP, 12, 13, 14, 15};
    *f = (struct native_frame){.pc = pc, .sp = r->value[REGISTER_SP]};
    for (unsigned i = 0; i < sizeof(numbers); i++) {
        f->saved[i] = r->value[numbers[i]];
        if (register_is_known(r, numbers[i]))
            f->saved_known |= (uint8_t)(1U << i);
    }
}

static const struct cfi_row *find_row(struct walk *w, struct space *space, uint64_t pc)
{
    const struct code_range *range = space_find(space, pc);
    uint64_t address = 0;
    if (!range || range->module == SPACE_NO_MODULE) {
        w->end = UNWIND_NO_CODE;
        return NULL;
    }
    struct image *image = space_image(space, range->module);
    w->image = image;
    const struct cfi_row *row = NULL;
    if (image && image_address(image, pc - range->begin + range->offset, &address))
        row = cfi_find(image, address);
    if (!row)
        w->end = image && image_is_entry(image, address) ? UNWIND_WHOLE : UNWIND_NO_RULE;
    return row;
}

enum unwind_end native_unwind(struct space *space, const struct stack_copy *copy,
                              struct native_frame *frames, size_t max, size_t *len)
{
    struct walk w = {.copy = copy, .now = copy->registers, .end = UNWIND_WHOLE};
    bool is_exact = true; /* the innermost instruction, or an interrupted one; else a call's end */
    *len = 0;
    while (register_is_known(&w.now, REGISTER_IP)) {
        uint64_t pc = w.now.value[REGISTER_IP] - (is_exact ? 0 : 1);
        if (*len == max)
            return UNWIND_TOO_DEEP;
        const struct cfi_row *row = find_row(&w, space, pc);
        /* An address outside of any code is no frame of which one could say anything. */
        if (!row && w.end == UNWIND_NO_CODE && !space_find(space, pc))
            return w.end;
        note(&frames[(*len)++], &w.now, pc);
        if (!row || !step(&w, row))
            return w.end;
        frames[*len - 1].cfa = w.cfa;
        is_exact = row->is_signal;
        w.now = w.next;
    }
    return UNWIND_UNKNOWN;
}
