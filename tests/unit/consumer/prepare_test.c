/* prepare_test.c: what becomes of a record before anything of the index is touched. */
#include <criterion/criterion.h>
#include <string.h>

#include "common/base/check.h"
#include "common/event/identity.h"
#include "tests/support/index.h"

static struct test_index x;
static struct pm_codec *codec;
static void make(void)
{
    test_index_make(&x);
    cr_assert_eq(pm_codec_open(&(struct pm_codec_options){.schema_dir = NULL}, &codec, NULL), PM_OK);
    x.prepare.codec = codec;
}
static void unmake(void)
{
    test_index_remove(&x);
    pm_codec_close(codec);
}
TestSuite(prepare, .init = make, .fini = unmake);

static const struct pm_op *op_of(const char *line)
{
    test_index_line(&x, line);
    pm_batch_seal(&x.batch);
    return &x.batch.ops[x.batch.n_ops - 1];
}

static struct pm_record record_of(const struct pm_op *op)
{
    struct pm_record rec;
    struct pm_slice form;
    cr_assert_eq(pm_record_decode(pm_slice(x.batch.bytes.ptr + op->bytes_at, op->bytes_len), &rec, &form, NULL), PM_OK);
    return rec;
}

static void put(struct pm_slice value, int rc)
{
    struct pm_log_record record = {.partition = 2, .offset = 5, .timestamp_ms = 7, .value = value};
    cr_assert_eq(pm_prepare_record(&x.prepare, &record, &x.batch, NULL), rc);
}

/* ---- events ---- */

Test(prepare, an_event_about_a_result_is_one_operation_with_its_record)
{
    const struct pm_op *op = op_of("computed j1 a/b @10 #7f 'loss':0.5,'target':'t','seed':9");
    cr_assert(x.batch.n_ops == 1 && x.batch.events == 1);
    cr_assert(op->type == PM_RESULT_COMPUTED && op->at == 10 && op->event_id[15] == 0x7f && op->event_id[0] == 0);
    struct pm_hash128 hash = pm_hash128(PM_SLICE("a/b"));
    cr_assert(op->hash.hi == hash.hi && op->hash.lo == hash.lo);
    cr_assert(op->job1 == 1 && op->target1 == 1 && op->bundle1 == 0);
    struct pm_record rec = record_of(op);
    cr_assert_eq(rec.present, PM_FIELD_BIT(PM_FIELD_KIND) | PM_FIELD_BIT(PM_FIELD_LOSS) |
                                  PM_FIELD_BIT(PM_FIELD_TARGET) | PM_FIELD_BIT(PM_FIELD_SEED));
    cr_assert(rec.loss == 0.5 && rec.seed == 9 && rec.target == 0);
    cr_assert(rec.stamp.type == PM_RESULT_COMPUTED && rec.stamp.at == 10 && rec.stamp.job1 == 1);
}

Test(prepare, sums_are_of_the_facts_alone)
{
    struct pm_op one = *op_of("computed j1 a @10 'loss':0.5,'seed':9"),
                 same = *op_of("reused j2 a @99 'loss':0.5,'seed':9");
    struct pm_op loss = *op_of("computed j1 a @10 'loss':0.75,'seed':9"), seed = *op_of("computed j1 a @10 'loss':0.5");
    cr_assert(one.identity == same.identity && one.observed == same.observed);
    cr_assert(one.identity == loss.identity && one.observed != loss.observed);
    cr_assert(one.identity != seed.identity && one.observed == seed.observed);
    cr_assert_eq(op_of("reused j1 a @1 'seed':9")->observed, 0, "nothing observed");
}

Test(prepare, each_expected_path_is_an_operation)
{
    op_of("expected j1 a,b,c @3");
    cr_assert(x.batch.n_ops == 3 && x.batch.events == 1);
    for (int i = 0; i < 3; i++) {
        struct pm_hash128 hash = pm_hash128(pm_slice(&"abc"[i], 1));
        const struct pm_op *op = &x.batch.ops[i];
        cr_assert(op->type == PM_RESULTS_EXPECTED && op->job1 == 1 && op->at == 3 && op->hash.lo == hash.lo);
        cr_assert(record_of(op).present == 0 && record_of(op).stamp.type == PM_CLASS_UNKNOWN);
    }
}

Test(prepare, a_submission_brings_each_bundle_and_target_of_its_job)
{
    op_of("submitted j1 - @3 'targets':['t1','t2','t1']");
    cr_assert_eq(x.batch.n_ops, 4);
    cr_assert_eq(x.batch.ops[0].type, PM_JOB_SUBMITTED);
    const uint32_t targets[] = {1, 2, 1};
    for (int i = 0; i < 3; i++)
        cr_assert(x.batch.ops[i + 1].type == PM_OP_JOB_VALUE && x.batch.ops[i + 1].target1 == targets[i] &&
                  x.batch.ops[i + 1].job1 == 1);
}

Test(prepare, what_has_no_job_says_nothing_about_one)
{
    const struct pm_op *op = op_of("discovered - a @3 'target':'t'");
    cr_assert(op->job1 == 0 && op->target1 == 0);
    cr_assert_eq(op_of("deleted - a @3")->job1, 0);
    cr_assert_eq(op_of("deleted j a @3")->job1, 1);
    cr_assert_eq(op_of("status j - @3 'status':'partial'")->status, PM_STATUS_PARTIAL);
}

/* ---- records ---- */

Test(prepare, what_cannot_be_applied_is_a_row_of_the_quarantine_and_nothing_else)
{
    const struct pm_slice bad[] = {pm_slice(NULL, 0),
                                   PM_SLICE(""),
                                   PM_SLICE("nothing"),
                                   PM_SLICE("\xc3\x01too short"),
                                   PM_SLICE("{\"type\":\"Nonsense\"}"),
                                   PM_SLICE("\xc3\x01\1\2\3\4\5\6\7\x08unknown")};
    enum { N = sizeof bad / sizeof *bad };
    for (int i = 0; i < N; i++) put(bad[i], PM_OK);
    cr_assert(x.batch.n_poison == N && x.batch.records == N && x.batch.events == 0 && x.batch.n_ops == 0 &&
              x.batch.names.count == 0);
    for (int i = 0; i < N; i++) {
        const struct pm_batch_poison *poison = &x.batch.poison[i];
        struct pm_quarantined row;
        uint8_t key[12];
        cr_assert_eq(pm_quarantine_get(pm_quarantine_key(poison->partition, poison->offset, key),
                                       pm_slice(x.batch.bytes.ptr + poison->bytes_at, poison->bytes_len), &row, NULL),
                     PM_OK);
        cr_assert(row.partition == 2 && row.offset == 5 && row.at_us == 7000 && row.reason.len > 0);
        cr_assert((row.value.ptr == NULL) == (bad[i].ptr == NULL) && pm_slice_eq(row.value, bad[i]));
    }
}

Test(prepare, events_after_until_are_left_out)
{
    x.prepare.until_us = 10;
    PM_CLEANUP(pm_buf_release) struct pm_buf early = {0}, late = {0};
    test_line_json("computed j1 a @10", &early);
    test_line_json("computed j2 a @11", &late);
    put(pm_buf_slice(&late), PM_OK);
    cr_assert(x.batch.n_ops == 0 && x.batch.records == 1 && x.batch.events == 0 && x.batch.names.count == 0);
    put(pm_buf_slice(&early), PM_OK);
    cr_assert(x.batch.n_ops == 1 && x.batch.records == 2 && x.batch.events == 1);
}

Test(prepare, a_json_record_without_a_time_has_the_records_own)
{
    put(PM_SLICE("{\"type\":\"ResultDeleted\",\"result\":\"a\"}"), PM_OK);
    cr_assert_eq(x.batch.ops[0].at, 7000);
}

Test(prepare, a_registry_that_is_away_leaves_the_batch_as_it_was)
{
    pm_codec_close(codec);
    cr_assert_eq(pm_codec_open(&(struct pm_codec_options){.registry_url = "http://127.0.0.1:1"}, &codec, NULL), PM_OK);
    x.prepare.codec = codec;
    put(PM_SLICE("\0\0\0\0\x09 body"), PM_ELOGAWAY);
    cr_assert(x.batch.n_poison == 0 && x.batch.records == 0 && x.batch.n_ops == 0 && x.batch.bytes.len == 0);
}

Test(prepare, a_place_is_the_furthest_record_and_its_anchor)
{
    const int64_t offsets[] = {5, 9, 7};
    for (int i = 0; i < 3; i++) {
        struct pm_log_record record = {
            .partition = 2, .offset = offsets[i], .timestamp_ms = 100 + i, .value = pm_slice(&"xyz"[i], 1)};
        pm_prepare_place(&record, &x.batch);
    }
    cr_assert_eq(x.batch.n_offsets, 1);
    const struct pm_batch_offset *offset = &x.batch.offsets[0];
    cr_assert(offset->partition == 2 && offset->next == 10 && offset->anchor_offset == 9 &&
              offset->anchor_timestamp_ms == 101 && offset->anchor_crc == pm_crc32c(0, "y", 1));
}
