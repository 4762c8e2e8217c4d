#pragma once
/* Every format, two lines each: its declaration and its place in the table. Only format.c includes
 * this. Where two formats are equally sure of a file, the earlier row wins. */

#include "backend/formats/format.h"

static const struct format *const format_rows[] = {
    NULL,
};
