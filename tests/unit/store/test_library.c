#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/store/library.h"
#include "tests/unit/store/made_session.h"
#include "tests/unit/store/store_folder.h"

static struct store_folder folder;
static char id[17];
static struct made made;

static void setup(void)
{
    store_folder_make(&folder);
    made_id(1, id);
}

static void teardown(void)
{
    made_deinit(&made);
    store_folder_remove(&folder);
}

TestSuite(library, .init = setup, .fini = teardown);

static struct library *open_library(void)
{
    struct error err = {0};
    struct library *l = NULL;
    struct library_options options = {.path = folder.path};
    cr_assert_eq(library_open(&l, &options, &err), STATUS_OK, "%s", err.text);
    return l;
}

static uint64_t begin(struct library *l)
{
    struct error err = {0};
    uint64_t next_seq = 0;
    struct wire_hello hello = made_hello(id);
    cr_assert_eq(library_begin(l, &hello, &next_seq, &err), STATUS_OK, "%s", err.text);
    return next_seq;
}

static enum status append(struct library *l, uint64_t seq)
{
    struct error err = {0};
    const struct wire_batch *batch = made_batch(&made, seq);
    enum status st = library_append(l, id, batch, made.message.data, made.message.len, &err);
    if (st != STATUS_OK)
        cr_log_info("%s", err.text);
    return st;
}

static void record(struct library *l, uint64_t last)
{
    for (uint64_t seq = begin(l); seq <= last; seq++)
        cr_assert_eq(append(l, seq), STATUS_OK);
}

static void check(struct library *l, uint64_t last, enum library_state state)
{
    struct error err = {0};
    struct library_hold hold;
    cr_assert_eq(library_hold(l, id, &hold, &err), STATUS_OK, "%s", err.text);
    cr_assert(made_is_exactly(hold.profile, last));
    cr_assert_eq(hold.state, state);
    library_release(l, &hold);
}

Test(library, gives_back_what_a_collector_sent)
{
    struct library *l = open_library();
    record(l, 20);
    check(l, 20, LIBRARY_LIVE);
    library_close(l);
}

Test(library, reads_a_session_again_after_a_restart)
{
    struct library *l = open_library();
    record(l, 20);
    cr_assert_eq(library_end(l, id, LIBRARY_COMPLETE, NULL, NULL), STATUS_OK);
    library_close(l);

    l = open_library();
    check(l, 20, LIBRARY_COMPLETE);
    struct library_row row;
    cr_assert_eq(library_row(l, id, &row, NULL), STATUS_OK);
    cr_assert_str_eq(row.name, "python3 login.py");
    cr_assert_str_eq(row.tags, "{\"branch\":\"main\"}");
    cr_assert_str_eq(row.shapes, "stacks,series");
    cr_assert_str_eq(row.format, "heliograph");
    cr_assert_eq(row.samples, 20 * MADE_SAMPLES);
    cr_assert_eq(row.peak_rss_bytes, 20 * 4096);
    library_row_deinit(&row);
    library_close(l);
}

Test(library, marks_a_session_interrupted_when_its_server_went_away)
{
    struct library *l = open_library();
    record(l, 3);
    library_close(l);
    l = open_library();
    check(l, 3, LIBRARY_INTERRUPTED);
    library_close(l);
}

Test(library, resumes_an_interrupted_session_at_the_next_batch)
{
    struct library *l = open_library();
    record(l, 3);
    library_close(l);
    l = open_library();
    cr_assert_eq(begin(l), 4);
    record(l, 7);
    check(l, 7, LIBRARY_LIVE);
    library_close(l);
}

Test(library, takes_a_batch_that_comes_again_for_stored)
{
    struct library *l = open_library();
    record(l, 3);
    cr_assert_eq(append(l, 2), STATUS_OK);
    cr_assert_eq(append(l, 3), STATUS_OK);
    check(l, 3, LIBRARY_LIVE);
    library_close(l);
}

Test(library, refuses_a_batch_from_the_future)
{
    struct library *l = open_library();
    record(l, 3);
    cr_assert_eq(append(l, 5), STATUS_INVALID);
    check(l, 3, LIBRARY_LIVE);
    library_close(l);
}

Test(library, stores_nothing_of_a_batch_with_wrong_rows)
{
    struct error err = {0};
    struct library *l = open_library();
    record(l, 2);
    struct wire_batch wrong = *made_batch(&made, 3);
    struct wire_stack bad_stack = {.parent = 99, .frame = 1};
    wrong.stacks = &bad_stack;
    struct buf message;
    buf_init(&message, 0);
    cr_assert_eq(wire_encode_batch(&message, &wrong), STATUS_OK);
    cr_assert_eq(library_append(l, id, &wrong, message.data, message.len, &err), STATUS_INVALID);
    buf_deinit(&message);
    cr_assert_eq(append(l, 3), STATUS_OK);
    library_close(l);
    l = open_library();
    check(l, 3, LIBRARY_INTERRUPTED);
    library_close(l);
}

Test(library, does_not_resume_a_session_that_has_ended)
{
    struct error err = {0};
    uint64_t next_seq = 0;
    struct library *l = open_library();
    record(l, 2);
    cr_assert_eq(library_end(l, id, LIBRARY_COMPLETE, NULL, NULL), STATUS_OK);
    struct wire_hello hello = made_hello(id);
    cr_assert_eq(library_begin(l, &hello, &next_seq, &err), STATUS_EXISTS);
    cr_assert_eq(append(l, 3), STATUS_GONE);
    library_close(l);
}

Test(library, keeps_the_token_out_of_the_store)
{
    struct library *l = open_library();
    record(l, 2);
    library_close(l);
    size_t len = 0;
    char *content = store_folder_read(folder.path, &len);
    cr_assert_not_null(memmem(content, len, "login.py", 8), "the file holds the session");
    cr_assert_null(memmem(content, len, "a-secret-token", 14), "but not its token");
    free(content);
}

Test(library, is_readable_for_its_owner_only)
{
    struct stat info;
    char nested[600];
    snprintf(nested, sizeof(nested), "%s/new/folder/h.db", folder.dir);
    struct library *l = NULL;
    struct library_options options = {.path = nested};
    umask(0);
    cr_assert_eq(library_open(&l, &options, NULL), STATUS_OK);
    static const char *const endings[] = {"", "-wal", "-shm", ".lock"};
    for (size_t i = 0; i < 4; i++) {
        char name[700];
        snprintf(name, sizeof(name), "%s%s", nested, endings[i]);
        cr_assert_eq(stat(name, &info), 0, "%s", name);
        cr_assert_eq(info.st_mode & 0777, 0600, "%s", name);
    }
    char parent[600];
    snprintf(parent, sizeof(parent), "%s/new", folder.dir);
    cr_assert_eq(stat(parent, &info), 0);
    cr_assert_eq(info.st_mode & 0777, 0700);
    library_close(l);
}

Test(library, waits_for_the_next_change_and_not_longer)
{
    struct library *l = open_library();
    record(l, 1);
    uint64_t now = 0;
    enum library_state state;
    struct library_hold hold;
    cr_assert_eq(library_hold(l, id, &hold, NULL), STATUS_OK);
    uint64_t revision = hold.revision;
    library_release(l, &hold);
    cr_assert_eq(library_wait(l, id, revision, 20, &now, &state, NULL), STATUS_OK);
    cr_assert_eq(now, revision);
    cr_assert_eq(append(l, 2), STATUS_OK);
    cr_assert_eq(library_wait(l, id, revision, 60000, &now, &state, NULL), STATUS_OK);
    cr_assert_eq(now, revision + 1);
    cr_assert_eq(library_end(l, id, LIBRARY_COMPLETE, NULL, NULL), STATUS_OK);
    cr_assert_eq(library_wait(l, id, revision + 1, 60000, &now, &state, NULL), STATUS_OK);
    cr_assert_eq(state, LIBRARY_COMPLETE);
    cr_assert_eq(library_wait(l, "aaaaaaaaaaaaaaaa", 0, 0, &now, &state, NULL), STATUS_NOT_FOUND);
    library_close(l);
}

Test(library, keeps_no_more_profiles_in_memory_than_allowed)
{
    struct error err = {0};
    struct library *l = NULL;
    struct library_stats stats;
    struct library_options options = {.path = folder.path, .resident_bytes = 1};
    cr_assert_eq(library_open(&l, &options, &err), STATUS_OK, "%s", err.text);
    for (unsigned i = 1; i <= 5; i++) {
        made_id(i, id);
        record(l, 3);
        library_stats(l, &stats);
        cr_assert_gt(stats.resident_bytes, 0, "a live one stays");
        cr_assert_eq(library_end(l, id, LIBRARY_COMPLETE, NULL, NULL), STATUS_OK);
    }
    library_stats(l, &stats);
    cr_assert_eq(stats.resident_bytes, 0);
    cr_assert_eq(stats.profiles, 5);
    for (unsigned i = 1; i <= 5; i++) {
        made_id(i, id);
        check(l, 3, LIBRARY_COMPLETE);
    }
    library_close(l);
}

/* Reading one of days takes seconds: who looks at it does not wait for that with each question. */
Test(library, keeps_the_two_that_were_asked_last_however_large)
{
    struct error err = {0};
    struct library *l = NULL;
    struct library_stats stats;
    uint64_t of_one = 0;
    struct library_options options = {.path = folder.path, .resident_bytes = 1};
    cr_assert_eq(library_open(&l, &options, &err), STATUS_OK, "%s", err.text);
    for (unsigned i = 1; i <= 3; i++) {
        made_id(i, id);
        record(l, 3);
        cr_assert_eq(library_end(l, id, LIBRARY_COMPLETE, NULL, NULL), STATUS_OK);
    }
    for (unsigned i = 1; i <= 3; i++) {
        made_id(i, id);
        check(l, 3, LIBRARY_COMPLETE);
        library_stats(l, &stats);
        of_one = i == 1 ? stats.resident_bytes : of_one;
        cr_assert_gt(of_one, 0);
        cr_assert_eq(stats.resident_bytes, (i < 2 ? i : 2) * of_one);
    }
    library_close(l);
}

/* With no memory allowed at all every live session keeps its samples on disk alone. */
Test(library, reads_back_the_samples_of_a_live_session_that_memory_did_not_hold)
{
    struct error err = {0};
    struct library *l = NULL;
    struct library_stats stats;
    struct library_hold hold;
    struct library_options options = {.path = folder.path, .resident_bytes = 1};
    cr_assert_eq(library_open(&l, &options, &err), STATUS_OK, "%s", err.text);
    record(l, 2);
    library_stats(l, &stats);
    uint64_t before = stats.resident_bytes;
    record(l, 400);
    library_stats(l, &stats);
    cr_assert_lt(stats.resident_bytes, before + 398 * MADE_SAMPLES * 20);
    check(l, 400, LIBRARY_LIVE);
    cr_assert_eq(append(l, 401), STATUS_OK);
    check(l, 401, LIBRARY_LIVE);
    cr_assert_eq(library_hold(l, id, &hold, &err), STATUS_OK);
    cr_assert_eq(hold.profile->sets[0].len, 401 * MADE_SAMPLES);
    library_release(l, &hold);
    struct library_row row;
    cr_assert_eq(library_row(l, id, &row, NULL), STATUS_OK);
    cr_assert_eq(row.samples, 401 * MADE_SAMPLES);
    cr_assert_str_eq(row.shapes, "stacks,series");
    library_row_deinit(&row);
    library_close(l);
}

Test(library, lists_newest_first_in_pages)
{
    struct library *l = open_library();
    for (unsigned i = 1; i <= 5; i++) {
        made_id(i, id);
        record(l, 1);
    }
    struct library_row *rows = NULL;
    size_t len = 0;
    char next[64] = "";
    char want[17];
    struct library_query query = {.limit = 2};
    cr_assert_eq(library_list(l, &query, &rows, &len, next, NULL), STATUS_OK);
    cr_assert_eq(len, 2);
    cr_assert_str_eq(rows[0].id, made_id(5, want));
    cr_assert_str_eq(rows[1].id, made_id(4, want));
    library_rows_free(rows, len);
    char cursor[64];
    memcpy(cursor, next, sizeof(cursor));
    query = (struct library_query){.limit = 3, .cursor = cursor};
    cr_assert_eq(library_list(l, &query, &rows, &len, next, NULL), STATUS_OK);
    cr_assert_eq(len, 3);
    cr_assert_str_eq(rows[2].id, made_id(1, want));
    cr_assert_str_empty(next);
    library_rows_free(rows, len);
    query = (struct library_query){.limit = 3, .cursor = "1 OR 1"};
    cr_assert_eq(library_list(l, &query, &rows, &len, next, NULL), STATUS_INVALID);
    library_close(l);
}

Test(library, finds_by_name_and_tag)
{
    struct error err = {0};
    struct library *l = open_library();
    for (unsigned i = 1; i <= 3; i++) {
        made_id(i, id);
        record(l, 1);
    }
    cr_assert_eq(library_rename(l, id, "A 100%_sure Name", "{\"host\":\"x\",\"n\":3}", &err),
                 STATUS_OK, "%s", err.text);
    struct {
        struct library_query query;
        size_t want;
    } cases[] = {
        {{.text = "LOGIN", .limit = 9}, 2},     {{.text = "100%_s", .limit = 9}, 1},
        {{.text = "100%s", .limit = 9}, 0},     {{.text = id, .limit = 9}, 1},
        {{.tag = "branch", .limit = 9}, 2},     {{.tag = "branch=main", .limit = 9}, 2},
        {{.tag = "branch=dev", .limit = 9}, 0}, {{.tag = "host=x", .limit = 9}, 1},
        {{.tag = "n=3", .limit = 9}, 1},        {{.tag = "n", .limit = 9}, 1},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct library_row *rows = NULL;
        size_t len = 0;
        char next[64];
        cr_assert_eq(library_list(l, &cases[i].query, &rows, &len, next, NULL), STATUS_OK);
        cr_assert_eq(len, cases[i].want, "case %zu: %zu", i, len);
        library_rows_free(rows, len);
    }
    cr_assert_eq(library_rename(l, id, NULL, "[1]", &err), STATUS_INVALID);
    cr_assert_eq(library_rename(l, id, NULL, "{\"a\":{}}", &err), STATUS_INVALID);
    cr_assert_eq(library_rename(l, id, NULL, "{\"a\":", &err), STATUS_INVALID);
    library_close(l);
}

Test(library, keeps_a_summary)
{
    struct library *l = open_library();
    struct library_row row;
    record(l, 1);
    cr_assert_eq(library_set_summary(l, id, "62 % in hash_password", NULL), STATUS_OK);
    cr_assert_eq(library_row(l, id, &row, NULL), STATUS_OK);
    cr_assert_str_eq(row.summary, "62 % in hash_password");
    library_row_deinit(&row);
    cr_assert_eq(library_set_summary(l, "bbbbbbbbbbbbbbbb", "x", NULL), STATUS_NOT_FOUND);
    library_close(l);
}

Test(library, deletes_a_profile_and_its_bytes)
{
    struct error err = {0};
    struct library *l = open_library();
    struct library_hold hold;
    struct library_stats stats;
    record(l, 50);
    cr_assert_eq(library_delete(l, id, &err), STATUS_BUSY, "a live one stays");
    cr_assert_eq(library_end(l, id, LIBRARY_COMPLETE, NULL, NULL), STATUS_OK);
    cr_assert_eq(library_hold(l, id, &hold, NULL), STATUS_OK);
    cr_assert_eq(library_delete(l, id, &err), STATUS_OK, "%s", err.text);
    cr_assert(made_is_exactly(hold.profile, 50), "who holds it may finish");
    library_release(l, &hold);
    cr_assert_eq(library_hold(l, id, &hold, NULL), STATUS_NOT_FOUND);
    cr_assert_eq(library_compact(l, &err), STATUS_OK, "%s", err.text);
    library_stats(l, &stats);
    cr_assert_eq(stats.profiles, 0);
    library_close(l);
    cr_assert_eq(store_folder_number(folder.path, "SELECT count(*) FROM chunk"), 0);
    cr_assert_eq(store_folder_number(folder.path, "SELECT count(*) FROM data"), 0);
}

Test(library, looks_without_changing_when_read_only)
{
    struct error err = {0};
    struct library *l = open_library();
    record(l, 5);
    struct library *reader = NULL;
    struct library_options options = {.path = folder.path, .is_read_only = true};
    cr_assert_eq(library_open(&reader, &options, &err), STATUS_OK, "beside a writer: %s", err.text);
    check(reader, 5, LIBRARY_LIVE);
    struct wire_hello hello = made_hello(id);
    uint64_t next_seq;
    cr_assert_eq(library_begin(reader, &hello, &next_seq, &err), STATUS_DENIED);
    cr_assert_eq(library_delete(reader, id, &err), STATUS_DENIED);
    library_close(reader);
    library_close(l);
}
