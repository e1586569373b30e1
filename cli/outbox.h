/* outbox.h: delivering an outbox, for `provmat outbox drain` and `provmat emit --outbox` (cmd_outbox.c). */
#ifndef PM_CLI_OUTBOX_H
#define PM_CLI_OUTBOX_H

#include <signal.h>

#include "cli/command.h"
#include "producer/drain.h"

/* What waits in `dir`, into the log that the command line names. Tells on stderr what the log refuses; *ret_refused
 * counts it, also on failure. */
int pm_cli_drain(const struct pm_cli *cli, const char *dir, const volatile sig_atomic_t *stop,
                 struct pm_drain_counts *counts, uint64_t *ret_refused, struct pm_error *err) PM_MUST_CHECK;

#endif
