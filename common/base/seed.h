#pragma once
/* A number that a foreign file's author cannot know, for the order of hash tables. */

#include <stdint.h>

uint64_t seed_random(void);
