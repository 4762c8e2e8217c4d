#pragma once
/* An ELF file (or the vdso) as unwinding and naming need it: its executable segments, the sections
 * with call frame information, its build-id, and its functions' names.
 *
 * What is needed is copied: a file mapped for long that somebody truncates would kill the reader.
 * 64-bit little-endian x86-64; every offset is checked, section sizes are capped. Addresses here
 * are the file's own, before relocation. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/base/status.h"

enum {
    IMAGE_SEGMENTS = 16,
    IMAGE_BUILD_ID_MAX = 32,
    IMAGE_SECTION_MAX = 256 << 20, /* bytes of one section */
    IMAGE_SYMBOLS_MAX = 4 << 20,
    IMAGE_NAME_MAX = 256,
};

struct image_bytes {
    uint8_t *data;
    size_t len;
    uint64_t address;
};

struct image {
    uint64_t entry; /* where a program begins; 0 = none */
    uint32_t segments_len;
    struct image_segment {
        uint64_t offset, address, size;
    } segments[IMAGE_SEGMENTS]; /* loaded and executable */
    struct image_bytes frames;  /* .eh_frame */
    struct cfi *cfi;            /* made at first use, see cfi.h */
    uint8_t build_id[IMAGE_BUILD_ID_MAX];
    uint32_t build_id_len;
    char debug_link[IMAGE_NAME_MAX]; /* file name from .gnu_debuglink; "" = none */
    bool has_python;                 /* it defines _PyRuntime */
    bool has_debug_info;             /* .debug_info */

    struct image_symbol {
        uint64_t address;
        uint32_t size, name;
    } * symbols; /* by address */
    size_t symbols_len, symbols_cap;
    struct image_text {
        char *data;
        size_t len;
    } texts[4]; /* string tables; `name` counts on from one to the next */
    uint32_t texts_len;
};

/* Where the bytes come from: a file, or memory that is borrowed for the call. */
struct image_source {
    int fd; /* -1: memory */
    const uint8_t *data;
    uint64_t len;
};

enum status image_open(struct image **out, const struct image_source *source);
void image_close(struct image *image); /* takes NULL */

/* Adds the symbols of a separate debug file, when its build-id is the same or ours has none. */
void image_add_symbols(struct image *image, const struct image_source *source);

/* File offset -> address; false when no executable segment holds it. */
bool image_address(const struct image *image, uint64_t offset, uint64_t *address);

/* Whether `address` is in the few instructions at which a program begins, which nobody called. The
 * dynamic linker's have no call frame information. */
bool image_is_entry(const struct image *image, uint64_t address);

/* The function at `address`; NULL when no symbol covers it. `function` is where call frame
 * information says that it begins (0 = unknown): a symbol without a size counts when it lies
 * there. Not demangled. */
const char *image_symbol(const struct image *image, uint64_t address, uint64_t function,
                         uint64_t *begin);
