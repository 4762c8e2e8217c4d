#pragma once
/* One table describes a command: parsing, --help, the man page and the shell completions all come
 * from it, so that they cannot disagree. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/status.h"

struct option_row {
    const char *name;  /* "rate": --rate; NULL ends the table */
    char letter;       /* 'r', or 0 */
    const char *value; /* "HZ": it takes a value; NULL: a flag, also as --no-NAME */
    const char *help;
    const char *initial;     /* what holds when absent, for --help; flags: NULL */
    const char *environment; /* variable read when the option is absent, or NULL */
};

struct args;

struct command {
    const char *name;
    const char *usage;   /* "[options] [--] COMMAND [ARG...]" */
    const char *summary; /* one line */
    const char *details; /* paragraphs for --help and the man page; may be NULL */
    const struct option_row *options;
    bool stops_at_word; /* the first word ends the options: what follows is another command line */
    int min_words, max_words; /* max -1 = any number */
    int (*run)(const struct args *args);
};

struct args {
    const struct command *command;
    const char **values; /* one for each option row; NULL = absent, "" = flag given, "no" */
    const char **tags;   /* every --tag, NULL-ended */
    const char **spans;  /* every --span, NULL-ended */
    int words_len;
    char **words;
};

/* Fills `out` (freed by args_deinit). STATUS_USAGE names the option and what it takes. */
enum status args_parse(struct args *out, const struct command *command, int argc, char **argv,
                       struct error *err);
void args_deinit(struct args *args);

bool args_has_help(int argc, char **argv, const struct command *command);

/* By long name; asking for a name that is not in the table is a bug. */
bool args_flag(const struct args *args, const char *name, bool otherwise);
const char *args_text(const struct args *args, const char *name); /* NULL when absent */

/* Numbers with a range, seconds ("1.5", "500ms", "2m"), and sizes ("512K", "2MiB"). STATUS_USAGE
 * says what is wrong; absent leaves `*out` as it is. */
enum status args_number(const struct args *args, const char *name, double low, double high,
                        double *out, struct error *err);
enum status args_seconds(const struct args *args, const char *name, double *out, struct error *err);
enum status args_size(const struct args *args, const char *name, uint64_t *out, struct error *err);

void options_help(struct buf *out, const struct command *command);
void options_man(struct buf *out, const struct command *const *commands, const char *version);
void options_completion_bash(struct buf *out, const struct command *const *commands);
void options_completion_zsh(struct buf *out, const struct command *const *commands);
void options_completion_fish(struct buf *out, const struct command *const *commands);
