/* Many threads on one library at once: for ThreadSanitizer (and the others). Criterion does not
 * run under TSan, hence a plain program. HELIOGRAPH_STRESS_MS (1500) says how long. */

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/model/apply.h"
#include "backend/store/inside.h"
#include "backend/store/library.h"
#include "common/base/clock.h"
#include "common/base/ident.h"
#include "tests/unit/store/made_session.h"
#include "tests/unit/store/store_folder.h"

enum { SESSIONS = 6, HOLDERS = 3, IMPORT_BATCHES = 10 };

static struct library *library;
static atomic_bool is_over;
static atomic_uint_least64_t appended[SESSIONS];
static atomic_uint_least64_t held, waited, imported, deleted;

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "stress_library: %s: %s\n", what, why);
    abort();
}

static void *append_batches(void *arg)
{
    int i = (int)(intptr_t)arg;
    char id[17];
    struct made made = {0};
    struct error err;
    made_id((unsigned)i + 1, id);
    for (uint64_t seq = 1; !atomic_load(&is_over); seq++) {
        const struct wire_batch *batch = made_batch(&made, seq);
        if (library_append(library, id, batch, made.message.data, made.message.len, &err) !=
            STATUS_OK)
            fail("append", err.text);
        atomic_store(&appended[i], seq);
        /* Now and then the collector goes away and comes back. */
        if (seq % 50 == 0) {
            uint64_t next_seq = 0;
            struct wire_hello hello = made_hello(id);
            if (library_end(library, id, LIBRARY_INTERRUPTED, NULL, &err) != STATUS_OK ||
                library_begin(library, &hello, &next_seq, &err) != STATUS_OK || next_seq != seq + 1)
                fail("resume", err.text);
        }
    }
    made_deinit(&made);
    return NULL;
}

/* Two profiles at once, in any order, and now and then the same one twice: as a diff does. */
static void *hold_profiles(void *arg)
{
    unsigned random = (unsigned)(intptr_t)arg;
    while (!atomic_load(&is_over)) {
        struct library_hold a;
        struct library_hold b;
        struct error err;
        char id_a[17];
        char id_b[17];
        random = random * 1103515245 + 12345;
        unsigned first = random / 65536 % SESSIONS;
        unsigned second = random / 1024 % SESSIONS;
        uint64_t at_least = atomic_load(&appended[first]);
        if (library_hold(library, made_id(first + 1, id_a), &a, &err) != STATUS_OK ||
            library_hold(library, made_id(second + 1, id_b), &b, &err) != STATUS_OK)
            fail("hold", err.text);
        uint64_t stored = a.profile->sets_len ? a.profile->sets[0].len / MADE_SAMPLES : 0;
        if (stored < at_least)
            fail("hold", "an acknowledged batch is not to be seen");
        if (random % 16 == 0 && !made_is_exactly(a.profile, stored))
            fail("hold", "the profile is not what was sent");
        library_release(library, &b);
        library_release(library, &a);
        atomic_fetch_add(&held, 1);
    }
    return NULL;
}

static void *wait_for_changes(void *arg)
{
    uint64_t revision = 0;
    (void)arg;
    while (!atomic_load(&is_over)) {
        char id[17];
        uint64_t now = 0;
        enum library_state state;
        struct error err;
        if (library_wait(library, made_id(1, id), revision, 50, &now, &state, &err) != STATUS_OK)
            fail("wait", err.text);
        if (now < revision)
            fail("wait", "the revision went back");
        revision = now;
        atomic_fetch_add(&waited, 1);
    }
    return NULL;
}

static void *import_rename_delete(void *arg)
{
    (void)arg;
    while (!atomic_load(&is_over)) {
        struct made made = {0};
        struct profile *p = NULL;
        struct error err;
        char id[IDENT_CHARS + 1];
        if (profile_new(&p) != STATUS_OK)
            fail("import", "no memory");
        for (uint64_t seq = 1; seq <= IMPORT_BATCHES; seq++) {
            if (apply_batch(p, made_batch(&made, seq), &err) != STATUS_OK)
                fail("import", err.text);
        }
        made_deinit(&made);
        if (library_import(library, p, "import", 1, id, &err) != STATUS_OK ||
            library_rename(library, id, "renamed", NULL, &err) != STATUS_OK ||
            library_set_summary(library, id, "summary", &err) != STATUS_OK)
            fail("import", err.text);
        if (atomic_fetch_add(&imported, 1) % 2 == 0) {
            if (library_delete(library, id, &err) != STATUS_OK)
                fail("delete", err.text);
            atomic_fetch_add(&deleted, 1);
        }
    }
    return NULL;
}

static void *list_and_care(void *arg)
{
    (void)arg;
    while (!atomic_load(&is_over)) {
        struct library_query query = {.limit = 10};
        struct library_row *rows = NULL;
        struct library_stats stats;
        struct error err;
        size_t len = 0;
        char next[64];
        if (library_list(library, &query, &rows, &len, next, &err) != STATUS_OK ||
            library_compact(library, &err) != STATUS_OK)
            fail("list", err.text);
        library_rows_free(rows, len);
        library_stats(library, &stats);
    }
    return NULL;
}

static void check_afterwards(void)
{
    struct error err;
    struct library_hold hold;
    for (unsigned i = 0; i < SESSIONS; i++) {
        char id[17];
        if (library_hold(library, made_id(i + 1, id), &hold, &err) != STATUS_OK)
            fail("hold afterwards", err.text);
        if (!made_is_exactly(hold.profile, atomic_load(&appended[i])))
            fail(id, "the session is not what was sent");
        library_release(library, &hold);
    }
}

int main(void)
{
    struct store_folder folder;
    struct error err;
    const char *text = getenv("HELIOGRAPH_STRESS_MS");
    int ms = text ? atoi(text) : 1500;
    store_folder_make(&folder);
    /* A small cache, so that profiles come and go all the time. */
    struct library_options options = {.path = folder.path, .resident_bytes = 64 << 10};
    if (library_open(&library, &options, &err) != STATUS_OK)
        fail("open", err.text);
    library->unseen_after_ns = 20000; /* live sessions lose their samples to the disk, too */
    for (unsigned i = 0; i < SESSIONS; i++) {
        char id[17];
        uint64_t next_seq = 0;
        struct wire_hello hello = made_hello(made_id(i + 1, id));
        if (library_begin(library, &hello, &next_seq, &err) != STATUS_OK)
            fail("begin", err.text);
    }

    pthread_t threads[SESSIONS + HOLDERS + 3];
    size_t n = 0;
    for (int i = 0; i < SESSIONS; i++)
        pthread_create(&threads[n++], NULL, append_batches, (void *)(intptr_t)i);
    for (int i = 0; i < HOLDERS; i++)
        pthread_create(&threads[n++], NULL, hold_profiles, (void *)(intptr_t)(i + 1));
    pthread_create(&threads[n++], NULL, wait_for_changes, NULL);
    pthread_create(&threads[n++], NULL, import_rename_delete, NULL);
    pthread_create(&threads[n++], NULL, list_and_care, NULL);
    usleep((useconds_t)ms * 1000);
    atomic_store(&is_over, true);
    for (size_t i = 0; i < n; i++)
        pthread_join(threads[i], NULL);

    check_afterwards();
    library_close(library);
    if (library_open(&library, &options, &err) != STATUS_OK)
        fail("open again", err.text);
    check_afterwards();
    library_close(library);
    uint64_t batches = 0;
    for (int i = 0; i < SESSIONS; i++)
        batches += atomic_load(&appended[i]);
    printf("stress_library: %llu batches, %llu holds, %llu waits, %llu imports, %llu deletes\n",
           (unsigned long long)batches, (unsigned long long)held, (unsigned long long)waited,
           (unsigned long long)imported, (unsigned long long)deleted);
    store_folder_remove(&folder);
    return batches > 0 && held > 0 && imported > 0 ? 0 : 1;
}
