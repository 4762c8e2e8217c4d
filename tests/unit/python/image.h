#pragma once
/* A recorded piece of a Python's memory: the ranges that were read, in the order of reading, behind
 * a line of text. With it the unwinder is tested without that Python. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "collector/python/memory_reader.h"

struct image {
    uint32_t version; /* PY_VERSION_HEX */
    uint64_t runtime; /* address of _PyRuntime */
    struct image_range {
        uint64_t address;
        uint32_t len;
        uint8_t *bytes;
    } * ranges;
    size_t len, cap;
    const struct memory_reader *source; /* while recording: where missing ranges come from */
};

bool image_load(struct image *image, const char *path);
bool image_save(const struct image *image, const char *path);
void image_free(struct image *image);

/* Reads from the ranges; while recording, adds what is missing. */
struct memory_reader image_reader(struct image *image);

/* Writes every thread's stack, outermost frame first: what a test compares. False when a chain
 * cannot be followed. */
bool image_describe(struct image *image, FILE *out);
