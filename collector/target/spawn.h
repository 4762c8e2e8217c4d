#pragma once
/* Starts a command as a shell would, and hears whether the exec went well. */

#include <sys/types.h>

#include "collector/target/target.h"

enum status spawn_command(pid_t *out, char *const argv[], const struct target_options *options,
                          struct error *err);
