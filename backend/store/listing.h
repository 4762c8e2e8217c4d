#pragma once
/* The rows of a question as an array of items of one kind: what shares, tokens, notes, rules and
 * alerts have in common. */

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>

#include "backend/store/library.h"
#include "common/base/status.h"

struct listing {
    const char *sql;
    const char *what; /* for the words when memory is short: "notes" */
    size_t item_size;
    /* Reads the row the statement stands at; false when memory is short. */
    bool (*read)(sqlite3_stmt *stmt, void *item);
    void (*free_items)(void *items, size_t len);
};

/* What goes into ?1 and ?2. NULL text and absent numbers stay NULL. */
struct listing_of {
    const char *text;
    bool has_number;
    int64_t number;
};

/* `items` (the address of the array's pointer) and `len` are written only on success. */
enum status listing_take(struct library *l, const struct listing *listing,
                         const struct listing_of *of, void *items, size_t *len, struct error *err);

/* A column's text, "" for NULL; NULL when memory is short. */
char *listing_text(sqlite3_stmt *stmt, int column);
