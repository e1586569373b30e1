/* bare_lmdb.c: what LMDB alone takes to make the same bytes durable: appends records of one size with ascending keys,
 * in so many transactions, each committed and synced.
 *
 *   bare_lmdb DIR BYTES RECORDS COMMITS        DIR must not exist; BYTES: size that the file shall have at the end
 *
 * Prints one JSON object. Flags as the index has them, but for MDB_NOMEMINIT: the limit is what is fastest. */
#include <lmdb.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#define PAGE 4096
#define PAGE_HEAD 16
#define NODE_OVERHEAD (8 + 8 + 2) /* node header, key, its place in the page */

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void must(int rc, const char *what)
{
    if (rc == 0) return;
    fprintf(stderr, "bare_lmdb: %s: %s\n", what, mdb_strerror(rc));
    exit(1);
}

/* Nodes of a page: `per` on the mean, so some pages take one more than others; each fills its page. */
struct page_plan {
    double per;
    uint64_t page;
    unsigned left;
    size_t size;
};

static size_t next_value_size(struct page_plan *plan)
{
    if (plan->left == 0) {
        plan->left = (unsigned)((double)(plan->page + 1) * plan->per) - (unsigned)((double)plan->page * plan->per);
        if (plan->left == 0) plan->left = 1;
        plan->size = ((PAGE - PAGE_HEAD) / plan->left - NODE_OVERHEAD) & ~(size_t)1;
        plan->page++;
    }
    plan->left--;
    return plan->size;
}

int main(int argc, char **argv)
{
    uint64_t bytes = argc == 5 ? strtoull(argv[2], NULL, 10) : 0, records = argc == 5 ? strtoull(argv[3], NULL, 10) : 0,
             commits = argc == 5 ? strtoull(argv[4], NULL, 10) : 0;
    if (bytes < PAGE || !records || !commits || bytes / records < 2 * NODE_OVERHEAD || bytes / records > 2000) {
        fprintf(stderr, "usage: bare_lmdb DIR BYTES RECORDS COMMITS\n");
        return 2;
    }
    static char value[PAGE];
    for (size_t i = 0; i < sizeof value; i++) value[i] = (char)(i * 2654435761u >> 24);
    struct page_plan plan = {.per = (double)records / ((double)bytes / PAGE)};
    must(mkdir(argv[1], 0700), argv[1]);
    double begin = now_s();
    MDB_env *env;
    must(mdb_env_create(&env), "create");
    must(mdb_env_set_maxdbs(env, 4), "maxdbs");
    must(mdb_env_set_mapsize(env, (size_t)1 << 40), "mapsize");
    must(mdb_env_open(env, argv[1], MDB_NORDAHEAD | MDB_NOMEMINIT, 0600), "open");
    uint64_t key_number = 0;
    for (uint64_t c = 0; c < commits; c++) {
        MDB_txn *txn;
        MDB_dbi db;
        must(mdb_txn_begin(env, NULL, 0, &txn), "begin");
        must(mdb_dbi_open(txn, "records", MDB_CREATE | MDB_INTEGERKEY, &db), "database");
        for (uint64_t end = records * (c + 1) / commits; key_number < end; key_number++) {
            MDB_val key = {sizeof key_number, &key_number}, data = {next_value_size(&plan), value};
            memcpy(value, &key_number, sizeof key_number);
            must(mdb_put(txn, db, &key, &data, MDB_APPEND), "put");
        }
        must(mdb_txn_commit(txn), "commit");
    }
    double seconds = now_s() - begin;
    MDB_envinfo info;
    must(mdb_env_info(env, &info), "info");
    mdb_env_close(env);
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("{\"seconds\":%.4f,\"file_bytes\":%llu,\"written_bytes\":%llu}\n", seconds,
           (unsigned long long)(info.me_last_pgno + 1) * PAGE, (unsigned long long)usage.ru_oublock * 512);
    return 0;
}
