/* consume.h: what the commands that call consumer/ have in common: options from the settings, progress, warnings,
 * signals. */
#ifndef PM_CLI_CONSUME_H
#define PM_CLI_CONSUME_H

#include "cli/command.h"
#include "consumer/consumer.h"

/* log_url is NULL unless one was named: the index remembers its log. `with_signals`: SIGINT and SIGTERM end the work
 * cleanly. */
struct pm_consumer_options pm_consume_options(struct pm_cli *cli, bool with_signals);
/* What a command returns for what consumer/ returned: a log that is not there is exit 4, for exit 1 is an answer. */
int pm_consume_end(int rc, struct pm_error *err) PM_MUST_CHECK;

#endif
