#pragma once
/* Whether two profiles say the same: rows by number, strings by their text. */

#include "backend/model/profile.h"

/* NULL when they do, else the first thing that differs. */
const char *profiles_differ(const struct profile *a, const struct profile *b);
