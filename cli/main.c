/* heliograph: one program, three roles (collector, server, tools). */

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/options.h"
#include "cli/version.h"
#include "common/base/log.h"

static const struct command *const commands[] = {
    &command_run,
    &command_attach,
    &command_serve,
    &command_open,
    &command_upload,
    &command_report,
    &command_convert,
    &command_list,
    &command_export,
    &command_delete,
    &command_dump,
    &command_top,
    &command_diff,
    &command_history,
    &command_share,
    &command_token,
    &command_control,
    &command_doctor,
    NULL,
};

static int print_buf(struct buf *b)
{
    bool is_written = buf_status(b) == STATUS_OK && fwrite(b->data, 1, b->len, stdout) == b->len &&
                      fflush(stdout) == 0;
    buf_deinit(b);
    return is_written ? 0 : status_exit_code(STATUS_IO);
}

static void compose_overview(struct buf *out)
{
    buf_put_text(out, "Heliograph: a live CPU and memory profiler for Python.\n\n"
                      "usage: heliograph COMMAND [options]\n\n");
    for (const struct command *const *c = commands; *c; c++)
        buf_printf(out, "  %-10s %s\n", (*c)->name, (*c)->summary);
    buf_put_text(out, "\nheliograph COMMAND --help tells more. Begin with:\n"
                      "  heliograph run -- python3 app.py\n");
}

/* `heliograph man` and `heliograph completion SHELL`: for packaging and shells. */
static int print_generated(int argc, char **argv)
{
    struct buf out;
    buf_init(&out, 0);
    const char *shell = argc > 2 ? argv[2] : "";
    if (strcmp(argv[1], "man") == 0) {
        options_man(&out, commands, version_text());
    } else if (strcmp(shell, "bash") == 0) {
        options_completion_bash(&out, commands);
    } else if (strcmp(shell, "zsh") == 0) {
        options_completion_zsh(&out, commands);
    } else if (strcmp(shell, "fish") == 0) {
        options_completion_fish(&out, commands);
    } else {
        log_error("usage: heliograph completion bash|zsh|fish");
        return status_exit_code(STATUS_USAGE);
    }
    return print_buf(&out);
}

static int run_command(const struct command *command, int argc, char **argv)
{
    struct error err;
    struct args args;
    if (args_has_help(argc, argv, command)) {
        struct buf out;
        buf_init(&out, 0);
        options_help(&out, command);
        return print_buf(&out);
    }
    enum status st = args_parse(&args, command, argc, argv, &err);
    if (st != STATUS_OK) {
        log_error("%s", err.text);
        return status_exit_code(st);
    }
    int code = command->run(&args);
    args_deinit(&args);
    return code;
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        struct buf out;
        buf_init(&out, 0);
        compose_overview(&out);
        int code = print_buf(&out);
        return argc < 2 ? status_exit_code(STATUS_USAGE) : code;
    }
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "version") == 0) {
        printf("heliograph %s (%s)\n", version_text(), version_build());
        return 0;
    }
    if (strcmp(argv[1], "man") == 0 || strcmp(argv[1], "completion") == 0)
        return print_generated(argc, argv);
    for (const struct command *const *c = commands; *c; c++) {
        if (strcmp(argv[1], (*c)->name) == 0)
            return run_command(*c, argc - 1, argv + 1);
    }
    log_error("there is no command \"%s\"; heliograph --help lists them", argv[1]);
    return status_exit_code(STATUS_USAGE);
}
