#include "tests/unit/store/made_session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *made_id(unsigned number, char out[17])
{
    for (int i = 15; i >= 0; i--) {
        out[i] = (char)('a' + number % 26);
        number /= 26;
    }
    out[16] = '\0';
    return out;
}

static struct wire_bytes bytes(const char *text)
{
    return (struct wire_bytes){.data = text, .len = strlen(text)};
}

struct wire_hello made_hello(const char *id)
{
    static const struct wire_bytes argv[] = {
        {.data = "/usr/bin/python3", .len = 16},
        {.data = "login.py", .len = 8},
    };
    static const struct wire_tag tags[] = {{.key = {"branch", 6}, .value = {"main", 4}}};
    return (struct wire_hello){
        .protocol = WIRE_PROTOCOL,
        .session = bytes(id),
        .token = bytes("a-secret-token"),
        .host = bytes("here"),
        .runtime = bytes("CPython 3.12.1"),
        .producer = bytes("heliograph test"),
        .mode = bytes("wall"),
        .pid = 4711,
        .start_unix_ns = 1700000000000000000,
        .rate_hz = 100,
        .argv = argv,
        .argv_len = 2,
        .tags = tags,
        .tags_len = 1,
    };
}

static uint64_t time_of(uint64_t seq, uint64_t i)
{
    return seq * 1000000 + i * 1000;
}

static int64_t value_of(uint64_t seq, uint64_t i)
{
    return (int64_t)(seq * 100 + i);
}

/* Every batch brings one function with its frame and stack, numbered as the batch. */
void made_message(struct buf *out, uint64_t seq)
{
    char text[32];
    snprintf(text, sizeof(text), "function_%llu", (unsigned long long)seq);
    struct wire_bytes string = bytes(text);
    uint32_t row = (uint32_t)seq;
    struct wire_function function = {.name = row, .line = row};
    struct wire_frame frame = {.function = row, .line = row};
    struct wire_stack stack = {.parent = 0, .frame = row};

    uint64_t times[MADE_SAMPLES];
    uint32_t stacks[MADE_SAMPLES];
    int64_t values[MADE_SAMPLES];
    for (uint64_t i = 0; i < MADE_SAMPLES; i++) {
        times[i] = time_of(seq, i);
        stacks[i] = row;
        values[i] = value_of(seq, i);
    }
    struct wire_samples samples = {.len = MADE_SAMPLES,
                                   .time_ns = times,
                                   .stack = stacks,
                                   .values_len = 1,
                                   .values = {{.value = values}}};
    double rss = (double)seq * 4096;
    struct wire_points points = {.len = 1, .time_ns = times, .value = &rss};
    struct wire_counter counter = {.name = bytes("samples"), .value = seq * MADE_SAMPLES};

    struct wire_process process = {.pid = 4711, .command = bytes("login.py")};
    struct wire_thread thread = {.tid = 4711, .name = bytes("main")};
    struct wire_sample_set set = {
        .name = bytes("cpu"),
        .values_len = 1,
        .values = {{.name = bytes("wall"), .unit = bytes("ns")}},
        .period = 10000000,
    };
    struct wire_metric metric = {.name = bytes("rss"), .unit = bytes("bytes")};
    bool is_first = seq == 1;
    struct wire_batch batch = {
        .seq = seq,
        .begin_ns = time_of(seq, 0),
        .end_ns = time_of(seq + 1, 0),
        .first_string = row,
        .first_function = row,
        .first_frame = row,
        .first_stack = row,
        .first_process = is_first ? 0 : 1,
        .first_thread = is_first ? 0 : 1,
        .first_label_set = 1,
        .strings = &string,
        .functions = &function,
        .frames = &frame,
        .stacks = &stack,
        .strings_len = 1,
        .functions_len = 1,
        .frames_len = 1,
        .stacks_len = 1,
        .processes = &process,
        .threads = &thread,
        .sets = &set,
        .metrics = &metric,
        .processes_len = is_first,
        .threads_len = is_first,
        .sets_len = is_first,
        .metrics_len = is_first,
        .samples = &samples,
        .samples_len = 1,
        .points = &points,
        .points_len = 1,
        .counters = &counter,
        .counters_len = 1,
    };
    if (wire_encode_batch(out, &batch) != STATUS_OK)
        abort();
}

const struct wire_batch *made_batch(struct made *m, uint64_t seq)
{
    struct error err;
    buf_clear(&m->message);
    made_message(&m->message, seq);
    arena_free(m->arena);
    m->arena = arena_new();
    if (!m->arena || wire_decode_to_server(&m->decoded, m->message.data, m->message.len, m->arena,
                                           &err) != STATUS_OK)
        abort();
    return &m->decoded.batch;
}

void made_deinit(struct made *m)
{
    buf_deinit(&m->message);
    arena_free(m->arena);
    *m = (struct made){0};
}

static bool differs(const char *what, uint64_t is, uint64_t should)
{
    if (is == should)
        return false;
    fprintf(stderr, "%s: %llu instead of %llu\n", what, (unsigned long long)is,
            (unsigned long long)should);
    return true;
}

static bool batch_differs(const struct profile *p, uint64_t seq)
{
    const struct sample_set *set = &p->sets[0];
    char name[32];
    snprintf(name, sizeof(name), "function_%llu", (unsigned long long)seq);
    for (uint64_t i = 0; i < MADE_SAMPLES; i++) {
        size_t at = (size_t)((seq - 1) * MADE_SAMPLES + i);
        int64_t value = set->values[0].value ? set->values[0].value[at] : set->values[0].constant;
        if (differs("time", set->time_ns[at], time_of(seq, i)) ||
            differs("stack", set->stack[at], seq) ||
            differs("value", (uint64_t)value, (uint64_t)value_of(seq, i)))
            return true;
    }
    const struct tables *t = &p->tables;
    uint32_t function = t->frames[t->stacks[seq].frame].function;
    if (strcmp(strtab_text(&t->strings, t->functions[function].name), name) != 0) {
        fprintf(stderr, "the stack of batch %llu is not %s\n", (unsigned long long)seq, name);
        return true;
    }
    return differs("rss", (uint64_t)p->series[0].value[seq - 1], seq * 4096);
}

bool made_is_exactly(const struct profile *p, uint64_t last)
{
    if (last == 0)
        return !differs("sets", p->sets_len, 0);
    if (differs("sets", p->sets_len, 1) || differs("series", p->series_len, 1) ||
        differs("samples", p->sets[0].len, last * MADE_SAMPLES) ||
        differs("points", p->series[0].len, last) ||
        differs("stacks", p->tables.stacks_len, last + 1) ||
        differs("counter", p->counters[0].value, last * MADE_SAMPLES))
        return false;
    for (uint64_t seq = 1; seq <= last; seq++) {
        if (batch_differs(p, seq))
            return false;
    }
    return true;
}
