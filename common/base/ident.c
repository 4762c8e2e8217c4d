#include "common/base/ident.h"

#include <string.h>
#include <sys/random.h>

static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";

bool ident_random(char *out, size_t chars)
{
    for (size_t done = 0; done < chars;) {
        uint8_t bytes[64];
        size_t want = chars - done < sizeof(bytes) ? chars - done : sizeof(bytes);
        ssize_t got = getrandom(bytes, want, 0);
        if (got <= 0)
            return false;
        for (ssize_t i = 0; i < got; i++)
            out[done++] = alphabet[bytes[i] & 31];
    }
    out[chars] = '\0';
    return true;
}

bool ident_is_valid(const char *text, size_t chars)
{
    return strlen(text) == chars && strspn(text, alphabet) == chars;
}

bool ident_equal_secret(const char *a, size_t a_len, const char *b, size_t b_len)
{
    unsigned char differ = a_len != b_len;
    for (size_t i = 0; i < a_len && b_len; i++)
        differ |= (unsigned char)(a[i] ^ b[i % b_len]);
    return differ == 0;
}
