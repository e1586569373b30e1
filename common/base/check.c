/* check.c: the end of the process when a promise of its own is broken or memory is out. */
#include "common/base/check.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/base/error.h"

#define WAIT_NS 50000000L

_Noreturn void pm_check_failed(const char *file, int line, const char *cond)
{
    fprintf(stderr, "provmat: internal check failed at %s:%d: %s\n", file, line, cond);
    abort();
}

static _Thread_local struct pm_memory_guard *guard;

void pm_memory_guard_set(struct pm_memory_guard *wanted) { guard = wanted; }

int pm_memory_guarded(int (*work)(void *arg, struct pm_error *err), void *arg, struct pm_error *err)
{
    struct pm_memory_guard own = {.wait = false};
    int rc;
    if (setjmp(own.jump) == 0) {
        pm_memory_guard_set(&own);
        rc = work(arg, err);
    } else {
        rc = pm_error_set(err, PM_ENOMEM, "out of memory");
    }
    pm_memory_guard_set(NULL);
    return rc;
}

/* The first thread ends the process; exit is not for two at once, so the others wait for it. */
static _Noreturn void end_without_memory(void)
{
    static atomic_flag ending = ATOMIC_FLAG_INIT;
    while (atomic_flag_test_and_set(&ending)) pause();
    exit(3);
}

_Noreturn void pm_memory_out(const char *what)
{
    if (guard && !guard->wait) longjmp(guard->jump, 1);
    fprintf(stderr, "provmat: out of memory: could not make %s\n", what);
    end_without_memory();
}

/* Comes back when it is worth while to try again. */
static void out_of_memory(size_t size)
{
    if (guard && guard->wait) {
        nanosleep(&(struct timespec){.tv_nsec = WAIT_NS}, NULL);
        return;
    }
    if (guard) longjmp(guard->jump, 1);
    fprintf(stderr, "provmat: out of memory: could not allocate %zu bytes\n", size);
    end_without_memory();
}

void *pm_malloc(size_t size)
{
    void *ptr;
    while (!(ptr = malloc(size)) && size > 0) out_of_memory(size);
    return ptr;
}

void *pm_calloc(size_t count, size_t size)
{
    void *ptr;
    while (!(ptr = calloc(count, size)) && count > 0 && size > 0) out_of_memory(count * size);
    return ptr;
}

void *pm_realloc(void *old, size_t size)
{
    void *ptr;
    while (!(ptr = realloc(old, size)) && size > 0) out_of_memory(size);
    return ptr;
}

char *pm_strdup(const char *text)
{
    size_t n = strlen(text) + 1;
    return memcpy(pm_malloc(n), text, n);
}
