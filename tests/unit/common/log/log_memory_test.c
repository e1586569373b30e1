/* log_memory_test.c: the script of the memory log does what it says. */
#include "common/base/buf.h"
#include "common/base/check.h"
#include "common/log/log_memory.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#define NAME "script"
#define BYTES(text) pm_slice_cstr(text)

static struct pm_log *open_log(enum pm_log_mode mode)
{
    struct pm_log *log = NULL;
    struct pm_error err = {0};
    cr_assert_eq(pm_log_open("memory:" NAME, &(struct pm_log_options){.mode = mode}, &log, &err), PM_OK, "%s",
                 err.text);
    return log;
}

static struct pm_log *reader(int n_partitions)
{
    struct pm_log *log = open_log(PM_LOG_READ);
    for (int32_t p = 0; p < n_partitions; p++) cr_assert_eq(pm_log_seek(log, p, 0, NULL), PM_OK);
    return log;
}

/* What one poll gives, as "P:OFFSET " words and "P! " for a fault. Good until the next call. */
static const char *polled(struct pm_log *log, size_t n_max)
{
    static struct pm_buf text;
    struct pm_log_batch batch;
    struct pm_error err = {0};
    pm_buf_clear(&text);
    if (pm_log_poll(log, n_max, SIZE_MAX, 0, &batch, &err) != PM_OK) {
        pm_buf_printf(&text, "%s%c", err.text, 0);
        return text.ptr;
    }
    for (size_t i = 0; i < batch.n_records; i++)
        pm_buf_printf(&text, "%" PRId32 ":%" PRId64 " ", batch.records[i].partition, batch.records[i].offset);
    for (size_t i = 0; i < batch.n_faults; i++) pm_buf_printf(&text, "%" PRId32 "! ", batch.faults[i].partition);
    pm_log_batch_release(&batch);
    pm_buf_byte(&text, 0);
    return text.ptr;
}

static void add(int32_t partition, int64_t offset)
{
    pm_log_memory_append(NAME, partition, offset, 5, BYTES("k"), BYTES("v"), pm_slice(NULL, 0));
}

Test(log_memory_script, gaps_and_redelivery_and_a_marker_at_the_end)
{
    pm_log_memory_make(NAME, 1);
    add(0, -1);
    add(0, 5);
    add(0, 5);
    add(0, -1);
    add(0, 0);
    pm_log_memory_set_next(NAME, 0, 9);
    struct pm_log *log = reader(1);
    cr_assert_str_eq(polled(log, 3), "0:0 0:5 0:5 ");
    cr_assert_eq(pm_log_position(log, 0), 6);
    cr_assert_str_eq(polled(log, 10), "0:6 0:0 ");
    cr_assert_str_eq(polled(log, 10), "");
    cr_assert_eq(pm_log_position(log, 0), 9, "the marker is passed");
    int64_t first, next;
    cr_assert_eq(pm_log_offsets(log, 0, &first, &next, NULL), PM_OK);
    cr_assert_eq(next, 9);
    pm_log_close(log);
    pm_log_memory_forget(NAME);
}

Test(log_memory_script, late_records_are_not_seen)
{
    pm_log_memory_make(NAME, 1);
    for (int i = 0; i < 4; i++) add(0, -1);
    pm_log_memory_show(NAME, 0, 2);
    struct pm_log *log = reader(1);
    int64_t first, next;
    cr_assert_str_eq(polled(log, 10), "0:0 0:1 ");
    cr_assert_str_eq(polled(log, 10), "");
    cr_assert_eq(pm_log_offsets(log, 0, &first, &next, NULL), PM_OK);
    cr_assert_eq(next, 2);
    pm_log_memory_show(NAME, 0, SIZE_MAX);
    cr_assert_str_eq(polled(log, 10), "0:2 0:3 ");
    pm_log_close(log);
    pm_log_memory_forget(NAME);
}

Test(log_memory_script, order_between_partitions)
{
    pm_log_memory_make(NAME, 3);
    for (int i = 0; i < 6; i++) add(i % 3, -1);
    struct {
        enum pm_log_memory_order order;
        const char *text;
    } const orders[] = {
        {PM_LOG_MEMORY_ONE_FIRST, "0:0 0:1 1:0 1:1 2:0 2:1 "},
        {PM_LOG_MEMORY_LAST_FIRST, "2:0 2:1 1:0 1:1 0:0 0:1 "},
        {PM_LOG_MEMORY_IN_TURN, "1:0 2:0 0:0 1:1 2:1 0:1 "},
    };
    for (size_t i = 0; i < 3; i++) {
        pm_log_memory_set_order(NAME, orders[i].order, 0);
        struct pm_log *log = reader(3);
        cr_assert_str_eq(polled(log, 10), orders[i].text);
        pm_log_close(log);
    }
    char *once = NULL;
    for (int i = 0; i < 2; i++) {
        pm_log_memory_set_order(NAME, PM_LOG_MEMORY_RANDOM, 42);
        struct pm_log *log = reader(3);
        if (i == 0) once = pm_strdup(polled(log, 10));
        else cr_assert_str_eq(polled(log, 10), once);
        cr_assert_eq(strlen(once), 24);
        pm_log_close(log);
    }
    free(once);
    pm_log_memory_forget(NAME);
}

Test(log_memory_script, a_truncated_head_is_a_fault_with_the_range)
{
    pm_log_memory_make(NAME, 1);
    for (int i = 0; i < 90; i++) add(0, -1);
    struct pm_log *log = reader(1);
    cr_assert_str_eq(polled(log, 2), "0:0 0:1 ");
    pm_log_memory_truncate(NAME, 0, 40);
    struct pm_log_batch batch;
    cr_assert_eq(pm_log_poll(log, 10, SIZE_MAX, 0, &batch, NULL), PM_OK);
    cr_assert_eq(batch.n_faults, 1);
    cr_assert_eq(batch.faults[0].error.code, PM_ELOG);
    cr_assert(strstr(batch.faults[0].error.text,
                     "offset 2 is out of range: the log holds offsets 40..89; records 2..39 are gone"),
              "%s", batch.faults[0].error.text);
    pm_log_batch_release(&batch);
    cr_assert_str_eq(polled(log, 10), "");
    cr_assert_eq(pm_log_seek(log, 0, 40, NULL), PM_OK);
    cr_assert_str_eq(polled(log, 1), "0:40 ");
    pm_log_close(log);
    pm_log_memory_forget(NAME);
}

Test(log_memory_script, faults_and_failing_calls_come_once_where_they_were_put)
{
    pm_log_memory_make(NAME, 2);
    for (int i = 0; i < 6; i++) add(i % 2, -1);
    pm_log_memory_set_order(NAME, PM_LOG_MEMORY_ONE_FIRST, 0);
    pm_log_memory_fault(NAME, 0, 1, PM_ECORRUPT, "scripted");
    pm_log_memory_fail(NAME, PM_LOG_MEMORY_POLL, 1, PM_ELOGAWAY, "away");
    struct pm_log *log = reader(2);
    cr_assert_str_eq(polled(log, 10), "0:0 1:0 1:1 1:2 0! ");
    cr_assert_str_eq(polled(log, 10), "away");
    cr_assert_str_eq(polled(log, 10), "");
    cr_assert_eq(pm_log_seek(log, 0, 1, NULL), PM_OK);
    cr_assert_str_eq(polled(log, 10), "0:1 0:2 ");
    pm_log_close(log);
    log = open_log(PM_LOG_APPEND);
    struct pm_error err = {0};
    pm_log_memory_fail(NAME, PM_LOG_MEMORY_APPEND, 0, PM_ELOG, "full");
    pm_log_memory_fail(NAME, PM_LOG_MEMORY_FLUSH, 0, PM_ELOGAWAY, "2 records are not acknowledged");
    cr_assert_eq(pm_log_append(log, BYTES("k"), BYTES("v"), 1, &err), PM_ELOG);
    cr_assert_str_eq(err.text, "full");
    cr_assert_eq(pm_log_append(log, BYTES("k"), BYTES("v"), 1, &err), PM_OK);
    cr_assert_eq(pm_log_flush(log, &err), PM_ELOGAWAY);
    cr_assert_eq(pm_log_flush(log, &err), PM_OK);
    cr_assert_eq(pm_log_acknowledged(log), 1);
    pm_log_close(log);
    pm_log_memory_forget(NAME);
}

Test(log_memory_script, made_anew_is_another_log_and_open_handles_keep_the_old)
{
    pm_log_memory_make(NAME, 1);
    add(0, -1);
    struct pm_log *old = reader(1);
    pm_log_memory_make(NAME, 1);
    struct pm_log *new = reader(1);
    cr_assert_str_neq(pm_log_identity(old), pm_log_identity(new));
    cr_assert_str_eq(pm_log_url(new), "memory:" NAME);
    cr_assert_str_eq(polled(new, 10), "");
    cr_assert_str_eq(polled(old, 10), "0:0 ");
    pm_log_close(old);
    pm_log_close(new);
    pm_log_memory_forget(NAME);
    pm_log_memory_forget(NAME);
}

static void *append_later(void *arg)
{
    (void)arg;
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    add(0, -1);
    return NULL;
}

Test(log_memory_script, poll_wakes_for_a_record_of_another_thread, .timeout = 30)
{
    pm_log_memory_make(NAME, 1);
    struct pm_log *log = reader(1);
    pthread_t thread;
    cr_assert_eq(pthread_create(&thread, NULL, append_later, NULL), 0);
    struct pm_log_batch batch;
    cr_assert_eq(pm_log_poll(log, 10, SIZE_MAX, 20000, &batch, NULL), PM_OK);
    cr_assert_eq(batch.n_records, 1);
    pm_log_batch_release(&batch);
    pthread_join(thread, NULL);
    pm_log_close(log);
    pm_log_memory_forget(NAME);
}
