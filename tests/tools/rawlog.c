/* rawlog.c: puts raw bytes on a log, past the producer's checks, and reads them back: what tests of the consumer's doors need.
 *
 *   rawlog append URL   stdin: lines "TIMESTAMP_MS KEY VALUE [ORIGIN]" in hex, "-" for empty, "null" for a null value
 *   rawlog dump URL     stdout: lines "PARTITION OFFSET TIMESTAMP_MS KEY VALUE ORIGIN"
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/error.h"
#include "common/log/log.h"

static int die(const char *what, const struct pm_error *err)
{
    fprintf(stderr, "rawlog: %s: %s\n", what, err->text);
    return 1;
}

static int digit(char c) { return c <= '9' ? c - '0' : c - 'a' + 10; }

/* "null" -> NULL pointer, "-" -> empty, else hex decoded in place */
static struct pm_slice unhex(char *text)
{
    if (strcmp(text, "null") == 0)
        return (struct pm_slice){NULL, 0};
    if (strcmp(text, "-") == 0)
        return (struct pm_slice){"", 0};
    size_t n = strlen(text) / 2;
    for (size_t i = 0; i < n; i++)
        text[i] = (char)(digit(text[2 * i]) << 4 | digit(text[2 * i + 1]));
    return (struct pm_slice){text, n};
}

static void print_hex(struct pm_slice s, const char *end)
{
    if (s.ptr == NULL)
        fputs("null", stdout);
    else if (s.len == 0)
        fputs("-", stdout);
    for (size_t i = 0; s.ptr != NULL && i < s.len; i++)
        printf("%02x", (unsigned char)s.ptr[i]);
    fputs(end, stdout);
}

static int append(const char *url)
{
    struct pm_error err = {0};
    struct pm_log_options options = {.mode = PM_LOG_APPEND};
    struct pm_log *log = NULL;
    if (pm_log_open(url, &options, &log, &err) != PM_OK)
        return die("open", &err);
    char *line = NULL;
    size_t cap = 0;
    int rc = 0;
    while (rc == 0 && getline(&line, &cap, stdin) > 0) {
        char *save = NULL;
        const char *at = strtok_r(line, " \n", &save);
        char *key = strtok_r(NULL, " \n", &save), *value = strtok_r(NULL, " \n", &save);
        char *origin = strtok_r(NULL, " \n", &save), none[] = "null";
        if (value == NULL || pm_log_append_from(log, unhex(key), unhex(value), strtoll(at, NULL, 10),
                                                unhex(origin != NULL ? origin : none), &err) != PM_OK)
            rc = die("append", &err);
    }
    if (rc == 0 && pm_log_flush(log, &err) != PM_OK)
        rc = die("flush", &err);
    free(line);
    pm_log_close(log);
    return rc;
}

static int dump_partition(struct pm_log *log, int32_t partition, struct pm_error *err)
{
    int64_t first, next;
    int rc = pm_log_offsets(log, partition, &first, &next, err);
    if (rc != PM_OK || first >= next)
        return rc;
    rc = pm_log_seek(log, partition, first, err);
    while (rc == PM_OK && pm_log_position(log, partition) < next) {
        struct pm_log_batch batch = {0};
        rc = pm_log_poll(log, 1000, 1 << 20, 1000, &batch, err);
        for (size_t i = 0; rc == PM_OK && i < batch.n_records; i++) {
            const struct pm_log_record *rec = &batch.records[i];
            if (rec->partition != partition)
                continue;
            printf("%d %lld %lld ", rec->partition, (long long)rec->offset, (long long)rec->timestamp_ms);
            print_hex(rec->key, " ");
            print_hex(rec->value, " ");
            print_hex(rec->origin.len > 0 ? rec->origin : (struct pm_slice){"", 0}, "\n");
        }
        if (rc == PM_OK)
            pm_log_batch_release(&batch);
    }
    return rc;
}

static int dump(const char *url)
{
    struct pm_error err = {0};
    struct pm_log_options options = {.mode = PM_LOG_READ};
    struct pm_log *log = NULL;
    if (pm_log_open(url, &options, &log, &err) != PM_OK)
        return die("open", &err);
    int32_t count = 0;
    int rc = pm_log_partitions(log, &count, &err);
    for (int32_t p = 0; rc == PM_OK && p < count; p++)
        rc = dump_partition(log, p, &err);
    pm_log_close(log);
    return rc == PM_OK ? 0 : die("dump", &err);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "append") == 0)
        return append(argv[2]);
    if (argc == 3 && strcmp(argv[1], "dump") == 0)
        return dump(argv[2]);
    fputs("usage: rawlog append|dump URL\n", stderr);
    return 2;
}
