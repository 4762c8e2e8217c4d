/* Python 3.15's profiling.sampling binary files. A header of 64 bytes, samples (perhaps one zstd
 * frame), a string table, a frame table and a footer of 32 bytes; integers are LEB128. Alpha builds
 * wrote the sample count in 4 bytes instead of 8 under the same version: told apart by which layout
 * makes sense. Source: CPython 3.15.0rc1, Modules/_remote_debugging/binary_io.{h,c}. */

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "backend/formats/fill.h"
#include "backend/formats/format.h"
#include "common/base/array.h"
#include "common/base/map.h"

enum { HEADER = 64, FOOTER = 32, MAX_DEPTH = 256, STATUS_HAS_GIL = 1, STATUS_ON_CPU = 2 };
enum encoding { SAME_STACK, FULL_STACK, SUFFIX, POP_PUSH };

struct cursor {
    const uint8_t *data;
    size_t len, at;
    const char *where;
};

struct thread {
    uint32_t thread;
    uint64_t time_us;
    uint32_t depth;
    uint32_t frame[MAX_DEPTH]; /* innermost first, as in the file */
    uint32_t stack;
    bool has_stack;
};

struct tachyon {
    struct fill fill;
    const uint8_t *data;
    size_t len;
    bool is_big;
    uint64_t start_us, interval_us, samples, threads_said, strings_at, frames_at, compression;
    uint32_t *strings, *frames;
    size_t strings_len, frames_len;
    struct map by_thread;
    struct thread *threads;
    size_t threads_len, threads_cap;
    uint32_t set;
    uint64_t read_samples;
};

static enum status bad(struct tachyon *t, const struct cursor *c, const char *what)
{
    if (t->fill.failed == STATUS_OK)
        t->fill.failed =
            error_set(t->fill.err, STATUS_INVALID, "byte %zu of the %s: %s", c->at, c->where, what);
    return t->fill.failed;
}

static uint64_t word(const struct tachyon *t, size_t at, size_t bytes)
{
    uint64_t value = 0;
    for (size_t i = 0; i < bytes; i++)
        value = value << 8 | t->data[at + (t->is_big ? i : bytes - 1 - i)];
    return value;
}

static bool take_varint(struct cursor *c, uint64_t *value)
{
    uint64_t sum = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (c->at == c->len)
            return false;
        uint8_t byte = c->data[c->at++];
        if (shift == 63 && byte > 1)
            return false;
        sum |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *value = sum;
            return true;
        }
    }
    return false;
}

static bool take_signed(struct cursor *c, int64_t *value)
{
    uint64_t raw;
    if (!take_varint(c, &raw))
        return false;
    *value = (int64_t)(raw >> 1) ^ -(int64_t)(raw & 1);
    return true;
}

/* ---- tables ---- */

static bool layout_fits(const struct tachyon *t, uint64_t strings_at, uint64_t frames_at,
                        uint64_t compression)
{
    return strings_at >= HEADER && strings_at <= frames_at && t->len >= FOOTER &&
           frames_at <= t->len - FOOTER && compression <= 1;
}

static enum status read_header(struct tachyon *t)
{
    struct cursor c = {.where = "header"};
    if (t->len < HEADER + FOOTER)
        return bad(t, &c, "the file ends inside it");
    t->is_big = memcmp(t->data, "TACH", 4) == 0;
    uint64_t version = word(t, 4, 4);
    if (version != 1)
        return error_set(t->fill.err, STATUS_UNSUPPORTED, "version %llu, known is 1",
                         (unsigned long long)version);
    t->start_us = word(t, 12, 8);
    t->interval_us = word(t, 20, 8);
    static const struct {
        size_t samples_bytes, threads_at, strings_at, frames_at, compression_at;
    } layouts[] = {{8, 36, 40, 48, 56}, {4, 32, 36, 44, 52}};
    for (size_t i = 0; i < 2; i++) {
        t->samples = word(t, 28, layouts[i].samples_bytes);
        t->threads_said = word(t, layouts[i].threads_at, 4);
        t->strings_at = word(t, layouts[i].strings_at, 8);
        t->frames_at = word(t, layouts[i].frames_at, 8);
        t->compression = word(t, layouts[i].compression_at, 4);
        if (layout_fits(t, t->strings_at, t->frames_at, t->compression))
            return STATUS_OK;
    }
    return bad(t, &c, "the tables lie outside the file, or the compression is unknown");
}

static enum status read_strings(struct tachyon *t, uint64_t count)
{
    struct cursor c = {t->data + t->strings_at, (size_t)(t->frames_at - t->strings_at), 0,
                       "string table"};
    if (count > c.len)
        return bad(t, &c, "more strings than it has bytes");
    t->strings = calloc((size_t)count + 1, sizeof(*t->strings));
    if (!t->strings)
        fill_check(&t->fill, STATUS_NO_MEMORY);
    for (uint64_t i = 0; i < count && t->fill.failed == STATUS_OK; i++) {
        uint64_t size;
        if (!take_varint(&c, &size) || size > c.len - c.at)
            return bad(t, &c, "a string that goes past the end");
        t->strings[i] =
            fill_string(&t->fill, (struct text){(const char *)c.data + c.at, (size_t)size});
        c.at += (size_t)size;
        t->strings_len++;
    }
    return t->fill.failed;
}

static uint32_t line_of(int64_t line)
{
    return line > 0 && line <= UINT32_MAX ? (uint32_t)line : 0;
}

static enum status read_frame(struct tachyon *t, struct cursor *c, uint32_t *frame)
{
    uint64_t file;
    uint64_t name;
    int64_t line;
    int64_t end_line;
    int64_t column;
    int64_t end_column;
    if (!take_varint(c, &file) || !take_varint(c, &name) || !take_signed(c, &line) ||
        !take_signed(c, &end_line) || !take_signed(c, &column) || !take_signed(c, &end_column) ||
        c->at == c->len)
        return bad(t, c, "it ends inside a frame");
    c->at++; /* opcode */
    if (file >= t->strings_len || name >= t->strings_len)
        return bad(t, c, "a frame names a string that is not there");
    struct fill_function f = {.name = fill_text(&t->fill, t->strings[name]),
                              .file = fill_text(&t->fill, t->strings[file])};
    if (text_equal(f.file, "~"))
        f.kind = text_equal(f.name, "<GC>") ? WIRE_GC : WIRE_NATIVE;
    *frame = fill_frame(&t->fill, fill_function(&t->fill, &f), line_of(line),
                        column >= 0 && column < UINT32_MAX ? (uint32_t)column + 1 : 0);
    return t->fill.failed;
}

static enum status read_frames(struct tachyon *t, uint64_t count)
{
    struct cursor c = {t->data + t->frames_at, t->len - FOOTER - (size_t)t->frames_at, 0,
                       "frame table"};
    if (count > c.len)
        return bad(t, &c, "more frames than it has bytes");
    t->frames = calloc((size_t)count + 1, sizeof(*t->frames));
    if (!t->frames)
        fill_check(&t->fill, STATUS_NO_MEMORY);
    enum status st = t->fill.failed;
    for (uint64_t i = 0; st == STATUS_OK && i < count; i++)
        st = read_frame(t, &c, &t->frames[t->frames_len++]);
    return st;
}

/* ---- samples ---- */

static struct thread *thread_of(struct tachyon *t, uint64_t tid, uint32_t interpreter)
{
    uint64_t key = map_mix(tid) ^ interpreter;
    const uint32_t *known = map_find(&t->by_thread, key);
    if (known)
        return &t->threads[*known];
    if (!array_reserve(&t->threads, &t->threads_cap, t->threads_len + 1) ||
        !map_put(&t->by_thread, key, (uint32_t)t->threads_len)) {
        fill_check(&t->fill, STATUS_NO_MEMORY);
        return NULL;
    }
    struct thread *made = &t->threads[t->threads_len++];
    memset(made, 0, sizeof(*made));
    uint32_t process = fill_process(&t->fill, 0, text_of(""));
    made->thread =
        fill_thread(&t->fill, process, tid, interpreter ? text_of("subinterpreter") : text_of(""));
    made->time_us = t->start_us;
    return made;
}

static bool take_frames(struct tachyon *t, struct cursor *c, uint32_t *to, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        uint64_t index;
        if (!take_varint(c, &index) || index >= t->frames_len)
            return false;
        to[i] = t->frames[index];
    }
    return true;
}

/* Frames are innermost first: what changes is in front, what stays behind. */
static bool replace_top(struct tachyon *t, struct cursor *c, struct thread *th, uint64_t kept,
                        uint64_t count)
{
    if (kept > th->depth || count > MAX_DEPTH || kept + count > MAX_DEPTH)
        return false;
    memmove(th->frame + count, th->frame + (th->depth - kept), (size_t)kept * sizeof(*th->frame));
    th->depth = (uint32_t)(kept + count);
    return take_frames(t, c, th->frame, count);
}

static bool take_stack(struct tachyon *t, struct cursor *c, struct thread *th, uint8_t encoding)
{
    uint64_t a = 0;
    uint64_t b = 0;
    bool is_good = take_varint(c, &a);
    if (is_good && encoding != FULL_STACK)
        is_good = take_varint(c, &b);
    if (!is_good)
        return false;
    if (encoding == FULL_STACK)
        is_good = replace_top(t, c, th, 0, a);
    else if (encoding == SUFFIX)
        is_good = replace_top(t, c, th, a, b);
    else
        is_good = a <= th->depth && replace_top(t, c, th, th->depth - a, b);
    if (!is_good)
        return false;
    uint32_t stack = 0;
    for (uint32_t i = th->depth; i-- > 0;)
        stack = fill_stack(&t->fill, stack, th->frame[i]);
    th->stack = stack;
    th->has_stack = true;
    return true;
}

static bool add_sample(struct tachyon *t, struct cursor *c, struct thread *th)
{
    uint64_t delta;
    static const int64_t one = 1;
    if (!take_varint(c, &delta) || c->at == c->len ||
        __builtin_add_overflow(th->time_us, delta, &th->time_us))
        return false;
    uint8_t status = c->data[c->at++];
    uint64_t since = th->time_us - t->start_us;
    uint32_t state = 0;
    if (status & STATUS_HAS_GIL)
        state |= WIRE_HAS_GIL;
    if (status & STATUS_ON_CPU)
        state |= WIRE_ON_CPU;
    if (since > UINT64_MAX / 1000)
        return false;
    t->read_samples++;
    return fill_sample(&t->fill, t->set,
                       &(struct profile_sample){.time_ns = since * 1000,
                                                .thread = th->thread,
                                                .stack = th->stack,
                                                .state = state,
                                                .values = &one});
}

static enum status take_record(struct tachyon *t, struct cursor *c)
{
    if (c->len - c->at < 13)
        return bad(t, c, "they end inside a record");
    uint64_t tid = 0;
    uint64_t interpreter = 0;
    for (size_t i = 0; i < 8; i++)
        tid = tid << 8 | c->data[c->at + (t->is_big ? i : 7 - i)];
    for (size_t i = 0; i < 4; i++)
        interpreter = interpreter << 8 | c->data[c->at + 8 + (t->is_big ? i : 3 - i)];
    uint8_t encoding = c->data[c->at + 12];
    c->at += 13;
    struct thread *th = thread_of(t, tid, (uint32_t)interpreter);
    if (!th)
        return t->fill.failed;
    uint64_t count = 1;
    if (encoding > POP_PUSH)
        return bad(t, c, "an unknown way to write a stack");
    if (encoding == SAME_STACK && (!take_varint(c, &count) || count > c->len - c->at))
        return bad(t, c, "more repeats than there are bytes");
    if (encoding == SAME_STACK && !th->has_stack)
        return bad(t, c, "a repeat before the thread's first stack");
    if (encoding != SAME_STACK) {
        /* The time comes first, but the sample needs the stack. */
        struct cursor time = *c;
        uint64_t delta;
        if (!take_varint(c, &delta) || c->at == c->len)
            return bad(t, c, "they end inside a record");
        c->at++;
        if (!take_stack(t, c, th, encoding))
            return bad(t, c, "a stack that is too deep, cut or names unknown frames");
        size_t end = c->at;
        if (!add_sample(t, &time, th))
            return bad(t, c, "a time that overflows");
        c->at = end;
        return t->fill.failed;
    }
    for (uint64_t i = 0; i < count; i++) {
        if (!add_sample(t, c, th))
            return bad(t, c, "they end inside a repeat, or a time overflows");
    }
    return t->fill.failed;
}

static enum status read_samples(struct tachyon *t, const uint8_t *data, size_t len)
{
    struct cursor c = {data, len, 0, "samples"};
    uint64_t period_ns = t->interval_us < UINT64_MAX / 1000 ? t->interval_us * 1000 : 0;
    t->set = fill_set(&t->fill, "samples", period_ns);
    fill_value_type(&t->fill, t->set, "samples", "count");
    enum status st = t->fill.failed;
    while (st == STATUS_OK && c.at < c.len)
        st = take_record(t, &c);
    if (st == STATUS_OK && t->read_samples != t->samples)
        st = profile_add_warning(
            t->fill.profile, "sample_count", "the header says %llu samples, the file holds %llu",
            (unsigned long long)t->samples, (unsigned long long)t->read_samples);
    return st;
}

static enum status unpack_samples(struct tachyon *t, uint64_t max_bytes)
{
    const uint8_t *data = t->data + HEADER;
    size_t len = (size_t)t->strings_at - HEADER;
    if (t->compression == 0)
        return read_samples(t, data, len);
    struct buf out;
    buf_init(&out, (size_t)max_bytes);
    ZSTD_DStream *z = ZSTD_createDStream();
    ZSTD_inBuffer in = {data, len, 0};
    enum { STEP = 128 * 1024 };
    size_t rc = 1;
    enum status st = z ? STATUS_OK : STATUS_NO_MEMORY;
    while (st == STATUS_OK) {
        ZSTD_outBuffer to = {buf_grow(&out, STEP), STEP, 0};
        if (!to.dst) {
            st = buf_status(&out);
            break;
        }
        rc = ZSTD_decompressStream(z, &to, &in);
        out.len -= STEP - to.pos;
        if (ZSTD_isError(rc))
            st = STATUS_INVALID;
        else if (in.pos == in.size && to.pos < STEP)
            break;
    }
    ZSTD_freeDStream(z);
    if (st == STATUS_OK && rc != 0)
        st = STATUS_INVALID;
    if (st == STATUS_OK)
        st = read_samples(t, out.data, out.len);
    else
        error_set(t->fill.err, st, "byte %d: the compressed samples are damaged or too large",
                  HEADER);
    buf_deinit(&out);
    return st;
}

static enum status read_file(struct tachyon *t, uint64_t max_bytes)
{
    enum status st = read_header(t);
    if (st != STATUS_OK)
        return st;
    size_t footer = t->len - FOOTER;
    st = read_strings(t, word(t, footer, 4));
    if (st == STATUS_OK)
        st = read_frames(t, word(t, footer + 4, 4));
    if (st == STATUS_OK)
        st = unpack_samples(t, max_bytes);
    if (st != STATUS_OK)
        return st;
    struct profile *p = t->fill.profile;
    fill_field(&t->fill, &p->producer, text_of("profiling.sampling"));
    if (t->interval_us)
        p->rate_hz = 1e6 / (double)t->interval_us;
    return t->fill.failed;
}

static enum status read_tachyon(const struct format_input *in, const struct format_options *options,
                                struct profile *out, struct error *err)
{
    struct tachyon t = {.fill = {.profile = out, .err = err}, .data = in->data, .len = in->len};
    map_init(&t.by_thread);
    enum status st = read_file(&t, options->max_raw_bytes);
    map_deinit(&t.by_thread);
    free(t.strings);
    free(t.frames);
    free(t.threads);
    return st;
}

static int detect_tachyon(const uint8_t *head, size_t len, bool is_whole_file)
{
    (void)is_whole_file;
    return len >= 8 && (memcmp(head, "HCAT", 4) == 0 || memcmp(head, "TACH", 4) == 0) ? 95 : 0;
}

const struct format format_tachyon = {
    .name = "tachyon-binary",
    .title = "profiling.sampling (binary)",
    .extensions = "bin",
    .detect = detect_tachyon,
    .read = read_tachyon,
};
