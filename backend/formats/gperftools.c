/* gperftools' CPU profiles: machine words of 4 or 8 bytes in either byte order. A header 0, 3, 0,
 * period in microseconds, 0; then samples: count, depth, that many addresses, leaf first; a trailer
 * 0, 1, 0; then the text of /proc/self/maps. There are no symbols: an address is shown with the
 * file it lies in. Java's begin with a text of symbols instead. Source: gperftools 2.10
 * docs/cpuprofile-fileformat.html; pprof profile/legacy_profile.go (v0.0.0-20240827). */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/formats/fill.h"
#include "backend/formats/format.h"
#include "backend/formats/maps.h"

enum { HEADER_WORDS = 5, MAX_DEPTH = 32768 };

struct words {
    const uint8_t *data;
    size_t len, at, size; /* bytes; bytes of a word */
    bool is_big;
};

static bool take_word(struct words *w, uint64_t *value)
{
    if (w->len - w->at < w->size)
        return false;
    uint64_t sum = 0;
    for (size_t i = 0; i < w->size; i++) {
        size_t byte = w->is_big ? i : w->size - 1 - i;
        sum = sum << 8 | w->data[w->at + byte];
    }
    w->at += w->size;
    *value = sum;
    return true;
}

/* Words 0, 3, 0 (Java: 1), period, 0 fit in one way only. */
static bool find_words(const uint8_t *data, size_t len, struct words *found, uint64_t *period)
{
    for (int kind = 0; kind < 4; kind++) {
        struct words w = {
            .data = data, .len = len, .size = kind < 2 ? 8 : 4, .is_big = kind % 2 != 0};
        uint64_t head[HEADER_WORDS];
        bool fits = true;
        for (size_t i = 0; i < HEADER_WORDS && fits; i++)
            fits = take_word(&w, &head[i]);
        if (fits && head[0] == 0 && head[1] == 3 && head[2] <= 1 && head[4] == 0 &&
            head[3] < 3600000000U) {
            *found = w;
            *period = head[3];
            return true;
        }
    }
    return false;
}

struct reader {
    struct fill fill;
    struct words words;
    struct maps maps;
    uint64_t period_us;
    uint32_t set;
    size_t samples;
};

static enum status bad(struct reader *r, const char *what)
{
    return fill_bad(&r->fill, "byte", r->words.at, what);
}

static enum status add_sample(struct reader *r, uint64_t count, uint64_t depth)
{
    size_t first = r->words.at;
    int64_t values[2];
    uint64_t ns;
    if (__builtin_mul_overflow(count, r->period_us * 1000, &ns) || ns > INT64_MAX ||
        count > INT64_MAX)
        return bad(r, "a count that is too large");
    values[0] = (int64_t)ns;
    values[1] = (int64_t)count;
    uint32_t stack = 0;
    for (uint64_t i = depth; i-- > 0;) {
        uint64_t address;
        r->words.at = first + (size_t)i * r->words.size;
        if (!take_word(&r->words, &address))
            return bad(r, "the file ends inside a sample");
        /* Callers' addresses are those of return: the call is one before. */
        stack = fill_stack(&r->fill, stack, maps_frame(&r->maps, &r->fill, address, i > 0));
    }
    r->words.at = first + (size_t)depth * r->words.size;
    r->samples++;
    fill_sample(&r->fill, r->set,
                &(struct profile_sample){
                    .time_ns = UINT64_MAX, .stack = stack, .state = WIRE_ON_CPU, .values = values});
    return r->fill.failed;
}

/* The maps stand behind the samples but are needed for them. */
static enum status find_end(struct reader *r, size_t *samples_end)
{
    struct words w = r->words;
    for (;;) {
        uint64_t count;
        uint64_t depth;
        size_t at = w.at;
        if (!take_word(&w, &count) || !take_word(&w, &depth)) {
            r->words.at = at;
            return bad(r, "the file ends without its trailer");
        }
        if (depth == 0 || depth > MAX_DEPTH || depth > (w.len - w.at) / w.size) {
            r->words.at = at;
            return bad(r, "a depth that cannot be");
        }
        struct words first = w;
        uint64_t address = 0;
        take_word(&first, &address);
        if (count == 0 && depth == 1 && address == 0) {
            w.at += w.size;
            *samples_end = at;
            if (w.at < w.len && w.data[w.len - 1] != '\n') {
                r->words.at = w.len;
                return bad(r, "the file ends inside its list of mapped files");
            }
            maps_read(&r->maps, w.data + w.at, w.len - w.at);
            return STATUS_OK;
        }
        w.at += (size_t)depth * w.size;
    }
}

static enum status read_samples(struct reader *r)
{
    size_t end = 0;
    enum status st = find_end(r, &end);
    r->set = fill_set(&r->fill, "cpu", r->period_us * 1000);
    fill_value_type(&r->fill, r->set, "cpu", "ns");
    fill_value_type(&r->fill, r->set, "samples", "count");
    while (st == STATUS_OK && r->words.at < end) {
        uint64_t count = 0;
        uint64_t depth = 0;
        take_word(&r->words, &count);
        take_word(&r->words, &depth);
        st = add_sample(r, count, depth);
    }
    if (st != STATUS_OK)
        return st;
    fill_field(&r->fill, &r->fill.profile->producer, text_of("gperftools"));
    if (r->period_us)
        r->fill.profile->rate_hz = 1e6 / (double)r->period_us;
    return r->fill.failed;
}

static enum status read_gperftools(const struct format_input *in,
                                   const struct format_options *options, struct profile *out,
                                   struct error *err)
{
    (void)options;
    struct reader r = {.fill = {.profile = out, .err = err}};
    maps_init(&r.maps);
    size_t skip = maps_read_symbols(&r.maps, in->data, in->len, "--- profile ---");
    enum status st = STATUS_INVALID;
    if (find_words(in->data + skip, in->len - skip, &r.words, &r.period_us))
        st = read_samples(&r);
    else
        error_set(err, st, "byte %zu: the header should be 0, 3, 0, period, 0", skip);
    maps_deinit(&r.maps);
    return st;
}

static int detect_gperftools(const uint8_t *head, size_t len, bool is_whole_file)
{
    (void)is_whole_file;
    struct words w;
    uint64_t period;
    if (len >= 11 && memcmp(head, "--- symbol\n", 11) == 0)
        return 80;
    if (!find_words(head, len, &w, &period))
        return 0;
    /* vmprof begins with the same words and then has a marker 5 and a version. */
    bool is_vmprof = len > 47 && w.size == 8 && !w.is_big && (head[40] == 5 || head[40] == 4) &&
                     head[41] == 0 && head[42] < 16;
    return is_vmprof ? 20 : 85;
}

const struct format format_gperftools = {
    .name = "gperftools-cpu",
    .title = "gperftools CPU profile",
    .extensions = "prof",
    .detect = detect_gperftools,
    .read = read_gperftools,
};
