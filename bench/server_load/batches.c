#include "bench/server_load/batches.h"

#include <stdio.h>

#include "common/wire/wire.h"

enum { MAX_ROWS = 8192, MAX_THREADS = 64, HOT_STACKS = 64, DEEPEST = 40 };

/* xorshift64 (Marsaglia 2003) */
static uint64_t next_random(struct batches *b)
{
    b->random ^= b->random << 13;
    b->random ^= b->random >> 7;
    b->random ^= b->random << 17;
    return b->random;
}

static char names[BATCHES_MAX_FRESH][32];
static struct wire_bytes strings[BATCHES_MAX_FRESH];
static struct wire_function functions[BATCHES_MAX_FRESH];
static struct wire_frame frames[BATCHES_MAX_FRESH];
static struct wire_stack stacks[BATCHES_MAX_FRESH];

static uint32_t make_tables(struct batches *b)
{
    uint32_t left = b->stacks - b->sent;
    uint32_t want = b->seq < b->early ? b->fresh : b->later;
    uint32_t fresh = left < want ? left : want;
    for (uint32_t i = 0; i < fresh; i++) {
        uint32_t row = b->sent + 1 + i;
        int len = snprintf(names[i], sizeof(names[i]), "module.function_%u", row);
        uint32_t parent = row > 1 ? (uint32_t)(next_random(b) % row) : 0;
        if (b->depth[parent] >= DEEPEST)
            parent = 0;
        b->depth[row] = (uint8_t)(b->depth[parent] + 1);
        strings[i] = (struct wire_bytes){names[i], (size_t)len};
        functions[i] = (struct wire_function){.name = row, .file = 1, .line = row % 900};
        frames[i] = (struct wire_frame){.function = row, .line = row % 900 + 3};
        stacks[i] = (struct wire_stack){.parent = parent, .frame = row};
    }
    return fresh;
}

static uint64_t time_ns[MAX_ROWS];
static uint32_t thread_of[MAX_ROWS];
static uint32_t stack_of[MAX_ROWS];
static int64_t value_of[MAX_ROWS];

static uint32_t make_rows(struct batches *b, uint32_t known)
{
    uint32_t rows = b->rows < MAX_ROWS ? b->rows : MAX_ROWS;
    uint32_t threads = b->threads ? b->threads : 1;
    for (uint32_t i = 0; i < rows; i++) {
        uint64_t r = next_random(b);
        uint32_t choice = r % 4 != 0 && known > HOT_STACKS ? HOT_STACKS : known;
        time_ns[i] = (b->seq * rows + i) / threads * b->interval_ns;
        thread_of[i] = i % threads;
        stack_of[i] = (uint32_t)(r / 8 % choice) + 1;
        value_of[i] = (int64_t)(b->interval_ns + r % 1000);
    }
    return rows;
}

enum status batches_next(struct batches *b, struct buf *out)
{
    static struct wire_thread threads[MAX_THREADS];
    for (uint32_t i = 0; i < b->threads && i < MAX_THREADS; i++)
        threads[i] = (struct wire_thread){.index = i, .tid = i + 1, .name = {"worker", 6}};
    struct wire_process process = {.pid = 1, .command = {"app.py", 6}};
    struct wire_sample_set set = {
        .name = {"cpu", 3}, .values_len = 1, .values = {{.name = {"wall", 4}, .unit = {"ns", 2}}}};
    uint32_t first = b->sent + 1;
    uint32_t fresh = make_tables(b);
    uint32_t rows = make_rows(b, b->sent + fresh);
    struct wire_samples samples = {.len = rows,
                                   .time_ns = time_ns,
                                   .thread = thread_of,
                                   .stack = stack_of,
                                   .values_len = 1,
                                   .values = {{.constant = (int64_t)b->interval_ns,
                                               .value = b->has_values ? value_of : NULL}}};
    bool is_first = b->seq == 0;
    struct wire_batch batch = {
        .seq = b->seq + 1,
        .begin_ns = time_ns[0],
        .end_ns = time_ns[rows - 1],
        .first_string = first,
        .first_function = first,
        .first_frame = first,
        .first_stack = first,
        .first_process = is_first ? 0 : 1,
        .first_thread = is_first ? 0 : b->threads,
        .first_label_set = 1,
        .strings = strings,
        .functions = functions,
        .frames = frames,
        .stacks = stacks,
        .strings_len = fresh,
        .functions_len = fresh,
        .frames_len = fresh,
        .stacks_len = fresh,
        .processes = &process,
        .processes_len = is_first,
        .threads = threads,
        .threads_len = is_first ? b->threads : 0,
        .sets = &set,
        .sets_len = is_first,
        .samples = &samples,
        .samples_len = 1,
    };
    b->seq++;
    b->sent += fresh;
    return wire_encode_batch(out, &batch);
}
