#include "common/base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/json_out.h"

static atomic_int least_level = LOG_INFO;
static atomic_int as_json;

static const char *const level_names[] = {"debug", "info", "warn", "error"};

void log_set_level(enum log_level level)
{
    atomic_store(&least_level, (int)level);
}

void log_set_json(int enabled)
{
    atomic_store(&as_json, enabled);
}

static void compose_json(struct buf *line, enum log_level level, const char *text)
{
    struct json_out json;
    json_out_init(&json, line);
    json_out_object(&json);
    json_put_f64(&json, "ts", (double)clock_unix_ns() / 1e9);
    json_out_key(&json, "level");
    json_out_text(&json, level_names[level]);
    json_out_key(&json, "msg");
    json_out_text(&json, text);
    json_out_end(&json);
    buf_put_byte(line, '\n');
}

void log_write(enum log_level level, const char *format, ...)
{
    if ((int)level < atomic_load(&least_level))
        return;
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    for (char *c = text; *c; c++) {
        if (((unsigned char)*c < 0x20 && *c != '\n') || *c == 0x7f)
            *c = '?';
    }

    struct buf line;
    buf_init(&line, 0);
    if (atomic_load(&as_json))
        compose_json(&line, level, text);
    else
        buf_printf(&line, "heliograph: %s%s\n", level == LOG_WARN ? "warning: " : "", text);
    if (buf_status(&line) == STATUS_OK && write(STDERR_FILENO, line.data, line.len) < 0) {
        /* Nobody is listening; there is nobody to tell. */
    }
    buf_deinit(&line);
}
