#include "backend/push/flow.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/clock.h"

enum { BATCH_SAMPLES = 1 << 15 };

/* ---- begin and end ---- */

char *flow_key(const struct push_piece *piece)
{
    struct buf text;
    buf_init(&text, 1 << 16);
    buf_put(&text, piece->name, strlen(piece->name) + 1);
    for (size_t i = 0; i < piece->labels_len; i++)
        buf_printf(&text, "%s\001%s\002", piece->labels[i].key, piece->labels[i].value);
    buf_put_byte(&text, 0);
    /* One string: the NUL behind the name becomes another character that no name has. */
    if (buf_status(&text) == STATUS_OK)
        text.data[strlen(piece->name)] = '\003';
    size_t len;
    char *key = buf_status(&text) == STATUS_OK ? (char *)buf_take(&text, &len) : NULL;
    buf_deinit(&text);
    return key;
}

static struct wire_bytes bytes(const char *text)
{
    return (struct wire_bytes){.data = text ? text : "", .len = text ? strlen(text) : 0};
}

static enum status say_hello(struct flow *s, struct library *library,
                             const struct push_piece *piece, struct error *err)
{
    struct wire_tag tags[PUSH_MAX_LABELS];
    size_t n = piece->labels_len < PUSH_MAX_LABELS ? piece->labels_len : PUSH_MAX_LABELS;
    for (size_t i = 0; i < n; i++)
        tags[i] = (struct wire_tag){bytes(piece->labels[i].key), bytes(piece->labels[i].value)};
    struct wire_hello hello = {
        .protocol = WIRE_PROTOCOL,
        .session = bytes(s->id),
        .name = bytes(piece->name),
        .producer = bytes(piece->producer),
        .format = bytes(piece->format),
        .start_unix_ns = s->start_unix_ns,
        .tags = tags,
        .tags_len = n,
    };
    return library_begin(library, &hello, &s->seq, err);
}

enum status flow_begin(struct flow **out, struct library *library, const struct push_piece *piece,
                       const char *key, struct error *err)
{
    struct flow *s = calloc(1, sizeof(*s));
    if (!s || tables_init(&s->tables) != STATUS_OK) {
        free(s);
        return error_set(err, STATUS_NO_MEMORY, "no memory for a pushed profile");
    }
    s->key = strdup(key);
    s->start_unix_ns = piece->begin_unix_ns ? piece->begin_unix_ns : clock_unix_ns();
    s->strings = s->tables.strings.len;
    s->functions = s->tables.functions_len;
    s->frames = s->tables.frames_len;
    s->stacks = s->tables.stacks_len;
    s->label_sets = s->tables.label_sets_len;
    enum status st = STATUS_OK;
    if (!s->key || !ident_random(s->id, IDENT_CHARS))
        st = error_set(err, STATUS_NO_MEMORY, "no memory for a pushed profile");
    if (st == STATUS_OK)
        st = say_hello(s, library, piece, err);
    if (st != STATUS_OK) {
        flow_free(s);
        return st;
    }
    *out = s;
    return STATUS_OK;
}

void flow_free(struct flow *s)
{
    tables_deinit(&s->tables);
    free(s->key);
    free(s);
}

bool flow_is_full(const struct flow *s, const struct push_piece *piece)
{
    /* A piece from before the stream began has no place in its time. */
    return tables_size(&s->tables) > PUSH_MAX_TABLES ||
           (piece->begin_unix_ns && piece->begin_unix_ns < s->start_unix_ns);
}

/* ---- a piece's rows as the stream's ---- */

struct mapping {
    uint32_t *strings, *functions, *frames, *stacks, *label_sets; /* the piece's number -> ours */
};

static void free_mapping(struct mapping *m)
{
    free(m->strings);
    free(m->functions);
    free(m->frames);
    free(m->stacks);
    free(m->label_sets);
}

static uint32_t *new_map(size_t len)
{
    return calloc(len ? len : 1, sizeof(uint32_t));
}

static uint32_t at(const uint32_t *map, size_t len, uint32_t row)
{
    return row < len ? map[row] : 0;
}

/* Only what rows name: a piece's own tags and comments are not the profile's. */
static enum status map_string(struct flow *s, const struct profile *p, struct mapping *m,
                              uint32_t string, uint32_t *out)
{
    const struct strtab *from = &p->tables.strings;
    *out = 0;
    if (string == 0 || string >= from->len)
        return STATUS_OK;
    enum status st = STATUS_OK;
    if (m->strings[string] == 0)
        st = tables_string(&s->tables, strtab_text(from, string), strtab_len(from, string),
                           &m->strings[string]);
    *out = m->strings[string];
    return st;
}

static enum status map_functions(struct flow *s, const struct profile *p, struct mapping *m)
{
    const struct tables *t = &p->tables;
    enum status st = STATUS_OK;
    for (size_t i = 1; i < t->functions_len && st == STATUS_OK; i++) {
        struct wire_function f = t->functions[i];
        st = map_string(s, p, m, f.name, &f.name);
        if (st == STATUS_OK)
            st = map_string(s, p, m, t->functions[i].file, &f.file);
        if (st == STATUS_OK)
            st = map_string(s, p, m, t->functions[i].module, &f.module);
        if (st == STATUS_OK)
            st = tables_function(&s->tables, &f, &m->functions[i]);
    }
    return st;
}

static enum status map_stacks(struct flow *s, const struct profile *p, struct mapping *m)
{
    const struct tables *t = &p->tables;
    enum status st = STATUS_OK;
    for (size_t i = 1; i < t->frames_len && st == STATUS_OK; i++) {
        struct wire_frame f = t->frames[i];
        f.function = at(m->functions, t->functions_len, f.function);
        st = tables_frame(&s->tables, &f, &m->frames[i]);
    }
    for (size_t i = 1; i < t->stacks_len && st == STATUS_OK; i++)
        st = tables_stack(&s->tables, at(m->stacks, i, t->stacks[i].parent),
                          at(m->frames, t->frames_len, t->stacks[i].frame), &m->stacks[i]);
    return st;
}

static enum status map_labels(struct flow *s, const struct profile *p, struct mapping *m)
{
    const struct tables *t = &p->tables;
    enum status st = STATUS_OK;
    for (size_t i = 1; i < t->label_sets_len && st == STATUS_OK; i++) {
        struct model_label labels[TABLES_MAX_LABELS];
        size_t len = t->label_sets[i].len;
        for (size_t k = 0; k < len && st == STATUS_OK; k++) {
            const struct model_label *from = &t->labels[t->label_sets[i].first + k];
            st = map_string(s, p, m, from->key, &labels[k].key);
            if (st == STATUS_OK)
                st = map_string(s, p, m, from->value, &labels[k].value);
            if (st == STATUS_OK)
                st = map_string(s, p, m, from->unit, &labels[k].unit);
        }
        if (st == STATUS_OK)
            st = tables_label_set(&s->tables, labels, len, &m->label_sets[i]);
    }
    return st;
}

static enum status map_rows(struct flow *s, const struct profile *p, struct mapping *m)
{
    m->strings = new_map(p->tables.strings.len);
    m->functions = new_map(p->tables.functions_len);
    m->frames = new_map(p->tables.frames_len);
    m->stacks = new_map(p->tables.stacks_len);
    m->label_sets = new_map(p->tables.label_sets_len);
    if (!m->strings || !m->functions || !m->frames || !m->stacks || !m->label_sets)
        return STATUS_NO_MEMORY;
    enum status st = map_functions(s, p, m);
    if (st == STATUS_OK)
        st = map_stacks(s, p, m);
    return st == STATUS_OK ? map_labels(s, p, m) : st;
}

/* The stream's set of this name and these values; a new one when there is none. */
static enum status map_set(struct flow *s, const struct profile *p, struct mapping *m,
                           const struct sample_set *set, uint32_t *out, struct error *err)
{
    struct flow_set wanted = {.values_len = set->values_len};
    enum status st = map_string(s, p, m, set->name, &wanted.name);
    for (size_t i = 0; i < set->values_len && st == STATUS_OK; i++) {
        st = map_string(s, p, m, set->types[i].name, &wanted.types[i].name);
        if (st == STATUS_OK)
            st = map_string(s, p, m, set->types[i].unit, &wanted.types[i].unit);
    }
    if (st != STATUS_OK)
        return error_set(err, st, "no memory for a pushed profile");
    for (size_t i = 0; i < s->sets_len; i++) {
        if (s->sets[i].name == wanted.name && s->sets[i].values_len == wanted.values_len &&
            memcmp(s->sets[i].types, wanted.types, sizeof(wanted.types)) == 0) {
            *out = (uint32_t)i;
            return STATUS_OK;
        }
    }
    if (s->sets_len == PUSH_MAX_SETS)
        return error_set(err, STATUS_TOO_LARGE, "more than %d kinds of samples from one program",
                         PUSH_MAX_SETS);
    *out = (uint32_t)s->sets_len;
    s->sets[s->sets_len++] = wanted;
    return STATUS_OK;
}

/* ---- one batch ---- */

struct batch {
    struct wire_batch wire;
    struct arena *arena;
};

static struct wire_bytes text_of(const struct flow *s, uint32_t string)
{
    return (struct wire_bytes){strtab_text(&s->tables.strings, string),
                               strtab_len(&s->tables.strings, string)};
}

static bool put_strings(struct flow *s, struct batch *b)
{
    size_t n = s->tables.strings.len - s->strings;
    struct wire_bytes *strings = arena_alloc(b->arena, (n + 1) * sizeof(*strings));
    for (size_t i = 0; strings && i < n; i++)
        strings[i] = text_of(s, (uint32_t)(s->strings + i));
    b->wire.first_string = s->strings;
    b->wire.strings = strings;
    b->wire.strings_len = n;
    return strings != NULL;
}

static bool put_label_sets(struct flow *s, struct batch *b)
{
    const struct tables *t = &s->tables;
    size_t n = t->label_sets_len - s->label_sets;
    struct wire_label_set *sets = arena_alloc(b->arena, (n + 1) * sizeof(*sets));
    for (size_t i = 0; sets && i < n; i++) {
        const struct model_label_set *from = &t->label_sets[s->label_sets + i];
        uint32_t *columns = arena_alloc(b->arena, (3 * from->len + 1) * sizeof(*columns));
        if (!columns)
            return false;
        for (size_t k = 0; k < from->len; k++) {
            columns[k] = t->labels[from->first + k].key;
            columns[from->len + k] = t->labels[from->first + k].value;
            columns[2 * from->len + k] = t->labels[from->first + k].unit;
        }
        sets[i] = (struct wire_label_set){from->len, columns, columns + from->len,
                                          columns + 2 * from->len};
    }
    b->wire.first_label_set = s->label_sets;
    b->wire.label_sets = sets;
    b->wire.label_sets_len = n;
    return sets != NULL;
}

static bool put_sets(struct flow *s, struct batch *b)
{
    size_t n = s->sets_len - s->sets_stored;
    struct wire_sample_set *sets = arena_alloc(b->arena, (n + 1) * sizeof(*sets));
    for (size_t i = 0; sets && i < n; i++) {
        const struct flow_set *from = &s->sets[s->sets_stored + i];
        sets[i] = (struct wire_sample_set){.set = (uint32_t)(s->sets_stored + i),
                                           .name = text_of(s, from->name),
                                           .values_len = from->values_len};
        for (size_t k = 0; k < from->values_len; k++)
            sets[i].values[k] = (struct wire_value_type){text_of(s, from->types[k].name),
                                                         text_of(s, from->types[k].unit)};
    }
    b->wire.sets = sets;
    b->wire.sets_len = n;
    return sets != NULL;
}

/* Everything the tables have that is not stored yet. */
static bool put_tables(struct flow *s, struct batch *b)
{
    const struct tables *t = &s->tables;
    b->wire.first_function = s->functions;
    b->wire.functions = t->functions + s->functions;
    b->wire.functions_len = t->functions_len - s->functions;
    b->wire.first_frame = s->frames;
    b->wire.frames = t->frames + s->frames;
    b->wire.frames_len = t->frames_len - s->frames;
    b->wire.first_stack = s->stacks;
    b->wire.stacks = t->stacks + s->stacks;
    b->wire.stacks_len = t->stacks_len - s->stacks;
    return put_strings(s, b) && put_label_sets(s, b) && put_sets(s, b);
}

static bool put_samples(struct batch *b, const struct profile *p, const struct mapping *m,
                        const struct sample_set *set, size_t first, size_t n, uint64_t begin_ns,
                        struct wire_samples *out)
{
    uint64_t *times = arena_alloc(b->arena, n * sizeof(*times));
    uint32_t *stacks = arena_alloc(b->arena, n * sizeof(*stacks));
    uint32_t *labels = arena_alloc(b->arena, n * sizeof(*labels));
    if (!times || !stacks || !labels)
        return false;
    uint64_t last = begin_ns;
    for (size_t i = 0; i < n; i++) {
        size_t row = first + i;
        times[i] = begin_ns + (set->has_time && set->time_ns ? set->time_ns[row] : 0);
        last = times[i] > last ? times[i] : last;
        stacks[i] = at(m->stacks, p->tables.stacks_len, set->stack ? set->stack[row] : 0);
        labels[i] =
            at(m->label_sets, p->tables.label_sets_len, set->label_set ? set->label_set[row] : 0);
    }
    out->len = n;
    out->time_ns = times;
    out->stack = stacks;
    out->label_set = labels;
    out->values_len = set->values_len;
    for (size_t k = 0; k < set->values_len; k++)
        out->values[k] = (struct wire_column){
            set->values[k].constant, set->values[k].value ? set->values[k].value + first : NULL};
    b->wire.begin_ns = begin_ns;
    b->wire.end_ns = last;
    return true;
}

static enum status store(struct flow *s, struct library *library, struct batch *b,
                         struct error *err)
{
    struct buf message;
    buf_init(&message, 0);
    b->wire.seq = s->seq;
    enum status st = wire_encode_batch(&message, &b->wire);
    if (st != STATUS_OK)
        error_set(err, st, "the piece does not fit into one message");
    else
        st = library_append(library, s->id, &b->wire, message.data, message.len, err);
    buf_deinit(&message);
    if (st != STATUS_OK)
        return st;
    s->seq++;
    s->strings = s->tables.strings.len;
    s->functions = s->tables.functions_len;
    s->frames = s->tables.frames_len;
    s->stacks = s->tables.stacks_len;
    s->label_sets = s->tables.label_sets_len;
    s->sets_stored = s->sets_len;
    return STATUS_OK;
}

static enum status append_set(struct flow *s, struct library *library,
                              const struct push_piece *piece, struct mapping *m,
                              const struct sample_set *set, struct error *err)
{
    uint64_t unix_ns = piece->begin_unix_ns ? piece->begin_unix_ns : clock_unix_ns();
    uint64_t begin_ns = unix_ns > s->start_unix_ns ? unix_ns - s->start_unix_ns : 0;
    struct wire_samples samples = {0};
    enum status st = map_set(s, piece->profile, m, set, &samples.set, err);
    for (size_t first = 0; st == STATUS_OK && first < set->len; first += BATCH_SAMPLES) {
        size_t n = set->len - first < BATCH_SAMPLES ? set->len - first : BATCH_SAMPLES;
        struct batch b = {.arena = arena_new()};
        b.wire.samples = &samples;
        b.wire.samples_len = 1;
        if (b.arena && put_tables(s, &b) &&
            put_samples(&b, piece->profile, m, set, first, n, begin_ns, &samples))
            st = store(s, library, &b, err);
        else
            st = error_set(err, STATUS_NO_MEMORY, "no memory for a pushed profile");
        arena_free(b.arena);
    }
    return st;
}

enum status flow_append(struct flow *s, struct library *library, const struct push_piece *piece,
                        struct error *err)
{
    struct mapping m = {0};
    enum status st = map_rows(s, piece->profile, &m);
    if (st != STATUS_OK)
        error_set(err, st, "no room for a pushed profile's tables");
    for (size_t i = 0; i < piece->profile->sets_len && st == STATUS_OK; i++)
        st = append_set(s, library, piece, &m, &piece->profile->sets[i], err);
    free_mapping(&m);
    return st;
}
