#include "common/base/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_SIZE = 64 * 1024 };

struct block {
    struct block *next;
    size_t used;
    size_t size;
    alignas(max_align_t) char data[];
};

struct arena {
    struct block *head;
    size_t total;
};

struct arena *arena_new(void)
{
    return calloc(1, sizeof(struct arena));
}

void arena_free(struct arena *a)
{
    if (!a)
        return;
    for (struct block *b = a->head; b;) {
        struct block *next = b->next;
        free(b);
        b = next;
    }
    free(a);
}

static struct block *add_block(struct arena *a, size_t size)
{
    size_t room = size > BLOCK_SIZE ? size : BLOCK_SIZE;
    struct block *b = malloc(sizeof(*b) + room);
    if (!b)
        return NULL;
    b->next = NULL;
    b->used = 0;
    b->size = room;
    a->total += room;
    if (a->head && size > BLOCK_SIZE / 4) {
        /* A large item gets its own block behind the head, whose rest stays in use. */
        b->next = a->head->next;
        a->head->next = b;
    } else {
        b->next = a->head;
        a->head = b;
    }
    return b;
}

void *arena_take(struct arena *a, size_t size)
{
    if (size > SIZE_MAX / 2)
        return NULL;
    size = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    struct block *b = a->head;
    if (!b || b->size - b->used < size)
        b = add_block(a, size);
    if (!b)
        return NULL;
    void *at = b->data + b->used;
    b->used += size;
    return at;
}

void *arena_alloc(struct arena *a, size_t size)
{
    void *at = arena_take(a, size);
    return at ? memset(at, 0, size) : NULL;
}

char *arena_copy(struct arena *a, const char *data, size_t len)
{
    char *copy = len < SIZE_MAX ? arena_take(a, len + 1) : NULL;
    if (!copy)
        return NULL;
    if (len)
        memcpy(copy, data, len);
    copy[len] = '\0';
    return copy;
}

size_t arena_size(const struct arena *a)
{
    return a->total;
}
