#include <math.h>
#include <stdio.h>
#include <time.h>

#include "backend/query/history_parts.h"
#include "backend/query/summary.h"
#include "common/base/json_out.h"

static const char *const marks[] = {"", "slower", "faster"};

static const char *text_at(const struct history *h, uint32_t id)
{
    return strtab_text(&h->texts, id);
}

/* ---- JSON ---- */

static void put_text(struct json_out *j, const struct history *h, const char *key, uint32_t id)
{
    json_out_key(j, key);
    json_out_string(j, text_at(h, id), strtab_len(&h->texts, id));
}

static void put_run(struct json_out *j, const struct history *h, const struct history_run *r)
{
    json_out_object(j);
    put_text(j, h, "id", r->id);
    put_text(j, h, "name", r->name);
    put_text(j, h, "machine", r->machine);
    put_text(j, h, "commit", r->commit);
    put_text(j, h, "branch", r->branch);
    json_out_key(j, "is_dirty");
    json_out_bool(j, r->is_dirty);
    json_put_u64(j, "time_unix_ms", r->unix_ms);
    json_out_end(j);
}

static void put_point(struct json_out *j, const struct history_point *p)
{
    const struct {
        const char *key;
        double value;
    } numbers[] = {{"mean_s", p->mean}, {"median_s", p->median}, {"stddev_s", p->stddev},
                   {"min_s", p->min},   {"change", p->change},   {"q", p->q}};
    json_out_object(j);
    json_put_u64(j, "run", p->run);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        if (isnan(numbers[i].value))
            continue; /* keys that do not apply are left out */
        json_out_key(j, numbers[i].key);
        json_out_f64(j, numbers[i].value);
    }
    json_put_u64(j, "rounds", p->rounds);
    if (p->mark) {
        json_out_key(j, "mark");
        json_out_text(j, marks[p->mark]);
    }
    json_out_end(j);
}

enum status history_write_json(const struct history *h, struct buf *out)
{
    struct json_out j;
    json_out_init(&j, out);
    json_out_object(&j);
    json_out_key(&j, "runs");
    json_out_array(&j);
    for (size_t i = 0; i < h->runs_len; i++)
        put_run(&j, h, &h->runs[i]);
    json_out_end(&j);
    json_out_key(&j, "benchmarks");
    json_out_array(&j);
    for (size_t i = 0; i < h->lines_len; i++) {
        json_out_object(&j);
        put_text(&j, h, "name", h->lines[i].name);
        put_text(&j, h, "machine", h->lines[i].machine);
        json_out_key(&j, "points");
        json_out_array(&j);
        for (size_t k = 0; k < h->lines[i].len; k++)
            put_point(&j, &h->lines[i].points[k]);
        json_out_end(&j);
        json_out_end(&j);
    }
    json_out_end(&j);
    json_out_key(&j, "counts");
    json_out_object(&j);
    json_put_u64(&j, "runs", h->runs_len);
    json_put_u64(&j, "benchmarks", h->lines_len);
    json_put_u64(&j, "regressions", history_regressions(h));
    json_out_end(&j);
    json_out_end(&j);
    return buf_status(out);
}

/* ---- text ---- */

/* An escape in a foreign name must not reach the terminal. */
static void put_safe(struct buf *out, const char *text)
{
    struct error safe = {0};
    error_set(&safe, STATUS_OK, "%.300s", text);
    buf_put_text(out, safe.text);
}

static void put_when(struct buf *out, const struct history *h, const struct history_run *r)
{
    char day[32] = "-";
    time_t at = (time_t)(r->unix_ms / 1000);
    struct tm tm;
    if (r->unix_ms && gmtime_r(&at, &tm))
        strftime(day, sizeof(day), "%Y-%m-%d %H:%M", &tm);
    char commit[12] = "-";
    snprintf(commit, sizeof(commit), "%.9s", *text_at(h, r->commit) ? text_at(h, r->commit) : "-");
    buf_printf(out, "  %-16s  ", day);
    put_safe(out, commit);
    put_safe(out, r->is_dirty ? "+ " : " ");
}

enum status history_write_text(const struct history *h, struct buf *out)
{
    buf_printf(out, "%zu runs, %zu benchmarks, %zu slower in the latest run (!)\n", h->runs_len,
               h->lines_len, history_regressions(h));
    for (size_t i = 0; i < h->lines_len; i++) {
        const struct history_line *line = &h->lines[i];
        buf_put_byte(out, '\n');
        put_safe(out, text_at(h, line->name));
        buf_put_text(out, "  [");
        put_safe(out, text_at(h, line->machine));
        buf_put_text(out, "]\n");
        for (size_t k = 0; k < line->len; k++) {
            const struct history_point *p = &line->points[k];
            char mean[32];
            char change[24] = "";
            summary_amount(p->mean, "s", mean, sizeof(mean));
            if (!isnan(p->change))
                snprintf(change, sizeof(change), "%+.1f %%",
                         fmax(-9999, fmin(9999, p->change)) * 100);
            buf_put_text(out, p->mark == HISTORY_SLOWER ? "!" : " ");
            put_when(out, h, &h->runs[p->run]);
            buf_printf(out, "%12s %10s  %s\n", mean, change, marks[p->mark]);
        }
    }
    return buf_status(out);
}
