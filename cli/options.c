#include "cli/options.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static size_t count_rows(const struct option_row *rows)
{
    size_t n = 0;
    while (rows && rows[n].name)
        n++;
    return n;
}

static const struct option_row *row_by_name(const struct command *command, const char *name,
                                            size_t len)
{
    for (const struct option_row *row = command->options; row && row->name; row++) {
        if (strlen(row->name) == len && memcmp(row->name, name, len) == 0)
            return row;
    }
    return NULL;
}

static const struct option_row *row_by_letter(const struct command *command, char letter)
{
    for (const struct option_row *row = command->options; row && row->name; row++) {
        if (row->letter == letter)
            return row;
    }
    return NULL;
}

static void set_value(struct args *args, const struct option_row *row, const char *value)
{
    args->values[row - args->command->options] = value;
    const char **list = strcmp(row->name, "tag") == 0    ? args->tags
                        : strcmp(row->name, "span") == 0 ? args->spans
                                                         : NULL;
    if (!list)
        return;
    while (*list)
        list++;
    *list = value;
}

/* `--name`, `--name=value`, `--name value`, `--no-name`. Moves `*at` over a value of its own. */
static enum status take_long(struct args *args, int argc, char **argv, int *at, struct error *err)
{
    const char *text = argv[*at] + 2;
    size_t len = strcspn(text, "=");
    const struct option_row *row = row_by_name(args->command, text, len);
    if (!row && strncmp(text, "no-", 3) == 0 && text[len] == '\0') {
        row = row_by_name(args->command, text + 3, len - 3);
        if (row && !row->value) {
            set_value(args, row, "no");
            return STATUS_OK;
        }
        row = NULL;
    }
    if (!row)
        return error_set(err, STATUS_USAGE, "%s has no option --%.*s; see heliograph %s --help",
                         args->command->name, (int)len, text, args->command->name);
    if (!row->value) {
        if (text[len] == '=')
            return error_set(err, STATUS_USAGE, "--%s takes no value", row->name);
        set_value(args, row, "");
        return STATUS_OK;
    }
    if (text[len] == '=') {
        set_value(args, row, text + len + 1);
        return STATUS_OK;
    }
    if (*at + 1 >= argc)
        return error_set(err, STATUS_USAGE, "--%s needs a value: %s", row->name, row->value);
    set_value(args, row, argv[++*at]);
    return STATUS_OK;
}

/* `-r 100`, `-r100`, and flags in a row: `-qn`. */
static enum status take_short(struct args *args, int argc, char **argv, int *at, struct error *err)
{
    for (const char *c = argv[*at] + 1; *c; c++) {
        const struct option_row *row = row_by_letter(args->command, *c);
        if (!row)
            return error_set(err, STATUS_USAGE, "%s has no option -%c; see heliograph %s --help",
                             args->command->name, *c, args->command->name);
        if (!row->value) {
            set_value(args, row, "");
            continue;
        }
        if (c[1]) {
            set_value(args, row, c + 1);
        } else if (*at + 1 < argc) {
            set_value(args, row, argv[++*at]);
        } else {
            return error_set(err, STATUS_USAGE, "-%c needs a value: %s", *c, row->value);
        }
        return STATUS_OK;
    }
    return STATUS_OK;
}

static enum status take_words(struct args *args, int argc, char **argv, struct error *err)
{
    for (int at = 1; at < argc; at++) {
        const char *text = argv[at];
        enum status st = STATUS_OK;
        if (strcmp(text, "--") == 0) {
            for (at++; at < argc; at++)
                args->words[args->words_len++] = argv[at];
        } else if (strncmp(text, "--", 2) == 0) {
            st = take_long(args, argc, argv, &at, err);
        } else if (text[0] == '-' && text[1]) {
            st = take_short(args, argc, argv, &at, err);
        } else if (args->command->stops_at_word) {
            for (; at < argc; at++)
                args->words[args->words_len++] = argv[at];
        } else {
            args->words[args->words_len++] = argv[at];
        }
        if (st != STATUS_OK)
            return st;
    }
    return STATUS_OK;
}

static enum status check_word_count(const struct args *args, struct error *err)
{
    const struct command *c = args->command;
    if (args->words_len < c->min_words || (c->max_words >= 0 && args->words_len > c->max_words))
        return error_set(err, STATUS_USAGE, "usage: heliograph %s %s", c->name, c->usage);
    return STATUS_OK;
}

enum status args_parse(struct args *out, const struct command *command, int argc, char **argv,
                       struct error *err)
{
    size_t rows = count_rows(command->options);
    struct args args = {.command = command};
    args.values = calloc(rows + 1, sizeof(*args.values));
    args.tags = calloc((size_t)argc + 1, sizeof(*args.tags));
    args.spans = calloc((size_t)argc + 1, sizeof(*args.spans));
    args.words = calloc((size_t)argc + 1, sizeof(*args.words));
    if (!args.values || !args.tags || !args.spans || !args.words) {
        args_deinit(&args);
        return error_set(err, STATUS_NO_MEMORY, "no memory for the command line");
    }
    enum status st = take_words(&args, argc, argv, err);
    if (st == STATUS_OK)
        st = check_word_count(&args, err);
    if (st != STATUS_OK) {
        args_deinit(&args);
        return st;
    }
    for (size_t i = 0; i < rows; i++) {
        const char *variable = command->options[i].environment;
        if (!args.values[i] && variable) {
            const char *value = getenv(variable);
            args.values[i] = value && *value ? value : NULL;
        }
    }
    *out = args;
    return STATUS_OK;
}

void args_deinit(struct args *args)
{
    free(args->values);
    free(args->tags);
    free(args->spans);
    free(args->words);
    *args = (struct args){0};
}

bool args_has_help(int argc, char **argv, const struct command *command)
{
    for (int at = 1; at < argc && strcmp(argv[at], "--") != 0; at++) {
        if (strcmp(argv[at], "--help") == 0 || strcmp(argv[at], "-h") == 0)
            return true;
        if (argv[at][0] != '-' && command->stops_at_word)
            return false;
    }
    return false;
}

static const char *value_of(const struct args *args, const char *name)
{
    const struct option_row *row = row_by_name(args->command, name, strlen(name));
    assert(row);
    return args->values[row - args->command->options];
}

bool args_flag(const struct args *args, const char *name, bool otherwise)
{
    const char *value = value_of(args, name);
    return value ? strcmp(value, "no") != 0 : otherwise;
}

const char *args_text(const struct args *args, const char *name)
{
    return value_of(args, name);
}

struct unit {
    const char *name;
    double factor;
};

/* A number with one of the units behind it; the row with an empty name is the plain number. */
static bool parse_with_unit(const char *text, const struct unit *units, size_t len, double *out)
{
    char *end;
    errno = 0;
    double value = strtod(text, &end);
    if (end == text || errno || !isfinite(value))
        return false;
    for (size_t i = 0; i < len; i++) {
        if (strcmp(end, units[i].name) == 0) {
            *out = value * units[i].factor;
            return true;
        }
    }
    return false;
}

enum status args_number(const struct args *args, const char *name, double low, double high,
                        double *out, struct error *err)
{
    static const struct unit plain[] = {{"", 1}, {"k", 1e3}, {"khz", 1e3}, {"hz", 1}};
    const char *text = value_of(args, name);
    if (!text)
        return STATUS_OK;
    double value;
    if (!parse_with_unit(text, plain, sizeof(plain) / sizeof(plain[0]), &value) || value < low ||
        value > high)
        return error_set(err, STATUS_USAGE, "--%s takes a number from %g to %g, not \"%s\"", name,
                         low, high, text);
    *out = value;
    return STATUS_OK;
}

enum status args_seconds(const struct args *args, const char *name, double *out, struct error *err)
{
    static const struct unit units[] = {{"", 1},   {"s", 1},    {"ms", 1e-3}, {"us", 1e-6},
                                        {"m", 60}, {"min", 60}, {"h", 3600},  {"d", 86400}};
    const char *text = value_of(args, name);
    if (!text)
        return STATUS_OK;
    double value;
    if (!parse_with_unit(text, units, sizeof(units) / sizeof(units[0]), &value) || value <= 0)
        return error_set(err, STATUS_USAGE,
                         "--%s takes a time above 0 such as 0.5, 100ms or 2m, not \"%s\"", name,
                         text);
    *out = value;
    return STATUS_OK;
}

enum status args_size(const struct args *args, const char *name, uint64_t *out, struct error *err)
{
    static const struct unit units[] = {{"", 1},
                                        {"B", 1},
                                        {"K", 1024.0},
                                        {"KB", 1e3},
                                        {"KiB", 1024.0},
                                        {"M", 1048576.0},
                                        {"MB", 1e6},
                                        {"MiB", 1048576.0},
                                        {"G", 1073741824.0},
                                        {"GB", 1e9},
                                        {"GiB", 1073741824.0}};
    const char *text = value_of(args, name);
    if (!text)
        return STATUS_OK;
    double value;
    if (!parse_with_unit(text, units, sizeof(units) / sizeof(units[0]), &value) || value < 1 ||
        value > 1e18)
        return error_set(err, STATUS_USAGE,
                         "--%s takes a size such as 512K, 64MiB or 1GB, not \"%s\"", name, text);
    *out = (uint64_t)value;
    return STATUS_OK;
}
