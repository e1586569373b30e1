/* memlog.c: an index made from a scripted memory log, which lives as long as this process; for tests that ask the
 * program about it afterwards.
 *
 *   memlog INDEX BATCH    stdin: a script, one command a line; BATCH: events of a batch at most, 0: as usual
 *
 *     make PARTITIONS               the log, first of all
 *     put PARTITION OFFSET LINE     a line of emit at that offset (-1: the next); a smaller offset is delivered again
 *     order N SEED                  in which partitions are read: enum pm_log_memory_order
 *     fail CALLS                    the next materialize ends with an error after so many polls
 *     materialize | rebuild
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log/log_memory.h"
#include "consumer/consumer.h"

#define NAME "script"

static int materialize(const struct pm_consumer_options *options, bool *failing)
{
    struct pm_error err = {0};
    struct pm_consumer_result result;
    int rc = pm_materialize(options, true, &result, &err);
    pm_log_memory_fail(NAME, PM_LOG_MEMORY_POLL, -1, PM_ELOG, "");
    bool expected = *failing && rc == PM_ELOGAWAY;
    *failing = false;
    if (rc == PM_OK || expected) return 0;
    fprintf(stderr, "memlog: materialize: %s\n", err.text);
    return 1;
}

static int rebuild(const struct pm_consumer_options *options)
{
    struct pm_error err = {0};
    struct pm_consumer_result result;
    if (pm_rebuild(options, NULL, INT64_MAX, &result, &err) == PM_OK) return 0;
    fprintf(stderr, "memlog: rebuild: %s\n", err.text);
    return 1;
}

static int command(const struct pm_consumer_options *options, char *line, bool *failing)
{
    long long a = 0, b = 0;
    int used = 0;
    line[strcspn(line, "\n")] = 0;
    if (strcmp(line, "materialize") == 0) return materialize(options, failing);
    if (strcmp(line, "rebuild") == 0) return rebuild(options);
    if (sscanf(line, "put %lld %lld %n", &a, &b, &used) == 2 && used > 0)
        pm_log_memory_append(NAME, (int32_t)a, b, -1, pm_slice("", 0), pm_slice_cstr(line + used), pm_slice(NULL, 0));
    else if (sscanf(line, "make %lld", &a) == 1) pm_log_memory_make(NAME, (int)a);
    else if (sscanf(line, "order %lld %lld", &a, &b) == 2)
        pm_log_memory_set_order(NAME, (enum pm_log_memory_order)a, (uint64_t)b);
    else if (sscanf(line, "fail %lld", &a) == 1) {
        pm_log_memory_fail(NAME, PM_LOG_MEMORY_POLL, (int)a, PM_ELOGAWAY, "scripted");
        *failing = true;
    } else {
        fprintf(stderr, "memlog: what is \"%s\"?\n", line);
        return 1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: memlog INDEX BATCH < SCRIPT\n");
        return 2;
    }
    struct pm_consumer_options options = {
        .index_dir = argv[1], .log_url = "memory:" NAME, .batch_events_max = strtoul(argv[2], NULL, 10)};
    char *line = NULL;
    size_t cap = 0;
    int rc = 0;
    bool failing = false;
    while (rc == 0 && getline(&line, &cap, stdin) > 0) rc = command(&options, line, &failing);
    free(line);
    pm_log_memory_forget(NAME);
    return rc;
}
