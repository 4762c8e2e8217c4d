#pragma once
/* Compares our plain structs with what generated code reads from the same bytes. */

#include "common/wire/wire.h"
#include "heliograph.pb-c.h"

/* NULL when they say the same, else what differs. */
const char *differs_from_protobuf(const struct wire_batch *ours,
                                  const Heliograph__V1__Batch *theirs);
const char *hello_differs_from_protobuf(const struct wire_hello *ours,
                                        const Heliograph__V1__Hello *theirs);
