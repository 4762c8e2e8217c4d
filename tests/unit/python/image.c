#include "tests/unit/python/image.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "collector/python/code.h"
#include "collector/python/layout.h"
#include "collector/python/unwind.h"
#include "common/base/array.h"

static bool add_range(struct image *image, uint64_t address, uint32_t len, const uint8_t *bytes)
{
    uint8_t *copy = malloc(len ? len : 1);
    if (!copy || !array_reserve(&image->ranges, &image->cap, image->len + 1)) {
        free(copy);
        return false;
    }
    memcpy(copy, bytes, len);
    image->ranges[image->len++] = (struct image_range){address, len, copy};
    return true;
}

bool image_load(struct image *image, const char *path)
{
    *image = (struct image){0};
    FILE *f = fopen(path, "rb");
    if (!f)
        return false;
    bool is_good =
        fscanf(f, "python-image %" SCNx32 " %" SCNx64, &image->version, &image->runtime) == 2 &&
        fgetc(f) == '\n';
    uint64_t address;
    while (is_good && fread(&address, sizeof(address), 1, f) == 1) {
        uint32_t len;
        uint8_t bytes[65536];
        is_good = fread(&len, sizeof(len), 1, f) == 1 && len <= sizeof(bytes) &&
                  fread(bytes, 1, len, f) == len && add_range(image, address, len, bytes);
    }
    fclose(f);
    return is_good;
}

bool image_save(const struct image *image, const char *path)
{
    FILE *f = fopen(path, "wb");
    if (!f)
        return false;
    fprintf(f, "python-image %" PRIx32 " %" PRIx64 "\n", image->version, image->runtime);
    for (size_t i = 0; i < image->len; i++) {
        const struct image_range *r = &image->ranges[i];
        fwrite(&r->address, sizeof(r->address), 1, f);
        fwrite(&r->len, sizeof(r->len), 1, f);
        fwrite(r->bytes, 1, r->len, f);
    }
    return fclose(f) == 0;
}

void image_free(struct image *image)
{
    for (size_t i = 0; i < image->len; i++)
        free(image->ranges[i].bytes);
    free(image->ranges);
    *image = (struct image){0};
}

static bool find(void *ctx, uint64_t address, size_t len, struct memory_window *out)
{
    struct image *image = ctx;
    for (size_t i = 0; i < image->len; i++) {
        const struct image_range *r = &image->ranges[i];
        struct memory_window w = {r->address, r->address + r->len, r->bytes};
        if (memory_window_holds(&w, address, len)) {
            *out = w;
            return true;
        }
    }
    struct memory_window w = {0};
    const uint8_t *bytes = image->source ? memory_at(image->source, &w, address, len) : NULL;
    if (!bytes || len > UINT32_MAX || !add_range(image, address, (uint32_t)len, bytes))
        return false;
    const struct image_range *added = &image->ranges[image->len - 1];
    *out = (struct memory_window){address, address + len, added->bytes};
    return true;
}

struct memory_reader image_reader(struct image *image)
{
    return (struct memory_reader){.find = find, .ctx = image};
}

static bool describe_frame(const struct python_layout *layout, const struct memory_reader *reader,
                           const struct python_frame *frame, FILE *out)
{
    struct python_code code;
    int64_t offset;
    python_code_init(&code);
    bool is_good = python_code_read(layout, reader, frame->code, &code) &&
                   python_code_offset(layout, reader, &code, frame->ip, frame->tlbc, &offset);
    if (is_good) {
        const char *file = (const char *)code.file.data;
        size_t begin = code.file.len;
        while (begin > 0 && file[begin - 1] != '/')
            begin--;
        fprintf(out, "  %.*s %.*s:%u (from %u)\n", (int)code.name.len, (const char *)code.name.data,
                (int)(code.file.len - begin), file + begin,
                python_code_place(layout, &code, offset).line, code.first_line);
    }
    python_code_deinit(&code);
    return is_good;
}

static bool describe_thread(const struct python_layout *layout, const struct memory_reader *reader,
                            uint64_t tstate, FILE *out)
{
    static struct python_frame frames[256];
    uint64_t top;
    uint64_t base = 0;
    size_t len;
    if (python_top_frame(layout, reader, tstate, &top) != PYTHON_UNWIND_OK ||
        (layout->tstate_base_frame != PYTHON_NO_FIELD &&
         !memory_read_u64(reader, tstate + layout->tstate_base_frame, &base)) ||
        python_unwind(layout, reader, top, base, frames, 256, &len) != PYTHON_UNWIND_OK)
        return false;
    fprintf(out, "thread\n");
    for (size_t i = len; i-- > 0;) {
        if (!describe_frame(layout, reader, &frames[i], out))
            return false;
    }
    return true;
}

bool image_describe(struct image *image, FILE *out)
{
    struct memory_reader reader = image_reader(image);
    uint8_t runtime[PYTHON_DEBUG_OFFSETS_MAX];
    struct python_layout layout;
    uint64_t interp;
    uint64_t tstate;
    if (!memory_read(&reader, image->runtime, runtime, sizeof(runtime)) ||
        python_layout_init(&layout, image->version, runtime, sizeof(runtime)) != PYTHON_LAYOUT_OK ||
        !memory_read_u64(&reader, image->runtime + layout.runtime_interpreters_head, &interp) ||
        !memory_read_u64(&reader, interp + layout.interp_threads_head, &tstate))
        return false;
    fprintf(out, "version %x\n", image->version >> 16);
    while (tstate != 0) {
        if (!describe_thread(&layout, &reader, tstate, out) ||
            !memory_read_u64(&reader, tstate + layout.tstate_next, &tstate))
            return false;
    }
    return true;
}
