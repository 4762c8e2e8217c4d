/* Every allocation of applying, decoding, encoding and emitting fails once: nothing leaks, and a
 * profile says what it said. A plain program, since the linker wraps the allocator around it. */

#include <stdio.h>
#include <stdlib.h>

#include "backend/model/apply.h"
#include "tests/unit/model/same_profile.h"
#include "tests/unit/wire/random_batch.h"

enum { SEEDS = 6, BATCHES = 8, NEVER = -1 };

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);

static long allowed = NEVER; /* allocations before the one that fails */
static size_t failures;

static int fails_now(void)
{
    if (allowed == NEVER || allowed-- > 0)
        return 0;
    failures++;
    return 1; /* and allowed is NEVER now: the others succeed */
}

void *__wrap_malloc(size_t size)
{
    return fails_now() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails_now() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *block, size_t size)
{
    return fails_now() ? NULL : __real_realloc(block, size);
}

static void check(int is_true, const char *what)
{
    if (is_true)
        return;
    fprintf(stderr, "out of memory: %s\n", what);
    exit(EXIT_FAILURE);
}

static void check_same(const struct profile *a, const struct profile *b)
{
    const char *what = profiles_differ(a, b);
    check(!what, what ? what : "");
}

static void apply_with_failures(struct profile *p, const struct profile *twin,
                                const struct wire_batch *batch)
{
    for (long k = 0;; k++) {
        allowed = k;
        enum status st = apply_batch(p, batch, NULL);
        allowed = NEVER;
        if (st == STATUS_OK)
            return;
        check(st == STATUS_NO_MEMORY, "another status than no_memory");
        check_same(p, twin);
    }
}

static void code_with_failures(const struct wire_batch *batch)
{
    struct buf message;
    enum status st = STATUS_NO_MEMORY;
    for (long k = 0; st != STATUS_OK; k++) {
        buf_init(&message, 0);
        allowed = k;
        st = wire_encode_batch(&message, batch);
        allowed = NEVER;
        if (st != STATUS_OK)
            buf_deinit(&message);
    }
    st = STATUS_NO_MEMORY;
    for (long k = 0; st != STATUS_OK; k++) {
        allowed = k;
        struct arena *arena = arena_new();
        struct wire_to_server out;
        if (arena)
            st = wire_decode_to_server(&out, message.data, message.len, arena, NULL);
        allowed = NEVER;
        arena_free(arena);
    }
    buf_deinit(&message);
}

static enum status take(void *ctx, const uint8_t *message, size_t len)
{
    (void)ctx;
    (void)message;
    return len ? STATUS_OK : STATUS_INVALID;
}

static void emit_with_failures(const struct profile *p)
{
    enum status st = STATUS_NO_MEMORY;
    for (long k = 0; st != STATUS_OK; k++) {
        allowed = k;
        st = apply_emit(p, "abcdefghijklmnop", take, NULL);
        allowed = NEVER;
    }
}

static struct profile *new_with_failures(void)
{
    struct profile *p = NULL;
    enum status st = STATUS_NO_MEMORY;
    for (long k = 0; st != STATUS_OK; k++) {
        allowed = k;
        st = profile_new(&p);
        allowed = NEVER;
    }
    return p;
}

int main(void)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct random_stream stream;
        random_stream_init(&stream, seed, seed % 2 ? 6 : 200);
        struct profile *p = new_with_failures();
        struct profile *twin = new_with_failures();
        for (int i = 0; i < BATCHES; i++) {
            struct wire_batch batch = random_batch(&stream);
            apply_with_failures(p, twin, &batch);
            check(apply_batch(twin, &batch, NULL) == STATUS_OK, "a good batch is refused");
            check_same(p, twin);
            code_with_failures(&batch);
        }
        emit_with_failures(p);
        for (long k = 0; k < 50; k++) {
            allowed = k;
            (void)profile_finish(p); /* what it could not do it leaves as it was */
            allowed = NEVER;
            check_same(p, twin);
        }
        profile_free(p);
        profile_free(twin);
        random_stream_deinit(&stream);
    }
    printf("%zu allocations failed, and nothing else did\n", failures);
    return failures > 500 ? EXIT_SUCCESS : EXIT_FAILURE;
}
