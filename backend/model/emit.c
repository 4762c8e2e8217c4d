#include <stdlib.h>
#include <string.h>

#include "backend/model/apply.h"
#include "backend/model/emit_parts.h"

static enum status begin_batch(struct emitter *e)
{
    arena_free(e->arena);
    e->arena = arena_new();
    if (!e->arena)
        return STATUS_NO_MEMORY;
    e->sets = arena_take(e->arena, EMIT_LIST * sizeof(*e->sets));
    e->metrics = arena_take(e->arena, EMIT_LIST * sizeof(*e->metrics));
    e->samples = arena_take(e->arena, EMIT_LIST * sizeof(*e->samples));
    e->points = arena_take(e->arena, EMIT_LIST * sizeof(*e->points));
    e->lines = arena_take(e->arena, EMIT_LIST * sizeof(*e->lines));
    if (!e->sets || !e->metrics || !e->samples || !e->points || !e->lines)
        return STATUS_NO_MEMORY;
    e->batch = (struct wire_batch){
        .seq = e->seq + 1,
        .end_ns = e->p->duration_ns,
        .sets = e->sets,
        .metrics = e->metrics,
        .samples = e->samples,
        .points = e->points,
        .lines = e->lines,
    };
    e->rows_left = EMIT_ROWS;
    e->bytes_left = EMIT_BYTES;
    e->is_empty = true;
    return STATUS_OK;
}

static enum status put_message(struct emitter *e, enum status encoded)
{
    if (encoded != STATUS_OK)
        return encoded;
    return e->put(e->ctx, e->message.data, e->message.len);
}

enum status emit_flush(struct emitter *e)
{
    if (e->is_empty)
        return STATUS_OK;
    buf_clear(&e->message);
    enum status st = put_message(e, e->is_plain ? wire_encode_batch_plain(&e->message, &e->batch)
                                                : wire_encode_batch(&e->message, &e->batch));
    if (st != STATUS_OK)
        return st;
    e->seq++;
    return begin_batch(e);
}

enum status emit_rows(struct emitter *e, size_t want, size_t *got)
{
    if (e->rows_left == 0) {
        enum status st = emit_flush(e);
        if (st != STATUS_OK)
            return st;
    }
    *got = want < e->rows_left ? want : e->rows_left;
    e->rows_left -= *got;
    e->is_empty = false;
    return STATUS_OK;
}

enum status emit_room(struct emitter *e, size_t rows, size_t bytes)
{
    if (rows > e->rows_left || bytes > e->bytes_left) {
        enum status st = emit_flush(e);
        if (st != STATUS_OK)
            return st;
    }
    e->rows_left -= rows < e->rows_left ? rows : e->rows_left;
    e->bytes_left -= bytes < e->bytes_left ? bytes : e->bytes_left;
    e->is_empty = false;
    return STATUS_OK;
}

struct wire_bytes emit_text(const struct emitter *e, uint32_t string)
{
    const struct strtab *strings = &e->p->tables.strings;
    return (struct wire_bytes){strtab_text(strings, string), strtab_len(strings, string)};
}

/* ---- tables ---- */

/* Strings that rows refer to; texts of sources, names of counters and the like travel as bytes. */
static void mark_strings(struct emitter *e)
{
    const struct profile *p = e->p;
    const struct tables *t = &p->tables;
    for (size_t i = 0; i < t->functions_len; i++) {
        e->wire_string[t->functions[i].name] = 1;
        e->wire_string[t->functions[i].file] = 1;
        e->wire_string[t->functions[i].module] = 1;
    }
    for (size_t i = 0; i < t->labels_len; i++) {
        e->wire_string[t->labels[i].key] = 1;
        e->wire_string[t->labels[i].value] = 1;
        e->wire_string[t->labels[i].unit] = 1;
    }
    for (size_t i = 0; i < p->spans_len; i++)
        e->wire_string[p->spans[i].name] = 1;
    for (size_t i = 0; i < p->sources_len; i++)
        e->wire_string[p->sources[i].file] = 1;
    e->wire_string[0] = 0;
}

static enum status emit_strings(struct emitter *e)
{
    const struct strtab *strings = &e->p->tables.strings;
    struct wire_bytes *rows = NULL;
    mark_strings(e);
    e->strings = 1;
    for (uint32_t id = 1; id < strings->len; id++) {
        if (!e->wire_string[id])
            continue;
        enum status st = emit_room(e, 1, strtab_len(strings, id));
        if (st != STATUS_OK)
            return st;
        if (!rows || e->batch.strings_len == 0) {
            rows = arena_take(e->arena, EMIT_ROWS * sizeof(*rows));
            if (!rows)
                return STATUS_NO_MEMORY;
            e->batch.first_string = e->strings;
            e->batch.strings = rows;
        }
        rows[e->batch.strings_len++] = emit_text(e, id);
        e->wire_string[id] = (uint32_t)e->strings++;
    }
    return STATUS_OK;
}

static enum status emit_functions(struct emitter *e)
{
    const struct tables *t = &e->p->tables;
    for (size_t at = 1, got; at < t->functions_len; at += got) {
        enum status st = emit_rows(e, t->functions_len - at, &got);
        if (st != STATUS_OK)
            return st;
        struct wire_function *rows = arena_take(e->arena, got * sizeof(*rows));
        if (!rows)
            return STATUS_NO_MEMORY;
        for (size_t i = 0; i < got; i++) {
            rows[i] = t->functions[at + i];
            rows[i].name = e->wire_string[rows[i].name];
            rows[i].file = e->wire_string[rows[i].file];
            rows[i].module = e->wire_string[rows[i].module];
        }
        e->batch.first_function = at;
        e->batch.functions = rows;
        e->batch.functions_len = got;
    }
    return STATUS_OK;
}

static enum status emit_stacks(struct emitter *e)
{
    const struct tables *t = &e->p->tables;
    for (size_t at = 1, got; at < t->frames_len; at += got) {
        enum status st = emit_rows(e, t->frames_len - at, &got);
        if (st != STATUS_OK)
            return st;
        e->batch.first_frame = at;
        e->batch.frames = t->frames + at;
        e->batch.frames_len = got;
    }
    for (size_t at = 1, got; at < t->stacks_len; at += got) {
        enum status st = emit_rows(e, t->stacks_len - at, &got);
        if (st != STATUS_OK)
            return st;
        e->batch.first_stack = at;
        e->batch.stacks = t->stacks + at;
        e->batch.stacks_len = got;
    }
    return STATUS_OK;
}

static enum status emit_processes(struct emitter *e)
{
    const struct tables *t = &e->p->tables;
    struct wire_process *rows = NULL;
    for (size_t i = 0; i < t->processes_len; i++) {
        const struct model_process *from = &t->processes[i];
        struct wire_bytes command = emit_text(e, from->command);
        struct wire_bytes runtime = emit_text(e, from->runtime);
        enum status st = emit_room(e, 1, command.len + runtime.len);
        if (st != STATUS_OK)
            return st;
        if (!rows || e->batch.processes_len == 0) {
            rows = arena_take(e->arena, EMIT_ROWS * sizeof(*rows));
            if (!rows)
                return STATUS_NO_MEMORY;
            e->batch.first_process = i;
            e->batch.processes = rows;
        }
        rows[e->batch.processes_len++] = (struct wire_process){
            .index = (uint32_t)i,
            .pid = from->pid,
            .parent_pid = from->parent_pid,
            .command = command,
            .runtime = runtime,
            .start_ns = from->start_ns,
            .end_ns = from->end_ns,
        };
    }
    return STATUS_OK;
}

static enum status emit_threads(struct emitter *e)
{
    const struct tables *t = &e->p->tables;
    struct wire_thread *rows = NULL;
    for (size_t i = 0; i < t->threads_len; i++) {
        const struct model_thread *from = &t->threads[i];
        struct wire_bytes name = emit_text(e, from->name);
        enum status st = emit_room(e, 1, name.len);
        if (st != STATUS_OK)
            return st;
        if (!rows || e->batch.threads_len == 0) {
            rows = arena_take(e->arena, EMIT_ROWS * sizeof(*rows));
            if (!rows)
                return STATUS_NO_MEMORY;
            e->batch.first_thread = i;
            e->batch.threads = rows;
        }
        rows[e->batch.threads_len++] = (struct wire_thread){
            .index = (uint32_t)i, .process = from->process, .tid = from->tid, .name = name};
    }
    return STATUS_OK;
}

static enum status emit_label_sets(struct emitter *e)
{
    const struct tables *t = &e->p->tables;
    struct wire_label_set *rows = NULL;
    for (size_t i = 1; i < t->label_sets_len; i++) {
        const struct model_label_set *from = &t->label_sets[i];
        enum status st = emit_room(e, 1 + from->len, 0);
        if (st != STATUS_OK)
            return st;
        if (!rows || e->batch.label_sets_len == 0) {
            rows = arena_take(e->arena, EMIT_ROWS * sizeof(*rows));
            if (!rows)
                return STATUS_NO_MEMORY;
            e->batch.first_label_set = i;
            e->batch.label_sets = rows;
        }
        uint32_t *columns = arena_take(e->arena, 3 * from->len * sizeof(*columns));
        if (!columns)
            return STATUS_NO_MEMORY;
        for (size_t k = 0; k < from->len; k++) {
            const struct model_label *label = &t->labels[from->first + k];
            columns[k] = e->wire_string[label->key];
            columns[from->len + k] = e->wire_string[label->value];
            columns[2 * from->len + k] = e->wire_string[label->unit];
        }
        rows[e->batch.label_sets_len++] = (struct wire_label_set){
            .len = from->len,
            .key = columns,
            .value = columns + from->len,
            .unit = columns + 2 * from->len,
        };
    }
    return STATUS_OK;
}

static enum status emit_tables(struct emitter *e)
{
    enum status st = emit_strings(e);
    if (st == STATUS_OK)
        st = emit_functions(e);
    if (st == STATUS_OK)
        st = emit_stacks(e);
    if (st == STATUS_OK)
        st = emit_processes(e);
    if (st == STATUS_OK)
        st = emit_threads(e);
    if (st == STATUS_OK)
        st = emit_label_sets(e);
    return st;
}

/* ---- the whole ---- */

static enum status emit_hello(struct emitter *e, const char *session)
{
    const struct profile *p = e->p;
    struct wire_bytes *argv = arena_take(e->arena, (p->argv_len + 1) * sizeof(*argv));
    struct wire_tag *tags = arena_take(e->arena, (p->tags_len + 1) * sizeof(*tags));
    if (!argv || !tags)
        return STATUS_NO_MEMORY;
    for (size_t i = 0; i < p->argv_len; i++)
        argv[i] = emit_text(e, p->argv[i]);
    for (size_t i = 0; i < p->tags_len; i++)
        tags[i] = (struct wire_tag){emit_text(e, p->tags[i].key), emit_text(e, p->tags[i].value)};
    struct wire_hello hello = {
        .protocol = WIRE_PROTOCOL,
        .session = {session, strlen(session)},
        .name = emit_text(e, p->name),
        .host = emit_text(e, p->host),
        .runtime = emit_text(e, p->runtime),
        .producer = emit_text(e, p->producer),
        .mode = emit_text(e, p->mode),
        .format = emit_text(e, p->format),
        .pid = p->pid,
        .start_unix_ns = p->start_unix_ns,
        .rate_hz = p->rate_hz,
        .argv = argv,
        .argv_len = p->argv_len,
        .tags = tags,
        .tags_len = p->tags_len,
    };
    buf_clear(&e->message);
    return put_message(e, wire_encode_hello(&e->message, &hello));
}

static enum status emit_bye(struct emitter *e)
{
    static const char reason[] = "saved";
    struct wire_bye bye = {.last_seq = e->seq, .reason = {reason, sizeof(reason) - 1}};
    buf_clear(&e->message);
    return put_message(e, wire_encode_bye(&e->message, &bye));
}

static enum status emit_all(struct emitter e, const char *session)
{
    const struct profile *p = e.p;
    buf_init(&e.message, 0);
    e.wire_string = calloc(p->tables.strings.len, sizeof(*e.wire_string));
    enum status st = e.wire_string ? begin_batch(&e) : STATUS_NO_MEMORY;
    if (st == STATUS_OK)
        st = emit_hello(&e, session);
    if (st == STATUS_OK)
        st = emit_tables(&e);
    if (st == STATUS_OK)
        st = emit_shapes(&e);
    if (st == STATUS_OK)
        e.is_empty = e.is_empty && !(e.seq == 0 && p->duration_ns); /* the duration at least */
    if (st == STATUS_OK)
        st = emit_flush(&e);
    if (st == STATUS_OK)
        st = emit_bye(&e);
    free(e.wire_string);
    arena_free(e.arena);
    buf_deinit(&e.message);
    return st;
}

enum status apply_emit(const struct profile *p, const char *session, apply_put_fn put, void *ctx)
{
    return emit_all((struct emitter){.p = p, .put = put, .ctx = ctx}, session);
}

enum status apply_emit_plain(const struct profile *p, const char *session, apply_put_fn put,
                             void *ctx)
{
    return emit_all((struct emitter){.p = p, .put = put, .ctx = ctx, .is_plain = true}, session);
}
