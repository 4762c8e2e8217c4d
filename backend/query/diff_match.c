#include "backend/query/diff_match.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "backend/query/names.h"
#include "common/base/buf.h"
#include "common/base/strtab.h"

struct entry {
    uint32_t key, row, line;
    const char *file;
    size_t file_len;
    bool is_paired;
};

struct side {
    const struct profile *p;
    const struct table *t;
    struct entry *entries; /* by key, file, line */
};

const char *diff_stem(const struct profile *p, uint32_t function, size_t *len)
{
    size_t n;
    const char *file = names_file(p, function, &n);
    const char *slash = n ? memrchr(file, '/', n) : NULL;
    const char *start = slash ? slash + 1 : file;
    size_t left = n - (size_t)(start - file);
    const char *dot = left ? memrchr(start, '.', left) : NULL;
    if (dot && dot > start)
        left = (size_t)(dot - start);
    if (slash && slash > file && left == 8 && memcmp(start, "__init__", 8) == 0) {
        const char *above = memrchr(file, '/', (size_t)(slash - file));
        start = above ? above + 1 : file;
        left = (size_t)(slash - start);
    }
    *len = left;
    return start;
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static void put_name(struct buf *key, const char *name, size_t len)
{
    static const char mark[] = " at 0x";
    enum { MARK = sizeof(mark) - 1 };
    for (size_t i = 0; i < len;) {
        if (len - i > MARK && memcmp(name + i, mark, MARK) == 0) {
            for (i += MARK; i < len && is_hex(name[i]);)
                i++;
            continue;
        }
        buf_put_byte(key, (uint8_t)name[i++]);
    }
}

static bool has_modules(const struct side *s)
{
    for (size_t i = 0; i < s->t->len; i++) {
        size_t len;
        names_module(s->p, s->t->rows[i].function, &len);
        if (len)
            return true;
    }
    return false;
}

static int compare_bytes(const char *a, size_t a_len, const char *b, size_t b_len)
{
    int order = memcmp(a, b, a_len < b_len ? a_len : b_len);
    return order ? order : a_len < b_len ? -1 : a_len > b_len;
}

static int compare_entries(const void *a, const void *b)
{
    const struct entry *x = a;
    const struct entry *y = b;
    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    int order = compare_bytes(x->file, x->file_len, y->file, y->file_len);
    if (order)
        return order;
    if (x->line != y->line)
        return x->line < y->line ? -1 : 1;
    return x->row < y->row ? -1 : x->row > y->row;
}

static enum status fill_side(struct side *s, struct strtab *keys, bool by_module)
{
    struct buf key;
    enum status st = STATUS_OK;
    s->entries = calloc(s->t->len ? s->t->len : 1, sizeof(*s->entries));
    if (!s->entries)
        return STATUS_NO_MEMORY;
    buf_init(&key, 0);
    for (size_t i = 0; i < s->t->len && st == STATUS_OK; i++) {
        uint32_t function = s->t->rows[i].function;
        struct entry *e = &s->entries[i];
        size_t len = 0;
        const char *text = by_module ? names_module(s->p, function, &len) : "";
        if (len == 0)
            text = diff_stem(s->p, function, &len);
        buf_clear(&key);
        buf_put(&key, text, len);
        buf_put_byte(&key, 0);
        text = names_function(s->p, function, &len);
        put_name(&key, text, len);
        e->row = (uint32_t)i;
        e->file = names_file(s->p, function, &e->file_len);
        if (function < s->p->tables.functions_len)
            e->line = s->p->tables.functions[function].line;
        st = buf_status(&key);
        if (st == STATUS_OK && !strtab_add(keys, (const char *)key.data, key.len, &e->key))
            st = STATUS_NO_MEMORY;
    }
    buf_deinit(&key);
    qsort(s->entries, s->t->len, sizeof(*s->entries), compare_entries);
    return st;
}

static bool is_same_place(const struct entry *a, const struct entry *b)
{
    return a->line == b->line && compare_bytes(a->file, a->file_len, b->file, b->file_len) == 0;
}

struct pairs {
    struct diff_pair *items;
    size_t len;
};

static void pair(struct pairs *out, struct entry *a, struct entry *b)
{
    out->items[out->len++] = (struct diff_pair){a->row, b->row};
    a->is_paired = true;
    b->is_paired = true;
}

/* Functions of one key ("<lambda>" twice in a file): those that stand where they stood first (both
 * runs are in order of place, so one walk finds them), the others in their order. */
static void pair_group(struct pairs *out, struct entry *a, size_t a_len, struct entry *b,
                       size_t b_len)
{
    for (size_t i = 0, k = 0; a_len != b_len && i < a_len && k < b_len;) {
        struct entry *x = &a[i];
        struct entry *y = &b[k];
        int order = compare_bytes(x->file, x->file_len, y->file, y->file_len);
        if (order == 0)
            order = x->line < y->line ? -1 : x->line > y->line;
        if (is_same_place(x, y))
            pair(out, x, y);
        i += order <= 0;
        k += order >= 0;
    }
    size_t k = 0;
    for (size_t i = 0; i < a_len; i++) {
        while (k < b_len && b[k].is_paired)
            k++;
        if (!a[i].is_paired && k < b_len)
            pair(out, &a[i], &b[k]);
        else if (!a[i].is_paired)
            out->items[out->len++] = (struct diff_pair){a[i].row, (uint32_t)DIFF_NONE};
    }
    for (k = 0; k < b_len; k++) {
        if (!b[k].is_paired)
            out->items[out->len++] = (struct diff_pair){(uint32_t)DIFF_NONE, b[k].row};
    }
}

static size_t group_len(const struct side *s, size_t at, uint32_t key)
{
    size_t n = 0;
    while (at + n < s->t->len && s->entries[at + n].key == key)
        n++;
    return n;
}

static void pair_sides(struct pairs *out, struct side *a, struct side *b)
{
    for (size_t i = 0, k = 0; i < a->t->len || k < b->t->len;) {
        uint32_t key = i < a->t->len ? a->entries[i].key : UINT32_MAX;
        if (k < b->t->len && b->entries[k].key < key)
            key = b->entries[k].key;
        size_t a_len = group_len(a, i, key);
        size_t b_len = group_len(b, k, key);
        pair_group(out, a->entries + i, a_len, b->entries + k, b_len);
        i += a_len;
        k += b_len;
    }
}

enum status diff_match(const struct profile *base, const struct table *base_rows,
                       const struct profile *target, const struct table *target_rows,
                       struct diff_pair **pairs, size_t *len)
{
    struct side a = {.p = base, .t = base_rows};
    struct side b = {.p = target, .t = target_rows};
    struct strtab keys = {0};
    struct pairs out = {0};
    bool by_module = has_modules(&a) && has_modules(&b);
    enum status st = strtab_init(&keys) ? STATUS_OK : STATUS_NO_MEMORY;
    if (st == STATUS_OK)
        st = fill_side(&a, &keys, by_module);
    if (st == STATUS_OK)
        st = fill_side(&b, &keys, by_module);
    if (st == STATUS_OK) {
        out.items = calloc(base_rows->len + target_rows->len + 1, sizeof(*out.items));
        st = out.items ? STATUS_OK : STATUS_NO_MEMORY;
    }
    if (st == STATUS_OK) {
        pair_sides(&out, &a, &b);
        *pairs = out.items;
        *len = out.len;
    }
    free(a.entries);
    free(b.entries);
    strtab_deinit(&keys);
    return st;
}
