/* log_world.c: logs for the contract suite (log_world.h). */
#define _GNU_SOURCE /* nftw */
#include "tests/contract/log_world.h"

#include <criterion/criterion.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/time.h"
#include "common/log/log_memory.h"
#include "tests/contract/kafka_raw.h"

#define READ_SECONDS_MAX 30

struct world world_new(enum world_kind kind)
{
    static int number;
    struct world world = {.kind = kind};
    char dir[] = "/tmp/provmat-log-XXXXXX";
    const char *broker = getenv("PROVMAT_TEST_KAFKA");
    switch (kind) {
    case WORLD_MEMORY: snprintf(world.url, sizeof world.url, "memory:contract-%d", ++number); break;
    case WORLD_LOCAL:
        cr_assert(mkdtemp(dir));
        snprintf(world.url, sizeof world.url, "local:%s/log", dir);
        break;
    case WORLD_KAFKA:
        if (!broker || !broker[0]) cr_skip_test("PROVMAT_TEST_KAFKA names no broker");
        snprintf(world.url, sizeof world.url, "kafka://%s/contract-%d-%d-%" PRId64, broker, (int)getpid(), ++number,
                 pm_time_now_us());
        break;
    }
    return world;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void world_end(struct world *world)
{
    char *slash = strrchr(world->url, '/');
    switch (world->kind) {
    case WORLD_MEMORY: pm_log_memory_forget(world->url + strlen("memory:")); break;
    case WORLD_LOCAL:
        *slash = 0;
        nftw(world->url + strlen("local:"), remove_one, 16, FTW_DEPTH | FTW_PHYS);
        break;
    case WORLD_KAFKA: raw_delete_topic(world->url); break;
    }
}

void world_create(struct world *world, int n_partitions)
{
    struct pm_error err = {0};
    cr_assert_eq(pm_log_create(world->url, &(struct pm_log_options){.mode = PM_LOG_ADMIN}, n_partitions, &err), PM_OK,
                 "%s", err.text);
}

struct pm_log *world_open(const struct world *world, enum pm_log_mode mode)
{
    struct pm_error err = {0};
    struct pm_log *log = NULL;
    cr_assert_eq(pm_log_open(world->url, &(struct pm_log_options){.mode = mode}, &log, &err), PM_OK, "%s", err.text);
    return log;
}

void must_append(struct pm_log *log, const char *key, const char *value, int64_t timestamp_ms)
{
    struct pm_error err = {0};
    cr_assert_eq(
        pm_log_append(log, pm_slice_cstr(key), value ? pm_slice_cstr(value) : pm_slice(NULL, 0), timestamp_ms, &err),
        PM_OK, "%s", err.text);
}

void must_flush(struct pm_log *log)
{
    struct pm_error err = {0};
    cr_assert_eq(pm_log_flush(log, &err), PM_OK, "%s", err.text);
}

void must_offsets(struct pm_log *log, int32_t partition, int64_t *first, int64_t *next)
{
    struct pm_error err = {0};
    cr_assert_eq(pm_log_offsets(log, partition, first, next, &err), PM_OK, "%s", err.text);
}

void must_seek_all(struct pm_log *log, int64_t offset)
{
    struct pm_error err = {0};
    int32_t n = 0;
    cr_assert_eq(pm_log_partitions(log, &n, &err), PM_OK, "%s", err.text);
    for (int32_t p = 0; p < n; p++) cr_assert_eq(pm_log_seek(log, p, offset, &err), PM_OK, "%s", err.text);
}

static bool at_end(struct pm_log *log, const int64_t *ends, int32_t n_partitions)
{
    for (int32_t p = 0; p < n_partitions; p++)
        if (pm_log_position(log, p) >= 0 && pm_log_position(log, p) < ends[p]) return false;
    return true;
}

size_t read_to_end(struct pm_log *log, struct pm_buf *text, int32_t n_partitions, size_t n_max,
                   struct pm_log_fault *fault)
{
    int64_t ends[PM_LOG_PARTITIONS_MAX], first, until = pm_time_monotonic_us() + READ_SECONDS_MAX * 1000000LL;
    size_t n = 0;
    struct pm_error err = {0};
    for (int32_t p = 0; p < n_partitions; p++) must_offsets(log, p, &first, &ends[p]);
    for (bool faulted = false; !faulted && (fault || !at_end(log, ends, n_partitions));) {
        cr_assert_lt(pm_time_monotonic_us(), until, "the end of the log was not reached");
        struct pm_log_batch batch;
        cr_assert_eq(pm_log_poll(log, n_max, SIZE_MAX, 200, &batch, &err), PM_OK, "%s", err.text);
        cr_assert_leq(batch.n_records, n_max);
        for (size_t i = 0; i < batch.n_records && text; i++) {
            const struct pm_log_record *rec = &batch.records[i];
            pm_buf_printf(&text[rec->partition], "%" PRId32 ":%" PRId64 " %" PRId64 " %.*s=%.*s\n", rec->partition,
                          rec->offset, rec->timestamp_ms, PM_SLICE_ARG(rec->key),
                          rec->value.ptr ? (int)rec->value.len : 6, rec->value.ptr ? rec->value.ptr : "(null)");
        }
        n += batch.n_records;
        faulted = batch.n_faults > 0;
        if (faulted) {
            cr_assert(fault, "%s", batch.faults[0].error.text);
            *fault = batch.faults[0];
        }
        pm_log_batch_release(&batch);
    }
    return n;
}
