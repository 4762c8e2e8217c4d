#include <stdio.h>
#include <string.h>

#include "cli/options.h"

static void put_option_left(struct buf *out, const struct option_row *row)
{
    char left[64];
    if (row->value)
        snprintf(left, sizeof(left), "--%s %s", row->name, row->value);
    else
        snprintf(left, sizeof(left), "--%s", row->name);
    if (row->letter)
        buf_printf(out, "  -%c, %-26s", row->letter, left);
    else
        buf_printf(out, "      %-26s", left);
}

void options_help(struct buf *out, const struct command *command)
{
    buf_printf(out, "usage: heliograph %s %s\n\n%s\n", command->name, command->usage,
               command->summary);
    if (command->details)
        buf_printf(out, "\n%s\n", command->details);
    buf_put_text(out, "\noptions:\n");
    for (const struct option_row *row = command->options; row && row->name; row++) {
        put_option_left(out, row);
        buf_printf(out, " %s", row->help);
        if (row->initial)
            buf_printf(out, " (%s)", row->initial);
        if (row->environment)
            buf_printf(out, " [%s]", row->environment);
        buf_put_byte(out, '\n');
    }
    buf_printf(out, "  -h, %-26s %s\n", "--help", "this text");
}

/* In roff a line that begins with a dot or quote is a request, and a hyphen may be typeset. */
static void put_roff(struct buf *out, const char *text)
{
    for (const char *c = text; *c; c++) {
        bool at_line_start = c == text || c[-1] == '\n';
        if (at_line_start && (*c == '.' || *c == '\''))
            buf_put_text(out, "\\&");
        if (*c == '-' || *c == '\\')
            buf_put_byte(out, '\\');
        buf_put_byte(out, (uint8_t)*c);
    }
}

static void put_roff_command(struct buf *out, const struct command *c)
{
    buf_put_text(out, ".SS heliograph ");
    put_roff(out, c->name);
    buf_put_byte(out, ' ');
    put_roff(out, c->usage);
    buf_put_byte(out, '\n');
    put_roff(out, c->summary);
    buf_put_text(out, "\n");
    if (c->details) {
        buf_put_text(out, ".PP\n");
        put_roff(out, c->details);
        buf_put_text(out, "\n");
    }
    for (const struct option_row *row = c->options; row && row->name; row++) {
        buf_put_text(out, ".TP\n\\fB");
        if (row->letter)
            buf_printf(out, "\\-%c, ", row->letter);
        buf_put_text(out, "\\-\\-");
        put_roff(out, row->name);
        buf_put_text(out, "\\fR");
        if (row->value)
            buf_printf(out, " \\fI%s\\fR", row->value);
        buf_put_byte(out, '\n');
        put_roff(out, row->help);
        if (row->initial) {
            buf_put_text(out, " (");
            put_roff(out, row->initial);
            buf_put_text(out, ")");
        }
        buf_put_byte(out, '\n');
    }
}

void options_man(struct buf *out, const struct command *const *commands, const char *version)
{
    buf_printf(out, ".TH HELIOGRAPH 1 \"\" \"heliograph %s\" \"User Commands\"\n", version);
    buf_put_text(out, ".SH NAME\nheliograph \\- a live CPU and memory profiler for Python\n"
                      ".SH SYNOPSIS\n.B heliograph\n.I COMMAND\n[options]\n"
                      ".SH DESCRIPTION\nSamples the stacks of running Python programs, follows "
                      "their memory, and shows both live in the browser.\n.SH COMMANDS\n");
    for (; *commands; commands++)
        put_roff_command(out, *commands);
    buf_put_text(out,
                 ".SH EXIT STATUS\n0 done; 1 a gate said no; 2 usage or bad input; 3 not permitted "
                 "or target gone; 4 server unreachable. \\fBrun\\fR passes on the exit code of the "
                 "command (128 + signal when it was killed).\n");
}

static void put_words(struct buf *out, const struct command *c)
{
    for (const struct option_row *row = c->options; row && row->name; row++)
        buf_printf(out, "--%s ", row->name);
    buf_put_text(out, "--help");
}

void options_completion_bash(struct buf *out, const struct command *const *commands)
{
    buf_put_text(out, "_heliograph() {\n    local word=${COMP_WORDS[COMP_CWORD]} words\n"
                      "    if [ \"$COMP_CWORD\" -eq 1 ]; then words=\"");
    for (const struct command *const *c = commands; *c; c++)
        buf_printf(out, "%s ", (*c)->name);
    buf_put_text(out, "--help --version\"\n    else case ${COMP_WORDS[1]} in\n");
    for (const struct command *const *c = commands; *c; c++) {
        buf_printf(out, "        %s) words=\"", (*c)->name);
        put_words(out, *c);
        buf_put_text(out, "\" ;;\n");
    }
    buf_put_text(out, "    esac; fi\n    COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
                      "    [ ${#COMPREPLY[@]} -gt 0 ] || COMPREPLY=($(compgen -f -- \"$word\"))\n"
                      "}\ncomplete -F _heliograph heliograph\n");
}

void options_completion_zsh(struct buf *out, const struct command *const *commands)
{
    buf_put_text(out, "#compdef heliograph\nautoload -U +X bashcompinit && bashcompinit\n");
    options_completion_bash(out, commands);
}

/* Single quotes and backslashes are all that fish reads inside single quotes. */
static void put_fish_text(struct buf *out, const char *text)
{
    buf_put_byte(out, '\'');
    for (const char *c = text; *c; c++) {
        if (*c == '\'' || *c == '\\')
            buf_put_byte(out, '\\');
        buf_put_byte(out, (uint8_t)*c);
    }
    buf_put_byte(out, '\'');
}

void options_completion_fish(struct buf *out, const struct command *const *commands)
{
    for (const struct command *const *c = commands; *c; c++) {
        buf_printf(out, "complete -c heliograph -n __fish_use_subcommand -a %s -d ", (*c)->name);
        put_fish_text(out, (*c)->summary);
        buf_put_byte(out, '\n');
        for (const struct option_row *row = (*c)->options; row && row->name; row++) {
            buf_printf(out,
                       "complete -c heliograph -n '__fish_seen_subcommand_from %s' -l %s %s-d ",
                       (*c)->name, row->name, row->value ? "-r " : "");
            put_fish_text(out, row->help);
            buf_put_byte(out, '\n');
        }
    }
}
