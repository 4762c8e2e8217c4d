/* heaptrack's interpreted files (after gzip or zstd): a line a record, numbers in hex, tables
 * counted from 1.
 *   v version [format]   X command   I page-size pages   s [length] text   c ms   R pages
 *   i address module [function file line ...inlined]   t instruction parent   a size trace
 *   + allocation   - allocation
 * Only changes are written: the peak's composition comes from a second pass up to the peak.
 * Source: heaptrack 1.4.0, src/analyze/accumulatedtracedata.cpp. */

#include <stdlib.h>
#include <string.h>

#include "backend/formats/fill.h"
#include "backend/formats/format.h"
#include "common/base/array.h"

enum { VALUES = 5 };
enum { PEAK, LEAKED, ALLOCATED, ALLOCATIONS, TEMPORARY };

struct ids {
    uint32_t *id;
    size_t len, cap;
};

struct info {
    uint64_t size;
    uint32_t stack;
    uint64_t allocations, in_use, temporary, at_peak;
};

struct heaptrack {
    struct fill fill;
    struct ids strings, stacks;
    struct ids instruction_first; /* i-th instruction's frames: [first[i], first[i + 1]) */
    struct ids frames;
    struct info *infos;
    size_t infos_len, infos_cap;
    uint64_t version, page_size, time_ns, in_use, peak, peak_event, events;
    uint64_t last_allocation; /* heaptrack itself begins and goes on with 0 */
    bool has_version, has_series;
    uint32_t rss, heap;
    size_t line;
};

static bool take_hex(struct text *line, uint64_t *value)
{
    return text_hex(text_word(line), value);
}

static const char *push(struct heaptrack *h, struct ids *ids, uint32_t id)
{
    if (!array_reserve(&ids->id, &ids->cap, ids->len + 1))
        fill_check(&h->fill, STATUS_NO_MEMORY);
    else
        ids->id[ids->len++] = id;
    return NULL;
}

static const char *on_version(struct heaptrack *h, struct text line)
{
    uint64_t format = 1;
    if (!take_hex(&line, &h->version))
        return "v should be followed by a version";
    take_hex(&line, &format); /* the first versions did not write one */
    h->has_version = true;
    h->version = format;
    return format >= 1 && format <= 3 ? NULL : "a file format other than 1 to 3";
}

static const char *on_command(struct heaptrack *h, struct text line)
{
    fill_argv(&h->fill, text_trim(line));
    return NULL;
}

static const char *on_system(struct heaptrack *h, struct text line)
{
    return take_hex(&line, &h->page_size) ? NULL : "I should be followed by the size of a page";
}

static const char *on_string(struct heaptrack *h, struct text line)
{
    uint64_t size;
    if (h->version >= 3) {
        struct text digits;
        if (!text_cut(&line, ' ', &digits) || !text_hex(digits, &size) || size != line.len)
            return "a string should have the length it says";
    }
    return push(h, &h->strings, fill_string(&h->fill, line));
}

static bool string_of(const struct heaptrack *h, uint64_t index, uint32_t *string)
{
    if (index > h->strings.len)
        return false;
    *string = index ? h->strings.id[index - 1] : 0;
    return true;
}

static uint32_t frame_of(struct heaptrack *h, uint32_t name, uint32_t file, uint32_t module,
                         uint64_t line)
{
    struct wire_function f = {.name = name, .file = file, .module = module, .kind = WIRE_NATIVE};
    uint32_t function = 0;
    if (h->fill.failed == STATUS_OK)
        fill_check(&h->fill, tables_function(&h->fill.profile->tables, &f, &function));
    return fill_frame(&h->fill, function, line <= UINT32_MAX ? (uint32_t)line : 0, 0);
}

/* The innermost function first, then those it was inlined into. */
static const char *on_instruction(struct heaptrack *h, struct text line)
{
    uint64_t address;
    uint64_t module_index;
    uint32_t module;
    struct text address_word = text_word(&line);
    if (!text_hex(address_word, &address) || !take_hex(&line, &module_index) ||
        !string_of(h, module_index, &module))
        return "i should be followed by an address and a known module";
    push(h, &h->instruction_first, (uint32_t)h->frames.len);
    uint64_t part[3];
    size_t frames = 0;
    while (take_hex(&line, &part[0])) {
        uint32_t name;
        uint32_t file = 0;
        part[1] = 0;
        part[2] = 0;
        if (take_hex(&line, &part[1]))
            take_hex(&line, &part[2]); /* a function may have no line */
        if (!string_of(h, part[0], &name) || !string_of(h, part[1], &file))
            return "i names a function or file that is not there";
        push(h, &h->frames, frame_of(h, name, file, module, part[2]));
        frames++;
    }
    if (frames == 0) { /* no symbol: the address is the name */
        char text[24] = "0x";
        size_t len = address_word.len < 16 ? address_word.len : 16;
        memcpy(text + 2, address_word.data, len);
        uint32_t name = fill_string(&h->fill, (struct text){text, len + 2});
        push(h, &h->frames, frame_of(h, name, 0, module, 0));
    }
    return NULL;
}

static const char *on_trace(struct heaptrack *h, struct text line)
{
    uint64_t instruction;
    uint64_t parent;
    if (!take_hex(&line, &instruction) || !take_hex(&line, &parent) || instruction == 0 ||
        instruction > h->instruction_first.len || parent > h->stacks.len)
        return "t should be followed by an instruction and a trace before it";
    uint32_t stack = parent ? h->stacks.id[parent - 1] : 0;
    size_t first = h->instruction_first.id[instruction - 1];
    size_t end = instruction < h->instruction_first.len ? h->instruction_first.id[instruction]
                                                        : h->frames.len;
    while (end > first)
        stack = fill_stack(&h->fill, stack, h->frames.id[--end]);
    return push(h, &h->stacks, stack);
}

static const char *on_info(struct heaptrack *h, struct text line)
{
    uint64_t size;
    uint64_t trace;
    if (!take_hex(&line, &size) || !take_hex(&line, &trace) || trace > h->stacks.len)
        return "a should be followed by a size and a known trace";
    if (size > INT64_MAX)
        return "an allocation over 2**63 bytes";
    if (!array_reserve(&h->infos, &h->infos_cap, h->infos_len + 1)) {
        fill_check(&h->fill, STATUS_NO_MEMORY);
        return NULL;
    }
    h->infos[h->infos_len++] =
        (struct info){.size = size, .stack = trace ? h->stacks.id[trace - 1] : 0};
    return NULL;
}

static const char *on_allocate(struct heaptrack *h, struct text line)
{
    uint64_t index;
    if (!take_hex(&line, &index) || index >= h->infos_len)
        return "an allocation that is not known";
    struct info *info = &h->infos[index];
    info->allocations++;
    info->in_use++;
    h->last_allocation = index;
    h->events++;
    if (__builtin_add_overflow(h->in_use, info->size, &h->in_use) || h->in_use > INT64_MAX)
        return "the bytes in use overflow";
    if (h->in_use > h->peak) {
        h->peak = h->in_use;
        h->peak_event = h->events;
    }
    return NULL;
}

/* Blocks allocated before heaptrack was attached may be freed: nothing to take back. */
static const char *on_free(struct heaptrack *h, struct text line)
{
    uint64_t index;
    if (!take_hex(&line, &index) || index >= h->infos_len)
        return "a free of an allocation that is not known";
    struct info *info = &h->infos[index];
    h->events++;
    if (info->in_use == 0)
        return NULL;
    info->in_use--;
    h->in_use -= info->size;
    info->temporary += h->last_allocation == index;
    h->last_allocation = 0;
    return NULL;
}

static const char *on_time(struct heaptrack *h, struct text line)
{
    uint64_t ms;
    if (!take_hex(&line, &ms) || __builtin_mul_overflow(ms, 1000000, &h->time_ns))
        return "c should be followed by milliseconds";
    fill_point(&h->fill, h->heap, h->time_ns, (double)h->in_use);
    return NULL;
}

static const char *on_rss(struct heaptrack *h, struct text line)
{
    uint64_t pages;
    if (!take_hex(&line, &pages))
        return "R should be followed by pages";
    fill_point(&h->fill, h->rss, h->time_ns, (double)pages * (double)h->page_size);
    return NULL;
}

static const char *on_nothing(struct heaptrack *h, struct text line)
{
    (void)h;
    (void)line;
    return NULL;
}

typedef const char *(*record_fn)(struct heaptrack *h, struct text line);

static const record_fn records[128] = {
    ['v'] = on_version,     ['X'] = on_command, ['I'] = on_system, ['s'] = on_string,
    ['i'] = on_instruction, ['t'] = on_trace,   ['a'] = on_info,   ['+'] = on_allocate,
    ['-'] = on_free,        ['c'] = on_time,    ['R'] = on_rss,    ['A'] = on_nothing,
    ['S'] = on_nothing,     ['#'] = on_nothing,
};

static const char *take_record(struct heaptrack *h, struct text line)
{
    unsigned char kind = (unsigned char)line.data[0];
    if (kind >= 128 || !records[kind])
        return "no record begins like this";
    if (!h->has_version && kind != 'v' && kind != '#')
        return "a record before the version";
    text_cut(&line, ' ', &(struct text){0}); /* a few records are the letter alone */
    return records[kind](h, line);
}

/* The second pass: what was alive at the peak. */
static void replay(struct heaptrack *h, const struct format_input *in)
{
    struct text_lines lines;
    struct text line;
    uint64_t event = 0;
    text_lines_of(&lines, in);
    while (event < h->peak_event && text_lines_next(&lines, &line)) {
        uint64_t index;
        if (line.len < 3 || (line.data[0] != '+' && line.data[0] != '-'))
            continue;
        bool is_allocation = line.data[0] == '+';
        text_word(&line);
        if (!take_hex(&line, &index) || index >= h->infos_len)
            continue;
        event++;
        if (is_allocation)
            h->infos[index].at_peak++;
        else if (h->infos[index].at_peak)
            h->infos[index].at_peak--;
    }
}

static void add_samples(struct heaptrack *h)
{
    static const char *const names[VALUES][2] = {{"peak", "bytes"},
                                                 {"leaked", "bytes"},
                                                 {"allocated", "bytes"},
                                                 {"allocations", "count"},
                                                 {"temporary", "count"}};
    uint32_t set = fill_set(&h->fill, "heap", 0);
    for (size_t i = 0; i < VALUES; i++)
        fill_value_type(&h->fill, set, names[i][0], names[i][1]);
    for (size_t i = 0; i < h->infos_len && h->fill.failed == STATUS_OK; i++) {
        const struct info *info = &h->infos[i];
        uint64_t allocated;
        if (__builtin_mul_overflow(info->size, info->allocations, &allocated) ||
            allocated > INT64_MAX) {
            fill_check(&h->fill, STATUS_TOO_LARGE);
            return;
        }
        int64_t values[VALUES] = {[PEAK] = (int64_t)(info->size * info->at_peak),
                                  [LEAKED] = (int64_t)(info->size * info->in_use),
                                  [ALLOCATED] = (int64_t)allocated,
                                  [ALLOCATIONS] = (int64_t)info->allocations,
                                  [TEMPORARY] = (int64_t)info->temporary};
        fill_sample(&h->fill, set,
                    &(struct profile_sample){
                        .time_ns = UINT64_MAX, .stack = info->stack, .values = values});
    }
}

static enum status read_records(struct heaptrack *h, const struct format_input *in)
{
    struct text_lines lines;
    struct text line;
    h->heap = fill_series(&h->fill, "heap", "bytes", NULL);
    h->rss = fill_series(&h->fill, "rss", "bytes", NULL);
    text_lines_of(&lines, in);
    while (text_lines_next(&lines, &line) && h->fill.failed == STATUS_OK) {
        if (line.len == 0)
            continue;
        /* A line cut in the middle may still look like one: half a number is another number. */
        bool is_cut = lines.at == lines.end && in->data[in->len - 1] != '\n' && h->has_version;
        const char *wrong = is_cut ? NULL : take_record(h, line);
        if (is_cut)
            fill_check(&h->fill, profile_add_warning(h->fill.profile, "truncated",
                                                     "the file ends inside line %zu; shown is what "
                                                     "came before",
                                                     lines.number));
        else if (wrong)
            return fill_bad(&h->fill, "line", lines.number, wrong);
    }
    if (h->fill.failed == STATUS_OK && !h->has_version)
        return fill_bad(&h->fill, "line", lines.number, "the file has no version");
    fill_field(&h->fill, &h->fill.profile->producer, text_of("heaptrack"));
    if (h->fill.failed == STATUS_OK)
        fill_check(&h->fill, profile_set_counter(h->fill.profile, "peak_bytes", h->peak));
    replay(h, in);
    add_samples(h);
    return h->fill.failed;
}

static enum status read_heaptrack(const struct format_input *in,
                                  const struct format_options *options, struct profile *out,
                                  struct error *err)
{
    (void)options;
    struct heaptrack h = {.fill = {.profile = out, .err = err}, .page_size = 4096};
    enum status st = read_records(&h, in);
    free(h.strings.id);
    free(h.stacks.id);
    free(h.instruction_first.id);
    free(h.frames.id);
    free(h.infos);
    return st;
}

static int detect_heaptrack(const uint8_t *head, size_t len, bool is_whole_file)
{
    (void)is_whole_file;
    struct text_lines lines;
    struct text line;
    uint64_t number;
    text_lines_init(&lines, head, len < 4096 ? len : 4096);
    if (!text_lines_next(&lines, &line) || !text_skip(&line, "v ") || !take_hex(&line, &number))
        return 0;
    if (!text_lines_next(&lines, &line))
        return 30;
    return line.len > 1 && line.data[1] == ' ' && records[line.data[0] & 127] ? 85 : 30;
}

const struct format format_heaptrack = {
    .name = "heaptrack",
    .title = "heaptrack",
    .extensions = "heaptrack",
    .detect = detect_heaptrack,
    .read = read_heaptrack,
};
