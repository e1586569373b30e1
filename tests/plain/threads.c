/* threads.c: C11's threads out of POSIX's, linked into what runs under the thread sanitizer: the Kafka client begins
 * its threads with thrd_create, which the sanitizer does not know and so dies of. */
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <threads.h>

#pragma GCC visibility push(default) /* seen by a library, whatever the flags say */

struct thread_start {
    thrd_start_t run;
    void *arg;
};

static void *thread_main(void *arg)
{
    struct thread_start start = *(struct thread_start *)arg;
    free(arg);
    return (void *)(intptr_t)start.run(start.arg);
}

int thrd_create(thrd_t *ret, thrd_start_t run, void *arg)
{
    struct thread_start *start = malloc(sizeof *start);
    if (!start) return thrd_nomem;
    *start = (struct thread_start){run, arg};
    return pthread_create(ret, NULL, thread_main, start) == 0 ? thrd_success : thrd_error;
}

int thrd_join(thrd_t thread, int *ret)
{
    void *result;
    if (pthread_join(thread, &result) != 0) return thrd_error;
    if (ret) *ret = (int)(intptr_t)result;
    return thrd_success;
}
