/* cmd_store.h: what the commands on stores share. */
#ifndef PM_CLI_CMD_STORE_H
#define PM_CLI_CMD_STORE_H

#include "cli/command.h"
#include "provstore/store.h"
#include "query/output.h"

struct pm_store_command { /* one walk on behalf of a command; zero it, then pm_store_open */
    const struct pm_cli *cli;
    struct pm_schemas schemas;
    struct pm_store_walk walk;
    struct pm_store_counts counts;
    struct pm_rows *rows;
    int64_t shown_us, started_us;
};
/* Schemas, root, signals and progress; `columns` for the rows that are printed (n 0: none). */
int pm_store_open(struct pm_store_command *command, struct pm_cli *cli, const struct pm_column *columns, size_t n,
                  struct pm_error *err) PM_MUST_CHECK;
/* Walks; a signal ends it with an error that says that nothing is printed. */
int pm_store_run(struct pm_store_command *command, struct pm_error *err) PM_MUST_CHECK;
void pm_store_close(struct pm_store_command *command); /* for PM_CLEANUP too */

/* Findings as rows (code, path, what, found, expected, detail). */
#define PM_FINDING_COLUMNS 6
extern const struct pm_column pm_finding_columns[PM_FINDING_COLUMNS];
int pm_finding_add(struct pm_rows *rows, const struct pm_finding *finding, struct pm_error *err) PM_MUST_CHECK;

#endif
