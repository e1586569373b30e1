/* rows.c: the flags of rows, for query/output.h. */
#include "cli/command.h"
#include "query/output.h"

struct pm_output_options pm_cli_output_options(const struct pm_cli *cli)
{
    bool rows = cli->command->takes & PM_TAKES_ROWS;
    struct pm_output_options options = {.format = cli->format};
    if (!rows) return options;
    options.columns = pm_cli_text(cli, "columns");
    options.sort = pm_cli_text(cli, "sort");
    options.has_limit = pm_cli_flag(cli, "limit");
    options.limit = pm_cli_count(cli, "limit", 0);
    return options;
}
