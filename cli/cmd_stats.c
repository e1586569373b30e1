/* cmd_stats.c: `provmat stats`. */
#include "cli/cmd_query.h"

int pm_cmd_stats(struct pm_cli *cli, struct pm_error *err)
{
    struct pm_query question = pm_cli_question(cli);
    return pm_cli_flag(cli, "producers") ? pm_query_producers(&question, err) : pm_query_stats(&question, err);
}
