/* A stream of messages, each after its length in two bytes (little endian), into one profile. A
 * batch that is refused leaves the profile as it was; what was accepted goes out and in again. */

#include <stdlib.h>
#include <string.h>

#include "backend/model/apply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check(bool is_true)
{
    if (!is_true)
        abort();
}

/* What a refused batch must not change. */
struct shape {
    size_t counts[12];
    uint64_t duration_ns;
};

static struct shape shape_of(const struct profile *p)
{
    size_t samples = 0;
    size_t points = 0;
    for (size_t i = 0; i < p->sets_len; i++)
        samples += p->sets[i].len;
    for (size_t i = 0; i < p->series_len; i++)
        points += p->series[i].len;
    const struct tables *t = &p->tables;
    return (struct shape){
        .counts = {p->wire_strings_len ? p->wire_strings_len : 1, t->functions_len, t->frames_len,
                   t->stacks_len, t->processes_len, t->threads_len, t->label_sets_len, samples,
                   points, p->spans_len, p->call_graph.rows_len + p->call_graph.edges_len,
                   p->notices_len + p->counters_len + p->lines_len + p->benchmarks_len},
        .duration_ns = p->duration_ns};
}

static void check_same(const struct shape *a, const struct shape *b)
{
    for (size_t i = 0; i < sizeof(a->counts) / sizeof(a->counts[0]); i++)
        check(a->counts[i] == b->counts[i]);
    check(a->duration_ns == b->duration_ns);
}

static void check_invariants(const struct profile *p)
{
    const struct tables *t = &p->tables;
    for (size_t i = 1; i < t->stacks_len; i++) {
        check(t->stacks[i].parent < i);
        check(t->stack_depth[i] == t->stack_depth[t->stacks[i].parent] + 1);
    }
    for (size_t i = 0; i < p->sets_len; i++) {
        const struct sample_set *s = &p->sets[i];
        for (size_t k = 1; s->has_time && k < s->len; k++)
            check(s->time_ns[k] >= s->time_ns[k - 1]);
    }
    for (size_t i = 0; i < p->series_len; i++) {
        for (size_t k = 1; k < p->series[i].len; k++)
            check(p->series[i].time_ns[k] >= p->series[i].time_ns[k - 1]);
    }
}

static enum status apply_message(struct profile *p, const uint8_t *data, size_t len)
{
    struct arena *arena = arena_new();
    check(arena != NULL);
    struct wire_to_server message;
    struct error err = {0};
    enum status st = wire_decode_to_server(&message, data, len, arena, &err);
    if (st == STATUS_OK && message.kind == WIRE_HELLO)
        st = apply_hello(p, &message.hello, &err);
    else if (st == STATUS_OK && message.kind == WIRE_BATCH)
        st = apply_batch(p, &message.batch, &err);
    check(st == STATUS_OK || err.text[0] != '\0');
    arena_free(arena);
    return st;
}

static enum status apply_again(void *ctx, const uint8_t *message, size_t len)
{
    enum status st = apply_message(ctx, message, len);
    check(st == STATUS_OK);
    return st;
}

static void emit_and_apply(const struct profile *p)
{
    struct profile *copy;
    check(profile_new(&copy) == STATUS_OK);
    check(apply_emit(p, "aaaaaaaaaaaaaaaa", apply_again, copy) == STATUS_OK);
    check_invariants(copy);
    struct shape was = shape_of(p);
    struct shape is = shape_of(copy);
    is.counts[0] = was.counts[0]; /* only strings that rows refer to travel again */
    /* Spans that were closed twice come in an order in which the second is a span of its own. */
    is.counts[9] = was.counts[9];
    check_same(&was, &is);
    profile_free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct profile *p;
    check(profile_new(&p) == STATUS_OK);
    for (size_t at = 0; len - at >= 2;) {
        size_t size = data[at] | (size_t)data[at + 1] << 8;
        at += 2;
        if (size > len - at)
            size = len - at;
        struct shape before = shape_of(p);
        if (apply_message(p, data + at, size) != STATUS_OK) {
            struct shape after = shape_of(p);
            check_same(&before, &after);
        }
        at += size;
    }
    check_invariants(p);
    emit_and_apply(p);
    check(profile_finish(p) == STATUS_OK);
    check_invariants(p);
    emit_and_apply(p);
    profile_free(p);
    return 0;
}
