/* Archives: how much may come out of them, and what is behind them. */

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "backend/formats/unpack.h"

enum { PLAIN = 8 << 20, LIMIT = 1 << 20, ROOM = 64 << 10 };

static struct error err;
static struct unpacked out;
static uint8_t packed[ROOM];

static size_t gzip_zeros(size_t len)
{
    z_stream z = {.avail_out = ROOM, .next_out = packed};
    uint8_t *zeros = calloc(1, len);
    cr_assert_not_null(zeros);
    cr_assert_eq(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = zeros;
    z.avail_in = (uInt)len;
    cr_assert_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    free(zeros);
    return ROOM - z.avail_out;
}

Test(unpack, a_gzip_that_unpacks_to_more_than_the_limit_is_refused)
{
    size_t len = gzip_zeros(PLAIN);
    cr_assert_eq(unpack(&out, packed, len, LIMIT, &err), STATUS_TOO_LARGE);
    cr_assert_not_null(strstr(err.text, "1 MiB"), "%s", err.text);
    cr_assert_eq(unpack(&out, packed, len, PLAIN, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(out.len, PLAIN);
    unpack_deinit(&out);
}

Test(unpack, a_zstd_that_unpacks_to_more_than_the_limit_is_refused)
{
    uint8_t *zeros = calloc(1, PLAIN);
    cr_assert_not_null(zeros);
    size_t len = ZSTD_compress(packed, ROOM, zeros, PLAIN, 1);
    free(zeros);
    cr_assert(!ZSTD_isError(len));
    cr_assert_eq(unpack(&out, packed, len, LIMIT, &err), STATUS_TOO_LARGE);
}

Test(unpack, zeros_behind_a_gzip_are_padding_and_other_bytes_are_told)
{
    size_t len = gzip_zeros(100);
    memset(packed + len, 0, 512);
    cr_assert_eq(unpack(&out, packed, len + 512, LIMIT, &err), STATUS_OK, "%s", err.text);
    cr_assert_not(out.is_cut);
    unpack_deinit(&out);
    packed[len + 511] = 'x';
    cr_assert_eq(unpack(&out, packed, len + 512, LIMIT, &err), STATUS_OK, "%s", err.text);
    cr_assert(out.is_cut);
    cr_assert_eq(out.len, 100);
    cr_assert_not_null(strstr(out.why.text, "something else follows"), "%s", out.why.text);
    unpack_deinit(&out);
}
