#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "backend/model/time_order.h"

Test(time_order, what_is_ordered_has_no_order)
{
    const uint64_t times[] = {1, 1, 2, 9};
    uint32_t *order;
    cr_assert_eq(time_order(times, 4, &order), STATUS_OK);
    cr_assert_null(order);
    cr_assert_eq(time_order(NULL, 0, &order), STATUS_OK);
    cr_assert_null(order);
}

Test(time_order, rows_of_one_time_keep_their_place)
{
    const uint64_t times[] = {5, 3, UINT64_MAX, 5, 0, 3};
    const uint32_t expected[] = {4, 1, 5, 0, 3, 2};
    uint32_t *order;
    cr_assert_eq(time_order(times, 6, &order), STATUS_OK);
    cr_assert_arr_eq(order, expected, sizeof(expected));
    free(order);
}

Test(time_order, columns_follow_and_one_that_is_not_there_stays_away)
{
    const uint32_t order[] = {2, 0, 1};
    char bytes[] = "abc", scratch[3];
    time_order_apply(order, 3, bytes, 1, scratch);
    cr_assert_str_eq(bytes, "cab");
    time_order_apply(order, 3, NULL, 8, NULL);
}
