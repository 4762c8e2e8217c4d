#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "cli/options.h"

static int run_nothing(const struct args *args)
{
    (void)args;
    return 0;
}

static const struct option_row rows[] = {
    {"rate", 'r', "HZ", "samples a second", "100", NULL},
    {"children", 0, NULL, "follow child processes", NULL, NULL},
    {"quiet", 'q', NULL, "say less", NULL, NULL},
    {"interval", 'i', "SECONDS", "between readings", "0.1", NULL},
    {"size", 0, "SIZE", "a size", NULL, NULL},
    {"tag", 't', "K=V", "a tag", NULL, NULL},
    {"server", 0, "URL", "where", NULL, "HELIOGRAPH_TEST_SERVER"},
    {0},
};

static const struct command command = {
    .name = "try",
    .usage = "[options] [--] COMMAND [ARG...]",
    .summary = "a command for tests",
    .options = rows,
    .stops_at_word = true,
    .max_words = -1,
    .run = run_nothing,
};

static enum status parse(struct args *args, struct error *err, int argc, const char *const *words)
{
    static char store[16][64];
    static char *argv[17];
    for (int i = 0; i < argc; i++) {
        strncpy(store[i], words[i], sizeof(store[i]) - 1);
        argv[i] = store[i];
    }
    return args_parse(args, &command, argc, argv, err);
}

#define PARSE(args, err, ...)                                                                      \
    parse((args), (err), (int)(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)),            \
          (const char *const[]){__VA_ARGS__})

Test(options, reads_long_short_and_joined_values)
{
    struct args args;
    struct error err;
    cr_assert_eq(PARSE(&args, &err, "try", "--rate=50", "-q", "-i", "2", "python3", "-q"),
                 STATUS_OK);
    double rate = 0;
    double interval = 0;
    cr_assert_eq(args_number(&args, "rate", 1, 1000, &rate, &err), STATUS_OK);
    cr_assert_eq(args_seconds(&args, "interval", &interval, &err), STATUS_OK);
    cr_assert_float_eq(rate, 50, 0);
    cr_assert_float_eq(interval, 2, 0);
    cr_assert(args_flag(&args, "quiet", false));
    args_deinit(&args);
}

Test(options, leaves_the_command_s_own_options_alone)
{
    struct args args;
    struct error err;
    cr_assert_eq(PARSE(&args, &err, "try", "--rate", "10", "python3", "--rate", "99", "--", "x"),
                 STATUS_OK);
    cr_assert_eq(args.words_len, 5);
    cr_assert_str_eq(args.words[0], "python3");
    cr_assert_str_eq(args.words[1], "--rate");
    cr_assert_str_eq(args_text(&args, "rate"), "10");
    args_deinit(&args);
}

Test(options, knows_no_before_a_flag)
{
    struct args args;
    struct error err;
    cr_assert_eq(PARSE(&args, &err, "try", "--no-children"), STATUS_OK);
    cr_assert_not(args_flag(&args, "children", true));
    cr_assert(args_flag(&args, "quiet", true), "an absent flag takes what is given");
    args_deinit(&args);
}

Test(options, refuses_what_it_does_not_know_by_name)
{
    struct args args;
    struct error err;
    cr_assert_eq(PARSE(&args, &err, "try", "--speed", "3"), STATUS_USAGE);
    cr_assert(strstr(err.text, "--speed"), "%s", err.text);
    cr_assert_eq(PARSE(&args, &err, "try", "--no-rate"), STATUS_USAGE);
    cr_assert_eq(PARSE(&args, &err, "try", "--rate"), STATUS_USAGE);
    cr_assert(strstr(err.text, "HZ"), "%s", err.text);
    cr_assert_eq(PARSE(&args, &err, "try", "--quiet=1"), STATUS_USAGE);
}

Test(options, says_the_range_of_a_number)
{
    struct args args;
    struct error err;
    double rate = 7;
    cr_assert_eq(PARSE(&args, &err, "try", "--rate", "0"), STATUS_OK);
    cr_assert_eq(args_number(&args, "rate", 1, 10000, &rate, &err), STATUS_USAGE);
    cr_assert(strstr(err.text, "10000"), "%s", err.text);
    cr_assert_float_eq(rate, 7, 0, "a bad value leaves the number alone");
    args_deinit(&args);
}

Test(options, reads_times_and_sizes_with_units)
{
    struct args args;
    struct error err;
    double seconds = 0;
    uint64_t size = 0;
    cr_assert_eq(PARSE(&args, &err, "try", "--interval=100ms", "--size", "64MiB"), STATUS_OK);
    cr_assert_eq(args_seconds(&args, "interval", &seconds, &err), STATUS_OK);
    cr_assert_float_eq(seconds, 0.1, 1e-12);
    cr_assert_eq(args_size(&args, "size", &size, &err), STATUS_OK);
    cr_assert_eq(size, 64u << 20);
    args_deinit(&args);

    cr_assert_eq(PARSE(&args, &err, "try", "--interval", "-1"), STATUS_OK);
    cr_assert_eq(args_seconds(&args, "interval", &seconds, &err), STATUS_USAGE);
    args_deinit(&args);
}

Test(options, keeps_every_tag_in_order)
{
    struct args args;
    struct error err;
    cr_assert_eq(PARSE(&args, &err, "try", "-t", "a=1", "--tag=b=2"), STATUS_OK);
    cr_assert_str_eq(args.tags[0], "a=1");
    cr_assert_str_eq(args.tags[1], "b=2");
    cr_assert_null(args.tags[2]);
    args_deinit(&args);
}

Test(options, falls_back_to_the_environment)
{
    struct args args;
    struct error err;
    setenv("HELIOGRAPH_TEST_SERVER", "http://127.0.0.1:1", 1);
    cr_assert_eq(PARSE(&args, &err, "try"), STATUS_OK);
    cr_assert_str_eq(args_text(&args, "server"), "http://127.0.0.1:1");
    args_deinit(&args);
    cr_assert_eq(PARSE(&args, &err, "try", "--server", "http://127.0.0.1:2"), STATUS_OK);
    cr_assert_str_eq(args_text(&args, "server"), "http://127.0.0.1:2");
    args_deinit(&args);
}

Test(options, help_names_every_option)
{
    struct buf out;
    buf_init(&out, 0);
    options_help(&out, &command);
    buf_put_byte(&out, '\0');
    for (const struct option_row *row = rows; row->name; row++)
        cr_assert(strstr((const char *)out.data, row->name), "%s", row->name);
    buf_deinit(&out);
}
