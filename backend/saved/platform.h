#pragma once
/* What wasi-libc lacks and the sources that go into the saved page use; included before each. */

#include <stdlib.h>

void saved_qsort_r(void *base, size_t n, size_t size,
                   int (*compare)(const void *, const void *, void *), void *ctx);
#define qsort_r saved_qsort_r
