#pragma once
/* Messages for people, on stderr: "heliograph: ..." . Data goes to stdout and never through here.
 */

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

/* Below this level nothing is written; LOG_INFO at start. */
void log_set_level(enum log_level level);

/* One JSON object a line ({"ts":..., "level":..., "msg":...}) instead of text, for `serve`. */
void log_set_json(int enabled);

/* One write(2) a message, so that lines of several threads never mix. Control characters in
 * the result are replaced. */
void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_debug(...) log_write(LOG_DEBUG, __VA_ARGS__)
#define log_info(...)  log_write(LOG_INFO, __VA_ARGS__)
#define log_warn(...)  log_write(LOG_WARN, __VA_ARGS__)
#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__)
