/* emit_test.c: the emit engine over the scripted memory log: what is appended in which order, what is refused, and what
 * happens when the log fails. */
#include "producer/emit.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/log/log_memory.h"

#define NAME "emit"

struct told {
    uint64_t lines[64];
    size_t count;
    char last[PM_ERROR_TEXT_MAX];
    unsigned progressed;
};

static void tell(void *arg, const char *file, uint64_t line, const char *reason)
{
    struct told *told = arg;
    cr_assert_str_eq(file, "input");
    if (told->count < 64) told->lines[told->count] = line;
    told->count++;
    snprintf(told->last, sizeof told->last, "%s", reason);
}

static void progress(void *arg, const struct pm_emit_counts *counts)
{
    struct told *told = arg;
    cr_assert_gt(counts->bytes, 0);
    told->progressed++;
}

static void line(struct pm_buf *text, int number, int padding)
{
    pm_buf_printf(text,
                  "{\"type\":\"JobStatusChanged\",\"job_id\":\"job-%d\",\"occurred_at\":%d,\"status\":\"running\","
                  "\"worker\":\"%*s\"}\n",
                  number, number * 1000, padding + 1, "w");
}

static int input_of(const struct pm_buf *text)
{
    FILE *file = tmpfile();
    cr_assert(file && fwrite(text->ptr, 1, text->len, file) == text->len && fflush(file) == 0);
    int fd = dup(fileno(file));
    fclose(file);
    cr_assert(lseek(fd, 0, SEEK_SET) == 0);
    return fd;
}

struct outcome {
    int rc;
    struct pm_emit_counts counts;
    struct told told;
    struct pm_error err;
    uint64_t acknowledged;
};

/* One run of the engine over `text`; the memory log must have been made. */
static struct outcome emit(const struct pm_buf *text, unsigned threads, bool dry)
{
    struct outcome o = {0};
    struct pm_log_options log_options = {.mode = PM_LOG_APPEND};
    struct pm_log *log = NULL;
    struct pm_emit *emit = NULL;
    if (!dry) cr_assert_eq(pm_log_open("memory:" NAME, &log_options, &log, &o.err), PM_OK);
    struct pm_emit_options options = {
        .log = log, .threads = threads, .reject = tell, .progress = progress, .arg = &o.told};
    cr_assert_eq(pm_emit_open(&options, &emit, &o.err), PM_OK, "%s", o.err.text);
    int fd = input_of(text);
    o.rc = pm_emit_read(emit, fd, "input", &o.err);
    if (o.rc == PM_OK) o.rc = pm_emit_finish(emit, &o.err);
    o.counts = pm_emit_counts(emit);
    if (log) o.acknowledged = pm_log_acknowledged(log);
    pm_emit_close(emit);
    pm_log_close(log);
    close(fd);
    return o;
}

/* The numbers of the jobs in the log must be first, first + step, ... */
static void check_log(int first, int step, int count)
{
    struct pm_log_options options = {.mode = PM_LOG_READ};
    struct pm_log *log = NULL;
    cr_assert_eq(pm_log_open("memory:" NAME, &options, &log, NULL), PM_OK);
    cr_assert_eq(pm_log_seek(log, 0, 0, NULL), PM_OK);
    int seen = 0;
    while (seen < count) {
        struct pm_log_batch batch;
        cr_assert_eq(pm_log_poll(log, 1000, 1 << 20, 0, &batch, NULL), PM_OK);
        cr_assert_gt(batch.n_records, 0, "the log ends after %d of %d", seen, count);
        for (size_t i = 0; i < batch.n_records; i++, seen++) {
            char key[32];
            int number = first + seen * step;
            snprintf(key, sizeof key, "job-%d", number);
            cr_assert(pm_slice_is(batch.records[i].key, key), "%.*s is not %s", PM_SLICE_ARG(batch.records[i].key),
                      key);
            cr_assert_eq(batch.records[i].timestamp_ms, number);
        }
        pm_log_batch_release(&batch);
    }
    pm_log_close(log);
}

Test(emit, keeps_the_order_of_lines_with_any_number_of_threads)
{
    for (unsigned threads = 1; threads <= PM_EMIT_THREADS_MAX; threads *= 2) {
        struct pm_buf text = {0};
        for (int i = 0; i < 30000; i++) line(&text, i, i % 97);
        pm_log_memory_make(NAME, 1);
        struct outcome o = emit(&text, threads, false);
        cr_assert_eq(o.rc, PM_OK, "%s", o.err.text);
        cr_assert_eq(o.counts.taken, 30000);
        cr_assert_eq(o.counts.lines, 30000);
        cr_assert_eq(o.counts.bytes, text.len);
        cr_assert_eq(o.acknowledged, 30000);
        cr_assert_gt(o.told.progressed, 1);
        check_log(0, 1, 30000);
        pm_buf_release(&text);
    }
}

Test(emit, tells_refused_lines_in_order_and_takes_the_rest)
{
    struct pm_buf text = {0};
    for (int i = 0; i < 20000; i++) {
        if (i % 1000 == 1) pm_buf_cstr(&text, "nonsense\n");
        if (i % 2 == 0) line(&text, i, 20);
    }
    pm_log_memory_make(NAME, 1);
    struct outcome o = emit(&text, 3, false);
    cr_assert_eq(o.rc, PM_OK);
    cr_assert_eq(o.counts.taken, 10000);
    cr_assert_eq(o.counts.rejected, 20);
    cr_assert_eq(o.told.count, 20);
    for (size_t i = 0; i < 20; i++) cr_assert_eq(o.told.lines[i], 2 + i * 501);
    check_log(0, 2, 10000);
    pm_buf_release(&text);
}

/* A line is refused by its length alone wherever its end comes: just above the limit, above a block, above several. */
Test(emit, refuses_lines_above_the_limit)
{
    static const size_t lengths[] = {PM_EVENT_BYTES_MAX + 1, PM_EVENT_BYTES_MAX + 2, PM_EVENT_BYTES_MAX + 3,
                                     (size_t)2 << 20, (size_t)5 << 20};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        for (int last = 0; last < 2; last++) {
            struct pm_buf text = {0};
            line(&text, 0, 0);
            pm_buf_reserve(&text, lengths[i]);
            memset(text.ptr + text.len, 'x', lengths[i]);
            text.len += lengths[i];
            if (!last) pm_buf_byte(&text, '\n');
            if (!last) line(&text, 1, 0);
            pm_log_memory_make(NAME, 1);
            struct outcome o = emit(&text, 2, false);
            cr_assert_eq(o.counts.taken, last ? 1 : 2);
            cr_assert_eq(o.told.count, 1);
            cr_assert_eq(o.told.lines[0], 2);
            cr_assert(strstr(o.told.last, "1048576"), "%s", o.told.last);
            check_log(0, 1, last ? 1 : 2);
            pm_buf_release(&text);
        }
    }
}

Test(emit, a_dry_run_needs_no_log)
{
    struct pm_buf text = {0};
    for (int i = 0; i < 5000; i++) line(&text, i, 50);
    pm_buf_cstr(&text, "{}\n");
    struct outcome o = emit(&text, 2, true);
    cr_assert_eq(o.rc, PM_OK);
    cr_assert_eq(o.counts.taken, 5000);
    cr_assert_eq(o.counts.rejected, 1);
    pm_buf_release(&text);
}

Test(emit, stops_with_the_error_of_the_log)
{
    struct pm_buf text = {0};
    for (int i = 0; i < 20000; i++) line(&text, i, 50);
    pm_log_memory_make(NAME, 1);
    pm_log_memory_fail(NAME, PM_LOG_MEMORY_APPEND, 7000, PM_ELOGAWAY, "the broker went away");
    struct outcome o = emit(&text, 2, false);
    cr_assert_eq(o.rc, PM_ELOGAWAY);
    cr_assert(strstr(o.err.text, "the broker went away"), "%s", o.err.text);
    cr_assert_eq(o.counts.taken, 7000);
    check_log(0, 1, 7000);
    pm_buf_release(&text);
}

/* Done means acknowledged: a flush that fails is the end, whatever was handed over. */
Test(emit, a_failed_flush_is_not_success)
{
    struct pm_buf text = {0};
    line(&text, 0, 0);
    pm_log_memory_make(NAME, 1);
    pm_log_memory_fail(NAME, PM_LOG_MEMORY_FLUSH, 0, PM_ETIMEOUT, "1 record is not acknowledged");
    struct outcome o = emit(&text, 1, false);
    cr_assert_eq(o.rc, PM_ETIMEOUT);
    pm_buf_release(&text);
}

Test(emit, a_record_that_the_log_refuses_is_a_refused_line)
{
    struct pm_buf text = {0};
    for (int i = 0; i < 3; i++) line(&text, i, 0);
    pm_log_memory_make(NAME, 1);
    pm_log_memory_fail(NAME, PM_LOG_MEMORY_APPEND, 2, PM_ELIMIT, "the record is larger than the log takes");
    struct outcome o = emit(&text, 1, false);
    cr_assert_eq(o.rc, PM_OK, "%s", o.err.text);
    cr_assert_eq(o.counts.taken, 2);
    cr_assert_eq(o.counts.rejected, 1);
    cr_assert_eq(o.told.lines[0], 3);
    check_log(0, 1, 2);
    pm_buf_release(&text);
}

Test(emit, ends_when_it_is_told_to_stop)
{
    volatile sig_atomic_t stop = 1;
    struct pm_emit *emit = NULL;
    struct pm_emit_options options = {.stop = &stop};
    int ends[2];
    cr_assert_eq(pipe(ends), 0); /* nobody ever writes: a read would wait for ever */
    cr_assert_eq(pm_emit_open(&options, &emit, NULL), PM_OK);
    cr_assert_eq(pm_emit_read(emit, ends[0], "input", NULL), PM_OK);
    cr_assert_eq(pm_emit_finish(emit, NULL), PM_OK);
    cr_assert_eq(pm_emit_counts(emit).lines, 0);
    pm_emit_close(emit);
    close(ends[0]);
    close(ends[1]);
}
