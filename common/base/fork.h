/* fork.h: libraries that keep locks of their own for the whole process (librdkafka while a client is made or ended,
 * curl while it is set up) leave them locked for ever in the child of a fork that comes in between. Such calls are
 * held: fork() waits until no thread is in one.
 *
 *     pm_fork_hold();
 *     rk = rd_kafka_new(...);
 *     pm_fork_release();
 *
 * Any thread, any number at once; hold nothing that a handler of pthread_atfork waits for, and do not fork inside. */
#ifndef PM_BASE_FORK_H
#define PM_BASE_FORK_H

/* So long a fork waits at most: a call that hangs must not take the process with it. */
#define PM_FORK_WAIT_MS 500

void pm_fork_hold(void);
void pm_fork_release(void);

#endif
