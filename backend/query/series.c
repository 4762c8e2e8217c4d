#include "backend/query/series.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/json_out.h"

enum { DEFAULT_POINTS = 2000, MAX_POINTS = 200000 };

static bool is_named(const char *names, const char *name)
{
    if (!names || !*names)
        return true;
    size_t len = strlen(name);
    for (const char *at = names; *at;) {
        size_t n = strcspn(at, ",");
        if (n == len && memcmp(at, name, n) == 0)
            return true;
        at += n + (at[n] == ',');
    }
    return false;
}

static bool is_chosen(const struct profile *p, const struct series *s, const struct series_query *q)
{
    if (!is_named(q->names, strtab_text(&p->tables.strings, s->name)))
        return false;
    switch (q->whose) {
    case SERIES_ANY:
        return true;
    case SERIES_TREE:
        return !s->has_process;
    case SERIES_PROCESS:
        return s->has_process && s->process == q->process;
    }
    return false;
}

/* First point at or after `t`. */
static size_t lower_bound(const struct series *s, uint64_t t)
{
    size_t low = 0;
    size_t high = s->len;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (s->time_ns[mid] < t)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* Points begin + k * n / buckets belong to bucket k: every point to exactly one. */
struct bucket {
    size_t begin, end;
};

static struct bucket bucket_of(size_t begin, size_t n, size_t buckets, size_t k)
{
    /* n is at most 2^28 and buckets at most MAX_POINTS: no overflow in 64 bits. */
    return (struct bucket){begin + n * k / buckets, begin + n * (k + 1) / buckets};
}

static double least_of(const double *v, struct bucket b)
{
    double least = v[b.begin];
    for (size_t i = b.begin + 1; i < b.end; i++) {
        if (v[i] < least || isnan(least))
            least = v[i];
    }
    return least;
}

static double greatest_of(const double *v, struct bucket b)
{
    double greatest = v[b.begin];
    for (size_t i = b.begin + 1; i < b.end; i++) {
        if (v[i] > greatest || isnan(greatest))
            greatest = v[i];
    }
    return greatest;
}

static void write_points(struct json_out *j, const struct series *s, size_t begin, size_t n,
                         size_t points)
{
    bool is_thinned = n > points;
    size_t buckets = is_thinned ? points : n;
    json_out_key(j, "t");
    json_out_array(j);
    for (size_t k = 0; k < buckets; k++)
        json_out_f64(j, (double)s->time_ns[bucket_of(begin, n, buckets, k).end - 1] / 1e9);
    json_out_end(j);
    json_out_key(j, "v");
    json_out_array(j);
    for (size_t k = 0; k < buckets; k++)
        json_out_f64(j, s->value[bucket_of(begin, n, buckets, k).end - 1]);
    json_out_end(j);
    if (is_thinned) {
        json_out_key(j, "min");
        json_out_array(j);
        for (size_t k = 0; k < buckets; k++)
            json_out_f64(j, least_of(s->value, bucket_of(begin, n, buckets, k)));
        json_out_end(j);
        json_out_key(j, "max");
        json_out_array(j);
        for (size_t k = 0; k < buckets; k++)
            json_out_f64(j, greatest_of(s->value, bucket_of(begin, n, buckets, k)));
        json_out_end(j);
    }
    json_put_u64(j, "total_points", n);
}

static void write_series(struct json_out *j, const struct profile *p, const struct series *s,
                         const struct series_query *q)
{
    size_t begin = q->has_from ? lower_bound(s, q->from_ns) : 0;
    size_t end = q->has_to ? lower_bound(s, q->to_ns) : s->len;
    size_t points = q->points ? q->points : DEFAULT_POINTS;
    json_out_object(j);
    json_put_string(j, "name", strtab_text(&p->tables.strings, s->name),
                    strtab_len(&p->tables.strings, s->name));
    json_put_string(j, "unit", strtab_text(&p->tables.strings, s->unit),
                    strtab_len(&p->tables.strings, s->unit));
    json_out_key(j, "process");
    if (s->has_process)
        json_out_u64(j, s->process);
    else
        json_out_null(j);
    write_points(j, s, begin, end > begin ? end - begin : 0,
                 points < MAX_POINTS ? points : MAX_POINTS);
    json_out_end(j);
}

enum status series_write_json(const struct profile *p, const struct series_query *query,
                              uint64_t revision, struct buf *out)
{
    struct json_out j;
    json_out_init(&j, out);
    json_out_object(&j);
    json_put_u64(&j, "rev", revision);
    json_out_key(&j, "series");
    json_out_array(&j);
    for (size_t i = 0; i < p->series_len; i++) {
        if (is_chosen(p, &p->series[i], query))
            write_series(&j, p, &p->series[i], query);
    }
    json_out_end(&j);
    json_out_end(&j);
    return buf_status(out);
}

enum status spans_write_json(const struct profile *p, uint64_t revision, struct buf *out)
{
    struct json_out j;
    json_out_init(&j, out);
    json_out_object(&j);
    json_put_u64(&j, "rev", revision);
    json_out_key(&j, "spans");
    json_out_array(&j);
    for (size_t i = 0; i < p->spans_len; i++) {
        const struct model_span *s = &p->spans[i];
        json_out_object(&j);
        json_put_string(&j, "name", strtab_text(&p->tables.strings, s->name),
                        strtab_len(&p->tables.strings, s->name));
        json_put_f64(&j, "begin_s", (double)s->begin_ns / 1e9);
        json_out_key(&j, "end_s");
        if (s->end_ns)
            json_out_f64(&j, (double)s->end_ns / 1e9);
        else
            json_out_null(&j);
        json_put_u64(&j, "process", s->process);
        json_put_u64(&j, "thread", s->thread);
        json_put_f64(&j, "begin_value", s->begin_value);
        json_put_f64(&j, "end_value", s->end_value);
        json_put_u64(&j, "level", s->level);
        json_out_end(&j);
    }
    json_out_end(&j);
    json_out_end(&j);
    return buf_status(out);
}
