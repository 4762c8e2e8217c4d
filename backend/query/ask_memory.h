#pragma once
/* The questions "memory" and "leaks". Internal to query; ask.h has the whole. */

#include "backend/query/ask.h"

enum status ask_memory(const struct ask *a, struct buf *answer, bool *is_binary, struct error *err);
enum status ask_leaks(const struct ask *a, struct buf *answer, bool *is_binary, struct error *err);
