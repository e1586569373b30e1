/* steps.c: a library to preload: something happens right before or after one call of the system.
 *
 *   STEP_CALL=NAME           renameat2, unlinkat, fsync
 *   STEP_N=N                 the N-th of them, counted from 1
 *   STEP_WHEN=before|after
 *   STEP_DO=kill             the program is killed; else a command for the shell, whose end is waited for
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int passed;

static void step(const char *call, const char *when)
{
    const char *wanted = getenv("STEP_CALL"), *at = getenv("STEP_WHEN"), *number = getenv("STEP_N"), *what = getenv("STEP_DO");
    if (!wanted || !at || !number || !what || strcmp(call, wanted) != 0) return;
    if (!strcmp(when, "before")) passed++;
    if (strcmp(when, at) != 0 || passed != strtol(number, NULL, 10)) return;
    if (!strcmp(what, "kill")) kill(getpid(), SIGKILL);
    char *command = strdup(what);
    unsetenv("LD_PRELOAD");
    unsetenv("STEP_CALL");
    if (system(command) != 0) abort();
    free(command);
}

int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
    int (*real)(int, const char *, int, const char *, unsigned) = dlsym(RTLD_NEXT, "renameat2");
    step("renameat2", "before");
    int rc = real(from_dir, from, to_dir, to, flags);
    step("renameat2", "after");
    return rc;
}

int unlinkat(int dir, const char *name, int flags)
{
    int (*real)(int, const char *, int) = dlsym(RTLD_NEXT, "unlinkat");
    step("unlinkat", "before");
    int rc = real(dir, name, flags);
    step("unlinkat", "after");
    return rc;
}

int fsync(int fd)
{
    int (*real)(int) = dlsym(RTLD_NEXT, "fsync");
    step("fsync", "before");
    int rc = real(fd);
    step("fsync", "after");
    return rc;
}
