/* canary.c: bugs planted on purpose. A sanitizer lane runs each of them first, the way it runs the unit tests, and must report every one;
 * only then does its silence about the real tests mean something. Not part of any other test program.
 *
 * The values come through volatile variables, else the compiler sees the bug and removes it. */
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

/* asan: overflow, leak, undefined. tsan: race. valgrind: unset, past, leak. */
static volatile size_t size = 16;
static char *volatile kept;

Test(canary, overflow)
{
    char *bytes = malloc(size);
    memset(bytes, 'x', size);
    kept = bytes;
    kept[size] = 'y';
    free(bytes);
}

/* Criterion calls a test that leaks passing: only the report file tells. */
Test(canary, leak)
{
    kept = malloc(size);
    kept[0] = 'x';
    kept = NULL;
}

Test(canary, undefined)
{
    volatile int largest = INT_MAX;
    volatile int past = largest + 1;
    (void)past;
}

static int shared;

static void *count_up(void *arg)
{
    for (int i = 0; i < 1000; i++) shared++;
    return arg;
}

Test(canary, race)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, count_up, NULL) != 0) abort();
    count_up(NULL);
    pthread_join(thread, NULL);
}

/* A decision by a byte that nobody wrote. */
Test(canary, unset)
{
    kept = malloc(size);
    if (kept[3] == 'x') size++;
    free(kept);
}

Test(canary, past)
{
    kept = calloc(size, 1);
    if (kept[size] == 'x') size++;
    free(kept);
}
