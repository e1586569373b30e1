/* signals.c: see signals.h. */
#include "cli/signals.h"

#include <stdio.h>
#include <unistd.h>

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

/* The files are mapped: what is cut off behind our back shows as a signal. Only what a signal handler may call. */
static void on_bus_error(int number)
{
    static const char text[] =
        "provmat: a mapped file is shorter than it was, or its device failed; if it is the index: provmat rebuild\n";
    (void)number;
    if (write(STDERR_FILENO, text, sizeof text - 1) < 0) _exit(3);
    _exit(3);
}

void pm_signals_catch_bus_error(void)
{
    struct sigaction action = {.sa_handler = on_bus_error};
    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, &action, NULL);
}
