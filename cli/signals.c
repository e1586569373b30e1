/* signals.c: see signals.h. */
#include "cli/signals.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/store/kv.h"

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

/* ---- damaged files under a map; only what a signal handler may call ---- */

static struct sigaction before[NSIG];

static _Noreturn void say_and_end(const char *text)
{
    const char *const parts[] = {"provmat: ", text, "\n"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (write(STDERR_FILENO, parts[i], strlen(parts[i])) < 0) break;
    _exit(3);
}

static void on_damage(const char *text) { say_and_end(text); }

static void on_fault(int number, siginfo_t *info, void *context)
{
    (void)context;
    const char *damage = pm_kv_damage(number == SIGABRT ? NULL : info->si_addr);
    if (damage) say_and_end(damage);
    if (number == SIGBUS) say_and_end("a mapped file is shorter than it was, or its device failed");
    sigaction(number, &before[number], NULL); /* it is a fault of the program: it shows as what it is */
    if (number == SIGABRT || info->si_code <= 0) raise(number);
}

void pm_signals_catch_damage(void)
{
    static const int numbers[] = {SIGSEGV, SIGBUS, SIGABRT};
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) sigaction(numbers[i], &action, &before[numbers[i]]);
    pm_kv_on_damage(on_damage);
}
