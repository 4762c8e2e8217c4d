/* What happens to profiles over time: import, merging, retention, backup. */

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/model/apply.h"
#include "backend/store/inside.h"
#include "backend/store/library.h"
#include "backend/store/merge.h"
#include "common/base/ident.h"
#include "tests/unit/store/made_session.h"
#include "tests/unit/store/store_folder.h"

static struct store_folder folder;
static struct made made;
static char id[17];
static struct error err;
static struct library *l;

static void open_library(void)
{
    struct library_options options = {.path = folder.path};
    cr_assert_eq(library_open(&l, &options, &err), STATUS_OK, "%s", err.text);
}

static void setup(void)
{
    store_folder_make(&folder);
    made_id(3, id);
    open_library();
}

static void teardown(void)
{
    library_close(l);
    made_deinit(&made);
    store_folder_remove(&folder);
}

TestSuite(care, .init = setup, .fini = teardown);

static void record(uint64_t last)
{
    uint64_t next_seq = 0;
    struct wire_hello hello = made_hello(id);
    cr_assert_eq(library_begin(l, &hello, &next_seq, &err), STATUS_OK, "%s", err.text);
    for (uint64_t seq = next_seq; seq <= last; seq++) {
        const struct wire_batch *batch = made_batch(&made, seq);
        cr_assert_eq(library_append(l, id, batch, made.message.data, made.message.len, &err),
                     STATUS_OK, "%s", err.text);
    }
}

static void end(void)
{
    cr_assert_eq(library_end(l, id, LIBRARY_COMPLETE, NULL, &err), STATUS_OK, "%s", err.text);
}

static void check(uint64_t last)
{
    struct library_hold hold;
    cr_assert_eq(library_hold(l, id, &hold, &err), STATUS_OK, "%s", err.text);
    cr_assert(made_is_exactly(hold.profile, last));
    library_release(l, &hold);
}

static void reopen(void)
{
    library_close(l);
    open_library();
}

static uint64_t chunks(void)
{
    struct library_stats stats;
    library_stats(l, &stats);
    return stats.chunks;
}

Test(care, merges_the_chunks_of_an_ended_session_into_few)
{
    record(1000);
    end();
    cr_assert_eq(library_compact(l, &err), STATUS_OK, "%s", err.text);
    cr_assert_leq(chunks(), 4);
    reopen();
    check(1000);
    library_close(l);
    cr_assert_leq(store_folder_number(folder.path, "SELECT count(*) FROM chunk"), 4);
    cr_assert_eq(store_folder_number(folder.path,
                                     "SELECT sum(length(message)) - (SELECT bytes FROM profile) "
                                     "FROM chunk"),
                 0);
    open_library();
}

Test(care, merges_old_chunks_of_a_live_session_and_leaves_the_new_ones)
{
    record(1000);
    cr_assert_eq(library_compact(l, &err), STATUS_OK, "%s", err.text);
    cr_assert_lt(chunks(), 1000 - 500);
    cr_assert_geq(chunks(), 64);
    record(1010);
    reopen();
    check(1010);
    record(1020);
    end();
    cr_assert_eq(library_compact(l, &err), STATUS_OK, "%s", err.text);
    cr_assert_leq(chunks(), 8);
    reopen();
    check(1020);
}

static enum status count_bytes(void *ctx, const uint8_t *message, size_t len)
{
    struct buf *all = ctx;
    buf_put(all, message, len);
    return buf_status(all);
}

Test(care, gives_back_an_imported_profile_as_it_was)
{
    struct profile *p = NULL;
    char imported[IDENT_CHARS + 1];
    struct buf before;
    struct buf after;
    buf_init(&before, 0);
    buf_init(&after, 0);
    cr_assert_eq(profile_new(&p), STATUS_OK);
    for (uint64_t seq = 1; seq <= 200; seq++)
        cr_assert_eq(apply_batch(p, made_batch(&made, seq), &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(profile_set_text(p, &p->format, "folded", 6), STATUS_OK);
    cr_assert_eq(apply_emit(p, id, count_bytes, &before), STATUS_OK);
    cr_assert_eq(library_import(l, p, "my profile", 12345, imported, &err), STATUS_OK, "%s",
                 err.text);
    reopen();
    struct library_row row;
    struct library_hold hold;
    cr_assert_eq(library_row(l, imported, &row, &err), STATUS_OK, "%s", err.text);
    cr_assert_str_eq(row.name, "my profile");
    cr_assert_str_eq(row.format, "folded");
    cr_assert_str_eq(row.shapes, "stacks,series");
    cr_assert_eq(row.state, LIBRARY_IMPORTED);
    cr_assert_eq(row.samples, 200 * MADE_SAMPLES);
    library_row_deinit(&row);
    cr_assert_eq(library_hold(l, imported, &hold, &err), STATUS_OK, "%s", err.text);
    cr_assert(made_is_exactly(hold.profile, 200));
    cr_assert_eq(apply_emit(hold.profile, id, count_bytes, &after), STATUS_OK);
    cr_assert_eq(before.len, after.len);
    cr_assert_eq(memcmp(before.data, after.data, before.len), 0);
    library_release(l, &hold);
    buf_deinit(&before);
    buf_deinit(&after);
}

Test(care, frees_an_import_that_was_cut_off)
{
    library_close(l);
    /* What a crash in the middle leaves: trash with chunks. */
    cr_assert_eq(store_folder_number(folder.path, "INSERT INTO data(key, is_trash) VALUES (77, 1)"),
                 -1);
    cr_assert_eq(store_folder_number(folder.path, "INSERT INTO chunk VALUES ((77 << 32) + 1, 1, 0, "
                                                  "zeroblob(100000))"),
                 -1);
    open_library();
    cr_assert_eq(library_compact(l, &err), STATUS_OK, "%s", err.text);
    library_close(l);
    cr_assert_eq(store_folder_number(folder.path, "SELECT count(*) FROM chunk"), 0);
    open_library();
}

Test(care, deletes_what_is_older_or_more_than_wanted)
{
    uint64_t deleted = 0;
    struct library_stats stats;
    for (unsigned i = 1; i <= 5; i++) {
        made_id(i, id);
        record(10);
        if (i < 5)
            end();
    }
    struct library_retention none = {.age_ms = 3600000, .bytes = 1 << 30};
    cr_assert_eq(library_retain(l, &none, &deleted, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(deleted, 0);
    library_stats(l, &stats);
    cr_assert_eq(stats.profiles, 5);
    usleep(5000);
    struct library_retention all = {.age_ms = 1};
    cr_assert_eq(library_retain(l, &all, &deleted, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(deleted, 4, "the live one stays");
    check(10);
    end();
    struct library_retention small = {.bytes = 1};
    cr_assert_eq(library_retain(l, &small, &deleted, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(deleted, 1);
}

Test(care, trusts_no_age_for_an_hour_after_the_clock_has_jumped)
{
    struct retain_clock clock = {0};
    uint64_t wall = 1700000000000;
    uint64_t year = 365ULL * 86400000;
    cr_assert(retain_clock_is_calm(&clock, wall, 5000));
    cr_assert(retain_clock_is_calm(&clock, wall + 60000, 65000));
    cr_assert(retain_clock_is_calm(&clock, wall + 86460000, 86465000), "a day asleep is no jump");
    wall += 86460000;
    cr_assert_not(retain_clock_is_calm(&clock, wall + year, 86466000), "a year ahead");
    cr_assert_not(retain_clock_is_calm(&clock, wall + year + 60000, 86526000));
    cr_assert_not(retain_clock_is_calm(&clock, wall + 120000, 86586000), "and back");
    cr_assert(retain_clock_is_calm(&clock, wall + 120000 + 3600000, 86586000 + 3600000));
}

Test(care, reads_how_long_to_keep)
{
    static const struct {
        const char *text;
        enum status st;
        uint64_t age_ms, bytes;
    } cases[] = {
        {"30d", STATUS_OK, 30ULL * 86400000, 0},
        {"12h", STATUS_OK, 12ULL * 3600000, 0},
        {"10GB", STATUS_OK, 0, 10000000000},
        {"1.5gib", STATUS_OK, 0, 1610612736},
        {"30d,10GB", STATUS_OK, 30ULL * 86400000, 10000000000},
        {"", STATUS_USAGE, 0, 0},
        {"30", STATUS_USAGE, 0, 0},
        {"-1d", STATUS_USAGE, 0, 0},
        {"nand", STATUS_USAGE, 0, 0},
        {"1e99d", STATUS_USAGE, 0, 0},
        {"1d,2d,3d", STATUS_USAGE, 0, 0},
        {"1dd", STATUS_USAGE, 0, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct library_retention r = {0};
        cr_assert_eq(library_parse_retention(cases[i].text, &r, &err), cases[i].st, "%s",
                     cases[i].text);
        cr_assert_eq(r.age_ms, cases[i].age_ms, "%s", cases[i].text);
        cr_assert_eq(r.bytes, cases[i].bytes, "%s", cases[i].text);
    }
}

Test(care, backs_up_a_store_in_use)
{
    char copy[sizeof(folder.path)];
    cr_assert_lt(snprintf(copy, sizeof(copy), "%s/copy.db", folder.dir), (int)sizeof(copy));
    record(100);
    cr_assert_eq(library_backup(l, copy, &err), STATUS_OK, "%s", err.text);
    record(150);
    library_close(l);
    char *original = strdup(folder.path);
    memcpy(folder.path, copy, sizeof(copy));
    open_library();
    check(100);
    library_close(l);
    memcpy(folder.path, original, strlen(original) + 1);
    free(original);
    open_library();
    check(150);
    cr_assert_eq(library_backup(l, folder.path, &err), STATUS_USAGE);
    cr_assert_eq(library_backup(l, "/proc/x/y.db", &err), STATUS_IO);
}

/* Parts that differ in which columns they have still say the same when merged. */
Test(merge, fills_columns_that_some_parts_leave_out)
{
    uint32_t stacks[] = {1, 1};
    uint32_t threads[] = {3, 4};
    int64_t values[] = {7, 8};
    uint64_t times[] = {10, 20};
    struct wire_samples groups[3] = {
        {.len = 2, .stack = stacks, .time_ns = times, .values_len = 1, .values = {{.constant = 5}}},
        {.len = 2,
         .stack = stacks,
         .time_ns = times,
         .thread = threads,
         .values_len = 1,
         .values = {{.constant = 5}}},
        {.len = 2,
         .stack = stacks,
         .time_ns = times,
         .values_len = 1,
         .values = {{.value = values}}},
    };
    struct wire_batch parts[3];
    for (uint64_t i = 0; i < 3; i++)
        parts[i] = (struct wire_batch){.seq = i + 1, .samples = &groups[i], .samples_len = 1};
    struct arena *arena = arena_new();
    struct wire_batch out;
    cr_assert_eq(merge_batches(&out, parts, 3, arena), STATUS_OK);
    cr_assert_eq(out.seq, 3);
    cr_assert_eq(out.samples_len, 1);
    cr_assert_eq(out.samples[0].len, 6);
    static const uint32_t want_threads[] = {0, 0, 3, 4, 0, 0};
    static const int64_t want_values[] = {5, 5, 5, 5, 7, 8};
    cr_assert_arr_eq(out.samples[0].thread, want_threads, sizeof(want_threads));
    cr_assert_arr_eq(out.samples[0].values[0].value, want_values, sizeof(want_values));
    cr_assert_null(out.samples[0].state);
    cr_assert_eq(merge_batches(&out, parts, 2, arena), STATUS_OK);
    cr_assert_null(out.samples[0].values[0].value, "what is constant everywhere stays so");
    cr_assert_eq(out.samples[0].values[0].constant, 5);
    arena_free(arena);
}

Test(merge, puts_new_processes_before_changed_ones)
{
    struct wire_process first[] = {{.index = 0, .pid = 1}, {.index = 1, .pid = 2}};
    struct wire_process second[] = {{.index = 2, .pid = 3}, {.index = 0, .pid = 1, .end_ns = 9}};
    struct wire_process third[] = {{.index = 3, .pid = 4}};
    struct wire_batch parts[] = {
        {.first_process = 0, .processes = first, .processes_len = 2},
        {.first_process = 2, .processes = second, .processes_len = 2},
        {.first_process = 3, .processes = third, .processes_len = 1},
    };
    struct arena *arena = arena_new();
    struct wire_batch out;
    cr_assert_eq(merge_batches(&out, parts, 3, arena), STATUS_OK);
    cr_assert_eq(out.first_process, 0);
    cr_assert_eq(out.processes_len, 5);
    for (uint32_t i = 0; i < 4; i++)
        cr_assert_eq(out.processes[i].index, i);
    cr_assert_eq(out.processes[4].end_ns, 9);
    arena_free(arena);
}

Test(merge, leaves_alone_what_cannot_be_one_batch)
{
    struct wire_call_graph graph = {0};
    struct wire_batch graphs[] = {{.call_graph = &graph}, {.call_graph = &graph}};
    struct wire_sample_set set = {.set = 0};
    struct wire_batch sets[] = {{.sets = &set, .sets_len = 1}, {.sets = &set, .sets_len = 1}};
    uint64_t times[] = {1};
    struct wire_samples timed = {.len = 1, .time_ns = times};
    struct wire_samples timeless = {.len = 1};
    struct wire_batch mixed[] = {{.samples = &timed, .samples_len = 1},
                                 {.samples = &timeless, .samples_len = 1}};
    struct arena *arena = arena_new();
    struct wire_batch out;
    cr_assert_eq(merge_batches(&out, graphs, 2, arena), STATUS_UNSUPPORTED);
    cr_assert_eq(merge_batches(&out, sets, 2, arena), STATUS_UNSUPPORTED);
    cr_assert_eq(merge_batches(&out, mixed, 2, arena), STATUS_UNSUPPORTED);
    arena_free(arena);
}
