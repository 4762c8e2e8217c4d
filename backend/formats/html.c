/* The real page as one HTML file with the profile inside, for somebody without a server: it opens
 * from disk, asks nothing of the network (its policy forbids it), and answers every question of
 * the page by WebAssembly made of the server's own sources (backend/saved). The profile is a
 * .heliograph file, gzipped, in base64; so the file can be read again, too. */

#define ZLIB_CONST
#include <string.h>
#include <zlib.h>

#include "backend/assets/assets.h"
#include "backend/formats/heliograph.h"
#include "backend/formats/unpack.h"

/* Larger ones open slowly or not at all: browsers hold the text as one string. */
enum { MAX_PACKED = 192 << 20 };

static const char MARK[] = "<!doctype html><html lang=\"en\" data-heliograph=\"saved\">";
static const char DATA_BEGIN[] = "id=\"heliograph-data\">";

/* ---- write ---- */

static void put_base64(struct buf *out, const uint8_t *data, size_t len)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint8_t *at = buf_grow(out, (len + 2) / 3 * 4);
    for (size_t i = 0; at && i < len; i += 3, at += 4) {
        uint32_t v = (uint32_t)data[i] << 16;
        v |= i + 1 < len ? (uint32_t)data[i + 1] << 8 : 0;
        v |= i + 2 < len ? (uint32_t)data[i + 2] : 0;
        at[0] = (uint8_t)digits[v >> 18];
        at[1] = (uint8_t)digits[v >> 12 & 63];
        at[2] = i + 1 < len ? (uint8_t)digits[v >> 6 & 63] : '=';
        at[3] = i + 2 < len ? (uint8_t)digits[v & 63] : '=';
    }
}

struct packer {
    z_stream z;
    struct buf out;
};

static enum status pack(struct packer *p, int flush)
{
    uint8_t block[1 << 14];
    do {
        p->z.next_out = block;
        p->z.avail_out = sizeof(block);
        if (deflate(&p->z, flush) == Z_STREAM_ERROR)
            return STATUS_NO_MEMORY;
        buf_put(&p->out, block, sizeof(block) - p->z.avail_out);
    } while (p->z.avail_out == 0);
    return buf_status(&p->out);
}

static enum status put_packed(void *ctx, const void *data, size_t len)
{
    struct packer *p = ctx;
    enum { STEP = 1 << 30 };
    const uint8_t *at = data;
    enum status st = STATUS_OK;
    for (size_t n; len && st == STATUS_OK; len -= n, at += n) {
        n = len < STEP ? len : STEP;
        p->z.next_in = at;
        p->z.avail_in = (uInt)n;
        st = pack(p, Z_NO_FLUSH);
    }
    return st;
}

/* As gzip, which browsers can undo. */
static enum status pack_profile(struct packer *p, const struct profile *profile)
{
    enum { GZIP = 16 };
    buf_init(&p->out, MAX_PACKED);
    if (deflateInit2(&p->z, 6, Z_DEFLATED, MAX_WBITS + GZIP, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return STATUS_NO_MEMORY;
    enum status st = heliograph_write_plain(profile, put_packed, p);
    if (st == STATUS_OK)
        st = pack(p, Z_FINISH);
    deflateEnd(&p->z);
    return st;
}

static enum status html_write(const struct profile *p, struct buf *out, struct buf *lost,
                              struct error *err)
{
    (void)lost; /* it holds everything */
    const struct asset *page = asset_find(ASSET_SAVED_PAGE);
    const uint8_t *mark =
        page ? memmem(page->data, page->len, ASSET_DATA_MARK, strlen(ASSET_DATA_MARK)) : NULL;
    if (!mark)
        return error_set(err, STATUS_UNSUPPORTED, "this program was built without its page");
    struct packer packer = {0};
    enum status st = pack_profile(&packer, p);
    if (st == STATUS_OK) {
        size_t head = (size_t)(mark - page->data);
        const uint8_t *tail = mark + strlen(ASSET_DATA_MARK);
        buf_put(out, page->data, head);
        put_base64(out, packer.out.data, packer.out.len);
        buf_put(out, tail, (size_t)(page->data + page->len - tail));
        st = buf_status(out);
    }
    buf_deinit(&packer.out);
    if (st == STATUS_TOO_LARGE)
        return error_set(err, st,
                         "more than %d MiB of packed profile, which no browser would open; "
                         "a .heliograph file holds it",
                         MAX_PACKED >> 20);
    return st == STATUS_OK
               ? st
               : error_set(err, st, "the page could not be written (%s)", status_name(st));
}

/* ---- read ---- */

static int digit_of(uint8_t c)
{
    return c >= 'A' && c <= 'Z'   ? c - 'A'
           : c >= 'a' && c <= 'z' ? c - 'a' + 26
           : c >= '0' && c <= '9' ? c - '0' + 52
           : c == '+'             ? 62
           : c == '/'             ? 63
                                  : -1;
}

/* The bytes of the digits up to the first that is none. */
static void take_base64(struct buf *out, const uint8_t *at, const uint8_t *end)
{
    uint32_t bits = 0;
    unsigned have = 0;
    for (; at < end && digit_of(*at) >= 0; at++) {
        bits = bits << 6 | (uint32_t)digit_of(*at);
        have += 6;
        if (have >= 8) {
            have -= 8;
            buf_put_byte(out, (uint8_t)(bits >> have));
        }
    }
}

static int html_detect(const uint8_t *head, size_t len, bool is_whole_file)
{
    (void)is_whole_file;
    return len >= sizeof(MARK) - 1 && memcmp(head, MARK, sizeof(MARK) - 1) == 0 ? 100 : 0;
}

static enum status html_read(const struct format_input *in, const struct format_options *options,
                             struct profile *out, struct error *err)
{
    const uint8_t *begin = memmem(in->data, in->len, DATA_BEGIN, sizeof(DATA_BEGIN) - 1);
    if (!begin)
        return error_set(err, STATUS_INVALID, "byte %zu: the page ends before its profile",
                         in->len);
    struct buf packed;
    struct unpacked file = {0};
    buf_init(&packed, 0);
    take_base64(&packed, begin + sizeof(DATA_BEGIN) - 1, in->data + in->len);
    uint64_t most = options->max_raw_bytes ? options->max_raw_bytes : 1ULL << 30;
    enum status st = buf_status(&packed);
    if (st == STATUS_OK)
        st = unpack(&file, packed.data, packed.len, most, err);
    if (st == STATUS_OK && file.is_cut)
        st = error_set(err, STATUS_INVALID, "the profile in the page: %s", file.why.text);
    if (st == STATUS_OK) {
        struct format_input inner = {.data = file.data, .len = file.len, .name = in->name};
        st = format_heliograph.read(&inner, options, out, err);
    }
    unpack_deinit(&file);
    buf_deinit(&packed);
    return st;
}

const struct format format_html = {
    .name = "html",
    .title = "The page as one HTML file",
    .extensions = "html",
    .detect = html_detect,
    .read = html_read,
    .write = html_write,
};
