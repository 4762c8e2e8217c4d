/* Texts of source files that a person asked for. */

#include <stdlib.h>
#include <string.h>

#include "collector/stream/state.h"
#include "collector/stream/stream.h"
#include "common/base/array.h"

static bool find_file(const struct stream *s, const char *file, size_t len, uint32_t *id)
{
    if (!strtab_find(&s->strings, file, len, id))
        return false;
    for (size_t i = 1; i < s->functions.len; i++) {
        if (s->function[i].file == *id)
            return true;
    }
    return false;
}

bool stream_knows_file(const struct stream *s, const char *file, size_t len)
{
    uint32_t id;
    return len > 0 && find_file(s, file, len, &id);
}

enum status stream_source(struct stream *s, const char *file, size_t file_len, const char *text,
                          size_t text_len)
{
    uint32_t id;
    if (text_len > STREAM_MAX_SOURCE)
        return STATUS_TOO_LARGE;
    if (!find_file(s, file, file_len, &id))
        return STATUS_NOT_FOUND;
    for (size_t i = 0; i < s->sources_len; i++) {
        if (s->source[i].file == id)
            return STATUS_OK;
    }
    char *copy = malloc(text_len + 1);
    if (!copy || !array_reserve(&s->source, &s->sources_cap, s->sources_len + 1)) {
        free(copy);
        return STATUS_NO_MEMORY;
    }
    memcpy(copy, text, text_len);
    s->source[s->sources_len++] =
        (struct stream_source_row){.file = id, .text = copy, .len = text_len};
    return STATUS_OK;
}
