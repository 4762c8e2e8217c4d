#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/log.h"

/* What `say` writes to stderr, NUL-terminated. */
static char *captured(void (*say)(void))
{
    static char text[4096];
    int ends[2];
    cr_assert_eq(pipe(ends), 0);
    int before = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);
    say();
    dup2(before, STDERR_FILENO);
    close(before);
    close(ends[1]);
    ssize_t len = read(ends[0], text, sizeof(text) - 1);
    close(ends[0]);
    text[len > 0 ? len : 0] = '\0';
    return text;
}

static void say_each_level(void)
{
    log_debug("not shown");
    log_info("plain %d", 1);
    log_warn("odd");
    log_error("bad");
}

Test(log, is_for_people)
{
    cr_assert_str_eq(captured(say_each_level),
                     "heliograph: plain 1\nheliograph: warning: odd\nheliograph: bad\n");
}

static void say_foreign_name(void)
{
    log_info("%s", "a\x1b[2Jb\rc");
}

Test(log, replaces_what_would_move_the_cursor)
{
    cr_assert_str_eq(captured(say_foreign_name), "heliograph: a?[2Jb?c\n");
}

static void say_quoted(void)
{
    log_warn("say \"%s\"", "hi");
}

Test(log, can_be_json_a_line)
{
    log_set_json(1);
    const char *line = captured(say_quoted);
    cr_assert_eq(strncmp(line, "{\"ts\":", 6), 0, "%s", line);
    cr_assert(strstr(line, "\"level\":\"warn\""), "%s", line);
    cr_assert(strstr(line, "\"msg\":\"say \\\"hi\\\"\"}\n"), "%s", line);
}

Test(log, keeps_to_its_level)
{
    log_set_level(LOG_ERROR);
    cr_assert_str_eq(captured(say_each_level), "heliograph: bad\n");
}
