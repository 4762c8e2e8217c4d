#pragma once
/* Names nobody can guess: profile ids, tokens, share links. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    IDENT_CHARS = 16,       /* 80 bits: profile ids, in URLs */
    IDENT_TOKEN_CHARS = 32, /* 160 bits: tokens and share links */
};

/* `chars` characters of lower-case base32 (RFC 4648 alphabet) from getrandom(), and a NUL.
 * `out` holds chars + 1 bytes. False when the kernel gives no randomness. */
bool ident_random(char *out, size_t chars);

/* Whether `text` is exactly `chars` characters of that alphabet. */
bool ident_is_valid(const char *text, size_t chars);

/* Compares in a time that depends only on the lengths: for secrets. */
bool ident_equal_secret(const char *a, size_t a_len, const char *b, size_t b_len);
