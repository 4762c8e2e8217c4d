/* One reader (FUZZ_FORMAT names it), whatever detection says; what it accepts is finished and goes
 * through every writer. */

#include <stdlib.h>
#include <string.h>

#include "backend/formats/format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check(bool is_true)
{
    if (!is_true)
        abort();
}

static void check_invariants(const struct profile *p)
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

static void write_all(const struct profile *p)
{
    enum { LIMIT = 1 << 20 };
    for (const struct format *f = format_all(); f->name; f++) {
        /* The page around a .heliograph file is the same each time, and large. */
        bool is_page = strcmp(f->name, "html") == 0 && strcmp(FUZZ_FORMAT, "html") != 0;
        if (!f->write || is_page)
            continue;
        struct buf out;
        struct buf lost;
        struct error err = {0};
        buf_init(&out, LIMIT);
        buf_init(&lost, LIMIT);
        enum status st = f->write(p, &out, &lost, &err);
        check(st == STATUS_OK || err.text[0]);
        buf_deinit(&out);
        buf_deinit(&lost);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    const struct format *f = format_by_name(FUZZ_FORMAT);
    const struct format_input in = {.data = data, .len = len, .name = "fuzz"};
    const struct format_options options = {.max_raw_bytes = 1 << 24};
    struct profile *p = NULL;
    struct error err = {0};
    check(f && profile_new(&p) == STATUS_OK);
    format_detect(data, len, true);
    enum status st = f->read(&in, &options, p, &err);
    check(st == STATUS_OK || err.text[0]);
    if (st == STATUS_OK && profile_finish(p) == STATUS_OK) {
        check_invariants(p);
        write_all(p);
    }
    profile_free(p);
    return 0;
}
