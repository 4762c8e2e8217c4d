#include "common/base/pages.h"

#include <stdint.h>
#include <sys/mman.h>

enum { HUGE_PAGE = 2 << 20, LEAST_SIZE = 8 << 20 };

void pages_ask_for_huge(void *block, size_t size)
{
    if (size < LEAST_SIZE)
        return;
    uintptr_t at = (uintptr_t)block;
    uintptr_t begin = (at + HUGE_PAGE - 1) & ~(uintptr_t)(HUGE_PAGE - 1);
    uintptr_t end = (at + size) & ~(uintptr_t)(HUGE_PAGE - 1);
    (void)madvise((char *)block + (begin - at), end - begin, MADV_HUGEPAGE);
}
