/* What counts as steady growth of memory. */

#include <criterion/criterion.h>

#include "backend/alerts/growth.h"

enum { WINDOW_S = 12 };

/* One value a second; the last growth that was told, or -1 when none was. */
static double growth_of(const double *values, size_t len)
{
    struct growth g;
    double told = -1;
    growth_init(&g, WINDOW_S);
    for (size_t s = 0; s < len; s++)
        growth_add(&g, s * 1000000000ULL, values[s], &told);
    return told;
}

Test(growth, a_straight_rise_is_its_slope)
{
    double values[30];
    for (size_t s = 0; s < 30; s++)
        values[s] = 100 + 7 * (double)s;
    cr_assert_float_eq(growth_of(values, 30), 7 * 60, 1e-6);
}

Test(growth, nothing_is_told_before_a_whole_window)
{
    double values[WINDOW_S];
    for (size_t s = 0; s < WINDOW_S; s++)
        values[s] = 100 * (double)s;
    cr_assert_float_eq(growth_of(values, WINDOW_S), -1, 0);
}

Test(growth, a_step_at_any_place_is_none)
{
    for (size_t at = 1; at < 24; at++) {
        double values[25];
        for (size_t s = 0; s < 25; s++)
            values[s] = s < at ? 10 : 500;
        cr_assert_float_eq(growth_of(values, 25), 0, 1e-9, "step at %zu", at);
    }
}

Test(growth, what_comes_and_goes_within_a_piece_is_none)
{
    struct growth g;
    double told = -1;
    growth_init(&g, WINDOW_S);
    for (unsigned i = 0; i < 300; i++)
        growth_add(&g, i * 100000000ULL, i % 10 == 5 ? 10 + i : 10, &told);
    cr_assert_float_eq(told, 0, 1e-9);
}

Test(growth, a_long_silence_begins_anew)
{
    struct growth g;
    double told = -1;
    growth_init(&g, WINDOW_S);
    growth_add(&g, 0, 10, &told);
    growth_add(&g, 5000ULL * 1000000000, 900, &told);
    growth_add(&g, 5001ULL * 1000000000, 900, &told);
    cr_assert_float_eq(told, -1, 0);
    growth_add(&g, 1ULL * 1000000000, 5, &told); /* late: not counted, and no harm */
    cr_assert_float_eq(told, -1, 0);
}
