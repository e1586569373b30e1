/* pipeline_test.c: what the writing thread does by itself, while nothing comes. */
#include "consumer/pipeline.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/index.h"

static struct test_index x;
static void make(void) { test_index_make(&x); }
static void unmake(void) { test_index_remove(&x); }
TestSuite(pipeline, .init = make, .fini = unmake, .timeout = 60);

/* Runs of all kinds that a reader would probe now. */
static size_t visible_runs(void)
{
    static struct pm_runs runs;
    struct pm_kv_txn *txn;
    size_t n = 0;
    cr_assert_eq(pm_kv_begin_read(x.w->kv, &txn, NULL), PM_OK);
    for (unsigned kind = 0; kind < PM_RUN_KIND_COUNT; kind++) {
        memset(&runs, 0, sizeof runs);
        cr_assert_eq(pm_runs_load(&runs, (enum pm_run_kind)kind, txn, false, NULL), PM_OK);
        n += runs.n_look;
    }
    pm_kv_abort(txn);
    return n;
}

Test(pipeline, runs_are_merged_while_nothing_comes)
{
    test_index_lines(&x, true,
                     (const char *const[]){"computed j1 a @1", "computed j2 b @2", "computed j3 c @3", "reused j4 a @4",
                                           "reused j5 b @5", NULL});
    char before[512];
    snprintf(before, sizeof before, "%s", test_index_counts(&x));
    size_t many = visible_runs();
    struct pm_pipeline *pipeline;
    struct pm_error err;
    cr_assert_eq(pm_pipeline_open(x.w, true, &pipeline, &err), PM_OK, "%s", err.text);
    while (visible_runs() >= many) usleep(10000);
    cr_assert_eq(pm_pipeline_drain(pipeline, &err), PM_OK, "%s", err.text);
    pm_pipeline_close(pipeline);
    cr_assert_str_eq(test_index_counts(&x), before);
    cr_assert_str_eq(test_index_result(&x, "a"), "sim | computed j1@1 reused j4@4 |");
}
