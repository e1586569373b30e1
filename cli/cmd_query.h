/* cmd_query.h: what the commands that answer from the index share. */
#ifndef PM_CLI_CMD_QUERY_H
#define PM_CLI_CMD_QUERY_H

#include "cli/command.h"
#include "query/query.h"

/* Index, log, --at-least, --max-lag and the flags of rows. Borrows from the command line. */
struct pm_query pm_cli_question(struct pm_cli *cli);

#endif
