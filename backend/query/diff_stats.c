#include "backend/query/diff_stats.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

/* lgamma writes a global sign. */
static double log_gamma(double x)
{
    int sign;
    return lgamma_r(x, &sign);
}

static double away_from_zero(double v)
{
    return fabs(v) < DBL_MIN ? DBL_MIN : v;
}

/* The continued fraction of DLMF 8.17.22, evaluated from the front (Lentz). It converges within
 * about sqrt(max(a, b)) steps on the side where x < (a+1)/(a+b+2). */
static double beta_fraction(double a, double b, double x)
{
    enum { MOST_STEPS = 100000 };
    double c = 1;
    double d = 1 / away_from_zero(1 - (a + b) * x / (a + 1));
    double h = d;
    for (int m = 1; m < MOST_STEPS; m++) {
        double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        d = 1 / away_from_zero(1 + even * d);
        c = away_from_zero(1 + even / c);
        h *= d * c;
        double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        d = 1 / away_from_zero(1 + odd * d);
        c = away_from_zero(1 + odd / c);
        h *= d * c;
        if (fabs(d * c - 1) < 1e-14)
            break;
    }
    return h;
}

double diff_beta(double a, double b, double x)
{
    if (x <= 0)
        return 0;
    if (x >= 1)
        return 1;
    double front = exp(log_gamma(a + b) - log_gamma(a) - log_gamma(b) + a * log(x) + b * log1p(-x));
    if (x < (a + 1) / (a + b + 2))
        return front * beta_fraction(a, b, x) / a;
    return 1 - front * beta_fraction(b, a, 1 - x) / b;
}

/* Twice the smaller tail of Binomial(n, share) at k. */
static double binomial_two_sided(uint64_t k, uint64_t n, double share)
{
    double below = k == n ? 1 : diff_beta((double)(n - k), (double)k + 1, 1 - share);
    double above = k == 0 ? 1 : diff_beta((double)k, (double)(n - k) + 1, share);
    return fmin(1, 2 * fmin(below, above));
}

double diff_poisson(uint64_t x1, uint64_t x2, double tick1, double tick2)
{
    uint64_t n = x1 + x2;
    if (n == 0)
        return 1;
    return binomial_two_sided(x2, n, tick1 / (tick1 + tick2));
}

double diff_proportions(uint64_t x1, uint64_t n1, uint64_t x2, uint64_t n2)
{
    if (n1 == 0 || n2 == 0)
        return 1;
    double all = (double)n1 + (double)n2;
    double share = ((double)x1 + (double)x2) / all;
    double least = fmin((double)n1, (double)n2) * fmin(share, 1 - share);
    if (share <= 0 || share >= 1)
        return 1;
    if (least < 5) {
        /* What is rare: being in the function, or being outside of it. */
        if (share <= 0.5)
            return binomial_two_sided(x2, x1 + x2, (double)n2 / all);
        return binomial_two_sided(n2 - x2, n1 - x1 + n2 - x2, (double)n2 / all);
    }
    double spread = sqrt(share * (1 - share) * (1 / (double)n1 + 1 / (double)n2));
    double z = ((double)x2 / (double)n2 - (double)x1 / (double)n1) / spread;
    return erfc(fabs(z) / sqrt(2.0));
}

double diff_welch(double mean1, double sd1, uint64_t n1, double mean2, double sd2, uint64_t n2)
{
    double v1 = sd1 * sd1 / (double)n1;
    double v2 = sd2 * sd2 / (double)n2;
    if (n1 < 2 || n2 < 2 || !(v1 + v2 > 0))
        return (double)NAN;
    double t = (mean2 - mean1) / sqrt(v1 + v2);
    double freedom =
        (v1 + v2) * (v1 + v2) / (v1 * v1 / (double)(n1 - 1) + v2 * v2 / (double)(n2 - 1));
    return diff_beta(freedom / 2, 0.5, freedom / (freedom + t * t));
}

static int compare_p(const void *a, const void *b, void *ctx)
{
    const double *p = ctx;
    double x = p[*(const size_t *)a];
    double y = p[*(const size_t *)b];
    return x < y ? -1 : x > y;
}

void diff_control(const double *p, double *q, size_t *order, size_t n)
{
    size_t tests = 0;
    for (size_t i = 0; i < n; i++) {
        q[i] = p[i];
        if (!isnan(p[i]))
            order[tests++] = i;
    }
    if (tests == 0)
        return;
    qsort_r(order, tests, sizeof(*order), compare_p, (void *)(uintptr_t)p);
    double least = 1;
    for (size_t rank = tests; rank > 0; rank--) {
        least = fmin(least, p[order[rank - 1]] * (double)tests / (double)rank);
        q[order[rank - 1]] = least;
    }
}
