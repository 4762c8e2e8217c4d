#pragma once
/* What a callgrind file leaves to its readers: the totals. */

#include "backend/model/profile.h"

/* A function's total is its own cost and that of what it called. Within a recursion callgrind
 * counts that again and again, so no function gets more than the whole run; true when one would
 * have. */
bool callgrind_totals(struct call_graph *g, double whole);

/* From nanoseconds: a call graph's time is in seconds (profile-model.md). */
void callgrind_to_seconds(struct call_graph *g);
