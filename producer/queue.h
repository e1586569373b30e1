/* queue.h: the bounded queue between calls and the thread that delivers: a ring of bytes of fixed size. The owner's
 * lock guards put and drop; what lies between tail and head stays as it is until it is dropped, so it may be taken,
 * without the lock, from a copy of the struct that was made with it. */
#ifndef PM_PRODUCER_QUEUE_H
#define PM_PRODUCER_QUEUE_H

#include "producer/record.h"

#define PM_QUEUE_BYTES_MIN ((size_t)4 << 20) /* any record fits twice */
#define PM_QUEUE_BYTES_MAX ((size_t)1 << 30)

struct pm_queue {
    char *ring;
    size_t size;
    uint64_t head, tail; /* bytes ever put and dropped, fillers counted; head - tail <= size */
    uint64_t records;    /* that are in it */
};

/* Address space only: memory is used when it is first needed. PM_ENOMEM. */
int pm_queue_open(struct pm_queue *queue, size_t size, struct pm_error *err) PM_MUST_CHECK;
void pm_queue_close(struct pm_queue *queue);
/* Copies the record; false when there is no room. */
bool pm_queue_put(struct pm_queue *queue, const struct pm_record *record);
/* The oldest records, up to n_max of together about bytes_max bytes (at least one when there is one), and where they
 * end. They borrow from the ring until pm_queue_drop. */
size_t pm_queue_take(const struct pm_queue *queue, struct pm_record *records, size_t n_max, size_t bytes_max,
                     uint64_t *ret_end);
void pm_queue_drop(struct pm_queue *queue, uint64_t end, size_t n_records); /* what one take gave */
/* Puts another origin beside the newest record, which was put when `head` was `at`; false, and nothing has changed,
 * when it stands elsewhere or there is no room. */
bool pm_queue_amend(struct pm_queue *queue, uint64_t at, struct pm_slice origin);
static inline size_t pm_queue_used(const struct pm_queue *queue) { return (size_t)(queue->head - queue->tail); }

#endif
