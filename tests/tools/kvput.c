/* kvput.c: changes one value behind the program's back: what tests of damaged and foreign indexes need.
 *
 *   kvput get DIR DATABASE KEY          prints the value in hex
 *   kvput put DIR DATABASE KEY VALUE    VALUE in hex
 */
#include <stdio.h>
#include <string.h>

#include "common/store/kv.h"

static int die(const struct pm_error *err)
{
    fprintf(stderr, "kvput: %s\n", err->text);
    return 1;
}

static int get(struct pm_kv_txn *txn, pm_kv_db db, const char *key, struct pm_error *err)
{
    struct pm_slice value;
    int rc = pm_kv_get(txn, db, pm_slice_cstr(key), &value, err);
    for (size_t i = 0; rc == PM_OK && i < value.len; i++)
        printf("%02x", (unsigned char)value.ptr[i]);
    return rc;
}

static int put(struct pm_kv_txn *txn, pm_kv_db db, const char *key, const char *hex, struct pm_error *err)
{
    char bytes[256];
    size_t n = strlen(hex) / 2;
    for (size_t i = 0; i < n && i < sizeof bytes; i++) {
        unsigned byte = 0;
        sscanf(hex + 2 * i, "%2x", &byte);
        bytes[i] = (char)byte;
    }
    return pm_kv_put(txn, db, pm_slice_cstr(key), pm_slice(bytes, n), err);
}

int main(int argc, char **argv)
{
    if (argc < 5) {
        fputs("usage: kvput get|put DIR DATABASE KEY [VALUE]\n", stderr);
        return 2;
    }
    struct pm_error err = {0};
    struct pm_kv *kv = NULL;
    struct pm_kv_txn *txn = NULL;
    pm_kv_db db;
    if (pm_kv_open(argv[2], 0, &kv, &err) != PM_OK)
        return die(&err);
    if (pm_kv_begin_write(kv, 0, &txn, &err) != PM_OK)
        return die(&err);
    int rc = pm_kv_db_open(txn, argv[3], PM_KV_DB_CHECKED, &db, &err);
    if (rc == PM_OK)
        rc = argc > 5 ? put(txn, db, argv[4], argv[5], &err) : get(txn, db, argv[4], &err);
    if (rc == PM_OK)
        rc = pm_kv_commit(txn, &err);
    else
        pm_kv_abort(txn);
    pm_kv_close(kv);
    return rc == PM_OK ? 0 : die(&err);
}
