/* fuzz.c: see fuzz.h. */
#include "tests/fuzz/support/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct pm_slice fuzz_exact(struct pm_slice s)
{
    char *p = pm_malloc(s.len ? s.len : 1);
    if (s.len) memcpy(p, s.ptr, s.len);
    return pm_slice(p, s.len);
}

void fuzz_free(struct pm_slice exact) { free((void *)(uintptr_t)exact.ptr); }

static char dir[64];

static void remove_dir(void)
{
    char file[80];
    snprintf(file, sizeof file, "%s/data.mdb", dir);
    unlink(file);
    snprintf(file, sizeof file, "%s/lock.mdb", dir);
    unlink(file);
    rmdir(dir);
}

struct pm_kv_txn *fuzz_txn(void)
{
    static struct pm_kv *kv;
    if (!kv) {
        snprintf(dir, sizeof dir, "%s/provmat-fuzz-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
        PM_CHECK(mkdtemp(dir));
        PM_CHECK(pm_kv_open(dir, PM_KV_CREATE, &kv, NULL) == PM_OK);
        remove_dir(); /* what is open stays; libFuzzer ends without atexit */
    }
    struct pm_kv_txn *txn;
    PM_CHECK(pm_kv_begin_write(kv, 1 << 20, &txn, NULL) == PM_OK);
    return txn;
}
