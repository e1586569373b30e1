/* kv.c: LMDB behind kv.h; the only file that includes lmdb.h. Environments are shared by all users of a directory in
 * this process (the table below, under a lock); everything else follows LMDB's own rule: a transaction belongs to the
 * thread that began it. */
#define _GNU_SOURCE /* fallocate */
#include "common/store/kv.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <lmdb.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/fault.h"
#include "common/base/hash.h"
#include "common/store/maps.h"

#define MAP_BYTES_FIRST ((uint64_t)64 << 30) /* address space, not disk */
#define MAP_BYTES_LEAST ((uint64_t)1 << 28)
#define HEADROOM_DEFAULT ((uint64_t)256 << 20)
#define DATABASES_MAX 1100 /* the partitions of a local log and some */
#define READERS_MAX 510
#define DISK_FULL_BYTES ((uint64_t)1 << 20)
#define WRITES_A_READER_CHECK 16

struct pm_kv {
    struct pm_kv *next;
    MDB_env *env;
    char *dir;
    dev_t dev;
    ino_t ino;
    int references;
    bool read_only, is_log;
    char *damage; /* what to say when its map leads nowhere */
    dev_t file_dev;
    ino_t file_ino;
    bool checked[DATABASES_MAX + 2]; /* by handle; LMDB's own two come first */
    bool unmapped;                   /* the map could not be grown nor had back: nothing works any more */
    atomic_int active;               /* transactions open in this process */
    atomic_uint written;             /* write transactions begun */
};

struct pm_kv_txn {
    MDB_txn *txn;
    struct pm_kv *kv;
    bool write;
    uint64_t *checked; /* a bit a page, NULL before the first; LMDB does not say where its map begins, so the bits reach
                          `checked_pages` to either side of the first page that was asked about */
    uintptr_t checked_from, checked_pages;
};

struct pm_kv_cursor {
    MDB_cursor *cursor;
    struct pm_kv *kv;
    bool checked, integer;
};

static pthread_mutex_t open_lock = PTHREAD_MUTEX_INITIALIZER;
static struct pm_kv *open_list;

/* Where this thread is inside LMDB, or reads what LMDB gave: a fault there is a damaged file's. */
static _Thread_local struct pm_kv *inside;
#define IN_LMDB(kv, call) \
    ({                    \
        inside = (kv);    \
        int rc_ = (call); \
        inside = NULL;    \
        rc_;              \
    })

/* Puts behind the text of a PM_ECORRUPT what to do about it. */
static int say_way_out(const struct pm_kv *kv, int rc, struct pm_error *err)
{
    if (rc != PM_ECORRUPT || !err) return rc;
    char what[PM_ERROR_TEXT_MAX];
    memcpy(what, err->text, sizeof what);
    if (kv->is_log)
        return pm_error_set(err, PM_ECORRUPT, "%s; save what can be read of it: provmat replay --log local:%s >FILE",
                            what, kv->dir);
    return pm_error_set(err, PM_ECORRUPT, "%s; make it anew from the log: provmat rebuild --index %s --log URL", what,
                        kv->dir);
}

/* LMDB says "input/output error" of a write that was cut short because the disk is full. */
static bool disk_is_full(const struct pm_kv *kv)
{
    struct statvfs disk;
    return kv && statvfs(kv->dir, &disk) == 0 && (uint64_t)disk.f_bavail * disk.f_frsize < DISK_FULL_BYTES;
}

int pm_kv_corrupt(const struct pm_kv_txn *txn, struct pm_error *err, const char *fmt, ...)
{
    char what[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    return say_way_out(txn->kv, pm_error_set(err, PM_ECORRUPT, "%s: %s", txn->kv->dir, what), err);
}

/* The one place where LMDB's codes become ours. */
static int translate(int rc, const struct pm_kv *kv, const char *what, struct pm_error *err)
{
    const char *dir = kv ? kv->dir : "?";
    if (rc == EIO && disk_is_full(kv)) rc = ENOSPC;
    switch (rc) {
    case 0: return PM_OK;
    case MDB_NOTFOUND: return PM_ENOTFOUND;
    case MDB_MAP_FULL:
        return pm_error_set(err, PM_EMAPFULL,
                            "%s: could not %s: the memory map is full; allow more address space (ulimit -v)", dir,
                            what);
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
    case MDB_PANIC:
    case MDB_VERSION_MISMATCH:
    case MDB_CURSOR_FULL: /* more levels than a tree can have */
    case MDB_PAGE_FULL:
    case MDB_INCOMPATIBLE:
    case MDB_BAD_TXN: /* of a transaction that met one of these before */
        rc = pm_error_set(err, PM_ECORRUPT, "%s: cannot %s: %s", dir, what, mdb_strerror(rc));
        return kv ? say_way_out(kv, rc, err) : rc;
    case MDB_KEYEXIST:
        return pm_error_set(err, PM_ECORRUPT, "%s: cannot %s: the key is not above the last one", dir, what);
    case MDB_READERS_FULL:
        return pm_error_set(err, PM_EIO, "%s: could not %s: all %d reader slots are taken; end some readers", dir, what,
                            READERS_MAX);
    case ENOMEM: return pm_error_set(err, PM_ENOMEM, "%s: could not %s: out of memory", dir, what);
    default:
        return pm_error_set(err, PM_EIO, "%s: could not %s: %s", dir, what,
                            rc > 0 ? pm_error_system(rc) : mdb_strerror(rc));
    }
}

static struct pm_kv *find_open(const struct stat *st)
{
    for (struct pm_kv *kv = open_list; kv; kv = kv->next)
        if (kv->dev == st->st_dev && kv->ino == st->st_ino) return kv;
    return NULL;
}

/* LMDB maps its lock file and writes there without asking whether there is a disk behind it: on a full one that would
 * end the process. So the file has its blocks before. Never called while this process has the environment open:
 * closing the file would drop its locks. */
#define META_BYTES 8192 /* an environment is never shorter: its two meta pages */
#define LOCK_BYTES (64 * (READERS_MAX + 2))
static int reserve_lock(const char *dir, bool read_only, struct pm_error *err)
{
    char path[PATH_MAX];
    struct stat st;
    snprintf(path, sizeof path, "%s/lock.mdb", dir);
    int fd = open(path, O_RDWR | O_CLOEXEC | (read_only ? 0 : O_CREAT), 0600);
    if (fd < 0) return PM_OK; /* LMDB says why, or does without */
    int rc = 0;
    if (fstat(fd, &st) == 0 && (uint64_t)st.st_blocks * 512 < LOCK_BYTES && fallocate(fd, 0, 0, LOCK_BYTES) != 0)
        rc = errno;
    close(fd);
    return rc == ENOSPC ? pm_error_set(err, PM_EIO, "%s: could not write: no space left on the device", path) : PM_OK;
}

/* A fresh MDB_env with the largest map that the address space gives. Linux says ENOMEM where there is no room, valgrind
 * EINVAL. */
static int env_open(const char *dir, unsigned flags, MDB_env **ret)
{
    uint64_t map = PM_FAULT_LIMIT(map_bytes, MAP_BYTES_FIRST);
    int rc;
    do {
        MDB_env *env;
        rc = mdb_env_create(&env);
        if (rc) return rc;
        mdb_env_set_mapsize(env, map);
        mdb_env_set_maxdbs(env, DATABASES_MAX);
        mdb_env_set_maxreaders(env, READERS_MAX);
        rc = mdb_env_open(env, dir, flags, 0600);
        if (rc == 0) {
            *ret = env;
            return 0;
        }
        mdb_env_close(env);
    } while ((rc == ENOMEM || rc == EINVAL) && (map /= 4) >= MAP_BYTES_LEAST);
    return rc;
}

static uint64_t page_size(struct pm_kv *kv)
{
    MDB_stat st;
    return mdb_env_stat(kv->env, &st) == 0 ? st.ms_psize : 4096;
}

uint64_t pm_kv_file_bytes(struct pm_kv *kv)
{
    MDB_envinfo info;
    if (kv->unmapped || mdb_env_info(kv->env, &info) != 0) return 0;
    return ((uint64_t)info.me_last_pgno + 1) * page_size(kv);
}

/* ---- a damaged file under the map ---- */

static void (*on_damage)(const char *text);
void pm_kv_on_damage(void (*call)(const char *text)) { on_damage = call; }

/* LMDB ends the program after this. */
static void on_assert(MDB_env *env, const char *text)
{
    (void)text;
    struct pm_kv *kv = mdb_env_get_userctx(env);
    if (on_damage && kv) on_damage(kv->damage);
}

struct wanted {
    uintptr_t address;
    bool found;
};

/* A little behind its end, too: a value's length may lead there. */
static void look_in_map(void *arg, uintptr_t begin, uintptr_t end)
{
    struct wanted *wanted = arg;
    wanted->found |= wanted->address >= begin && wanted->address < end + PM_KV_VALUE_MAX;
}

const char *pm_kv_damage(const void *address)
{
    if (inside) return inside->damage;
    for (struct pm_kv *kv = open_list; kv; kv = kv->next) {
        struct wanted wanted = {.address = (uintptr_t)address};
        pm_maps_each(kv->file_dev, kv->file_ino, look_in_map, &wanted);
        if (wanted.found) return kv->damage;
    }
    return NULL;
}

static void know_file(struct pm_kv *kv)
{
    struct stat st;
    struct pm_error err;
    mdb_filehandle_t fd;
    pm_error_set(&err, PM_ECORRUPT, "%s: the file is damaged, or its device fails: a page leads nowhere", kv->dir);
    (void)say_way_out(kv, PM_ECORRUPT, &err);
    kv->damage = pm_strdup(err.text);
    mdb_env_set_userctx(kv->env, kv);
    mdb_env_set_assert(kv->env, on_assert);
    if (mdb_env_get_fd(kv->env, &fd) != 0 || fstat(fd, &st) != 0) return;
    kv->file_dev = st.st_dev;
    kv->file_ino = st.st_ino;
}

static void kv_free(struct pm_kv *kv)
{
    free(kv->damage);
    free(kv->dir);
    free(kv);
}

/* Others may commit between the look at the meta pages and the beginning of the transaction. */
#define CHECK_TRIES 1000
int pm_kv_check_pages(struct pm_kv *kv, const struct pm_pages_look *look, struct pm_error *err)
{
    char file[PATH_MAX];
    int rc = PM_ENOTFOUND;
    snprintf(file, sizeof file, "%s/data.mdb", kv->dir);
    for (int i = 0; i < CHECK_TRIES && rc == PM_ENOTFOUND; i++) {
        struct pm_kv_txn *txn;
        PM_TRY(pm_kv_begin_read(kv, &txn, err));
        rc = pm_pages_check(file, mdb_txn_id(txn->txn), look, err);
        pm_kv_abort(txn);
    }
    if (rc == PM_ENOTFOUND)
        return pm_error_set(err, PM_EIO, "%s: could not be checked: it is being written to", kv->dir);
    return say_way_out(kv, rc, err);
}

static int open_locked(const char *dir, int flags, struct pm_kv **ret, struct pm_error *err)
{
    struct stat st;
    if (stat(dir, &st) != 0) {
        if (errno != ENOENT) return pm_error_set(err, PM_EIO, "%s: could not open: %s", dir, pm_error_system(errno));
        if (!(flags & PM_KV_CREATE)) return pm_error_set(err, PM_ENOTFOUND, "%s: no such directory", dir);
        if (mkdir(dir, 0700) != 0 || stat(dir, &st) != 0)
            return pm_error_set(err, PM_EIO, "%s: could not make the directory: %s", dir, pm_error_system(errno));
    }
    if (!S_ISDIR(st.st_mode)) return pm_error_set(err, PM_EIO, "%s: not a directory", dir);
    char file[PATH_MAX];
    snprintf(file, sizeof file, "%s/data.mdb", dir);
    if (!(flags & PM_KV_CREATE) && access(file, F_OK) != 0)
        return pm_error_set(err, PM_ENOTFOUND, "%s: holds no data.mdb", dir);
    /* What is left where somebody died, or ran out of memory, while making it: the next writer makes it. */
    struct stat data;
    if (flags & PM_KV_READ_ONLY && stat(file, &data) == 0 && data.st_size == 0)
        return pm_error_set(err, PM_ENOTFOUND, "%s: data.mdb is empty", dir);
    struct pm_kv *kv = find_open(&st);
    if (kv) {
        if (kv->read_only && !(flags & PM_KV_READ_ONLY))
            return pm_error_set(err, PM_EIO, "%s: already open for reading only in this process", dir);
        kv->references++;
        *ret = kv;
        return PM_OK;
    }
    PM_TRY(reserve_lock(dir, flags & PM_KV_READ_ONLY, err));
    kv = pm_calloc(1, sizeof *kv);
    kv->dir = pm_strdup(dir);
    kv->dev = st.st_dev;
    kv->ino = st.st_ino;
    kv->references = 1;
    kv->read_only = flags & PM_KV_READ_ONLY;
    kv->is_log = flags & PM_KV_SEQUENTIAL;
    /* Not MDB_NOMEMINIT: what no key or value takes of a page would come from the heap, where passwords have been. */
    unsigned env_flags = MDB_NOTLS | (kv->read_only ? MDB_RDONLY : 0) | (flags & PM_KV_SEQUENTIAL ? 0 : MDB_NORDAHEAD);
    bool fresh = stat(file, &st) != 0 || st.st_size == 0;
    int rc = fresh ? PM_OK : say_way_out(kv, pm_pages_check_metas(file, NULL, err), err);
    if (rc != PM_OK) {
        kv_free(kv);
        return rc;
    }
    rc = env_open(dir, env_flags, &kv->env);
    /* A new file that the disk had no room for is no environment, and must not stand in the way of the next try. */
    if (rc && fresh && stat(file, &st) == 0 && st.st_size < META_BYTES) (void)!truncate(file, 0);
    /* A copy in a directory that we may not write to has no writer either: read it without the lock file. */
    if (rc == EACCES && kv->read_only) rc = env_open(dir, env_flags | MDB_NOLOCK, &kv->env);
    if (rc) {
        int code = translate(rc, kv, "open", err);
        kv_free(kv);
        return code;
    }
    know_file(kv);
    pm_kv_check_readers(kv);
    kv->next = open_list;
    open_list = kv;
    *ret = kv;
    return PM_OK;
}

/* The parent's environments are not the child's to use or to close (LMDB's own rule): it forgets them, as they are, and
 * opens anew. Nobody else runs in it, so the lock is free whatever it looked like. */
static void forget_in_child(void)
{
    pthread_mutex_init(&open_lock, NULL);
    open_list = NULL;
}

static void watch_forks(void) { (void)pthread_atfork(NULL, NULL, forget_in_child); }

int pm_kv_open(const char *dir, int flags, struct pm_kv **ret, struct pm_error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch_forks);
    pthread_mutex_lock(&open_lock);
    int rc = open_locked(dir, flags, ret, err);
    pthread_mutex_unlock(&open_lock);
    return rc;
}

void pm_kv_close(struct pm_kv *kv)
{
    if (!kv) return;
    pthread_mutex_lock(&open_lock);
    if (--kv->references == 0) {
        PM_CHECK(atomic_load(&kv->active) == 0);
        struct pm_kv **link = &open_list;
        while (*link != kv) link = &(*link)->next;
        *link = kv->next;
        mdb_env_close(kv->env);
        kv_free(kv);
    }
    pthread_mutex_unlock(&open_lock);
}

struct advice {
    size_t used;
    int advice;
};

static void advise_map(void *arg, uintptr_t begin, uintptr_t end)
{
    const struct advice *a = arg;
    (void)madvise((void *)begin, end - begin < a->used ? end - begin : a->used, a->advice);
}

/* A hint: failing does not matter. */
static void advise(struct pm_kv *kv, int advice)
{
    struct advice a = {.used = pm_kv_file_bytes(kv), .advice = advice};
    pm_maps_each(kv->file_dev, kv->file_ino, advise_map, &a);
}

void pm_kv_trim(struct pm_kv *kv) { advise(kv, MADV_DONTNEED); }
void pm_kv_read_ahead(struct pm_kv *kv, bool on) { advise(kv, on ? MADV_SEQUENTIAL : MADV_RANDOM); }

const char *pm_kv_dir(const struct pm_kv *kv) { return kv->dir; }

static int begin(struct pm_kv *kv, unsigned flags, struct pm_kv_txn **ret, struct pm_error *err)
{
    MDB_txn *txn;
    if (kv->unmapped) return translate(ENOMEM, kv, "map the file", err);
    int rc = mdb_txn_begin(kv->env, NULL, flags, &txn);
    if (rc == MDB_MAP_RESIZED && atomic_load(&kv->active) == 0) { /* another process grew the map */
        rc = mdb_env_set_mapsize(kv->env, 0);
        kv->unmapped = rc != 0;
        if (rc == 0) rc = mdb_txn_begin(kv->env, NULL, flags, &txn);
    }
    if (rc) return translate(rc, kv, flags & MDB_RDONLY ? "begin to read" : "begin to write", err);
    struct pm_kv_txn *t = pm_malloc(sizeof *t);
    *t = (struct pm_kv_txn){.txn = txn, .kv = kv, .write = !(flags & MDB_RDONLY)};
    atomic_fetch_add(&kv->active, 1);
    *ret = t;
    return PM_OK;
}

int pm_kv_begin_read(struct pm_kv *kv, struct pm_kv_txn **ret, struct pm_error *err)
{
    return begin(kv, MDB_RDONLY, ret, err);
}

uint64_t pm_kv_txn_commit(const struct pm_kv_txn *txn) { return mdb_txn_id(txn->txn); }

uint64_t pm_kv_last_commit(struct pm_kv *kv)
{
    MDB_envinfo info;
    return kv->unmapped || mdb_env_info(kv->env, &info) != 0 ? 0 : info.me_last_txnid;
}

/* To be asked first: when LMDB cannot map the larger size it has taken the old map away already. */
static bool address_space_for(uint64_t bytes)
{
    void *probe = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (probe == MAP_FAILED) return false;
    munmap(probe, bytes);
    return true;
}

/* The map can only be changed while no transaction of this process is open. */
static int make_headroom(struct pm_kv *kv, uint64_t headroom, struct pm_error *err)
{
    MDB_envinfo info;
    if (kv->unmapped) return translate(ENOMEM, kv, "map the file", err);
    int rc = mdb_env_info(kv->env, &info);
    if (rc) return translate(rc, kv, "read its state", err);
    uint64_t needed = pm_kv_file_bytes(kv) + headroom;
    if (needed <= info.me_mapsize || atomic_load(&kv->active) != 0) return PM_OK;
    uint64_t old = info.me_mapsize, map = old;
    while (map < needed) map *= 2;
    PM_TRY(PM_FAULT(map_before_growth, err));
    if (!address_space_for(map - old)) return PM_OK; /* what there is may well do */
    rc = mdb_env_set_mapsize(kv->env, map);
    kv->unmapped = rc != 0;
    PM_TRY(translate(rc, kv, "grow the memory map", err));
    return PM_FAULT(map_after_growth, err);
}

int pm_kv_begin_write(struct pm_kv *kv, uint64_t headroom, struct pm_kv_txn **ret, struct pm_error *err)
{
    PM_CHECK(!kv->read_only);
    PM_TRY(make_headroom(kv, headroom ? headroom : PM_FAULT_LIMIT(headroom, HEADROOM_DEFAULT), err));
    /* A reader that was killed would keep every page from being used again for as long as this process writes. */
    if (atomic_fetch_add(&kv->written, 1) % WRITES_A_READER_CHECK == 0) pm_kv_check_readers(kv);
    return begin(kv, 0, ret, err);
}

static void txn_gone(struct pm_kv_txn *txn)
{
    atomic_fetch_sub(&txn->kv->active, 1);
    free(txn->checked);
    free(txn);
}

int pm_kv_commit(struct pm_kv_txn *txn, struct pm_error *err)
{
    int rc = translate(IN_LMDB(txn->kv, mdb_txn_commit(txn->txn)), txn->kv, "commit", err);
    txn_gone(txn);
    return rc;
}

/* ---- pages whose checksum held ---- */

#define PAGE_SHIFT 12
#define OWN_PAGE_LEAST 2048 /* LMDB gives a value as long a page of its own; shorter ones share one */

/* The word and the bit that stand for the page of `value`; NULL: there are none. */
static uint64_t *checked_word(struct pm_kv_txn *txn, struct pm_slice value, uint64_t *ret_bit)
{
    uintptr_t page = (uintptr_t)value.ptr >> PAGE_SHIFT;
    if (txn->write || value.len < OWN_PAGE_LEAST) return NULL;
    if (!txn->checked) {
        if (page_size(txn->kv) != (uint64_t)1 << PAGE_SHIFT) return NULL;
        txn->checked_pages = (pm_kv_file_bytes(txn->kv) >> PAGE_SHIFT) + 1;
        txn->checked_from = page - txn->checked_pages;
        txn->checked = pm_calloc(2 * txn->checked_pages / 64 + 1, sizeof *txn->checked);
    }
    uintptr_t at = page - txn->checked_from;
    if (at >= 2 * txn->checked_pages) return NULL;
    *ret_bit = (uint64_t)1 << (at % 64);
    return &txn->checked[at / 64];
}

bool pm_kv_page_checked(struct pm_kv_txn *txn, struct pm_slice value)
{
    uint64_t bit, *word = checked_word(txn, value, &bit);
    return word && *word & bit;
}

void pm_kv_page_set_checked(struct pm_kv_txn *txn, struct pm_slice value)
{
    uint64_t bit, *word = checked_word(txn, value, &bit);
    if (word) *word |= bit;
}

void pm_kv_abort(struct pm_kv_txn *txn)
{
    if (!txn) return;
    if (txn->write) mdb_txn_abort(txn->txn);
    else (void)mdb_txn_commit(txn->txn); /* ends the read and keeps database handles that it opened */
    txn_gone(txn);
}

int pm_kv_db_open(struct pm_kv_txn *txn, const char *name, int flags, pm_kv_db *ret, struct pm_error *err)
{
    MDB_dbi dbi;
    unsigned f = (flags & PM_KV_DB_CREATE ? MDB_CREATE : 0) | (flags & PM_KV_DB_INTEGER_KEY ? MDB_INTEGERKEY : 0);
    unsigned has = 0;
    int rc = IN_LMDB(txn->kv, mdb_dbi_open(txn->txn, name, f, &dbi));
    if (rc == MDB_NOTFOUND) return pm_error_set(err, PM_ENOTFOUND, "%s: holds no database \"%s\"", txn->kv->dir, name);
    if (rc) return translate(rc, txn->kv, "open a database", err);
    if (mdb_dbi_flags(txn->txn, dbi, &has) == 0 && (has ^ f) & MDB_INTEGERKEY)
        return say_way_out(
            txn->kv,
            pm_error_set(err, PM_ECORRUPT, "%s: database \"%s\" has other keys than it should", txn->kv->dir, name),
            err);
    txn->kv->checked[dbi] = flags & PM_KV_DB_CHECKED;
    *ret = dbi;
    return PM_OK;
}

int pm_kv_table_open(struct pm_kv_txn *txn, const char *name, int flags, pm_kv_db *ret, struct pm_error *err)
{
    int rc = pm_kv_db_open(txn, name, flags, ret, err);
    return rc == PM_ENOTFOUND ? pm_kv_corrupt(txn, err, "the table \"%s\" is missing", name) : rc;
}

int pm_kv_db_stat(struct pm_kv_txn *txn, pm_kv_db db, uint64_t *ret_entries, uint64_t *ret_bytes, struct pm_error *err)
{
    MDB_stat st;
    PM_TRY(translate(IN_LMDB(txn->kv, mdb_stat(txn->txn, db, &st)), txn->kv, "read a database's size", err));
    *ret_entries = st.ms_entries;
    *ret_bytes = (uint64_t)(st.ms_branch_pages + st.ms_leaf_pages + st.ms_overflow_pages) * st.ms_psize;
    return PM_OK;
}

static MDB_val val(struct pm_slice s) { return (MDB_val){.mv_size = s.len, .mv_data = (void *)(uintptr_t)s.ptr}; }
static struct pm_slice slice(MDB_val v) { return pm_slice(v.mv_data, v.mv_size); }

/* ---- checked values: the value, then a CRC-32C of key and value; written by put ---- */

static uint32_t checksum(MDB_val key, const void *value, size_t len)
{
    return pm_crc32c(pm_crc32c(0, key.mv_data, key.mv_size), value, len);
}

/* What a look-up found, or `rc` of LMDB: the value without its checksum. */
static int found(struct pm_kv *kv, int rc, bool checked, MDB_val key, MDB_val *value, struct pm_error *err)
{
    if (rc) return translate(rc, kv, "read", err);
    uint32_t crc = 0;
    if (value->mv_size <= PM_KV_VALUE_MAX && !checked) return PM_OK;
    if (value->mv_size <= PM_KV_VALUE_MAX && value->mv_size >= sizeof crc) {
        size_t len = value->mv_size - sizeof crc;
        inside = kv;
        memcpy(&crc, (const char *)value->mv_data + len, sizeof crc);
        bool same = crc == checksum(key, value->mv_data, len);
        inside = NULL;
        value->mv_size = len;
        if (same) return PM_OK;
    }
    return say_way_out(kv, pm_error_set(err, PM_ECORRUPT, "%s: a value does not match its checksum", kv->dir), err);
}

static int get(struct pm_kv_txn *txn, pm_kv_db db, bool checked, struct pm_slice key, struct pm_slice *ret,
               struct pm_error *err)
{
    MDB_val k = val(key), v;
    int rc = IN_LMDB(txn->kv, mdb_get(txn->txn, db, &k, &v));
    PM_TRY(found(txn->kv, rc, checked, k, &v, err));
    *ret = slice(v);
    return PM_OK;
}

int pm_kv_get_stored(struct pm_kv_txn *txn, pm_kv_db db, struct pm_slice key, struct pm_slice *ret,
                     struct pm_error *err)
{
    return get(txn, db, false, key, ret, err);
}

int pm_kv_get(struct pm_kv_txn *txn, pm_kv_db db, struct pm_slice key, struct pm_slice *ret, struct pm_error *err)
{
    return get(txn, db, txn->kv->checked[db], key, ret, err);
}

static int put(struct pm_kv_txn *txn, pm_kv_db db, struct pm_slice key, struct pm_slice value, unsigned flags,
               struct pm_error *err)
{
    PM_CHECK(key.len > 0 && key.len <= PM_KV_KEY_MAX);
    MDB_val k = val(key), v = val(value);
    if (txn->kv->checked[db]) {
        uint32_t crc = checksum(k, value.ptr, value.len);
        v.mv_size += sizeof crc;
        int rc = IN_LMDB(txn->kv, mdb_put(txn->txn, db, &k, &v, flags | MDB_RESERVE));
        if (rc == MDB_KEYEXIST && flags & MDB_NOOVERWRITE) return PM_OK;
        PM_TRY(translate(rc, txn->kv, "write", err));
        if (value.len) memcpy(v.mv_data, value.ptr, value.len);
        memcpy((char *)v.mv_data + value.len, &crc, sizeof crc);
        return PM_OK;
    }
    return translate(IN_LMDB(txn->kv, mdb_put(txn->txn, db, &k, &v, flags)), txn->kv, "write", err);
}

int pm_kv_put(struct pm_kv_txn *txn, pm_kv_db db, struct pm_slice key, struct pm_slice value, struct pm_error *err)
{
    return put(txn, db, key, value, 0, err);
}

int pm_kv_put_new(struct pm_kv_txn *txn, pm_kv_db db, struct pm_slice key, struct pm_slice value, struct pm_error *err)
{
    PM_CHECK(txn->kv->checked[db]);
    return put(txn, db, key, value, MDB_NOOVERWRITE, err);
}

int pm_kv_append(struct pm_kv_txn *txn, pm_kv_db db, struct pm_slice key, struct pm_slice value, struct pm_error *err)
{
    return put(txn, db, key, value, MDB_APPEND, err);
}

int pm_kv_del(struct pm_kv_txn *txn, pm_kv_db db, struct pm_slice key, struct pm_error *err)
{
    MDB_val k = val(key);
    int rc = IN_LMDB(txn->kv, mdb_del(txn->txn, db, &k, NULL));
    return rc == MDB_NOTFOUND ? PM_OK : translate(rc, txn->kv, "delete", err);
}

int pm_kv_cursor_open(struct pm_kv_txn *txn, pm_kv_db db, struct pm_kv_cursor **ret, struct pm_error *err)
{
    MDB_cursor *cursor;
    PM_TRY(translate(IN_LMDB(txn->kv, mdb_cursor_open(txn->txn, db, &cursor)), txn->kv, "open a cursor", err));
    struct pm_kv_cursor *c = pm_malloc(sizeof *c);
    *c = (struct pm_kv_cursor){.cursor = cursor, .kv = txn->kv, .checked = txn->kv->checked[db]};
    unsigned flags = 0;
    c->integer = mdb_dbi_flags(txn->txn, db, &flags) == 0 && flags & MDB_INTEGERKEY;
    *ret = c;
    return PM_OK;
}

void pm_kv_cursor_close(struct pm_kv_cursor *cursor)
{
    if (!cursor) return;
    mdb_cursor_close(cursor->cursor);
    free(cursor);
}

static int cursor_get(struct pm_kv_cursor *c, MDB_cursor_op op, MDB_val k, struct pm_slice *ret_key,
                      struct pm_slice *ret_value, struct pm_error *err)
{
    MDB_val v;
    int rc = IN_LMDB(c->kv, mdb_cursor_get(c->cursor, &k, &v, op));
    PM_TRY(found(c->kv, rc, c->checked, k, &v, err));
    if (ret_key) *ret_key = slice(k);
    if (ret_value) *ret_value = slice(v);
    return PM_OK;
}

static bool key_below(const struct pm_kv_cursor *cursor, struct pm_slice a, struct pm_slice b)
{
    uint64_t x, y;
    if (!cursor->integer || a.len != sizeof x || b.len != sizeof y) return pm_slice_cmp(a, b) < 0;
    memcpy(&x, a.ptr, sizeof x);
    memcpy(&y, b.ptr, sizeof y);
    return x < y;
}

/* In a damaged tree a search may end at a smaller key: who seeks from key to key would never come to an end. */
int pm_kv_seek(struct pm_kv_cursor *cursor, struct pm_slice key, struct pm_slice *ret_key, struct pm_slice *ret_value,
               struct pm_error *err)
{
    struct pm_slice found, value;
    PM_TRY(cursor_get(cursor, key.ptr ? MDB_SET_RANGE : MDB_FIRST, val(key), &found, &value, err));
    if (key.ptr && key_below(cursor, found, key))
        return say_way_out(cursor->kv, pm_error_set(err, PM_ECORRUPT, "%s: keys are out of order", cursor->kv->dir),
                           err);
    if (ret_key) *ret_key = found;
    if (ret_value) *ret_value = value;
    return PM_OK;
}

int pm_kv_get_from(struct pm_kv_txn *txn, pm_kv_db db, struct pm_slice key, struct pm_slice *ret_key,
                   struct pm_slice *ret_value, struct pm_error *err)
{
    struct pm_kv_cursor *cursor;
    PM_TRY(pm_kv_cursor_open(txn, db, &cursor, err));
    int rc = pm_kv_seek(cursor, key, ret_key, ret_value, err);
    pm_kv_cursor_close(cursor);
    return rc;
}

int pm_kv_last(struct pm_kv_cursor *cursor, struct pm_slice *ret_key, struct pm_slice *ret_value, struct pm_error *err)
{
    return cursor_get(cursor, MDB_LAST, (MDB_val){0}, ret_key, ret_value, err);
}

int pm_kv_next(struct pm_kv_cursor *cursor, struct pm_slice *ret_key, struct pm_slice *ret_value, struct pm_error *err)
{
    return cursor_get(cursor, MDB_NEXT, (MDB_val){0}, ret_key, ret_value, err);
}

int pm_kv_cursor_del(struct pm_kv_cursor *cursor, struct pm_error *err)
{
    return translate(IN_LMDB(cursor->kv, mdb_cursor_del(cursor->cursor, 0)), cursor->kv, "delete", err);
}

/* The transaction held around it has seen to it that the map is as large as the environment's latest. */
int pm_kv_copy(struct pm_kv *kv, int fd, struct pm_error *err)
{
    struct pm_kv_txn *txn;
    PM_TRY(pm_kv_begin_read(kv, &txn, err));
    int rc = translate(IN_LMDB(kv, mdb_env_copyfd2(kv->env, fd, MDB_CP_COMPACT)), kv, "copy", err);
    pm_kv_abort(txn);
    return rc;
}

void pm_kv_check_readers(struct pm_kv *kv)
{
    int dead;
    (void)mdb_reader_check(kv->env, &dead);
}
