/* The store as a file: who may open it, and what becomes of odd ones. */

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backend/store/db.h"
#include "backend/store/library.h"
#include "backend/store/schema.h"
#include "tests/unit/store/made_session.h"
#include "tests/unit/store/store_folder.h"

static struct store_folder folder;
static struct made made;
static char id[17];
static struct error err;

static void setup(void)
{
    store_folder_make(&folder);
    made_id(7, id);
}

static void teardown(void)
{
    umount2(folder.dir, MNT_DETACH); /* where a test has mounted something and then failed */
    made_deinit(&made);
    store_folder_remove(&folder);
}

TestSuite(store_files, .init = setup, .fini = teardown);

static enum status open_at(struct library **l, const char *path, bool is_read_only)
{
    struct library_options options = {.path = path, .is_read_only = is_read_only};
    *l = NULL;
    return library_open(l, &options, &err);
}

/* Not ended: ended sessions are merged in the background, and these tests want their chunks. */
static void fill(const char *path, uint64_t last)
{
    struct library *l;
    uint64_t next_seq = 0;
    struct wire_hello hello = made_hello(id);
    cr_assert_eq(open_at(&l, path, false), STATUS_OK, "%s", err.text);
    cr_assert_eq(library_begin(l, &hello, &next_seq, &err), STATUS_OK, "%s", err.text);
    for (uint64_t seq = 1; seq <= last; seq++) {
        const struct wire_batch *batch = made_batch(&made, seq);
        cr_assert_eq(library_append(l, id, batch, made.message.data, made.message.len, &err),
                     STATUS_OK, "%s", err.text);
    }
    library_close(l);
}

static void write_file(const char *path, const void *data, size_t len)
{
    FILE *f = fopen(path, "wb");
    cr_assert_not_null(f);
    cr_assert_eq(fwrite(data, 1, len, f), len);
    fclose(f);
}

Test(store_files, tells_the_second_server_where_the_first_one_is)
{
    struct library *first;
    struct library *second;
    struct library_owner owner;
    cr_assert_eq(library_lock_owner(folder.path, &owner, &err), STATUS_NOT_FOUND);
    cr_assert_eq(open_at(&first, folder.path, false), STATUS_OK);
    cr_assert_eq(library_lock_owner(folder.path, &owner, &err), STATUS_OK);
    cr_assert_str_empty(owner.url);
    cr_assert_eq(library_set_url(first, "http://127.0.0.1:7700", &err), STATUS_OK);
    cr_assert_eq(library_lock_owner(folder.path, &owner, &err), STATUS_OK);
    cr_assert_str_eq(owner.url, "http://127.0.0.1:7700");
    cr_assert_eq(owner.pid, getpid());
    cr_assert_eq(open_at(&second, folder.path, false), STATUS_BUSY);
    cr_assert_not_null(strstr(err.text, "http://127.0.0.1:7700"), "%s", err.text);
    library_close(first);
    cr_assert_eq(library_lock_owner(folder.path, &owner, &err), STATUS_NOT_FOUND);
    cr_assert_eq(open_at(&second, folder.path, false), STATUS_OK, "%s", err.text);
    library_close(second);
}

Test(store_files, is_free_again_when_its_server_is_killed)
{
    int ready[2];
    cr_assert_eq(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        struct library *l;
        char ok = open_at(&l, folder.path, false) == STATUS_OK;
        if (write(ready[1], &ok, 1) == 1)
            pause();
        _exit(1);
    }
    char ok = 0;
    cr_assert_eq(read(ready[0], &ok, 1), 1);
    cr_assert(ok);
    struct library *l;
    cr_assert_eq(open_at(&l, folder.path, false), STATUS_BUSY);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    cr_assert_eq(open_at(&l, folder.path, false), STATUS_OK, "%s", err.text);
    library_close(l);
}

Test(store_files, leaves_a_store_of_a_newer_version_as_it_is)
{
    struct library *l;
    size_t len = 0;
    fill(folder.path, 2);
    cr_assert_eq(store_folder_number(folder.path, "PRAGMA user_version = 99"), -1);
    char *before = store_folder_read(folder.path, &len);
    cr_assert_eq(open_at(&l, folder.path, false), STATUS_UNSUPPORTED);
    cr_assert_not_null(strstr(err.text, "version 99"), "%s", err.text);
    cr_assert_eq(open_at(&l, folder.path, true), STATUS_UNSUPPORTED);
    size_t after_len = 0;
    char *after = store_folder_read(folder.path, &after_len);
    cr_assert_eq(len, after_len);
    cr_assert_eq(memcmp(before, after, len), 0);
    free(before);
    free(after);
}

Test(store_files, refuses_files_that_are_no_store)
{
    struct library *l;
    char text[8192];
    memset(text, 'x', sizeof(text));
    write_file(folder.path, text, sizeof(text));
    cr_assert_eq(open_at(&l, folder.path, false), STATUS_INVALID);
    cr_assert_not_null(strstr(err.text, "not a Heliograph store"), "%s", err.text);
    unlink(folder.path);
    store_folder_number(folder.path, "CREATE TABLE theirs(x)");
    cr_assert_eq(open_at(&l, folder.path, false), STATUS_INVALID);
    cr_assert_not_null(strstr(err.text, "not a Heliograph store"), "%s", err.text);
    cr_assert_eq(store_folder_number(folder.path, "SELECT count(*) FROM sqlite_schema"), 1);
    cr_assert_eq(open_at(&l, folder.dir, false), STATUS_IO, "a folder: %s", err.text);
}

Test(store_files, says_that_a_damaged_store_is_damaged)
{
    struct library *l;
    size_t len = 0;
    fill(folder.path, 300);
    char *content = store_folder_read(folder.path, &len);
    cr_assert_gt(len, 40 * 1024);
    /* Everything after the header page. */
    memset(content + 4096, 0xa5, len - 4096);
    write_file(folder.path, content, len);
    free(content);
    enum status st = open_at(&l, folder.path, false);
    cr_assert_eq(st, STATUS_CORRUPT, "%s", err.text);
    cr_assert_not_null(strstr(err.text, "damaged"), "%s", err.text);
}

Test(store_files, shows_what_is_left_of_a_damaged_profile)
{
    struct library *l;
    struct library_hold hold;
    fill(folder.path, 40);
    cr_assert_eq(store_folder_number(folder.path, "UPDATE chunk SET message = zeroblob(9) "
                                                  "WHERE last_seq = 31"),
                 -1);
    cr_assert_eq(open_at(&l, folder.path, false), STATUS_OK);
    cr_assert_eq(library_hold(l, id, &hold, &err), STATUS_OK, "%s", err.text);
    const struct profile *p = hold.profile;
    cr_assert_eq(p->sets[0].len, 30 * MADE_SAMPLES);
    const struct model_notice *notice = &p->notices[p->notices_len - 1];
    cr_assert_eq(notice->severity, 2);
    cr_assert_not_null(strstr(strtab_text(&p->tables.strings, notice->text), "batch 31"));
    library_release(l, &hold);
    library_close(l);
}

Test(store_files, notices_a_missing_batch)
{
    struct library *l;
    struct library_hold hold;
    fill(folder.path, 5);
    store_folder_number(folder.path, "DELETE FROM chunk WHERE last_seq = 5");
    cr_assert_eq(open_at(&l, folder.path, false), STATUS_OK);
    cr_assert_eq(library_hold(l, id, &hold, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(hold.profile->notices_len, 1);
    library_release(l, &hold);
    library_close(l);
}

/* As another user, whom permissions hold back. */
static int as_nobody(void (*body)(void))
{
    pid_t child = fork();
    if (child == 0) {
        if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
            _exit(99);
        body();
        _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void open_denied(void)
{
    struct library *l;
    if (open_at(&l, folder.path, false) != STATUS_DENIED)
        _exit(1);
    if (open_at(&l, folder.path, true) != STATUS_OK)
        _exit(2);
    struct library_hold hold;
    if (library_hold(l, id, &hold, &err) != STATUS_OK || !made_is_exactly(hold.profile, 3))
        _exit(3);
    library_release(l, &hold);
    library_close(l);
}

Test(store_files, opens_a_read_only_store_for_reading_only)
{
    fill(folder.path, 3);
    char lock[400];
    snprintf(lock, sizeof(lock), "%s.lock", folder.path);
    chmod(folder.dir, 0555);
    chmod(folder.path, 0444);
    chmod(lock, 0444);
    cr_assert_eq(as_nobody(open_denied), 0);
    chmod(folder.dir, 0700);
}

Test(store_files, says_where_no_store_can_be_made)
{
    struct library *l;
    cr_assert_eq(open_at(&l, "/proc/heliograph/h.db", false), STATUS_IO);
    cr_assert_not_null(strstr(err.text, "/proc/heliograph"), "%s", err.text);
    cr_assert_eq(open_at(&l, folder.path, true), STATUS_NOT_FOUND, "%s", err.text);
}

Test(store_files, brings_every_earlier_version_to_this_one)
{
    for (int from = 0; from <= SCHEMA_VERSION; from++) {
        sqlite3 *db = NULL;
        unlink(folder.path);
        cr_assert_eq(sqlite3_open(folder.path, &db), SQLITE_OK);
        cr_assert_eq(schema_before_first_table(db, &err), STATUS_OK);
        cr_assert_eq(schema_migrate_to(db, folder.path, from, &err), STATUS_OK, "%s", err.text);
        sqlite3_close(db);
        /* What a store of that version may hold is there afterwards. */
        static const char *const rows[] = {
            [1] = "INSERT INTO data(is_trash) VALUES (1)",
            [2] = "INSERT INTO token(hash, name, scope, created_ms, expires_ms) "
                  "VALUES (x'00', 'ci', 1, 1, 0)",
            [3] = "INSERT INTO note(profile, text, created_ms) VALUES ('x', 'kept', 1)",
        };
        static const char *const counts[] = {
            [1] = "SELECT count(*) FROM sqlite_sequence WHERE name='data' AND seq=1",
            [2] = "SELECT count(*) FROM token WHERE name='ci'",
            [3] = "SELECT count(*) FROM note WHERE text='kept'",
        };
        for (int v = 1; v <= from && v < (int)(sizeof(rows) / sizeof(rows[0])); v++)
            store_folder_number(folder.path, rows[v]);
        struct library *l;
        cr_assert_eq(open_at(&l, folder.path, false), STATUS_OK, "from %d: %s", from, err.text);
        library_close(l);
        cr_assert_eq(store_folder_number(folder.path, "PRAGMA user_version"), SCHEMA_VERSION);
        for (int v = 1; v <= from && v < (int)(sizeof(rows) / sizeof(rows[0])); v++)
            cr_assert_eq(store_folder_number(folder.path, counts[v]), 1, "from %d: %s", from,
                         counts[v]);
        fill(folder.path, 1);
    }
}

static uint64_t fill_the_disk(struct library *l, const char *profile)
{
    struct wire_hello hello = made_hello(profile);
    uint64_t next_seq = 0;
    enum status st = library_begin(l, &hello, &next_seq, &err);
    cr_assert_eq(st, STATUS_OK, "%s", err.text);
    uint64_t acked = 0;
    for (uint64_t seq = 1; seq < 100000 && st == STATUS_OK; seq++) {
        const struct wire_batch *batch = made_batch(&made, seq);
        st = library_append(l, profile, batch, made.message.data, made.message.len, &err);
        if (st == STATUS_OK)
            acked = seq;
    }
    cr_assert_eq(st, STATUS_IO, "%s", err.text);
    cr_assert_not_null(strstr(err.text, "disk is full"), "%s", err.text);
    return acked;
}

Test(store_files, acknowledges_nothing_that_a_full_disk_did_not_take)
{
    char path[400];
    if (geteuid() != 0 || mount("none", folder.dir, "tmpfs", 0, "size=1m") != 0)
        cr_skip_test("no tmpfs can be mounted here");
    snprintf(path, sizeof(path), "%s/h.db", folder.dir);
    struct library *l;
    struct library_hold hold;
    cr_assert_eq(open_at(&l, path, false), STATUS_OK, "%s", err.text);
    uint64_t acked = fill_the_disk(l, id);
    cr_assert_gt(acked, 10);
    cr_assert_eq(library_hold(l, id, &hold, &err), STATUS_OK, "%s", err.text);
    cr_assert(made_is_exactly(hold.profile, acked), "memory is what the disk has");
    library_release(l, &hold);
    library_close(l);
    cr_assert_eq(open_at(&l, path, true), STATUS_OK, "%s", err.text);
    cr_assert_eq(library_hold(l, id, &hold, &err), STATUS_OK, "%s", err.text);
    cr_assert(made_is_exactly(hold.profile, acked));
    library_release(l, &hold);
    library_close(l);
}

Test(store_files, goes_on_when_a_full_disk_has_room_again)
{
    char path[400];
    if (geteuid() != 0 || mount("none", folder.dir, "tmpfs", 0, "size=1m") != 0)
        cr_skip_test("no tmpfs can be mounted here");
    snprintf(path, sizeof(path), "%s/h.db", folder.dir);
    struct library *l;
    struct library_hold hold;
    cr_assert_eq(open_at(&l, path, false), STATUS_OK, "%s", err.text);
    uint64_t acked = fill_the_disk(l, id);
    cr_assert_eq(mount("none", folder.dir, "tmpfs", MS_REMOUNT, "size=4m"), 0);
    for (uint64_t seq = acked + 1; seq <= acked + 20; seq++) {
        const struct wire_batch *batch = made_batch(&made, seq);
        cr_assert_eq(library_append(l, id, batch, made.message.data, made.message.len, &err),
                     STATUS_OK, "%s", err.text);
    }
    cr_assert_eq(library_hold(l, id, &hold, &err), STATUS_OK, "%s", err.text);
    cr_assert(made_is_exactly(hold.profile, acked + 20));
    library_release(l, &hold);
    library_close(l);
}
