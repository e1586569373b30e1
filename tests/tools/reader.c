/* reader.c: holds a read transaction of an index until it is killed: what a reader that hangs or dies leaves behind.
 *
 *   reader DIR      prints "reading" once the transaction is open
 */
#include <stdio.h>
#include <unistd.h>

#include "common/store/kv.h"

int main(int argc, char **argv)
{
    struct pm_error err = {0};
    struct pm_kv *kv = NULL;
    struct pm_kv_txn *txn = NULL;
    if (argc != 2) {
        fputs("usage: reader DIR\n", stderr);
        return 2;
    }
    if (pm_kv_open(argv[1], PM_KV_READ_ONLY, &kv, &err) != PM_OK || pm_kv_begin_read(kv, &txn, &err) != PM_OK) {
        fprintf(stderr, "reader: %s\n", err.text);
        return 1;
    }
    puts("reading");
    fflush(stdout);
    for (;;) pause();
}
