/* outbox_test.c: segments as bytes, cut and damaged at every place; writers in one directory; what is delivered, what
 * is left alone, and what a full disk and a limit do. */
#include "producer/outbox.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/number.h"
#include "common/log/log_memory.h"
#include "producer/drain.h"

/* ---- segments ---- */

static struct pm_record numbered(uint64_t number)
{
    static const char text[] = "abcdefghijklmnopqrstuvwxyz";
    static char origins[64][8];
    char *origin = origins[number % 64];
    size_t len = (size_t)snprintf(origin, sizeof origins[0], "%u", (unsigned)number % 1000000);
    return (struct pm_record){.key = pm_slice(text, number % 7),
                              .value = pm_slice(text, 1 + number * 5 % 26),
                              .timestamp_ms = (int64_t)number * 1000 - 2000,
                              .origin = pm_slice(origin, len)};
}

static uint64_t number_of(const struct pm_record *record)
{
    uint64_t number;
    cr_assert(pm_u64_parse(record->origin, &number));
    return number;
}

#define RECORDS 5

/* A whole segment; returns its length and where each record ends. */
static size_t make(char *out, size_t ends[RECORDS])
{
    struct pm_segment_head head = {.producer = {1, 2, 3}, .number = 4, .made_at_us = 5, .pid = 6};
    pm_segment_head_put(&head, out);
    size_t len = PM_SEGMENT_HEAD_BYTES;
    for (uint64_t i = 0; i < RECORDS; i++) {
        struct pm_record record = numbered(i + 1);
        pm_segment_frame(&record, out + len);
        len += PM_SEGMENT_FRAME_BYTES;
        const struct pm_slice parts[] = {record.origin, record.key, record.value};
        for (size_t k = 0; k < 3; len += parts[k++].len) memcpy(out + len, parts[k].ptr, parts[k].len);
        ends[i] = len;
    }
    return len;
}

static void check(const struct pm_record *record)
{
    struct pm_record expected = numbered(number_of(record));
    cr_assert(pm_slice_eq(record->key, expected.key));
    cr_assert(pm_slice_eq(record->value, expected.value));
    cr_assert_eq(record->timestamp_ms, expected.timestamp_ms);
}

/* How many records are read; `seen` gets a bit for each number. */
static struct pm_segment_reader read_all(const char *bytes, size_t len, unsigned *seen)
{
    struct pm_segment_reader reader;
    struct pm_record record;
    *seen = 0;
    pm_segment_reader_init(&reader, pm_slice(bytes, len));
    while (pm_segment_next(&reader, &record)) {
        check(&record);
        *seen |= 1u << number_of(&record);
    }
    return reader;
}

Test(outbox, a_segment_reads_back)
{
    char bytes[4096];
    size_t ends[RECORDS];
    unsigned seen;
    struct pm_segment_head head;
    struct pm_error err;
    size_t len = make(bytes, ends);
    cr_assert_eq(pm_segment_head_get(pm_slice(bytes, len), &head, &err), PM_OK, "%s", err.text);
    cr_assert_eq(head.number, 4);
    cr_assert_eq(head.made_at_us, 5);
    cr_assert_eq(head.pid, 6);
    cr_assert_eq(head.producer[2], 3);
    struct pm_segment_reader reader = read_all(bytes, len, &seen);
    cr_assert_eq(seen, 0x3e);
    cr_assert_eq(reader.damaged + reader.cut, 0);
}

Test(outbox, a_segment_that_is_cut_anywhere_keeps_its_whole_records)
{
    char bytes[4096];
    size_t ends[RECORDS];
    size_t len = make(bytes, ends);
    for (size_t cut = PM_SEGMENT_HEAD_BYTES; cut < len; cut++) {
        unsigned seen, whole = 0;
        while (whole < RECORDS && ends[whole] <= cut) whole++;
        struct pm_segment_reader reader = read_all(bytes, cut, &seen);
        cr_assert_eq(reader.records, whole, "cut at %zu", cut);
        cr_assert_eq(reader.damaged, 0);
        cr_assert_eq(reader.cut, cut - (whole ? ends[whole - 1] : PM_SEGMENT_HEAD_BYTES));
    }
}

Test(outbox, a_damaged_byte_costs_its_record_alone)
{
    char bytes[4096];
    size_t ends[RECORDS];
    size_t len = make(bytes, ends);
    for (size_t at = PM_SEGMENT_HEAD_BYTES; at < len; at++) {
        unsigned seen, in = 0;
        while (ends[in] <= at) in++;
        bytes[at] ^= 0x40;
        struct pm_segment_reader reader = read_all(bytes, len, &seen);
        bytes[at] ^= 0x40;
        cr_assert_eq(seen, 0x3eu & ~(1u << (in + 1)), "byte %zu of record %u: %x", at, in + 1, seen);
        cr_assert_eq(reader.damaged, in + 1 < RECORDS ? 1 : 0);
        cr_assert_eq(reader.cut > 0, in + 1 == RECORDS);
    }
    for (size_t at = 0; at < PM_SEGMENT_HEAD_BYTES; at++) {
        struct pm_segment_head head;
        struct pm_error err;
        bytes[at] ^= 0x40;
        cr_assert_neq(pm_segment_head_get(pm_slice(bytes, len), &head, &err), PM_OK, "byte %zu", at);
        bytes[at] ^= 0x40;
    }
}

/* Every place looks like the length of a large record: the reader gives up instead of summing up for hours. */
Test(outbox, lengths_everywhere_end_soon)
{
    char *bytes = malloc(PM_SEGMENT_BYTES);
    unsigned seen;
    memset(bytes, 0, PM_SEGMENT_BYTES);
    for (size_t at = PM_SEGMENT_HEAD_BYTES; at + 32 <= PM_SEGMENT_BYTES; at += 32) memcpy(bytes + at, "\0\0\x0f", 4);
    struct pm_segment_reader reader = read_all(bytes, PM_SEGMENT_BYTES, &seen);
    cr_assert_eq(reader.records, 0);
    cr_assert_eq(reader.damaged, 1);
    cr_assert_leq(reader.looked, PM_SEGMENT_LOOK_MAX + (1 << 20));
    free(bytes);
}

/* What a producer says when it ends stands behind its last record and belongs to it. */
static size_t put_record(char *out, struct pm_record record)
{
    const struct pm_slice parts[] = {record.origin, record.key, record.value};
    size_t len = PM_SEGMENT_FRAME_BYTES;
    pm_segment_frame(&record, out);
    for (size_t k = 0; k < 3; len += parts[k++].len)
        if (parts[k].len > 0) memcpy(out + len, parts[k].ptr, parts[k].len);
    return len;
}

Test(outbox, an_end_belongs_to_the_record_before_it)
{
    char bytes[1024] = "";
    struct pm_segment_reader reader;
    struct pm_record got,
        last = {.key = PM_SLICE("k"), .value = PM_SLICE("v"), .origin = PM_SLICE("00000000000000aa-7")};
    size_t first = put_record(bytes + PM_SEGMENT_HEAD_BYTES, last), len = PM_SEGMENT_HEAD_BYTES + first;
    len += put_record(bytes + len, (struct pm_record){.origin = PM_SLICE("00000000000000bb-7/7")}); /* not its own */
    len += put_record(bytes + len, (struct pm_record){.origin = PM_SLICE("00000000000000aa-7/9 w")});
    pm_segment_reader_init(&reader, pm_slice(bytes, len));
    cr_assert(pm_segment_next(&reader, &got));
    cr_assert(pm_slice_is(got.origin, "00000000000000aa-7/9 w"));
    cr_assert(pm_slice_is(got.value, "v"));
    cr_assert(!pm_segment_next(&reader, &got));
    cr_assert_eq(reader.records, 1);
    cr_assert_eq(reader.damaged + reader.cut, 0);
    cr_assert_eq(PM_SEGMENT_HEAD_BYTES + first + reader.ends, len);
    bytes[PM_SEGMENT_HEAD_BYTES + first - 1] ^= 1; /* the record is damaged: its end is nobody's */
    pm_segment_reader_init(&reader, pm_slice(bytes, len));
    cr_assert(!pm_segment_next(&reader, &got));
    cr_assert_eq(reader.records, 0);
    cr_assert_eq(reader.damaged, 1);
}

/* ---- directories ---- */

static char dir[] = "/tmp/outbox-test-XXXXXX", box[64];

static void begin(void)
{
    struct pm_error err;
    struct pm_log_options options = {.mode = PM_LOG_ADMIN};
    cr_assert_not_null(mkdtemp(dir));
    snprintf(box, sizeof box, "%s/a/box", dir);
    cr_assert_eq(pm_log_create("memory:outbox", &options, 1, &err), PM_OK, "%s", err.text);
}

static void end(void)
{
    char command[128];
    snprintf(command, sizeof command, "chmod -R u+w %s && rm -rf %s", dir, dir);
    cr_assert_eq(system(command), 0);
}

TestSuite(outbox_dir, .init = begin, .fini = end, .timeout = 60);

static struct pm_outbox *opened(uint64_t bytes_max, enum pm_outbox_sync sync)
{
    struct pm_error err;
    struct pm_outbox *outbox;
    struct pm_outbox_options options = {.dir = box, .bytes_max = bytes_max, .sync = sync};
    cr_assert_eq(pm_outbox_open(&options, &outbox, &err), PM_OK, "%s", err.text);
    return outbox;
}

static void written(struct pm_outbox *outbox, uint64_t from, size_t n)
{
    struct pm_error err;
    struct pm_record records[1000];
    for (size_t i = 0; i < n; i++) records[i] = numbered(from + i);
    cr_assert_eq(pm_outbox_write(outbox, records, n, &err), PM_OK, "%s", err.text);
}

struct seen {
    struct pm_segment_info infos[8];
    char names[8][PM_SEGMENT_NAME_SIZE];
    size_t n;
    uint64_t records, in_use, damaged;
};

static void see(void *arg, const struct pm_segment_info *info)
{
    struct seen *seen = arg;
    if (seen->n < 8) {
        seen->infos[seen->n] = *info;
        snprintf(seen->names[seen->n], PM_SEGMENT_NAME_SIZE, "%.63s", info->name);
    }
    seen->n++;
    seen->records += info->records;
    seen->in_use += info->state == PM_SEGMENT_IN_USE;
    seen->damaged += info->state == PM_SEGMENT_DAMAGED;
}

static struct seen listed(void)
{
    struct pm_error err;
    struct seen seen = {0};
    cr_assert_eq(pm_outbox_each(box, see, &seen, &err), PM_OK, "%s", err.text);
    return seen;
}

static int drained(struct pm_drain_counts *ret, struct pm_error *err)
{
    struct pm_ship ship = {.url = "memory:outbox", .options = {.mode = PM_LOG_APPEND}};
    *ret = (struct pm_drain_counts){0};
    int rc = pm_outbox_drain(box, &ship, NULL, NULL, ret, err);
    pm_ship_close(&ship);
    return rc;
}

static uint64_t in_log(void)
{
    struct pm_error err;
    struct pm_log_options options = {.mode = PM_LOG_READ};
    struct pm_log *log;
    int64_t first, next;
    cr_assert_eq(pm_log_open("memory:outbox", &options, &log, &err), PM_OK, "%s", err.text);
    cr_assert_eq(pm_log_offsets(log, 0, &first, &next, &err), PM_OK);
    pm_log_close(log);
    return (uint64_t)(next - first);
}

Test(outbox_dir, what_is_written_is_delivered_once_it_is_sealed)
{
    struct pm_error err;
    struct pm_drain_counts counts;
    struct pm_outbox *outbox = opened(0, PM_OUTBOX_SYNC_EACH);
    written(outbox, 1, 1000);
    cr_assert_eq(pm_outbox_waiting(outbox), 1000);
    cr_assert(pm_outbox_is_open(outbox));
    cr_assert_eq(pm_outbox_sync(outbox, &err), PM_OK, "%s", err.text);
    struct seen seen = listed();
    cr_assert_eq(seen.n, 1);
    cr_assert_eq(seen.in_use, 1);
    cr_assert_eq(seen.records, 1000);
    cr_assert_eq(seen.infos[0].first_ms, -1000);
    cr_assert_eq(seen.infos[0].last_ms, 998000);
    cr_assert_eq(seen.infos[0].head.pid, (uint32_t)getpid());
    cr_assert_eq(drained(&counts, &err), PM_OK, "%s", err.text);
    cr_assert_eq(counts.in_use, 1);
    cr_assert_eq(counts.events, 0);
    pm_outbox_seal(outbox);
    cr_assert_not(pm_outbox_is_open(outbox));
    cr_assert_eq(pm_outbox_settle(outbox), 0);
    cr_assert_eq(listed().infos[0].state, PM_SEGMENT_WAITING);
    cr_assert_eq(drained(&counts, &err), PM_OK, "%s", err.text);
    cr_assert_eq(counts.segments, 1);
    cr_assert_eq(counts.events, 1000);
    cr_assert_eq(in_log(), 1000);
    cr_assert_eq(listed().n, 0);
    cr_assert_eq(pm_outbox_settle(outbox), 1000);
    cr_assert_eq(pm_outbox_waiting(outbox), 0);
    pm_outbox_close(outbox);
}

Test(outbox_dir, two_writers_and_an_empty_one)
{
    struct pm_error err;
    struct pm_drain_counts counts;
    struct pm_outbox *a = opened(0, PM_OUTBOX_SYNC_NONE), *b = opened(0, PM_OUTBOX_SYNC_INTERVAL);
    written(a, 1, 10);
    written(b, 1, 20);
    pm_outbox_close(a);
    cr_assert_eq(drained(&counts, &err), PM_OK, "%s", err.text);
    cr_assert_eq(counts.events, 10);
    cr_assert_eq(counts.in_use, 1);
    pm_outbox_close(b);
    pm_outbox_close(opened(0, PM_OUTBOX_SYNC_NONE));
    cr_assert_eq(drained(&counts, &err), PM_OK, "%s", err.text);
    cr_assert_eq(counts.events, 20);
    cr_assert_eq(listed().n, 0);
}

Test(outbox_dir, segments_end_at_their_size_and_the_limit_holds)
{
    struct pm_error err;
    struct pm_outbox *outbox = opened((uint64_t)6 << 20, PM_OUTBOX_SYNC_NONE);
    char *value = malloc(500000);
    memset(value, 'v', 500000);
    struct pm_record record = {.value = pm_slice(value, 500000)};
    uint64_t n = 0;
    int rc;
    while ((rc = pm_outbox_write(outbox, &record, 1, &err)) == PM_OK) n++;
    cr_assert_eq(rc, PM_ELIMIT);
    cr_assert_not_null(strstr(err.text, "outbox_bytes"));
    cr_assert_eq(n, 13); /* the one that passes 6 MiB is the last */
    cr_assert_eq(listed().n, 2);
    cr_assert_eq(listed().records, 13);
    struct pm_drain_counts counts;
    pm_outbox_seal(outbox);
    cr_assert_eq(drained(&counts, &err), PM_OK, "%s", err.text);
    cr_assert_eq(counts.events, 13);
    cr_assert_eq(pm_outbox_settle(outbox), 13);
    cr_assert_eq(pm_outbox_write(outbox, &record, 1, &err), PM_OK, "there is room again");
    pm_outbox_close(outbox);
    free(value);
}

/* A limit on the size of files stands for a disk that is full in the middle of a write. */
Test(outbox_dir, a_write_that_comes_short_is_taken_back)
{
    struct pm_error err;
    struct pm_outbox *outbox = opened(0, PM_OUTBOX_SYNC_NONE);
    written(outbox, 1, 100);
    struct seen before = listed();
    struct rlimit limit, small;
    cr_assert_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    small = limit;
    small.rlim_cur = before.infos[0].bytes + 100;
    signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
    struct pm_record records[50];
    for (uint64_t i = 0; i < 50; i++) records[i] = numbered(101 + i);
    cr_assert_eq(pm_outbox_write(outbox, records, 50, &err), PM_EIO);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    cr_assert_eq(listed().infos[0].bytes, before.infos[0].bytes);
    written(outbox, 101, 50);
    pm_outbox_close(outbox);
    struct seen after = listed();
    cr_assert_eq(after.records, 150);
    cr_assert_eq(after.infos[0].damaged + after.infos[0].cut, 0);
}

static void flip(const char *name, off_t at)
{
    char path[200], byte;
    snprintf(path, sizeof path, "%s/%s", box, name);
    int fd = open(path, O_RDWR);
    cr_assert(fd >= 0 && pread(fd, &byte, 1, at) == 1);
    byte ^= 1;
    cr_assert_eq(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

Test(outbox_dir, what_is_damaged_is_kept_and_the_rest_delivered)
{
    struct pm_error err;
    struct pm_drain_counts counts;
    struct pm_outbox *outbox = opened(0, PM_OUTBOX_SYNC_NONE);
    written(outbox, 1, 100);
    pm_outbox_close(outbox);
    struct seen seen = listed();
    flip(seen.names[0], 300);
    cr_assert_eq(drained(&counts, &err), PM_OK, "%s", err.text);
    cr_assert_eq(counts.events, 99);
    cr_assert_eq(counts.damaged, 1);
    cr_assert_eq(listed().damaged, 1);
    cr_assert_eq(drained(&counts, &err), PM_OK, "%s", err.text);
    cr_assert_eq(counts.events, 0, "it is not delivered again");
}

Test(outbox_dir, a_damaged_head_costs_no_event_and_a_foreign_file_is_left_alone)
{
    struct pm_error err;
    struct pm_drain_counts counts;
    struct pm_outbox *outbox = opened(0, PM_OUTBOX_SYNC_NONE);
    written(outbox, 1, 100);
    pm_outbox_close(outbox);
    flip(listed().names[0], 20);
    cr_assert_not(listed().infos[0].readable);
    char path[200];
    snprintf(path, sizeof path, "%s/notes.txt", box);
    fclose(fopen(path, "w"));
    cr_assert_eq(drained(&counts, &err), PM_OK, "%s", err.text);
    cr_assert_eq(counts.events, 100);
    cr_assert_eq(counts.damaged, 1);
    cr_assert_eq(access(path, F_OK), 0);
}

Test(outbox_dir, a_log_that_fails_leaves_the_segment)
{
    struct pm_error err;
    struct pm_drain_counts counts;
    struct pm_outbox *outbox = opened(0, PM_OUTBOX_SYNC_NONE);
    written(outbox, 1, 100);
    pm_outbox_close(outbox);
    pm_log_memory_fail("outbox", PM_LOG_MEMORY_FLUSH, 0, PM_ELOGAWAY, "away");
    cr_assert_eq(drained(&counts, &err), PM_ELOGAWAY);
    cr_assert_eq(counts.events, 0);
    cr_assert_eq(listed().records, 100);
    pm_log_memory_fail("outbox", PM_LOG_MEMORY_FLUSH, -1, PM_OK, "");
    cr_assert_eq(drained(&counts, &err), PM_OK, "%s", err.text);
    cr_assert_eq(counts.events, 100);
}

Test(outbox_dir, a_segment_of_a_newer_program_stops_nobody)
{
    struct pm_error err;
    struct pm_drain_counts counts;
    for (int i = 0; i < 3; i++) {
        struct pm_outbox *outbox = opened(0, PM_OUTBOX_SYNC_NONE);
        written(outbox, 1, 10);
        pm_outbox_close(outbox);
    }
    flip(listed().names[1], 8); /* format 0 */
    cr_assert_eq(drained(&counts, &err), PM_OK, "%s", err.text);
    cr_assert_eq(counts.events, 20);
    cr_assert_eq(counts.failed, 1);
    cr_assert_eq(counts.why.code, PM_EUSAGE);
    cr_assert_not_null(strstr(counts.why.text, "format 0"), "%s", counts.why.text);
    cr_assert_eq(listed().n, 1);
}

Test(outbox_dir, directories_that_cannot_be_used_are_named)
{
    struct pm_error err;
    struct pm_outbox *outbox = NULL;
    struct pm_outbox_options options = {.dir = "/proc/nothing/here"};
    cr_assert_eq(pm_outbox_open(&options, &outbox, &err), PM_EUSAGE);
    cr_assert_not_null(strstr(err.text, "/proc/nothing"), "%s", err.text);
    options.dir = "";
    cr_assert_eq(pm_outbox_open(&options, &outbox, &err), PM_EUSAGE);
    struct pm_drain_counts counts = {0};
    cr_assert_eq(drained(&counts, &err), PM_ENOTFOUND);
    cr_assert_not_null(strstr(err.text, box));
}

/* ---- a log that refuses one record (ship.c) ---- */

struct refusals {
    uint64_t number;
    size_t n;
};

static void refuse(void *arg, const struct pm_record *record, const char *reason)
{
    struct refusals *refusals = arg;
    cr_assert_not_null(strstr(reason, "at most"), "%s", reason);
    refusals->number = number_of(record);
    refusals->n++;
}

Test(outbox_dir, one_record_that_is_refused_does_not_stop_the_others)
{
    struct pm_error err;
    struct refusals refusals = {0};
    struct pm_ship ship = {
        .url = "memory:outbox", .options = {.mode = PM_LOG_APPEND}, .refused = refuse, .arg = &refusals};
    struct pm_record records[10];
    char *large = calloc(1, 2 << 20);
    for (uint64_t i = 0; i < 10; i++) records[i] = numbered(i + 1);
    records[6].value = pm_slice(large, 2 << 20);
    cr_assert_eq(pm_ship_batch(&ship, records, 10, &err), PM_OK, "%s", err.text);
    cr_assert_eq(refusals.n, 1);
    cr_assert_eq(refusals.number, 7);
    cr_assert_eq(in_log(), 9);
    cr_assert_eq(pm_ship_batch(&ship, &records[6], 1, &err), PM_OK, "alone too");
    cr_assert_eq(refusals.n, 2);
    pm_ship_close(&ship);
    free(large);
}
