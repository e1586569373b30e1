/* writer.c: opening the index for writing. */
#include "consumer/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/fault.h"
#include "common/base/varint.h"
#include "common/store/mark.h"
#include "consumer/apply.h"

/* ---- the lock ---- */

static void lock_owner(int fd, char *out, size_t size)
{
    ssize_t n = pread(fd, out, size - 1, 0);
    out[n > 0 ? n : 0] = 0;
    out[strcspn(out, "\n")] = 0;
}

int pm_writer_lock(const char *dir, int *ret_fd, struct pm_error *err)
{
    char path[PATH_MAX], text[64];
    snprintf(path, sizeof path, "%s/writer.lock", dir);
    int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600); /* it is written to */
    if (fd < 0) return pm_error_set(err, PM_EIO, "%s: could not open: %s", path, pm_error_system(errno));
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        lock_owner(fd, text, sizeof text);
        close(fd);
        return pm_error_set(err, PM_EINDEX,
                            "%s: the index is being written by another process (pid %s); wait for it or end it", dir,
                            text[0] ? text : "unknown");
    }
    int rc = pm_mark_owner(fd, path, err);
    if (rc != PM_OK) {
        close(fd);
        return rc;
    }
    *ret_fd = fd;
    return PM_OK;
}

/* mkdir -p: the index stands in ./provmat-data/index by default. */
int pm_writer_make_directories(const char *dir, struct pm_error *err)
{
    char path[PATH_MAX];
    if (strlen(dir) >= sizeof path) return pm_error_set(err, PM_EINDEX, "%s: the path is too long", dir);
    memcpy(path, dir, strlen(dir) + 1);
    for (char *p = path + 1;; p++) {
        if (*p != '/' && *p != 0) continue;
        char kept = *p;
        *p = 0;
        if (mkdir(path, 0700) != 0 && errno != EEXIST)
            return pm_error_set(err, PM_EIO, "%s: could not make the directory: %s", path, pm_error_system(errno));
        *p = kept;
        if (kept == 0) return PM_OK;
    }
}

/* ---- what it was made from ---- */

static int meta_text(struct pm_kv_txn *txn, const struct pm_tables *tables, const char *key, char *out, size_t size,
                     struct pm_error *err)
{
    struct pm_slice value;
    int rc = pm_kv_get(txn, tables->meta, pm_slice_cstr(key), &value, err);
    if (rc == PM_ENOTFOUND || (rc == PM_OK && value.len >= size))
        return pm_error_set(err, PM_ECORRUPT, "the index does not say its %s", key);
    PM_TRY(rc);
    memcpy(out, value.ptr, value.len);
    out[value.len] = 0;
    return PM_OK;
}

static int initialise(struct pm_writer *w, struct pm_kv_txn *txn, const char *log_url, const char *log_identity,
                      int64_t until_us, struct pm_error *err)
{
    uint32_t format = PM_INDEX_FORMAT;
    w->state = (struct pm_meta_state){.until_us = until_us};
    PM_TRY(pm_kv_put(txn, w->tables.meta, PM_SLICE(PM_META_FORMAT), pm_slice(&format, sizeof format), err));
    PM_TRY(pm_kv_put(txn, w->tables.meta, PM_SLICE(PM_META_LOG_URL), pm_slice_cstr(log_url), err));
    PM_TRY(pm_kv_put(txn, w->tables.meta, PM_SLICE(PM_META_LOG_IDENTITY), pm_slice_cstr(log_identity), err));
    return pm_meta_state_put(txn, &w->tables, &w->state, err);
}

static int check_same(struct pm_writer *w, struct pm_kv_txn *txn, const char *log_url, const char *log_identity,
                      int64_t until_us, struct pm_error *err)
{
    char url[1024], identity[512];
    const char *dir = pm_kv_dir(w->kv);
    PM_TRY(pm_meta_check_format(txn, &w->tables, dir, err));
    PM_TRY(pm_meta_state_get(txn, &w->tables, &w->state, err));
    PM_TRY(meta_text(txn, &w->tables, PM_META_LOG_URL, url, sizeof url, err));
    PM_TRY(meta_text(txn, &w->tables, PM_META_LOG_IDENTITY, identity, sizeof identity, err));
    if (log_identity && strcmp(identity, log_identity) != 0)
        return pm_error_set(err, PM_EINDEX,
                            "%s: the index was made from another log: %s (%s), not %s (%s); name another --index, or "
                            "rebuild it: provmat rebuild --index %s --log %s",
                            dir, url, identity, log_url, log_identity, dir, log_url);
    if (w->state.until_us != until_us)
        return pm_error_set(err, PM_EINDEX,
                            "%s: the index was rebuilt with --until and leaves out later events; make a whole one "
                            "first: provmat rebuild --index %s",
                            dir, dir);
    return PM_OK;
}

static int prepare_environment(struct pm_writer *w, const char *log_url, const char *log_identity, int64_t until_us,
                               struct pm_error *err)
{
    struct pm_kv_txn *txn;
    PM_TRY(pm_kv_begin_write(w->kv, 0, &txn, err));
    struct pm_slice value;
    int rc = pm_meta_check_no_log(txn, pm_kv_dir(w->kv), err);
    if (rc == PM_OK) rc = pm_tables_open(&w->tables, txn, true, err);
    if (rc == PM_OK) {
        rc = pm_kv_get_stored(txn, w->tables.meta, PM_SLICE(PM_META_FORMAT), &value, err);
        if (rc == PM_ENOTFOUND) rc = initialise(w, txn, log_url, log_identity, until_us, err);
        else if (rc == PM_OK) rc = check_same(w, txn, log_url, log_identity, until_us, err);
    }
    for (unsigned kind = 0; kind < PM_RUN_KIND_COUNT && rc == PM_OK; kind++)
        rc = pm_runs_load(&w->runs[kind], (enum pm_run_kind)kind, txn, true, err);
    if (rc == PM_OK) rc = PM_FAULT(index_create, err);
    if (rc != PM_OK) {
        pm_kv_abort(txn);
        return rc;
    }
    return pm_kv_commit(txn, err);
}

/* ---- memory ---- */

static int take_entry(void *arg, const uint8_t *entry, struct pm_error *err)
{
    (void)err;
    struct pm_hash128 hash = {pm_be64_get(entry), pm_be64_get(entry + 8)};
    uint64_t result = pm_be40_get(entry + 16);
    struct pm_row *row = pm_table_add(arg, hash, result);
    row->record = (uint32_t)result;
    row->type = PM_ROW_UNLOADED;
    row->has_side = true;
    return PM_OK;
}

static int take_move(void *arg, const uint8_t *entry, struct pm_error *err)
{
    (void)err;
    struct pm_row *row = pm_table_row(arg, pm_be40_get(entry));
    uint32_t record = (uint32_t)(~pm_be40_get(entry + 5) & 0xffffffffffULL);
    if (record > row->record) row->record = record;
    return PM_OK;
}

static int load_memory(struct pm_writer *w, struct pm_kv_txn *txn, struct pm_error *err)
{
    PM_TRY(pm_meta_state_get(txn, &w->tables, &w->state, err));
    for (unsigned kind = 0; kind < PM_RUN_KIND_COUNT; kind++)
        PM_TRY(pm_runs_load(&w->runs[kind], (enum pm_run_kind)kind, txn, false, err));
    PM_TRY(pm_runs_scan(&w->runs[PM_RUN_DICTIONARY], txn, take_entry, w->table, err));
    return pm_runs_scan(&w->runs[PM_RUN_MOVES], txn, take_move, w->table, err);
}

int pm_writer_reload(struct pm_writer *w, struct pm_error *err)
{
    pm_table_free(w->table);
    w->table = pm_table_new();
    pm_apply_scratch_forget(w->scratch);
    struct pm_kv_txn *txn;
    PM_TRY(pm_kv_begin_read(w->kv, &txn, err));
    pm_kv_read_ahead(w->kv, true);
    int rc = load_memory(w, txn, err);
    pm_kv_read_ahead(w->kv, false);
    pm_kv_abort(txn);
    w->stale = rc != PM_OK;
    return rc;
}

int pm_writer_open(const char *dir, const char *log_url, const char *log_identity, int64_t until_us,
                   struct pm_writer **ret, struct pm_error *err)
{
    PM_TRY(pm_writer_make_directories(dir, err));
    struct pm_writer *w = pm_calloc(1, sizeof *w);
    w->lock_fd = -1;
    w->scratch = pm_apply_scratch_new();
    int rc = pm_writer_lock(dir, &w->lock_fd, err);
    if (rc == PM_OK) rc = pm_mark_check(dir, err);
    if (rc == PM_OK) rc = pm_kv_open(dir, PM_KV_CREATE, &w->kv, err);
    /* A damaged page would lead this writer to write over pages that are in use. */
    if (rc == PM_OK) rc = pm_kv_check_pages(w->kv, &(struct pm_pages_look){.append = "records"}, err);
    if (rc == PM_OK) rc = pm_mark_writing(w->lock_fd, dir, err);
    if (rc == PM_OK) rc = prepare_environment(w, log_url, log_identity, until_us, err);
    if (rc == PM_OK) rc = pm_writer_reload(w, err);
    if (rc != PM_OK) {
        pm_writer_close(w);
        return rc;
    }
    *ret = w;
    return PM_OK;
}

void pm_writer_close(struct pm_writer *w)
{
    if (!w) return;
    pm_table_free(w->table);
    if (w->kv) pm_mark_clear(w->lock_fd);
    pm_kv_close(w->kv);
    if (w->lock_fd >= 0) close(w->lock_fd);
    pm_arena_release(&w->arena);
    pm_apply_scratch_free(w->scratch);
    free(w);
}

int pm_writer_names(struct pm_writer *w, struct pm_names **ret, struct pm_error *err)
{
    struct pm_kv_txn *txn;
    PM_TRY(pm_kv_begin_read(w->kv, &txn, err));
    int rc = pm_names_load(txn, &w->tables, ret, err);
    pm_kv_abort(txn);
    return rc;
}

int pm_writer_offset(struct pm_writer *w, int32_t partition, bool *ret_found, struct pm_offset_row *ret,
                     struct pm_error *err)
{
    struct pm_kv_txn *txn;
    PM_TRY(pm_kv_begin_read(w->kv, &txn, err));
    uint8_t key[4];
    pm_be32_put(key, (uint32_t)partition);
    struct pm_slice value;
    int rc = pm_kv_get(txn, w->tables.offsets, pm_slice(key, 4), &value, err);
    *ret_found = rc == PM_OK && value.len == sizeof *ret;
    if (*ret_found) memcpy(ret, value.ptr, sizeof *ret);
    pm_kv_abort(txn);
    return rc == PM_ENOTFOUND ? PM_OK : rc;
}
