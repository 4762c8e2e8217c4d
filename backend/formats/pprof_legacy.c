/* pprof's profiles in text, older than its protobuf: "heap profile: ...", growth, contention and
 * mutex, threadz, goroutine and threadcreate. Numbers, an @ and addresses, leaf first; Go puts the
 * symbols below as "#\t0xADDR\tname+0xoff\tfile:line", Java behind as "0xADDR name (file:line)".
 * Sampled heaps are scaled back as pprof does. Source: pprof profile/legacy_profile.go,
 * legacy_java_profile.go (v0.0.0-20240827). */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backend/formats/fill.h"
#include "backend/formats/format.h"
#include "backend/formats/maps.h"
#include "common/base/array.h"

enum kind { KIND_HEAP, KIND_CONTENTION, KIND_COUNT, KIND_THREADS, KIND_JAVA_HEAP };
enum { MAX_VALUES = 4, MAX_FRAMES = 4096 };

struct legacy {
    struct fill fill;
    struct maps maps;
    enum kind kind;
    uint32_t set;
    double rate; /* bytes between samples of a heap; 0 = every block */
    double ns_per_unit, period;
    uint64_t address[MAX_FRAMES];
    size_t depth, last_depth, samples;
    int64_t values[MAX_VALUES];
    bool has_sample;
};

static uint32_t stack_of(struct legacy *r)
{
    uint32_t stack = 0;
    for (size_t i = r->depth; i-- > 0;)
        stack = fill_stack(&r->fill, stack, maps_frame(&r->maps, &r->fill, r->address[i], false));
    return stack;
}

static void add_sample(struct legacy *r)
{
    r->samples++;
    fill_sample(
        &r->fill, r->set,
        &(struct profile_sample){.time_ns = UINT64_MAX, .stack = stack_of(r), .values = r->values});
}

static const char *take_addresses(struct legacy *r, struct text rest)
{
    struct text word;
    r->depth = 0;
    while ((word = text_word(&rest)).len > 0) {
        uint64_t address;
        if (!text_skip(&word, "0x") || !text_hex(word, &address))
            return "an address that is no hex number";
        if (r->depth == MAX_FRAMES)
            return "a stack of more than 4096 addresses";
        r->address[r->depth] = r->depth && address ? address - 1 : address;
        r->depth++;
    }
    return NULL; /* a sample without a stack is one, too */
}

/* A block of the average size is seen with the probability 1 - exp(-size / rate). */
static bool unsample(const struct legacy *r, int64_t *count, int64_t *bytes)
{
    if (*count == 0 || *bytes == 0 || r->rate <= 1)
        return true;
    double average = (double)*bytes / (double)*count;
    double scale = 1 / (1 - exp(-average / r->rate));
    double scaled_count = (double)*count * scale;
    double scaled_bytes = (double)*bytes * scale;
    if (!(fabs(scaled_count) < 9e18) || !(fabs(scaled_bytes) < 9e18))
        return false;
    *count = (int64_t)scaled_count;
    *bytes = (int64_t)scaled_bytes;
    return true;
}

/* "inuse objects: bytes [allocated objects: bytes] @ addresses" */
static const char *take_heap(struct legacy *r, struct text line)
{
    struct text numbers;
    int64_t in[MAX_VALUES];
    if (!text_cut(&line, '@', &numbers))
        return "a line should be numbers, an @ and addresses";
    for (size_t i = 0; i < MAX_VALUES; i++) {
        struct text word = text_word(&numbers);
        while (word.len > 0 && (word.data[0] == '[' || word.data[0] == ':')) {
            word.data++;
            word.len--;
        }
        while (word.len > 0 && strchr(":]", word.data[word.len - 1]))
            word.len--;
        if (word.len == 0)
            word = text_word(&numbers);
        while (word.len > 0 && strchr(":]", word.data[word.len - 1]))
            word.len--;
        if (!text_i64(word, &in[i]))
            return "a heap's line should be objects: bytes [objects: bytes]";
    }
    if (!unsample(r, &in[0], &in[1]) || !unsample(r, &in[2], &in[3]))
        return "the bytes of a line overflow";
    r->values[0] = in[1];
    r->values[1] = in[0];
    r->values[2] = in[3];
    r->values[3] = in[2];
    return take_addresses(r, line);
}

/* Java: "bytes objects @ addresses". */
static const char *take_java_heap(struct legacy *r, struct text line)
{
    struct text numbers;
    int64_t bytes;
    int64_t objects;
    if (!text_cut(&line, '@', &numbers) || !text_i64(text_word(&numbers), &bytes) ||
        !text_i64(text_word(&numbers), &objects))
        return "a line should be bytes, objects, an @ and addresses";
    if (!unsample(r, &objects, &bytes))
        return "the bytes of a line overflow";
    r->values[0] = bytes;
    r->values[1] = objects;
    r->values[2] = 0;
    r->values[3] = 0;
    return take_addresses(r, line);
}

/* "delay count @ addresses", delay in cycles. */
static const char *take_contention(struct legacy *r, struct text line)
{
    struct text numbers;
    double delay;
    double count;
    if (!text_cut(&line, '@', &numbers) || !text_f64(text_word(&numbers), &delay) ||
        !text_f64(text_word(&numbers), &count))
        return "a line should be delay, count, an @ and addresses";
    delay *= r->ns_per_unit * r->period;
    count *= r->period;
    if (!(fabs(delay) < 9e18) || !(fabs(count) < 9e18))
        return "a delay that is too long";
    r->values[0] = llround(delay);
    r->values[1] = llround(count);
    return take_addresses(r, line);
}

static const char *take_count(struct legacy *r, struct text line)
{
    struct text number;
    if (!text_cut(&line, '@', &number) || !text_i64(text_trim(number), &r->values[0]))
        return "a line should be a count, an @ and addresses";
    return take_addresses(r, line);
}

/* ---- heads ---- */

static void declare(struct legacy *r, const char *set, const char *const values[][2], size_t len)
{
    r->set = fill_set(&r->fill, set, 0);
    for (size_t i = 0; i < len; i++)
        fill_value_type(&r->fill, r->set, values[i][0], values[i][1]);
}

static void declare_heap(struct legacy *r, const char *name)
{
    static const char *const values[][2] = {{"inuse_space", "bytes"},
                                            {"inuse_objects", "count"},
                                            {"alloc_space", "bytes"},
                                            {"alloc_objects", "count"}};
    declare(r, name, values, MAX_VALUES);
}

/* The word behind the head's @ says how the blocks were chosen. */
static const char *head_heap(struct legacy *r, struct text line)
{
    struct text rest = line;
    struct text numbers;
    r->kind = KIND_HEAP;
    if (!text_cut(&rest, '@', &numbers))
        return "the head should end in @ and the kind of heap";
    struct text kind = text_word(&rest);
    struct text rate = kind;
    struct text name;
    uint64_t bytes = 0;
    if (text_cut(&rate, '/', &name) && !text_u64(rate, &bytes))
        return "the sampling rate is no number";
    if (bytes && (text_equal(name, "heap_v2") || text_equal(name, "heapz_v2")))
        r->rate = (double)bytes;
    else if (bytes && text_equal(name, "heap")) /* Go writes twice its rate */
        r->rate = (double)bytes / 2;
    declare_heap(r, text_equal(kind, "growthz") ? "growth" : "heap");
    return NULL;
}

static const char *head_contention(struct legacy *r, struct text line)
{
    (void)line;
    static const char *const values[][2] = {{"delay", "ns"}, {"contentions", "count"}};
    r->kind = KIND_CONTENTION;
    r->ns_per_unit = 1;
    r->period = 1;
    declare(r, "contention", values, 2);
    return NULL;
}

static const char *head_count(struct legacy *r, struct text line)
{
    static const char *const values[][2] = {{"count", "count"}};
    struct text name = text_word(&line);
    r->kind = KIND_COUNT;
    declare(r, text_equal(name, "goroutine") ? "goroutine" : "threadcreate", values, 1);
    return NULL;
}

static const char *head_threads(struct legacy *r, struct text line)
{
    (void)line;
    static const char *const values[][2] = {{"thread", "count"}};
    r->kind = KIND_THREADS;
    declare(r, "threads", values, 1);
    return NULL;
}

static const char *head_java_heap(struct legacy *r, struct text line)
{
    (void)line;
    r->kind = KIND_JAVA_HEAP;
    r->rate = 512 * 1024; /* what Java samples at */
    declare_heap(r, "heap");
    return NULL;
}

static const struct {
    const char *start;
    const char *(*run)(struct legacy *r, struct text line);
} heads[] = {
    {"heap profile:", head_heap},         {"--- contentionz", head_contention},
    {"--- contention:", head_contention}, {"--- mutex:", head_contention},
    {"goroutine profile:", head_count},   {"threadcreate profile:", head_count},
    {"--- threadz", head_threads},        {"--- heapz", head_java_heap},
};

/* ---- lines ---- */

/* "name = value" between head and samples. */
static void take_setting(struct legacy *r, struct text line)
{
    struct text key;
    double value;
    if (!text_cut(&line, '=', &key))
        return;
    key = text_trim(key);
    line = text_trim(line);
    if (text_equal(key, "resolution")) {
        r->ns_per_unit = text_equal(line, "microseconds")   ? 1e3
                         : text_equal(line, "milliseconds") ? 1e6
                                                            : 1;
        return;
    }
    if (!text_f64(line, &value) || value <= 0)
        return;
    if (text_equal(key, "cycles/second"))
        r->ns_per_unit = 1e9 / value;
    else if (text_equal(key, "sampling period") && r->kind == KIND_JAVA_HEAP)
        r->rate = value;
    else if (text_equal(key, "sampling period"))
        r->period = value;
}

/* "  PC:  0x00bc8f1c: helper(arg *)" and "  0x0040be31: ..." of threadz. */
static void take_thread_line(struct legacy *r, struct text line)
{
    uint64_t address;
    if (text_starts(line, "--- Thread") || text_starts(line, "---")) {
        r->last_depth = r->depth;
        if (r->depth)
            add_sample(r);
        r->depth = 0;
        r->values[0] = 1;
        return;
    }
    if (text_starts(line, "[same as previous thread]")) {
        r->depth = r->last_depth;
        return;
    }
    text_skip(&line, "PC:");
    line = text_trim(line);
    struct text word = text_word(&line);
    if (word.len > 0 && word.data[word.len - 1] == ':')
        word.len--;
    if (!text_skip(&word, "0x") || !text_hex(word, &address) || r->depth == MAX_FRAMES)
        return;
    maps_add_symbol(&r->maps, address, text_trim(line));
    r->address[r->depth++] = address;
}

/* Go's symbols of the sample above: the stack is made of them instead. */
static void see_symbol(struct legacy *r, struct text line)
{
    uint64_t address;
    text_skip(&line, "#");
    struct text word = text_word(&line);
    struct text name = text_word(&line);
    struct text offset;
    struct text whole = name;
    if (text_cut_last(&name, '+', &offset) && !text_starts(offset, "0x"))
        name = whole;
    if (text_skip(&word, "0x") && text_hex(word, &address))
        maps_add_symbol(&r->maps, address, name);
}

static const char *take_line(struct legacy *r, struct text line)
{
    bool has_at = memchr(line.data, '@', line.len) != NULL;
    if (r->kind == KIND_THREADS) {
        take_thread_line(r, line);
        return NULL;
    }
    if (!has_at) {
        if (r->kind == KIND_CONTENTION || r->kind == KIND_JAVA_HEAP)
            take_setting(r, line);
        return NULL;
    }
    const char *wrong = r->kind == KIND_HEAP         ? take_heap(r, line)
                        : r->kind == KIND_JAVA_HEAP  ? take_java_heap(r, line)
                        : r->kind == KIND_CONTENTION ? take_contention(r, line)
                                                     : take_count(r, line);
    if (!wrong)
        add_sample(r);
    return wrong;
}

static bool is_symbol(struct text line)
{
    return line.data[0] == '#' || text_starts(line, "0x");
}

/* Symbols stand behind the samples they belong to: a first pass collects them. */
static void collect_symbols(struct legacy *r, const struct format_input *in)
{
    struct text_lines lines;
    struct text line;
    bool has_maps = false;
    text_lines_of(&lines, in);
    while (text_lines_next(&lines, &line)) {
        line = text_trim(line);
        if (line.len > 2 && line.data[0] == '#')
            see_symbol(r, line);
        has_maps = has_maps || text_starts(line, "MAPPED_LIBRARIES") ||
                   text_starts(line, "--- Memory map");
        if (text_starts(line, "0x") && r->kind != KIND_THREADS) {
            uint64_t address;
            struct text word = text_word(&line);
            if (text_skip(&word, "0x") && text_hex(word, &address))
                maps_add_symbol(&r->maps, address, text_trim(line));
        }
    }
    if (has_maps)
        maps_read(&r->maps, in->data, in->len);
}

/* Whether the line is a head; then what kind of profile follows is known, or what is wrong. */
static bool take_head(struct legacy *r, const struct format_input *in, struct text line,
                      const char **wrong)
{
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        if (text_starts(line, heads[i].start)) {
            *wrong = heads[i].run(r, line);
            collect_symbols(r, in);
            return true;
        }
    }
    return false;
}

static enum status read_lines(struct legacy *r, const struct format_input *in)
{
    struct text_lines lines;
    struct text line;
    bool has_head = false;
    text_lines_of(&lines, in);
    while (text_lines_next(&lines, &line) && r->fill.failed == STATUS_OK) {
        line = text_trim(line);
        const char *wrong = NULL;
        if (line.len == 0)
            continue;
        if (text_starts(line, "MAPPED_LIBRARIES") || text_starts(line, "--- Memory map"))
            break;
        if (!has_head)
            has_head = take_head(r, in, line, &wrong);
        else if (!is_symbol(line))
            wrong = take_line(r, line);
        else if (r->kind == KIND_THREADS)
            take_thread_line(r, line);
        if (wrong)
            return fill_bad(&r->fill, "line", lines.number, wrong);
    }
    if (r->kind == KIND_THREADS && r->depth)
        add_sample(r);
    if (r->fill.failed == STATUS_OK && !has_head)
        return fill_bad(&r->fill, "line", lines.number, "the file has no head of a profile");
    if (r->fill.failed == STATUS_OK && r->samples == 0)
        fill_check(&r->fill,
                   profile_add_warning(r->fill.profile, "empty", "the profile holds no samples"));
    return r->fill.failed;
}

static enum status read_legacy(const struct format_input *in, const struct format_options *options,
                               struct profile *out, struct error *err)
{
    (void)options;
    struct legacy *r = calloc(1, sizeof(*r));
    if (!r)
        return error_set(err, STATUS_NO_MEMORY, "no memory to read the file");
    r->fill = (struct fill){.profile = out, .err = err};
    maps_init(&r->maps);
    enum status st = read_lines(r, in);
    maps_deinit(&r->maps);
    free(r);
    return st;
}

static int detect_legacy(const uint8_t *head, size_t len, bool is_whole_file)
{
    (void)is_whole_file;
    struct text text = {(const char *)head, len};
    text = text_trim(text);
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        if (text_starts(text, heads[i].start))
            return 85;
    }
    return 0;
}

const struct format format_pprof_legacy = {
    .name = "pprof-legacy-text",
    .title = "pprof legacy text",
    .extensions = "heap",
    .detect = detect_legacy,
    .read = read_legacy,
};
