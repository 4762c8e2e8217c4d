#include "backend/formats/format.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/formats/json_head.h"
#include "backend/formats/rows.h"
#include "backend/formats/text.h"
#include "backend/formats/unpack.h"
#include "common/base/spill.h"

enum { ROWS = sizeof(format_rows) / sizeof(format_rows[0]) };

static const uint64_t DEFAULT_MAX_RAW = (uint64_t)1 << 30;

/* The rows live in their readers' files; callers get them side by side. */
static struct format table[ROWS + 1];
static pthread_once_t table_once = PTHREAD_ONCE_INIT;

static void fill_table(void)
{
    for (size_t i = 0; i < ROWS; i++)
        table[i] = *format_rows[i];
}

const struct format *format_all(void)
{
    pthread_once(&table_once, fill_table);
    return table;
}

const struct format *format_by_name(const char *name)
{
    for (const struct format *f = format_all(); f->name; f++) {
        if (strcmp(f->name, name) == 0)
            return f;
    }
    return NULL;
}

const struct format *format_detect(const uint8_t *head, size_t len, bool is_whole_file)
{
    if (len > FORMAT_HEAD) {
        len = FORMAT_HEAD;
        is_whole_file = false;
    }
    struct json_head json;
    json_head_read(&json, head, len);
    const struct format *best = NULL;
    int best_score = 0;
    for (const struct format *f = format_all(); f->name; f++) {
        if (!f->read)
            continue;
        int score = f->detect        ? f->detect(head, len, is_whole_file)
                    : f->detect_json ? f->detect_json(&json)
                                     : 0;
        if (score > best_score) {
            best = f;
            best_score = score;
        }
    }
    return best;
}

static enum status unknown_format(const struct format_input *in, struct error *err)
{
    if (in->len == 0)
        return error_set(err, STATUS_UNSUPPORTED, "the file is empty");
    char head[3 * 8 + 1] = "";
    for (size_t i = 0; i < in->len && i < 8; i++)
        snprintf(head + 3 * i, 4, "%02x ", in->data[i]);
    return error_set(err, STATUS_UNSUPPORTED,
                     "not a profile of any format known here (%zu bytes, beginning %s)", in->len,
                     head);
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static enum status describe(struct profile *p, const struct format *f, const char *name)
{
    enum status st = profile_set_text(p, &p->format, f->name, strlen(f->name));
    if (st == STATUS_OK && p->name == 0 && name) {
        const char *base = base_name(name);
        st = profile_set_text(p, &p->name, base, strlen(base));
    }
    return st;
}

static enum status read_as(const struct format *f, const struct format_input *in,
                           const struct format_options *options, const struct unpacked *u,
                           struct profile **out, struct error *err)
{
    struct profile *p = NULL;
    enum status st = profile_new(&p);
    if (st != STATUS_OK)
        return error_set(err, st, "no memory for the profile");
    if (err)
        *err = (struct error){0};
    st = f->read(in, options, p, err);
    if (st == STATUS_OK && u->is_cut)
        st = profile_add_warning(p, "truncated", "%s; shown is what came before", u->why.text);
    if (st == STATUS_OK)
        st = describe(p, f, in->name);
    if (st == STATUS_OK)
        st = profile_finish(p);
    if (st != STATUS_OK) {
        profile_free(p);
        if (err && err->text[0] == 0)
            error_set(err, st, "the profile could not be built (%s)", status_name(st));
        error_prefix(err, f->name);
        return st;
    }
    *out = p;
    return STATUS_OK;
}

static enum status load_unpacked(const struct unpacked *u, const struct format_input *packed,
                                 const struct format_options *options, struct profile **out,
                                 struct error *err)
{
    static const uint8_t nothing[1];
    struct format_input in = {.data = u->data ? u->data : nothing,
                              .len = u->len,
                              .name = packed->name,
                              .is_mapped = u->is_unpacked ? u->is_mapped : packed->is_mapped};
    uint8_t *utf8 = NULL;
    enum status st = text_from_utf16(&in, &utf8, err);
    in.is_mapped = in.is_mapped && !utf8;
    if (st == STATUS_OK) {
        const struct format *f = format_detect(in.data, in.len, !u->is_cut);
        if (f)
            st = read_as(f, &in, options, u, out, err);
        else if (u->is_cut)
            st = error_set(err, STATUS_CORRUPT, "%s", u->why.text);
        else
            st = unknown_format(&in, err);
    }
    free(utf8);
    return st;
}

static enum status load(const struct format_input *in, const struct format_options *options,
                        struct profile **out, struct error *err)
{
    struct format_options chosen = options ? *options : (struct format_options){0};
    if (chosen.max_raw_bytes == 0)
        chosen.max_raw_bytes = DEFAULT_MAX_RAW;
    struct unpacked u;
    enum status st = unpack(&u, in->data, in->len, chosen.max_raw_bytes, err);
    if (st != STATUS_OK)
        return st;
    st = load_unpacked(&u, in, &chosen, out, err);
    unpack_deinit(&u);
    return st;
}

enum status format_load(const uint8_t *data, size_t len, const char *name,
                        const struct format_options *options, struct profile **out,
                        struct error *err)
{
    struct format_input in = {.data = data, .len = len, .name = name};
    return load(&in, options, out, err);
}

static enum status read_all(int fd, struct spill *bytes, const char *path, struct error *err)
{
    enum { STEP = 1 << 20 };
    for (;;) {
        uint8_t *at;
        enum status st = spill_room(bytes, STEP, &at, err);
        if (st != STATUS_OK)
            return st;
        ssize_t got = read(fd, at, STEP);
        int why = errno;
        spill_give_back(bytes, got > 0 ? STEP - (size_t)got : STEP);
        if (got < 0 && why != EINTR)
            return error_set(err, STATUS_IO, "%s: %s", path, strerror(why));
        if (got == 0)
            return STATUS_OK;
    }
}

static enum status open_input(const char *path, int *fd, struct error *err)
{
    if (strcmp(path, "-") == 0) {
        *fd = STDIN_FILENO;
        return STATUS_OK;
    }
    int opened = open(path, O_RDONLY | O_CLOEXEC);
    struct stat info;
    if (opened < 0 || fstat(opened, &info) != 0) {
        int why = errno;
        if (opened >= 0)
            close(opened);
        return error_set(err, why == ENOENT ? STATUS_NOT_FOUND : STATUS_IO, "%s: %s", path,
                         strerror(why));
    }
    if (S_ISDIR(info.st_mode)) {
        close(opened);
        return error_set(err, STATUS_INVALID, "%s: is a folder, not a profile", path);
    }
    *fd = opened;
    return STATUS_OK;
}

/* What is no file of some size (a pipe, /proc) is read instead. */
static void map_file(int fd, struct format_input *in)
{
    struct stat info;
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode) || info.st_size <= 0 ||
        lseek(fd, 0, SEEK_CUR) != 0)
        return;
    void *data = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED)
        return;
    (void)madvise(data, (size_t)info.st_size, MADV_SEQUENTIAL);
    in->data = data;
    in->len = (size_t)info.st_size;
    in->is_mapped = true;
}

enum status format_load_path(const char *path, const struct format_options *options,
                             struct profile **out, struct error *err)
{
    int fd = -1;
    enum status st = open_input(path, &fd, err);
    if (st != STATUS_OK)
        return st;
    bool is_stdin = fd == STDIN_FILENO;
    struct format_input in = {.name = is_stdin ? "stdin" : path};
    struct spill bytes; /* of what cannot be mapped */
    spill_init(&bytes);
    map_file(fd, &in);
    bool is_file = in.is_mapped;
    if (!is_file) {
        st = read_all(fd, &bytes, path, err);
        if (st == STATUS_OK)
            st = spill_finish(&bytes, &in.data, &in.len, &in.is_mapped, err);
    }
    if (!is_stdin)
        close(fd);
    if (st == STATUS_OK) {
        st = load(&in, options, out, err);
        if (st != STATUS_OK)
            error_prefix(err, in.name);
    }
    if (is_file)
        munmap((void *)(uintptr_t)in.data, in.len);
    spill_deinit(&bytes);
    return st;
}
