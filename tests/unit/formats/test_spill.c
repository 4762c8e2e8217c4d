#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "common/base/spill.h"
#include "tests/unit/formats/profile_sums.h"

static struct error err;

enum { PIECE = 1 << 20 };

/* Piece i is full of i; the last quarter of each is given back. */
static void put_pieces(struct spill *s, int count)
{
    for (int i = 0; i < count; i++) {
        uint8_t *at = NULL;
        cr_assert_eq(spill_room(s, PIECE, &at, &err), STATUS_OK, "%s", err.text);
        memset(at, i, PIECE);
        spill_give_back(s, PIECE / 4);
    }
}

static void check_pieces(struct spill *s, int count)
{
    const uint8_t *data = NULL;
    size_t len = 0;
    bool is_mapped;
    cr_assert_eq(spill_finish(s, &data, &len, &is_mapped, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(len, (size_t)count * (PIECE - PIECE / 4));
    for (size_t i = 0; i < len; i++) {
        if (data[i] != i / (PIECE - PIECE / 4))
            cr_assert_fail("byte %zu is %d", i, data[i]);
    }
}

Test(spill, keeps_a_little_in_memory)
{
    struct spill s;
    spill_init(&s);
    put_pieces(&s, 3);
    cr_assert_lt(s.fd, 0);
    check_pieces(&s, 3);
    spill_deinit(&s);
}

Test(spill, holds_no_more_than_its_limit_in_memory)
{
    struct spill s;
    spill_init(&s);
    put_pieces(&s, 40);
    cr_assert(s.fd < 0 || s.bytes.len <= SPILL_IN_MEMORY);
    check_pieces(&s, 40);
    spill_deinit(&s);
}

Test(spill, does_without_a_folder_that_is_not_there)
{
    struct spill s;
    spill_init(&s);
    setenv("TMPDIR", "/proc/no-such-folder", 1);
    put_pieces(&s, 20);
    check_pieces(&s, 20);
    spill_deinit(&s);
}

/* gzip of more than is kept in memory: "main;leaf 1" again and again. */
Test(spill, reads_an_archive_larger_than_the_limit)
{
    static const char line[] = "main;some_function_of_a_name_that_takes_room;leaf 1\n";
    enum { LINES = 500000 };
    uLong len = (uLong)(sizeof(line) - 1) * LINES;
    uLong room = compressBound(len) + 64;
    char *text = malloc(len);
    uint8_t *packed = malloc(room);
    cr_assert(text && packed && len > SPILL_IN_MEMORY);
    for (size_t i = 0; i < LINES; i++)
        memcpy(text + i * (sizeof(line) - 1), line, sizeof(line) - 1);
    z_stream z = {.next_in = (Bytef *)text, .avail_in = (uInt)len};
    cr_assert_eq(deflateInit2(&z, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_out = packed;
    z.avail_out = (uInt)room;
    cr_assert_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
    struct profile *p = load(packed, z.total_out, &err);
    cr_assert(p, "%s", err.text);
    int64_t sum = 0;
    for (size_t i = 0; i < p->sets[0].len; i++)
        sum += value_at(&p->sets[0], 0, i);
    cr_assert_eq(sum, LINES);
    profile_free(p);
    deflateEnd(&z);
    free(packed);
    free(text);
}
