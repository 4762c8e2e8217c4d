/* memory_profiler's mprof files: a line each of
 *   CMDLINE <text>
 *   MEM <MiB> <epoch s>                    CHLD <pid> <MiB> <epoch s>
 *   FUNC <name> <MiB> <s> <MiB> <s> [<level>]
 * in any order. Source: memory_profiler 0.61.0, mprof.py and memory_profiler.py. */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backend/formats/fill.h"
#include "backend/formats/format.h"
#include "common/base/map.h"

static const double MIB = 1048576;

struct mprof {
    struct fill fill;
    uint64_t start_ns; /* the earliest time in the file */
    struct map child_series;
    uint32_t rss;
    bool has_rss, has_start;
};

/* Seconds with decimals as nanoseconds, without going through a double. */
static bool take_time(struct text t, uint64_t *ns)
{
    struct text whole = t;
    struct text fraction = {0};
    uint64_t seconds;
    uint64_t part = 0;
    text_cut_last(&whole, '.', &fraction);
    if (!text_u64(whole, &seconds) || fraction.len > 18 ||
        (fraction.len && !text_u64(fraction, &part)))
        return false;
    for (size_t i = fraction.len; i < 9; i++)
        part *= 10;
    for (size_t i = 9; i < fraction.len; i++)
        part /= 10;
    return !__builtin_mul_overflow(seconds, 1000000000, ns) &&
           !__builtin_add_overflow(*ns, part, ns);
}

static bool take_mib(struct text t, double *bytes)
{
    double mib;
    if (!text_f64(t, &mib))
        return false;
    *bytes = mib * MIB; /* exact: a power of two */
    return true;
}

typedef const char *(*line_fn)(struct mprof *m, struct text rest);

static void see_time(struct mprof *m, uint64_t ns)
{
    if (!m->has_start || ns < m->start_ns)
        m->start_ns = ns;
    m->has_start = true;
}

static const char *on_cmdline(struct mprof *m, struct text rest)
{
    rest = text_trim(rest);
    if (m->fill.profile->argv_len == 0)
        fill_argv(&m->fill, rest);
    return NULL;
}

static const char *on_mem(struct mprof *m, struct text rest)
{
    double bytes;
    uint64_t ns;
    if (!take_mib(text_word(&rest), &bytes))
        return "MEM should be followed by MiB";
    if (!take_time(text_word(&rest), &ns))
        return "MEM should be followed by MiB and a time";
    if (!m->has_rss)
        m->rss = fill_series(&m->fill, "rss", "bytes", NULL);
    m->has_rss = true;
    see_time(m, ns);
    fill_point(&m->fill, m->rss, ns, bytes);
    return NULL;
}

static const char *on_child(struct mprof *m, struct text rest)
{
    uint64_t pid;
    double bytes;
    uint64_t ns;
    if (!text_u64(text_word(&rest), &pid) || !take_mib(text_word(&rest), &bytes) ||
        !take_time(text_word(&rest), &ns))
        return "CHLD should be followed by a process id, MiB and a time";
    const uint32_t *known = map_find(&m->child_series, pid);
    uint32_t series = known ? *known : 0;
    if (!known) {
        uint32_t process = fill_process(&m->fill, pid, text_of("child"));
        series = fill_series(&m->fill, "rss", "bytes", &process);
        if (!map_put(&m->child_series, pid, series))
            fill_check(&m->fill, STATUS_NO_MEMORY);
    }
    see_time(m, ns);
    fill_point(&m->fill, series, ns, bytes);
    return NULL;
}

static const char *on_func(struct mprof *m, struct text rest)
{
    struct model_span span = {0};
    struct text name = text_word(&rest);
    uint64_t level = 0;
    if (name.len == 0 || !take_mib(text_word(&rest), &span.begin_value) ||
        !take_time(text_word(&rest), &span.begin_ns) ||
        !take_mib(text_word(&rest), &span.end_value) || !take_time(text_word(&rest), &span.end_ns))
        return "FUNC should be followed by a name, MiB, a time, MiB and a time";
    struct text last = text_word(&rest);
    if (last.len && (!text_u64(last, &level) || level > UINT32_MAX))
        return "FUNC should end in its stack level";
    if (span.end_ns < span.begin_ns)
        return "FUNC ends before it begins";
    span.level = (uint32_t)level;
    span.name = fill_string(&m->fill, name);
    see_time(m, span.begin_ns);
    if (m->fill.failed == STATUS_OK)
        fill_check(&m->fill, profile_add_span(m->fill.profile, &span));
    return NULL;
}

static const struct {
    const char *tag;
    line_fn run;
} tags[] = {{"CMDLINE", on_cmdline}, {"MEM", on_mem}, {"CHLD", on_child}, {"FUNC", on_func}};

/* Tags that are not known are skipped, as mprof does. */
static line_fn tag_of(struct text line)
{
    struct text tag = text_word(&line);
    for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++) {
        if (text_equal(tag, tags[i].tag))
            return tags[i].run;
    }
    return NULL;
}

/* Times in the file are of the wall clock; session time begins with the first of them. */
static void shift_times(struct mprof *m)
{
    struct profile *p = m->fill.profile;
    for (size_t i = 0; i < p->series_len; i++) {
        for (size_t k = 0; k < p->series[i].len; k++)
            p->series[i].time_ns[k] -= m->start_ns;
    }
    for (size_t i = 0; i < p->spans_len; i++) {
        p->spans[i].begin_ns -= m->start_ns;
        p->spans[i].end_ns -= m->start_ns;
    }
    p->start_unix_ns = m->start_ns;
    p->duration_ns -= p->duration_ns > m->start_ns ? m->start_ns : p->duration_ns;
}

static enum status read_lines(struct mprof *m, const struct format_input *in)
{
    struct text_lines lines;
    struct text line;
    text_lines_of(&lines, in);
    while (text_lines_next(&lines, &line) && m->fill.failed == STATUS_OK) {
        line_fn run = tag_of(line);
        if (!run)
            continue;
        struct text rest = line;
        text_word(&rest);
        const char *wrong = run(m, rest);
        bool is_cut = lines.at == lines.end && in->data[in->len - 1] != '\n';
        if (wrong && is_cut && m->has_rss)
            fill_check(&m->fill,
                       profile_add_warning(m->fill.profile, "truncated",
                                           "the file ends inside line %zu", lines.number));
        else if (wrong)
            return fill_bad(&m->fill, "line", lines.number, wrong);
    }
    if (m->fill.failed == STATUS_OK && !m->has_start)
        return fill_bad(&m->fill, "line", lines.number, "the file holds no memory values");
    fill_field(&m->fill, &m->fill.profile->producer, text_of("memory_profiler mprof"));
    if (m->fill.failed == STATUS_OK)
        shift_times(m);
    return m->fill.failed;
}

static enum status read_mprof(const struct format_input *in, const struct format_options *options,
                              struct profile *out, struct error *err)
{
    (void)options;
    struct mprof m = {.fill = {.profile = out, .err = err}};
    map_init(&m.child_series);
    enum status st = read_lines(&m, in);
    map_deinit(&m.child_series);
    return st;
}

static int detect_mprof(const uint8_t *head, size_t len, bool is_whole_file)
{
    struct text_lines lines;
    struct text line;
    size_t known = 0;
    size_t numbers = 0;
    size_t other = 0;
    text_lines_init(&lines, head, len);
    while (text_lines_next(&lines, &line)) {
        if (!is_whole_file && lines.at == lines.end)
            break;
        line_fn run = tag_of(line);
        known += run != NULL;
        numbers += run && run != on_cmdline;
        other += !run && line.len > 0;
        if (!run && line.len > 0 && known == 0)
            return 0;
    }
    return numbers && known > other ? 85 : known && other == 0 ? 60 : 0;
}

/* ---- writing ---- */

static void put_seconds(struct buf *out, const struct profile *p, uint64_t ns)
{
    uint64_t at = p->start_unix_ns + ns;
    buf_printf(out, "%llu.%09llu", (unsigned long long)(at / 1000000000),
               (unsigned long long)(at % 1000000000));
}

static void put_text(struct buf *out, const struct profile *p, uint32_t string, bool may_have_blank)
{
    const char *s = strtab_text(&p->tables.strings, string);
    size_t len = strtab_len(&p->tables.strings, string);
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)s[i];
        buf_put_byte(out, c < 0x20 || (c == ' ' && !may_have_blank) ? '_' : c);
    }
}

static void put_series(struct buf *out, const struct profile *p, const struct series *s)
{
    for (size_t i = 0; i < s->len; i++) {
        if (s->has_process)
            buf_printf(out, "CHLD %llu ", (unsigned long long)p->tables.processes[s->process].pid);
        else
            buf_put_text(out, "MEM ");
        buf_printf(out, "%.6f ", s->value[i] / MIB);
        put_seconds(out, p, s->time_ns[i]);
        buf_put_byte(out, '\n');
    }
}

static bool is_rss(const struct profile *p, const struct series *s)
{
    return strcmp(strtab_text(&p->tables.strings, s->unit), "bytes") == 0 &&
           strcmp(strtab_text(&p->tables.strings, s->name), "rss") == 0 && s->len > 0;
}

static enum status write_mprof(const struct profile *p, struct buf *out, struct buf *lost,
                               struct error *err)
{
    bool has_any = false;
    buf_put_text(out, "CMDLINE ");
    for (size_t i = 0; i < p->argv_len; i++) {
        if (i)
            buf_put_byte(out, ' ');
        put_text(out, p, p->argv[i], true);
    }
    buf_put_byte(out, '\n');
    for (size_t i = 0; i < p->spans_len; i++) {
        const struct model_span *s = &p->spans[i];
        buf_put_text(out, "FUNC ");
        put_text(out, p, s->name, false);
        buf_printf(out, " %.4f ", s->begin_value / MIB);
        put_seconds(out, p, s->begin_ns);
        buf_printf(out, " %.4f ", s->end_value / MIB);
        put_seconds(out, p, s->end_ns ? s->end_ns : p->duration_ns);
        buf_printf(out, " %lu\n", (unsigned long)s->level);
    }
    for (size_t i = 0; i < p->series_len; i++) {
        if (is_rss(p, &p->series[i])) {
            put_series(out, p, &p->series[i]);
            has_any = true;
        } else {
            buf_printf(lost, "mprof: the series %s\n",
                       strtab_text(&p->tables.strings, p->series[i].name));
        }
    }
    if (!has_any)
        return error_set(err, STATUS_UNSUPPORTED,
                         "an mprof file holds resident memory over time, which this profile lacks");
    if (p->sets_len || p->call_graph.rows_len || p->lines_len)
        buf_put_text(lost, "mprof: stacks, calls and lines\n");
    enum status st = buf_status(out);
    return st == STATUS_OK ? st : error_set(err, st, "no room to write the profile");
}

const struct format format_mprof = {
    .name = "mprof",
    .title = "memory_profiler mprof",
    .extensions = "dat",
    .detect = detect_mprof,
    .read = read_mprof,
    .write = write_mprof,
};
