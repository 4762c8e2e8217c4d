#pragma once
/* Every command: one file each (cli/command_*.c), one row in cli/main.c. */

#include "cli/options.h"

extern const struct command command_run;
extern const struct command command_attach;
extern const struct command command_serve;
extern const struct command command_open;
extern const struct command command_upload;
extern const struct command command_report;
extern const struct command command_convert;
extern const struct command command_list;
extern const struct command command_export;
extern const struct command command_delete;
extern const struct command command_control;
extern const struct command command_share;
extern const struct command command_token;
extern const struct command command_diff;
extern const struct command command_history;
extern const struct command command_dump;
extern const struct command command_top;
extern const struct command command_doctor;
