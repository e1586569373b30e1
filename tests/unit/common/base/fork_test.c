/* fork_test.c: a fork and the calls that it must not cut in two. */
#include "common/base/fork.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __SANITIZE_THREAD__
#define NO_THREADS_AFTER_FORK true
#else
#define NO_THREADS_AFTER_FORK false
#endif

static atomic_bool inside, done, may_end;

static bool child_says(bool (*in_child)(void))
{
    int status;
    pid_t pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0) _exit(in_child() ? 0 : 1);
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void *call(void *arg)
{
    pm_fork_hold();
    atomic_store(&inside, true);
    usleep(100000);
    atomic_store(&done, true);
    pm_fork_release();
    return arg;
}

static void *call_that_hangs(void *arg)
{
    pm_fork_hold();
    atomic_store(&inside, true);
    while (!atomic_load(&may_end)) usleep(1000);
    pm_fork_release();
    return arg;
}

static pthread_t started(void *(*run)(void *arg))
{
    pthread_t thread;
    cr_assert_eq(pthread_create(&thread, NULL, run, NULL), 0);
    while (!atomic_load(&inside)) usleep(100);
    return thread;
}

static bool call_is_done(void) { return atomic_load(&done); }

/* And a fork within the child waits for nobody. */
static bool may_hold(void)
{
    pm_fork_hold();
    pm_fork_release();
    pid_t pid = fork();
    if (pid == 0) _exit(0);
    int status;
    return waitpid(pid, &status, 0) == pid && status == 0;
}

Test(fork, waits_for_a_call)
{
    if (NO_THREADS_AFTER_FORK) cr_skip_test("the thread sanitizer misses the parent's thread in the child");
    pthread_t thread = started(call);
    cr_assert(child_says(call_is_done));
    pthread_join(thread, NULL);
    cr_assert(child_says(may_hold));
}

/* The child counts from nothing, and the parent's call ends as if there had been no fork. */
Test(fork, does_not_wait_for_ever)
{
    if (NO_THREADS_AFTER_FORK) cr_skip_test("the thread sanitizer misses the parent's thread in the child");
    pthread_t thread = started(call_that_hangs);
    cr_assert(child_says(may_hold));
    atomic_store(&may_end, true);
    pthread_join(thread, NULL);
    cr_assert(child_says(may_hold));
}
