/* result_jobs.c: the view "result -> jobs": every pair, from the runs and from the records, which stand for one role
 * each. A role may have several rows with different times (an earlier event came later): the smallest counts. */
#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/varint.h"
#include "consumer/views/views.h"

struct role_row {
    uint64_t result;
    int64_t at;
    uint32_t job;
    uint8_t role;
};

struct gather {
    struct pm_dump *dump;
    struct role_row *rows;
    size_t count, room;
};

static void add(struct gather *g, struct role_row row)
{
    if (g->count == g->room) {
        g->room = g->room ? 2 * g->room : 4096;
        g->rows = pm_realloc(g->rows, g->room * sizeof *g->rows);
    }
    g->rows[g->count++] = row;
}

static int take_entry(void *arg, const uint8_t *entry, struct pm_error *err)
{
    (void)err;
    add(arg, (struct role_row){pm_be40_get(entry), pm_time_key_get(entry + 10), pm_be32_get(entry + 5),
                               (uint8_t)(entry[9] % PM_ROLE_COUNT)});
    return PM_OK;
}

static int take_record(void *arg, uint64_t result, const struct pm_record *rec, struct pm_error *err)
{
    (void)err;
    enum pm_role role;
    if (pm_stamp_role(&rec->stamp, &role))
        add(arg, (struct role_row){result, rec->stamp.at, rec->stamp.job1 - 1, (uint8_t)role});
    return PM_OK;
}

static int by_pair_role_time(const void *a, const void *b)
{
    const struct role_row *x = a, *y = b;
    if (x->result != y->result) return x->result < y->result ? -1 : 1;
    if (x->job != y->job) return x->job < y->job ? -1 : 1;
    if (x->role != y->role) return x->role < y->role ? -1 : 1;
    return (x->at > y->at) - (x->at < y->at);
}

int pm_view_result_jobs(struct pm_dump *dump, pm_view_each each, void *arg, struct pm_error *err)
{
    struct gather g = {.dump = dump};
    const struct pm_runs *runs;
    int rc = pm_snapshot_runs(dump->snap, PM_RUN_RESULT_JOBS, &runs, err);
    if (rc == PM_OK) rc = pm_runs_scan(runs, dump->snap->txn, take_entry, &g, err);
    if (rc == PM_OK) rc = pm_records_each(dump->snap, take_record, &g, err);
    if (rc == PM_OK && g.count) qsort(g.rows, g.count, sizeof *g.rows, by_pair_role_time);
    for (size_t i = 0, end; i < g.count && rc == PM_OK; i = end) {
        struct pm_pair pair = {.job = g.rows[i].job, .result = g.rows[i].result};
        for (end = i; end < g.count && g.rows[end].result == pair.result && g.rows[end].job == pair.job; end++) {
            const struct role_row *r = &g.rows[end];
            if (!(pair.roles >> r->role & 1)) pair.at[r->role] = r->at; /* the smallest comes first */
            pair.roles |= 1u << r->role;
        }
        struct pm_view_row row = pm_view_pair_row(dump, &pair);
        rc = each(arg, &row, err);
    }
    free(g.rows);
    return rc;
}
