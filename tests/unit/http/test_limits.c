#include <criterion/criterion.h>
#include <stdio.h>

#include "backend/http/limits.h"

static struct limit l;
static unsigned wait_s;
static const uint64_t second = 1000000000;

Test(limit, gives_so_many_at_once_and_more_with_time)
{
    limit_init(&l, 0.5, 3);
    for (int i = 0; i < 3; i++)
        cr_assert(limit_check(&l, "192.0.2.1", second, true, &wait_s));
    cr_assert_not(limit_check(&l, "192.0.2.1", second, true, &wait_s));
    cr_assert_eq(wait_s, 2);
    cr_assert(limit_check(&l, "192.0.2.2", second, true, &wait_s), "another address");
    cr_assert(limit_check(&l, "192.0.2.1", 3 * second, true, &wait_s));
    cr_assert_not(limit_check(&l, "192.0.2.1", 3 * second, true, &wait_s));
    cr_assert(limit_check(&l, "192.0.2.1", 9999 * second, true, &wait_s));
    limit_deinit(&l);
}

Test(limit, looking_uses_nothing_up)
{
    limit_init(&l, 1, 1);
    for (int i = 0; i < 5; i++)
        cr_assert(limit_check(&l, "192.0.2.1", second, false, &wait_s));
    cr_assert(limit_check(&l, "192.0.2.1", second, true, &wait_s));
    cr_assert_not(limit_check(&l, "192.0.2.1", second, false, &wait_s));
    limit_deinit(&l);
}

Test(limit, holds_its_size_whoever_comes)
{
    limit_init(&l, 1, 1);
    for (int i = 0; i < 100000; i++) {
        char address[32];
        snprintf(address, sizeof(address), "2001:db8::%x", i);
        cr_assert(limit_check(&l, address, second + (uint64_t)i, true, &wait_s));
    }
    cr_assert_not(limit_check(&l, "2001:db8::1869f", 2 * second - 1, true, &wait_s), "the latest");
    limit_deinit(&l);
}

Test(limit, none_is_none)
{
    limit_init(&l, 1, 0);
    for (int i = 0; i < 1000; i++)
        cr_assert(limit_check(&l, "192.0.2.1", second, true, &wait_s));
    limit_deinit(&l);
}
