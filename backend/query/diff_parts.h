#pragma once
/* What the files of the comparison share. Internal to query. */

#include "backend/query/diff.h"

/* The chance that two counts of samples, as normalised, are of the same amount; NaN = too few. */
double diff_test_counts(const struct diff *d, uint64_t base, uint64_t target);

/* "none", "total", "ncalls". */
const char *diff_normalise_name(enum diff_normalise n);

/* Tests the rows, marks what is significant and what a regression, and puts them in order. */
enum status diff_judge_rows(struct diff *d);

/* Pairs the benchmarks by name, tests, marks and orders them. */
enum status diff_judge_benchmarks(struct diff *d);
