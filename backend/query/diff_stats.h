#pragma once
/* Is a difference more than chance? Tests on counts and on means, and the control of many tests at
 * once; docs/compare.md has the sources. Every p is two-sided, from 0 to 1. */

#include <stddef.h>
#include <stdint.h>

/* Regularised incomplete beta function I_x(a, b) for a, b > 0: the tails of the binomial and of
 * Student's t. */
double diff_beta(double a, double b, double x);

/* Two Poisson counts, one sample being worth `tick1` and `tick2`: that x1 ticks and x2 ticks come
 * of the same amount. Exact, given their sum (Przyborowski and Wilenski 1940). */
double diff_poisson(uint64_t x1, uint64_t x2, double tick1, double tick2);

/* That x1 of n1 and x2 of n2 come of the same share: the pooled z test; where a cell expects less
 * than 5, the exact test of the counts, which errs on the side of chance. */
double diff_proportions(uint64_t x1, uint64_t n1, uint64_t x2, uint64_t n2);

/* Welch's t test of two means; NaN where either has less than two rounds or nothing varies. */
double diff_welch(double mean1, double sd1, uint64_t n1, double mean2, double sd2, uint64_t n2);

/* Benjamini and Hochberg 1995: q[i], the smallest false discovery rate at which p[i] is one.
 * NaN (not tested) stays NaN and does not count. `order` has room for n numbers. */
void diff_control(const double *p, double *q, size_t *order, size_t n);
