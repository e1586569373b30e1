/* log_contract_test.c: what every log does, against all three of them (common/log/log.h). */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "tests/contract/log_world.h"

#define PARTITIONS 3

static struct pm_log_options mode(enum pm_log_mode m)
{
    return (struct pm_log_options){.mode = m, .timeout_ms = 10000};
}

/* n records "kI" = "vI" with times from 1000 on; keys repeat every `keys`. */
static void fill(struct world *world, int n, int keys)
{
    struct pm_log *log = world_open(world, PM_LOG_APPEND);
    for (int i = 0; i < n; i++) {
        char key[16], value[16];
        snprintf(key, sizeof key, "k%d", i % keys);
        snprintf(value, sizeof value, "v%d", i);
        must_append(log, key, value, 1000 + i);
    }
    must_flush(log);
    cr_assert_eq(pm_log_acknowledged(log), (uint64_t)n);
    pm_log_close(log);
}

/* Polls until a batch has something, for at most ten seconds. */
static struct pm_log_batch poll_some(struct pm_log *log, size_t n_max, size_t bytes_max)
{
    struct pm_log_batch batch = {0};
    struct pm_error err = {0};
    for (int i = 0; i < 50 && batch.n_records == 0 && batch.n_faults == 0; i++)
        cr_assert_eq(pm_log_poll(log, n_max, bytes_max, 200, &batch, &err), PM_OK, "%s", err.text);
    cr_assert(batch.n_records || batch.n_faults, "nothing came");
    return batch;
}

CONTRACT(a_missing_log_is_said_and_not_made)
{
    struct pm_error err = {0};
    struct pm_log *log = NULL;
    struct pm_log_options o = mode(PM_LOG_READ);
    int rc = pm_log_open(world->url, &o, &log, &err);
    cr_assert_eq(rc, world->kind == WORLD_KAFKA ? PM_ELOG : PM_ENOTFOUND, "%d %s", rc, err.text);
    cr_assert_null(log);
    cr_assert(strstr(err.text, "does not exist"), "%s", err.text);
    if (world->kind != WORLD_MEMORY) {
        char command[300];
        snprintf(command, sizeof command, "provmat log create --log %s", world->url);
        cr_assert(strstr(err.text, command), "%s", err.text);
    }
    cr_assert_neq(pm_log_open(world->url, &o, &log, &err), PM_OK, "asking made it");
}

CONTRACT(a_log_is_made_once)
{
    struct pm_error err = {0};
    struct pm_log_options o = mode(PM_LOG_ADMIN);
    world_create(world, PARTITIONS);
    cr_assert_eq(pm_log_create(world->url, &o, PARTITIONS, &err), PM_ELOG);
    cr_assert(strstr(err.text, "already exists"), "%s", err.text);
    struct pm_log *log = world_open(world, PM_LOG_ADMIN);
    int32_t n = 0;
    cr_assert_eq(pm_log_partitions(log, &n, &err), PM_OK);
    cr_assert_eq(n, PARTITIONS);
    for (int32_t p = 0; p < n; p++) {
        int64_t first = -1, next = -1;
        must_offsets(log, p, &first, &next);
        cr_assert_eq(first, 0);
        cr_assert_eq(next, 0);
    }
    pm_log_close(log);
}

CONTRACT(records_come_back_as_they_were)
{
    world_create(world, PARTITIONS);
    struct pm_log *log = world_open(world, PM_LOG_APPEND);
    struct {
        const char *key, *value;
        int64_t at;
    } const records[] = {{"job-1", "value", 1767600000000},
                         {"job-1", "", 1767600000001},
                         {"job-1", NULL, 1767600000002},
                         {"job-1", "\x01\xff\n", 1}};
    for (size_t i = 0; i < 4; i++) must_append(log, records[i].key, records[i].value, records[i].at);
    must_flush(log);
    pm_log_close(log);
    log = world_open(world, PM_LOG_READ);
    must_seek_all(log, 0);
    for (size_t i = 0; i < 4;) {
        struct pm_log_batch batch = poll_some(log, 2, SIZE_MAX);
        size_t bytes = 0;
        for (size_t j = 0; j < batch.n_records; j++, i++) {
            const struct pm_log_record *rec = &batch.records[j];
            cr_assert_lt(i, 4);
            cr_assert_eq(rec->offset, (int64_t)i);
            cr_assert_eq(rec->timestamp_ms, records[i].at);
            cr_assert(pm_slice_is(rec->key, records[i].key));
            cr_assert_eq(rec->value.ptr == NULL, records[i].value == NULL, "record %zu", i);
            cr_assert(pm_slice_is(rec->value, records[i].value ? records[i].value : ""));
            bytes += rec->key.len + rec->value.len;
        }
        cr_assert_eq(batch.bytes, bytes);
        pm_log_batch_release(&batch);
    }
    pm_log_close(log);
}

CONTRACT(a_key_stays_in_its_partition_and_in_order)
{
    world_create(world, PARTITIONS);
    fill(world, 2000, 40);
    struct pm_log *log = world_open(world, PM_LOG_READ);
    must_seek_all(log, 0);
    struct pm_buf text[PARTITIONS] = {{0}};
    cr_assert_eq(read_to_end(log, text, PARTITIONS, 100, NULL), 2000);
    int partition_of[40], last[40], used = 0;
    for (int i = 0; i < 40; i++) partition_of[i] = last[i] = -1;
    for (int p = 0; p < PARTITIONS; p++) {
        pm_buf_byte(&text[p], 0);
        used += text[p].len > 1;
        int64_t expected = 0;
        for (const char *line = text[p].ptr; *line; line = strchr(line, '\n') + 1) {
            int partition, key, value;
            int64_t offset, at;
            cr_assert_eq(sscanf(line, "%d:%" SCNd64 " %" SCNd64 " k%d=v%d", &partition, &offset, &at, &key, &value), 5,
                         "%s", line);
            cr_assert_eq(offset, expected++);
            cr_assert_eq(at, 1000 + value);
            cr_assert(partition_of[key] == -1 || partition_of[key] == p);
            partition_of[key] = p;
            cr_assert_gt(value, last[key], "order of a key");
            last[key] = value;
        }
        pm_buf_release(&text[p]);
        int64_t first, next;
        must_offsets(log, p, &first, &next);
        cr_assert_eq(next, expected);
        cr_assert_eq(pm_log_position(log, p), next);
    }
    cr_assert_gt(used, 1);
    pm_log_close(log);
}

CONTRACT(a_batch_keeps_its_limits_and_loses_nothing)
{
    world_create(world, PARTITIONS);
    fill(world, 300, 30);
    struct pm_log *log = world_open(world, PM_LOG_READ);
    must_seek_all(log, 0);
    struct pm_buf text[PARTITIONS] = {{0}};
    cr_assert_eq(read_to_end(log, text, PARTITIONS, 7, NULL), 300);
    must_seek_all(log, 0);
    for (size_t n = 0; n < 300;) {
        struct pm_log_batch batch = poll_some(log, 1000, 1);
        cr_assert_eq(batch.n_records, 1, "one record, though it is above the limit of bytes");
        n += batch.n_records;
        pm_log_batch_release(&batch);
    }
    must_seek_all(log, 0);
    for (size_t n = 0; n < 300;) {
        struct pm_log_batch batch = poll_some(log, 1000, 20);
        cr_assert(batch.bytes < 20 + 8 && batch.n_records <= 5);
        n += batch.n_records;
        pm_log_batch_release(&batch);
    }
    for (int p = 0; p < PARTITIONS; p++) pm_buf_release(&text[p]);
    pm_log_close(log);
}

CONTRACT(a_partition_is_read_from_where_it_is_sought)
{
    world_create(world, PARTITIONS);
    fill(world, 600, 60);
    struct pm_log *log = world_open(world, PM_LOG_READ);
    struct pm_error err = {0};
    int64_t first, next;
    struct pm_log_batch batch;
    cr_assert_eq(pm_log_poll(log, 10, SIZE_MAX, 100, &batch, &err), PM_OK, "%s", err.text);
    cr_assert_eq(batch.n_records + batch.n_faults, 0, "nothing was sought");
    cr_assert_eq(pm_log_position(log, 1), -1);
    cr_assert_eq(pm_log_position(log, 999), -1);
    must_offsets(log, 1, &first, &next);
    cr_assert_gt(next, 20);
    cr_assert_eq(pm_log_seek(log, 1, 10, &err), PM_OK, "%s", err.text);
    cr_assert_eq(pm_log_position(log, 1), 10);
    batch = poll_some(log, 5, SIZE_MAX);
    cr_assert_eq(batch.records[0].partition, 1);
    cr_assert_eq(batch.records[0].offset, 10);
    cr_assert_eq(pm_log_position(log, 1), 10 + (int64_t)batch.n_records);
    pm_log_batch_release(&batch);
    /* Back, while records from before may still be on their way; and another one beside it. */
    cr_assert_eq(pm_log_seek(log, 1, 3, &err), PM_OK, "%s", err.text);
    cr_assert_eq(pm_log_seek(log, 0, 0, &err), PM_OK, "%s", err.text);
    struct pm_buf text[PARTITIONS] = {{0}};
    int64_t first0, next0;
    must_offsets(log, 0, &first0, &next0);
    cr_assert_eq(read_to_end(log, text, PARTITIONS, 100, NULL), (size_t)(next - 3 + next0));
    cr_assert_eq(strncmp(text[1].ptr, "1:3 ", 4), 0, "%.20s", text[1].ptr);
    cr_assert_eq(text[2].len, 0);
    /* At the end: nothing, and no fault. */
    cr_assert_eq(pm_log_seek(log, 1, next, &err), PM_OK, "%s", err.text);
    cr_assert_eq(pm_log_poll(log, 10, SIZE_MAX, 300, &batch, &err), PM_OK, "%s", err.text);
    cr_assert_eq(batch.n_records + batch.n_faults, 0);
    cr_assert_eq(pm_log_position(log, 1), next);
    for (int p = 0; p < PARTITIONS; p++) pm_buf_release(&text[p]);
    pm_log_close(log);
}

CONTRACT(an_offset_out_of_range_is_a_fault)
{
    world_create(world, 1);
    fill(world, 10, 10);
    struct pm_log *log = world_open(world, PM_LOG_READ);
    struct pm_error err = {0};
    cr_assert_eq(pm_log_seek(log, 0, 17, &err), PM_OK);
    struct pm_log_fault fault;
    cr_assert_eq(read_to_end(log, NULL, 1, 100, &fault), 0);
    cr_assert_eq(fault.partition, 0);
    cr_assert_eq(fault.error.code, PM_ELOG);
    cr_assert(strstr(fault.error.text, "offset 17 is out of range") && strstr(fault.error.text, "0..9") &&
                  strstr(fault.error.text, "provmat rebuild"),
              "%s", fault.error.text);
    struct pm_log_batch batch;
    cr_assert_eq(pm_log_poll(log, 10, SIZE_MAX, 200, &batch, &err), PM_OK);
    cr_assert_eq(batch.n_records + batch.n_faults, 0, "it delivers nothing more");
    cr_assert_eq(pm_log_seek(log, 0, 4, &err), PM_OK);
    cr_assert_eq(read_to_end(log, NULL, 1, 100, NULL), 6);
    pm_log_close(log);
}

CONTRACT(what_is_not_there_is_refused)
{
    world_create(world, 1);
    struct pm_log *log = world_open(world, PM_LOG_READ);
    struct pm_error err = {0};
    int64_t first = 7, next = 7;
    cr_assert_eq(pm_log_seek(log, 1, 0, &err), PM_ELOG);
    cr_assert(strstr(err.text, "partition 1") && strstr(err.text, "has 1 partitions"), "%s", err.text);
    cr_assert_eq(pm_log_offsets(log, 1, &first, &next, &err), PM_ELOG, "%s", err.text);
    cr_assert_eq(first, 7, "outputs stay untouched");
    cr_assert_eq(pm_log_seek(log, 0, -1, &err), PM_EUSAGE);
    pm_log_close(log);
}

CONTRACT(the_largest_record_fits_and_one_byte_more_does_not)
{
    world_create(world, 1);
    struct pm_log *log = world_open(world, PM_LOG_APPEND);
    struct pm_error err = {0};
    char *value = pm_malloc(PM_LOG_RECORD_BYTES_MAX);
    for (size_t i = 0; i < PM_LOG_RECORD_BYTES_MAX; i++) value[i] = (char)(i * 2654435761u >> 13);
    cr_assert_eq(pm_log_append(log, pm_slice("k", 1), pm_slice(value, PM_LOG_RECORD_BYTES_MAX), 5, &err), PM_ELIMIT);
    cr_assert_eq(pm_log_append(log, pm_slice("k", 1), pm_slice(value, PM_LOG_RECORD_BYTES_MAX - 1), 5, &err), PM_OK,
                 "%s", err.text);
    must_flush(log);
    pm_log_close(log);
    log = world_open(world, PM_LOG_READ);
    must_seek_all(log, 0);
    struct pm_log_batch batch = poll_some(log, 10, SIZE_MAX);
    cr_assert_eq(batch.n_records, 1);
    cr_assert(pm_slice_eq(batch.records[0].value, pm_slice(value, PM_LOG_RECORD_BYTES_MAX - 1)));
    pm_log_batch_release(&batch);
    pm_log_close(log);
    free(value);
}

/* With an origin of `len` bytes, whose first is 'a' + i. */
static void append_from(struct pm_log *log, int i, struct pm_slice value, size_t len)
{
    struct pm_error err = {0};
    char key[16], origin[PM_LOG_ORIGIN_BYTES_MAX];
    snprintf(key, sizeof key, "k%d", i);
    memset(origin, 'a' + i, sizeof origin);
    cr_assert_eq(pm_log_append_from(log, pm_slice_cstr(key), value, 5, pm_slice(origin, len), &err), PM_OK, "%s",
                 err.text);
}

CONTRACT(what_stands_beside_a_record_is_read_with_it)
{
    static const size_t lengths[] = {0, 1, 40, PM_LOG_ORIGIN_BYTES_MAX};
    struct pm_log_record seen[4] = {{0}};
    world_create(world, 1);
    struct pm_log *log = world_open(world, PM_LOG_APPEND);
    for (int i = 0; i < 4; i++) append_from(log, i, i == 2 ? pm_slice(NULL, 0) : PM_SLICE("value"), lengths[i]);
    must_flush(log);
    pm_log_close(log);
    log = world_open(world, PM_LOG_READ);
    must_seek_all(log, 0);
    for (size_t n = 0; n < 4;) {
        struct pm_log_batch batch = poll_some(log, 10, SIZE_MAX);
        for (size_t i = 0; i < batch.n_records; i++, n++) {
            seen[n] = batch.records[i];
            cr_assert_eq(seen[n].origin.len, lengths[n]);
            for (size_t k = 0; k < lengths[n]; k++) cr_assert_eq(seen[n].origin.ptr[k], (char)('a' + n));
            cr_assert_eq(seen[n].key.ptr[1], (char)('0' + n));
            cr_assert_eq(seen[n].value.ptr == NULL, n == 2);
            cr_assert(n == 2 || pm_slice_is(seen[n].value, "value"));
        }
        pm_log_batch_release(&batch);
    }
    pm_log_close(log);
}

CONTRACT(groups_are_awaited_one_behind)
{
    world_create(world, PARTITIONS);
    struct pm_log *log = world_open(world, PM_LOG_APPEND);
    struct pm_error err = {0};
    cr_assert_eq(pm_log_streams(log), world->kind == WORLD_KAFKA);
    for (int group = 1; pm_log_streams(log) && group <= 20; group++) {
        pm_log_mark(log);
        for (int i = 0; i < 50; i++) append_from(log, i % 26, PM_SLICE("value"), 20);
        cr_assert_eq(pm_log_await(log, &err), PM_OK, "%s", err.text);
        cr_assert_geq(pm_log_acknowledged(log), (uint64_t)(group - 1) * 50);
    }
    if (pm_log_streams(log)) must_flush(log);
    cr_assert_eq(pm_log_acknowledged(log), pm_log_streams(log) ? 1000 : 0);
    pm_log_close(log);
}

CONTRACT(a_log_goes_on_where_it_ended)
{
    world_create(world, 1);
    fill(world, 5, 5);
    struct pm_log *log = world_open(world, PM_LOG_READ);
    char *identity = pm_strdup(pm_log_identity(log));
    must_seek_all(log, 0);
    cr_assert_eq(read_to_end(log, NULL, 1, 100, NULL), 5);
    fill(world, 3, 3);
    struct pm_log_batch batch = poll_some(log, 10, SIZE_MAX); /* what was appended meanwhile comes to the open reader */
    cr_assert_eq(batch.records[0].offset, 5);
    cr_assert(pm_slice_is(batch.records[0].value, "v0"));
    pm_log_batch_release(&batch);
    pm_log_close(log);
    log = world_open(world, PM_LOG_ADMIN);
    cr_assert_str_eq(pm_log_identity(log), identity);
    cr_assert_eq(strncmp(identity, world->kind == WORLD_KAFKA ? "kafka:" : "local:", 6), 0);
    int64_t first, next;
    must_offsets(log, 0, &first, &next);
    cr_assert_eq(next, 8);
    pm_log_close(log);
    free(identity);
}

CONTRACT(two_logs_have_two_identities)
{
    struct world other = world_new(world->kind);
    world_create(world, 1);
    world_create(&other, 1);
    struct pm_log *a = world_open(world, PM_LOG_ADMIN), *b = world_open(&other, PM_LOG_ADMIN);
    cr_assert_str_neq(pm_log_identity(a), pm_log_identity(b));
    cr_assert_str_neq(pm_log_url(a), pm_log_url(b));
    pm_log_close(a);
    pm_log_close(b);
    world_end(&other);
}

static void *release_backwards(void *arg)
{
    struct pm_log_batch *batches = arg;
    for (int i = 9; i >= 0; i -= 2) pm_log_batch_release(&batches[i]);
    for (int i = 0; i < 10; i += 2) pm_log_batch_release(&batches[i]);
    return NULL;
}

CONTRACT(batches_are_good_until_released_in_any_order_from_another_thread)
{
    world_create(world, PARTITIONS);
    fill(world, 100, 100);
    struct pm_log *log = world_open(world, PM_LOG_READ);
    must_seek_all(log, 0);
    struct pm_log_batch batches[10];
    for (int i = 0; i < 10; i++) batches[i] = poll_some(log, 5, SIZE_MAX);
    fill(world, 100, 100);
    size_t n = 0;
    for (int i = 0; i < 10; i++)
        for (size_t j = 0; j < batches[i].n_records; j++, n++) {
            const struct pm_log_record *rec = &batches[i].records[j];
            cr_assert_eq(rec->key.ptr[0], 'k');
            cr_assert(pm_slice_eq(pm_slice(rec->key.ptr + 1, rec->key.len - 1),
                                  pm_slice(rec->value.ptr + 1, rec->value.len - 1)));
        }
    pthread_t thread;
    cr_assert_eq(pthread_create(&thread, NULL, release_backwards, batches), 0);
    n += read_to_end(log, NULL, PARTITIONS, 3, NULL); /* while they are released */
    pthread_join(thread, NULL);
    cr_assert_eq(n, 200);
    struct pm_log_batch none = {0};
    pm_log_batch_release(&none);
    pm_log_close(log);
}

CONTRACT(a_flush_of_nothing_and_a_close_of_nothing_are_fine)
{
    world_create(world, 1);
    struct pm_log *log = world_open(world, PM_LOG_APPEND);
    must_flush(log);
    cr_assert_eq(pm_log_acknowledged(log), 0);
    pm_log_close(log);
    pm_log_close(NULL);
}

static void count_setting(void *arg, const char *name, const char *value, const char *warning)
{
    (void)warning;
    cr_assert(name[0] && value);
    ++*(int *)arg;
}

CONTRACT(settings_are_told)
{
    world_create(world, 1);
    struct pm_log *log = world_open(world, PM_LOG_ADMIN);
    struct pm_error err = {0};
    int n = 0;
    cr_assert_eq(pm_log_settings(log, count_setting, &n, &err), PM_OK, "%s", err.text);
    cr_assert_gt(n, 0);
    pm_log_close(log);
}

Test(log, a_url_that_is_none_is_refused)
{
    struct pm_error err = {0};
    struct pm_log *log = NULL;
    const char *const urls[] = {"",
                                "kafka",
                                "http://a/b",
                                "local:",
                                "kafka://",
                                "kafka://h:1",
                                "kafka://h:1/",
                                "kafka://h/t",
                                "kafka://h:0/t",
                                "kafka://h:1/a b",
                                "kafka://,h:1/t"};
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        struct pm_log_options o = mode(PM_LOG_APPEND);
        cr_assert_eq(pm_log_open(urls[i], &o, &log, &err), PM_EUSAGE, "\"%s\": %s", urls[i], err.text);
        cr_assert_eq(pm_log_create(urls[i], &o, 1, &err), PM_EUSAGE, "\"%s\": %s", urls[i], err.text);
    }
    cr_assert_eq(pm_log_create("memory:x", NULL, PM_LOG_PARTITIONS_MAX + 1, &err), PM_EUSAGE);
    cr_assert(strstr(err.text, "1025") && strstr(err.text, "1024"), "%s", err.text);
}
