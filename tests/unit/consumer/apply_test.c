/* apply_test.c: batches go in, and the readers say what the set of events says, whatever the order
 * of the events and however they are cut into batches. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "common/base/check.h"
#include "tests/support/index.h"

#define LINES(...) ((const char *const[]){__VA_ARGS__, NULL})
#define SAYS(call, text) cr_assert_str_eq(call, text, "%s", call)

static struct test_index x;
static void make(void) { test_index_make(&x); }
static void unmake(void) { test_index_remove(&x); }
TestSuite(apply, .init = make, .fini = unmake);

static void all(const char *const *lines) { test_index_lines(&x, false, lines); }
static void each(const char *const *lines) { test_index_lines(&x, true, lines); }

/* ---- results ---- */

Test(apply, a_result_first_met_by_its_reuse)
{
    each(LINES("reused j2 a/b @12 'loss':0.5,'target':'t'"));
    SAYS(test_index_result(&x, "a/b"), "sim target=t loss=0.5 | reused j2@12 | unattributed");
    each(LINES("computed j1 a/b @20 'loss':0.5,'seed':7"));
    SAYS(test_index_result(&x, "a/b"), "sim seed=7 target=t loss=0.5 | computed j1@20 reused j2@12 |");
    SAYS(test_index_counts(&x), "events=2 results=1 jobs=2 pairs=1,1,0,0 unattributed=0 conflicts=0 quarantined=0");
}

Test(apply, a_field_has_the_value_of_the_strongest_then_earliest_event)
{
    all(LINES("failed j4 a @1 'seed':4,'target':'f'", "reused j3 a @2 'seed':3,'target':'r','entrypoint':'m/r'",
              "discovered - a @3 'seed':2", "computed j2 a @5 #2 'seed':1,'loss':2.0",
              "computed j1 a @5 #1 'loss':1.0"));
    SAYS(test_index_result(&x, "a"), "sim entrypoint=m/r seed=1 target=r loss=1 | computed j1@5 j2@5 reused j3@2 "
                                     "failed j4@1 | conflicts=3");
}

Test(apply, conflicts_have_a_class_and_their_values_by_strength)
{
    all(LINES("computed j1 a @1 'loss':0.5,'entrypoint':'m/a'", "reused j2 a @2 'loss':0.75,'entrypoint':'m/b'",
              "computed j3 b @3 'seed':1", "computed j4 b @4 'seed':2"));
    SAYS(test_index_conflicts(&x), "a entrypoint false_hit \"m/a\"(ResultComputed j1 @1) \"m/b\"(ResultReused j2 @2); "
                                   "a loss nondeterminism 0.5(ResultComputed j1 @1) 0.75(ResultReused j2 @2); "
                                   "b seed collision 1(ResultComputed j3 @3) 2(ResultComputed j4 @4)");
}

Test(apply, a_value_of_a_conflict_names_its_strongest_then_earliest_event)
{
    each(LINES("reused j2 a @9 'seed':1", "failed j4 a @1 'seed':1", "computed j1 a @5 'seed':2",
               "computed j3 a @4 'seed':2"));
    SAYS(test_index_conflicts(&x), "a seed false_hit 2(ResultComputed j3 @4) 1(ResultReused j2 @9)");
}

Test(apply, a_deleted_result_is_back_when_it_is_produced_later)
{
    each(LINES("computed j1 a @5", "deleted - a @7"));
    SAYS(test_index_result(&x, "a"), "sim | computed j1@5 | deleted@7");
    each(LINES("reused j2 a @9")); /* no production */
    SAYS(test_index_result(&x, "a"), "sim | computed j1@5 reused j2@9 | deleted@7");
    each(LINES("computed j3 a @8"));
    SAYS(test_index_result(&x, "a"), "sim | computed j1@5 j3@8 reused j2@9 |");
    each(LINES("deleted j1 b @3"));
    SAYS(test_index_result(&x, "b"), "| | deleted@3 unattributed");
}

/* ---- pairs and jobs ---- */

Test(apply, a_pair_keeps_each_role_with_its_smallest_time)
{
    each(LINES("reused j1 a @9", "expected j1 a,b @3", "failed j1 a @5", "reused j1 a @7", "reused j1 a @8",
               "failed j1 b @6", "expected j1 b,c @2"));
    SAYS(test_index_result(&x, "a"), "sim | reused j1@7 failed j1@5 expected j1@3 | unattributed");
    SAYS(test_index_result(&x, "b"), "sim | failed j1@6 expected j1@2 | unattributed");
    SAYS(test_index_job(&x, "j1"), "status=none at=2..9 computed=0 reused=1 failed=1 expected=3 missing=2 bundles= "
                                   "targets= conflicts=0");
}

Test(apply, a_status_is_the_earliest_end_else_the_latest_other)
{
    each(LINES("status j1 - @7 'status':'running'", "status j1 - @5 'status':'pending'"));
    cr_assert_eq(strncmp(test_index_job(&x, "j1"), "status=running at=5..7", 22), 0);
    each(LINES("status j1 - @6 #2 'status':'failed'", "status j1 - @9 'status':'succeeded'",
               "status j1 - @6 #1 'status':'partial'", "status j1 - @8 'status':'running'"));
    cr_assert_eq(strncmp(test_index_job(&x, "j1"), "status=partial at=5..9", 22), 0);
}

Test(apply, submissions_give_facts_and_conflicts_of_a_job)
{
    each(LINES("submitted j1 - @4 'job_type':'later','user':'u'", "submitted j1 - @2 'job_type':'first'",
               "submitted j1 - @2 'job_type':'first'"));
    SAYS(test_index_job(&x, "j1"), "status=none at=2..4 computed=0 reused=0 failed=0 expected=0 missing=0 bundles= "
                                   "targets= job_type=first user=u conflicts=1");
    SAYS(test_index_conflicts(&x), "j1 job_type collision \"first\"(JobSubmitted j1 @2) \"later\"(JobSubmitted j1 @4)");
}

Test(apply, bundles_and_targets_of_a_job_are_those_of_all_its_events)
{
#define DIGEST(c) c c c c c c c c
    all(LINES("submitted j1 - @1 'targets':['t2','t1'],'bundle_digest':'" DIGEST("bbbbbbbb") "'",
              "computed j1 a @2 'target':'t3','bundle_digest':'" DIGEST("aaaaaaaa") "'",
              "discovered - b @3 'target':'t4'"));
    cr_assert(strstr(test_index_job(&x, "j1"), "bundles=aaaa,bbbb targets=t1,t2,t3 "), "%s", test_index_job(&x, "j1"));
}

/* ---- sets and batches ---- */

Test(apply, every_order_of_the_events_gives_the_same_index)
{
    const char *lines[] = {"computed j1 a @5 'loss':0.5,'seed':1", "reused j2 a @3 'loss':0.75,'target':'t'",
                           "computed j2 a @4 'loss':0.25", "deleted - a @6", "failed j1 a @9 'seed':1"};
    enum { N = sizeof lines / sizeof *lines, ORDERS = 120 };
    struct pm_buf first = {0};
    for (unsigned order = 0; order < ORDERS; order++) {
        const char *left[N], *chosen[N + 1] = {NULL};
        struct test_index one;
        struct pm_buf digest = {0};
        memcpy(left, lines, sizeof lines);
        for (unsigned i = 0, number = order; i < N; i++) { /* the order-th permutation */
            unsigned pick = number % (N - i);
            number /= N - i;
            chosen[i] = left[pick];
            memmove(left + pick, left + pick + 1, (N - i - pick - 1) * sizeof *left);
        }
        test_index_make(&one);
        test_index_lines(&one, order % 2, chosen);
        test_index_digest(one.dir, &digest);
        pm_buf_byte(&digest, 0);
        if (order == 0) pm_buf_slice_add(&first, pm_buf_slice(&digest));
        cr_assert_str_eq(digest.ptr, first.ptr, "order %u: %s, %s, %s ...", order, chosen[0], chosen[1], chosen[2]);
        test_index_remove(&one);
        pm_buf_release(&digest);
    }
    pm_buf_release(&first);
}

Test(apply, the_same_again_changes_nothing_but_the_count_of_records)
{
    const char *const *lines = LINES("reused j2 a @3", "computed j1 a @5 'loss':0.5", "expected j1 a,b @1",
                                     "submitted j1 - @1 'user':'u'", "status j1 - @6 'status':'failed'",
                                     "deleted - b @2", "computed j3 a @2 'loss':0.25");
    struct pm_buf before = {0}, after = {0};
    all(lines);
    test_index_digest(x.dir, &before);
    each(lines);
    test_index_reopen(&x);
    all(lines);
    test_index_digest(x.dir, &after);
    cr_assert(pm_slice_eq(pm_buf_slice(&before), pm_buf_slice(&after)));
    cr_assert(strstr(test_index_counts(&x), "events=21 "), "%s", test_index_counts(&x));
    pm_buf_release(&before);
    pm_buf_release(&after);
}

Test(apply, of_a_batch_that_fails_nothing_stays)
{
    all(LINES("computed j1 a @5 'loss':0.5", "reused j2 b @3"));
    char before[512];
    struct pm_buf digest = {0}, again = {0};
    snprintf(before, sizeof before, "%s", test_index_counts(&x));
    test_index_digest(x.dir, &digest);
    for (const char *const *line = LINES("computed j3 a @1 'loss':0.25", "computed j4 b @2 'target':'t'",
                                         "deleted - c @1", "submitted j5 - @1 'user':'u'");
         *line; line++)
        test_index_line(&x, *line);
    test_index_fail(&x);
    SAYS(test_index_counts(&x), before);
    test_index_digest(x.dir, &again);
    cr_assert(pm_slice_eq(pm_buf_slice(&digest), pm_buf_slice(&again)));
    test_index_apply(&x); /* the same batch, as after a restart */
    SAYS(test_index_result(&x, "b"), "sim target=t | computed j4@2 reused j2@3 |");
    SAYS(test_index_counts(&x), "events=6 results=3 jobs=5 pairs=3,1,0,0 unattributed=1 conflicts=1 quarantined=0");
    pm_buf_release(&digest);
    pm_buf_release(&again);
}

Test(apply, offsets_and_quarantine_commit_with_the_batch)
{
    PM_CLEANUP(pm_arena_release) struct pm_arena arena = {0};
    struct pm_error err;
    struct pm_applied *applied;
    size_t n;
    const int64_t offsets[] = {41, 17}; /* the second is delivered again */
    const char *want[] = {"events=0 results=0 jobs=0 pairs=0,0,0,0 unattributed=0 conflicts=0 quarantined=1",
                          "events=0 results=0 jobs=0 pairs=0,0,0,0 unattributed=0 conflicts=0 quarantined=2"};
    for (int i = 0; i < 2; i++) {
        struct pm_log_record record = {.partition = 3, .offset = offsets[i], .value = PM_SLICE("nothing")};
        cr_assert_eq(pm_prepare_record(&x.prepare, &record, &x.batch, &err), PM_OK);
        pm_prepare_place(&record, &x.batch);
        test_index_apply(&x);
        struct pm_snapshot *snap = test_index_snapshot(&x);
        cr_assert_eq(pm_snapshot_applied(snap, &arena, &applied, &n, &err), PM_OK);
        cr_assert_eq(n, 1);
        cr_assert_eq(applied[0].partition, 3);
        cr_assert_eq(applied[0].next, 42);
        pm_snapshot_close(snap);
        SAYS(test_index_counts(&x), want[i]);
    }
}
