/* multipart/form-data (RFC 7578), of a body that was read whole: civetweb's own reader of forms
 * spins for ever on three bytes. Nothing is copied but names. */

#include <string.h>
#include <strings.h>

#include "backend/http/inside.h"

enum { MAX_BOUNDARY = 70 /* RFC 2046, 5.1.1 */, MAX_PART_HEAD = 8192 };

struct reader {
    struct http_request *r;
    char delimiter[MAX_BOUNDARY + 5]; /* CR LF "--" boundary */
    size_t delimiter_len;
};

/* The value of `name=` among a header's parameters, quoted or not. */
static bool find_param(const char *text, size_t len, const char *name, const char **value,
                       size_t *value_len)
{
    size_t name_len = strlen(name);
    size_t i = 0;
    while (i < len) {
        const char *semicolon = memchr(text + i, ';', len - i);
        if (!semicolon)
            return false;
        i = (size_t)(semicolon - text) + 1;
        while (i < len && (text[i] == ' ' || text[i] == '\t'))
            i++;
        bool is_it = len - i > name_len && strncasecmp(text + i, name, name_len) == 0 &&
                     text[i + name_len] == '=';
        size_t begin = i;
        while (begin < len && text[begin] != '=' && text[begin] != ';')
            begin++;
        begin += begin < len && text[begin] == '=';
        bool is_quoted = begin < len && text[begin] == '"';
        begin += is_quoted;
        size_t end = begin;
        while (end < len && (is_quoted ? text[end] != '"' : text[end] != ';' && text[end] != ' '))
            end += is_quoted && text[end] == '\\' && end + 1 < len ? 2 : 1;
        end = end < len ? end : len;
        if (is_it) {
            *value = text + begin;
            *value_len = end - begin;
            return true;
        }
        i = end;
    }
    return false;
}

static enum status read_boundary(struct reader *m, struct error *err)
{
    const char *type = http_header(m->r, "Content-Type");
    const char *boundary;
    size_t len;
    if (!type || strncasecmp(type, "multipart/form-data", 19) != 0)
        return error_set(err, STATUS_UNSUPPORTED, "not a multipart/form-data body");
    if (!find_param(type, strlen(type), "boundary", &boundary, &len) || len == 0 ||
        len > MAX_BOUNDARY)
        return error_set(err, STATUS_INVALID, "the form has no boundary, or too long a one");
    memcpy(m->delimiter, "\r\n--", 4);
    memcpy(m->delimiter + 4, boundary, len);
    m->delimiter_len = len + 4;
    return STATUS_OK;
}

static const char *copy_param(struct reader *m, const char *line, size_t len, const char *name)
{
    const char *value;
    size_t value_len;
    if (!find_param(line, len, name, &value, &value_len))
        return "";
    return arena_copy(m->r->arena, value, value_len);
}

/* The lines of one part's head: only Content-Disposition says anything to us. */
static bool read_head(struct reader *m, const char *head, size_t len, struct http_field *out)
{
    static const char disposition[] = "Content-Disposition:";
    size_t known = sizeof(disposition) - 1;
    *out = (struct http_field){.name = "", .file_name = ""};
    while (len > 0) {
        const char *end = memmem(head, len, "\r\n", 2);
        size_t line = end ? (size_t)(end - head) : len;
        if (line > known && strncasecmp(head, disposition, known) == 0) {
            out->name = copy_param(m, head, line, "name");
            out->file_name = copy_param(m, head, line, "filename");
        }
        size_t step = end ? line + 2 : line;
        head += step;
        len -= step;
    }
    return out->name && out->file_name;
}

static const uint8_t *find(const uint8_t *data, size_t len, const void *what, size_t what_len)
{
    return memmem(data, len, what, what_len);
}

/* One part from behind its delimiter line; `*at` goes to behind the next delimiter. */
static enum status read_part(struct reader *m, const uint8_t *data, size_t len, size_t *at,
                             struct http_field *out, struct error *err)
{
    const uint8_t *begin = data + *at;
    size_t left = len - *at;
    const uint8_t *body = NULL;
    size_t head_len = 0;
    if (left >= 2 && memcmp(begin, "\r\n", 2) == 0) {
        body = begin + 2; /* no head at all */
    } else {
        const uint8_t *end =
            find(begin, left < MAX_PART_HEAD ? left : MAX_PART_HEAD, "\r\n\r\n", 4);
        if (!end)
            return error_set(err, STATUS_INVALID, "a part of the form has no end of its head");
        head_len = (size_t)(end - begin);
        body = end + 4;
    }
    /* The delimiter's own line end may be the head's. */
    size_t body_left = (size_t)(data + len - body);
    const uint8_t *end = find(body - 2, body_left + 2, m->delimiter, m->delimiter_len);
    if (!end)
        return error_set(err, STATUS_INVALID, "the form breaks off");
    if (!read_head(m, (const char *)begin, head_len, out))
        return error_set(err, STATUS_NO_MEMORY, "no memory for the form");
    out->data = body;
    out->len = end < body ? 0 : (size_t)(end - body);
    *at = (size_t)(end - data) + m->delimiter_len;
    return STATUS_OK;
}

enum status http_read_fields(struct http_request *r, const uint8_t *data, size_t len,
                             struct http_field *fields, size_t *fields_len, struct error *err)
{
    struct reader m = {.r = r};
    size_t n = 0;
    enum status st = read_boundary(&m, err);
    if (st != STATUS_OK)
        return st;
    size_t first = m.delimiter_len - 2; /* without the line end before it */
    if (len < first || memcmp(data, m.delimiter + 2, first) != 0)
        return error_set(err, STATUS_INVALID, "the form does not begin with its boundary");
    for (size_t at = first;;) {
        if (len - at >= 2 && memcmp(data + at, "--", 2) == 0)
            break;
        if (len - at < 2 || memcmp(data + at, "\r\n", 2) != 0)
            return error_set(err, STATUS_INVALID, "the form's boundary is followed by nonsense");
        if (n == HTTP_MAX_FIELDS)
            return error_set(err, STATUS_TOO_LARGE, "the form has more than %d parts",
                             HTTP_MAX_FIELDS);
        at += 2;
        st = read_part(&m, data, len, &at, &fields[n], err);
        if (st != STATUS_OK)
            return st;
        n++;
    }
    *fields_len = n;
    return STATUS_OK;
}
