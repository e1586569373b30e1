/* outbox.h: a writer of an outbox: events into files that outlive the process. Any thread; writes of several threads
 * come one after the other.
 *
 *   nothing --write--> open segment (locked) --4 MiB, seal--> sealed (anybody's to deliver) --delivered--> gone
 */
#ifndef PM_PRODUCER_OUTBOX_H
#define PM_PRODUCER_OUTBOX_H

#include "producer/record.h"

#define PM_OUTBOX_SEGMENTS_MAX 4096 /* of one writer that wait at once */

enum pm_outbox_sync { PM_OUTBOX_SYNC_NONE, PM_OUTBOX_SYNC_INTERVAL, PM_OUTBOX_SYNC_EACH };

struct pm_outbox_options {
    const char *dir;    /* made, with its parents, when it is missing (0700) */
    uint64_t bytes_max; /* that this writer may leave there; 0: no limit but the disk */
    enum pm_outbox_sync sync;
};

struct pm_outbox;

/* PM_EUSAGE when the directory cannot be made or written to. */
int pm_outbox_open(const struct pm_outbox_options *options, struct pm_outbox **ret, struct pm_error *err) PM_MUST_CHECK;
/* Seals, and frees. What is in the files stays. NULL is fine. */
void pm_outbox_close(struct pm_outbox *outbox);

/* PM_EIO (a full disk) or PM_ELIMIT (bytes_max): a part of them may be there, and giving all of them again is harmless.
 * Allocates nothing. Written means: handed to the system; synced too with PM_OUTBOX_SYNC_EACH. */
int pm_outbox_write(struct pm_outbox *outbox, const struct pm_record *records, size_t n,
                    struct pm_error *err) PM_MUST_CHECK;
/* Puts another origin beside the last record that was written, if its segment is still open: what the producer says
 * when it ends. False when there is none, or it cannot be written. */
bool pm_outbox_end(struct pm_outbox *outbox, struct pm_slice origin);
/* Ends the segment, so that it can be delivered; the next write begins another. */
void pm_outbox_seal(struct pm_outbox *outbox);
/* What was written is on the disk. Writes go on meanwhile. */
int pm_outbox_sync(struct pm_outbox *outbox, struct pm_error *err) PM_MUST_CHECK;

/* Events of this writer that wait in the directory, as of the last pm_outbox_settle and the writes since. */
uint64_t pm_outbox_waiting(struct pm_outbox *outbox);
bool pm_outbox_is_open(struct pm_outbox *outbox); /* there is a segment that could be sealed */
/* Looks which of its sealed segments are gone; returns how many events were in them. */
uint64_t pm_outbox_settle(struct pm_outbox *outbox);

/* Around a fork; in the child the writer starts anew, with files of its own. */
void pm_outbox_before_fork(struct pm_outbox *outbox);
void pm_outbox_after_fork(struct pm_outbox *outbox, bool in_child);

#endif
