#include "backend/alerts/growth.h"

#include <math.h>

void growth_init(struct growth *g, double window_s)
{
    *g = (struct growth){.piece_ns = (uint64_t)(window_s * 1e9 / GROWTH_PIECES)};
    for (size_t i = 0; i < GROWTH_PIECES; i++)
        g->least[i] = NAN;
}

/* Rise from the first to the last piece that something came for, less the greatest single one, a
 * piece; NaN when there are too few. */
static double steady_rise(const struct growth *g)
{
    double first = NAN;
    double last = NAN;
    double greatest = 0;
    uint64_t first_at = 0;
    uint64_t last_at = 0;
    for (uint64_t n = g->first; n <= g->last; n++) {
        double least = g->least[n % GROWTH_PIECES];
        if (isnan(least))
            continue;
        if (isnan(first)) {
            first = least;
            first_at = n;
        } else {
            greatest = fmax(greatest, least - last);
        }
        last = least;
        last_at = n;
    }
    if (last_at - first_at < GROWTH_PIECES / 2)
        return NAN;
    return (last - first - greatest) / (double)(last_at - first_at - 1);
}

/* Makes room for piece `number`; those in between that nothing came for are empty. */
static void go_on_to(struct growth *g, uint64_t number)
{
    uint64_t from = number - g->last > GROWTH_PIECES ? number - GROWTH_PIECES + 1 : g->last + 1;
    for (uint64_t n = from; n <= number; n++)
        g->least[n % GROWTH_PIECES] = NAN;
    g->last = number;
    if (number - g->first >= GROWTH_PIECES)
        g->first = number - GROWTH_PIECES + 1;
}

bool growth_add(struct growth *g, uint64_t time_ns, double value, double *per_minute)
{
    uint64_t number = time_ns / g->piece_ns + 1;
    bool is_whole = false;
    if (g->first == 0)
        g->first = g->last = number;
    if (number < g->first)
        return false; /* too late to count */
    if (number > g->last) {
        if (g->last - g->first + 1 == GROWTH_PIECES) {
            double rise = steady_rise(g) * 60e9 / (double)g->piece_ns;
            is_whole = isfinite(rise);
            if (is_whole)
                *per_minute = rise;
        }
        go_on_to(g, number);
    }
    double *least = &g->least[number % GROWTH_PIECES];
    *least = isnan(*least) || value < *least ? value : *least;
    return is_whole;
}
