/* emit.h: lines of JSON -> events -> log.
 *
 *   file --read in blocks--> lines --pm_event_from_json, pm_codec_encode--> records --pm_log_append--> log
 *
 * The calling thread reads and appends; the middle part, which costs most, is done by worker threads once the input is
 * larger than one block. Records reach the log in the order of the lines whatever the number of threads, and refused
 * lines are told in that order too. Nothing is printed.
 *
 * A line that breaks a rule of the event is refused and counted; the rest goes on. Only what stops the whole is
 * returned as an error: the log, the schema registry, a read that fails. */
#ifndef PM_PRODUCER_EMIT_H
#define PM_PRODUCER_EMIT_H

#include <signal.h>

#include "common/event/codec.h"
#include "common/log/log.h"
#include "producer/outbox.h"

#define PM_EMIT_THREADS_MAX 8
#define PM_EMIT_IDLE_MS 200 /* when no input came for so long, what was appended is flushed */

struct pm_emit_counts {
    uint64_t lines; /* read, empty ones too */
    uint64_t taken; /* handed to the log (dry run: would have been) */
    uint64_t rejected;
    uint64_t bytes; /* of input */
};

struct pm_emit_options {
    struct pm_log *log;                /* opened with PM_LOG_APPEND; NULL and no outbox: check the lines only */
    struct pm_outbox *outbox;          /* instead of a log: taken means written, and finished means synced */
    struct pm_codec_options codec;     /* every worker opens a codec of its own */
    unsigned threads;                  /* 0: as many as processors, at most PM_EMIT_THREADS_MAX */
    const volatile sig_atomic_t *stop; /* set from a signal handler: ends as if the input had ended; NULL: never */
    /* A refused line: `file` as given to pm_emit_read, lines from 1. Called on the calling thread, in the order of the
     * lines. */
    void (*reject)(void *arg, const char *file, uint64_t line, const char *reason);
    void (*progress)(void *arg, const struct pm_emit_counts *counts); /* after every block; NULL: none */
    void *arg;                                                        /* for both */
};

struct pm_emit;

int pm_emit_open(const struct pm_emit_options *options, struct pm_emit **ret, struct pm_error *err) PM_MUST_CHECK;
/* Reads `fd` to its end. `file` is its name in messages and must live until pm_emit_finish. May be called for one file
 * after the other. */
int pm_emit_read(struct pm_emit *emit, int fd, const char *file, struct pm_error *err) PM_MUST_CHECK;
/* Appends what is still on its way and waits until the log has acknowledged all of it (invariant: done means
 * acknowledged), or until the outbox has it on the disk. */
int pm_emit_finish(struct pm_emit *emit, struct pm_error *err) PM_MUST_CHECK;
struct pm_emit_counts pm_emit_counts(const struct pm_emit *emit);
void pm_emit_close(struct pm_emit *emit); /* ends the workers; the log stays open. NULL is fine */

#endif
