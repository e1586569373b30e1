/* log_kafka_waker_test.c: the waker asks while a partition is behind, each in its turn, and is silent else. */
#include "common/log/log_kafka_waker.h"

#include <criterion/criterion.h>
#include <unistd.h>

static atomic_int asked[8];

static void count(void *arg, int32_t partition)
{
    cr_assert_eq(arg, asked);
    atomic_fetch_add(&asked[partition], 1);
}

static void await_questions(int32_t partition, int more)
{
    int from = atomic_load(&asked[partition]);
    while (atomic_load(&asked[partition]) < from + more) usleep(1000);
}

Test(log_kafka_waker, asks_whom_is_behind_in_turn_until_stopped, .timeout = 60)
{
    static struct pm_kafka_waker waker = {.ask = count, .arg = asked};
    pm_kafka_waker_init(&waker);
    pm_kafka_waker_set(&waker, 3, false);
    cr_assert(!waker.runs, "nobody is behind");
    pm_kafka_waker_set(&waker, 3, true);
    pm_kafka_waker_set(&waker, 3, true);
    pm_kafka_waker_set(&waker, 5, true);
    await_questions(3, 3);
    await_questions(5, 3);
    pm_kafka_waker_set(&waker, 3, false);
    await_questions(5, 2); /* a question that was chosen before is over by now */
    int still = atomic_load(&asked[3]);
    await_questions(5, 3);
    cr_assert_eq(atomic_load(&asked[3]), still);
    pm_kafka_waker_set(&waker, 5, false);
    cr_assert_eq(waker.n_behind, 0);
    pm_kafka_waker_stop(&waker);
    still = atomic_load(&asked[5]);
    usleep(20000);
    cr_assert_eq(atomic_load(&asked[5]), still, "it has stopped");
    for (int i = 0; i < 8; i++) cr_assert_eq(atomic_load(&asked[i]) > 0, i == 3 || i == 5);
}

Test(log_kafka_waker, without_a_question_it_is_off)
{
    static struct pm_kafka_waker waker;
    pm_kafka_waker_init(&waker);
    pm_kafka_waker_set(&waker, 1, true);
    cr_assert(!waker.runs);
    pm_kafka_waker_stop(&waker);
}
