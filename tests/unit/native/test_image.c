#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collector/native/cfi.h"
#include "collector/native/image.h"

static uint8_t *read_whole(const char *path, size_t *len)
{
    struct stat st;
    int fd = open(path, O_RDONLY);
    cr_assert(fd >= 0 && fstat(fd, &st) == 0, "%s", path);
    *len = (size_t)st.st_size;
    uint8_t *data = malloc(*len);
    cr_assert(data && read(fd, data, *len) == st.st_size);
    close(fd);
    return data;
}

/* Where a symbol begins, found by asking for the name at each function. */
static uint64_t find(struct image *image, const char *name)
{
    for (size_t i = 0; i < image->symbols_len; i++) {
        uint64_t begin;
        const char *found = image_symbol(image, image->symbols[i].address, 0, &begin);
        if (found && strcmp(found, name) == 0)
            return begin;
    }
    return 0;
}

Test(native_image, knows_functions_their_extent_and_the_build_id)
{
    size_t len;
    uint8_t *data = read_whole(CHAIN_WITHOUT, &len);
    struct image_source source = {.fd = -1, .data = data, .len = len};
    struct image *image;
    cr_assert_eq(image_open(&image, &source), STATUS_OK);
    free(data);
    uint64_t begin;
    uint64_t recurse = find(image, "recurse");
    cr_assert_neq(recurse, 0);
    cr_expect_eq(cfi_function(image, recurse + 3), recurse);
    cr_expect_str_eq(image_symbol(image, recurse + 3, recurse, &begin), "recurse");
    cr_expect_eq(begin, recurse);
    cr_expect_null(image_symbol(image, 1, 0, &begin));
    cr_expect_gt(image->build_id_len, 0);
    cr_expect_not(image->has_python);
    cr_expect_not_null(cfi_find(image, recurse));
    cr_expect_null(cfi_find(image, 1));
    image_close(image);
}

Test(native_image, any_part_of_a_file_is_survived)
{
    size_t len;
    uint8_t *data = read_whole(CHAIN_WITHOUT, &len);
    for (size_t cut = 0; cut < len; cut += 97) {
        uint8_t *part = malloc(cut + 1);
        cr_assert(part);
        memcpy(part, data, cut);
        struct image_source source = {.fd = -1, .data = part, .len = cut};
        struct image *image;
        if (image_open(&image, &source) == STATUS_OK) {
            (void)cfi_find(image, 0x1200);
            image_close(image);
        }
        free(part);
    }
    free(data);
}

Test(native_image, symbols_of_another_build_are_not_taken)
{
    size_t len;
    size_t other_len;
    uint8_t *data = read_whole(CHAIN_WITHOUT, &len);
    uint8_t *other = read_whole(CHAIN_WITH, &other_len);
    struct image_source source = {.fd = -1, .data = data, .len = len};
    struct image *image;
    cr_assert_eq(image_open(&image, &source), STATUS_OK);
    size_t before = image->symbols_len;
    source = (struct image_source){.fd = -1, .data = other, .len = other_len};
    image_add_symbols(image, &source);
    cr_expect_eq(image->symbols_len, before);
    source = (struct image_source){.fd = -1, .data = data, .len = len};
    image_add_symbols(image, &source);
    cr_expect_gt(image->symbols_len, before);
    image_close(image);
    free(data);
    free(other);
}
