#pragma once
/* What the files of the comparison share. Internal to query. */

#include "backend/query/diff.h"

/* Tests the rows, marks what is significant and what a regression, and puts them in order. */
enum status diff_judge_rows(struct diff *d);

/* Pairs the benchmarks by name, tests, marks and orders them. */
enum status diff_judge_benchmarks(struct diff *d);
