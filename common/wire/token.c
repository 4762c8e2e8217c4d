#include "common/wire/token.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/wire/varint.h"
#include "common/wire/wire.h"

void decoder_init(struct decoder *d, const uint8_t *base, struct arena *arena, struct error *err)
{
    *d = (struct decoder){
        .base = base, .where = "", .budget = WIRE_MAX_DECODED, .arena = arena, .err = err};
}

static void say(struct decoder *d, enum status status, const uint8_t *at, const char *format,
                va_list args) __attribute__((format(printf, 4, 0)));

static void say(struct decoder *d, enum status status, const uint8_t *at, const char *format,
                va_list args)
{
    char words[256];
    vsnprintf(words, sizeof(words), format, args);
    error_set(d->err, status, "byte %zu%s: %s", (size_t)(at - d->base), d->where, words);
}

enum status decoder_fail(struct decoder *d, const uint8_t *at, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say(d, STATUS_INVALID, at, format, args);
    va_end(args);
    return STATUS_INVALID;
}

enum status decoder_fail_with(struct decoder *d, enum status status, const uint8_t *at,
                              const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say(d, status, at, format, args);
    va_end(args);
    return status;
}

enum status decoder_take(struct decoder *d, const uint8_t *at, size_t count, size_t size,
                         void **out)
{
    size_t bytes = count * size;
    if (bytes > d->budget)
        return decoder_fail_with(d, STATUS_TOO_LARGE, at,
                                 "the message takes over %d bytes when decoded", WIRE_MAX_DECODED);
    d->budget -= bytes;
    *out = arena_take(d->arena, bytes);
    if (!*out)
        return decoder_fail_with(d, STATUS_NO_MEMORY, at, "no memory for %zu bytes", bytes);
    return STATUS_OK;
}

enum status token_take(struct decoder *d, const uint8_t **at, const uint8_t *end,
                       struct token *token)
{
    *token = (struct token){.start = *at};
    uint64_t tag;
    if (!varint_take(at, end, &tag) || tag > UINT32_MAX || tag >> 3 == 0)
        return decoder_fail(d, token->start, "not a field");
    token->number = (uint32_t)(tag >> 3);
    token->type = (enum token_type)(tag & 7);

    size_t left = (size_t)(end - *at);
    uint64_t len;
    switch (token->type) {
    case TOKEN_VARINT:
        if (!varint_take(at, end, &token->value))
            return decoder_fail(d, token->start, "field %u: a number that does not end",
                                (unsigned)token->number);
        return STATUS_OK;
    case TOKEN_BYTES:
        if (!varint_take(at, end, &len) || len > (size_t)(end - *at))
            return decoder_fail(d, token->start, "field %u: longer than what holds it",
                                (unsigned)token->number);
        token->data = *at;
        token->len = (size_t)len;
        *at += len;
        return STATUS_OK;
    case TOKEN_FIXED64:
    case TOKEN_FIXED32: {
        size_t size = token->type == TOKEN_FIXED64 ? 8 : 4;
        if (left < size)
            return decoder_fail(d, token->start, "field %u: cut short", (unsigned)token->number);
        memcpy(&token->value, *at, size); /* x86-64 and aarch64 are little endian, as the wire */
        *at += size;
        return STATUS_OK;
    }
    }
    return decoder_fail(d, token->start, "field %u: wire type %d is not one of protobuf's",
                        (unsigned)token->number, (int)(tag & 7));
}
