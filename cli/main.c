/* main.c: provmat, from argv to an exit status: parse, settle the settings, run the command, say what went wrong. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/signals.h"
#include "cli/version.h"

/* The reader of our stdout is gone ("provmat replay | head"): end as the shell expects it of every filter. Asked of the
 * pipe itself, because the error that a writer met has lost its errno on the way here. */
static void end_if_pipe_closed(void)
{
    struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};
    if (poll(&out, 1, 0) != 1 || !(out.revents & (POLLERR | POLLHUP))) return;
    signal(SIGPIPE, SIG_DFL);
    raise(SIGPIPE);
}

static int finish(int rc, struct pm_error *err)
{
    if (rc == PM_EIO) end_if_pipe_closed();
    pm_progress_clear();
    errno = 0;
    if (fflush(stdout) != 0 || ferror(stdout)) {
        int why = errno;
        end_if_pipe_closed();
        if (rc == PM_OK)
            rc = pm_error_set(err, PM_EIO, "could not write the output: %s", why ? strerror(why) : "a write failed");
    }
    if (rc != PM_OK && err->text[0]) pm_cli_warn("%s", err->text);
    return pm_error_exit_status(rc);
}

static bool given(const struct pm_cli *cli, const char *name)
{
    for (size_t i = 0; i < cli->n_given; i++)
        if (!strcmp(cli->given[i].option->name, name)) return true;
    return false;
}

static void print_help(FILE *out, const struct pm_cli *cli)
{
    if (cli->command) pm_help_command(out, cli->command);
    else if (cli->group) pm_help_group(out, cli->group);
    else pm_help_program(out);
}

static int run(struct pm_cli *cli, int argc, char **argv, struct pm_error *err)
{
    PM_TRY(pm_options_parse(cli, argc, argv, err));
    if (given(cli, "help")) {
        print_help(stdout, cli);
        return PM_OK;
    }
    if (given(cli, "version")) {
        printf("provmat %s (%s)\n", PM_VERSION, pm_log_client_version());
        return PM_OK;
    }
    if (cli->command && cli->command->run == pm_cmd_help)
        return cli->command->run(cli, err); /* needs no settings: a bad file must not take help away */
    PM_TRY(pm_config_load(cli, err));
    if (pm_config_print(cli)) return PM_OK;
    if (cli->command) return cli->command->run(cli, err);
    print_help(stderr, cli);
    return pm_error_set(err, PM_EUSAGE, "%s", "");
}

/* A file that is opened must never become stdin, stdout or stderr because the caller closed those: a log would be
 * written over with answers. What stands there instead fails when it is used. */
static void keep_standard_files(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) < 0) abort();
}

int main(int argc, char **argv)
{
    keep_standard_files();
    signal(SIGPIPE, SIG_IGN);
    pm_signals_catch_damage();
    static struct pm_cli cli; /* what it holds lives as long as the program */
    struct pm_error err = {0};
    int rc = run(&cli, argc, argv, &err);
    return finish(rc, &err);
}
