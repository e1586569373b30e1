/* cmd_completion.c: `provmat completion`. */
#include "cli/command.h"

int pm_cmd_completion(struct pm_cli *cli, struct pm_error *err)
{
    const char *shell = cli->operands[0];
    if (strcmp(shell, "bash") && strcmp(shell, "zsh") && strcmp(shell, "fish"))
        return pm_error_set(err, PM_EUSAGE, "no completion for the shell \"%s\"; there is one for bash, zsh and fish",
                            shell);
    pm_completion_print(stdout, shell);
    return PM_OK;
}
