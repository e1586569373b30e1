/* cmd_help.c: `provmat help`. */
#include "cli/command.h"

static void print_names(void)
{
    for (const struct pm_command *c = pm_commands; c->name; c++) puts(c->name);
}

int pm_cmd_help(struct pm_cli *cli, struct pm_error *err)
{
    /* Written at once at the end: of a write in the middle that fails nobody could tell the reason any more. */
    static char whole[64 * 1024];
    (void)setvbuf(stdout, whole, _IOFBF, sizeof whole);
    bool man = pm_cli_flag(cli, "man");
    if (pm_cli_flag(cli, "list")) {
        print_names();
        return PM_OK;
    }
    if (cli->n_operands == 0) {
        if (man) pm_help_man(stdout, NULL);
        else pm_help_program(stdout);
        return PM_OK;
    }
    /* The words are read as a command line of their own, so that a wrong one is answered in the same way. */
    static struct pm_cli asked; /* what it holds lives as long as the program */
    char *argv[] = {"provmat", (char *)(uintptr_t)cli->operands[0],
                    cli->n_operands > 1 ? (char *)(uintptr_t)cli->operands[1] : "--help", "--help", NULL};
    PM_TRY(pm_options_parse(&asked, 4, argv, err));
    if (asked.n_operands)
        return pm_error_set(err, PM_EUSAGE, "unknown command \"%s %s\"; `provmat help` lists them", cli->operands[0],
                            cli->operands[1]);
    if (man && !asked.command)
        return pm_error_set(err, PM_EUSAGE, "\"%s\" has a page a command; `provmat help %s` lists them",
                            cli->operands[0], cli->operands[0]);
    if (man) pm_help_man(stdout, asked.command);
    else if (asked.command) pm_help_command(stdout, asked.command);
    else pm_help_group(stdout, asked.group);
    return PM_OK;
}
