#pragma once
/* Every format, two lines each: its declaration and its place in the table. Only format.c includes
 * this. Where two formats are equally sure of a file, the earlier row wins. */

#include "backend/formats/format.h"

extern const struct format format_pstats;
extern const struct format format_collapsed;
extern const struct format format_speedscope;

static const struct format *const format_rows[] = {
    &format_pstats,
    &format_collapsed,
    &format_speedscope,
};
