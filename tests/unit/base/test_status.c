#include <criterion/criterion.h>
#include <string.h>

#include "common/base/status.h"

Test(status, an_error_has_its_status_and_words)
{
    struct error err = {0};
    cr_assert_eq(error_set(&err, STATUS_INVALID, "byte %d of %s", 7, "file"), STATUS_INVALID);
    cr_assert_eq(err.status, STATUS_INVALID);
    cr_assert_str_eq(err.text, "byte 7 of file");
    error_prefix(&err, "app.prof");
    cr_assert_str_eq(err.text, "app.prof: byte 7 of file");
    cr_assert_eq(err.status, STATUS_INVALID);
}

Test(status, words_may_be_unwanted)
{
    cr_assert_eq(error_set(NULL, STATUS_GONE, "x"), STATUS_GONE);
    error_prefix(NULL, "y");
}

Test(status, foreign_names_cannot_drive_the_terminal)
{
    struct error err = {0};
    error_set(&err, STATUS_INVALID, "%s", "\x1b[31mred\nline\x7f");
    cr_assert_str_eq(err.text, "?[31mred?line?");
    error_prefix(&err, "a\tb");
    cr_assert_str_eq(err.text, "a?b: ?[31mred?line?");
}

Test(status, long_words_are_cut_not_overrun)
{
    struct error err = {0};
    char text[2000];
    memset(text, 'z', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    error_set(&err, STATUS_INVALID, "%s", text);
    cr_assert_eq(strlen(err.text), sizeof(err.text) - 1);
    error_prefix(&err, "start");
    cr_assert_eq(strlen(err.text), sizeof(err.text) - 1);
    cr_assert_eq(strncmp(err.text, "start: zzz", 10), 0);
}

Test(status, every_status_has_its_own_name_and_an_exit_code)
{
    for (int i = STATUS_OK; i <= STATUS_CHECK; i++) {
        const char *name = status_name((enum status)i);
        cr_assert(name && name[0], "status %d has no name", i);
        for (int k = STATUS_OK; k < i; k++)
            cr_assert_str_neq(name, status_name((enum status)k));
        cr_assert_eq(status_exit_code((enum status)i) == 0, i == STATUS_OK);
    }
    cr_assert_eq(status_exit_code(STATUS_CHECK), 1);
    cr_assert_eq(status_exit_code(STATUS_INVALID), 2);
    cr_assert_eq(status_exit_code(STATUS_DENIED), 3);
    cr_assert_eq(status_exit_code(STATUS_UNREACHABLE), 4);
    cr_assert_str_eq(status_name((enum status)999), "unknown");
    cr_assert_eq(status_exit_code((enum status)999), 2);
}
