/* One reader (FUZZ_FORMAT names it), whatever detection says; what it accepts is finished and goes
 * through every writer. */

#include <stdlib.h>
#include <string.h>

#include "backend/formats/format.h"
#include "tests/fuzz/check_profile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void write_all(const struct profile *p)
{
    enum { LIMIT = 1 << 20 };
    for (const struct format *f = format_all(); f->name; f++) {
        /* The page around a .heliograph file is the same each time, and large. */
        bool is_page = strcmp(f->name, "html") == 0 && strcmp(FUZZ_FORMAT, "html") != 0;
        if (!f->write || is_page)
            continue;
        struct buf out;
        struct buf lost;
        struct error err = {0};
        buf_init(&out, LIMIT);
        buf_init(&lost, LIMIT);
        enum status st = f->write(p, &out, &lost, &err);
        check(st == STATUS_OK || err.text[0]);
        buf_deinit(&out);
        buf_deinit(&lost);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    const struct format *f = format_by_name(FUZZ_FORMAT);
    const struct format_input in = {.data = data, .len = len, .name = "fuzz"};
    const struct format_options options = {.max_raw_bytes = 1 << 24};
    struct profile *p = NULL;
    struct error err = {0};
    check(f && profile_new(&p) == STATUS_OK);
    format_detect(data, len, true);
    enum status st = f->read(&in, &options, p, &err);
    check(st == STATUS_OK || err.text[0]);
    if (st == STATUS_OK && profile_finish(p) == STATUS_OK) {
        check_profile(p);
        write_all(p);
    }
    profile_free(p);
    return 0;
}
