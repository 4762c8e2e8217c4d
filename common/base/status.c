#include "common/base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct status_row {
    const char *name;
    int exit_code;
};

static const struct status_row rows[] = {
    [STATUS_OK] = {"ok", 0},
    [STATUS_NO_MEMORY] = {"no_memory", 2},
    [STATUS_USAGE] = {"usage", 2},
    [STATUS_INVALID] = {"invalid", 2},
    [STATUS_UNSUPPORTED] = {"unsupported", 2},
    [STATUS_TOO_LARGE] = {"too_large", 2},
    [STATUS_NOT_FOUND] = {"not_found", 2},
    [STATUS_EXISTS] = {"exists", 2},
    [STATUS_DENIED] = {"denied", 3},
    [STATUS_GONE] = {"gone", 3},
    [STATUS_BUSY] = {"busy", 4},
    [STATUS_UNREACHABLE] = {"unreachable", 4},
    [STATUS_IO] = {"io", 2},
    [STATUS_CORRUPT] = {"corrupt", 2},
    [STATUS_CHECK] = {"check", 1},
};

static void replace_control_characters(char *text)
{
    for (char *c = text; *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
    }
}

void error_write(struct error *err, enum status status, const char *format, ...)
{
    if (!err)
        return;
    err->status = status;
    va_list args;
    va_start(args, format);
    vsnprintf(err->text, sizeof(err->text), format, args);
    va_end(args);
    replace_control_characters(err->text);
}

void error_prefix(struct error *err, const char *context)
{
    if (!err)
        return;
    char joined[sizeof(err->text)];
    int wrote = snprintf(joined, sizeof(joined), "%s: %s", context, err->text);
    if (wrote > 0)
        memcpy(err->text, joined, sizeof(joined));
    replace_control_characters(err->text);
}

const char *status_name(enum status status)
{
    return (size_t)status < sizeof(rows) / sizeof(rows[0]) ? rows[status].name : "unknown";
}

int status_exit_code(enum status status)
{
    return (size_t)status < sizeof(rows) / sizeof(rows[0]) ? rows[status].exit_code : 2;
}
