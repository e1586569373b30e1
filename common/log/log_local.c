/* log_local.c: the embedded log: an LMDB environment in a directory, one database a partition, key = offset. The format
 * is docs/formats/local-log.md; a record's bytes are local_record.c's.
 *
 * Appending is group commit: records gather in memory and go into one write transaction when the group is full or at
 * flush; the next offset is read inside it, so several processes append at once behind LMDB's write lock. A reader's
 * batch holds its read transaction, and its slices point into the map. Thread rule: a handle belongs to one thread; a
 * batch (its transaction) may be released by another. Not across
 * fork: a child leaves the parent's handles alone and opens its own. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/check.h"
#include "common/base/fault.h"
#include "common/base/hash.h"
#include "common/base/number.h"
#include "common/base/time.h"
#include "common/log/local_record.h"
#include "common/log/log_impl.h"
#include "common/store/kv.h"

#define FORMAT_VERSION 1

#define GROUP_RECORDS_MAX 16384
#define GROUP_BYTES_MAX ((size_t)8 << 20)
#define CHECK_ALL_BYTES ((uint64_t)16 << 20) /* of a log whose every page an appender looks at: some milliseconds */
#define TRIM_BYTES ((size_t)64 << 20)        /* of resident memory a reader may take */
#define NAP_MS_FIRST 20
#define NAP_MS_MAX 50

#define META "log" /* the database of the log's own facts; an index has none of this name */

struct local_group_entry { /* before the bytes of its value in the group */
    int32_t partition;
    uint32_t size;
};

struct local_partition {
    pm_kv_db db;
    int64_t position; /* the next offset that poll delivers; -1: never sought */
    bool delivering;
};

struct local_log {
    struct pm_log base;
    struct pm_kv *kv;
    int32_t n_partitions;
    struct pm_buf group;
    size_t group_n;
    size_t untrimmed;         /* bytes polled since the map was trimmed */
    struct local_head *heads; /* room for poll: one a partition */
    struct local_partition partitions[];
};

/* Where a poll stands in a partition; in a heap by time, so that partitions are read in step. */
struct local_head {
    int32_t partition;
    int64_t timestamp_ms;
    struct pm_kv_cursor *cursor;
    struct pm_slice value;
};

struct local_batch {
    struct pm_log_batch_owner owner;
    struct pm_kv_txn *txn;
};

/* LMDB wants database handles opened one at a time in a process. */
static pthread_mutex_t dbs_lock = PTHREAD_MUTEX_INITIALIZER;

/* A child of fork has no other threads: the lock is free in it, whatever it looked like. */
static void free_lock_in_child(void) { pthread_mutex_init(&dbs_lock, NULL); }

static void watch_forks(void) { (void)pthread_atfork(NULL, NULL, free_lock_in_child); }

static struct local_log *self(const struct pm_log *base) { return (struct local_log *)(uintptr_t)base; }

/* ---- making and opening ---- */

/* The directory and its parents, all for their owner alone: who may write to a parent may put another log in the place
 * of this one. Somebody else may make them at the same time. */
static int make_dirs(const char *dir, struct pm_error *err)
{
    PM_CLEANUP(pm_buf_release) struct pm_buf path = {0};
    for (const char *slash = dir; *slash;) {
        slash += 1 + strcspn(slash + 1, "/");
        pm_buf_clear(&path);
        pm_buf_bytes(&path, dir, (size_t)(slash - dir));
        pm_buf_byte(&path, 0);
        if (mkdir(path.ptr, 0700) != 0 && errno != EEXIST)
            return pm_error_set(err, PM_ELOG, "local:%s: could not make the directory %s: %s", dir, path.ptr,
                                pm_error_system(errno));
    }
    return PM_OK;
}

/* What the disk refuses, this log refuses. */
static int refused(int rc, const char *dir, struct pm_error *err)
{
    return rc == PM_EIO ? pm_error_wrap(err, PM_ELOG, "log local:%s", dir) : rc;
}

static int get_text(struct pm_kv_txn *txn, pm_kv_db meta, const char *name, struct pm_slice *ret, struct pm_error *err)
{
    int rc = pm_kv_get(txn, meta, pm_slice_cstr(name), ret, err);
    return rc == PM_ENOTFOUND ? pm_error_set(err, PM_ECORRUPT, "the log's \"%s\" is missing", name) : rc;
}

static int put_text(struct pm_kv_txn *txn, pm_kv_db meta, const char *name, const char *value, struct pm_error *err)
{
    return pm_kv_put(txn, meta, pm_slice_cstr(name), pm_slice_cstr(value), err);
}

static void partition_name(char out[24], int32_t partition) { snprintf(out, 24, "partition-%" PRId32, partition); }

static int write_meta(struct pm_kv_txn *txn, int n_partitions, struct pm_error *err)
{
    pm_kv_db meta, db;
    uint8_t random[16];
    char uuid[33] = "", number[16], name[24];
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        return pm_error_set(err, PM_EIO, "could not draw the log's identity: %s", pm_error_system(errno));
    pm_hex_encode(random, sizeof random, uuid);
    PM_TRY(pm_kv_db_open(txn, META, PM_KV_DB_CREATE, &meta, err));
    snprintf(number, sizeof number, "%d", FORMAT_VERSION);
    PM_TRY(put_text(txn, meta, "format", number, err));
    PM_TRY(put_text(txn, meta, "uuid", uuid, err));
    snprintf(number, sizeof number, "%d", n_partitions);
    PM_TRY(put_text(txn, meta, "partitions", number, err));
    for (int32_t i = 0; i < n_partitions; i++) {
        partition_name(name, i);
        PM_TRY(pm_kv_db_open(txn, name, PM_KV_DB_CREATE | PM_KV_DB_INTEGER_KEY, &db, err));
    }
    return PM_OK;
}

/* Makes the log unless there is one; *ret_made says which. Of two processes that come at once the second finds what the
 * first made. */
static int make_in(struct pm_kv *kv, int n_partitions, bool *ret_made, struct pm_error *err)
{
    struct pm_kv_txn *txn;
    PM_TRY(pm_kv_begin_write(kv, 0, &txn, err));
    pm_kv_db db;
    struct pm_error none;
    int rc = pm_kv_db_open(txn, META, 0, &db, &none);
    if (rc == PM_OK) {
        pm_kv_abort(txn);
        *ret_made = false;
        return PM_OK;
    }
    if (rc == PM_ENOTFOUND && pm_kv_db_open(txn, "meta", 0, &db, &none) == PM_OK)
        rc = pm_error_set(err, PM_ELOG, "local:%s: the directory holds an index, not a log", pm_kv_dir(kv));
    else rc = rc == PM_ENOTFOUND ? write_meta(txn, n_partitions, err) : pm_error_set(err, none.code, "%s", none.text);
    if (rc != PM_OK) {
        pm_kv_abort(txn);
        return rc;
    }
    rc = PM_FAULT(log_create, err);
    if (rc != PM_OK) {
        pm_kv_abort(txn);
        return rc;
    }
    PM_TRY(pm_kv_commit(txn, err));
    *ret_made = true;
    return PM_OK;
}

static int make(const char *dir, int n_partitions, bool *ret_made, struct pm_error *err)
{
    PM_TRY(make_dirs(dir, err));
    struct pm_kv *kv;
    PM_TRY(refused(pm_kv_open(dir, PM_KV_SEQUENTIAL | PM_KV_CREATE, &kv, err), dir, err));
    /* A damaged page would lead the appender to write over pages that are in use. */
    struct pm_pages_look look = {.edges = pm_kv_file_bytes(kv) > CHECK_ALL_BYTES};
    int rc = pm_kv_check_pages(kv, &look, err);
    pthread_mutex_lock(&dbs_lock);
    if (rc == PM_OK) rc = make_in(kv, n_partitions, ret_made, err);
    pthread_mutex_unlock(&dbs_lock);
    pm_kv_close(kv);
    return refused(rc, dir, err);
}

static int check_dir(const char *dir, struct pm_error *err)
{
    return dir[0] ? PM_OK : pm_error_set(err, PM_EUSAGE, "\"local:\" names no directory: it is written local:DIR");
}

static int local_create(const char *dir, const struct pm_log_options *options, int n_partitions, struct pm_error *err)
{
    (void)options;
    bool made;
    PM_TRY(check_dir(dir, err));
    PM_TRY(make(dir, n_partitions ? n_partitions : 1, &made, err));
    return made ? PM_OK : pm_error_set(err, PM_ELOG, "log local:%s already exists", dir);
}

/* The facts of the log into a new handle. */
static int read_meta(struct pm_kv *kv, struct pm_kv_txn *txn, struct local_log **ret, struct pm_error *err)
{
    pm_kv_db meta;
    struct pm_slice format, uuid, partitions;
    int rc = pm_kv_db_open(txn, META, 0, &meta, err);
    if (rc == PM_ENOTFOUND)
        return pm_error_set(err, rc, "the directory holds no log; make one with: provmat log create --log local:%s",
                            pm_kv_dir(kv));
    PM_TRY(rc);
    PM_TRY(get_text(txn, meta, "format", &format, err));
    uint64_t n;
    if (!pm_u64_parse(format, &n) || n == 0)
        return pm_error_set(err, PM_ECORRUPT, "the log's format is \"%.*s\"", PM_SLICE_ARG(format));
    if (n > FORMAT_VERSION)
        return pm_error_set(err, PM_ELOG, "the log has format %" PRIu64 " and this provmat reads %d; use a newer one",
                            n, FORMAT_VERSION);
    PM_TRY(get_text(txn, meta, "uuid", &uuid, err));
    PM_TRY(get_text(txn, meta, "partitions", &partitions, err));
    if (!pm_u64_parse(partitions, &n) || n == 0 || n > PM_LOG_PARTITIONS_MAX || uuid.len != 32)
        return pm_error_set(err, PM_ECORRUPT, "the log's facts are damaged: %.*s partitions", PM_SLICE_ARG(partitions));
    struct local_log *log = pm_calloc(1, sizeof *log + (size_t)n * sizeof *log->partitions);
    log->n_partitions = (int32_t)n;
    log->base.identity = pm_malloc(sizeof "local:" + 32);
    snprintf(log->base.identity, sizeof "local:" + 32, "local:%.32s", uuid.ptr);
    for (int32_t i = 0; i < log->n_partitions && rc == PM_OK; i++) {
        char name[24];
        partition_name(name, i);
        log->partitions[i].position = -1;
        rc = pm_kv_db_open(txn, name, PM_KV_DB_INTEGER_KEY, &log->partitions[i].db, err);
    }
    if (rc == PM_OK && log->n_partitions < PM_LOG_PARTITIONS_MAX) { /* the number is not more than they are, nor less */
        char name[24];
        pm_kv_db db;
        partition_name(name, log->n_partitions);
        rc = pm_kv_db_open(txn, name, PM_KV_DB_INTEGER_KEY, &db, err);
        if (rc == PM_OK) rc = pm_error_set(err, PM_ECORRUPT, "the log's facts are damaged: it has more partitions");
        else if (rc == PM_ENOTFOUND) rc = PM_OK;
    }
    if (rc != PM_OK) {
        free(log->base.identity);
        free(log);
        return rc == PM_ENOTFOUND ? pm_error_set(err, PM_ECORRUPT, "one of the log's partitions is missing") : rc;
    }
    *ret = log;
    return PM_OK;
}

static int open_handle(struct pm_kv *kv, struct local_log **ret, struct pm_error *err)
{
    struct pm_kv_txn *txn;
    PM_TRY(pm_kv_begin_read(kv, &txn, err));
    int rc = read_meta(kv, txn, ret, err);
    pm_kv_abort(txn);
    return rc;
}

/* Where the directory may be written a reader opens it as a writer would, so that readers and writers of one process
 * share one environment. */
static int open_flags(const char *dir)
{
    PM_CLEANUP(pm_buf_release) struct pm_buf path = {0};
    pm_buf_printf(&path, "%s/data.mdb", dir);
    pm_buf_byte(&path, 0);
    return access(path.ptr, W_OK) == 0 && access(dir, W_OK) == 0 ? 0 : PM_KV_READ_ONLY;
}

static int local_open(const char *dir, const struct pm_log_options *options, struct pm_log **ret, struct pm_error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch_forks);
    bool made;
    PM_TRY(check_dir(dir, err));
    if (options->mode == PM_LOG_APPEND) PM_TRY(make(dir, 1, &made, err));
    struct pm_kv *kv;
    int rc = pm_kv_open(dir, PM_KV_SEQUENTIAL | (options->mode == PM_LOG_APPEND ? 0 : open_flags(dir)), &kv, err);
    if (rc == PM_ENOTFOUND)
        return pm_error_set(err, rc, "log local:%s does not exist; make it with: provmat log create --log local:%s",
                            dir, dir);
    PM_TRY(refused(rc, dir, err));
    struct local_log *log = NULL;
    pthread_mutex_lock(&dbs_lock);
    rc = open_handle(kv, &log, err);
    pthread_mutex_unlock(&dbs_lock);
    if (rc != PM_OK) {
        pm_kv_close(kv);
        return pm_error_wrap(err, rc, "local:%s", dir);
    }
    log->kv = kv;
    log->heads = pm_calloc((size_t)log->n_partitions, sizeof *log->heads);
    char absolute[PATH_MAX];
    const char *path = realpath(dir, absolute) ? absolute : dir;
    struct pm_buf name = {0};
    pm_buf_printf(&name, "local:%s%c", path, 0);
    log->base.url = name.ptr;
    *ret = &log->base;
    return PM_OK;
}

static void local_close(struct pm_log *base)
{
    struct local_log *log = self(base);
    pm_kv_close(log->kv);
    pm_buf_release(&log->group);
    free(log->heads);
    free(log);
}

/* ---- appending ---- */

/* The first offset kept and the next to be written, in the transaction's snapshot. */
static int partition_ends(const struct local_log *log, struct pm_kv_txn *txn, int32_t partition, int64_t *ret_first,
                          int64_t *ret_next, struct pm_error *err)
{
    struct pm_kv_cursor *cursor;
    PM_TRY(pm_kv_cursor_open(txn, log->partitions[partition].db, &cursor, err));
    struct pm_slice key;
    uint64_t first = 0, last = 0;
    int rc = pm_kv_seek(cursor, pm_slice(NULL, 0), &key, NULL, err);
    if (rc == PM_OK) {
        memcpy(&first, key.ptr, sizeof first);
        rc = pm_kv_last(cursor, &key, NULL, err);
        if (rc == PM_OK) memcpy(&last, key.ptr, sizeof last);
    }
    pm_kv_cursor_close(cursor);
    if (rc != PM_OK && rc != PM_ENOTFOUND) return rc;
    *ret_first = (int64_t)first;
    *ret_next = rc == PM_OK ? (int64_t)last + 1 : 0;
    return PM_OK;
}

/* Offsets have no gaps: where there are fewer records than offsets, one of these is not what it was. */
static int partition_check(const struct local_log *log, struct pm_kv_txn *txn, int32_t partition, int64_t *ret_next,
                           struct pm_error *err)
{
    int64_t first, next;
    uint64_t entries, bytes;
    PM_TRY(partition_ends(log, txn, partition, &first, &next, err));
    PM_TRY(pm_kv_db_stat(txn, log->partitions[partition].db, &entries, &bytes, err));
    if ((uint64_t)(next - first) != entries)
        return pm_kv_corrupt(txn, err, "partition %" PRId32 " has %" PRIu64 " records at offsets %" PRId64 "..%" PRId64,
                             partition, entries, first, next - 1);
    *ret_next = next;
    return PM_OK;
}

static int write_group(struct local_log *log, struct pm_kv_txn *txn, struct pm_error *err)
{
    int64_t next[PM_LOG_PARTITIONS_MAX];
    for (int32_t i = 0; i < log->n_partitions; i++) next[i] = -1;
    for (const char *p = log->group.ptr, *end = p + log->group.len; p < end;) {
        struct local_group_entry entry;
        memcpy(&entry, p, sizeof entry);
        p += sizeof entry;
        int64_t *at = &next[entry.partition];
        if (*at < 0) PM_TRY(partition_check(log, txn, entry.partition, at, err));
        uint64_t key = (uint64_t)(*at)++;
        PM_TRY(PM_FAULT(append_record, err));
        PM_TRY(pm_kv_append(txn, log->partitions[entry.partition].db, pm_kv_u64(&key), pm_slice(p, entry.size), err));
        p += entry.size;
    }
    return PM_OK;
}

/* The group is kept when it fails, so that a flush may try again. */
static int commit_group(struct local_log *log, struct pm_error *err)
{
    if (log->group_n == 0) return PM_OK;
    struct pm_kv_txn *txn;
    int rc = pm_kv_begin_write(log->kv, 4 * log->group.len + ((uint64_t)16 << 20), &txn, err);
    if (rc == PM_OK) {
        rc = write_group(log, txn, err);
        if (rc == PM_OK) rc = PM_FAULT(append_before_commit, err);
        if (rc == PM_OK) rc = pm_kv_commit(txn, err);
        else pm_kv_abort(txn);
    }
    if (rc != PM_OK)
        return pm_error_wrap(err, rc == PM_EIO ? PM_ELOG : rc, "log %s: %zu records are not committed", log->base.url,
                             log->group_n);
    log->base.acknowledged += log->group_n;
    log->group_n = 0;
    pm_buf_clear(&log->group);
    return PM_FAULT(append_after_commit, err);
}

static int local_append(struct pm_log *base, struct pm_slice key, struct pm_slice value, int64_t timestamp_ms,
                        struct pm_slice origin, struct pm_error *err)
{
    struct local_log *log = self(base);
    struct pm_log_record record = {.timestamp_ms = timestamp_ms, .key = key, .value = value, .origin = origin};
    if (log->group_n >= PM_FAULT_LIMIT(group_records, GROUP_RECORDS_MAX) || log->group.len >= GROUP_BYTES_MAX)
        PM_TRY(commit_group(log, err));
    struct local_group_entry entry = {
        .partition = (int32_t)(pm_crc32c(0, key.ptr, key.len) % (uint32_t)log->n_partitions),
        .size = (uint32_t)pm_local_record_size(&record)};
    pm_buf_bytes(&log->group, &entry, sizeof entry);
    pm_local_record_encode(&record, &log->group);
    log->group_n++;
    return PM_OK;
}

static int local_flush(struct pm_log *base, struct pm_error *err) { return commit_group(self(base), err); }

/* ---- reading ---- */

static int check_partition(const struct local_log *log, int32_t partition, struct pm_error *err)
{
    if (partition >= 0 && partition < log->n_partitions) return PM_OK;
    return pm_error_set(err, PM_ELOG, "partition %" PRId32 ": %s has %" PRId32 " partitions", partition, log->base.url,
                        log->n_partitions);
}

static int local_partitions(struct pm_log *base, int32_t *ret_count, struct pm_error *err)
{
    (void)err;
    *ret_count = self(base)->n_partitions;
    return PM_OK;
}

static int local_offsets(struct pm_log *base, int32_t partition, int64_t *ret_first, int64_t *ret_next,
                         struct pm_error *err)
{
    struct local_log *log = self(base);
    PM_TRY(check_partition(log, partition, err));
    struct pm_kv_txn *txn;
    PM_TRY(pm_kv_begin_read(log->kv, &txn, err));
    int rc = partition_ends(log, txn, partition, ret_first, ret_next, err);
    pm_kv_abort(txn);
    return rc;
}

static int local_seek(struct pm_log *base, int32_t partition, int64_t offset, struct pm_error *err)
{
    struct local_log *log = self(base);
    PM_TRY(check_partition(log, partition, err));
    log->partitions[partition].position = offset;
    log->partitions[partition].delivering = true;
    return PM_OK;
}

static int64_t local_position(const struct pm_log *base, int32_t partition)
{
    const struct local_log *log = self(base);
    return partition >= 0 && partition < log->n_partitions ? log->partitions[partition].position : -1;
}

static struct pm_error *fault(struct local_log *log, struct local_batch *batch, int32_t partition)
{
    log->partitions[partition].delivering = false;
    return &pm_log_batch_fault(&batch->owner, partition)->error;
}

static int say_damaged(const struct local_log *log, int32_t partition, int64_t offset, const char *what,
                       struct pm_error *err)
{
    return pm_error_set(err, PM_ECORRUPT,
                        "%s: partition %" PRId32 " offset %" PRId64 ": the record is damaged: %s; the records behind "
                        "it: provmat replay --log %s --from %" PRId32 ":%" PRId64,
                        log->base.url, partition, offset, what, log->base.url, partition, offset + 1);
}

static void corrupt(struct local_log *log, struct local_batch *batch, int32_t partition, const char *what)
{
    (void)say_damaged(log, partition, log->partitions[partition].position, what, fault(log, batch, partition));
}

/* The position has no record of its own: the end (nothing to do), a place outside the log, or a hole in it. */
static int missing(struct local_log *log, struct local_batch *batch, int32_t partition, struct pm_error *err)
{
    int64_t first, next, wanted = log->partitions[partition].position;
    PM_TRY(partition_ends(log, batch->txn, partition, &first, &next, err));
    if (wanted == next) return PM_OK;
    if (wanted < first || wanted > next)
        pm_log_out_of_range(fault(log, batch, partition), partition, wanted, first, next);
    else corrupt(log, batch, partition, "it is missing");
    return PM_OK;
}

/* Puts what the cursor found into the head; false when the partition has nothing (more) at its position. */
static int head_set(struct local_log *log, struct local_batch *batch, struct local_head *head, int found,
                    struct pm_slice key, bool *ret_set, struct pm_error *err)
{
    if (found != PM_OK && found != PM_ENOTFOUND) return found;
    uint64_t offset = 0;
    if (found == PM_OK) memcpy(&offset, key.ptr, sizeof offset);
    *ret_set = found == PM_OK && (int64_t)offset == log->partitions[head->partition].position;
    if (!*ret_set) return missing(log, batch, head->partition, err);
    head->timestamp_ms = pm_local_record_time(head->value);
    return PM_OK;
}

static bool head_before(const struct local_head *a, const struct local_head *b)
{
    return a->timestamp_ms != b->timestamp_ms ? a->timestamp_ms < b->timestamp_ms : a->partition < b->partition;
}

static void sift_down(struct local_head *heads, int32_t n, int32_t i)
{
    for (;;) {
        int32_t least = i;
        for (int32_t child = 2 * i + 1; child <= 2 * i + 2 && child < n; child++)
            if (head_before(&heads[child], &heads[least])) least = child;
        if (least == i) return;
        struct local_head swap = heads[i];
        heads[i] = heads[least];
        heads[least] = swap;
        i = least;
    }
}

static int open_heads(struct local_log *log, struct local_batch *batch, int32_t *ret_n, struct pm_error *err)
{
    int32_t n = 0;
    int rc = PM_OK;
    for (int32_t i = 0; i < log->n_partitions && rc == PM_OK; i++) {
        if (!log->partitions[i].delivering) continue;
        struct local_head *head = &log->heads[n];
        *head = (struct local_head){.partition = i};
        rc = pm_kv_cursor_open(batch->txn, log->partitions[i].db, &head->cursor, err);
        if (rc != PM_OK) break;
        uint64_t want = (uint64_t)log->partitions[i].position;
        struct pm_slice key = {0};
        bool set = false;
        int found = pm_kv_seek(head->cursor, pm_kv_u64(&want), &key, &head->value, err);
        rc = head_set(log, batch, head, found, key, &set, err);
        if (set) n++;
        else pm_kv_cursor_close(head->cursor);
    }
    for (int32_t i = n / 2 - 1; i >= 0; i--) sift_down(log->heads, n, i);
    *ret_n = n;
    return rc;
}

static void drop_head(struct local_log *log, int32_t *n)
{
    pm_kv_cursor_close(log->heads[0].cursor);
    log->heads[0] = log->heads[--*n];
    if (*n > 0) sift_down(log->heads, *n, 0);
}

/* The record of the earliest head into the batch, and the head on to its next. */
static int take(struct local_log *log, struct local_batch *batch, int32_t *n, struct pm_error *err)
{
    struct local_head *head = &log->heads[0];
    struct local_partition *p = &log->partitions[head->partition];
    struct pm_log_record record = {.partition = head->partition, .offset = p->position};
    const char *wrong = pm_local_record_decode(head->value, &record);
    if (wrong) {
        corrupt(log, batch, head->partition, wrong);
        drop_head(log, n);
        return PM_OK;
    }
    pm_log_batch_add(&batch->owner, &record);
    p->position++;
    struct pm_slice key = {0};
    bool set;
    int found = pm_kv_next(head->cursor, &key, &head->value, err);
    PM_TRY(head_set(log, batch, head, found, key, &set, err));
    if (set) sift_down(log->heads, *n, 0);
    else drop_head(log, n);
    return PM_OK;
}

/* What one snapshot has. */
static int collect(struct local_log *log, struct local_batch *batch, size_t n_max, size_t bytes_max,
                   struct pm_error *err)
{
    int32_t n = 0;
    int rc = open_heads(log, batch, &n, err);
    while (rc == PM_OK && n > 0 && !pm_log_batch_full(&batch->owner, n_max, bytes_max)) rc = take(log, batch, &n, err);
    for (int32_t i = 0; i < n; i++) pm_kv_cursor_close(log->heads[i].cursor);
    return rc;
}

static void local_release(struct pm_log_batch_owner *owner)
{
    struct local_batch *batch = (struct local_batch *)owner;
    pm_kv_abort(batch->txn);
    pm_log_batch_lists_free(owner);
    free(batch);
}

/* A look that failed has delivered nothing: its partitions stand where they stood. */
static void undo(struct local_log *log, const struct local_batch *batch)
{
    for (size_t i = batch->owner.n_records; i-- > 0;)
        log->partitions[batch->owner.records[i].partition].position = batch->owner.records[i].offset;
    for (size_t i = 0; i < batch->owner.n_faults; i++)
        log->partitions[batch->owner.faults[i].partition].delivering = true;
}

/* One look; *ret_some says whether *ret was filled. */
static int look(struct local_log *log, size_t n_max, size_t bytes_max, bool *ret_some, struct pm_log_batch *ret,
                struct pm_error *err)
{
    struct local_batch *batch = pm_calloc(1, sizeof *batch);
    batch->owner.log = &log->base;
    batch->owner.release = local_release;
    int rc = pm_kv_begin_read(log->kv, &batch->txn, err);
    if (rc == PM_OK) rc = collect(log, batch, n_max, bytes_max, err);
    *ret_some = rc == PM_OK && (batch->owner.n_records || batch->owner.n_faults);
    if (*ret_some) {
        pm_log_batch_give(&batch->owner, ret);
        log->untrimmed += ret->bytes;
        if (log->untrimmed >= TRIM_BYTES) {
            log->untrimmed = 0;
            pm_kv_trim(log->kv);
        }
        return PM_OK;
    }
    if (rc != PM_OK) undo(log, batch);
    local_release(&batch->owner);
    return rc;
}

/* A signal ends the wait early, so that a program that follows ends at once. */
static int local_poll(struct pm_log *base, size_t n_max, size_t bytes_max, int timeout_ms, struct pm_log_batch *ret,
                      struct pm_error *err)
{
    int64_t until = pm_time_monotonic_us() / 1000 + timeout_ms;
    bool some, interrupted = false;
    for (int64_t nap_ms = NAP_MS_FIRST;; nap_ms = nap_ms + 10 < NAP_MS_MAX ? nap_ms + 10 : NAP_MS_MAX) {
        PM_TRY(look(self(base), n_max, bytes_max, &some, ret, err));
        int64_t left = until - pm_time_monotonic_us() / 1000;
        if (some) return PM_OK;
        if (left <= 0 || interrupted) break;
        interrupted = nanosleep(&(struct timespec){.tv_nsec = (nap_ms < left ? nap_ms : left) * 1000000L}, NULL) != 0;
    }
    *ret = (struct pm_log_batch){0};
    return PM_OK;
}

/* ---- about ---- */

static int check_records(const struct local_log *log, struct pm_kv_txn *txn, int32_t partition, struct pm_error *err)
{
    struct pm_kv_cursor *cursor;
    struct pm_slice key, value;
    struct pm_log_record record;
    int64_t next;
    PM_TRY(partition_check(log, txn, partition, &next, err));
    PM_TRY(pm_kv_cursor_open(txn, log->partitions[partition].db, &cursor, err));
    int rc = pm_kv_seek(cursor, pm_slice(NULL, 0), &key, &value, err);
    for (; rc == PM_OK; rc = pm_kv_next(cursor, &key, &value, err)) {
        const char *wrong = pm_local_record_decode(value, &record);
        uint64_t offset;
        memcpy(&offset, key.ptr, sizeof offset);
        if (wrong) rc = say_damaged(log, partition, (int64_t)offset, wrong, err);
        if (wrong) break;
    }
    pm_kv_cursor_close(cursor);
    return rc == PM_ENOTFOUND ? PM_OK : rc;
}

static int local_check_storage(struct pm_log *base, struct pm_error *err)
{
    struct local_log *log = self(base);
    struct pm_kv_txn *txn;
    PM_TRY(pm_kv_check_pages(log->kv, NULL, err));
    PM_TRY(pm_kv_begin_read(log->kv, &txn, err));
    int rc = PM_OK;
    for (int32_t i = 0; i < log->n_partitions && rc == PM_OK; i++) rc = check_records(log, txn, i, err);
    pm_kv_abort(txn);
    return rc;
}

static int local_settings(struct pm_log *base,
                          void (*each)(void *arg, const char *name, const char *value, const char *warning), void *arg,
                          struct pm_error *err)
{
    (void)err;
    struct local_log *log = self(base);
    char text[32];
    each(arg, "storage", "lmdb", NULL);
    each(arg, "dir", log->base.url + strlen("local:"), NULL);
    snprintf(text, sizeof text, "%d", FORMAT_VERSION);
    each(arg, "format", text, NULL);
    snprintf(text, sizeof text, "%" PRIu64, pm_kv_file_bytes(log->kv));
    each(arg, "bytes", text, NULL);
    each(arg, "retention", "forever", NULL);
    return PM_OK;
}

const struct pm_log_ops pm_log_local_ops = {
    .scheme = "local:",
    .check = check_dir,
    .open = local_open,
    .create = local_create,
    .close = local_close,
    .append = local_append,
    .flush = local_flush,
    .partitions = local_partitions,
    .offsets = local_offsets,
    .seek = local_seek,
    .poll = local_poll,
    .position = local_position,
    .check_storage = local_check_storage,
    .settings = local_settings,
};
