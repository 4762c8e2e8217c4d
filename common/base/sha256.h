#pragma once
/* SHA-256 (FIPS 180-4): how secrets are kept without keeping them. */

#include <stddef.h>
#include <stdint.h>

enum { SHA256_BYTES = 32 };

void sha256(const void *data, size_t len, uint8_t out[SHA256_BYTES]);
