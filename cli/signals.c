/* signals.c: see signals.h. */
#include "cli/signals.h"

#include <stdio.h>

static volatile sig_atomic_t caught;

static void on_signal(int number) { caught = number; }

const volatile sig_atomic_t *pm_signals_catch(void)
{
    /* SA_RESETHAND: the second one meets the default action. No SA_RESTART: a read that waits for a terminal must end.
     */
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    return &caught;
}

void pm_signals_end(void)
{
    if (!caught) return;
    fflush(stdout);
    signal(caught, SIG_DFL);
    raise(caught);
}
