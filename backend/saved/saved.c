/* The profile inside a saved page: this folder with model/ and query/ is compiled to WebAssembly,
 * and the page (frontend/src/api/saved.ts) asks it what it would ask a server. One profile, one
 * caller, one answer at a time. */

#include "backend/saved/saved.h"

#include <stdlib.h>
#include <string.h>

#include "backend/formats/heliograph.h"
#include "backend/query/about.h"
#include "backend/query/ask.h"
#include "backend/query/summary.h"
#include "common/base/arena.h"
#include "common/base/json_out.h"

enum { MOST_PARAMS = 32 };

/* The question as it lies in the room: its name, then names and values by turns, each ended by a
 * NUL. */
struct params {
    const char *question;
    struct {
        const char *name, *value;
    } items[MOST_PARAMS];
    size_t len;
};

static uint8_t *room;
static size_t room_len;
static struct profile *profile;
static struct query_cache *cache;
static struct buf answer;

uint8_t *saved_room(size_t len)
{
    free(room);
    room = malloc(len + 1);
    room_len = room ? len : 0;
    if (room)
        room[len] = 0;
    return room;
}

const uint8_t *saved_answer(void)
{
    return answer.data;
}

size_t saved_answer_len(void)
{
    return answer.len;
}

/* The answer is why not. */
static enum saved_result fail(enum status st, const struct error *err)
{
    struct json_out j;
    buf_clear(&answer);
    json_out_init(&j, &answer);
    json_out_object(&j);
    json_out_key(&j, "code");
    json_out_text(&j, status_name(st));
    json_out_key(&j, "message");
    json_out_text(&j, err->text[0] ? err->text : "no memory for the answer");
    json_out_end(&j);
    return st == STATUS_NOT_FOUND ? SAVED_NOT_FOUND : SAVED_REFUSED;
}

enum saved_result saved_open(void)
{
    struct error err = {0};
    struct format_options options = {0};
    struct format_input in = {.data = room, .len = room_len};
    enum status st = profile_new(&profile);
    if (st == STATUS_OK)
        st = format_heliograph.read(&in, &options, profile, &err);
    if (st == STATUS_OK)
        st = profile_finish(profile);
    cache = query_cache_new();
    buf_clear(&answer);
    saved_room(0);
    return st == STATUS_OK ? SAVED_JSON : fail(st, &err);
}

static bool split(struct params *p)
{
    const char *at = (const char *)room;
    const char *end = at + room_len;
    p->question = at;
    for (at += strlen(at) + 1; at < end;) {
        if (p->len == MOST_PARAMS)
            return false;
        const char *name = at;
        at += strlen(at) + 1;
        p->items[p->len].name = name;
        p->items[p->len++].value = at < end ? at : "";
        at += at < end ? strlen(at) + 1 : 0;
    }
    return true;
}

static const char *param_of(void *ctx, const char *name)
{
    const struct params *p = ctx;
    for (size_t i = 0; i < p->len; i++) {
        if (strcmp(p->items[i].name, name) == 0)
            return p->items[i].value;
    }
    return NULL;
}

static enum status read_filter(struct query_filter *f, struct arena *arena, const struct params *p,
                               struct error *err)
{
    enum status st = STATUS_OK;
    for (size_t i = 0; i < p->len && st == STATUS_OK; i++) {
        bool is_known;
        if (strcmp(p->items[i].name, "process") != 0 || strcmp(p->items[i].value, "all") != 0)
            st = filter_set(f, arena, p->items[i].name, p->items[i].value, &is_known, err);
    }
    return st;
}

static enum status tell_about(void)
{
    struct buf summary;
    buf_init(&summary, 0);
    enum status st = summary_write(profile, cache, &summary);
    struct about a = {.id = "saved",
                      .name = strtab_text(&profile->tables.strings, profile->name),
                      .state = "imported",
                      .revision = 1,
                      .summary = (const char *)summary.data,
                      .summary_len = summary.len};
    if (st == STATUS_OK)
        st = about_write_json(&a, profile, &answer);
    buf_deinit(&summary);
    return st;
}

enum saved_result saved_ask(void)
{
    struct error err = {0};
    struct params params = {0};
    struct arena *arena = arena_new();
    struct ask a = {
        .profile = profile, .cache = cache, .revision = 1, .param = param_of, .ctx = &params};
    bool is_binary = false;
    buf_clear(&answer);
    enum status st = arena ? STATUS_OK : STATUS_NO_MEMORY;
    if (st == STATUS_OK && !split(&params))
        st = error_set(&err, STATUS_INVALID, "more than %d parameters", MOST_PARAMS);
    if (st == STATUS_OK)
        st = read_filter(&a.filter, arena, &params, &err);
    if (st == STATUS_OK)
        st = strcmp(params.question, "profile") == 0
                 ? tell_about()
                 : ask_answer(&a, params.question, &answer, &is_binary, &err);
    arena_free(arena);
    if (st != STATUS_OK)
        return fail(st, &err);
    return is_binary ? SAVED_BINARY : SAVED_JSON;
}
