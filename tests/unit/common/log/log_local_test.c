/* log_local_test.c: what only the embedded log does: several processes, a killed appender, damage, reading in step. */
#define _GNU_SOURCE /* nftw */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/time.h"
#include "common/log/log.h"
#include "common/store/kv.h"

static char dir[128], url[160];

static void begin(void)
{
    snprintf(dir, sizeof dir, "/tmp/provmat-local-XXXXXX");
    cr_assert(mkdtemp(dir));
    snprintf(url, sizeof url, "local:%s/a/log", dir); /* parents are made */
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void end(void) { nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS); }

TestSuite(log_local_alone, .init = begin, .fini = end, .timeout = 120);

static struct pm_log *open_log(enum pm_log_mode mode)
{
    struct pm_log *log = NULL;
    struct pm_error err = {0};
    cr_assert_eq(pm_log_open(url, &(struct pm_log_options){.mode = mode}, &log, &err), PM_OK, "%s", err.text);
    return log;
}

static void append(struct pm_log *log, const char *key, const char *value, int64_t timestamp_ms)
{
    struct pm_error err = {0};
    cr_assert_eq(pm_log_append(log, pm_slice_cstr(key), pm_slice_cstr(value), timestamp_ms, &err), PM_OK, "%s",
                 err.text);
}

static void flush(struct pm_log *log)
{
    struct pm_error err = {0};
    cr_assert_eq(pm_log_flush(log, &err), PM_OK, "%s", err.text);
}

static void seek_all(struct pm_log *log)
{
    int32_t n;
    cr_assert_eq(pm_log_partitions(log, &n, NULL), PM_OK);
    for (int32_t p = 0; p < n; p++) cr_assert_eq(pm_log_seek(log, p, 0, NULL), PM_OK);
}

static struct pm_log_batch poll_now(struct pm_log *log, size_t n_max)
{
    struct pm_log_batch batch;
    struct pm_error err = {0};
    cr_assert_eq(pm_log_poll(log, n_max, SIZE_MAX, 0, &batch, &err), PM_OK, "%s", err.text);
    return batch;
}

Test(log_local_alone, is_made_on_first_use_with_an_absolute_url)
{
    struct pm_log *log = open_log(PM_LOG_APPEND);
    cr_assert_eq(strncmp(pm_log_url(log), "local:/", 7), 0);
    cr_assert_eq(strlen(pm_log_identity(log)), strlen("local:") + 32);
    int32_t n;
    cr_assert_eq(pm_log_partitions(log, &n, NULL), PM_OK);
    cr_assert_eq(n, 1);
    cr_assert_eq(chdir(dir), 0);
    struct pm_log *same = NULL;
    cr_assert_eq(pm_log_open("local:./a/../a/log", NULL, &same, NULL), PM_OK);
    cr_assert_str_eq(pm_log_url(same), pm_log_url(log));
    cr_assert_str_eq(pm_log_identity(same), pm_log_identity(log));
    pm_log_close(same);
    pm_log_close(log);
}

Test(log_local_alone, what_was_not_flushed_is_not_there)
{
    struct pm_log *log = open_log(PM_LOG_APPEND), *other = open_log(PM_LOG_READ);
    append(log, "k", "v", 1);
    seek_all(other);
    struct pm_log_batch batch = poll_now(other, 10);
    cr_assert_eq(batch.n_records, 0);
    cr_assert_eq(pm_log_acknowledged(log), 0);
    flush(log);
    batch = poll_now(other, 10);
    cr_assert_eq(batch.n_records, 1);
    pm_log_batch_release(&batch);
    append(log, "k", "v", 1);
    pm_log_close(log);
    batch = poll_now(other, 10);
    cr_assert_eq(batch.n_records, 0);
    pm_log_close(other);
}

Test(log_local_alone, a_full_group_is_committed_by_itself)
{
    struct pm_log *log = open_log(PM_LOG_APPEND);
    for (int i = 0; i < 20000; i++) append(log, "k", "v", i);
    cr_assert_eq(pm_log_acknowledged(log), 16384);
    flush(log);
    cr_assert_eq(pm_log_acknowledged(log), 20000);
    pm_log_close(log);
}

/* In a child process: n records "WHO-I", flushed every `every`; after each flush how many are acknowledged goes to
 * `fd`. */
static void appender(char who, int n, int every, int fd)
{
    struct pm_log *log = NULL;
    char key[2] = {who, 0}, value[24];
    if (pm_log_open(url, &(struct pm_log_options){.mode = PM_LOG_APPEND}, &log, NULL) != PM_OK) _exit(1);
    for (int i = 0; i < n; i++) {
        snprintf(value, sizeof value, "%c-%d", who, i);
        if (pm_log_append(log, pm_slice_cstr(key), pm_slice_cstr(value), i, NULL) != PM_OK) _exit(2);
        if ((i + 1) % every) continue;
        if (pm_log_flush(log, NULL) != PM_OK) _exit(3);
        int done = i + 1;
        if (fd >= 0 && write(fd, &done, sizeof done) != sizeof done) _exit(4);
    }
    pm_log_close(log);
    _exit(0);
}

/* Reads everything: offsets are without a hole, and each appender's records are in order and once. counts[c - 'a'] is
 * how many of 'c' came. */
static void check_order(int counts[26])
{
    struct pm_log *log = open_log(PM_LOG_READ);
    seek_all(log);
    int64_t expected = 0;
    for (;;) {
        struct pm_log_batch batch = poll_now(log, 1000);
        if (batch.n_records == 0) break;
        for (size_t i = 0; i < batch.n_records; i++) {
            const struct pm_log_record *rec = &batch.records[i];
            char value[24];
            cr_assert_eq(rec->offset, expected++);
            snprintf(value, sizeof value, "%c-%d", rec->key.ptr[0], counts[rec->key.ptr[0] - 'a']++);
            cr_assert(pm_slice_is(rec->value, value), "offset %" PRId64 ": %.*s, not %s", rec->offset,
                      PM_SLICE_ARG(rec->value), value);
        }
        pm_log_batch_release(&batch);
    }
    pm_log_close(log);
}

Test(log_local_alone, several_processes_make_and_append_at_once)
{
    pid_t children[4];
    for (int i = 0; i < 4; i++)
        if ((children[i] = fork()) == 0) appender((char)('a' + i), 3000, 50, -1);
    for (int i = 0; i < 4; i++) {
        int status;
        cr_assert_eq(waitpid(children[i], &status, 0), children[i]);
        cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "child %d: %d", i, status);
    }
    int counts[26] = {0};
    check_order(counts);
    for (int i = 0; i < 4; i++) cr_assert_eq(counts[i], 3000);
}

Test(log_local_alone, what_a_killed_appender_had_flushed_is_there)
{
    int pipes[2], done = 0, last = 0;
    cr_assert_eq(pipe(pipes), 0);
    pid_t child = fork();
    if (child == 0) appender('a', 1000000, 7, pipes[1]);
    close(pipes[1]);
    for (int i = 0; i < 20; i++) cr_assert_eq(read(pipes[0], &done, sizeof done), sizeof done);
    cr_assert_eq(kill(child, SIGKILL), 0);
    while (read(pipes[0], &last, sizeof last) == sizeof last) done = last;
    close(pipes[0]);
    cr_assert_eq(waitpid(child, NULL, 0), child);
    int counts[26] = {0};
    check_order(counts);
    cr_assert_geq(counts[0], done);
    cr_assert_leq(counts[0], done + 7, "a flush may have been under way");
    struct pm_log *log = open_log(PM_LOG_APPEND); /* its lock does not stand in the way */
    append(log, "b", "b-0", 1);
    flush(log);
    pm_log_close(log);
    memset(counts, 0, sizeof counts);
    check_order(counts);
    cr_assert_eq(counts[1], 1);
}

/* Rewrites record `offset` of partition 0 behind the log's back; len SIZE_MAX: removes it. */
static void damage(uint64_t offset, size_t len, int flip)
{
    struct pm_kv *kv = NULL;
    struct pm_kv_txn *txn;
    pm_kv_db db;
    struct pm_slice value;
    char bytes[256];
    struct pm_error err = {0};
    cr_assert_eq(pm_kv_open(url + strlen("local:"), 0, &kv, &err), PM_OK, "%s", err.text);
    cr_assert_eq(pm_kv_begin_write(kv, 0, &txn, &err), PM_OK, "%s", err.text);
    cr_assert_eq(pm_kv_db_open(txn, "partition-0", PM_KV_DB_INTEGER_KEY, &db, &err), PM_OK, "%s", err.text);
    cr_assert_eq(pm_kv_get(txn, db, pm_kv_u64(&offset), &value, &err), PM_OK, "%s", err.text);
    cr_assert_leq(value.len, sizeof bytes);
    memcpy(bytes, value.ptr, value.len);
    if (flip >= 0) bytes[flip] ^= 4;
    if (len == SIZE_MAX) cr_assert_eq(pm_kv_del(txn, db, pm_kv_u64(&offset), &err), PM_OK, "%s", err.text);
    else
        cr_assert_eq(pm_kv_put(txn, db, pm_kv_u64(&offset), pm_slice(bytes, len < value.len ? len : value.len), &err),
                     PM_OK, "%s", err.text);
    cr_assert_eq(pm_kv_commit(txn, &err), PM_OK, "%s", err.text);
    pm_kv_close(kv);
}

/* Ten records; number 4 is damaged. The four before it come, then the fault, then nothing; a seek past it goes on. */
static void check_damage(size_t len, int flip)
{
    struct pm_log *log = open_log(PM_LOG_APPEND);
    for (int i = 0; i < 10; i++) append(log, "key", "value", 1000 + i);
    flush(log);
    pm_log_close(log);
    damage(4, len, flip);
    log = open_log(PM_LOG_READ);
    seek_all(log);
    struct pm_log_batch batch = poll_now(log, 100);
    cr_assert_eq(batch.n_records, 4);
    cr_assert_eq(batch.n_faults, 1);
    cr_assert_eq(batch.faults[0].partition, 0);
    cr_assert_eq(batch.faults[0].error.code, PM_ECORRUPT);
    cr_assert(strstr(batch.faults[0].error.text, "partition 0 offset 4"), "%s", batch.faults[0].error.text);
    pm_log_batch_release(&batch);
    batch = poll_now(log, 100);
    cr_assert_eq(batch.n_records + batch.n_faults, 0);
    cr_assert_eq(pm_log_position(log, 0), 4);
    cr_assert_eq(pm_log_seek(log, 0, 5, NULL), PM_OK);
    batch = poll_now(log, 100);
    cr_assert_eq(batch.n_records, 5);
    pm_log_batch_release(&batch);
    pm_log_close(log);
}

/* Sends the second child of the last page of branches in data.mdb out of the file. */
static void damage_branch(void)
{
    uint8_t page[4096];
    char path[256];
    off_t at = -1;
    snprintf(path, sizeof path, "%s/data.mdb", url + strlen("local:"));
    int fd = open(path, O_RDWR);
    cr_assert_geq(fd, 0);
    for (off_t i = 0; pread(fd, page, sizeof page, i) == sizeof page; i += sizeof page)
        if (page[10] == 1 && page[11] == 0) at = i; /* the flags: a page of branches */
    cr_assert_geq(at, 0);
    cr_assert_eq(pread(fd, page, sizeof page, at), sizeof page);
    uint16_t node;
    memcpy(&node, page + 16 + 2, sizeof node);
    page[node + 4] = 0x7f; /* the upper bits of the child's number */
    cr_assert_eq(pwrite(fd, page, sizeof page, at), sizeof page);
    close(fd);
}

/* Many pages; the second one cannot be reached. What the failed look had taken of the first is not lost: the next one
 * has it again. */
Test(log_local_alone, a_look_that_fails_half_way_moves_nothing)
{
    struct pm_log *log = open_log(PM_LOG_APPEND);
    for (int i = 0; i < 500; i++) append(log, "key", "a value of some forty bytes, or nearly so", 1000 + i);
    flush(log);
    pm_log_close(log);
    damage_branch();
    log = open_log(PM_LOG_READ);
    seek_all(log);
    struct pm_log_batch batch;
    struct pm_error err;
    cr_assert_eq(pm_log_poll(log, 400, 1 << 20, 0, &batch, &err), PM_ECORRUPT);
    cr_assert_eq(pm_log_position(log, 0), 0, "%" PRId64, pm_log_position(log, 0));
    cr_assert_eq(pm_log_poll(log, 10, 1 << 20, 0, &batch, &err), PM_OK, "%s", err.text);
    cr_assert_eq(batch.n_records, 10);
    cr_assert_eq(batch.records[0].offset, 0);
    pm_log_batch_release(&batch);
    pm_log_close(log);
}

#define DAMAGE(name, len, flip) \
    Test(log_local_alone, name) { check_damage(len, flip); }
DAMAGE(a_flipped_value_is_found, 255, 25)
DAMAGE(a_flipped_timestamp_is_found, 255, 9)
DAMAGE(a_flipped_key_length_is_found, 255, 16)
DAMAGE(a_flipped_checksum_is_found, 255, 4)
DAMAGE(an_unknown_record_format_is_found, 255, 0)
DAMAGE(a_cut_value_is_found, 24, -1)
DAMAGE(a_cut_header_is_found, 19, -1)
DAMAGE(a_missing_record_is_found, SIZE_MAX, -1)

Test(log_local_alone, a_missing_head_is_out_of_range)
{
    struct pm_log *log = open_log(PM_LOG_APPEND);
    for (int i = 0; i < 3; i++) append(log, "key", "value", i);
    flush(log);
    pm_log_close(log);
    damage(0, SIZE_MAX, -1);
    log = open_log(PM_LOG_READ);
    seek_all(log);
    struct pm_log_batch batch = poll_now(log, 100);
    cr_assert_eq(batch.n_faults, 1);
    cr_assert_eq(batch.faults[0].error.code, PM_ELOG);
    cr_assert(strstr(batch.faults[0].error.text, "holds offsets 1..2; records 0..0 are gone"), "%s",
              batch.faults[0].error.text);
    pm_log_batch_release(&batch);
    int64_t first, next;
    cr_assert_eq(pm_log_offsets(log, 0, &first, &next, NULL), PM_OK);
    cr_assert(first == 1 && next == 3);
    pm_log_close(log);
}

Test(log_local_alone, partitions_are_read_in_step_by_time)
{
    struct pm_error err = {0};
    cr_assert_eq(pm_log_create(url, NULL, 8, &err), PM_OK, "%s", err.text);
    struct pm_log *log = open_log(PM_LOG_APPEND);
    for (int i = 0; i < 1000; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i % 37);
        append(log, key, "v", 5000 + i);
    }
    flush(log);
    pm_log_close(log);
    log = open_log(PM_LOG_READ);
    seek_all(log);
    int64_t expected = 5000, partitions = 0;
    while (expected < 6000) {
        struct pm_log_batch batch = poll_now(log, 33);
        cr_assert_gt(batch.n_records, 0);
        for (size_t i = 0; i < batch.n_records; i++) {
            cr_assert_eq(batch.records[i].timestamp_ms, expected++);
            partitions |= 1 << batch.records[i].partition;
        }
        pm_log_batch_release(&batch);
    }
    cr_assert_eq(partitions, 255);
    pm_log_close(log);
}

Test(log_local_alone, a_directory_of_something_else_is_refused)
{
    struct pm_kv *kv = NULL;
    struct pm_kv_txn *txn;
    pm_kv_db db;
    struct pm_error err = {0};
    struct pm_log *log = NULL;
    snprintf(url, sizeof url, "local:%s/index", dir);
    cr_assert_eq(pm_kv_open(url + strlen("local:"), PM_KV_CREATE, &kv, NULL), PM_OK);
    cr_assert_eq(pm_kv_begin_write(kv, 0, &txn, NULL), PM_OK);
    cr_assert_eq(pm_kv_db_open(txn, "meta", PM_KV_DB_CREATE, &db, NULL), PM_OK);
    cr_assert_eq(pm_kv_commit(txn, NULL), PM_OK);
    pm_kv_close(kv);
    cr_assert_eq(pm_log_open(url, &(struct pm_log_options){.mode = PM_LOG_APPEND}, &log, &err), PM_ELOG);
    cr_assert(strstr(err.text, "holds an index, not a log"), "%s", err.text);
    cr_assert_eq(pm_log_open(url, &(struct pm_log_options){.mode = PM_LOG_READ}, &log, &err), PM_ENOTFOUND, "%s",
                 err.text);
    snprintf(url, sizeof url, "local:%s/file", dir);
    int fd = open(url + strlen("local:"), O_CREAT | O_WRONLY, 0600);
    close(fd);
    cr_assert_eq(pm_log_open(url, &(struct pm_log_options){.mode = PM_LOG_APPEND}, &log, &err), PM_ELOG, "%s",
                 err.text);
    snprintf(url, sizeof url, "local:%s/file/below", dir);
    cr_assert_eq(pm_log_open(url, &(struct pm_log_options){.mode = PM_LOG_APPEND}, &log, &err), PM_ELOG, "%s",
                 err.text);
}

Test(log_local_alone, a_log_of_a_newer_format_is_refused)
{
    pm_log_close(open_log(PM_LOG_APPEND));
    struct pm_kv *kv = NULL;
    struct pm_kv_txn *txn;
    pm_kv_db db;
    struct pm_error err = {0};
    struct pm_log *log = NULL;
    cr_assert_eq(pm_kv_open(url + strlen("local:"), 0, &kv, NULL), PM_OK);
    cr_assert_eq(pm_kv_begin_write(kv, 0, &txn, NULL), PM_OK);
    cr_assert_eq(pm_kv_db_open(txn, "log", 0, &db, NULL), PM_OK);
    cr_assert_eq(pm_kv_put(txn, db, pm_slice_cstr("format"), pm_slice_cstr("2"), NULL), PM_OK);
    cr_assert_eq(pm_kv_commit(txn, NULL), PM_OK);
    pm_kv_close(kv);
    cr_assert_eq(pm_log_open(url, &(struct pm_log_options){.mode = PM_LOG_APPEND}, &log, &err), PM_ELOG);
    cr_assert(strstr(err.text, "format 2"), "%s", err.text);
}
