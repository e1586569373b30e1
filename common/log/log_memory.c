/* log_memory.c: the log as arrays in this process, scripted by tests (log_memory.h). One lock a log; records never move
 * or end while a handle is open, so that slices of a batch stay good. Positions are indexes into what was appended, not
 * offsets: re-deliveries come twice, as they do in the world. */
#include "common/log/log_memory.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/base/buf.h"
#include "common/base/check.h"
#include "common/base/hash.h"
#include "common/base/time.h"
#include "common/log/log_impl.h"

struct entry {
    int64_t offset, timestamp_ms;
    char *bytes; /* key, value, origin */
    size_t key_len, value_len, origin_len;
    bool null_value;
};

struct partition {
    struct entry *entries;
    size_t n, cap;
    size_t shown; /* readers see entries below min(n, shown) */
    int64_t first, next;
    int64_t fault_at; /* -1: none */
    struct pm_error fault;
};

struct memory {
    struct memory *chain; /* in the registry */
    char *name;
    int references; /* the registry's own and one a handle */
    uint64_t number;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    enum pm_log_memory_order order;
    uint64_t seed;
    struct {
        int after; /* -1: never */
        struct pm_error error;
    } fails[PM_LOG_MEMORY_CALLS];
    int32_t n_partitions;
    struct partition partitions[];
};

struct cursor {
    bool sought, faulted;
    size_t at;        /* the next entry */
    int64_t position; /* what pm_log_position says */
};

struct memory_log {
    struct pm_log base;
    struct memory *memory;
    uint64_t random;
    int32_t turn;
    struct cursor cursors[];
};

static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static struct memory *registry;
static uint64_t made;

/* ---- the registry ---- */

static struct memory *memory_new(const char *name, int n_partitions)
{
    PM_CHECK(n_partitions > 0 && n_partitions <= PM_LOG_PARTITIONS_MAX);
    struct memory *memory = pm_calloc(1, sizeof *memory + (size_t)n_partitions * sizeof *memory->partitions);
    memory->name = pm_strdup(name);
    memory->references = 1;
    memory->number = ++made;
    memory->n_partitions = n_partitions;
    pthread_mutex_init(&memory->lock, NULL);
    pm_time_cond_init(&memory->changed);
    for (int i = 0; i < PM_LOG_MEMORY_CALLS; i++) memory->fails[i].after = -1;
    for (int i = 0; i < n_partitions; i++) {
        memory->partitions[i].shown = SIZE_MAX;
        memory->partitions[i].fault_at = -1;
    }
    memory->chain = registry;
    registry = memory;
    return memory;
}

static void unref_locked(struct memory *memory)
{
    if (--memory->references > 0) return;
    for (int i = 0; i < memory->n_partitions; i++) {
        for (size_t j = 0; j < memory->partitions[i].n; j++) free(memory->partitions[i].entries[j].bytes);
        free(memory->partitions[i].entries);
    }
    pthread_mutex_destroy(&memory->lock);
    pthread_cond_destroy(&memory->changed);
    free(memory->name);
    free(memory);
}

static struct memory **find_locked(const char *name)
{
    struct memory **link = &registry;
    while (*link && strcmp((*link)->name, name) != 0) link = &(*link)->chain;
    return link;
}

static void forget_locked(const char *name)
{
    struct memory **link = find_locked(name), *memory = *link;
    if (!memory) return;
    *link = memory->chain;
    unref_locked(memory);
}

void pm_log_memory_make(const char *name, int n_partitions)
{
    pthread_mutex_lock(&registry_lock);
    forget_locked(name);
    memory_new(name, n_partitions);
    pthread_mutex_unlock(&registry_lock);
}

void pm_log_memory_forget(const char *name)
{
    pthread_mutex_lock(&registry_lock);
    forget_locked(name);
    pthread_mutex_unlock(&registry_lock);
}

/* ---- the script ---- */

static struct memory *enter(const char *name)
{
    pthread_mutex_lock(&registry_lock);
    struct memory *memory = *find_locked(name);
    PM_CHECK(memory);
    memory->references++;
    pthread_mutex_unlock(&registry_lock);
    pthread_mutex_lock(&memory->lock);
    return memory;
}

static void leave(struct memory *memory)
{
    pthread_cond_broadcast(&memory->changed);
    pthread_mutex_unlock(&memory->lock);
    pthread_mutex_lock(&registry_lock);
    unref_locked(memory);
    pthread_mutex_unlock(&registry_lock);
}

static struct partition *partition_of(struct memory *memory, int32_t partition)
{
    PM_CHECK(partition >= 0 && partition < memory->n_partitions);
    return &memory->partitions[partition];
}

static void append(struct partition *p, int64_t offset, int64_t timestamp_ms, struct pm_slice key,
                   struct pm_slice value, struct pm_slice origin)
{
    if (p->n == p->cap) {
        p->cap = p->cap ? 2 * p->cap : 64;
        p->entries = pm_realloc(p->entries, p->cap * sizeof *p->entries);
    }
    struct entry *e = &p->entries[p->n++];
    *e = (struct entry){.offset = offset < 0 ? p->next : offset,
                        .timestamp_ms = timestamp_ms,
                        .bytes = pm_malloc(key.len + value.len + origin.len + 1),
                        .key_len = key.len,
                        .value_len = value.len,
                        .origin_len = origin.len,
                        .null_value = !value.ptr};
    if (key.len) memcpy(e->bytes, key.ptr, key.len);
    if (value.len) memcpy(e->bytes + key.len, value.ptr, value.len);
    if (origin.len) memcpy(e->bytes + key.len + value.len, origin.ptr, origin.len);
    if (e->offset >= p->next) p->next = e->offset + 1;
}

void pm_log_memory_append(const char *name, int32_t partition, int64_t offset, int64_t timestamp_ms,
                          struct pm_slice key, struct pm_slice value, struct pm_slice origin)
{
    struct memory *memory = enter(name);
    append(partition_of(memory, partition), offset, timestamp_ms, key, value, origin);
    leave(memory);
}

void pm_log_memory_set_next(const char *name, int32_t partition, int64_t next)
{
    struct memory *memory = enter(name);
    PM_CHECK(next >= partition_of(memory, partition)->next);
    partition_of(memory, partition)->next = next;
    leave(memory);
}

void pm_log_memory_truncate(const char *name, int32_t partition, int64_t first)
{
    struct memory *memory = enter(name);
    struct partition *p = partition_of(memory, partition);
    p->first = first;
    if (p->next < first) p->next = first;
    leave(memory);
}

void pm_log_memory_show(const char *name, int32_t partition, size_t n)
{
    struct memory *memory = enter(name);
    partition_of(memory, partition)->shown = n;
    leave(memory);
}

void pm_log_memory_set_order(const char *name, enum pm_log_memory_order order, uint64_t seed)
{
    struct memory *memory = enter(name);
    memory->order = order;
    memory->seed = seed;
    leave(memory);
}

void pm_log_memory_fault(const char *name, int32_t partition, int64_t offset, enum pm_code code, const char *text)
{
    struct memory *memory = enter(name);
    struct partition *p = partition_of(memory, partition);
    p->fault_at = offset;
    pm_error_set(&p->fault, code, "%s", text);
    leave(memory);
}

void pm_log_memory_fail(const char *name, enum pm_log_memory_call call, int after, enum pm_code code, const char *text)
{
    struct memory *memory = enter(name);
    memory->fails[call].after = after;
    pm_error_set(&memory->fails[call].error, code, "%s", text);
    leave(memory);
}

static int scripted_locked(struct memory *memory, enum pm_log_memory_call call, struct pm_error *err)
{
    if (memory->fails[call].after < 0 || memory->fails[call].after-- > 0) return PM_OK;
    if (err) *err = memory->fails[call].error;
    return (int)memory->fails[call].error.code;
}

static int scripted(struct memory *memory, enum pm_log_memory_call call, struct pm_error *err)
{
    pthread_mutex_lock(&memory->lock);
    int rc = scripted_locked(memory, call, err);
    pthread_mutex_unlock(&memory->lock);
    return rc;
}

/* ---- the log ---- */

static struct memory_log *self(const struct pm_log *log) { return (struct memory_log *)(uintptr_t)log; }

static int memory_create(const char *name, const struct pm_log_options *options, int n_partitions, struct pm_error *err)
{
    (void)options;
    int rc = PM_OK;
    pthread_mutex_lock(&registry_lock);
    if (*find_locked(name)) rc = pm_error_set(err, PM_ELOG, "log memory:%s already exists", name);
    else memory_new(name, n_partitions ? n_partitions : 1);
    pthread_mutex_unlock(&registry_lock);
    return rc;
}

static int memory_open(const char *name, const struct pm_log_options *options, struct pm_log **ret,
                       struct pm_error *err)
{
    pthread_mutex_lock(&registry_lock);
    struct memory *memory = *find_locked(name);
    if (!memory && options->mode == PM_LOG_APPEND) memory = memory_new(name, 1);
    if (memory) memory->references++;
    pthread_mutex_unlock(&registry_lock);
    if (!memory) return pm_error_set(err, PM_ENOTFOUND, "log memory:%s does not exist", name);
    struct memory_log *log = pm_calloc(1, sizeof *log + (size_t)memory->n_partitions * sizeof *log->cursors);
    log->memory = memory;
    log->random = memory->seed;
    char text[64];
    snprintf(text, sizeof text, "local:memory-%" PRIu64, memory->number);
    log->base.identity = pm_strdup(text);
    struct pm_buf url = {0};
    pm_buf_printf(&url, "memory:%s%c", name, 0);
    log->base.url = url.ptr;
    for (int32_t i = 0; i < memory->n_partitions; i++) log->cursors[i].position = -1;
    *ret = &log->base;
    return PM_OK;
}

static void memory_close(struct pm_log *base)
{
    struct memory_log *log = self(base);
    pthread_mutex_lock(&registry_lock);
    unref_locked(log->memory);
    pthread_mutex_unlock(&registry_lock);
    free(log);
}

static int memory_append(struct pm_log *base, struct pm_slice key, struct pm_slice value, int64_t timestamp_ms,
                         struct pm_slice origin, struct pm_error *err)
{
    struct memory *memory = self(base)->memory;
    pthread_mutex_lock(&memory->lock);
    int rc = scripted_locked(memory, PM_LOG_MEMORY_APPEND, err);
    if (rc == PM_OK) {
        append(&memory->partitions[pm_crc32c(0, key.ptr, key.len) % (uint32_t)memory->n_partitions], -1, timestamp_ms,
               key, value, origin);
        base->acknowledged++;
        pthread_cond_broadcast(&memory->changed);
    }
    pthread_mutex_unlock(&memory->lock);
    return rc;
}

static int memory_flush(struct pm_log *base, struct pm_error *err)
{
    return scripted(self(base)->memory, PM_LOG_MEMORY_FLUSH, err);
}

static int memory_partitions(struct pm_log *base, int32_t *ret_count, struct pm_error *err)
{
    (void)err;
    *ret_count = self(base)->memory->n_partitions;
    return PM_OK;
}

static int check_partition(const struct memory_log *log, int32_t partition, struct pm_error *err)
{
    if (partition >= 0 && partition < log->memory->n_partitions) return PM_OK;
    return pm_error_set(err, PM_ELOG, "partition %" PRId32 ": %s has %" PRId32 " partitions", partition, log->base.url,
                        log->memory->n_partitions);
}

static size_t visible(const struct partition *p) { return p->n < p->shown ? p->n : p->shown; }

/* What the readers see ends where the first hidden entry begins. */
static int64_t visible_next(const struct partition *p)
{
    return visible(p) < p->n ? p->entries[visible(p)].offset : p->next;
}

static int memory_offsets(struct pm_log *base, int32_t partition, int64_t *ret_first, int64_t *ret_next,
                          struct pm_error *err)
{
    struct memory_log *log = self(base);
    PM_TRY(check_partition(log, partition, err));
    PM_TRY(scripted(log->memory, PM_LOG_MEMORY_OFFSETS, err));
    pthread_mutex_lock(&log->memory->lock);
    *ret_first = log->memory->partitions[partition].first;
    *ret_next = visible_next(&log->memory->partitions[partition]);
    pthread_mutex_unlock(&log->memory->lock);
    return PM_OK;
}

static int memory_seek(struct pm_log *base, int32_t partition, int64_t offset, struct pm_error *err)
{
    struct memory_log *log = self(base);
    PM_TRY(check_partition(log, partition, err));
    PM_TRY(scripted(log->memory, PM_LOG_MEMORY_SEEK, err));
    pthread_mutex_lock(&log->memory->lock);
    const struct partition *p = &log->memory->partitions[partition];
    size_t at = 0;
    while (at < p->n && p->entries[at].offset < offset) at++;
    log->cursors[partition] = (struct cursor){.sought = true, .at = at, .position = offset};
    pthread_mutex_unlock(&log->memory->lock);
    return PM_OK;
}

/* Adds the partition's next record or fault; false when it has none. */
static bool take(struct memory_log *log, int32_t partition, struct pm_log_batch_owner *owner)
{
    struct cursor *c = &log->cursors[partition];
    struct partition *p = &log->memory->partitions[partition];
    if (!c->sought || c->faulted) return false;
    if (c->position < p->first || c->position > p->next) {
        pm_log_out_of_range(&pm_log_batch_fault(owner, partition)->error, partition, c->position, p->first, p->next);
        return c->faulted = true;
    }
    bool more = c->at < visible(p);
    int64_t offset = more ? p->entries[c->at].offset : visible_next(p);
    if (p->fault_at >= 0 && offset >= p->fault_at && more) {
        pm_log_batch_fault(owner, partition)->error = p->fault;
        p->fault_at = -1;
        return c->faulted = true;
    }
    if (!more) {
        if (c->position < offset) c->position = offset; /* what nobody receives is passed */
        return false;
    }
    const struct entry *e = &p->entries[c->at++];
    if (e->offset < p->first) return true; /* a re-delivery of what is gone by now */
    c->position = e->offset + 1;
    pm_log_batch_add(
        owner, &(struct pm_log_record){.partition = partition,
                                       .offset = e->offset,
                                       .timestamp_ms = e->timestamp_ms,
                                       .key = pm_slice(e->bytes, e->key_len),
                                       .value = pm_slice(e->null_value ? NULL : e->bytes + e->key_len, e->value_len),
                                       .origin = pm_slice(e->bytes + e->key_len + e->value_len, e->origin_len)});
    return true;
}

/* The partition to try first at this step. */
static int32_t pick(struct memory_log *log)
{
    int32_t n = log->memory->n_partitions;
    switch (log->memory->order) {
    case PM_LOG_MEMORY_ONE_FIRST:
    case PM_LOG_MEMORY_LAST_FIRST: return 0;
    case PM_LOG_MEMORY_RANDOM:
        log->random = pm_hash64(&log->random, sizeof log->random, log->memory->seed);
        return (int32_t)(log->random % (uint64_t)n);
    case PM_LOG_MEMORY_IN_TURN: break;
    }
    log->turn = (log->turn + 1) % n;
    return log->turn;
}

static bool take_any(struct memory_log *log, struct pm_log_batch_owner *owner)
{
    int32_t n = log->memory->n_partitions, from = pick(log);
    for (int32_t i = 0; i < n; i++) {
        int32_t partition = (from + i) % n;
        if (log->memory->order == PM_LOG_MEMORY_LAST_FIRST) partition = n - 1 - partition;
        if (take(log, partition, owner)) {
            log->turn = partition;
            return true;
        }
    }
    return false;
}

static void memory_release(struct pm_log_batch_owner *owner)
{
    pm_log_batch_lists_free(owner);
    free(owner);
}

static int memory_poll(struct pm_log *base, size_t n_max, size_t bytes_max, int timeout_ms, struct pm_log_batch *ret,
                       struct pm_error *err)
{
    struct memory_log *log = self(base);
    struct memory *memory = log->memory;
    struct pm_log_batch_owner *owner = pm_calloc(1, sizeof *owner);
    owner->log = base;
    owner->release = memory_release;
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000 + (until.tv_nsec + timeout_ms % 1000 * 1000000L) / 1000000000L;
    until.tv_nsec = (until.tv_nsec + timeout_ms % 1000 * 1000000L) % 1000000000L;

    pthread_mutex_lock(&memory->lock);
    int rc = scripted_locked(memory, PM_LOG_MEMORY_POLL, err);
    for (bool waited = false; rc == PM_OK && !waited;) {
        while (!pm_log_batch_full(owner, n_max, bytes_max) && take_any(log, owner)) continue;
        if (owner->n_records || owner->n_faults) break;
        waited = timeout_ms <= 0 || pthread_cond_timedwait(&memory->changed, &memory->lock, &until) != 0;
    }
    pthread_mutex_unlock(&memory->lock);
    if (rc != PM_OK || (!owner->n_records && !owner->n_faults)) {
        memory_release(owner);
        if (rc == PM_OK) *ret = (struct pm_log_batch){0};
        return rc;
    }
    pm_log_batch_give(owner, ret);
    return PM_OK;
}

static int64_t memory_position(const struct pm_log *base, int32_t partition)
{
    const struct memory_log *log = self(base);
    return partition >= 0 && partition < log->memory->n_partitions ? log->cursors[partition].position : -1;
}

static int memory_settings(struct pm_log *base,
                           void (*each)(void *arg, const char *name, const char *value, const char *warning), void *arg,
                           struct pm_error *err)
{
    (void)base;
    (void)err;
    each(arg, "storage", "memory", "ends with the process");
    return PM_OK;
}

const struct pm_log_ops pm_log_memory_ops = {
    .scheme = "memory:",
    .open = memory_open,
    .create = memory_create,
    .close = memory_close,
    .append = memory_append,
    .flush = memory_flush,
    .partitions = memory_partitions,
    .offsets = memory_offsets,
    .seek = memory_seek,
    .poll = memory_poll,
    .position = memory_position,
    .settings = memory_settings,
};
