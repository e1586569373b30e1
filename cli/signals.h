/* signals.h: SIGINT and SIGTERM as a flag, for commands that end cleanly. */
#ifndef PM_CLI_SIGNALS_H
#define PM_CLI_SIGNALS_H

#include <signal.h>

/* From now on the first SIGINT or SIGTERM sets the flag that is returned; a second one ends the program at once. Reads
 * and waits are interrupted. */
const volatile sig_atomic_t *pm_signals_catch(void);
/* Ends the program by the signal that was caught, so that the shell sees it; returns when there was none. stdout is
 * flushed first. */
void pm_signals_end(void);

/* A damaged or cut file under a memory map ends the program with a message and exit status 3, not by a signal. Faults
 * of the program itself stay what they are. */
void pm_signals_catch_damage(void);

#endif
