/* check.h: asserts that stay on, and allocation that does not fail. */
#ifndef PM_BASE_CHECK_H
#define PM_BASE_CHECK_H

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>

/* A broken promise of the program itself: prints file, line and condition to stderr and aborts. Never for foreign
 * input. */
#define PM_CHECK(cond)                                                                \
    do {                                                                              \
        if (__builtin_expect(!(cond), 0)) pm_check_failed(__FILE__, __LINE__, #cond); \
    } while (0)

_Noreturn void pm_check_failed(const char *file, int line, const char *cond);

/* As malloc, calloc, realloc; when memory is out the process ends with exit status 3 and says how much was asked for.
 * Nothing that was acknowledged is lost by that: a log append or an index commit has happened or it has not. */
void *pm_malloc(size_t size);
void *pm_calloc(size_t count, size_t size);
void *pm_realloc(void *ptr, size_t size);
char *pm_strdup(const char *text);
/* The same end (a guard that waits does not hold it up), for a library that says nothing but that it failed: `what` it
 * could not make. */
_Noreturn void pm_memory_out(const char *what);

/* Another end for one thread, for the library inside somebody else's process, which must not end it: pm_malloc and its
 * like jump to `jump` (set by setjmp right before), or wait until there is memory again. What was on its way is as a
 * failed realloc leaves it; what only the frames between owned is leaked. NULL: as before. */
struct pm_memory_guard {
    bool wait;
    jmp_buf jump; /* !wait */
};
void pm_memory_guard_set(struct pm_memory_guard *guard);
/* work(arg) under a guard that jumps: PM_ENOMEM when memory is out. What `arg` points to is then as far as it had come.
 */
struct pm_error;
int pm_memory_guarded(int (*work)(void *arg, struct pm_error *err), void *arg, struct pm_error *err);

/* Declaration and acquisition together: PM_CLEANUP(fn) type *x = ...; calls fn(&x) at the end of the block. */
#define PM_CLEANUP(fn) __attribute__((cleanup(fn)))

#endif
