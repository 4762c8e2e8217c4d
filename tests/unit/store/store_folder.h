#pragma once
/* A folder of its own for each test that opens a store. */

#include <stddef.h>

struct store_folder {
    char dir[256];
    char path[300]; /* of the store in it; not there yet */
};
void store_folder_make(struct store_folder *f);
void store_folder_remove(struct store_folder *f);

/* A whole file; free() it. */
char *store_folder_read(const char *path, size_t *len);

/* Runs SQL on the closed store; the first number it gives, or -1. */
long long store_folder_number(const char *path, const char *sql);
