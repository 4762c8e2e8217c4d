/* memory_profiler's report by line:
 *   Filename: <path>
 *
 *   Line #    Mem usage    Increment  Occurrences   Line Contents
 *   =====...
 *        8   65.809 MiB   16.262 MiB         177       x = [...]
 * Lines that did not run have only the number and the text. Source: memory_profiler 0.61.0,
 * show_results(). */

#include <math.h>
#include <string.h>

#include "backend/formats/fill.h"
#include "backend/formats/format.h"

static const double MIB = 1048576;

struct report {
    struct fill fill;
    struct text file;
    size_t contents_at; /* column where the source text begins */
    uint32_t function;  /* of the table being read */
    bool has_function, in_table;
    size_t rows;
    size_t pending, pending_len; /* rows of this table that wait for its def line */
};

/* "65.809 MiB": leaves the text alone when it is not there. */
static bool take_mib(struct text *rest, double *bytes)
{
    struct text copy = *rest;
    double mib;
    struct text number = text_word(&copy);
    struct text unit = text_word(&copy);
    if (!text_equal(unit, "MiB") || !text_f64(number, &mib))
        return false;
    *bytes = mib * MIB;
    *rest = copy;
    return true;
}

static void name_function(struct report *r, struct text name, uint32_t line)
{
    struct fill_function f = {.name = name, .file = r->file, .line = line};
    r->function = fill_function(&r->fill, &f);
    r->has_function = true;
    struct profile *p = r->fill.profile;
    for (size_t i = r->pending; i < r->pending + r->pending_len; i++)
        p->lines[i].function = r->function;
    r->pending_len = 0;
}

/* The table says no function's name: its "def" line does. */
static void look_for_def(struct report *r, struct text source, uint32_t line)
{
    source = text_trim(source);
    text_skip(&source, "async ");
    if (!text_skip(&source, "def "))
        return;
    source = text_trim(source);
    struct text name;
    if (text_cut(&source, '(', &name))
        name_function(r, text_trim(name), line);
}

static const char *take_row(struct report *r, struct text line)
{
    struct text rest = line;
    uint64_t number;
    struct text source = {line.data + line.len, 0};
    if (line.len > r->contents_at)
        source = (struct text){line.data + r->contents_at, line.len - r->contents_at};
    if (!text_u64(text_word(&rest), &number) || number > UINT32_MAX)
        return "a row should begin with its line number";
    struct line_row row = {
        .line = (uint32_t)number, .time_s = NAN, .memory_bytes = NAN, .increment_bytes = NAN};
    bool has_values = take_mib(&rest, &row.memory_bytes) && take_mib(&rest, &row.increment_bytes);
    if (has_values)
        text_u64(text_word(&rest), &row.hits); /* reports before 0.58 have no such column */
    if (!r->has_function)
        look_for_def(r, source, row.line);
    if (!has_values)
        return NULL;
    row.function = r->function;
    if (r->fill.failed == STATUS_OK &&
        fill_check(&r->fill, profile_add_line(r->fill.profile, &row)))
        r->pending_len += !r->has_function;
    r->rows++;
    return NULL;
}

static void end_table(struct report *r)
{
    if (r->in_table && !r->has_function && r->pending_len)
        name_function(r, text_of("<unknown>"), 0);
    r->in_table = false;
}

static bool begin_table(struct report *r, struct text header)
{
    const char *contents = memmem(header.data, header.len, "Line Contents", 13);
    if (!contents)
        return false;
    r->contents_at = (size_t)(contents - header.data);
    r->in_table = true;
    r->has_function = false;
    r->function = 0;
    r->pending = r->fill.profile->lines_len;
    r->pending_len = 0;
    return true;
}

static enum status read_lines(struct report *r, const struct format_input *in)
{
    struct text_lines lines;
    struct text line;
    text_lines_init(&lines, in->data, in->len);
    while (text_lines_next(&lines, &line) && r->fill.failed == STATUS_OK) {
        if (text_starts(line, "Filename: ")) {
            end_table(r);
            text_skip(&line, "Filename: ");
            r->file = line;
        } else if (text_starts(text_trim(line), "Line #")) {
            end_table(r);
            if (!begin_table(r, line))
                return fill_bad(&r->fill, "line", lines.number, "the table has no Line Contents");
        } else if (text_trim(line).len == 0) {
            end_table(r);
        } else if (r->in_table && line.data[0] != '=') {
            const char *wrong = take_row(r, line);
            if (wrong)
                return fill_bad(&r->fill, "line", lines.number, wrong);
        }
    }
    end_table(r);
    if (r->fill.failed == STATUS_OK && r->rows == 0)
        return fill_bad(&r->fill, "line", lines.number, "the report holds no measured lines");
    fill_field(&r->fill, &r->fill.profile->producer, text_of("memory_profiler"));
    return r->fill.failed;
}

static enum status read_report(const struct format_input *in, const struct format_options *options,
                               struct profile *out, struct error *err)
{
    (void)options;
    struct report r = {.fill = {.profile = out, .err = err}};
    return read_lines(&r, in);
}

static int detect_report(const uint8_t *head, size_t len, bool is_whole_file)
{
    (void)is_whole_file;
    size_t look = len < 4096 ? len : 4096;
    return memmem(head, look, "Filename: ", 10) && memmem(head, look, "Line #", 6) &&
                   memmem(head, look, "Mem usage", 9)
               ? 85
               : 0;
}

const struct format format_memory_lines = {
    .name = "memory_profiler-text",
    .title = "memory_profiler line report",
    .extensions = "txt",
    .detect = detect_report,
    .read = read_report,
};
