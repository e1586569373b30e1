/* index.h: an index of a test's own: event lines in, batches applied at will, and what the readers say of it as text.
 * No log is involved. */
#ifndef PM_TEST_INDEX_H
#define PM_TEST_INDEX_H

#include "common/store/job.h"
#include "common/store/snapshot.h"
#include "consumer/consumer.h"
#include "consumer/prepare.h"
#include "consumer/writer.h"

#define TEST_DIR_SIZE 128

/* A fresh directory, in memory where the system has such a place: thousands of commits are nothing there. */
void test_dir_make(char dir[TEST_DIR_SIZE]);
void test_dir_remove(const char *dir); /* with what is in it */

struct test_index {
    char parent[TEST_DIR_SIZE], dir[TEST_DIR_SIZE + 8];
    struct pm_writer *w;
    struct pm_prepare prepare;
    struct pm_batch batch; /* under construction */
    struct pm_arena arena;
};

void test_index_make(struct test_index *index);
void test_index_remove(struct test_index *index);
/* What a process that ends and starts again does. The batch must be empty. */
void test_index_reopen(struct test_index *index);

void test_index_event(struct test_index *index, const struct pm_event *ev); /* into the batch */
/* The same from a short text, "TYPE JOB PATH @AT [#ID] ['field':value,...]", '-' for what the type has not:
 *     computed j1 a/b @10 'loss':0.5      status j1 - @7 'status':'running'      expected j1 a/b,a/c @3      deleted -
 * a/b @9 AT is occurred_at in microseconds, ID the last digits of event_id (else it is derived), kind is sim unless it
 * is named. */
void test_index_line(struct test_index *index, const char *line);
/* Such a text as a line of `emit`, into `out`. */
void test_line_json(const char *line, struct pm_buf *out);
void test_index_apply(struct test_index *index);
/* Applies the batch with an operation behind it that cannot be applied; nothing of it may be left. The writer is ready
 * again, the batch as it was. */
void test_index_fail(struct test_index *index);
/* Lines, one a batch when `each`, else all in one; up to a NULL. */
void test_index_lines(struct test_index *index, bool each, const char *const *lines);

/* Checks the index against itself (every view must be ok) and appends "VIEW ROWS DIGEST\n" for each view and one line
 * of counters: equal for two indexes exactly when no reader can tell them apart. */
void test_index_digest(const char *dir, struct pm_buf *out);

/* A snapshot of what is committed. */
struct pm_snapshot *test_index_snapshot(struct test_index *index);

/* What readers see as one line of text, in static memory until the next call of the same function.
 *     result     sim loss=0.5 seed=7 | computed j1@10 reused j2@12 | deleted@9 conflicts=1 unattributed     (the last
 * part: what applies) job        status=running at=3..12 computed=1 reused=0 failed=0 expected=2 missing=1 bundles=4f44
 * targets=a,b job_type=x conflicts=0 conflicts  a/b loss nondeterminism 0.5(ResultComputed j1 @10) 0.7(ResultReused j2
 * @12); ...           (by id, then field) counts     events=3 results=1 jobs=2 pairs=1,1,0,0 unattributed=0 conflicts=1
 * quarantined=0 Digests are cut to four digits. "none" when there is no such result or job. */
const char *test_index_result(struct test_index *index, const char *path);
const char *test_index_job(struct test_index *index, const char *job_id);
const char *test_index_conflicts(struct test_index *index);
const char *test_index_counts(struct test_index *index);

#endif
