/* Whatever a collector sends: the server must not break, and what it acknowledged must be read back
 * whole, also after its chunks were merged. The input is messages, each after its length (u32,
 * little endian), as in a .heliograph file without its first line. */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/ingest/ingest.h"

enum { MAX_MESSAGES = 64, MAX_BYTES = 1 << 16 };

static struct library *library;
static struct ingest *hub;
static char folder[64];

static void clean_up(void)
{
    static const char *const endings[] = {"", "-wal", "-shm", ".lock"};
    char path[128];
    ingest_free(hub);
    library_close(library);
    for (size_t i = 0; i < 4; i++) {
        snprintf(path, sizeof(path), "%s/h.db%s", folder, endings[i]);
        unlink(path);
    }
    rmdir(folder);
}

/* In memory where there is such a place, since every batch is synced. */
static void open_store(void)
{
    char path[128];
    snprintf(folder, sizeof(folder), "/dev/shm/heliograph-fuzz-XXXXXX");
    if (!mkdtemp(folder)) {
        snprintf(folder, sizeof(folder), "/tmp/heliograph-fuzz-XXXXXX");
        if (!mkdtemp(folder))
            abort();
    }
    snprintf(path, sizeof(path), "%s/h.db", folder);
    /* Nothing stays decoded: every hold reads the disk. */
    struct library_options options = {.path = path, .resident_bytes = 1};
    struct ingest_options in = {.base_url = "http://127.0.0.1:7700"};
    if (library_open(&library, &options, NULL) != STATUS_OK)
        abort();
    in.library = library;
    if (ingest_new(&hub, &in, NULL) != STATUS_OK)
        abort();
    atexit(clean_up);
}

static bool ignore_reply(void *ctx, const uint8_t *message, size_t len)
{
    (void)ctx;
    (void)message;
    (void)len;
    return true;
}

static struct ingest_peer *open_peer(void)
{
    struct ingest_peer *peer = NULL;
    if (ingest_open(hub, ignore_reply, NULL, true, &peer, NULL) != STATUS_OK)
        abort();
    return peer;
}

/* A connection that was refused something is closed, and the collector comes back. */
static void converse(const uint8_t *data, size_t len)
{
    struct ingest_peer *peer = open_peer();
    for (int n = 0; n < MAX_MESSAGES && len >= 4; n++) {
        size_t size = (size_t)data[0] | (size_t)data[1] << 8 | (size_t)data[2] << 16;
        data += 4;
        len -= 4;
        if (size > len)
            size = len;
        /* A copy of just this size, so that a sanitizer sees a read past its end. */
        uint8_t *message = malloc(size ? size : 1);
        if (!message)
            abort();
        if (size)
            memcpy(message, data, size);
        if (ingest_message(peer, message, size, NULL) != STATUS_OK) {
            ingest_close(peer);
            peer = open_peer();
        }
        free(message);
        data += size;
        len -= size;
    }
    ingest_close(peer);
}

static uint64_t count_rows(const struct profile *p)
{
    uint64_t rows = p->tables.stacks_len + p->tables.strings.len + p->spans_len + p->lines_len;
    for (size_t i = 0; i < p->sets_len; i++)
        rows += p->sets[i].len;
    for (size_t i = 0; i < p->series_len; i++)
        rows += p->series[i].len;
    return rows;
}

static uint64_t read_whole(const char *id)
{
    struct library_hold hold;
    if (library_hold(library, id, &hold, NULL) != STATUS_OK)
        abort();
    const struct profile *p = hold.profile;
    for (size_t i = 0; i < p->notices_len; i++) {
        const char *code = strtab_text(&p->tables.strings, p->notices[i].code);
        if (p->notices[i].severity == 2 && strcmp(code, "damaged") == 0 &&
            strstr(strtab_text(&p->tables.strings, p->notices[i].text), "cannot be read"))
            abort();
    }
    uint64_t rows = count_rows(p);
    library_release(library, &hold);
    return rows;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct library_query query = {.limit = 500};
    struct library_row *rows = NULL;
    size_t rows_len = 0;
    uint64_t before[500];
    char next[64];
    if (len > MAX_BYTES)
        return 0;
    if (!library)
        open_store();
    converse(data, len);
    if (library_list(library, &query, &rows, &rows_len, next, NULL) != STATUS_OK)
        abort();
    for (size_t i = 0; i < rows_len; i++)
        before[i] = read_whole(rows[i].id);
    if (rows_len > 0 && library_compact(library, NULL) != STATUS_OK)
        abort();
    for (size_t i = 0; i < rows_len; i++) {
        if (read_whole(rows[i].id) != before[i])
            abort();
        if (library_delete(library, rows[i].id, NULL) != STATUS_OK)
            abort();
    }
    library_rows_free(rows, rows_len);
    return 0;
}
