/* Kills a process that writes the store, with SIGKILL at random moments, and compares what is read
 * afterwards with what had been acknowledged:
 *   - every acknowledged batch is there, each session is whole, without gap or double;
 *   - every finished import is there and whole, an unfinished one leaves nothing to be seen;
 *   - what was deleted stays deleted.
 * Sessions go on after each kill where the store says. Chunks are merged meanwhile.
 *
 * HELIOGRAPH_CRASH_ROUNDS (200) kills. Everything that is counted lives in memory shared with the
 * process that dies. */

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backend/model/apply.h"
#include "backend/store/library.h"
#include "common/base/clock.h"
#include "common/base/ident.h"
#include "tests/unit/store/made_session.h"
#include "tests/unit/store/store_folder.h"

enum { SESSIONS = 4, IMPORTS = 4096, IMPORT_BATCHES = 40, ROUNDS_PER_SESSION = 10 };

enum import_state { IMPORT_NONE, IMPORT_DONE, IMPORT_BEING_DELETED, IMPORT_DELETED };

struct shared {
    atomic_uint_least64_t acked[SESSIONS];
    struct {
        char id[IDENT_CHARS + 1];
        atomic_int state;
    } imports[IMPORTS];
    atomic_uint imports_len;
    atomic_uint_least64_t batches; /* acknowledged in all rounds */
};

static struct shared *shared;
static struct store_folder folder;
static unsigned generation; /* of sessions */

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "crash_store: %s: %s\n", what, why);
    exit(1);
}

static const char *session_id(int i, char out[17])
{
    return made_id(generation * SESSIONS + (unsigned)i + 1, out);
}

/* ---- the process that is killed ---- */

static struct library *library;

static void *collect(void *arg)
{
    int i = (int)(intptr_t)arg;
    char id[17];
    struct made made = {0};
    struct error err;
    uint64_t next_seq = 0;
    struct wire_hello hello = made_hello(session_id(i, id));
    if (library_begin(library, &hello, &next_seq, &err) != STATUS_OK)
        fail("begin", err.text);
    if (next_seq <= atomic_load(&shared->acked[i]))
        fail(id, "an acknowledged batch is wanted again");
    for (uint64_t seq = next_seq;; seq++) {
        const struct wire_batch *batch = made_batch(&made, seq);
        if (library_append(library, id, batch, made.message.data, made.message.len, &err) !=
            STATUS_OK)
            fail("append", err.text);
        atomic_store(&shared->acked[i], seq);
        atomic_fetch_add(&shared->batches, 1);
    }
    return NULL;
}

static struct profile *make_import(void)
{
    struct made made = {0};
    struct profile *p = NULL;
    struct error err;
    if (profile_new(&p) != STATUS_OK)
        fail("import", "no memory");
    for (uint64_t seq = 1; seq <= IMPORT_BATCHES; seq++) {
        if (apply_batch(p, made_batch(&made, seq), &err) != STATUS_OK)
            fail("import", err.text);
    }
    made_deinit(&made);
    return p;
}

static void *import_and_delete(void *arg)
{
    (void)arg;
    struct error err;
    for (unsigned n = atomic_load(&shared->imports_len); n < IMPORTS; n++) {
        char id[IDENT_CHARS + 1];
        if (library_import(library, make_import(), "import", 1, id, &err) != STATUS_OK)
            fail("import", err.text);
        memcpy(shared->imports[n].id, id, sizeof(id));
        atomic_store(&shared->imports[n].state, IMPORT_DONE);
        atomic_store(&shared->imports_len, n + 1);
        if (n % 3 != 0)
            continue;
        atomic_store(&shared->imports[n].state, IMPORT_BEING_DELETED);
        if (library_delete(library, id, &err) != STATUS_OK)
            fail("delete", err.text);
        atomic_store(&shared->imports[n].state, IMPORT_DELETED);
    }
    return NULL;
}

static void *compact(void *arg)
{
    (void)arg;
    struct error err;
    for (;;) {
        if (library_compact(library, &err) != STATUS_OK)
            fail("compact", err.text);
        usleep(1000);
    }
    return NULL;
}

static void write_until_killed(void)
{
    struct error err;
    struct library_options options = {.path = folder.path};
    if (library_open(&library, &options, &err) != STATUS_OK)
        fail("open", err.text);
    pthread_t thread;
    for (int i = 0; i < SESSIONS; i++)
        pthread_create(&thread, NULL, collect, (void *)(intptr_t)i);
    pthread_create(&thread, NULL, import_and_delete, NULL);
    pthread_create(&thread, NULL, compact, NULL);
    for (;;)
        pause();
}

/* ---- the process that looks ---- */

static void check_session(struct library *l, int i, uint64_t *unacked)
{
    char id[17];
    struct error err;
    struct library_hold hold;
    uint64_t acked = atomic_load(&shared->acked[i]);
    enum status st = library_hold(l, session_id(i, id), &hold, &err);
    if (st == STATUS_NOT_FOUND && acked == 0)
        return; /* killed before its begin was stored */
    if (st != STATUS_OK)
        fail(id, err.text);
    uint64_t stored = hold.profile->sets_len ? hold.profile->sets[0].len / MADE_SAMPLES : 0;
    if (hold.profile->notices_len > 0)
        fail(id, "the store says it is damaged");
    if (stored < acked)
        fail(id, "an acknowledged batch is lost");
    if (!made_is_exactly(hold.profile, stored))
        fail(id, "the session is not what was sent");
    *unacked += stored - acked;
    library_release(l, &hold);
}

static void check_import(struct library *l, const char *id)
{
    struct error err;
    struct library_hold hold;
    if (library_hold(l, id, &hold, &err) != STATUS_OK)
        fail(id, err.text);
    if (!made_is_exactly(hold.profile, IMPORT_BATCHES))
        fail(id, "the import is not whole");
    library_release(l, &hold);
}

static void check_imports(struct library *l)
{
    unsigned len = atomic_load(&shared->imports_len);
    for (unsigned n = 0; n < len; n++) {
        struct library_row row;
        struct error err;
        int state = atomic_load(&shared->imports[n].state);
        enum status st = library_row(l, shared->imports[n].id, &row, &err);
        if (st == STATUS_OK)
            library_row_deinit(&row);
        if (state == IMPORT_DONE && st != STATUS_OK)
            fail(shared->imports[n].id, "a finished import is lost");
        if (state == IMPORT_DELETED && st != STATUS_NOT_FOUND)
            fail(shared->imports[n].id, "a deleted profile is back");
        if (state == IMPORT_BEING_DELETED) /* either; but from now on as it is */
            atomic_store(&shared->imports[n].state, st == STATUS_OK ? IMPORT_DONE : IMPORT_DELETED);
    }
    /* Whatever is listed is whole, also the one whose id was not yet noted. */
    struct library_query query = {.limit = 20};
    struct library_row *rows = NULL;
    size_t rows_len = 0;
    char next[64];
    if (library_list(l, &query, &rows, &rows_len, next, NULL) != STATUS_OK)
        fail("list", "cannot be read");
    for (size_t i = 0; i < rows_len; i++) {
        if (rows[i].state == LIBRARY_IMPORTED)
            check_import(l, rows[i].id);
    }
    library_rows_free(rows, rows_len);
}

static uint64_t check_all(void)
{
    struct library *l = NULL;
    struct error err;
    uint64_t unacked = 0;
    struct library_options options = {.path = folder.path};
    if (library_open(&l, &options, &err) != STATUS_OK)
        fail("open after a kill", err.text);
    for (int i = 0; i < SESSIONS; i++)
        check_session(l, i, &unacked);
    check_imports(l);
    library_close(l);
    if (store_folder_number(folder.path, "SELECT count(*) FROM pragma_quick_check "
                                         "WHERE quick_check != 'ok'") != 0)
        fail("the file", "does not pass SQLite's check");
    return unacked;
}

static int rounds_wanted(void)
{
    const char *text = getenv("HELIOGRAPH_CRASH_ROUNDS");
    int rounds = text ? atoi(text) : 0;
    return rounds > 0 ? rounds : 200;
}

int main(void)
{
    uint64_t unacked = 0;
    int rounds = rounds_wanted();
    unsigned seed = (unsigned)clock_unix_ns();
    srand(seed);
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        fail("shared memory", "none");
    store_folder_make(&folder);
    for (int round = 0; round < rounds; round++) {
        if (round % ROUNDS_PER_SESSION == 0) {
            generation++;
            for (int i = 0; i < SESSIONS; i++)
                atomic_store(&shared->acked[i], 0);
        }
        pid_t child = fork();
        if (child == 0)
            write_until_killed();
        /* From before the store is open to well within merging. */
        usleep((useconds_t)(rand() % 150000) + 1000);
        int status = 0;
        kill(child, SIGKILL);
        waitpid(child, &status, 0);
        if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
            fail("the writing process", "it ended by itself");
        unacked += check_all();
    }
    printf("crash_store: %d kills (seed %u), %llu acknowledged batches, 0 lost; %u imports whole; "
           "%llu batches stored but not yet acknowledged\n",
           rounds, seed, (unsigned long long)atomic_load(&shared->batches),
           atomic_load(&shared->imports_len), (unsigned long long)unacked);
    store_folder_remove(&folder);
    return 0;
}
