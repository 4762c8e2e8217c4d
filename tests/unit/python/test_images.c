/* The unwinder over recorded memory of every version: see record_image.c. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/python/image.h"

static char *read_text(const char *path)
{
    static char text[65536];
    FILE *f = fopen(path, "r");
    cr_assert_not_null(f, "%s is missing", path);
    size_t len = fread(text, 1, sizeof(text) - 1, f);
    fclose(f);
    text[len] = '\0';
    return text;
}

static void check_image(const char *version)
{
    char path[256];
    char *found = NULL;
    size_t found_len;
    struct image image;
    snprintf(path, sizeof(path), "tests/fixtures/python/%s.image", version);
    cr_assert(image_load(&image, path), "cannot load %s", path);
    FILE *out = open_memstream(&found, &found_len);
    cr_expect(image_describe(&image, out), "%s cannot be unwound", path);
    fclose(out);
    snprintf(path, sizeof(path), "tests/fixtures/python/%s.image.expected", version);
    cr_expect_str_eq(found, read_text(path));
    free(found);
    image_free(&image);
}

#define IMAGE(version)                                                                             \
    Test(python_images, the_stacks_of_##version##_are_found)                                       \
    {                                                                                              \
        check_image(#version);                                                                     \
    }

IMAGE(py38)
IMAGE(py39)
IMAGE(py310)
IMAGE(py311)
IMAGE(py312)
IMAGE(py313)
IMAGE(py314)
IMAGE(py314t)
IMAGE(py314d)

/* Every single byte of the frames may be wrong when memory is torn: nothing may be read past the
 * ranges, and no walk may go on for ever. */
Test(python_images, torn_memory_is_survived)
{
    static const char *const versions[] = {"py38", "py310", "py312", "py313", "py314t"};
    for (size_t v = 0; v < sizeof(versions) / sizeof(versions[0]); v++) {
        char path[256];
        struct image image;
        snprintf(path, sizeof(path), "tests/fixtures/python/%s.image", versions[v]);
        cr_assert(image_load(&image, path));
        uint32_t random = 12345;
        size_t survived = 0;
        for (int round = 0; round < 300; round++) {
            random = random * 1664525 + 1013904223;
            struct image_range *r = &image.ranges[random % image.len];
            if (r->len == 0 || r->address == image.runtime)
                continue;
            random = random * 1664525 + 1013904223;
            uint8_t *byte = &r->bytes[random % r->len];
            uint8_t before = *byte;
            *byte ^= (uint8_t)(random >> 16);
            char *text = NULL;
            size_t len;
            FILE *out = open_memstream(&text, &len);
            (void)image_describe(&image, out);
            fclose(out);
            free(text);
            *byte = before;
            survived++;
        }
        cr_expect_gt(survived, 100);
        image_free(&image);
    }
}
