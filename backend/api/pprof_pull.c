/* GET /debug/pprof/...: a program that is being watched, asked as Go programs are asked, so that
 * `go tool pprof http://HOST/debug/pprof/profile?seconds=5` works. */

#include <stdlib.h>
#include <string.h>

#include "backend/api/inside.h"
#include "backend/formats/format.h"
#include "common/base/clock.h"

enum { MAX_SECONDS = 120, USUAL_SECONDS = 10, MAX_PULLS = 4, STEP_NS = 100000000 };

/* ---- which program ---- */

static enum status list_live(struct api_server *s, struct library_row **rows, size_t *len,
                             struct error *err)
{
    struct library_query query = {.limit = 500};
    char next[64];
    enum status st = library_list(s->library, &query, rows, len, next, err);
    size_t kept = 0;
    for (size_t i = 0; st == STATUS_OK && i < *len; i++) {
        if ((*rows)[i].state == LIBRARY_LIVE)
            (*rows)[kept++] = (*rows)[i];
        else
            library_row_deinit(&(*rows)[i]);
    }
    *len = st == STATUS_OK ? kept : 0;
    return st;
}

/* The one that `profile=` names, else the only one that is watched now. */
static enum status choose(struct api_server *s, struct http_request *r, char id[24],
                          struct error *err)
{
    const char *wanted = http_query(r, "profile");
    struct library_row *rows = NULL;
    size_t len = 0;
    if (wanted) {
        if (!ident_is_valid(wanted, IDENT_CHARS))
            return error_set(err, STATUS_NOT_FOUND, "there is no profile \"%.40s\"", wanted);
        memcpy(id, wanted, IDENT_CHARS + 1);
        return STATUS_OK;
    }
    enum status st = list_live(s, &rows, &len, err);
    if (st == STATUS_OK && len == 0)
        st = error_set(err, STATUS_NOT_FOUND, "no program is being watched");
    else if (st == STATUS_OK && len > 1)
        st = error_set(err, STATUS_INVALID,
                       "%zu programs are being watched: which? (profile=ID; /debug/pprof/ lists "
                       "them)",
                       len);
    else if (st == STATUS_OK)
        memcpy(id, rows[0].id, sizeof(rows[0].id));
    library_rows_free(rows, len);
    return st;
}

/* ---- a part of a profile ---- */

static bool is_heap(const struct profile *p, const struct sample_set *set)
{
    return strcmp(strtab_text(&p->tables.strings, set->name), "heap") == 0;
}

/* The first row at `time_ns` or later: rows are in order of time. */
static size_t first_at(const struct sample_set *set, uint64_t time_ns)
{
    size_t low = 0;
    size_t high = set->len;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (set->time_ns && set->time_ns[middle] < time_ns)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void cut(struct sample_set *set, uint64_t from_ns)
{
    if (!set->has_time)
        return;
    size_t first = set->time_ns ? first_at(set, from_ns) : 0;
    set->len -= first;
    set->cap = set->len;
    set->time_ns = set->time_ns ? set->time_ns + first : NULL;
    set->thread = set->thread ? set->thread + first : NULL;
    set->stack = set->stack ? set->stack + first : NULL;
    set->label_set = set->label_set ? set->label_set + first : NULL;
    set->state = set->state ? set->state + first : NULL;
    for (size_t i = 0; i < set->values_len; i++)
        set->values[i].value = set->values[i].value ? set->values[i].value + first : NULL;
}

/* A view of the sets of one kind from a moment on; the caller frees view->sets. */
static enum status look_at(const struct profile *p, bool wants_heap, uint64_t from_ns,
                           struct profile *view, struct error *err)
{
    *view = *p;
    view->sets = calloc(p->sets_len ? p->sets_len : 1, sizeof(*view->sets));
    view->sets_len = 0;
    if (!view->sets)
        return error_set(err, STATUS_NO_MEMORY, "no memory for the profile");
    for (size_t i = 0; i < p->sets_len; i++) {
        if (is_heap(p, &p->sets[i]) != wants_heap)
            continue;
        view->sets[view->sets_len] = p->sets[i];
        cut(&view->sets[view->sets_len++], from_ns);
    }
    if (p->start_unix_ns)
        view->start_unix_ns = p->start_unix_ns + from_ns;
    view->duration_ns = p->duration_ns > from_ns ? p->duration_ns - from_ns : 0;
    if (view->sets_len > 0)
        return STATUS_OK;
    free(view->sets);
    return error_set(err, STATUS_NOT_FOUND, "%s",
                     wants_heap ? "this program is watched without --memory"
                                : "this profile has no stacks");
}

/* ---- answers ---- */

static enum status write_pprof(struct api_server *s, const char *id, bool wants_heap,
                               uint64_t from_ns, struct buf *out, struct error *err)
{
    struct library_hold hold;
    struct profile view;
    struct buf lost;
    enum status st = library_hold(s->library, id, &hold, err);
    if (st != STATUS_OK)
        return st;
    buf_init(&lost, 1 << 20);
    st = look_at(hold.profile, wants_heap, from_ns, &view, err);
    if (st == STATUS_OK) {
        st = format_by_name("pprof")->write(&view, out, &lost, err);
        free(view.sets);
    }
    buf_deinit(&lost);
    library_release(s->library, &hold);
    return st == STATUS_OK ? buf_status(out) : st;
}

static enum status duration_of(struct api_server *s, const char *id, uint64_t *ns,
                               struct error *err)
{
    struct library_hold hold;
    enum status st = library_hold(s->library, id, &hold, err);
    if (st != STATUS_OK)
        return st;
    *ns = hold.profile->duration_ns + 1; /* behind the last sample that is there */
    library_release(s->library, &hold);
    return STATUS_OK;
}

static enum status wait_for(struct api_server *s, uint64_t seconds, struct error *err)
{
    uint64_t until = clock_monotonic_ns() + seconds * 1000000000ULL;
    while (clock_monotonic_ns() < until) {
        if (http_is_stopping(s->http))
            return error_set(err, STATUS_BUSY, "the server is closing");
        uint64_t step = clock_monotonic_ns() + STEP_NS;
        clock_sleep_until(step < until ? step : until);
    }
    return STATUS_OK;
}

static void answer(struct http_request *r, enum status st, struct buf *out, const struct error *err)
{
    if (st == STATUS_OK) {
        http_add_header(r, "Content-Disposition", "attachment; filename=\"profile\"");
        http_reply(r, 200, "application/octet-stream", out->data, out->len);
    } else {
        http_fail(r, err);
    }
    buf_deinit(out);
}

/* The window begins now and ends `seconds` later; 0 = everything there is already. */
void api_pprof_profile(struct http_request *r, void *ctx)
{
    struct api_server *s = ctx;
    struct error err = {0};
    struct buf out;
    char id[24];
    uint64_t seconds = USUAL_SECONDS;
    uint64_t from_ns = 0;
    buf_init(&out, 0);
    enum status st = ask_u64("seconds", http_query(r, "seconds"), MAX_SECONDS, &seconds, &err);
    if (st == STATUS_OK)
        st = choose(s, r, id, &err);
    if (st == STATUS_OK && seconds > 0)
        st = duration_of(s, id, &from_ns, &err);
    /* Each of these keeps a thread; there must be some left for others. */
    if (atomic_fetch_add(&s->pulls, 1) >= MAX_PULLS && st == STATUS_OK)
        st = error_set(&err, STATUS_BUSY, "%d others wait for a profile already", MAX_PULLS);
    if (st == STATUS_OK)
        st = wait_for(s, seconds, &err);
    atomic_fetch_sub(&s->pulls, 1);
    if (st == STATUS_OK)
        st = write_pprof(s, id, false, from_ns, &out, &err);
    answer(r, st, &out, &err);
}

void api_pprof_heap(struct http_request *r, void *ctx)
{
    struct api_server *s = ctx;
    struct error err = {0};
    struct buf out;
    char id[24];
    buf_init(&out, 0);
    enum status st = choose(s, r, id, &err);
    if (st == STATUS_OK)
        st = write_pprof(s, id, true, 0, &out, &err);
    answer(r, st, &out, &err);
}

void api_pprof_index(struct http_request *r, void *ctx)
{
    struct api_server *s = ctx;
    struct error err = {0};
    struct library_row *rows = NULL;
    size_t len = 0;
    if (list_live(s, &rows, &len, &err) != STATUS_OK) {
        http_fail(r, &err);
        return;
    }
    struct buf body;
    buf_init(&body, 0);
    buf_put_text(&body, "/debug/pprof/profile?seconds=10&profile=ID\n/debug/pprof/heap?profile=ID\n"
                        "\nprograms being watched:\n");
    for (size_t i = 0; i < len; i++) {
        buf_printf(&body, "%s  ", rows[i].id);
        for (const char *c = rows[i].name; *c; c++)
            buf_put_byte(&body, (unsigned char)*c < 0x20 ? '?' : (uint8_t)*c);
        buf_put_byte(&body, '\n');
    }
    library_rows_free(rows, len);
    http_reply(r, 200, "text/plain; charset=utf-8", body.data, body.len);
    buf_deinit(&body);
}
