#include "backend/model/redact.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum role { ROLE_NONE, ROLE_TEXT, ROLE_FILE };

/* ---- texts ---- */

static bool ends_word(char c)
{
    return c == '\0' || (unsigned char)c <= ' ' || strchr("\"'`()<>[]{},;=|", c) != NULL;
}

/* An address goes on behind its "?k=". */
static bool ends_address(char c)
{
    return (unsigned char)c <= ' ' || strchr("\"'`<>)", c) != NULL;
}

static bool is_separator(char c)
{
    return c == '/' || c == '\\';
}

static bool contains(const char *text, size_t len, const char *what)
{
    return memmem(text, len, what, strlen(what)) != NULL;
}

static bool is_rooted(const char *word, size_t len)
{
    return len > 0 && (is_separator(word[0]) || word[0] == '~' || word[0] == '.' ||
                       (len > 2 && word[1] == ':' && is_separator(word[2])));
}

/* "/srv/a.py", "~/a", "C:\a", "../a", "src/app/x" and "src/x.py" are paths; "and/or" and "B/s"
 * are not. */
static bool is_path(const char *word, size_t len)
{
    size_t separators = 0;
    size_t last = 0;
    for (size_t i = 0; i < len; i++) {
        if (is_separator(word[i])) {
            separators++;
            last = i;
        }
    }
    if (separators == 0 || len == 1)
        return false;
    return is_rooted(word, len) || separators > 1 || memchr(word + last, '.', len - last) != NULL;
}

static void put_base_name(struct buf *out, const char *word, size_t len)
{
    size_t begin = len;
    while (begin > 0 && !is_separator(word[begin - 1]))
        begin--;
    buf_put(out, word + begin, len - begin);
}

/* The host's name, or the part before its first dot. */
static size_t host_at(const char *word, size_t len, const char *host)
{
    size_t whole = host ? strlen(host) : 0;
    size_t part = host ? strcspn(host, ".") : 0;
    if (whole > 1 && whole <= len && strncasecmp(word, host, whole) == 0)
        return whole;
    return part > 1 && part <= len && strncasecmp(word, host, part) == 0 ? part : 0;
}

static void put_without_host(struct buf *out, const char *word, size_t len, const char *host)
{
    bool is_begin = true;
    for (size_t i = 0; i < len;) {
        size_t n = is_begin ? host_at(word + i, len - i, host) : 0;
        if (n && (i + n == len || !isalnum((unsigned char)word[i + n]))) {
            buf_put_text(out, "host");
            i += n;
            continue;
        }
        is_begin = !isalnum((unsigned char)word[i]);
        buf_put_byte(out, (uint8_t)word[i++]);
    }
}

static void put_word(struct buf *out, const char *word, size_t len, const char *host)
{
    struct buf name;
    buf_init(&name, 0);
    if (is_path(word, len)) {
        put_base_name(&name, word, len);
        put_without_host(out, (const char *)name.data, name.len, host);
    } else if (memchr(word, '@', len) && memchr(word, '.', len)) {
        buf_put_text(out, "(name)"); /* user@machine.domain */
    } else {
        put_without_host(out, word, len, host);
    }
    buf_deinit(&name);
}

static size_t word_len(const char *text, size_t len)
{
    size_t n = 0;
    while (n < len && !ends_word(text[n]))
        n++;
    return n;
}

/* Folders may have spaces in their names: a path from the root goes on to the last word with a
 * separator, but not to another such path. Too much is hidden rather than too little. */
static size_t path_len(const char *text, size_t len)
{
    size_t n = word_len(text, len);
    size_t end = n;
    if (!is_rooted(text, n) || !is_path(text, n))
        return n;
    while (n < len && text[n] == ' ') {
        const char *word = text + n + 1;
        size_t more = word_len(word, len - n - 1);
        if (is_rooted(word, more) || contains(word, more, "://"))
            break;
        n += 1 + more;
        if (memchr(word, '/', more) || memchr(word, '\\', more))
            end = n;
    }
    return end;
}

void redact_text(struct buf *out, const char *text, size_t len, const char *host)
{
    for (size_t i = 0; i < len;) {
        size_t n = path_len(text + i, len - i);
        if (contains(text + i, n, "://")) {
            while (i + n < len && !ends_address(text[i + n]))
                n++;
            buf_put_text(out, "(address)");
        } else if (n > 0) {
            put_word(out, text + i, n, host);
        }
        i += n;
        if (i < len)
            buf_put_byte(out, (uint8_t)text[i++]);
    }
}

/* ---- which texts stay ---- */

static void keep(uint8_t *roles, size_t len, uint32_t string, enum role role)
{
    if (string < len && roles[string] < role)
        roles[string] = (uint8_t)role;
}

static void keep_tables(uint8_t *roles, size_t len, const struct profile *p)
{
    for (size_t i = 0; i < p->tables.functions_len; i++) {
        keep(roles, len, p->tables.functions[i].name, ROLE_TEXT);
        keep(roles, len, p->tables.functions[i].file, ROLE_FILE);
        keep(roles, len, p->tables.functions[i].module, ROLE_FILE);
    }
    for (size_t i = 0; i < p->tables.threads_len; i++)
        keep(roles, len, p->tables.threads[i].name, ROLE_TEXT);
    for (size_t i = 0; i < p->tables.processes_len; i++)
        keep(roles, len, p->tables.processes[i].runtime, ROLE_TEXT);
}

static void keep_shapes(uint8_t *roles, size_t len, const struct profile *p)
{
    for (size_t i = 0; i < p->sets_len; i++) {
        keep(roles, len, p->sets[i].name, ROLE_TEXT);
        for (size_t k = 0; k < p->sets[i].values_len; k++) {
            keep(roles, len, p->sets[i].types[k].name, ROLE_TEXT);
            keep(roles, len, p->sets[i].types[k].unit, ROLE_TEXT);
        }
    }
    for (size_t i = 0; i < p->series_len; i++) {
        keep(roles, len, p->series[i].name, ROLE_TEXT);
        keep(roles, len, p->series[i].unit, ROLE_TEXT);
    }
    for (size_t i = 0; i < p->spans_len; i++)
        keep(roles, len, p->spans[i].name, ROLE_TEXT);
    for (size_t i = 0; i < p->notices_len; i++)
        keep(roles, len, p->notices[i].code, ROLE_TEXT);
    for (size_t i = 0; i < p->counters_len; i++)
        keep(roles, len, p->counters[i].name, ROLE_TEXT);
    for (size_t i = 0; i < p->benchmarks_len; i++) {
        keep(roles, len, p->benchmarks[i].name, ROLE_TEXT);
        keep(roles, len, p->benchmarks[i].group, ROLE_TEXT);
    }
    keep(roles, len, p->call_graph.unit, ROLE_TEXT);
    keep(roles, len, p->format, ROLE_TEXT);
    keep(roles, len, p->producer, ROLE_TEXT);
    keep(roles, len, p->mode, ROLE_TEXT);
    keep(roles, len, p->runtime, ROLE_TEXT);
}

/* ---- the other tables ---- */

static bool copy_strings(struct redacted *r, const struct profile *p, const uint8_t *roles)
{
    const struct strtab *from = &p->tables.strings;
    const char *host = strtab_text(from, p->host);
    struct buf text;
    bool is_done = strtab_init(&r->strings);
    buf_init(&text, 0);
    for (size_t i = r->strings.len; is_done && i < from->len; i++) {
        uint32_t id;
        buf_clear(&text);
        if (roles[i] == ROLE_FILE)
            put_base_name(&text, from->items[i].data, from->items[i].len);
        else if (roles[i] == ROLE_TEXT)
            redact_text(&text, from->items[i].data, from->items[i].len, host);
        is_done =
            buf_status(&text) == STATUS_OK &&
            strtab_append(&r->strings, text.data ? (const char *)text.data : "", text.len, &id);
    }
    buf_deinit(&text);
    return is_done;
}

/* "/usr/bin/python3 app.py --key x" -> "python3". */
static bool copy_processes(struct redacted *r, const struct profile *p)
{
    size_t len = p->tables.processes_len;
    r->processes = calloc(len ? len : 1, sizeof(*r->processes));
    bool is_done = r->processes != NULL;
    for (size_t i = 0; is_done && i < len; i++) {
        const char *command = strtab_text(&p->tables.strings, p->tables.processes[i].command);
        struct buf name;
        buf_init(&name, 0);
        put_base_name(&name, command, strcspn(command, " \t"));
        r->processes[i] = p->tables.processes[i];
        is_done = buf_status(&name) == STATUS_OK &&
                  strtab_append(&r->strings, name.data ? (const char *)name.data : "", name.len,
                                &r->processes[i].command);
        buf_deinit(&name);
    }
    return is_done;
}

static bool copy_notices(struct redacted *r, const struct profile *p)
{
    r->notices = calloc(p->notices_len ? p->notices_len : 1, sizeof(*r->notices));
    for (size_t i = 0; r->notices && i < p->notices_len; i++) {
        r->notices[i] = p->notices[i];
        r->notices[i].text = p->notices[i].code;
    }
    return r->notices != NULL;
}

static void put_together(struct redacted *r, const struct profile *p)
{
    r->profile = *p;
    r->profile.tables.strings = r->strings;
    r->profile.tables.processes = r->processes;
    r->profile.tables.label_sets = r->label_sets;
    r->profile.notices = r->notices;
    r->profile.name = 0;
    r->profile.host = 0;
    r->profile.argv_len = 0;
    r->profile.tags_len = 0;
    r->profile.sources_len = 0;
    r->profile.tables.labels_len = 0;
}

enum status redact_profile(struct redacted *out, const struct profile *p)
{
    size_t len = p->tables.strings.len;
    uint8_t *roles = calloc(len ? len : 1, 1);
    *out = (struct redacted){0};
    size_t sets = p->tables.label_sets_len;
    out->label_sets = calloc(sets ? sets : 1, sizeof(*out->label_sets)); /* all of them empty */
    bool is_done = roles && out->label_sets;
    if (is_done) {
        keep_tables(roles, len, p);
        keep_shapes(roles, len, p);
        is_done = copy_strings(out, p, roles) && copy_processes(out, p) && copy_notices(out, p);
    }
    free(roles);
    if (!is_done) {
        redacted_free(out);
        return STATUS_NO_MEMORY;
    }
    put_together(out, p);
    return STATUS_OK;
}

void redacted_free(struct redacted *r)
{
    strtab_deinit(&r->strings);
    free(r->processes);
    free(r->notices);
    free(r->label_sets);
    *r = (struct redacted){0};
}
