/* memory.c: a library to preload: from main on allocations are counted over all threads, and some of them fail.
 *
 *   MEMORY_FAIL=N     the N-th fails, counted from 1; N+ it and all that follow
 *   MEMORY_COUNT=FILE at the end the count is written there */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *ptr, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

static atomic_bool counting;
static atomic_ulong count;
static unsigned long fail_from, fail_to;

static bool fails(void)
{
    if (!atomic_load_explicit(&counting, memory_order_relaxed)) return false;
    unsigned long n = atomic_fetch_add(&count, 1) + 1;
    if (n < fail_from || n > fail_to) return false;
    errno = ENOMEM;
    return true;
}

void *malloc(size_t size) { return fails() ? NULL : __libc_malloc(size); }
void *calloc(size_t n, size_t size) { return fails() ? NULL : __libc_calloc(n, size); }
void *realloc(void *ptr, size_t size) { return fails() ? NULL : __libc_realloc(ptr, size); }
void *memalign(size_t alignment, size_t size) { return fails() ? NULL : __libc_memalign(alignment, size); }
void *aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }
int posix_memalign(void **ret, size_t alignment, size_t size)
{
    if (fails()) return ENOMEM;
    *ret = __libc_memalign(alignment, size);
    return *ret ? 0 : ENOMEM;
}

/* What comes after the program's own end (the counters of a coverage build) has its memory. */
static void at_end(void)
{
    atomic_store(&counting, false);
    const char *path = getenv("MEMORY_COUNT");
    char text[32];
    int fd = path ? open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600) : -1;
    if (fd < 0) return;
    int n = snprintf(text, sizeof text, "%lu\n", atomic_load(&count));
    if (write(fd, text, (size_t)n) != n) abort();
    close(fd);
}

static int (*program)(int, char **, char **);

static int counted(int argc, char **argv, char **environment)
{
    const char *text = getenv("MEMORY_FAIL");
    char *end = NULL;
    if (text) fail_from = strtoul(text, &end, 10);
    fail_to = end && *end == '+' ? ~0ul : fail_from;
    if (!text) fail_from = ~0ul;
    atexit(at_end);
    atomic_store(&counting, true);
    return program(argc, argv, environment);
}

int __libc_start_main(int (*main)(int, char **, char **), int argc, char **argv, void (*init)(void), void (*fini)(void),
                      void (*ld_fini)(void), void *stack_end)
{
    int (*real)(int (*)(int, char **, char **), int, char **, void (*)(void), void (*)(void), void (*)(void),
                void *) = dlsym(RTLD_NEXT, "__libc_start_main");
    program = main;
    return real(counted, argc, argv, init, fini, ld_fini, stack_end);
}
