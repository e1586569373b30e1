/* check.c: the end of the process when a promise of its own is broken or memory is out. */
#include "common/base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Noreturn void pm_check_failed(const char *file, int line, const char *cond)
{
    fprintf(stderr, "provmat: internal check failed at %s:%d: %s\n", file, line, cond);
    abort();
}

static void *checked(void *ptr, size_t size)
{
    if (ptr || size == 0) return ptr;
    fprintf(stderr, "provmat: out of memory: could not allocate %zu bytes\n", size);
    exit(3);
}

void *pm_malloc(size_t size) { return checked(malloc(size), size); }
void *pm_calloc(size_t count, size_t size) { return checked(calloc(count, size), count * size); }
void *pm_realloc(void *ptr, size_t size) { return checked(realloc(ptr, size), size); }
char *pm_strdup(const char *text)
{
    size_t n = strlen(text) + 1;
    return memcpy(pm_malloc(n), text, n);
}
