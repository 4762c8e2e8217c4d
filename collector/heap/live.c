#include "collector/heap/live.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
    FIRST_PAGES = 64,
    FIRST_SLAB = 64 << 10,
    LAST_SLAB = 4 << 20,
    HUGE_PAGE = 2 << 20,
    FIRST_CLASS_CAP = 4,
    FAR = 8,          /* slots from its own after which a block's page gets more of them */
    PAGE_BYTES = 4096 /* of the program; its slots' number never exceeds it */
};

struct live_slab {
    struct live_slab *next;
    size_t bytes;
};

void live_init(struct live *l)
{
    *l = (struct live){0};
}

void live_deinit(struct live *l)
{
    for (struct live_slab *s = l->slabs; s;) {
        struct live_slab *next = s->next;
        munmap(s, s->bytes);
        s = next;
    }
    free(l->pages);
    live_init(l);
}

/* ---- memory for slots ---- */

static uint32_t class_of(size_t cap)
{
    return (uint32_t)__builtin_ctzll(cap / FIRST_CLASS_CAP);
}

/* In huge pages where the system has them. */
static bool add_slab(struct live *l)
{
    size_t bytes = l->slab_bytes ? l->slab_bytes * 2 : FIRST_SLAB;
    bytes = bytes < LAST_SLAB ? bytes : LAST_SLAB;
    void *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED)
        return false;
    if (bytes >= HUGE_PAGE)
        (void)madvise(map, bytes, MADV_HUGEPAGE);
    struct live_slab *slab = map;
    slab->next = l->slabs;
    slab->bytes = bytes;
    l->slabs = slab;
    l->slab_bytes = bytes;
    l->slab_used = sizeof(struct live_block); /* more than the slab's own words */
    l->bytes += bytes;
    return true;
}

/* Zeroed slots; NULL when memory is short. */
static struct live_block *take_piece(struct live *l, size_t cap)
{
    struct live_block **list = &l->free_pieces[class_of(cap)];
    size_t bytes = cap * sizeof(struct live_block);
    if (*list) {
        struct live_block *piece = *list;
        memcpy(list, piece, sizeof(*list)); /* a free piece begins with the next one's address */
        memset(piece, 0, bytes);
        return piece;
    }
    /* What is left of a slab is lost: less than the largest piece. */
    if (l->slab_used + bytes > l->slab_bytes) {
        do {
            if (!add_slab(l))
                return NULL;
        } while (l->slab_used + bytes > l->slab_bytes);
    }
    void *piece = (uint8_t *)l->slabs + l->slab_used;
    l->slab_used += bytes;
    return piece;
}

static void give_piece(struct live *l, struct live_block *piece, size_t cap)
{
    struct live_block **list = &l->free_pieces[class_of(cap)];
    memcpy(piece, list, sizeof(*list));
    *list = piece;
}

/* ---- one page ---- */

static size_t home_of(const struct live_page *p, uint64_t address)
{
    return (size_t)(address % PAGE_BYTES >> p->shift);
}

static void insert(struct live_page *p, const struct live_block *b)
{
    size_t at = home_of(p, b->address);
    uint16_t distance = 0;
    for (; p->slots[at].address != 0; distance++)
        at = (at + 1) & (p->cap - 1U);
    p->slots[at] = *b;
    if (distance > p->reach)
        p->reach = distance;
}

/* The page with `cap` slots, none when it is 0. */
static bool resize(struct live *l, struct live_page *p, size_t cap)
{
    struct live_page next = {.key = p->key, .len = p->len, .cap = (uint16_t)cap};
    if (cap) {
        next.shift = (uint16_t)(12 - __builtin_ctzll(cap));
        next.slots = take_piece(l, cap);
        if (!next.slots)
            return false;
    }
    for (size_t i = 0; next.slots && i < p->cap; i++) {
        if (p->slots[i].address != 0)
            insert(&next, &p->slots[i]);
    }
    if (p->cap)
        give_piece(l, p->slots, p->cap);
    *p = next;
    return true;
}

/* Its slot in the page, or the first empty one from there; SIZE_MAX when there is neither. */
static size_t probe(const struct live_page *p, uint64_t address, size_t *distance)
{
    size_t at = p->cap ? home_of(p, address) : 0;
    for (*distance = 0; *distance < p->cap; ++*distance) {
        uint64_t there = p->slots[at].address;
        if (there == address || there == 0)
            return at;
        at = (at + 1) & (p->cap - 1U);
    }
    return SIZE_MAX;
}

/* ---- all pages ---- */

static struct live_page *find_page(const struct live *l, uint64_t key)
{
    size_t at = live_page_slot(l, key);
    while (l->pages[at].key != key && l->pages[at].key != 0)
        at = (at + 1) & (l->pages_cap - 1);
    return &l->pages[at];
}

/* A page with few blocks in many slots gets fewer; one without blocks keeps none. */
static void tidy(struct live *l, struct live_page *p)
{
    size_t cap = p->len ? FIRST_CLASS_CAP : 0;
    while (cap && cap < p->len * 2U)
        cap *= 2;
    if (cap < p->cap && p->len * 8U < p->cap)
        (void)resize(l, p, cap); /* short of memory it stays as it is */
}

/* Room for one more: pages that are empty by now leave, and if that is not much, the table doubles.
 * Not before: most pages that become empty are soon filled again. */
static bool make_room(struct live *l)
{
    size_t used = 0;
    for (size_t i = 0; i < l->pages_cap; i++)
        used += l->pages[i].len > 0;
    size_t cap = l->pages_cap ? l->pages_cap : FIRST_PAGES;
    if (used * 4 >= l->pages_cap && l->pages_cap)
        cap *= 2;
    struct live next = {.pages_cap = cap, .shift = 64U - (uint32_t)__builtin_ctzll(cap)};
    next.pages = calloc(cap, sizeof(*next.pages));
    if (!next.pages)
        return false;
    for (size_t i = 0; i < l->pages_cap; i++) {
        struct live_page *p = &l->pages[i];
        tidy(l, p);
        if (p->len > 0)
            *find_page(&next, p->key) = *p;
    }
    free(l->pages);
    l->bytes += (cap - l->pages_cap) * sizeof(*l->pages);
    l->pages = next.pages;
    l->pages_cap = cap;
    l->pages_len = used;
    l->shift = next.shift;
    return true;
}

static struct live_page *page_for(struct live *l, uint64_t address)
{
    uint64_t key = live_key(address);
    if (l->pages_len * 8 >= l->pages_cap * 5 && !make_room(l))
        return NULL;
    struct live_page *p = find_page(l, key);
    if (p->key == 0) {
        p->key = key;
        l->pages_len++;
    }
    return p;
}

struct live_block *live_find(const struct live *l, uint64_t address)
{
    if (l->pages_cap == 0)
        return NULL;
    const struct live_page *p = find_page(l, live_key(address));
    if (p->cap == 0)
        return NULL;
    size_t at = home_of(p, address);
    for (size_t distance = 0; distance <= p->reach; distance++) {
        if (p->slots[at].address == address)
            return &p->slots[at];
        at = (at + 1) & (p->cap - 1U);
    }
    return NULL;
}

struct live_block *live_put(struct live *l, uint64_t address, bool *is_new)
{
    struct live_page *p = page_for(l, address);
    if (!p)
        return NULL;
    size_t distance;
    size_t at = probe(p, address, &distance);
    /* Blocks of one size fill their page's slots without ever meeting; others need some air. */
    while (at == SIZE_MAX ||
           (distance > FAR && p->cap < PAGE_BYTES && p->slots[at].address != address)) {
        if (!resize(l, p, p->cap ? p->cap * 2U : FIRST_CLASS_CAP))
            return NULL;
        at = probe(p, address, &distance);
    }
    *is_new = p->slots[at].address == 0;
    if (*is_new) {
        p->slots[at].address = address;
        if (distance > p->reach)
            p->reach = (uint16_t)distance;
        p->len++;
        l->len++;
    }
    return &p->slots[at];
}

/* Entries behind the gap move up when the gap lies between their own slot and them, so that no
 * marks of removed blocks are left to search through. */
static void close_gap(struct live_page *p, size_t gap)
{
    size_t mask = p->cap - 1U;
    for (size_t at = (gap + 1) & mask;
         ((at - gap) & mask) <= p->reach && at != gap && p->slots[at].address != 0;
         at = (at + 1) & mask) {
        size_t home = home_of(p, p->slots[at].address);
        if (((at - home) & mask) >= ((at - gap) & mask)) {
            p->slots[gap] = p->slots[at];
            gap = at;
        }
    }
    p->slots[gap].address = 0;
}

void live_remove(struct live *l, struct live_block *block)
{
    struct live_page *p = find_page(l, live_key(block->address));
    close_gap(p, (size_t)(block - p->slots));
    p->len--;
    l->len--;
}
