/* What the list says about a profile, made from its content. */

#include <stdio.h>
#include <string.h>

#include "backend/store/inside.h"
#include "common/base/json_out.h"

enum { NAME_MAX_BYTES = 200 };

unsigned describe_shapes(const struct profile *p)
{
    unsigned shapes = 0;
    for (size_t i = 0; i < p->sets_len; i++) {
        bool is_heap = strcmp(strtab_text(&p->tables.strings, p->sets[i].name), "heap") == 0;
        if (p->sets[i].len > 0)
            shapes |= is_heap ? SHAPE_HEAP : SHAPE_STACKS;
    }
    if (p->call_graph.rows_len > 0)
        shapes |= SHAPE_CALL_GRAPH;
    if (p->lines_len > 0)
        shapes |= SHAPE_LINES;
    if (p->series_len > 0)
        shapes |= SHAPE_SERIES;
    if (p->benchmarks_len > 0)
        shapes |= SHAPE_BENCHMARKS;
    return shapes;
}

char *describe_shapes_text(unsigned shapes, char out[96])
{
    static const struct {
        unsigned bit;
        const char *name;
    } names[] = {
        {SHAPE_STACKS, "stacks"}, {SHAPE_CALL_GRAPH, "call-graph"},
        {SHAPE_LINES, "lines"},   {SHAPE_SERIES, "series"},
        {SHAPE_HEAP, "heap"},     {SHAPE_BENCHMARKS, "benchmarks"},
    };
    size_t at = 0;
    out[0] = '\0';
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (shapes & names[i].bit) /* all of them together are 50 bytes */
            at += (size_t)snprintf(out + at, 96 - at, "%s%s", at ? "," : "", names[i].name);
    }
    return out;
}

uint64_t describe_samples(const struct profile *p)
{
    uint64_t samples = 0;
    for (size_t i = 0; i < p->sets_len; i++)
        samples += p->sets[i].len;
    return samples;
}

static double largest(const double *value, size_t len, double most)
{
    for (size_t i = 0; i < len; i++) {
        if (value[i] > most)
            most = value[i];
    }
    return most;
}

/* The whole tree's when there is one, else the largest process's. */
struct peaks {
    double tree, process;
};

static void add_peak(struct peaks *peaks, const struct profile *p, const struct series *s,
                     const double *value, size_t len)
{
    if (strcmp(strtab_text(&p->tables.strings, s->name), "rss") != 0)
        return;
    double *peak = s->has_process ? &peaks->process : &peaks->tree;
    *peak = largest(value, len, *peak);
}

static uint64_t best_peak(const struct peaks *peaks)
{
    double peak = peaks->tree > 0 ? peaks->tree : peaks->process;
    return peak < 1e18 ? (uint64_t)peak : 0;
}

uint64_t describe_peak_rss(const struct profile *p)
{
    struct peaks peaks = {0};
    for (size_t i = 0; i < p->series_len; i++)
        add_peak(&peaks, p, &p->series[i], p->series[i].value, p->series[i].len);
    return best_peak(&peaks);
}

/* As describe_peak_rss, of this batch alone: its metrics are the profile's series. */
uint64_t describe_batch_rss(const struct profile *p, const struct wire_batch *batch)
{
    struct peaks peaks = {0};
    for (size_t i = 0; i < batch->points_len; i++) {
        const struct wire_points *points = &batch->points[i];
        if (points->metric < p->series_len)
            add_peak(&peaks, p, &p->series[points->metric], points->value, points->len);
    }
    return best_peak(&peaks);
}

static struct wire_bytes base_name(struct wire_bytes path)
{
    size_t begin = path.len;
    while (begin > 0 && path.data[begin - 1] != '/')
        begin--;
    return (struct wire_bytes){.data = path.data + begin, .len = path.len - begin};
}

/* At most `room` bytes, cut between UTF-8 characters. */
static void put_cut(struct buf *out, struct wire_bytes text, size_t room)
{
    size_t len = text.len;
    if (len > room) {
        len = room;
        while (len > 0 && ((unsigned char)text.data[len] & 0xc0) == 0x80)
            len--;
    }
    buf_put(out, text.data, len);
}

static void describe_name(const struct wire_hello *hello, struct buf *name)
{
    if (hello->name.len > 0) {
        put_cut(name, hello->name, NAME_MAX_BYTES);
        return;
    }
    /* "python3 app.py --port 8000": the command as people typed it, without its folder. */
    for (size_t i = 0; i < hello->argv_len && name->len < NAME_MAX_BYTES; i++) {
        if (i > 0)
            buf_put_byte(name, ' ');
        put_cut(name, i == 0 ? base_name(hello->argv[0]) : hello->argv[i],
                NAME_MAX_BYTES - name->len);
    }
    if (name->len == 0)
        buf_printf(name, "process %llu", (unsigned long long)hello->pid);
}

enum status describe_hello(const struct wire_hello *hello, struct buf *name, struct buf *tags)
{
    describe_name(hello, name);
    struct json_out json;
    json_out_init(&json, tags);
    json_out_object(&json);
    for (size_t i = 0; i < hello->tags_len; i++) {
        /* As JSON text the key has no NUL inside; json_out_key wants one behind. */
        char key[NAME_MAX_BYTES];
        size_t len = hello->tags[i].key.len < sizeof(key) ? hello->tags[i].key.len : 0;
        if (len == 0)
            continue;
        memcpy(key, hello->tags[i].key.data, len);
        key[len] = '\0';
        json_put_string(&json, key, hello->tags[i].value.data, hello->tags[i].value.len);
    }
    json_out_end(&json);
    enum status st = buf_status(name);
    return st != STATUS_OK ? st : buf_status(tags);
}
